"""Other tools, asked what they say of a network: one process for many questions, its torch patched back after each.

As a script it reads a list of questions from standard input and writes the answers:

    python -m tests.helpers.peers < questions.json > answers.json

A question is ``{"network": ..., "tools": [...], "training": false}``. A network is ``build:NAME`` (what
``cnnprof.build`` makes of it), ``torchvision:NAME``, or a list: one layer, by the arguments of ``one_layer``. An answer
maps ``tool quantity`` to a number; where a tool failed, its name to a list of one text.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.machinery
import io
import json
import os
import re
import subprocess
import sys
import types
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.helpers.processes import ROOT, environment

HERE = ("FlopCounterMode", "fvcore", "ptflops", "ptflops (aten)", "thop", "torchinfo", "torchprofile", "calflops",
        "torchsummary")  # fmt: skip
"""Tools that share one environment. ultralytics-thop has the import name of thop, DeepSpeed brings a dozen packages."""
APPLICATIONS = {
    "vgg16": "VGG16", "resnet50": "ResNet50", "mobilenet_v2": "MobileNetV2", "densenet121": "DenseNet121",
    "efficientnet_b0": "EfficientNetB0", "convnext_tiny": "ConvNeXtTiny",
}  # fmt: skip
"""Networks of the zoo, and Keras' own ones of the same name."""

Answer = dict[str, Any]


def ask(questions: Sequence[dict[str, Any]], *, beside: Path | None = None) -> list[Answer]:
    """Return the answers, from a process of their own. ``beside``: a folder of packages that come before others."""
    path = f"{ROOT}" if beside is None else f"{ROOT}:{beside}"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.helpers.peers"], input=json.dumps(list(questions)), text=True,
        env=environment(PYTHONPATH=path, OMP_NUM_THREADS="1"), cwd=ROOT, capture_output=True, check=False, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return list(json.loads(done.stdout))


# In the process


def main() -> None:
    questions = json.load(sys.stdin)
    with contextlib.redirect_stdout(sys.stderr):
        _stand_ins()
        answers = [answer(question) for question in questions]
    json.dump(answers, sys.stdout)


def _stand_ins() -> None:
    """Make imports possible: calflops imports transformers at once, torchvision wants operators of its own library."""
    from cnnprof.readers import torchvision

    class Empty(types.ModuleType):
        def __getattr__(self, name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(name)
            return object

    module = Empty("transformers")
    module.__spec__ = importlib.machinery.ModuleSpec("transformers", None)
    sys.modules["transformers"] = module
    torchvision.models()


def answer(question: dict[str, Any]) -> Answer:
    if "application" in question:
        return keras(question["application"])
    import torch

    torch.manual_seed(0)
    found: Answer = {}
    for name in question["tools"]:
        on_meta = name in ON_META and not isinstance(question["network"], list)
        module, inputs = network(question["network"], "meta" if on_meta else "cpu")
        module.train(question.get("training", False))
        with warnings.catch_warnings(), torch.no_grad(), patched_back():
            warnings.simplefilter("ignore")
            try:
                said = TOOLS[name](module, inputs)
            except Exception as error:  # noqa: BLE001 a tool that fails is an answer
                said = {"": [f"{type(error).__name__}: {error}"]}
        found |= {f"{name} {quantity}".strip(): value for quantity, value in said.items()}
        if not isinstance(question["network"], list):
            gc.collect()  # some tools leave half a gigabyte of tensors in cycles
    return found


def network(named: Any, device: str) -> tuple[Any, list[Any]]:
    import torch

    import cnnprof

    if isinstance(named, list):
        graph = one_layer(*named)
        inputs = [torch.rand(1, *each.shape) for each in graph.inputs]
        return function(*named[:2]) if graph.nodes[0].call == "function" else cnnprof.build(graph), inputs
    inputs = [torch.rand(1, 3, 224, 224, device=device)]
    # Weights are whatever memory holds: no tool reads them, and to draw those of VGG-16 takes a second.
    return _without_weights(*named.split(":")).to_empty(device=device), inputs


def _without_weights(kind: str, name: str) -> Any:
    import torch
    from torchvision import models

    import cnnprof

    if kind == "build":
        return cnnprof.build(name, device="meta")
    with torch.device("meta"):
        return models.get_model(name, weights=None, **({"init_weights": False} if name == "googlenet" else {}))


def one_layer(op: str, args: dict[str, Any], shapes: Sequence[Sequence[int]], call: Any = None) -> Any:
    """Return the graph of one layer; ``shapes`` without the batch."""
    from cnnprof.model.graph import Edge, Graph, Input, Node

    inputs = tuple(Input(name=f"x{at}", shape=tuple(shape)) for at, shape in enumerate(shapes))
    node = Node(name="layer", op=op, args=args, inputs=tuple(Edge(each.name) for each in inputs), call=call)
    return Graph(name=op, source=op, inputs=inputs, nodes=(node,), outputs={"output": Edge("layer")})


def function(op: str, args: dict[str, Any]) -> Any:
    """Return a network that calls torch's function where ``one_layer`` has a module."""
    import torch

    class Calls(torch.nn.Module):
        def forward(self, *inputs: Any) -> Any:
            return FUNCTIONS[op](*inputs, **args)

    return Calls()


def _functional(name: str) -> Callable[..., Any]:
    def call(*inputs: Any, **args: Any) -> Any:
        from torch.nn import functional  # looked up when called, as networks do: tools patch it

        if name.startswith("adaptive"):  # calflops takes no size by name
            return getattr(functional, name)(*inputs, *args.values())
        return getattr(functional, name)(*inputs, **args)

    return call


FUNCTIONS: dict[str, Callable[..., Any]] = {
    op: _functional(name)
    for op, name in {
        "relu": "relu", "relu6": "relu6", "leakyrelu": "leaky_relu", "elu": "elu", "gelu": "gelu", "silu": "silu",
        "hardswish": "hardswish", "hardsigmoid": "hardsigmoid", "hardtanh": "hardtanh", "mish": "mish", "selu": "selu",
        "softplus": "softplus", "sigmoid": "sigmoid", "tanh": "tanh", "glu": "glu", "softmax": "softmax",
        "logsoftmax": "log_softmax", "maxpool1d": "max_pool1d", "maxpool2d": "max_pool2d", "maxpool3d": "max_pool3d",
        "avgpool1d": "avg_pool1d", "avgpool2d": "avg_pool2d", "avgpool3d": "avg_pool3d",
        "adaptiveavgpool1d": "adaptive_avg_pool1d", "adaptiveavgpool2d": "adaptive_avg_pool2d",
        "adaptiveavgpool3d": "adaptive_avg_pool3d", "adaptivemaxpool2d": "adaptive_max_pool2d",
        "dropout": "dropout", "upsample": "interpolate", "pixelshuffle": "pixel_shuffle",
        "localresponsenorm": "local_response_norm",
    }.items()
} | {
    "add": lambda left, right: left + right,
    "sub": lambda left, right: left - right,
    "mul": lambda left, right: left * right,
    "div": lambda left, right: left / right,
    "pad": lambda value, padding: _functional("pad")(value, pad=padding),
    "flatten": lambda value: value.flatten(1),
    "mean": lambda value, dim: value.mean(dim),
    "permute": lambda value, dims: value.permute(dims),
    "getitem": lambda value: value[:, 0],
}  # fmt: skip
"""Functions as torch spells them, and operators as Python does."""


@contextlib.contextmanager
def patched_back() -> Iterator[None]:
    """Give torch's functions back what a tool has put in their place; some forget it where they fail."""
    import torch
    from torch.nn import functional

    names = ("matmul", "mm", "bmm", "addmm", "baddbmm", "mul", "add", "einsum", "__matmul__")
    places = [(functional, vars(functional).copy()), (torch, {name: getattr(torch, name, None) for name in names})]
    tensors = {name: getattr(torch.Tensor, name) for name in names if hasattr(torch.Tensor, name)}
    try:
        yield
    finally:
        for place, before in places:
            for name, value in before.items():
                if getattr(place, name, None) is not value:
                    setattr(place, name, value)
        for name, value in tensors.items():
            if getattr(torch.Tensor, name) is not value:
                setattr(torch.Tensor, name, value)


def keyworded(module: Any, inputs: Sequence[Any]) -> tuple[Any, dict[str, Any]]:
    """Return the network as one that takes its inputs by name, for ptflops, which knows one tensor or a dict."""
    if len(inputs) == 1:
        return module, {}
    import torch

    class ByName(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = module

        def forward(self, **named: Any) -> Any:
            return self.network(*named.values())

    return ByName(), {f"x{at}": value for at, value in enumerate(inputs)}


def with_a_parameter(module: Any) -> Any:
    """Return the network beside one parameter: calflops and DeepSpeed ask the first one for its device."""
    import torch

    class Beside(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = module
            self.one = torch.nn.Parameter(torch.zeros(1))

        def forward(self, *inputs: Any) -> Any:
            return self.network(*inputs)

    return Beside().train(module.training)


def flop_counter(module: Any, inputs: Sequence[Any]) -> Answer:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        module(*inputs)
    return {"flops": counter.get_total_flops()}


def fvcore(module: Any, inputs: Sequence[Any]) -> Answer:
    from fvcore.nn import FlopCountAnalysis

    asked = FlopCountAnalysis(_tuples(module), tuple(inputs))
    asked.unsupported_ops_warnings(enabled=False).uncalled_modules_warnings(enabled=False).tracer_warnings("none")
    return {"macs": int(asked.total())}


def _tuples(module: Any) -> Any:
    """Return the network with its outputs as a tuple: a dict cannot be traced."""
    import torch

    class Traceable(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = module

        def forward(self, *inputs: Any) -> Any:
            given = self.network(*inputs)
            return tuple(given.values()) if isinstance(given, dict) else given

    return Traceable().train(module.training)


def ptflops(backend: str) -> Callable[[Any, Sequence[Any]], Answer]:
    def run(module: Any, inputs: Sequence[Any]) -> Answer:
        from ptflops import get_model_complexity_info

        wrapped, named = keyworded(module, inputs)
        more = {"input_constructor": lambda _: named} if named else {}
        macs, params = get_model_complexity_info(
            wrapped, tuple(inputs[0].shape[1:]) if inputs else (1,), as_strings=False, print_per_layer_stat=False,
            backend=backend, **more,
        )  # fmt: skip
        if macs is None:
            raise RuntimeError("ptflops gave up")
        return {"macs": int(macs)} | ({"params": int(params)} if backend == "pytorch" else {})

    return run


def thop(module: Any, inputs: Sequence[Any]) -> Answer:
    from thop import profile

    macs, params = profile(module, tuple(inputs), verbose=False)
    return {"macs": int(macs), "params": int(params)}


def torchinfo(module: Any, inputs: Sequence[Any]) -> Answer:
    from torchinfo import summary

    device = inputs[0].device.type if inputs else "cpu"
    found = summary(module, input_data=list(inputs), verbose=0, device=device)
    return {"macs": int(found.total_mult_adds), "params": int(found.total_params)}


def torchprofile(module: Any, inputs: Sequence[Any]) -> Answer:
    from torchprofile import profile_macs

    return {"macs": int(profile_macs(module, tuple(inputs)))}


def calflops(module: Any, inputs: Sequence[Any]) -> Answer:
    from calflops import calculate_flops

    flops, _, params = calculate_flops(
        with_a_parameter(module), args=list(inputs), print_results=False, output_as_string=False
    )
    return {"flops": int(flops), "params": int(params) - 1}


def deepspeed(module: Any, inputs: Sequence[Any]) -> Answer:
    from deepspeed.profiling.flops_profiler import get_model_profile

    flops, _, params = get_model_profile(
        with_a_parameter(module), args=list(inputs), print_profile=False, as_string=False
    )
    return {"flops": int(flops), "params": int(params) - 1}


def torchsummary(module: Any, inputs: Sequence[Any]) -> Answer:
    from torchsummary import summary

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        summary(module, [tuple(each.shape[1:]) for each in inputs], device="cpu")
    total = re.search(r"Total params: ([\d,]+)", printed.getvalue())
    return {"params": int(total[1].replace(",", "")) if total else None}


def keras(application: str) -> Answer:
    os.environ["KERAS_BACKEND"] = "torch"
    from keras import applications

    return {"Keras params": getattr(applications, application)(weights=None).count_params()}


TOOLS: dict[str, Callable[[Any, Sequence[Any]], Answer]] = {
    "FlopCounterMode": flop_counter,
    "fvcore": fvcore,
    "ptflops": ptflops("pytorch"),
    "ptflops (aten)": ptflops("aten"),
    "thop": thop,
    "ultralytics-thop": thop,
    "torchinfo": torchinfo,
    "torchprofile": torchprofile,
    "calflops": calflops,
    "DeepSpeed": deepspeed,
    "torchsummary": torchsummary,
}
ON_META = {"FlopCounterMode", "ptflops (aten)", "thop", "ultralytics-thop", "torchinfo"}
"""Tools that need shapes only. Others trace, make an input of their own, or patch a function that meta kernels call
too: ``F.linear`` on meta is written in Python, so that ptflops and DeepSpeed count its product twice."""

if __name__ == "__main__":
    main()
