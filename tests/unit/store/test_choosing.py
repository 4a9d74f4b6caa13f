"""Which run a word means, and which runs can go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cnnprof.errors import UsageError
from cnnprof.store.choosing import expendable, resolve
from cnnprof.store.runs import Head

IDS = ["20261119-a", "20261120-b", "20261120-c", "20261120-cc"]


@pytest.mark.parametrize(
    ("word", "expected"),
    [("20261119-a", "20261119-a"), ("202611", None), ("20261119", "20261119-a"), ("20261120-b", "20261120-b"),
     ("20261120-c", "20261120-c"), ("last", "20261120-cc")],
)  # fmt: skip
def test_an_id_or_its_beginning_alone_or_last_names_a_run(word, expected):
    if expected is None:
        with pytest.raises(UsageError, match=r"(?m)^202611 may be any of 4 runs: 20261119-a, .*, 20261120-cc$"):
            resolve(word, IDS)
    else:
        assert expected == resolve(word, IDS)


@pytest.mark.parametrize(
    ("word", "ids", "expected"),
    [
        ("2025", IDS, "there is no run 2025"),
        ("", IDS, "there is no run "),
        ("a", IDS, "there is no run a"),
        ("last", [], "there is no run last: none is stored"),
        ("x", [f"x{n}" for n in range(7)], "x may be any of 7 runs: x0, x1, x2, x3, x4, …"),
    ],
)
def test_a_word_that_names_no_run_or_several_is_an_error(word, ids, expected):
    with pytest.raises(UsageError) as caught:
        resolve(word, ids)

    assert ("unknown-run", expected) == (caught.value.code, caught.value.message)


def head(run_id: str, days: float, status="done") -> Head:
    return Head(run_id, (datetime.now(UTC) - timedelta(days=days)).isoformat(), status, ("vgg16",), 1, 1)


HEADS = [
    head("now", 0, "running"), head("new", 1), head("half", 2, "interrupted"), head("old", 40),
    head("torn", 50, "interrupted"), Head("hurt", "", "damaged", (), 0, 0),
]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"keep": 0}, ["new", "half", "old", "torn"]),
        ({"keep": 2}, ["half", "old", "torn"]),
        ({"keep": 9}, []),
        ({"older_than": timedelta(days=30)}, ["old", "torn"]),
        ({"interrupted": True}, ["half", "torn"]),
        ({"keep": 3, "interrupted": True}, ["torn"]),
        ({"older_than": timedelta(days=1.5), "keep": 3}, ["old", "torn"]),
    ],
)
def test_runs_go_where_everything_asked_for_holds_and_nobody_measures_them(asked, expected):
    assert expected == [each.id for each in expendable(HEADS, **asked)]


def test_a_time_without_a_zone_is_utc():
    assert [] == expendable([HEADS[1]._replace(created=HEADS[1].created[:19])], older_than=timedelta(days=2))
