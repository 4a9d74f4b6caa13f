"""torchvision's own networks, imported, beside the zoo's specifications of them: every total, and row by row."""

from __future__ import annotations

from functools import cache

import pytest

import cnnprof
from cnnprof import analyzer
from cnnprof.model.analysis import Analysis, Row
from cnnprof.model.graph import Graph, Input
from cnnprof.readers import torchvision
from cnnprof.readers.imported.trace import trace

TWINS = sorted(
    name
    for name in cnnprof.zoo()
    if (reference := cnnprof.load(name, free=64).reference) and reference.removeprefix("torchvision:") == name
)
HOOKED = "torchsummary_activation_bytes"
"""Depends on what is called as a module; the zoo's layers all are, torchvision's not."""
GATHERED = ("densenet121", "densenet161", "densenet169", "densenet201")
"""torchvision keeps every map until the block ends beside all of them together; the zoo puts each to those before."""

EARLY = ("fcn_resnet50", "fcn_resnet101")
"""The zoo runs the auxiliary head where it branches off and keeps its scores; torchvision runs it last."""


@cache
def twins(name: str) -> tuple[Analysis, Analysis]:
    """Return the zoo's network and torchvision's, both as a step of training with two samples."""
    graph = cnnprof.load(name, free=64)
    inputs = tuple(Input(name=each.name, shape=each.shape) for each in graph.inputs)
    other = trace(torchvision.build(name), inputs, name=name, source=f"torchvision:{name}")
    return counted(graph), counted(other)


def counted(graph: Graph) -> Analysis:
    """Return a graph's analysis with the memory of a training step."""
    return analyzer.analyze(graph, batch=2, training="adam")


def totals(analysis: Analysis) -> dict[str, object]:
    """Return all totals but the number of rows, which views add to, and what hooks see."""
    fields = analysis.totals.__struct_fields__
    found = {name: getattr(analysis.totals, name) for name in fields if name not in ("layers", HOOKED)}
    found["peak_bytes"] = analysis.memory.peak_bytes
    found["training_peak_bytes"] = analysis.training.peak_bytes
    found["saved_bytes"] = analysis.training.saved_bytes
    return found


def works(row: Row) -> bool:
    """Return whether a row is more than another way to show a tensor, or a tensor put into that order."""
    moves = row.op in ("permute", "transpose", "reshape", "channelshuffle", "torch.contiguous")
    return not moves and (row.storage != "view" or row.events.ops > 0 or row.op not in ("flatten", "squeeze"))


def rows(analysis: Analysis) -> list[tuple[object, ...]]:
    """Return what every working row is, in an order that does not depend on names."""
    return sorted(
        (row.op, tuple(each.shape for each in row.outputs), row.trainable_params, row.buffers, row.macs, row.events.ops)
        for row in analysis.rows
        if works(row)
    )


@pytest.mark.parametrize("name", TWINS)
def test_a_network_of_torchvision_has_every_total_of_its_specification(name):
    zoo, imported = map(totals, twins(name))
    if name in GATHERED:
        assert zoo.pop("peak_bytes") < imported.pop("peak_bytes")
    if name in EARLY:
        assert zoo.pop("peak_bytes") > imported.pop("peak_bytes")

    assert zoo == imported


@pytest.mark.parametrize("name", TWINS)
def test_a_network_of_torchvision_has_the_rows_of_its_specification(name):
    zoo, imported = map(rows, twins(name))

    assert zoo == imported


def test_all_classification_networks_that_the_zoo_has_are_compared():
    assert len(TWINS) >= 70
