"""Lines ``name = formula = value``: on screens of every kind, and as the table they are."""

from __future__ import annotations

import re

import pytest

from cnnprof.model.explanation import Explanation, Section, Step
from cnnprof.model.plain import replace
from cnnprof.report import render
from cnnprof.report.base import Report, Screen
from cnnprof.report.derivation import derivation_table


def explanation(*steps: Step) -> Explanation:
    return Explanation(
        model="net", source="test", layer="conv", op="conv2d", args={"kernel_size": [3, 3], "bias": False}, origin=None,
        batch=1, dtype="float32", sections=(Section(title="Work", steps=steps),),
    )  # fmt: skip


def shown(*steps: Step, **screen) -> list[str]:
    table = derivation_table(explanation(*steps))
    return render(Report(table, screen=Screen(**screen))).splitlines()


PARAMS = Step(name="params", formula="3·3·3·64 + 64", value=1_792, about="all of them")
BYTES = Step(name="memory", formula="1,792·4", value=7_168, unit="bytes")
SHARE = Step(name="share", formula="1 / 3", value=1 / 3, unit="fraction")


def test_a_title_names_the_layer_and_its_arguments():
    assert "conv of net: conv2d(kernel_size=[3, 3], bias=false), batch 1, float32" == shown(PARAMS)[0]


def test_names_are_aligned_and_values_have_their_units():
    assert [
        "Work",
        "  params = 3·3·3·64 + 64 = 1,792              all of them",
        "  memory = 1,792·4 = 7,168 bytes = 7.00 KiB",
        "  share  = 1 / 3 = 33.3 %",
    ] == shown(PARAMS, BYTES, SHARE)[2:]


def test_a_number_that_is_its_own_formula_is_said_once():
    assert "  ops = 1,792" == shown(Step(name="ops", formula="1,792", value=1_792))[-1]
    assert "  field = global" == shown(Step(name="field", value="global"))[-1]


def test_a_narrow_terminal_breaks_formulas_before_operators_and_never_in_a_number():
    long = Step(name="macs", formula=" + ".join(["1,000,000·2"] * 4), value=8_000_000, about="much")

    assert [
        "  macs = 1,000,000·2 + 1,000,000·2",
        "         + 1,000,000·2 + 1,000,000·2",
        "         = 8,000,000",
        "         much",
    ] == [line.rstrip() for line in shown(long, width=40, terminal=True)[3:]]


def test_a_pipe_never_breaks_a_line():
    long = Step(name="macs", formula=" + ".join(["1,000,000·2"] * 40), value=80_000_000)

    assert long.formula in shown(long)[-1]


@pytest.mark.parametrize("name", ["\x1b[31mred", "a\u202eb", "x\ny", "::error::a"])
@pytest.mark.parametrize("format_", ["table", "csv", "md"])
def test_a_name_cannot_act_wherever_it_stands(name, format_):
    hostile = replace(explanation(Step(name=name, value=name, about=name)), layer=name, model=name)

    text = render(Report(derivation_table(hostile), screen=Screen(width=80, terminal=True)), format_)

    assert not {"\x1b", "\u202e"} & set(text)
    assert not any(line.lstrip().startswith("::") for line in text.splitlines())
    assert len(text.splitlines()) == len(
        render(Report(derivation_table(explanation(Step(name="a", value="a", about="a")))), format_).splitlines()
    )


def test_a_screen_without_unicode_gets_ascii():
    text = "\n".join(shown(PARAMS, unicode=False))

    assert text.isascii()
    assert "params = 3*3*3*64 + 64 = 1,792" in text


def test_colour_changes_no_character():
    plain = "\n".join(shown(PARAMS, BYTES, width=100, terminal=True))
    coloured = "\n".join(shown(PARAMS, BYTES, width=100, terminal=True, colour=True))

    assert plain.rstrip() == re.sub(r"\x1b\[[\d;]*m", "", coloured).rstrip()
    assert "\x1b[" in coloured


def test_a_table_holds_numbers_as_numbers():
    (line,) = derivation_table(explanation(PARAMS)).lines

    assert ("Work", "params", "3·3·3·64 + 64", 1_792, None, "all of them") == line.cells
