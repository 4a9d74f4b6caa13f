"""Records as JSON: exact names, and nothing that the record does not have."""

from __future__ import annotations

import json
import re

import pytest

from cnnprof import analyze
from cnnprof.model.analysis import Analysis
from cnnprof.model.records import decode, decode_exactly, encode, parse
from cnnprof.model.run import Forward, Part, Setting


@pytest.mark.parametrize("name", ["a\udc80b", "\x1b[2J", "\u2028", '"', "\x00", "卷积", ""])
def test_a_name_comes_back_exactly(name):
    part = Part(model=name, setting=Setting())

    assert part == decode(encode(part), Part)
    assert encode(part).isascii()


@pytest.mark.parametrize("model", ["lenet5", "resnet50", "googlenet", "unet"])
def test_an_analysis_comes_back_exactly(model):
    analysis = analyze(model)

    assert analysis == decode(encode(analysis), Analysis)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_null(number):
    part = Part(model="a", setting=Setting(), output_std=number, environment={"load": [number, 1.5]})

    found = json.loads(encode(part))

    assert (None, [None, 1.5]) == (found["output_std"], found["environment"]["load"])


def test_fields_of_another_version_are_left_out_or_have_their_default():
    assert Forward(kind="E", wall_ns=1, cpu_ns=2) == decode('{"kind":"E","wall_ns":1,"cpu_ns":2,"new":3}', Forward)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ('{"kind":"E","wall_ns":1.5,"cpu_ns":2}', "Expected int, got float - at $.wall_ns"),
        ('{"kind":"Z","wall_ns":1,"cpu_ns":2}', "Invalid enum value 'Z' - at $.kind"),
        ('{"kind":"E","wall_ns":true,"cpu_ns":2}', "Expected int, got bool - at $.wall_ns"),
        ("[]", "Expected object, got array"),
        ('{"wall_ns":NaN}', "NaN is no number"),
        ('{"wall_ns":1e999}', "1e999 is too large for a number"),
        ("[" * 100_000, "it is nested too deep"),
    ],
)
def test_what_is_no_such_record_is_an_error_that_says_where(text, expected):
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        decode(text, Forward)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"model": "a", "setting": {}, "modle": 1}, "there is no key modle"),
        ({"model": "a", "setting": {"divice": "cpu"}}, "there is no key setting.divice"),
        ({"model": "a", "setting": {}, "temperatures": [
            {"layer": "a", "hot_ns": [], "cold_ns": []}, {"layer": "a", "hot_ns": [], "cold_ns": [], "x": 1}
        ]}, "there is no key temperatures[1].x"),
        ({"model": "a", "setting": {}, "costs": {"n": {"inside_ns": 1, "outside_ns": 1, "y": 0}}},
         "there is no key costs.n.y"),
    ],
)  # fmt: skip
def test_a_key_that_is_not_known_is_refused_with_its_path(value, expected):
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        decode_exactly(value, Part)


def test_keys_that_a_record_leaves_open_are_kept():
    given = {"model": "a", "setting": {}, "environment": {"anything": {"at": ["all", 1]}}}

    assert {"anything": {"at": ["all", 1]}} == decode_exactly(given, Part).environment


def test_a_key_that_is_there_twice_is_refused():
    with pytest.raises(ValueError, match=r"^the key b is there twice$"):
        parse('{"a": {"b": 1, "c": 2, "b": 3}}')


def test_a_number_of_ten_thousand_digits_is_refused():
    with pytest.raises(ValueError, match="digits"):
        parse("9" * 10_000)
