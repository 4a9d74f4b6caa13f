"""``cnnprof analyze`` as a whole process beside scripts of torchinfo, fvcore and others for the same network.

    python benchmarks/against_tools.py [--rounds 7] [--model vgg16] [--json]

Every tool does what its users do: import torch and torchvision, build the network, summarise it at 1×3×224×224 in
evaluation mode and print. Each run is a process of its own, in random order; one round before is not counted. Bytecode
is kept, as that of installed packages is. Nothing is written but that, into a folder that is removed in the end.

CPU time is user and system time of all threads. ``×``: how many times what cnnprof takes, printing into a pipe.
Parameters have to be equal; multiply-accumulates have to differ by what a tool is known to count besides. Exit code 1:
they do not.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import re
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from measuring import ROOT, Sample, child, described, environment, machine, table

OURS, TERMINAL, TORCH = "cnnprof analyze", "cnnprof analyze, terminal", "import torchvision"
_TERMINAL = {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "COLUMNS": "120"}
QUICK_MODEL = "squeezenet1_1"

_IMPORT = "import json, torch, torchvision\n"
_IMPORT_BESIDE_ANOTHER_TORCH = """\
import json, torch
# torchvision's compiled library is one for another build of torch, and with it the schemas are missing of two operators
# that no classifier uses.
library = torch.library.Library("torchvision", "FRAGMENT")
for name in ("nms", "qnms"):
    library.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
import torchvision
"""
_BUILD = "model = torchvision.models.{model}(weights=None).eval()\n"
_RESULT = 'print(json.dumps({"params": int(params), "macs": int(macs)}))\n'


class Tool(NamedTuple):
    """A package, how its users summarise a network with it, and what it counts as multiply-accumulates besides."""

    package: str
    script: str
    besides: str | None = None
    """``biases``: an addition per output of a layer with one; ``pooling``: what adaptive pooling adds up; ``means``:
    and the divisions after it."""


TOOLS = (
    Tool(
        "torchinfo",
        "from torchinfo import summary\n"
        "found = summary(model, input_size=(1, 3, 224, 224))\n"
        "params, macs = found.total_params, found.total_mult_adds\n",
        "biases",
    ),
    Tool(
        "fvcore",
        "from fvcore.nn import FlopCountAnalysis, flop_count_table, parameter_count\n"
        "found = FlopCountAnalysis(model, torch.zeros(1, 3, 224, 224))\n"
        "print(flop_count_table(found))\n"
        'params, macs = parameter_count(model)[""], found.total()\n',
        "pooling",
    ),
    Tool(
        "thop",
        "from thop import profile\nmacs, params = profile(model, inputs=(torch.zeros(1, 3, 224, 224),))\n",
        "means",
    ),
    Tool(
        "ptflops",
        "from ptflops import get_model_complexity_info\n"
        "macs, params = get_model_complexity_info(model, (3, 224, 224), as_strings=False)\n",
    ),
)


def scripts(model: str, prelude: str, *, quick: bool) -> dict[str, str]:
    """Return the script of every tool that is installed; ``quick``: of the first two alone."""
    found = [tool for tool in TOOLS if importlib.util.find_spec(tool.package) and (tool in TOOLS[:2] or not quick)]
    return {tool.package: prelude + _BUILD.format(model=model) + tool.script + _RESULT for tool in found}


def prelude(env: Mapping[str, str]) -> str:
    """Return how torchvision is imported here."""
    works = "try:\n    import torchvision\nexcept RuntimeError:\n    print('no')\nelse:\n    print('yes')"
    return _IMPORT if child(["-c", works], env).out.strip() == "yes" else _IMPORT_BESIDE_ANOTHER_TORCH


def measure(model: str, rounds: int, *, quick: bool) -> dict[str, list[Sample]]:
    """Return the samples of every process, by what it does."""
    with environment(compiled=not quick) as env:
        ours = ["-m", "cnnprof", "analyze", model]
        start = prelude(env)
        jobs = {OURS: ours, TERMINAL: ours, TORCH: ["-c", start]}
        jobs |= {name: ["-c", script] for name, script in scripts(model, start, quick=quick).items()}
        samples: dict[str, list[Sample]] = {name: [] for name in jobs}
        for turn in range(rounds if quick else rounds + 1):
            for name in random.sample(list(jobs), len(jobs)):
                around = {**env, **_TERMINAL} if name == TERMINAL else env
                sample = child(jobs[name], around, terminal=name == TERMINAL)
                if turn or quick:
                    samples[name].append(sample)
    return samples


# -- what they say ----------------------------------------------------------------------------------------------------


def counted(name: str, out: str) -> dict[str, int] | None:
    """Return the parameters and multiply-accumulates that a process printed; None of one that counts nothing."""
    if name == TORCH:
        return None
    if name in (OURS, TERMINAL):
        plain = re.sub(r"\x1b\[[0-9;]*m", "", out)
        totals = re.findall(r"^(parameters|MACs) +([\d,]+) +(?:elements|MACs)\b", plain, re.MULTILINE)
        found = {title: int(digits.replace(",", "")) for title, digits in totals}
        return {"params": found["parameters"], "macs": found["MACs"]}
    return dict(json.loads(out.splitlines()[-1]))


def besides(model: str) -> dict[str, int]:
    """Return what tools count as multiply-accumulates besides, from cnnprof's rows."""
    with environment(compiled=False) as env:
        rows = json.loads(child(["-m", "cnnprof", "analyze", model, "-f", "json"], env).out)["analyses"][0]["rows"]
    pools = [row for row in rows if row["op"] == "adaptiveavgpool2d"]
    pooling = sum(_elements(row["inputs"]) for row in pools)
    return {
        "biases": sum(_elements(row["outputs"]) for row in rows if row["bias_params"]),
        "pooling": pooling,
        "means": pooling + sum(_elements(row["outputs"]) for row in pools),
    }


def _elements(tensors: Sequence[Mapping[str, Any]]) -> int:
    total = 0
    for tensor in tensors:
        elements = 1
        for size in tensor["shape"]:
            elements *= size
        total += elements
    return total


def agreement(name: str, found: Mapping[str, int], ours: Mapping[str, int], extra: Mapping[str, int]) -> dict[str, Any]:
    """Return how a tool's figures stand to ours: ``agrees`` is None where nobody has worked out what it counts."""
    more = found["macs"] - ours["macs"]
    known = {tool.package: tool.besides for tool in TOOLS}.get(name)
    agrees: bool | None = found["params"] == ours["params"]
    if agrees and name not in (OURS, TERMINAL):
        agrees = None if known is None else more == extra[known]
    return {**found, "macs_besides": more, "besides": known, "agrees": agrees}


# -- the table --------------------------------------------------------------------------------------------------------


def results(model: str, samples: Mapping[str, Sequence[Sample]]) -> list[dict[str, Any]]:
    """Return one dict per process: times in seconds, memory in MiB, ratios, what it counted."""
    extra, ours = besides(model), counted(OURS, samples[OURS][0].out) or {}
    base = _summary(samples[OURS])
    found = []
    for name, each in samples.items():
        figures, said = _summary(each), counted(name, each[-1].out)
        ratios = {f"{key}_ratio": round(value / base[key], 2) for key, value in figures.items() if key in base}
        found.append({"process": name, **figures, **ratios, **(agreement(name, said, ours, extra) if said else {})})
    return found


def _summary(samples: Sequence[Sample]) -> dict[str, float]:
    return {
        "cpu_median_s": statistics.median(sample.cpu_s for sample in samples),
        "cpu_min_s": min(sample.cpu_s for sample in samples),
        "wall_median_s": statistics.median(sample.wall_s for sample in samples),
        "peak_mib": max(sample.peak_mib for sample in samples),
    }


_TITLES = (
    "process", "CPU median", "CPU min", "wall median", "peak memory", "× CPU", "× min", "× memory", "params", "MACs",
)  # fmt: skip


def text(found: Sequence[Mapping[str, Any]]) -> str:
    """Return the table people read."""
    return table(_TITLES, [_line(each, found[0]) for each in found])


def _line(each: Mapping[str, Any], ours: Mapping[str, Any]) -> tuple[str, ...]:
    times = [f"{each[key] * 1e3:,.0f} ms" for key in ("cpu_median_s", "cpu_min_s", "wall_median_s")]
    ratios = [f"{each[f'{key}_ratio']:.1f}" for key in ("cpu_median_s", "cpu_min_s", "peak_mib")]
    memory = f"{each['peak_mib']:,.0f} MiB"
    if "macs" not in each:
        return (each["process"], *times, memory, *ratios, "", "")
    same = f"{each['params']:,}" if each["params"] == ours["params"] else f"{each['params']:,} (differs)"
    macs = f"{each['macs']:,}" if not each["macs_besides"] else f"{each['macs_besides']:+,} {each['besides'] or '?'}"
    return (each["process"], *times, memory, *ratios, same, macs)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="counted runs of every process")
    parser.add_argument(
        "--model", help=f"a network of the zoo and of torchvision (default: vgg16, quick {QUICK_MODEL})"
    )
    parser.add_argument("--quick", action="store_true", help="a small network, once: figures mean nothing")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    model = given.model or (QUICK_MODEL if given.quick else "vgg16")
    where = machine()
    found = results(model, measure(model, 1 if given.quick else given.rounds, quick=given.quick))
    where["load_after"] = [round(each, 2) for each in os.getloadavg()]
    where["versions"] = versions(each["process"] for each in found)
    if given.json:
        print(json.dumps({"machine": where, "model": model, "processes": found}, indent=2))
    else:
        print(described(where))
        print(", ".join(f"{name} {number}" for name, number in where["versions"].items()))
        print(f"{model}, 1×3×224×224, {'quick: figures mean nothing' if given.quick else f'{given.rounds} rounds'}\n")
        print(text(found))
    return 0 if all(each.get("agrees") is not False for each in found) else 1


def versions(processes: Iterable[str]) -> dict[str, str]:
    """Return the versions of everything that was compared."""
    from importlib import metadata

    sys.path.insert(0, str(ROOT))
    from cnnprof._version import __version__

    compared = {"torch", "torchvision", *processes} & {"torch", "torchvision", *(tool.package for tool in TOOLS)}
    return {"cnnprof": __version__} | {name: metadata.version(name) for name in sorted(compared)}


if __name__ == "__main__":
    sys.exit(main())
