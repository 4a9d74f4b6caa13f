"""Every node's output shapes against a forward of the built module."""

from __future__ import annotations

from collections.abc import Iterator

from cnnprof.model.validation import Figure, compared
from cnnprof.validator.case import Case


def check(case: Case) -> Iterator[Figure]:
    """Yield the first node whose outputs have other shapes than its row says, or that all are equal."""
    seen = case.shapes_in_torch()
    expected = {row.name: [tensor.shape for tensor in row.outputs] for row in case.analysis.rows}
    wrong = [name for name, shapes in expected.items() if name in seen and seen[name] != shapes]
    first = wrong[0] if wrong else None
    yield compared(
        "shapes", "layers with these output shapes", len(seen), len(seen) - len(wrong),
        layer=first, note=None if first is None else f"{expected[first]} here, {seen[first]} in torch",
    )  # fmt: skip
    missing = sorted(set(expected) - set(seen))
    yield compared("shapes", "layers that ran", len(expected), len(seen), layer=missing[0] if missing else None)
