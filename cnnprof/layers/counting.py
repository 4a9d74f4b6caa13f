"""Arithmetic on events, shared by the layer families."""

from __future__ import annotations

from cnnprof.model.analysis import Events

COUNTERS = ("macs", "muls", "adds", "cmps", "exps", "divs")


def times(each: Events, count: int) -> Events:
    """Return ``count`` times the events of ``each``."""
    # A counter that is 0 stays a plain 0, so that no formula shows a product with it.
    return Events(**{name: getattr(each, name) * count for name in COUNTERS if getattr(each, name)})


def together(*parts: Events) -> Events:
    """Return the sum of all ``parts``."""
    sums: dict[str, int] = {}
    for name in COUNTERS:
        found = [getattr(part, name) for part in parts if getattr(part, name)]
        if found:
            sums[name] = sum(found[1:], found[0])
    return Events(**sums)


def softmax_events(rows: int, length: int) -> Events:
    """Return the events of a softmax over each of ``rows`` rows of ``length`` values.

    Per row: length − 1 comparisons find the maximum, which length subtractions take off; then length exponentials,
    length − 1 additions and length divisions.
    """
    return Events(
        cmps=rows * (length - 1),
        adds=rows * length + rows * (length - 1),
        exps=rows * length,
        divs=rows * length,
    )
