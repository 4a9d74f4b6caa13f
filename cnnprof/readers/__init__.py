"""Readers: whatever names a model, to a graph.

``READERS`` is the one list: a pattern on what the user typed, and the function that reads it (imported only then).
The first pattern that matches decides. NEW INPUT FORMAT = one file + one line here.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeGuard

from cnnprof.errors import UsageError
from cnnprof.model.graph import Graph
from cnnprof.readers.overrides import Overrides

if TYPE_CHECKING:
    import torch

CODE = r"(?!(keras|torchvision|timm):)[^\W\d]\w*(\.\w+)*:[^\W\d]\w*(\.\w+)*$"
"""A name that is imported and run: package.module:attribute."""
WEIGHTS = (
    r"(?i).*\.(pth?|pkl|pickle|ckpt|bin|joblib|safetensors|h5|hdf5|np[yz]|onnx|prototxt|caffemodel|pb|tflite|keras)$"
)
"""A file of another program: weights, a pickle, a network in its own format."""
READERS: tuple[tuple[str, str], ...] = (
    # INPUT first, in brackets or not, unless what follows makes it a file's name (input.yaml, input/net.yaml).
    (r"(?i)\s*[\[(]?\s*INPUT(?![\w./\\])(?!.*\.[a-z]\w*(#\S*)?\s*$)", "cnnprof.readers.spec:read_pattern"),
    (r"-$", "cnnprof.readers.spec:read_stdin"),
    (r"(?i).*\.(ya?ml|json)(#[^#]*)?$", "cnnprof.readers.spec:read_file"),
    (r"(torchvision|timm):", "cnnprof.readers.imported.reader:read_named"),
    (CODE, "cnnprof.readers.imported.reader:read_named"),
    (WEIGHTS, "cnnprof.readers.imported.reader:refuse_file"),
    (r".*/", "cnnprof.readers.spec:read_file"),
    (r"\w+$", "cnnprof.readers.spec:read_zoo"),
)


def runs_code(model: str) -> bool:
    """Return whether reading ``model`` imports and runs code of the user's."""
    return re.match(CODE, model, re.DOTALL) is not None


def is_code(model: str) -> bool:
    """Return whether ``model`` names a network that is code: a library's, or the user's own."""
    return next((target.endswith(":read_named") for pattern, target in READERS if _matches(pattern, model)), False)


def _matches(pattern: str, model: str) -> bool:
    return re.match(pattern, model, re.DOTALL) is not None


def read(model: str, overrides: Overrides) -> Graph:
    """Return the graph of a model named as on the command line.

    Raises:
        UsageError: nothing answers to this name.
        SpecError: the specification is refused.
    """
    for pattern, target in READERS:
        if _matches(pattern, model):
            module, _, function = target.partition(":")
            reader: Callable[[str, Overrides], Graph] = getattr(importlib.import_module(module), function)
            return reader(model, overrides)
    raise UsageError(
        f"{model!r} is not the name of a model",
        hint="a model is a zoo name (cnnprof zoo), a .yaml or .json file, '-', torchvision:NAME, timm:NAME, "
        "package.module:attribute, or a pattern such as 'INPUT 3x32x32 -> CONV3-64 -> RELU -> FC-10'",
        code="unknown-model",
    )


def is_module(model: object) -> TypeGuard[torch.nn.Module]:
    """Return whether ``model`` is an ``nn.Module``. torch is not imported for it: whoever has a module has done so."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


def read_module(module: torch.nn.Module, overrides: Overrides) -> Graph:
    """Return the graph of a module of this process.

    Raises:
        UsageError: it cannot be followed, or its input's size is missing.
    """
    from cnnprof.readers.imported import reader

    return reader.read_module(module, overrides)
