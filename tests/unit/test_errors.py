"""What an error tells a user of the library, who sees a traceback and no command line."""

from __future__ import annotations

import traceback

import pytest

import cnnprof
from cnnprof.errors import UsageError


def test_the_hint_of_an_error_stands_below_its_message_in_a_traceback():
    error = UsageError("no such network 'vgg61'", hint="did you mean vgg16?")

    assert (
        "cnnprof.errors.UsageError: no such network 'vgg61'\nhint: did you mean vgg16?\n"
        == "".join(traceback.format_exception_only(error))
    )  # fmt: skip


def test_an_error_without_a_hint_has_no_line_for_it():
    text = "".join(traceback.format_exception_only(UsageError("no such network")))

    assert "cnnprof.errors.UsageError: no such network\n" == text


def test_a_profile_that_is_refused_says_how_to_ask(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(UsageError) as found:
        cnnprof.profile("INPUT 1x8x8 -> FC-10", device="fake", dtype="int8")

    assert "a network is measured in float32, float64, float16, bfloat16" in str(found.value)
