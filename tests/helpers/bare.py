"""``records`` in an interpreter that has torch, and nothing else that is installed with cnnprof.

Imported in a worker only: from then on the process finds none of those packages.
"""

from __future__ import annotations

import sys

for _package in ("msgspec", "yaml", "click", "rich", "jinja2", "pandas", "platformdirs", "torchvision", "timm"):
    sys.modules[_package] = None  # type: ignore[assignment]  # which makes an import of it fail

from cnnprof.measure.worker import run as measure  # noqa: E402 once they are gone
from tests.helpers.records import (  # noqa: E402 once they are gone
    alike,
    build,
    fields,
    frozen,
    indented,
    layer,
    made_by,
    refusal,
    there_and_back,
    trace,
    write,
)

__all__ = [
    "alike", "build", "fields", "frozen", "indented", "layer", "made_by", "measure", "refusal", "there_and_back",
    "trace", "write",
]  # fmt: skip
