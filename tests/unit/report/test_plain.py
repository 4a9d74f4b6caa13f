"""The table as text, for a terminal and for a pipe."""

from __future__ import annotations

import re

import pytest

from cnnprof.model.graph import Container
from cnnprof.report import render
from cnnprof.report.base import Report, Screen, Table
from cnnprof.report.grid import cells_wide
from cnnprof.report.plain import render as plain
from cnnprof.report.tables import layer_table, report, zoo_table
from tests.unit.report.samples import analysis, blocks, row, small, two_places, unknown, with_unknown

PIPE = Screen()


def terminal(width, *, unicode=True):
    return Screen(width=width, unicode=unicode, terminal=True)


def main(result, screen=PIPE, **options):
    """Text of the table of layers alone."""
    found = report([result], screen=screen, **options)
    return plain(found._replace(extra=())) + "\n"


def test_a_pipe_gets_full_names_and_every_column():
    assert (
        main(small())
        == """\
net, input 3×8×8, batch 1, float32, 4 layers

layer  type       output  params   MACs   share  act. memory
────────────────────────────────────────────────────────────
conv   conv2d     4×6×6      112  3,888  96.0 %        576 B
relu   relu       4×6×6        0      0     0 %        576 B
pool   maxpool2d  4×2×2        0      0     0 %         64 B
fc     linear     10         170    160   4.0 %         40 B
────────────────────────────────────────────────────────────
total                        282  4,048   100 %     1.23 KiB
note: pool: the last 2 rows and the last 2 columns are never read
"""
    )


def test_a_terminal_gets_a_tree_and_bars():
    assert (
        main(blocks(), terminal(80))
        == """\
net, input 3×8×8, batch 1, float32, 22 layers

layer                   type            output  params    MACs   share
────────────────────────────────────────────────────────────────────────────────
stem.conv               conv2d          8×8×8      100   1,000   5.0 %  ▉
stage.0.0               bottleneck
  conv_bn.conv2d        conv2d          8×8×8      500   2,000  10.0 %  █▊
  conv_bn.batchnorm2d   batchnorm2d     8×8×8       16       0     0 %
  relu                  relu            8×8×8        0       0     0 %
  add                   add             8×8×8        0       0     0 %
stage.1.0               bottleneck
  conv_bn.conv2d        conv2d          8×8×8      500   3,000  15.0 %  ██▋
  conv_bn.batchnorm2d   batchnorm2d     8×8×8       16       0     0 %
  relu                  relu            8×8×8        0       0     0 %
  add                   add             8×8×8        0       0     0 %
stage.1.1 … 3 (like 0)  3 × bottleneck  8×8×8    1,548   9,000  45.0 %  ████████
head                    linear          10       5,010   5,000  25.0 %  ████▌
────────────────────────────────────────────────────────────────────────────────
total                                            7,690  20,000   100 %
note: a line "(like …)" holds the sums of equal blocks; a pipe or -o FILE lists
      every layer
"""
    )


def test_unknown_counts_are_question_marks_and_totals_lower_bounds():
    assert (
        main(with_unknown())
        == """\
net, input 3×8×8, batch 1, float32, 4 layers

layer   type       output  params   MACs   share  act. memory
─────────────────────────────────────────────────────────────
conv    conv2d     4           20    100  25.0 %         16 B
pool.a  roi_align  4            ?      ?       ?            ?
pool.b  roi_align  4            ?      ?       ?            ?
fc      linear     10          30    300  75.0 %         40 B
─────────────────────────────────────────────────────────────
total                        ≥ 50  ≥ 400   100 %       ≥ 56 B
note: excludes 2 unknown operators (roi_align): totals are lower bounds (≥), shares are of what is known
"""
    )


def test_a_terminal_without_unicode_gets_ascii():
    text = main(with_unknown(), terminal(80, unicode=False))

    assert text.isascii()
    assert ["total", ">=", "50", ">=", "400", "100", "%", ">=", "56", "B"] == text.splitlines()[9].split()


def test_ascii_bars_and_signs():
    assert (
        main(small(), terminal(70, unicode=False))
        == """\
net, input 3x8x8, batch 1, float32, 4 layers

layer  type       output  params   MACs   share            act. memory
----------------------------------------------------------------------
conv   conv2d     4x6x6      112  3,888  96.0 %  ########        576 B
relu   relu       4x6x6        0      0     0 %                  576 B
pool   maxpool2d  4x2x2        0      0     0 %                   64 B
fc     linear     10         170    160   4.0 %  #                40 B
----------------------------------------------------------------------
total                        282  4,048   100 %               1.23 KiB
note: pool: the last 2 rows and the last 2 columns are never read
"""
    )


def test_what_top_leaves_out_is_one_line():
    assert (
        main(small(), columns=["name", "params", "macs"], sort="macs", top=1)
        == """\
net, input 3×8×8, batch 1, float32, 4 layers

layer   params   MACs
─────────────────────
conv       112  3,888
3 more     170    160
─────────────────────
total      282  4,048
note: pool: the last 2 rows and the last 2 columns are never read
"""
    )


def test_totals_follow_the_layers():
    text = plain(report([small()]))

    assert (
        """
totals

quantity                                 value  unit      about
──────────────────────────────────────────────────────────────────
parameters                                 282  elements
trainable parameters                       282  elements
frozen parameters                            0  elements
buffers                                      0  elements
parameter memory                         1,128  bytes     1.10 KiB
MACs                                     4,048  MACs      4.048 k
FLOPs (2 per MAC)                        8,096  FLOPs     8.096 k
useful MACs (no padding)                     0  MACs
input gradient MACs                          0  MACs
weight gradient MACs                         0  MACs
training FLOPs                               0  FLOPs
operations                               8,288  ops       8.288 k
"""
        in text
    )


def test_traffic_follows_the_totals():
    assert plain(report([two_places()])).endswith("""
traffic between places

from   to    tensor      read by  elements    memory
────────────────────────────────────────────────────
gpu0   gpu1  a.conv      b.conv      1,000  3.91 KiB
gpu0   gpu1  a.split[1]  b.fc           24      96 B
gpu1   gpu0  b.conv      a.fc          500  1.95 KiB
────────────────────────────────────────────────────
gpu0   gpu1                          1,024  4.00 KiB
gpu1   gpu0                            500  1.95 KiB
total                                1,524  5.95 KiB""")


def test_several_results_are_one_line_each():
    assert (
        plain(report([small(), with_unknown()], columns=["params", "macs"]))
        == """\
2 results

model  batch  input  dtype    layers  params   MACs
───────────────────────────────────────────────────
net        1  3×8×8  float32       4     282  4,048
net        1  3×8×8  float32       4    ≥ 50  ≥ 400
note: net: pool: the last 2 rows and the last 2 columns are never read
note: net: excludes 2 unknown operators (roi_align): totals are lower bounds (≥), shares are of what is known"""
    )


def test_arguments_are_written_as_in_a_specification():
    args = {"kernel_size": [3, 1], "bias": False, "padding": "same", "x": None}

    assert "kernel_size=[3, 1], bias=false, padding=same, x=null" in main(
        analysis([row("c", args=args)]), columns=["name", "args"]
    )


def test_several_inputs_stand_side_by_side():
    result = analysis([row("cat", inputs=((1, 4, 2, 2), (1, 8, 2, 2)))])

    assert "cat    4×2×2, 8×2×2" in main(result, columns=["name", "input"])


def test_a_cut_has_one_number_per_axis():
    assert "x      2×0" in main(analysis([row("x", window_cut=(2, 0))]), columns=["name", "window_cut"])


def test_an_empty_table_is_its_title():
    found = report([small()])._replace(main=Table("zoo", "0 networks", (), ()), extra=())

    assert "0 networks" == plain(found)


# -- widths -----------------------------------------------------------------------------------------------------------


def large():
    """Numbers of VGG-16's size."""
    names = [("conv.0.0.conv2d", "conv2d"), ("adaptiveavgpool2d", "adaptiveavgpool2d"), ("fc.0.linear", "linear")]
    return analysis(
        [
            row(name, op, (1, 512, 112, 112), macs=macs, params=102_764_544)
            for (name, op), macs in zip(names, (15_470_264_320, 0, 102_760_448), strict=True)
        ]
    )  # fmt: skip


@pytest.mark.parametrize("width", range(20, 140, 3))
@pytest.mark.parametrize("result", [small(), blocks(), large(), with_unknown()])
def test_no_digit_is_cut_at_any_width(width, result):
    """Every number of the narrow table is a number of the full one, whole."""
    full = set(re.findall(r"[\d,.]+", main(result, terminal(1000), columns=["name", "params", "macs", "share"])))
    narrow = main(result, terminal(width), columns=["name", "params", "macs", "share"])
    table = narrow.split("note: no room")[0]

    numbers = {number for line in table.splitlines()[4:] for number in re.findall(r"(?<=\s)[\d,.]+(?=\s|$)", line)}

    assert set() == numbers - full


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120])
@pytest.mark.parametrize("result", [small(), blocks(), large(), with_unknown(), two_places()])
def test_lines_fit_the_terminal(width, result):
    text = plain(report([result], screen=terminal(width)))
    tables = [line for line in text.split("totals")[0].splitlines()[2:] if not line.startswith("net,")]

    assert [] == [line for line in tables if cells_wide(line) > width]


def test_vgg_sized_numbers_and_bars_fit_80_columns():
    assert """\
layer              output            params            MACs   share
────────────────────────────────────────────────────────────────────────────────
conv.0.0.conv2d    512×112×112  102,764,544  15,470,264,320  99.3 %  ███████████
adaptiveavgpool2d  512×112×112  102,764,544               0     0 %
fc.0.linear        512×112×112  102,764,544     102,760,448   0.7 %  ▏
────────────────────────────────────────────────────────────────────────────────
total                           308,293,632  15,573,024,768   100 %
""" in main(large(), terminal(80))


def test_columns_go_by_rank_and_the_reader_is_told():
    lines = main(large(), terminal(60), columns=["name", "output", "params", "macs", "ops"]).splitlines()

    assert "layer              output            params            MACs" == lines[2]
    assert [
        "note: no room for ops: a wider terminal, a pipe or -o FILE",
        "      has every column",
    ] == lines[-2:]


def test_columns_nobody_asked_for_go_without_a_word():
    assert "no room" not in main(large(), terminal(80))


def test_the_zoo_gives_up_sources_and_files_before_it_shortens_a_title():
    entry = {
        "name": "alexnet_2012",
        "title": "AlexNet on two GPUs",
        "file": "alexnet_2012.yaml",
        "source": "Krizhevsky",
    }

    last = [plain(Report(zoo_table([entry]), screen=terminal(width))).splitlines()[-1] for width in (40, 60)]

    assert ["alexnet_2012  AlexNet on two GPUs", "alexnet_2012  AlexNet on two GPUs  alexnet_2012.yaml"] == last


def test_macs_and_names_stay_longest():
    assert "layer                        MACs" == main(large(), terminal(40)).splitlines()[2]


def test_a_terminal_too_narrow_for_a_name_wraps_lines_itself():
    lines = main(large(), terminal(10), columns=["name", "params"]).splitlines()

    assert "conv.0.0.conv2d" == lines[4]


def test_long_words_are_shortened_in_the_middle_before_columns_go():
    result = analysis([row("features.0", "adaptiveavgpool2d", macs=15_470_264_320, params=138_357_544)])

    line = main(result, terminal(68)).splitlines()[4]

    assert "features.0  adap…gpool2d  4       138,357,544  15,470,264,320  100 %" == line


def test_wide_characters_keep_columns_straight():
    result = analysis([row("卷积", "conv2d"), row("relu", "relu")])

    lines = main(result, columns=["name", "op", "output"]).splitlines()

    assert ["卷积   conv2d  4", "relu   relu    4"] == lines[4:6]


def test_a_combining_mark_takes_no_column():
    lines = main(analysis([row("e\u0301te", "relu")]), columns=["name", "op"]).splitlines()

    assert "e\u0301te    relu" == lines[4]


def test_a_long_name_of_wide_characters_is_shortened_to_the_columns_it_takes():
    result = analysis([row("卷积" * 20, "conv2d", macs=1)])

    lines = main(result, terminal(40), columns=["name", "macs"]).splitlines()

    assert "卷积卷积卷积…卷积卷积卷积卷积卷积      1" == lines[4]
    assert 40 >= cells_wide(lines[4])


def test_notes_wrap_at_the_terminal_and_never_in_a_pipe():
    long = analysis([row("x", when="train")])
    note = (
        "note: 1 layer runs in training only: parameters count, work does not (--columns name,when,params shows them)"
    )

    assert [
        "note: 1 layer runs in training only: parameters",
        "      count, work does not (--columns",
        "      name,when,params shows them)",
    ] == main(long, terminal(50)).splitlines()[-3:]
    assert note == main(long).splitlines()[-1]


def test_a_pipe_shows_no_bars_and_no_folds():
    text = main(blocks())

    assert 22 == sum("  8×8×8  " in line or line.startswith("head") for line in text.splitlines())
    assert "█" not in text


# -- names that act ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\nb", "a\\nb"), ("\x1b[31mred", "\\x1b[31mred"), ("\x1b]8;;http://x\x07", "\\x1b]8;;http://x\\x07"),
        ("\x9b31m", "\\x9b31m"), ("\u202etxt", "\\u202etxt"), ("[/]", "[/]"), ("[link=x]", "[link=x]"),
        ("::error::x", "\\x3a:error::x"), ("##[error]x", "\\x23#[error]x"), ("\udc80", "\\udc80"), ("a\tb", "a\\tb"),
    ],
)  # fmt: skip
def test_what_a_name_holds_is_shown_never_obeyed(name, shown):
    for screen in (PIPE, terminal(100)):
        text = main(analysis([row(name, name)], model=name), screen)
        lines = text.splitlines()

        assert lines[0].startswith(shown)
        assert any(line.startswith(shown) for line in lines[3:])


def test_a_label_and_a_note_are_escaped_like_a_name():
    rows = [row(f"b.{name}") for name in "wxyz"]
    result = analysis(
        [*rows, unknown("u", "\x1bop")],
        containers=(Container(path="b", block="\x1b[1mblock", last="b.z"),),
    )

    assert "\x1b" not in main(result, terminal(80))
    assert "\\x1b[1mblock" in main(result, terminal(120))


def test_the_table_format_is_this_text():
    found = report([small()])

    assert plain(found) == render(found)


def test_the_table_of_layers_knows_no_glyphs():
    assert all("─" not in str(line) and "…" not in str(line) for line in layer_table(blocks()).lines)
