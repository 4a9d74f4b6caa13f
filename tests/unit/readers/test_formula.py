"""Formulas: what they compute, what they refuse with which code and offset, and that Python agrees."""

from __future__ import annotations

import re
import sys
from collections import ChainMap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnprof.readers.arithmetic import FUNCTIONS, show
from cnnprof.readers.formula import FormulaError, parse

LARGEST = 2**63 - 1
SCOPE = {
    "kernel": 7,
    "stride": 2,
    "width": 64,
    "ratio": 0.25,
    "depths": [3, 4, 6, 3],
    "block": "basic",
    "se": True,
    "norm": None,
    "index": 2,
    "empty": [],
    "nested": [[1, 2], [3]],
}


def evaluate(text: str):
    return parse(text).evaluate(SCOPE)


def refused(text: str) -> FormulaError:
    with pytest.raises(FormulaError) as caught:
        evaluate(text)
    return caught.value


def code_at(text: str) -> tuple[str, int]:
    error = refused(text)
    return error.code, error.offset


# What formulas compute


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kernel // 2", 3),
        ("stride != 1 or width != 64", True),
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("7 // -2", -4),
        ("7 % -3", -2),
        ("-7 % 3", 2),
        ("6 / 3", 2.0),
        ("1 / 4", 0.25),
        ("7.5 // 2", 3.0),
        ("2 - 3 - 4", -5),
        ("24 // 4 // 2", 3),
        ("- - 3", 3),
        ("-+3", -3),
        ("+ratio", 0.25),
        ("-kernel * 2", -14),
        ("width * ratio", 16.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("2e3", 2000.0),
        ("012", 12),
        (str(LARGEST), LARGEST),
        (f"-{LARGEST}", -LARGEST),
        ("true", True),
        ("True", True),
        ("false", False),
        ("False", False),
        ("null", None),
        ("None", None),
        ("not true", False),
        ("not not true", True),
        ("not 1 > 2", True),
        ("1 < 2", True),
        ("2 <= 1", False),
        ("2 > 1.5", True),
        ("1 >= 1", True),
        ("1 < 2 < 3", True),
        ("1 < 3 < 2", False),
        ("1 == 1.0", True),
        ("1 != 1", False),
        ("block == 'basic'", True),
        ('block != "basic"', False),
        ("norm == null", True),
        ("block == 1", False),
        ("depths == [3, 4, 6, 3]", True),
        ("index in [0, 2]", True),
        ("index not in [0, 2]", False),
        ("block in ['basic']", True),
        ("not index in []", True),
        ("true or false and false", True),
        ("not true or true", True),
        ("se and stride == 2", True),
        ("1 if se else 2", 1),
        ("1 if false else 2 if false else 3", 3),
        ("(1 if false else 2) + 1", 3),
        ("1 + 2 if se else 0", 3),
        ("depths[0]", 3),
        ("depths[-1]", 3),
        ("depths[index] * 2", 12),
        ("nested[0][1]", 2),
        ("[1, 2][1]", 2),
        ("[[5]][0][0]", 5),
        ("[]", []),
        ("[1, 2,]", [1, 2]),
        ("[kernel, 'a', true, null]", [7, "a", True, None]),
        ("'a b'", "a b"),
        ('"it\'s"', "it's"),
        ("min(3, 1, 2)", 1),
        ("max(depths)", 6),
        ("max(1, 2.5)", 2.5),
        ("len(depths)", 4),
        ("len(empty)", 0),
        ("sum(depths)", 16),
        ("sum(empty)", 0),
        ("sum([1, 0.5])", 1.5),
        ("round(2.5)", 2),
        ("round(3.5)", 4),
        ("round(7)", 7),
        ("floor(-0.5)", -1),
        ("ceil(0.1)", 1),
        ("floor(7 / 2)", 3),
        ("range(3)", [0, 1, 2]),
        ("range(1, 3)", [1, 2]),
        ("range(6, 0, -2)", [6, 4, 2]),
        ("range(0)", []),
        ("len(range(100000))", 100000),
        ("range(3)[1]", 1),
        ("max(8, floor(width * 0.9 + 4) // 8 * 8)", 56),
        ("  kernel  ", 7),
        ("kernel\n+ 1", 8),
        ("kernel+1", 8),
        ("(((1)))", 1),
    ],
)
def test_a_formula_computes_as_python_does(text, expected):
    actual = evaluate(text)

    assert (type(expected), expected) == (type(actual), actual)


def test_a_formula_knows_the_names_it_reads():
    formula = parse("max(kernel, 2) if se and true else depths[index]")

    assert frozenset({"kernel", "se", "depths", "index"}) == formula.names
    assert "max(kernel, 2) if se and true else depths[index]" == formula.text


def test_a_name_may_be_a_functions_where_it_is_not_called():
    assert 3 == parse("min + max(1, 2)").evaluate({"min": 1})


def test_a_name_may_have_letters_of_any_script():
    assert 2 == parse("größe_1 // 2").evaluate({"größe_1": 4})


def test_any_mapping_is_a_scope():
    assert 3 == parse("a + b").evaluate(ChainMap({"a": 1}, {"b": 2}))


def test_parsing_the_same_text_again_gives_the_same_formula():
    assert parse("kernel // 2 + 1") is parse("kernel // 2 + 1")


@pytest.mark.parametrize(
    "text",
    [
        "1 if true else 1 // 0",
        "1 // 0 if false else 1",
        "true or 1 // 0 == 1",
        "not (false and 1 // 0 == 1)",
        "not 2 < 1 < 1 // 0",
    ],
)
def test_what_is_not_chosen_is_not_computed(text):
    assert evaluate(text) in (1, True)


def test_a_sum_of_five_hundred_terms_needs_no_depth():
    assert 499 == evaluate("+".join(["1"] * 499))


def test_a_chain_of_choices_needs_no_depth():
    assert 9 == evaluate("1 if false else " * 62 + "9")


# Grammar


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("", 0),
        ("  ", 2),
        ("()", 1),
        ("().__class__", 1),
        ("kernel.real", 6),
        ("9**9**9", 1),
        ("lambda: 1", 6),
        ("[x for x in y]", 3),
        ("kernel = 1", 7),
        ("(x := 1)", 3),
        ("{1: 2}", 0),
        ("1 +", 3),
        ("* 2", 0),
        ("1 2", 2),
        ("a b", 2),
        ("(1", 2),
        ("1)", 1),
        ("[1", 2),
        ("[1 2]", 3),
        ("[,]", 1),
        ("max(1", 5),
        ("max(*depths)", 4),
        ("max(a=1)", 5),
        ("1 if true", 9),
        ("1 else 2", 2),
        ("if true", 0),
        ("a is b", 2),
        ("1 not 2", 6),
        ("a == not b", 5),
        ("1 <> 2", 3),
        ("1 & 2", 2),
        ("~1", 0),
        ("!se", 0),
        ("x;y", 1),
        ("x, y", 1),
        ("1_000", 0),
        ("0x1F", 0),
        ("1.2.3", 0),
        ("1j", 0),
        ("3x3", 0),
        ("f'a'", 1),
        ("b'a'", 1),
        ("'a", 0),
        ("'a\\n'", 0),
        ("`a`", 0),
        ("\x00", 0),
        ("@", 0),
        ("٣", 0),
        ("😀", 0),
        ("max(1, 2)(3)", 9),
        ("'a'('b')", 3),
        ("depths[0, 1]", 8),
        ("depths[]", 7),
        ("await x", 6),
    ],
)
def test_what_is_not_in_the_grammar_is_refused_where_it_stands(text, offset):
    assert ("formula-syntax", offset) == code_at(text)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("2 ** 3", "there is no power: multiply"),
        ("a = 1", "equality is written =="),
        ("a.b", "there are no attributes"),
        ("'a", "the text is not closed"),
        ("a & b", "write and"),
        ("1 2", None),
    ],
)
def test_what_many_languages_have_is_answered_with_what_this_one_has(text, hint):
    assert hint == refused(text).hint


def test_an_error_says_what_was_expected_and_what_came():
    assert "expected ), got the end" == refused("(1").message
    assert "expected an operator or the end, got '2'" == refused("1 2").message
    assert "'1_000' is neither a number nor a name" == refused("1_000").message


@pytest.mark.parametrize("name", ["__import__", "eval", "open", "abs", "getattr", "kernel", "str", "pow", "print"])
def test_only_the_listed_functions_can_be_called(name):
    assert ("unknown-function", 2) == code_at(f" +{name}('os')")


def test_a_misspelt_function_brings_the_right_one():
    assert "did you mean 'floor'?" == refused("flor(1.5)").hint


def test_an_unheard_of_function_brings_all_there_are():
    assert "there are ceil, floor, len, max, min, range, round, sum" == refused("__import__('os')").hint
    assert ["ceil", "floor", "len", "max", "min", "range", "round", "sum"] == sorted(FUNCTIONS)


# Bounds


def test_a_formula_has_at_most_a_thousand_characters():
    assert 1 == evaluate("1" + " " * 999)
    assert ("formula-too-long", 1000) == code_at("1" + " " * 1000)


@pytest.mark.parametrize("opening", ["(", "[", "-", "not ", "max(1, ", "depths[", "1 + ("])
def test_nesting_is_bounded(opening):
    assert "formula-too-deep" == refused(opening * (999 // len(opening))).code


def test_thirty_two_brackets_are_allowed_and_thirty_three_are_not():
    assert 1 == evaluate("(" * 32 + "1" + ")" * 32)
    assert ("formula-too-deep", 33) == code_at("(" * 33 + "1" + ")" * 33)


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        (f"{LARGEST} + 1", 20),
        (f"-{LARGEST} - 1", 21),
        (f"{LARGEST + 1}", 0),
        ("4294967296 * 4294967296", 11),
        ("9" * 900, 0),
        (f"sum([{LARGEST}, 1])", 0),
        ("floor(1e300)", 0),
        ("ceil(1e300)", 0),
        ("round(1e300)", 0),
        (f"{LARGEST} * {LARGEST} // {LARGEST}", 20),
    ],
)
def test_a_whole_number_beyond_63_bits_is_refused(text, offset):
    assert ("too-large", offset) == code_at(text)


@pytest.mark.parametrize(
    "text", ["1e999", "1e308 * 10", "1e308 + 1e308", "-1e308 - 1e308", "1e308 / 0.1", "sum([1e308, 1e308])"]
)
def test_a_number_that_is_not_finite_is_refused(text):
    assert "not-finite" == refused(text).code


def test_a_sum_past_all_floats_is_refused():
    with pytest.raises(FormulaError) as caught:
        parse("sum(values)").evaluate({"values": [10**400, 0.5]})

    assert "too-large" == caught.value.code


def test_a_product_past_all_floats_is_refused():
    with pytest.raises(FormulaError) as caught:
        parse("value * 0.5").evaluate({"value": 10**400})

    assert "not-finite" == caught.value.code


@pytest.mark.parametrize("text", ["1 // 0", "1 / 0", "1 % 0", "1.5 // 0", "1 // 0.0", "kernel % (stride - 2)"])
def test_a_division_by_zero_has_its_own_code(text):
    assert "division-by-zero" == refused(text).code


def test_a_division_by_zero_names_its_numbers():
    assert "7 // 0 divides by zero" == refused("kernel // (stride - 2)").message


@pytest.mark.parametrize(
    "text",
    [
        "range(100001)",
        f"range(-{LARGEST}, {LARGEST})",
        "[range(60000), range(60000)]",
        "[range(99999), 1, 2]",
        "[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]",
        "max(range(60000), range(60000))",
    ],
)
def test_the_size_of_lists_is_bounded(text):
    assert "list-too-long" == refused(text).code


def test_lists_that_share_their_parts_are_bounded_as_if_they_did_not():
    tenfold = parse("[a, a, a, a, a, a, a, a, a, a]")
    thousand = tenfold.evaluate({"a": tenfold.evaluate({"a": [1] * 10})})
    values = tenfold.evaluate({"a": thousand})
    with pytest.raises(FormulaError) as caught:
        tenfold.evaluate({"a": tenfold.evaluate({"a": values})})

    assert "list-too-long" == caught.value.code
    assert "a list may have 100,000 values and 16 levels, lists inside it included" == caught.value.message


def test_evaluating_with_no_stack_left_is_an_error_of_the_formula():
    # Some 60 frames are needed and 30 are left: enough to make the error, whatever else a tracer puts on the stack.
    formula = parse("max(1, " * 30 + "2" + ")" * 30)

    def deep(levels: int):
        return formula.evaluate({}) if levels == 0 else deep(levels - 1)

    with pytest.raises(FormulaError) as caught:
        deep(sys.getrecursionlimit() - _frames() - 30)

    assert "formula-too-deep" == caught.value.code


def test_parsing_with_no_stack_left_is_an_error_of_the_formula():
    with pytest.raises(FormulaError):
        parse("-(")  # once with room: coverage's tracer needs frames of its own when it first meets a file

    def deep(levels: int):
        return parse("-(" * 15 + "77" + ")" * 15) if levels == 0 else deep(levels - 1)

    with pytest.raises(FormulaError) as caught:
        deep(sys.getrecursionlimit() - _frames() - 50)

    assert "formula-too-deep" == caught.value.code


def _frames() -> int:
    frame, count = sys._getframe(), 0
    while frame is not None:
        frame, count = frame.f_back, count + 1
    return count


# Types


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 + 'a'", "+ needs two numbers, got the text 'a'"),
        ("'a' + 'b'", "+ needs two numbers, got the text 'a'"),
        ("'a' * 3", "* needs two numbers, got the text 'a'"),
        ("'%s' % 3", "% needs two numbers, got the text '%s'"),
        ("depths + [1]", "+ needs two numbers, got a list of 4"),
        ("depths * 2", "* needs two numbers, got a list of 4"),
        ("true + 1", "+ needs two numbers, got true"),
        ("1 - null", "- needs two numbers, got null"),
        ("-'a'", "- needs a number, got the text 'a'"),
        ("-true", "- needs a number, got true"),
        ("[1] < 2", "< needs two numbers, got a list of 1"),
        ("1 < 'a'", "< needs two numbers, got the text 'a'"),
        ("'a' < 'b'", "< needs two numbers, got the text 'a'"),
        ("true < 2", "< needs two numbers, got true"),
        ("1 in 2", "in needs a list on its right, got 2"),
        ("'a' not in 'abc'", "not in needs a list on its right, got the text 'abc'"),
        ("not 1", "not needs true or false, got 1"),
        ("1 or true", "or needs true or false, got 1"),
        ("true and null", "and needs true or false, got null"),
        ("1 if depths else 2", "if needs true or false, got a list of 4"),
        ("kernel[0]", "only a list has elements, got 7"),
        ("block[0]", "only a list has elements, got the text 'basic'"),
        ("depths['a']", "an index is a whole number, got the text 'a'"),
        ("depths[true]", "an index is a whole number, got true"),
        ("depths[1.0]", "an index is a whole number, got 1.0"),
        ("len('abc')", "len needs a list, got the text 'abc'"),
        ("sum(1)", "sum needs a list, got 1"),
        ("sum(['a'])", "sum needs numbers, got the text 'a'"),
        ("min(1)", "min needs a list or several numbers, got 1"),
        ("max(1, 'a')", "max needs numbers, got the text 'a'"),
        ("max(depths, 1)", "max needs numbers, got a list of 4"),
        ("round('a')", "round needs numbers, got the text 'a'"),
        ("floor(true)", "floor needs numbers, got true"),
        ("range(1.0)", "range needs whole numbers, got 1.0"),
        ("range(true)", "range needs whole numbers, got true"),
    ],
)
def test_a_wrong_type_is_told_with_what_came(text, message):
    assert ("bad-type", message) == (refused(text).code, refused(text).message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("min()", "min of nothing"),
        ("max(empty)", "max of nothing"),
        ("len()", "len takes 1 value, got 0"),
        ("len(depths, depths)", "len takes 1 value, got 2"),
        ("round(1.5, 1)", "round takes 1 value, got 2"),
        ("range()", "range takes 1 to 3 values, got 0"),
        ("range(1, 2, 3, 4)", "range takes 1 to 3 values, got 4"),
        ("range(1, 5, 0)", "range with a step of 0 never ends"),
    ],
)
def test_a_wrong_call_is_told_with_what_came(text, message):
    assert ("bad-call", message) == (refused(text).code, refused(text).message)


@pytest.mark.parametrize(("text", "index"), [("depths[4]", 4), ("depths[-5]", -5), ("depths[kernel]", 7)])
def test_an_index_outside_the_list_is_refused(text, index):
    assert ("bad-index", f"index {index} is outside a list of 4") == (refused(text).code, refused(text).message)


def test_a_long_value_is_not_shown_whole():
    assert len(show("a" * 1000)) < 60
    assert "a list of 100000" == show([0] * 100_000)


# Names


def test_an_unknown_name_brings_the_nearest():
    error = refused("stride + kernle")

    assert ("unknown-name", 9, "nothing is called 'kernle' here") == (error.code, error.offset, error.message)
    assert "did you mean 'kernel'?" == error.hint


def test_a_function_that_is_not_called_is_an_unknown_name():
    assert "min is a function: min(…)" == refused("min + 1").hint


def test_names_far_from_all_others_list_them():
    with pytest.raises(FormulaError) as caught:
        parse("zzz").evaluate({"b": 1, "a": 2})

    assert "there are a, b" == caught.value.hint


@pytest.mark.parametrize("scope", [{}, {f"name_{i}": i for i in range(50)}])
def test_no_or_many_names_are_not_listed(scope):
    with pytest.raises(FormulaError) as caught:
        parse("zzz").evaluate(scope)

    assert caught.value.hint is None


@pytest.mark.parametrize("name", ["__builtins__", "__class__", "os", "open", "self", "scope"])
def test_nothing_of_python_is_in_scope(name):
    assert "unknown-name" == refused(name).code


# Properties

NUMBERS = st.integers(0, 9).map(str) | st.sampled_from(["0.5", "2.0", "1.25", "kernel", "stride", "ratio", "index"])


def _numbers(inner):
    pairs = st.tuples(inner, st.sampled_from(["+", "-", "*", "//", "%", "/"]), inner)
    return st.one_of(
        pairs.map(" ".join),
        pairs.map("({0[0]}) {0[1]} ({0[2]})".format),
        inner.map("-{}".format),
        inner.map("+ ({})".format),
        inner.map("floor({})".format),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner).map("{0[0]}({0[1]}, {0[2]})".format),
        st.lists(inner, min_size=1, max_size=3).map(lambda items: f"sum([{', '.join(items)}])"),
        st.lists(inner, min_size=1, max_size=3).map(lambda items: f"[{', '.join(items)}][-1]"),
        st.tuples(inner, _truths(inner), inner).map("({0[0]} if {0[1]} else {0[2]})".format),
    )


def _truths(inner):
    signs = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
    single = st.tuples(inner, signs, inner).map(" ".join)
    chained = st.tuples(inner, signs, inner, signs, inner).map(" ".join)
    member = st.tuples(inner, st.sampled_from(["in", "not in"]), inner, inner).map(
        "{0[0]} {0[1]} [{0[2]}, {0[3]}]".format
    )
    base = st.one_of(single, chained, member, st.sampled_from(["True", "False", "se"]))
    joined = st.tuples(base, st.sampled_from([" and ", " or ", " and not ", " or not "]), base).map("".join)
    return st.one_of(base, joined, base.map("not {}".format))


ARITHMETIC = st.recursive(NUMBERS, _numbers, max_leaves=10)


@settings(deadline=None)
@given(st.one_of(ARITHMETIC, _truths(ARITHMETIC)))
def test_python_computes_the_same(text):
    try:
        expected = eval(text, {"floor": __import__("math").floor}, SCOPE)  # noqa: S307 - the text is our own
    except ZeroDivisionError:
        assert refused(text).code in ("division-by-zero", "formula-too-deep")
        return
    try:
        actual = evaluate(text)
    except FormulaError as error:
        actual = error.code
    if actual not in ("formula-too-long", "formula-too-deep"):
        assert (type(expected), repr(expected)) == (type(actual), repr(actual))


SOUP = st.lists(
    st.sampled_from(
        [
            "1",
            "0",
            "2.5",
            "kernel",
            "depths",
            "block",
            "se",
            "norm",
            "zzz",
            "'a'",
            "+",
            "-",
            "*",
            "//",
            "/",
            "%",
            "==",
            "<",
            "in",
            "not",
            "and",
            "or",
            "if",
            "else",
            "(",
            ")",
            "[",
            "]",
            ",",
            "min(",
            "max(",
            "len(",
            "sum(",
            "range(",
            "round(",
            "true",
            "null",
            "**",
            ".",
            "=",
            ":",
            "x(",
        ]
    ),
    max_size=25,
)


@settings(deadline=None)
@given(st.one_of(SOUP.map(" ".join), SOUP.map("".join), st.text(max_size=40)))
def test_any_text_gives_a_value_or_an_error_within_it(text):
    try:
        evaluate(text)
    except FormulaError as error:
        found = error
    else:
        return
    assert 0 <= found.offset <= len(text)
    assert re.fullmatch("[a-z-]+", found.code)
    assert str(found) == found.message
