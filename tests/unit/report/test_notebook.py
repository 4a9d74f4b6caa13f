"""What a notebook shows."""

from __future__ import annotations

from html.parser import HTMLParser

from cnnprof.report.notebook import to_html
from tests.unit.report.samples import analysis, row, small, unknown, with_unknown


class Cells(HTMLParser):
    """Collects tags and the text of table rows."""

    def __init__(self):
        super().__init__()
        self.rows, self.tags = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def parsed(result):
    parser = Cells()
    parser.feed(to_html(result))
    return parser


def test_layers_and_their_total_are_rows():
    rows = parsed(small()).rows

    assert ["layer", "type", "output", "params", "MACs", "share", "act. memory"] == rows[0]
    assert ["conv", "conv2d", "4×6×6", "112", "3,888", "96.0 %", "576 B"] == rows[1]
    assert ["total", "", "", "282", "4,048", "100 %"] == rows[5][:6]


def test_a_header_explains_itself():
    titles = [attrs.get("title") for tag, attrs in parsed(small()).tags if tag == "th"]

    assert "elements of learnable tensors, frozen ones included, shared ones once (elements)" == titles[3]


def test_unknowns_are_question_marks():
    assert ["pool.a", "roi_align", "4", "?", "?", "?", "?"] == parsed(with_unknown()).rows[2]


def test_a_name_is_text_whatever_it_holds():
    name = '</td><script>alert(1)</script><img src=x onerror="y"> \x1b &lt;'
    found = parsed(analysis([row(name, name), unknown("u", name)], model=name))

    assert set() == {tag for tag, _ in found.tags} & {"script", "img"}
    assert name.replace("\x1b", "\\x1b") == found.rows[1][0]


def test_nothing_is_fetched_and_nothing_runs():
    tags = {tag for tag, _ in parsed(small()).tags}

    assert {"div", "table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td", "p", "details", "summary"} == tags
