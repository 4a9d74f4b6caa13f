"""What ``--input`` says: sizes, of one input or by name, and dtypes."""

from __future__ import annotations

import pytest

from cnnprof.errors import UsageError
from cnnprof.readers.overrides import parse_dtypes, parse_inputs
from tests.helpers.specs import analyze


@pytest.mark.parametrize(
    ("given", "shapes", "dtypes"),
    [
        (None, {}, {}),
        ("3x8x9", {None: (3, 8, 9)}, {}),
        ("77:int64", {None: (77,)}, {None: "int64"}),
        ("a=3x8x9, b=77:int64", {"a": (3, 8, 9), "b": (77,)}, {"b": "int64"}),
        ((3, 8, 9), {None: (3, 8, 9)}, {}),
        ({"a": (3, 8, 9), "b": "77:int64"}, {"a": (3, 8, 9), "b": (77,)}, {"b": "int64"}),
    ],
)
def test_an_input_is_sizes_with_a_dtype_if_need_be(given, shapes, dtypes):
    assert (shapes, dtypes) == (parse_inputs(given), parse_dtypes(given))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("77:int65", "an input has no dtype 'int65'"),
        ("77:", "an input has no dtype ''"),
        ("77:int64:int64", "an input has no dtype 'int64:int64'"),
        ("a=77,b", "an input size is written 3x224x224 (channels first), got ''"),
        (":int64", "an input size is written 3x224x224 (channels first), got ''"),
        ("0x2", "every input size is a whole number from 1 to 2^31 − 1, got '0x2'"),
    ],
)
def test_an_input_that_is_written_otherwise_is_refused(given, expected):
    with pytest.raises(UsageError) as caught:
        (parse_inputs(given), parse_dtypes(given))

    assert ("bad-input", expected) == (caught.value.code, caught.value.message)


def test_a_specification_takes_the_dtype_of_the_command_line(tmp_path):
    two = "input: [8]\nlayers: [identity]\n"

    assert ["int16", "float32"] == [
        analyze(tmp_path, two, input=given).rows[0].inputs[0].dtype for given in ("8:int16", "8")
    ]
