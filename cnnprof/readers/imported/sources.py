"""Names to modules: ``torchvision:NAME``, ``timm:NAME``, ``package.module:attribute``. Weights are never allocated.

What is typed is imported and run. This happens in a worker; nothing here is for the process that the user sees.
"""

from __future__ import annotations

import importlib
import inspect
import os
import re
import sys
import types
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from cnnprof.errors import CnnprofError, MissingPackageError, UsageError
from cnnprof.model.graph import Input
from cnnprof.readers import torchvision
from cnnprof.readers.collector import nearest
from cnnprof.readers.imported.construction import construct
from cnnprof.readers.imported.said import message, said
from cnnprof.readers.overrides import Overrides

if TYPE_CHECKING:
    import torch

T = TypeVar("T")

DOWNLOADS = frozenset(
    ("weights", "weights_backbone", "pretrained", "pretrained_backbone", "pretrained_cfg", "pretrained_cfg_overlay",
     "checkpoint_path", "cache_dir")
)  # fmt: skip
"""Arguments that fetch or unpickle something. No count depends on a weight's value."""
_UNKNOWN_OPERATOR = "torchvision::nms does not exist"


class Source(NamedTuple):
    """A module, what it is called, and the inputs it was made for (None where nobody knows)."""

    module: torch.nn.Module
    name: str
    inputs: tuple[Input, ...] | None


def find(model: str, params: Mapping[str, Any]) -> Source:
    """Return the module that ``model`` names.

    Args:
        model: as it was typed.
        params: what ``--set`` says: arguments of a library's constructor.

    Raises:
        UsageError: there is no such module, it cannot be imported or made, or is none.
        MissingPackageError: torch or the library is not installed.
    """
    _need("torch", f"{model} is a PyTorch module", "pip install 'cnnprof[torch]'")
    library, _, name = model.partition(":")
    with warnings.catch_warnings():
        # A user's function may load weights: there is nowhere to put them, and no need.
        warnings.filterwarnings("ignore", message=".*copying from a non-meta parameter")
        if library in _LIBRARIES:
            _check(params, model)
            return _LIBRARIES[library](name, params, model)
        return _attribute(library, name, params, model)


def inputs(source: Source, overrides: Overrides, model: str) -> tuple[Input, ...]:
    """Return what the module is run on: ``--input``, else what it was made for; one sample.

    Raises:
        UsageError: neither says anything.
    """
    if overrides.inputs:
        given = [(name or "input", shape, overrides.dtypes.get(name)) for name, shape in overrides.inputs.items()]
        return tuple(Input(name=name, shape=shape, dtype=dtype or "float32") for name, shape, dtype in given)
    if source.inputs is None:
        wanted = _arguments(source.module)
        example = _example(wanted)
        raise UsageError(
            f"{model}: the size of its input is not known; its forward takes {_listed(wanted)}",
            hint=f"say one sample's, without the batch: --input {example}, in Python input={example!r}",
            code="needs-input",
        )
    return source.inputs


def _arguments(module: torch.nn.Module) -> list[str]:
    """Return the names of the inputs that a forward cannot do without."""
    parameters = inspect.signature(module.forward).parameters.values()
    named = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [each.name for each in parameters if each.kind in named and each.default is inspect.Parameter.empty]


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "what it likes"


def _example(names: list[str]) -> str:
    return "3x224x224" if len(names) < 2 else ",".join(f"{name}=3x224x224" for name in names)  # noqa: PLR2004 one needs no name


# Libraries


def _torchvision(name: str, params: Mapping[str, Any], model: str) -> Source:
    module = _made(lambda: torchvision.make(name, params), model)
    return Source(module, torchvision.split(name)[0], torchvision.default_inputs(name, module))


def _timm(name: str, params: Mapping[str, Any], model: str) -> Source:
    _need("timm", f"{model} is a network of timm", "pip install timm")
    timm = _imported("timm")
    # Nothing with another colon or a slash: timm would look for it on a hub or in a folder.
    if not re.fullmatch(r"\w+(\.\w+)?", name) or not timm.is_model(name):
        hint = (
            nearest(name.partition(".")[0], timm.list_models()) or "python -c 'import timm; print(timm.list_models())'"
        )
        raise UsageError(f"timm has no network {name!r}", hint=hint, code="unknown-model")
    module = _made(lambda: construct(lambda: timm.create_model(name, pretrained=False, **params)), model)
    size = (getattr(module, "default_cfg", None) or {}).get("input_size") or (3, 224, 224)
    return Source(module, name, (Input(name="input", shape=tuple(size)),))


_LIBRARIES: dict[str, Callable[[str, Mapping[str, Any], str], Source]] = {"torchvision": _torchvision, "timm": _timm}


def _check(params: Mapping[str, Any], model: str) -> None:
    for name in params:
        if name in DOWNLOADS:
            raise UsageError(
                f"--set {name}: {model} is made without weights, and nothing is downloaded",
                hint="leave it out: no count depends on a weight's value",
                code="no-weights",
            )


# A user's own


def _attribute(module_name: str, path: str, params: Mapping[str, Any], model: str) -> Source:
    if params:
        raise UsageError(
            f"--set {next(iter(params))}: {model} is called without arguments",
            hint="write a function that makes it as you want it, and name that",
            code="unknown-param",
        )
    _find_in_current_directory()
    value = _import(module_name, model)
    for part in path.split("."):
        value = _part(value, part, model)
    module = _module(value, model)
    return Source(module, path, None)


def _find_in_current_directory() -> None:
    # Only now, with torch imported: a random.py of the user's must not stand in for Python's own.
    try:
        sys.path.insert(0, os.getcwd())  # noqa: PTH109 as Python itself does
    except FileNotFoundError:  # somebody removed it; what is installed can be found all the same
        return


def _import(name: str, model: str) -> Any:
    try:
        return construct(lambda: _imported(name))  # a module may make networks while it is imported
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise UsageError(
                f"{model}: there is no module {error.name!r}", hint=_where(name), code="unknown-model"
            ) from error
        raise raised(error, f"importing {name}", model) from error
    except MemoryError:
        raise
    except BaseException as error:  # whatever it is, the module raised it: nobody types Ctrl-C to a worker
        raise raised(error, f"importing {name}", model) from error


def _where(name: str) -> str:
    if name.endswith(".py"):
        return f"a module is named without its suffix: {name.removesuffix('.py')}:ATTRIBUTE"
    return "modules are looked for in the current directory and where Python finds installed ones"


def _imported(name: str) -> Any:
    """Import a module; if it needs torchvision, which cannot be imported as it is, help torchvision and try again."""
    try:
        return importlib.import_module(name)
    except RuntimeError as error:
        if _UNKNOWN_OPERATOR not in str(error):
            raise
        torchvision.models()
        return importlib.import_module(name)


def _part(value: Any, name: str, model: str) -> Any:
    try:
        return getattr(value, name)
    except AttributeError as error:
        owner = getattr(value, "__name__", type(value).__name__)
        raise UsageError(
            f"{model}: {owner} has no attribute {name!r}", hint=nearest(name, dir(value)), code="unknown-model"
        ) from error
    except BaseException as error:  # as for an import
        raise raised(error, f"looking for {name}", model) from error


def _module(value: Any, model: str) -> torch.nn.Module:
    """Return a module: the value itself, an instance of it, or what the function returns. Nothing else is called."""
    from torch import nn

    if isinstance(value, nn.Module):
        return value
    if isinstance(value, types.FunctionType) or (isinstance(value, type) and issubclass(value, nn.Module)):
        made = _made(lambda: construct(value), model)
        if isinstance(made, nn.Module):
            return made
        raise UsageError(
            f"{model} returned {_kind(made)}, not an nn.Module", hint="return the module itself", code="not-a-module"
        )
    raise UsageError(
        f"{model} is {_kind(value)}, and was not called",
        hint="name an nn.Module, a subclass that needs no arguments, or a Python function that returns one",
        code="not-a-module",
    )


def _kind(value: Any) -> str:
    if isinstance(value, type):
        return f"the class {value.__qualname__}"
    kind = type(value).__name__
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


# What may go wrong in either


def _made(make: Callable[[], T], model: str) -> T:
    try:
        return make()
    except (CnnprofError, MemoryError):
        raise
    except BaseException as error:  # as for an import
        raise raised(error, "making it", model, _advice(error)) from error


def _advice(error: BaseException) -> str | None:
    wanting = isinstance(error, TypeError) and "required" in message(error)
    return (
        "it is called without arguments: write a function that returns the module, and name that" if wanting else None
    )


def raised(error: BaseException, doing: str, model: str, advice: str | None = None) -> UsageError:
    """Return the error of imported code, with advice or the place in it."""
    return UsageError(f"{model}: {doing} raised {said(error)}", hint=advice or _place(error), code="import-fails")


def _place(error: BaseException) -> str | None:
    """Return the last place in code that is not installed, else the last one that is not cnnprof's."""
    import traceback

    if isinstance(error, SyntaxError) and isinstance(error.filename, str):  # code that never ran has no frame
        return f"in {error.filename}, line {error.lineno}"
    ours = str(Path(__file__).parents[2])
    frames = [each for each in traceback.extract_tb(error.__traceback__) if not each.filename.startswith(("<", ours))]
    found = [each for each in frames if "site-packages" not in each.filename] or frames
    return f"in {found[-1].filename}, line {found[-1].lineno}" if found else None


def _need(package: str, why: str, command: str) -> None:
    try:
        _imported(package)
    except (ImportError, OSError) as error:  # OSError: one of its shared libraries is missing
        absent = isinstance(error, ModuleNotFoundError) and error.name == package
        message = f"{why}, and {package} " + ("is not installed" if absent else f"cannot be imported: {error}")
        raise MissingPackageError(message, hint=command) from error
