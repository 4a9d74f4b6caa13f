"""cnnprof as a library: time per layer from 20 to 100,000 of them, reading a deep network, and 10,000 variants of one.

    python benchmarks/library.py [--json]

Times are CPU time of the process (of a fresh one, where reading is cold), the least and the median of several. Nothing
is written. Exit code 1: a count is not what it has to be.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from time import process_time
from typing import Any, NamedTuple

from measuring import ROOT, child, described, environment, machine, table

sys.path.insert(0, str(ROOT))

import cnnprof
from cnnprof import analyzer
from cnnprof.model.graph import Graph

ZOO = ("vgg16", "resnet50", "efficientnet_b7", "resnet1202")
SIZES = (20, 100, 1_000, 10_000, 100_000)
QUICK_SIZES = (20, 100, 1_000)
READ = "resnet152"
VARIED = str(ROOT / "benchmarks" / "resnet18_width.yaml")
_SECONDS = 1.0
"""How long the same work is done again and again, ``_LEAST`` to ``_MOST`` times."""
_LEAST, _MOST = 3, 200
_LAYERS_PER_BLOCK, _LAYERS_AROUND = 21, 12
"""Of the ResNets for CIFAR-10, per n and besides."""
_MOST_RESIDUAL = 80_000
"""A specification expands to 100,000 layers at most, and an empty shortcut counts as one there."""


class Times(NamedTuple):
    """CPU times of the same work, in seconds."""

    samples: list[float]

    @property
    def best(self) -> float:
        return min(self.samples)

    @property
    def median(self) -> float:
        return statistics.median(self.samples)


def repeated(work: Callable[[], object], seconds: float) -> Times:
    """Return the times of doing ``work`` again and again for about ``seconds``."""
    samples: list[float] = []
    while len(samples) < _LEAST or (sum(samples) < seconds and len(samples) < _MOST):
        before = process_time()
        work()
        samples.append(process_time() - before)
    return Times(samples)


# -- analysis of a graph that has been read ---------------------------------------------------------------------------


def chain(layers: int) -> Graph:
    """Return ``layers`` layers in a row: convolution, batch norm, ReLU and so on."""
    rounds, rest = divmod(layers, 3)
    parts = [f"[CONV3-16 -> BN -> RELU]*{rounds}", *["CONV3-16", "BN"][:rest]]
    return cnnprof.load(f"INPUT 16x32x32 -> {' -> '.join(parts)}")


def residual(layers: int) -> Graph:
    """Return the ResNet for CIFAR-10 of about ``layers`` layers."""
    return cnnprof.load("resnet20", set={"n": max(1, (layers - _LAYERS_AROUND) // _LAYERS_PER_BLOCK)})


def networks(sizes: Sequence[int]) -> Iterator[tuple[str, str, Graph]]:
    """Yield kind, name and graph."""
    for name in ZOO:
        yield "zoo", name, cnnprof.load(name)
    for size in sizes:
        yield "chain", f"chain of {size:,}", chain(size)
    for size in (min(size, _MOST_RESIDUAL) for size in sizes):
        yield "residual", f"residual of {size:,}", residual(size)


def analysis(sizes: Sequence[int], seconds: float) -> list[dict[str, Any]]:
    """Return the times of analysing every network, per layer in microseconds."""
    found = []
    for kind, name, graph in networks(sizes):
        times, layers = repeated(partial(analyzer.analyze, graph), seconds), len(graph.nodes)
        per_layer = {"best_us": 1e6 * times.best / layers, "median_us": 1e6 * times.median / layers}
        found.append({"kind": kind, "network": name, "layers": layers, "runs": len(times.samples), **per_layer})
    return found


def growth(found: Sequence[Mapping[str, Any]], kind: str) -> dict[str, float]:
    """Return how the time grows with the layers, from 100 of them on.

    ``exponent``: of the power of their number that fits best (least squares between logarithms; 1 is linear).
    ``per_layer_ratio``: the time per layer of the largest network to that of the one of 1,000 layers.
    """
    chosen = [each for each in found if each["kind"] == kind and each["layers"] > min(SIZES) * 2]
    x = [math.log(each["layers"]) for each in chosen]
    y = [math.log(each["layers"] * each["best_us"]) for each in chosen]
    slope = statistics.linear_regression(x, y).slope
    thousand = min(chosen, key=lambda each: abs(each["layers"] - 1_000))
    return {"exponent": slope, "per_layer_ratio": chosen[-1]["best_us"] / thousand["best_us"]}


# -- reading ----------------------------------------------------------------------------------------------------------

_COLD = """
import json, time
import cnnprof.api, cnnprof.readers.composer, cnnprof.readers.spec
before = time.process_time()
graph = cnnprof.load({model!r})
print(json.dumps([time.process_time() - before, len(graph.nodes)]))
"""


def reading(rounds: int, *, compiled: bool) -> dict[str, Any]:
    """Return the times of reading and expanding a deep network.

    Cold: first thing in a process, everything imported and nothing read. Again: in the same one, its file parsed.
    """
    with environment(compiled=compiled) as env:
        runs = [json.loads(child(["-c", _COLD.format(model=READ)], env).out) for _ in range(rounds + compiled)]
    cold = Times([seconds for seconds, _ in runs[compiled:]])
    cnnprof.load(READ)
    warm = repeated(lambda: cnnprof.load(READ), 0.1 * rounds)
    return {
        "network": READ, "layers": runs[0][1],
        "cold_best_ms": 1e3 * cold.best, "cold_median_ms": 1e3 * cold.median,
        "again_best_ms": 1e3 * warm.best, "again_median_ms": 1e3 * warm.median,
    }  # fmt: skip


# -- many variants ----------------------------------------------------------------------------------------------------


def variants(count: int) -> dict[str, Any]:
    """Read and analyse ``count`` variants of ResNet-18 by width, resolution and batch, every one from its file."""
    widths = range(16, 16 + 4 * 25, 4)
    resolutions = range(96, 96 + 16 * 20, 16)
    batches = range(1, 21)
    before, macs = process_time(), set()
    for width, resolution, batch in itertools.islice(itertools.product(widths, resolutions, batches), count):
        found = cnnprof.analyze(VARIED, batch=batch, input=(3, resolution, resolution), set={"width": width})
        macs.add((width, resolution, found.totals.macs // batch))
    took = process_time() - before
    return {"variants": count, "networks": len(macs), "seconds": took, "ms_each": 1e3 * took / count}


# -- what has to be so ------------------------------------------------------------------------------------------------


def faults() -> list[str]:
    """Return what is counted wrong: times of wrong counts mean nothing."""
    chained = cnnprof.analyze(chain(30)).totals
    wide, zoo = cnnprof.analyze(VARIED).totals, cnnprof.analyze("resnet18").totals
    checks = {
        "10 rounds of a chain have 10·(3·3·16·16 + 16 + 32) parameters": chained.params == 10 * (9 * 256 + 16 + 32),
        "10 rounds of a chain have 10·3·3·16·16·32·32 MACs": chained.macs == 10 * 9 * 256 * 32 * 32,
        "width 64 is the zoo's resnet18": (wide.params, wide.macs, wide.ops) == (zoo.params, zoo.macs, zoo.ops),
        "the residual network of n = 200 is resnet1202": residual(4_212).nodes == cnnprof.load("resnet1202").nodes,
    }
    return [promise for promise, kept in checks.items() if not kept]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="little of everything: figures mean nothing")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    where = machine()
    found: dict[str, Any] = {
        "analysis": analysis(*((QUICK_SIZES, 0) if given.quick else (SIZES, _SECONDS))),
        "reading": reading(2 if given.quick else 9, compiled=not given.quick),
        "variants": variants(20 if given.quick else 10_000),
        "faults": faults(),
    }
    found["growth"] = {kind: growth(found["analysis"], kind) for kind in ("chain", "residual")}
    where["load_after"] = [round(each, 2) for each in os.getloadavg()]
    print(json.dumps({"machine": where, **found}, indent=2) if given.json else text(where, found, quick=given.quick))
    return 1 if found["faults"] else 0


def text(where: Mapping[str, Any], found: Mapping[str, Any], *, quick: bool) -> str:
    """Return what people read."""
    titles = ("analysis of", "layers", "best, µs per layer", "median, µs per layer", "runs")
    lines = [
        (
            each["network"],
            f"{each['layers']:,}",
            f"{each['best_us']:.1f}",
            f"{each['median_us']:.1f}",
            f"{each['runs']}",
        )
        for each in found["analysis"]
    ]
    head = described(where) + ("; quick: figures mean nothing" if quick else "")
    wrong = [f"WRONG: {fault}" for fault in found["faults"]]
    return "\n".join([head, "", table(titles, lines), "", *_sentences(found), *wrong])


def _sentences(found: Mapping[str, Any]) -> Iterator[str]:
    for kind, each in found["growth"].items():
        yield (
            f"{kind}: time grows with layers^{each['exponent']:.2f}; the largest takes {each['per_layer_ratio']:.2f} "
            "times as long per layer as that of 1,000"
        )
    read, many = found["reading"], found["variants"]
    yield (
        f"reading {read['network']}, {read['layers']} layers: "
        f"cold {read['cold_best_ms']:.1f} ms, median {read['cold_median_ms']:.1f} ms; "
        f"again {read['again_best_ms']:.1f} ms, median {read['again_median_ms']:.1f} ms"
    )
    yield (
        f"{many['variants']:,} variants of resnet18, {many['networks']:,} networks: {many['seconds']:.1f} s, "
        f"{many['ms_each']:.2f} ms each"
    )


if __name__ == "__main__":
    sys.exit(main())
