"""Networks that are code: ``torchvision:NAME``, ``timm:NAME``, ``package.module:attribute``, or a module at hand.

Names are looked up in a worker, so that this process imports neither torch nor what the user typed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from cnnprof import worker
from cnnprof.errors import UsageError
from cnnprof.model.graph import Graph
from cnnprof.model.plain import from_json, replace, to_json
from cnnprof.readers.overrides import Overrides
from cnnprof.readers.source import shown

if TYPE_CHECKING:
    import torch

DEADLINE_S = 600.0
"""Until code that was typed must have made a network."""
_FILES = {
    "a pickle, which runs code when it is opened": (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".joblib"),
    "a file of weights, which does not say what is done with them": (".safetensors", ".h5", ".hdf5", ".npz", ".npy"),
    "a network in a format that cnnprof does not read": (
        ".onnx", ".prototxt", ".caffemodel", ".pb", ".tflite", ".keras"
    ),
}  # fmt: skip
"""What is wrong with a file of these suffixes."""


def read_named(model: str, overrides: Overrides) -> Graph:
    """Return the network that a name stands for: one of a library's, or an attribute of a Python module, which is run.

    Raises:
        UsageError: there is no such network, or it cannot be imported, made or followed.
        MissingPackageError: torch or the library is not installed.
        WorkerError: the code of it crashed, hung, or left no memory.
    """
    names = [[name, shape, overrides.dtypes.get(name)] for name, shape in overrides.inputs.items()]
    request = {"model": model, "params": overrides.params, "inputs": names}
    try:
        text = worker.call("cnnprof.readers.imported.reader:in_worker", request, deadline_s=DEADLINE_S)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"{model}: a setting is a number, text, a list or a mapping: {error}",
            hint="make the module yourself and hand it to cnnprof.analyze",
            code="bad-value",
        ) from error
    return replace(from_json(text, Graph), overridden=overrides.names)


def in_worker(request: dict[str, Any]) -> str:
    """Return the graph as JSON. Runs what the user typed."""
    from cnnprof.readers.imported import sources
    from cnnprof.readers.imported.trace import trace

    model = request["model"]
    overrides = Overrides(
        params=request["params"],
        inputs={name: tuple(shape) for name, shape, _ in request["inputs"]},
        dtypes={name: dtype for name, _, dtype in request["inputs"] if dtype is not None},
    )
    found = sources.find(model, overrides.params)
    try:
        graph = trace(found.module, sources.inputs(found, overrides, model), name=found.name, source=model)
    except Exception:
        raise
    except BaseException as error:  # an exit or an interrupt that the forward raised: nobody types Ctrl-C to a worker
        raise sources.raised(error, "running it", model) from error
    return to_json(graph).decode()


def read_module(module: torch.nn.Module, overrides: Overrides) -> Graph:
    """Return the network that a module of this process is; it stays exactly as it was.

    Raises:
        UsageError: the input's size is missing, there are settings, or the module cannot be followed.
    """
    from cnnprof.readers.imported import sources
    from cnnprof.readers.imported.trace import trace

    name = type(module).__name__
    if overrides.params:
        message = f"set: {name} is made already, and has nothing to set"
        raise UsageError(message, hint="make it as you want it", code="unknown-param")
    source = sources.Source(module, name, None)
    given = sources.inputs(source, overrides, name)
    return replace(trace(module, given, name=name, source=f"{type(module).__module__}:{name}"), overridden=())


def refuse_file(model: str, _overrides: Overrides) -> NoReturn:
    """Refuse a file by its name; it is not opened.

    Raises:
        UsageError: always.
    """
    suffix = "." + model.rpartition(".")[2].lower()
    why = next(why for why, suffixes in _FILES.items() if suffix in suffixes)
    raise UsageError(
        f"'{shown(model)}' is {why}",
        hint="name the code that makes the network, package.module:attribute, or write a specification (cnnprof init)",
        code="not-a-network",
    )
