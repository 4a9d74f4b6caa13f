"""Where the store is: ``--store PATH``, else what CNNPROF_STORE says, else this user's folder for data."""

from __future__ import annotations

import os
from pathlib import Path

from cnnprof.errors import StoreError, UsageError

VARIABLE = "CNNPROF_STORE"


def locate(path: str | os.PathLike[str] | None = None) -> Path:
    """Return the path of the store: the one given, else the one of the environment, else the user's own.

    Raises:
        UsageError: an empty one is given.
    """
    if path == "":
        raise UsageError("--store names no file", hint="leave it out for your own store")
    chosen = path or os.environ.get(VARIABLE)
    return Path(chosen) if chosen else default_path()


def default_path() -> Path:
    """Return the path for this user, ``~/.local/share/cnnprof/runs.sqlite3`` on Linux."""
    import platformdirs

    return Path(platformdirs.user_data_dir("cnnprof", appauthor=False)) / "runs.sqlite3"


def make_folder(path: Path) -> None:
    """Make the folder of this user's own store; other folders are whoever's named them.

    Raises:
        StoreError: it cannot be made.
    """
    if path != default_path():
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot make {path.parent}, the folder of the store: {error.strerror}",
            hint="choose another with --store PATH",
        ) from error
