"""All of torchvision's classification networks in one process, beside other tools; and networks of other libraries.

    python benchmarks/imported.py [--tools ptflops,FlopCounterMode,…] [--networks 74] [--json]
    python benchmarks/imported.py --timm [--shards 4 --shard 0] [--names resnet18,vit_tiny_patch16_224]
    python benchmarks/imported.py --transformers [--names ViTForImageClassification]

Each tool has a process of its own: it imports torch, builds every network as its users do and counts it for one image
of the size that torchvision's weights were evaluated at, cnnprof on tensors without contents, the others on real ones.
Parameters have to be those of the weights' metadata, multiply-accumulates its ``_ops`` within the printed rounding.
The networks are all 80, or the ``--networks`` of fewest operations for all tools. Exit code 1: cnnprof misses one.

``--timm`` counts every architecture of timm, without weights, and compares multiply-accumulates with FlopCounterMode's
half, parameters and buffers with the module's own; it lists what differs. ``--transformers`` does so with vision models
of transformers in their default configurations, which are imported by name as anybody's module is.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any

from measuring import child, described, environment, machine, table

ROUNDING = 0.0005
"""Half of the last digit of ``_ops``, which is in thousand millions."""
_COMMON = """
import json, sys, warnings
warnings.simplefilter("ignore")
from cnnprof.readers import torchvision as reader
library = reader.models()
import torch

def networks(count):
    found = []
    for name in library.list_models(module=library):
        weights = library.get_model_weights(name).DEFAULT
        found.append((weights.meta["_ops"], name, weights))
    for _, name, weights in sorted(found, key=lambda each: each[0])[:count]:
        size = getattr(weights.transforms(), "crop_size", [224])[0]
        more = {"aux_logits": False} if name == "googlenet" else {}  # as its metadata
        more |= {"image_size": size} if name.startswith("vit") else {}
        yield name, size, more, weights.meta

def report(name, params, macs, meta):
    print(json.dumps([name, int(params), int(macs), meta["num_params"], meta["_ops"]]), flush=True)

for name, size, more, meta in networks(COUNT):
"""
_REAL = """
    model = library.get_model(name, weights=None, **more).eval()
    params = sum(each.numel() for each in model.parameters())
"""
TOOLS = {
    "cnnprof": """
    from cnnprof import analyzer
    from cnnprof.model.graph import Graph
    from cnnprof.model.plain import from_json
    from cnnprof.readers.imported.reader import in_worker
    asked = {"model": f"torchvision:{name}", "params": more, "inputs": [["input", [3, size, size], None]]}
    totals = analyzer.analyze(from_json(in_worker(asked), Graph)).totals
    report(name, totals.params, totals.macs, meta)
""",
    "ptflops": _REAL
    + """
    from ptflops import get_model_complexity_info
    macs, _ = get_model_complexity_info(
        model, (3, size, size), as_strings=False, print_per_layer_stat=False, backend="aten")
    report(name, params, macs, meta)
""",
    "FlopCounterMode": _REAL
    + """
    from torch.utils.flop_counter import FlopCounterMode
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.rand(1, 3, size, size))
    report(name, params, counter.get_total_flops() // 2, meta)
""",
    "torchinfo": _REAL
    + """
    from torchinfo import summary
    found = summary(model, (1, 3, size, size), verbose=0)
    report(name, found.total_params, found.total_mult_adds, meta)
""",
    "thop": _REAL
    + """
    from thop import profile
    macs, _ = profile(model, (torch.rand(1, 3, size, size),), verbose=False)
    report(name, params, macs, meta)
""",
    "fvcore": _REAL
    + """
    import logging
    from fvcore.nn import FlopCountAnalysis
    logging.disable(logging.WARNING)
    with torch.no_grad():
        found = FlopCountAnalysis(model, torch.rand(1, 3, size, size)).unsupported_ops_warnings(False)
        report(name, params, found.total(), meta)
""",
}
"""How each tool's users count a network."""

_COMPARED = """
import json, sys, types, warnings
warnings.simplefilter("ignore")
import torch
from torch.utils.flop_counter import FlopCounterMode
from cnnprof import analyzer
from cnnprof.errors import CnnprofError
from cnnprof.readers.imported import sources
from cnnprof.readers.imported.trace import trace
from cnnprof.readers.overrides import Overrides

def compared(model, shape=None):
    source = sources.find(model, {})
    inputs = sources.inputs(source, Overrides(inputs={"": shape} if shape else {}), model)
    totals = analyzer.analyze(trace(source.module, inputs, name=model, source=model)).totals
    module = source.module.requires_grad_(False).eval().to("meta")
    # before its forward: ConViT's replaces a buffer by a larger one
    params, buffers = (sum(each.numel() for each in held) for held in (module.parameters(), module.buffers()))
    images = [torch.empty(1, *each.shape, device="meta") for each in inputs]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(*images)
    return {
        "macs": (totals.macs, counter.get_total_flops() // 2),
        "params": (totals.params, params),
        "buffers": (totals.buffers, buffers),
        "unknown": (list(totals.unknown_ops), []),
    }

def each_compared(names, compare):
    for name in names:
        try:
            found = {what: pair for what, pair in compare(name).items() if pair[0] != pair[1]}
        except (CnnprofError, RuntimeError, NotImplementedError, AssertionError, TypeError, ValueError) as error:
            found = {"error": f"{type(error).__name__}: {error}"[:200]}
        print(json.dumps([name, found]), flush=True)
"""
_TIMM = """
from cnnprof.readers import torchvision
torchvision.models()
import timm
each_compared(NAMES or timm.list_models()[SHARD::SHARDS], lambda name: compared(f"timm:{name}"))
"""
_TRANSFORMERS = """
import transformers

VISION = '''
ViTForImageClassification ViTMSNForImageClassification ViTMAEModel DeiTForImageClassification
DeiTForImageClassificationWithTeacher BeitForImageClassification Data2VecVisionForImageClassification
Dinov2ForImageClassification Dinov2WithRegistersForImageClassification DINOv3ViTModel
IJepaForImageClassification SwinForImageClassification Swinv2ForImageClassification
HieraForImageClassification FocalNetForImageClassification PvtForImageClassification
PvtV2ForImageClassification CvtForImageClassification LevitForImageClassification
PoolFormerForImageClassification SwiftFormerForImageClassification MobileViTForImageClassification
MobileViTV2ForImageClassification ConvNextForImageClassification ConvNextV2ForImageClassification
ResNetForImageClassification RegNetForImageClassification BitForImageClassification
EfficientNetForImageClassification MobileNetV1ForImageClassification MobileNetV2ForImageClassification
CLIPVisionModel SiglipVisionModel SamVisionModel SegformerForSemanticSegmentation GLPNForDepthEstimation
DPTForDepthEstimation YolosForObjectDetection
'''.split()
mine = sys.modules["networks"] = types.ModuleType("networks")

def compare(name):
    kind = getattr(transformers, name)
    config = kind.config_class()
    setattr(mine, name, lambda: kind(config))
    side = getattr(config, "image_size", 224)
    size = (side, side) if isinstance(side, int) else tuple(side)
    return compared(f"networks:{name}", (3, *size))

each_compared((NAMES or VISION)[SHARD::SHARDS], compare)
"""


def counted(tool: str, networks: int) -> dict[str, Any]:
    """Return what a tool says of so many networks, and what its process took."""
    script = _COMMON + TOOLS[tool]
    with environment() as env:
        child(["-c", script.replace("COUNT", "1")], env)  # compiles what is imported, as installing it does
        sample = child(["-c", script.replace("COUNT", str(networks))], env)
    lines = [json.loads(line) for line in sample.out.splitlines() if line.startswith("[")]
    wrong = [line for line in lines if line[1] != line[3] or abs(line[2] / 1e9 - line[4]) > ROUNDING + 1e-9]
    return {
        "tool": tool, "networks": len(lines), "wrong": wrong, "wall_s": sample.wall_s, "cpu_s": sample.cpu_s,
        "peak_mib": sample.peak_mib,
    }  # fmt: skip


def side_by_side(results: list[dict[str, Any]]) -> str:
    """Return the tools as a table; × is how many times cnnprof's figure."""
    ours = results[0]
    rows = [
        [
            each["tool"], f"{each['networks'] - len(each['wrong'])} of {each['networks']}", f"{each['wall_s']:.1f}",
            f"{each['wall_s'] / ours['wall_s']:.1f}", f"{each['cpu_s']:.1f}", f"{each['cpu_s'] / ours['cpu_s']:.1f}",
            f"{each['peak_mib']:.0f}",
        ]
        for each in results
    ]  # fmt: skip
    return table(["tool", "as published", "wall s", "×", "CPU s", "×", "peak MiB"], rows)


def architectures(script: str, names: list[str], shard: int, shards: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every network that a script goes through with what differs."""
    script = _COMPARED + script.replace("NAMES", repr(names))
    script = script.replace("SHARDS", str(shards)).replace("SHARD", str(shard))
    with environment() as env:
        out = child(["-c", script], env).out
    yield from (tuple(json.loads(line)) for line in out.splitlines() if line.startswith("["))


def elsewhere(script: str, arguments: argparse.Namespace) -> int:
    """Print what differs and the share that does not."""
    names = arguments.names.split(",") if arguments.names else []
    found = dict(architectures(script, names, arguments.shard, arguments.shards))
    wrong = {name: what for name, what in found.items() if what}
    for name, what in wrong.items():
        print(name, json.dumps(what))
    print(
        f"{len(found) - len(wrong)} of {len(found)} architectures are FlopCounterMode's and the module's in all figures"
    )
    return 0


def main() -> int:
    """Run what the command line asks for; 1: cnnprof misses a published figure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tools", default="ptflops,FlopCounterMode,torchinfo,thop,fvcore")
    parser.add_argument("--networks", type=int, default=80)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--timm", action="store_const", const=_TIMM, dest="elsewhere")
    parser.add_argument("--transformers", action="store_const", const=_TRANSFORMERS, dest="elsewhere")
    parser.add_argument("--names", default="")
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--shard", type=int, default=0)
    arguments = parser.parse_args()
    where = machine()
    if arguments.elsewhere:
        print(described(where))
        return elsewhere(arguments.elsewhere, arguments)
    tools = ["cnnprof", *filter(None, arguments.tools.split(","))]
    results = [counted(tool, arguments.networks) for tool in tools]
    print(json.dumps({"machine": where, "results": results}) if arguments.json else described(where))
    if not arguments.json:
        print(side_by_side(results))
        for line in results[0]["wrong"]:
            print("differs:", *line)
    return int(bool(results[0]["wrong"]) or results[0]["networks"] != arguments.networks)


if __name__ == "__main__":
    sys.exit(main())
