"""Which stored run a word means, and which runs have been kept long enough."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cnnprof.errors import UsageError
from cnnprof.store import rows
from cnnprof.store.runs import Head

LAST = "last"
"""The word for the newest run."""
_SHOWN = 5


def resolve(word: str, ids: Sequence[str]) -> str:
    """Return the id that a word means: the id itself, the beginning of one alone, or ``last``.

    Args:
        word: what was typed.
        ids: what there is, oldest first.

    Raises:
        UsageError: no run or several answer to the word.
    """
    if word in ids:
        return word
    if not ids:
        raise UsageError(f"there is no run {word}: none is stored", code="unknown-run")
    if word == LAST:
        return ids[-1]
    found = [run_id for run_id in ids if word and run_id.startswith(word)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(f"there is no run {word}", hint="'cnnprof runs' lists them", code="unknown-run")
    shown = ", ".join(found[:_SHOWN]) + (", …" if len(found) > _SHOWN else "")
    raise UsageError(f"{word} may be any of {len(found)} runs: {shown}", hint="type more of it", code="unknown-run")


def expendable(
    heads: Sequence[Head], *, keep: int | None = None, older_than: timedelta | None = None, interrupted: bool = False
) -> list[Head]:
    """Return the runs for which all conditions given hold; never one that is being measured, or that is damaged.

    Args:
        heads: all runs, newest first.
        keep: only runs beyond this many newest.
        older_than: only runs made before so long.
        interrupted: only runs that did not end.
    """
    limit = None if older_than is None else datetime.now(UTC) - older_than
    return [
        head
        for head in heads[keep or 0 :]
        if head.status not in ("running", "damaged")
        and (limit is None or rows.moment(head.created) < limit)
        and (not interrupted or head.status == "interrupted")
    ]
