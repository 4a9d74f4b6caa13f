"""Small modules as people write them."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from cnnprof import analyzer
from cnnprof.model.analysis import Analysis
from cnnprof.model.graph import Graph, Input
from cnnprof.readers.imported.trace import trace

IMAGE = (3, 8, 8)


def seen(module: nn.Module, *shapes: tuple[int, ...], **inputs: tuple[int, ...]) -> Graph:
    """Return the graph of a module called with inputs of these shapes, by default one image."""
    given = [Input(name=name, shape=shape) for name, shape in inputs.items()]
    given += [Input(name=f"input{at}" if at else "input", shape=shape) for at, shape in enumerate(shapes)]
    return trace(module, tuple(given) or (Input(name="input", shape=IMAGE),), name="net", source="tests:net")


def counted(module: nn.Module, *shapes: tuple[int, ...], batch: int = 1) -> Analysis:
    """Return the analysis of a module called with inputs of these shapes."""
    return analyzer.analyze(seen(module, *shapes), batch=batch)


def ops(module: nn.Module, *shapes: tuple[int, ...]) -> list[tuple[str, str]]:
    """Return name and operator of every node."""
    return [(node.name, node.op) for node in seen(module, *shapes).nodes]


class Forward(nn.Module):
    """A module of named parts with a forward given as a function of itself."""

    def __init__(self, forward: Any, **parts: Any) -> None:
        super().__init__()
        self.written = forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.written(self, *inputs)


class Small(nn.Module):
    """A convolution, a norm, work in place, pooling as a function, and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.act = nn.ReLU(inplace=True)
        self.head = nn.Linear(4, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        value = self.act(self.norm(self.conv(image)))
        value += functional.relu(value)
        return self.head(functional.adaptive_avg_pool2d(value, 1).flatten(1))


class StandardisedConv(nn.Conv2d):
    """A convolution whose weights are standardised before use, as in Qiao et al. 2019."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        spread, centre = torch.std_mean(self.weight, dim=(1, 2, 3), keepdim=True)
        return functional.conv2d(image, (self.weight - centre) / (spread + 1e-5), self.bias, padding=self.padding)


class Auxiliary(nn.Module):
    """A classifier with a second head that works in training only, as GoogLeNet has."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.aux = nn.Linear(4, 2)
        self.head = nn.Linear(4, 2)

    def forward(self, image: torch.Tensor) -> Any:
        value = self.conv(image).mean((2, 3))
        return (self.head(value), self.aux(value)) if self.training else self.head(value)
