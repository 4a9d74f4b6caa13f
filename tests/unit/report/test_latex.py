"""LaTeX: booktabs, siunitx, text that TeX prints as it is."""

from __future__ import annotations

import pytest

from cnnprof._version import __version__
from cnnprof.report.base import UNKNOWN, AtLeast, Column, Line, Report, Table
from cnnprof.report.latex import render
from cnnprof.report.latex_cells import alignment, cell, escape
from cnnprof.report.tables import layer_table, record_table, report, summary_table, totals_table, transfers_table
from tests.helpers.latex import ACCENTS, NotPlainError, plain, read
from tests.unit.report.samples import analysis, row, small, two_places, with_unknown

COUNT = Column("n", "n", "count")
BYTES = Column("b", "b", "bytes")
SHARE = Column("s", "s", "share")
SHAPES = Column("o", "o", "shapes")
TEXT = Column("t", "t", "text")


WHOLE = r"""% Made by cnnprof VERSION from net.yaml.
% In the preamble: \usepackage{booktabs,siunitx}. In the text: \input with the name of this file.
% siunitx groups digits: for 1,792 instead of 1 792, \sisetup{group-separator={,}}.

% net, input 3x8x8, batch 1, float32, 4 layers
%   name: dotted path of the layer
%   output: shape of every output; a batch of 1 is left out
%   macs: multiply-accumulates of convolutions, linear layers, matrix products and attention, no bias (UNIT)
%   macs_share: share of the network's MACs (fraction of the total)
\begin{table}
  \centering
  \caption{net, input $3\times8\times8$, batch 1, float32, 4 layers}\label{tab:net-layers}\smallskip
  \footnotesize
  \setlength{\tabcolsep}{4pt}
  \sisetup{group-minimum-digits=4, table-align-text-pre=false}
  \begin{tabular}{l l S[table-format=4] S[table-format=3.1]}
    \toprule
    layer & output            & {MACs} & {share (\%)} \\
    \midrule
    conv  & $4\times6\times6$ &   3888 &         96.0 \\
    relu  & $4\times6\times6$ &      0 &            0 \\
    pool  & $4\times2\times2$ &      0 &            0 \\
    fc    & $10$              &    160 &          4.0 \\
    \midrule
    total &                   &   4048 &          100 \\
    \bottomrule
  \end{tabular}
  \par\smallskip\parbox{\linewidth}{\raggedright Note: pool: the last 2 rows and the last 2 columns are never read}
\end{table}
"""


def main(result, **options):
    return render(report([result], **options)._replace(extra=()))


def many(count, **fields):
    return analysis([row(f"layer{index}", **fields) for index in range(count)])


def lines_with(text, part):
    return [line.strip() for line in text.splitlines() if part in line]


# -- a whole table ----------------------------------------------------------------------------------------------------


def test_a_result_is_a_float_with_what_to_load_and_what_it_means_above():
    text = main(small(), columns=["name", "output", "macs", "share"])

    assert WHOLE.replace("VERSION", __version__).replace("UNIT", "multiply-accumulates, whole batch") == text


def test_every_table_of_a_result_is_there_with_a_caption_and_a_label_of_its_own():
    result = two_places()
    text = render(Report(layer_table(result), (result,), (totals_table(result), transfers_table(result))))

    assert ["net, input 3×8×8, batch 1, float32, 3 layers", "net: totals", "net: traffic between places"] == [
        table.caption for table in read(text)
    ]
    assert [r"\label{tab:net-layers}", r"\label{tab:net-totals}", r"\label{tab:net-transfers}"] == [
        line[line.index(r"\label") :].removesuffix(r"\smallskip") for line in lines_with(text, r"\label")
    ]


def test_several_results_are_one_table():
    (table,) = read(render(Report(summary_table([small(), with_unknown()], columns=["params", "macs"]))))

    assert ["model", "batch", "input", "dtype", "layers", "params", "MACs"] == table.rows[0]
    assert ["net", "1", "3×8×8", "float32", "4", "282", "4048"] == table.rows[1]
    assert ["net", "1", "3×8×8", "float32", "4", "≥ 50", "≥ 400"] == table.rows[2]


def test_a_source_is_named_without_its_folders():
    text = main(analysis([row("x")], source="/home/someone/secret/net.yaml"))

    assert f"% Made by cnnprof {__version__} from net.yaml." == text.splitlines()[0]


def test_the_rest_and_the_totals_say_nothing_where_there_is_nothing_to_add_up():
    (table,) = read(main(small(), columns=["name", "op", "macs"], sort="macs", top=1))

    assert [["conv", "conv2d", "3888"], ["3 more", "", "160"], ["total", "", "4048"]] == table.rows[1:]


def test_a_table_without_lines_is_still_a_table():
    text = render(Report(record_table("nothing found", [], [TEXT])))

    assert [[["t"]]] == [table.rows for table in read(text)]


def test_equal_results_give_equal_bytes():
    assert main(small()) == main(small())


# -- cells ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value", "shown"),
    [
        (COUNT, 15470264320, "15470264320"),
        (COUNT, 2**63 - 1, "9223372036854775807"),
        (COUNT, 0, "0"),
        (COUNT, AtLeast(400), r"{$\geq$\,}400"),
        (COUNT, UNKNOWN, "{?}"),
        (COUNT, None, "{--}"),
        (SHARE, 0.2823, "28.2"),
        (SHARE, 0, "0"),
        (SHARE, 0.00001, "{$<$}0.1"),
        (SHARE, 0.99999, "{$>$}99.9"),
        (SHARE, 1.0, "100"),
        (BYTES, 480, r"\num{480}\,B"),
        (BYTES, 12845056, r"\num{12.25}\,MiB"),
        (BYTES, 1073741823, r"\num{1.00}\,GiB"),
        (BYTES, AtLeast(2048), r"$\geq$\,\num{2.00}\,KiB"),
        (BYTES, UNKNOWN, "?"),
        (BYTES, None, "--"),
        (SHAPES, ((64, 112, 112),), r"$64\times112\times112$"),
        (SHAPES, ((64, 56, 56), (10,)), r"$64\times56\times56$, $10$"),
        (SHAPES, ((),), "scalar"),
        (Column("c", "c", "sizes"), (0, 1), r"$0\times1$"),
        (Column("c", "c", "arguments"), {"kernel_size": [3, 3], "bias": False}, r"kernel\_size={[}3, 3{]}, bias=false"),
        (TEXT, "conv1_1", r"conv1\_1"),
        (TEXT, None, "--"),
    ],
)  # fmt: skip
def test_a_value_is_a_cell(column, value, shown):
    assert shown == cell(column, value)


@pytest.mark.parametrize(
    ("column", "values", "told"),
    [
        (COUNT, [0, 1792, 15470264320], "S[table-format=11]"),
        (COUNT, [AtLeast(400), UNKNOWN, None], r"S[table-format=3, table-space-text-pre={$\geq$\,}]"),
        (COUNT, [None, UNKNOWN], "S[table-format=1]"),
        (COUNT, [-12, 3], "S[table-format=-2]"),
        (SHARE, [0, 1.0], "S[table-format=3]"),
        (SHARE, [0.5, 1.0, 0.00001], "S[table-format=3.1, table-space-text-pre={$<$}]"),
        (BYTES, [480, 12845056], "r"),
        (SHAPES, [((3, 8, 8),)], "l"),
    ],
)
def test_a_column_has_room_for_its_longest_number(column, values, told):
    assert told == alignment(column, values)


def test_no_digit_of_a_large_network_is_lost():
    rows = [row("a", macs=10**18 + 1, params=10**18 + 3), row("b", macs=12345678901234567, params=7)]
    (table,) = read(main(analysis(rows), columns=["name", "macs", "params"]))

    assert [
        ["a", "1000000000000000001", "1000000000000000003"],
        ["b", "12345678901234567", "7"],
        ["total", "1012345678901234568", "1000000000000000010"],
    ] == table.rows[1:]


def test_unknown_counts_and_lower_bounds_are_told_apart_from_zero():
    (table,) = read(main(with_unknown(), columns=["name", "macs", "share"]))

    assert [["conv", "100", "25.0"], ["pool.a", "?", "?"], ["pool.b", "?", "?"], ["fc", "300", "75.0"]] == table.rows[
        1:5
    ]
    assert ["total", "≥ 400", "100"] == table.rows[5]
    assert [
        "excludes 2 unknown operators (roi_align): totals are lower bounds (≥), shares are of what is known"
    ] == table.notes


# -- text -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("layer.0.conv", "layer.0.conv"), ("conv1_1", r"conv1\_1"), ("12 %", r"12 \%"), ("a&b", r"a\&b"),
        ("#1", r"\#1"),
        ("$x$", r"\$x\$"), ("{x}", r"\{x\}"), (r"\input{x}", r"\textbackslash{}input\{x\}"),
        ("a~b^c", r"a\textasciitilde{}b\textasciicircum{}c"), ("^^5c", r"\textasciicircum{}\textasciicircum{}5c"),
        ("a<b>c|d", r"a\textless{}b\textgreater{}c\textbar{}d"), ("[1em]*", "{[}1em{]}{*}"),
        ('say "x"', r"say \symbol{34}x\symbol{34}"), ("?`", r"?\/\symbol{96}"),
        ("a-b", "a-b"), ("a--b", r"a-\/-b"), ("---", r"-\/-\/-"), ("x''", r"x'\/'"), (",,", r",\/,"),
        ("3×224×224", r"$3\times224\times224$"), ("2 × conv", r"2 $\times$ conv"), ("≥ 1", r"$\geq$ 1"),
        ("2³¹", r"2\textbackslash{}xb3\textbackslash{}xb9"),
        ("Café", r"Caf\'{e}"), ("Ångström", r"\r{A}ngstr\"{o}m"), ("Erdős", r"Erd\H{o}s"), ("Łódź", r"\L{}\'{o}d\'{z}"),
        ("卷", r"\textbackslash{}u5377"), ("💥", r"\textbackslash{}U0001f4a5"), ("ế", r"\textbackslash{}u1ebf"),
        ("\x1b[0m", r"\textbackslash{}x1b{[}0m"), ("a\nb", r"a\textbackslash{}nb"),
        ("\u202ex", r"\textbackslash{}u202ex"),
    ],
)  # fmt: skip
def test_what_tex_would_act_on_becomes_what_prints_it(text, escaped):
    assert escaped == escape(text)


def test_every_printable_ascii_character_is_printed():
    characters = "".join(map(chr, range(33, 127)))

    assert characters == plain(escape(characters))
    assert [] == [
        first + second for first in characters for second in "-'`,!?" if first + second != plain(escape(first + second))
    ]


def test_every_latin_letter_with_one_accent_is_printed():
    letters = [chr(code) for code in range(0xC0, 0x180) if chr(code) not in "×÷"]
    printed = [letter for letter in letters if plain(escape(letter)) == letter]

    assert set("ÀÉÎÕÜÅÇßøæœŁőšžğı") <= set(printed)
    assert all(plain(escape(letter)).startswith("\\") for letter in set(letters) - set(printed))
    assert 12 == len(ACCENTS)


# -- pages ------------------------------------------------------------------------------------------------------------


def test_a_table_longer_than_a_page_breaks_and_repeats_its_headings():
    text = main(many(44), columns=["name", "macs"])
    (table,) = read(text)

    assert "longtable" == table.environment
    assert [["layer", "MACs"], ["layer", "MACs"], ["layer0", "0"]] == table.rows[:3]
    assert ["total", "0"] == table.rows[-1]
    assert 44 + 3 == len(table.rows)
    assert r"\usepackage{booktabs,longtable,siunitx}" in text
    assert [r"\caption[]{(continued)} \\"] == lines_with(text, "(continued)")


def test_a_table_that_fits_a_page_is_a_float():
    text = main(many(43), columns=["name", "macs"])

    assert ["table"] == [table.environment for table in read(text)]
    assert "longtable" not in text


def test_a_table_wider_than_a_column_spans_both():
    text = main(many(3, macs=10**9), columns=["name", "op", "output", "params", "macs", "flops"])

    assert ["table*"] == [table.environment for table in read(text)]


def test_a_float_wider_than_a_page_is_shrunk_and_says_that_columns_can_be_chosen():
    text = main(many(3, macs=10**15), columns=["name", "op", "macs", "flops", "ops", "muls", "adds", "params"])

    assert [r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"] == lines_with(text, "resizebox")
    assert r"\usepackage{booktabs,graphicx,siunitx}" in text
    assert 1 == len(lines_with(text, "--columns A,B,..."))
    assert ["table*"] == [table.environment for table in read(text)]


def test_words_are_folded_where_a_page_is_too_narrow_and_numbers_are_not():
    records = [{"name": "x", "title": "many words " * 8, "source": "more words " * 16, "n": 10**12}]
    (table,) = read(render(Report(record_table("wide", records))))

    folded = r">{\raggedright\arraybackslash}p{%s\linewidth}"
    assert f"l {folded % '0.29'} {folded % '0.38'} S[table-format=13]" == table.columns


def test_folded_lines_count_for_the_length_of_a_page():
    records = [{"name": "x", "title": "many words " * 20, "source": "more words " * 40} for _ in range(10)]

    assert ["longtable"] == [table.environment for table in read(render(Report(record_table("wide", records))))]


def test_a_note_of_a_long_table_stands_below_it():
    text = render(Report(layer_table(many(50), columns=["name"])._replace(notes=("all 100 % of it",))))

    assert [r"\noindent Note: all 100 \% of it\par"] == lines_with(text, "Note")
    assert [["all 100 % of it"]] == [table.notes for table in read(text)]


# -- the reader of these tests ----------------------------------------------------------------------------------------

GOOD = "\\begin{table}\n\\caption{x}\n\\begin{tabular}{l l}\n\\toprule\na & b \\\\\n\\end{tabular}\n\\end{table}\n"


def test_the_reader_reads_a_plain_table():
    assert [("table", "x", [["a", "b"]])] == [(each.environment, each.caption, each.rows) for each in read(GOOD)]


@pytest.mark.parametrize(
    "name",
    [
        r"\input{x}", r"\jobname", "a & b", r"a \\", "{", "}", "$", "_", "^", "^^5c", "~", "#1", '"', "`", "|", "<",
        "é", r"\end{tabular}", "[1em]", "*", r"\'{\input}", r"\catcode",
    ],
)  # fmt: skip
def test_the_reader_refuses_what_would_act(name):
    with pytest.raises(NotPlainError):
        read(GOOD.replace("a &", f"{name} &"))


def test_a_comment_would_hide_the_rest_of_its_line_from_the_reader():
    with pytest.raises(NotPlainError):
        read(GOOD.replace("a &", "50% &"))


def test_a_table_in_a_report_of_no_result_is_named_by_what_it_lists():
    table = Table("zoo", "2 networks", (TEXT,), (Line(("a",)), Line(("b",))))

    assert [r"\caption{2 networks}\label{tab:zoo}\smallskip"] == lines_with(render(Report(table)), "caption")


def test_tables_of_one_kind_have_labels_that_differ():
    result = two_places()
    text = render(Report(layer_table(result), (result,), (totals_table(result), totals_table(result))))

    assert [r"\label{tab:net-layers}", r"\label{tab:net-totals}", r"\label{tab:net-totals-2}"] == [
        line[line.index(r"\label") :].removesuffix(r"\smallskip") for line in lines_with(text, r"\label")
    ]
