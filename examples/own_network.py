"""A network of one's own: ``cnnprof profile own_network:OwnNetwork --input 3x64x64`` in this folder."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class OwnNetwork(nn.Module):
    """Two convolutions with a shortcut that is added, pooling and a classifier; some of it modules, some functions."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, padding=1)
        self.norm = nn.BatchNorm2d(32)
        self.body = nn.Conv2d(32, 32, 3, padding=1)
        self.classify = nn.Linear(32, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return scores, N×10, of images, N×3×H×W."""
        stem = functional.relu(self.norm(self.stem(images)))
        body = functional.relu(self.body(stem) + stem)
        return self.classify(body.mean((2, 3)))
