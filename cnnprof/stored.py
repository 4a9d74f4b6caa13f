"""Runs that were measured before: listed, and read from the store or from a run file."""

from __future__ import annotations

import os
from pathlib import Path

from cnnprof import bindings, offload
from cnnprof.errors import StoreError
from cnnprof.measure.samples import samples
from cnnprof.measure.summary import summarise
from cnnprof.model.run import Run
from cnnprof.store import files
from cnnprof.store.choosing import resolve
from cnnprof.store.paths import locate
from cnnprof.store.rescue import salvage
from cnnprof.store.runs import Head, Store

SUFFIX = ".json"


def runs(store: str | os.PathLike[str] | None = None) -> list[Head]:
    """Return what the store holds, newest first: id, created, status, models, parts, samples.

    Args:
        store: a file of runs; by default what CNNPROF_STORE names, else this user's own.

    Raises:
        StoreError: it cannot be read, or is damaged.
    """
    with Store.open(store) as opened:
        return opened.list()


def load_run(run: str | os.PathLike[str], store: str | os.PathLike[str] | None = None) -> Run:
    """Return a run with all its samples; ``.ledger``, ``.to_frame()``.

    Args:
        run: an id, the beginning of one, ``last``, or a run file: a path object, or text that ends in .json.
        store: as for ``runs``.

    Raises:
        UsageError: there is no such run, or the file is none.
        StoreError: the store cannot be read, or the run in it is damaged.
    """
    if not isinstance(run, str) or run.endswith(SUFFIX):
        return files.read(Path(run))
    with Store.open(store) as opened:
        return opened.load(resolve(run, opened.ids()))


def readable_run(word: str, store: str | os.PathLike[str] | None = None) -> tuple[Run, list[str]]:
    """Return a stored run, and what cannot be read of it because the store is damaged.

    Raises:
        UsageError: there is no such run.
        StoreError: the store cannot be opened, or nothing can be read of the run.
    """
    try:
        with Store.open(store) as opened:
            return opened.load(resolve(word, opened.ids())), []
    except StoreError as error:
        if error.code != "store-damaged":
            raise
    return salvage(locate(store), lambda ids: resolve(word, ids))


bindings.bind_run(summarise, samples, offload.offloads)
