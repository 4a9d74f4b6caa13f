"""What every format reads: tables as plain data. Numbers stay numbers; no format writes its own.

A ``Report`` holds the results and the tables made of them; a renderer is one function ``render(report) -> str``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from cnnprof.model.analysis import Analysis
    from cnnprof.model.offload import Offload
    from cnnprof.model.profile import Profile
    from cnnprof.model.run import Part

Kind = Literal["text", "count", "bytes", "time", "share", "fraction", "ratio", "shapes", "sizes", "arguments"]
"""How a column's values become text.

``time``: in seconds; ``share``: of the column's total; ``fraction``: of something else; ``shapes``: one tuple of sizes
per tensor; ``sizes``: one number per axis.
"""

_NUMERIC = ("count", "bytes", "time", "share", "fraction", "ratio")


class AtLeast(NamedTuple):
    """A sum in which something unknown is missing. At least nothing at all means: unknown."""

    value: int


UNKNOWN = AtLeast(0)


class Below(NamedTuple):
    """A time too short to be told from what measuring it costs: less than ``limit``, in seconds."""

    limit: float
    estimate: float
    """What was measured, for sums and for sorting; 0 where nothing was left."""


class Names(NamedTuple):
    """Names of which people read a short form; programs get each one."""

    all: tuple[str, ...]
    short: str


Value = (
    int
    | float
    | str
    | AtLeast
    | Below
    | Names
    | tuple[tuple[int, ...], ...]
    | tuple[int, ...]
    | Mapping[str, Any]
    | None
)
"""A cell. None: there is nothing to say, as a window's cut of a layer without windows."""


class Column(NamedTuple):
    """What one column means; the same in every format."""

    id: str
    """The attribute of a result, the word after ``--columns``, the header of CSV and the key of JSON."""
    title: str
    kind: Kind
    help: str = ""
    """The definition of the quantity, printed with every export."""
    unit: str = ""
    join: Literal["sum", "last", "same"] = "same"
    """How several lines become one: added up, the last one's value, or the value all of them have."""
    rank: int = 50
    """What a narrow terminal drops: the highest rank first; 0 is never dropped."""

    @property
    def numeric(self) -> bool:
        """True where values are numbers: right-aligned, never quoted."""
        return self.kind in _NUMERIC

    @property
    def definition(self) -> str:
        """The help with its unit."""
        return f"{self.help} ({self.unit})" if self.unit else self.help


class Line(NamedTuple):
    """One line of a table. ``path`` is its place in the tree of names; its depth is ``len(path) - 1``."""

    cells: tuple[Value, ...]
    path: tuple[str, ...] = ()
    formulas: tuple[str | None, ...] = ()
    """How each cell was computed, for formats that show it; empty where nobody asked."""


class Table(NamedTuple):
    """A table as plain data."""

    id: str
    title: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    totals: tuple[Line, ...] = ()
    """Sums, below a rule. The last one is the total of everything."""
    rest: Line | None = None
    """What ``--top`` left out, added up, so that the column still adds up to its total."""
    left: tuple[Line, ...] = ()
    """Further lines, which people are not shown; a note says how many. CSV has them."""
    notes: tuple[str, ...] = ()
    """Sentences; they may hold names from the network, so a renderer escapes them like any cell."""
    definitions: tuple[tuple[str, str], ...] = ()
    """What the quantities shown mean: their name and their definition."""
    blocks: Mapping[str, str] = {}
    """Dotted path of a block to what it is called (``bottleneck``)."""
    tree: bool = False
    """True where a terminal may show the names as a tree."""
    derivation: bool = False
    """True where people get lines ``name = formula = value`` under headings, in place of a grid."""
    constant: tuple[tuple[Column, Value], ...] = ()
    """Columns with one value for all lines: CSV writes them out in each, people read them in a note."""
    optional: tuple[str, ...] = ()
    """Columns nobody asked for by name: a narrow terminal leaves them out without a word."""

    @property
    def all_lines(self) -> tuple[Line, ...]:
        """Every line that the totals are the sum of."""
        return self.lines if self.rest is None else (*self.lines, self.rest)

    def cells(self, column: str) -> list[Value]:
        """Return one column's values, lines only.

        Raises:
            ValueError: the table has no such column.
        """
        index = [each.id for each in self.columns].index(column)
        return [line.cells[index] for line in self.lines]


class Screen(NamedTuple):
    """What text is printed on. The default is a file or a pipe: any width, no colour, Unicode."""

    width: int | None = None
    colour: bool = False
    unicode: bool = True
    terminal: bool = False


class Report(NamedTuple):
    """What is rendered: the main table, the results it was made of, and tables that stand below it.

    CSV holds the main table, and others as comments only (a file of several tables is none to a spreadsheet); JSON
    holds the whole results.
    """

    main: Table
    analyses: tuple[Analysis, ...] = ()
    extra: tuple[Table, ...] = ()
    screen: Screen = Screen()
    parts: tuple[tuple[Part, Profile], ...] = ()
    """What was measured, with its figures; ``analyses`` are then what was predicted of it."""
    offloads: tuple[Offload, ...] = ()
    """What follows of it where a host and another device were measured."""


def add_up(columns: Sequence[Column], lines: Sequence[Line]) -> tuple[Value, ...]:
    """Return the cells of one or more lines put together, by each column's ``join``."""
    return tuple(_join(column, [line.cells[index] for line in lines]) for index, column in enumerate(columns))


def _join(column: Column, values: list[Value]) -> Value:
    if column.join == "last":
        return values[-1]
    if column.join == "sum":
        # A share is of the known work: what is unknown has none, and the others' is no lower bound.
        shares = [value for value in values if not isinstance(value, AtLeast)] if column.kind == "share" else None
        return total(shares or values)
    return values[0] if all(value == values[0] for value in values) else None


def total(values: Sequence[Value]) -> Value:
    """Return the sum of numbers; a lower bound where one of them is a lower bound or unknown.

    With times below resolution it is below too, where it is less than their limits together.
    """
    known = [_number(value) for value in values]
    numbers = [value for value in known if isinstance(value, int | float)]
    if not numbers:
        return None
    found = sum(numbers)
    limit = sum(value.limit for value in values if isinstance(value, Below))
    if found < limit:
        return Below(limit, found)
    bounded = any(isinstance(value, AtLeast) for value in values)
    return AtLeast(int(found)) if bounded else found


def _number(value: Value) -> Value:
    if isinstance(value, AtLeast):
        return value.value
    return value.estimate if isinstance(value, Below) else value


def order(value: Value) -> tuple[int, float | str]:
    """Return a sort key: numbers descending (lower bounds by what is known), then text ascending, then no value."""
    value = _number(value)
    if isinstance(value, int | float):
        return (0, -value)
    return (2, "") if value is None else (1, str(value))
