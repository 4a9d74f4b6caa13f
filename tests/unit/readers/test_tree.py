"""From YAML and JSON to a tree with places: what is read, and what is refused with which code, line and column."""

from __future__ import annotations

import json
import string

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnprof.errors import SpecError
from cnnprof.readers import composer
from cnnprof.readers.tree import Document, Mapping, Scalar, Sequence, Tree, compose

LARGEST = 2**63 - 1


def value(tree: Tree):
    """The tree as plain Python data."""
    if isinstance(tree, Scalar):
        return tree.value
    if isinstance(tree, Sequence):
        return [value(item) for item in tree.items]
    return {key.value: value(item) for key, item in tree.entries}


def of(text: str, **options):
    return value(compose(text, "net.yaml", **options).root)


def refused(text: str, **options) -> list[tuple[str, str]]:
    """``line:column code`` of each problem."""
    with pytest.raises(SpecError) as caught:
        compose(text, "net.yaml", **options)
    for problem in caught.value.problems:
        problem.render().encode()
    return [(f"{p.place.line}:{p.place.column}", p.code) for p in caught.value.problems]


def said(text: str, **options) -> str:
    with pytest.raises(SpecError) as caught:
        compose(text, "net.yaml", **options)
    return str(caught.value)


@pytest.fixture(params=["CSafeLoader", "SafeLoader"])
def loader(request, monkeypatch):
    """Each of PyYAML's parsers: some systems have the one without C only."""
    monkeypatch.setattr(composer, "LOADER", getattr(yaml, request.param))


# Scalars


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("64", 64),
        ("-1", -1),
        ("+3", 3),
        ("0", 0),
        ("-0", 0),
        ("012", 12),
        ("0o17", 15),
        ("0x1F", 31),
        (str(LARGEST), LARGEST),
        (f"-{LARGEST}", -LARGEST),
        ("0" * 5000 + "7", 7),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.", 1.0),
        ("1e3", 1000.0),
        ("-2.5E-1", -0.25),
        ("1e-999", 0.0),
        ("true", True),
        ("False", False),
        ("TRUE", True),
        ("null", None),
        ("~", None),
        ("Null", None),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("tRue", "tRue"),
        ("nULL", "nULL"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("0o8", "0o8"),
        ("0xg", "0xg"),
        ("-0x1", "-0x1"),
        ("12:30", "12:30"),
        ("2001-01-01", "2001-01-01"),
        ("1e", "1e"),
        ("+", "+"),
        ("-x", "-x"),
        ("1.2.3", "1.2.3"),
        ("3x3", "3x3"),
        ("inf", "inf"),
        ("nan", "nan"),
        ("=", "="),
        ("=out // 2", "=out // 2"),
        ('"64"', "64"),
        ("'true'", "true"),
        ('""', ""),
        ('"a\\tb\\u00e9"', "a\tbé"),
    ],
)
def test_a_scalar_is_read_by_the_core_schema_of_yaml_1_2(text, expected):
    actual = of(f"a: {text}")["a"]

    assert (type(expected), expected) == (type(actual), actual)


def test_a_key_without_a_value_is_null():
    assert {"a": None, "b": {"c": None}} == of("a:\nb: {c}")


def test_a_scalar_knows_whether_it_was_quoted():
    first, second = compose("[64, '64']", "net.yaml").root.items

    assert (True, False) == (first.plain, second.plain)


def test_block_and_folded_texts_are_read():
    assert {"a": "x\ny\n", "b": "x y\n", "c": "x y"} == of("a: |\n  x\n  y\nb: >\n  x\n  y\nc: x\n  y\n")


# Collections


def test_a_specification_becomes_lists_and_mappings():
    text = "layers:\n  - conv2d: {out_channels: 64, kernel_size: [3, 1]}\n  - relu\n"

    assert {"layers": [{"conv2d": {"out_channels": 64, "kernel_size": [3, 1]}}, "relu"]} == of(text)


def test_keys_of_different_types_are_different_keys():
    root = compose("1: a\ntrue: b\n1.0: c\n'1': d\n", "net.yaml").root

    assert [1, True, 1.0, "1"] == [key.value for key, _ in root.entries]


def test_an_entry_is_found_by_its_name_and_only_by_text():
    root = compose("a: 1\n2: x\n", "net.yaml").root

    assert (1, None, None) == (root.get("a").value, root.get("2"), root.get("b"))


def test_windows_line_ends_change_nothing():
    assert of("a:\n  - 1\n  - b\n") == of("a:\r\n  - 1\r\n  - b\r\n")


def test_explicit_document_marks_of_one_document_are_allowed():
    assert {"a": 1} == of("%YAML 1.2\n---\na: 1\n...\n")


def test_a_quoted_merge_key_is_a_text():
    assert {"<<": 1} == of('"<<": 1')


def test_sixty_four_levels_are_read():
    assert 64 == json.dumps(of("[" * 64 + "]" * 64)).count("[")


def test_twenty_five_problems_are_reported_and_no_more():
    assert 25 == len(refused("\n".join(["a: 1"] * 100)))


def test_trees_can_be_looked_at_while_debugging():
    root = compose("a: [1]", "net.yaml").root

    assert "Mapping('a' at 1:1)" == repr(root)
    assert "Sequence(1 items at 1:4)" == repr(root.get("a"))
    assert "Scalar(1 at 1:5)" == repr(root.get("a").items[0])


def test_a_node_can_be_put_where_another_stands():
    where = Tree(3, 7)

    for tree in (Scalar.of(where, 1), Sequence.of(where, []), Mapping.of(where, [])):
        assert (3, 7) == (tree.line, tree.column)


# Places

NESTED = "cnnprof: 1\nlayers:\n  - conv2d: {out_channels: =out, padding: '=kernel // 2'}\n"


def nested() -> tuple[Document, Mapping]:
    document = compose(NESTED, "net.yaml")
    return document, document.root.get("layers").items[0].get("conv2d")


def test_every_node_knows_its_line_and_column():
    document, arguments = nested()

    assert "net.yaml:3:13" == str(document.place(arguments))
    assert "net.yaml:3:28" == str(document.place(arguments.get("out_channels")))
    assert "net.yaml:3:14" == str(document.place(arguments.get("out_channels"), key=True))


def test_an_item_of_a_list_has_no_key():
    document, _ = nested()
    item = document.root.get("layers").items[0]

    assert document.place(item) == document.place(item, key=True)


def test_a_place_brings_its_line():
    document, arguments = nested()

    assert "  - conv2d: {out_channels: =out, padding: '=kernel // 2'}" == document.place(arguments).text


def test_an_offset_points_into_a_value_quoted_or_not():
    document, arguments = nested()

    assert 29 == document.place(arguments.get("out_channels"), offset=1).column
    assert NESTED.splitlines()[2].index("kernel") + 1 == document.place(arguments.get("padding"), offset=1).column


def test_an_offset_into_a_folded_value_stays_at_its_start():
    document = compose("a: >\n  =x\n  + y\n", "net.yaml")

    assert "net.yaml:1:4" == str(document.place(document.root.get("a"), offset=3))


def test_an_offset_into_what_is_no_text_stays_at_its_start():
    document = compose("a: 10\n", "net.yaml")

    assert "net.yaml:1:4" == str(document.place(document.root.get("a"), offset=1))


def test_a_place_behind_the_last_line_has_an_empty_one():
    assert "" == Document("net.yaml", "a: 1", Tree(1, 1)).place(Tree(9, 1)).text


def test_lines_end_where_yaml_ends_them():
    document = compose("a: 1\r\nb: 'x\u2028\n  y'\nc: 3\n", "net.yaml")

    assert ("net.yaml:5:4", "c: 3") == (str(document.place(document.root.get("c"))), document.lines[4])


def test_the_source_of_a_document_can_be_printed():
    assert "net\\udcff.yaml" == compose("a: 1", "net\udcff.yaml").source


# What is refused


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[" * 65 + "]" * 65, [("1:65", "too-deep")]),
        ("a: &x [1]\n", [("1:4", "anchor")]),
        ("a: &x [1]\nb: *x\nc: *x\n", [("1:4", "anchor"), ("2:4", "alias")]),
        ("a: !!python/object/apply:os.system ['x']\n", [("1:4", "tag")]),
        ("a: !include x\nb: !!binary eA==\nc: ! y\n", [("1:4", "tag"), ("2:4", "tag"), ("3:4", "tag")]),
        ("!x {a: 1}\n", [("1:1", "tag")]),
        ("a: {<<: {b: 1}}\n", [("1:5", "merge-key")]),
        ("a: 1\nb: {x: 1, x: 2}\na: 3\n", [("2:11", "duplicate-key"), ("3:1", "duplicate-key")]),
        ("a: 1\n---\nb: 2\n", [("2:1", "second-document")]),
        ("? [a]\n: b\n", [("1:3", "bad-key")]),
        ("{{a: 1}: b}", [("1:2", "bad-key")]),
        (f"a: {LARGEST + 1}\nb: -{LARGEST + 1}\n", [("1:4", "too-large"), ("2:4", "too-large")]),
        ("a: 0x8000000000000000\nb: " + "9" * 5000, [("1:4", "too-large"), ("2:4", "too-large")]),
        ("a: .inf\nb: -.INF\nc: .nan\nd: 1e999\n", [(f"{line}:4", "not-finite") for line in range(1, 5)]),
        ("a: b: c\n", [("1:5", "yaml-syntax")]),
        ("a: @x\n", [("1:4", "yaml-syntax")]),
    ],
)
def test_what_yaml_has_and_specifications_do_not_is_refused(text, expected):
    assert expected == refused(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{padding: =max(1, 2)}", "1:11"),
        ("- conv2d: {a: =min(x, y), b: 1}", "1:15"),
        ("{a: =depths[0]}", "1:5"),
        ("[=x, =[1, 2]]", "1:6"),
        ("{a: =x == 'a,b'}", "1:5"),
        ("{a: '=ok(1, 2)', b: [=(x]}", "1:22"),
    ],
)
def test_an_unquoted_formula_that_yaml_would_split_is_refused(text, expected):
    assert [(expected, "unquoted-formula")] == refused(text)


def test_the_error_says_that_the_formula_must_be_quoted():
    assert (
        "net.yaml:1:5: error[unquoted-formula] the formula =max(1 is cut off at a comma\n"
        "  {a: =max(1, 2)}\n"
        "      ^\n"
        '  hint: inside {} and [] a formula with a comma or bracket must be quoted: "=…"'
    ) == said("{a: =max(1, 2)}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: =max(1, 2)", {"a": "=max(1, 2)"}),
        ("- =depths[0]", ["=depths[0]"]),
        ("{a: '=max(1, 2)'}", {"a": "=max(1, 2)"}),
        ("{a: =(x + 1) // 2}", {"a": "=(x + 1) // 2"}),
        ("[=x == ')']", ["=x == ')'"]),
        ("{a: max(1}", {"a": "max(1"}),
    ],
)
def test_other_formulas_need_no_quotes(text, expected):
    assert expected == of(text)


def test_a_duplicate_key_names_both_places():
    assert "net.yaml:2:1: error[duplicate-key] the key 'a' is there already, at line 1, column 1" in said("a: 1\na: 2")


def test_a_tag_is_named_as_it_was_written():
    assert "tags (!!python/name:os.system) are not allowed" in said("a: !!python/name:os.system x")


def test_a_syntax_error_says_where_the_collection_begins():
    message = "did not find expected ',' or ']' while parsing a flow sequence that begins in line 1"

    assert message in said("a: [1, 2\nb: 3\n")


def test_a_tab_brings_its_way_out():
    assert "hint: indent with spaces, not with tabs" in said("a:\n\tb: 1\n")


def test_an_error_in_a_syntax_error_keeps_what_was_found_before():
    assert [("1:4", "too-large"), ("2:4", "yaml-syntax")] == refused(f"a: {LARGEST + 1}\nb: @\n")


@pytest.mark.parametrize("text", ["", "# only a comment\n", "\n\n", "%YAML 1.2\n"])
def test_a_text_without_a_node_is_refused(text):
    assert said(text).startswith("net.yaml")


def test_nothing_is_called_empty():
    assert "net.yaml: error[empty] there is nothing in it" == said("# nothing")


def test_a_character_that_yaml_forbids_is_refused():
    assert [("1:4", "nul-byte")] == refused("a: \0")
    assert [("1:4", "control-character")] == refused("a: \ud800")


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize("escape", ["\\ud800", "\\U00110000"])
def test_an_escape_that_names_no_character_is_refused(escape):
    assert "error[" in said(f'a: "{escape}"')


def test_the_number_of_values_is_bounded(monkeypatch):
    monkeypatch.setattr(composer, "MOST_NODES", 5)

    assert [("1:14", "too-many-nodes")] == refused("[1, 2, 3, 4, 5]")


def test_two_hundred_thousand_values_are_the_bound():
    assert 199_999 == len(of("[" + "1," * 199_999 + "]"))
    assert "too-many-nodes" == refused("[" + "1," * 200_000 + "]")[0][1]


# JSON


def test_json_gives_the_same_tree_as_yaml():
    text = '{"cnnprof": 1, "layers": [{"conv2d": {"out_channels": 64}}, "relu"], "x": [1.5, true, null, {}]}'

    assert of(text) == of(text, json=True)


def test_json_may_be_indented_with_tabs_and_have_surrogate_pairs():
    assert {"a": "😀/"} == of('{\n\t"a":\t"\\ud83d\\ude00\\/"\r\n}\n', json=True)


def test_a_json_number_in_quotes_is_a_text():
    assert ["64", 64] == of('["64", 64]', json=True)


def test_json_nodes_know_their_places():
    document = compose('{\n  "a": [1,\n "é\u2028x", 22]}', "net.json", json=True)

    assert [(2, 9), (3, 2), (4, 5)] == [(item.line, item.column) for item in document.root.get("a").items]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1:1"),
        ("[1,]", "1:4"),
        ('{"a": 1,}', "1:9"),
        ("[NaN]", "1:2"),
        ("[Infinity]", "1:2"),
        ("[-Infinity]", "1:2"),
        ("[01]", "1:2"),
        ("[1.]", "1:2"),
        ("[.5]", "1:2"),
        ("[+1]", "1:2"),
        ("[0x1F]", "1:2"),
        ("[1_000]", "1:2"),
        ("[1 2]", "1:4"),
        ("[,1]", "1:2"),
        ("{1: 2}", "1:2"),
        ('{"a" 1}', "1:6"),
        ('{"a": }', "1:7"),
        ("{a: 1}", "1:2"),
        ('["a\tb"]', "1:4"),
        ('["a\nb"]', "1:4"),
        ('["abc', "1:2"),
        ('["\\x"]', "1:3"),
        ("['a']", "1:2"),
        ("[1}", "1:3"),
        ("]", "1:1"),
        ("[1] x", "1:5"),
        ("[1][2]", "1:4"),
        ("[tru]", "1:2"),
        ("[truex]", "1:2"),
        ("# a\n1", "1:1"),
        ("[", "1:2"),
        ("{", "1:2"),
        ("[1\u00a0]", "1:3"),
        ("[٣]", "1:2"),
    ],
)
def test_what_is_not_json_is_refused(text, expected):
    assert [(expected, "json-syntax")] == refused(text, json=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('["\\ud800"]', ("1:2", "control-character")),
        ('{"a": 1, "a": 2}', ("1:10", "duplicate-key")),
        ("[" * 100_000, ("1:65", "too-deep")),
        ('{"a":' * 100_000, ("1:321", "too-deep")),
        ("[1e999]", ("1:2", "not-finite")),
        (f"[{LARGEST + 1}]", ("1:2", "too-large")),
    ],
)
def test_json_has_the_bounds_of_yaml(text, expected):
    assert [expected] == refused(text, json=True)


def test_a_json_error_says_what_was_expected():
    assert "expected a comma or the closing bracket, got 2" in said("[1 2]", json=True)
    assert "expected a value, got the end" in said("[1,", json=True)


# Properties

TEXTS = st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\ufffe\uffff"), max_size=8)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-LARGEST, LARGEST), st.floats(allow_nan=False, allow_infinity=False), TEXTS
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=12
)


class Dumper(yaml.SafeDumper):
    """Quotes every text: PyYAML decides by YAML 1.1, where 1e3 and 0o7 are texts."""

    def ignore_aliases(self, _data):
        return True

    def represent_str(self, data):
        return self.represent_scalar("tag:yaml.org,2002:str", data, style='"')


Dumper.add_representer(str, Dumper.represent_str)


@settings(deadline=None)
@given(VALUES)
def test_what_the_json_module_writes_is_read_as_it_was(data):
    assert data == of(json.dumps(data), json=True)
    assert data == of(json.dumps(data, ensure_ascii=False, indent="\t"), json=True)


@settings(deadline=None)
@given(VALUES)
def test_what_pyyaml_writes_is_read_as_it_was(data):
    assert data == of(yaml.dump(data, Dumper=Dumper))


TOKENS = st.sampled_from(
    [
        *string.punctuation,
        "\n",
        "\n  ",
        "\n- ",
        ": ",
        " ",
        "a",
        "b",
        "12",
        "=x",
        "=max(1, 2)",
        "&a ",
        "*a",
        "!!int ",
        "!t ",
        "---\n",
        "...\n",
        "<<",
        "| \n",
        "> \n",
        "\t",
        "é",
        "\u2028",
        "'",
        '"',
        "\\u12",
        "[",
        "]",
        "{",
        "}",
        ",",
        "? ",
        "# c\n",
        "true",
    ]
)


@settings(deadline=None)
@given(st.one_of(st.lists(TOKENS, max_size=30).map("".join), st.text(max_size=60)), st.booleans())
def test_any_text_gives_a_tree_or_an_error_that_can_be_printed(text, as_json):
    try:
        document = compose(text, "net.yaml", json=as_json)
    except SpecError as error:
        str(error).encode()
        return
    for tree in _all(document.root):
        assert 1 <= tree.line <= len(document.lines) + 1
        assert 1 <= tree.column


@settings(deadline=None)
@given(st.one_of(st.lists(TOKENS, max_size=30).map("".join), st.text(max_size=60)))
def test_the_parser_without_c_never_fails_otherwise(text):
    loader, composer.LOADER = composer.LOADER, yaml.SafeLoader
    try:
        compose(text, "net.yaml")
    except SpecError as error:
        str(error).encode()
    finally:
        composer.LOADER = loader


@settings(deadline=None)
@given(st.lists(TOKENS, max_size=40).map("".join))
def test_json_is_accepted_exactly_where_the_json_module_accepts_it(text):
    def no(_constant):
        raise ValueError

    try:
        expected = json.loads(text, parse_constant=no)
    except ValueError:
        assert refused(text, json=True)
    else:
        assert expected == of(text, json=True)


def _all(tree: Tree):
    yield tree
    if isinstance(tree, Sequence):
        for item in tree.items:
            yield from _all(item)
    elif isinstance(tree, Mapping):
        for key, item in tree.entries:
            yield key
            yield from _all(item)
