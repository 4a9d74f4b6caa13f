"""Which reader answers to what the user types."""

from __future__ import annotations

import re

import pytest

from cnnprof.readers import READERS


def reader(model: str) -> str | None:
    return next((target.partition(":")[2] for pattern, target in READERS if re.match(pattern, model, re.DOTALL)), None)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("vgg16", "read_zoo"),
        ("-", "read_stdin"),
        ("net.yaml", "read_file"),
        ("net.yml#wide", "read_file"),
        ("NET.JSON", "read_file"),
        ("./net", "read_file"),
        ("/dev/zero", "read_file"),
        ("INPUT 3x32x32 -> FC-10", "read_pattern"),
        ("  input [32x32x3] -> FC-10", "read_pattern"),
        ("[INPUT 3x8x8 - FC-10]", "read_pattern"),
        ("INPUT", "read_pattern"),
        ("input.yaml", "read_file"),
        ("input/net.yaml", "read_file"),
        ("inputs", "read_zoo"),
        ("a b", None),
        ("", None),
    ],
)
def test_the_first_pattern_that_matches_decides(model: str, expected: str | None) -> None:
    assert expected == reader(model)
