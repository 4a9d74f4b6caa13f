"""What every device does with the steps of a network that it times."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from cnnprof.errors import WorkerError


@contextmanager
def collected() -> Iterator[None]:
    """Keep Python's collector of cycles from running inside."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def varying(seen: int, known: int) -> WorkerError:
    """Return the error of a forward that ran another number of layers than were followed."""
    return differing(f"{seen} layers", str(known))


def differing(seen: str, known: str) -> WorkerError:
    """Return the error of a forward that ran something else than was followed."""
    return WorkerError(
        f"a forward ran {seen}, and {known} when it was followed: it does not do the same each time",
        hint="cnnprof times networks that run the same layers for any input",
        code="varying-forward",
    )
