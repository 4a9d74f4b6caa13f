"""Upsampling: torch.nn.Upsample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from cnnprof.errors import LayerError
from cnnprof.layers.base import Example, Inputs, Ints, Layer, check_at_least, ntuple, text
from cnnprof.layers.registry import register
from cnnprof.model.analysis import Events
from cnnprof.model.graph import Shape, TensorSpec
from cnnprof.model.plain import set_normalised
from cnnprof.shapes import MOST_PHASES, Reads, Taps

if TYPE_CHECKING:
    import torch

    Floats = tuple[float, ...]
else:
    Floats = float | tuple[float, ...]

Mode = Literal["nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear"]
SPATIAL: dict[Mode, tuple[int, ...]] = {
    "nearest": (1, 2, 3), "nearest-exact": (1, 2, 3), "linear": (1,), "bilinear": (2,), "bicubic": (2,),
    "trilinear": (3,),
}  # fmt: skip
"""Spatial axes each mode is made for."""
NEIGHBOURS: dict[Mode, int] = {"linear": 2, "bilinear": 4, "trilinear": 8, "bicubic": 16}
"""Input elements that an output element is the weighted sum of; the nearest modes copy one."""
REACH: dict[Mode, tuple[int, int]] = {"linear": (0, 1), "bilinear": (0, 1), "trilinear": (0, 1), "bicubic": (1, 2)}
"""How far they lie below and above the rounded-down place; where the place is a whole number, it is copied."""


@register("upsample")
class Upsample(Layer, frozen=True):
    """Spatial axes resized to ``size`` or by ``scale_factor``: N×C×H×W to N×C×⌊H·s⌋×⌊W·s⌋.

    Nearest copies. The others add up m neighbours, each multiplied by its weight: per output element m multiplications
    and m − 1 additions, with m = 2 (linear), 4 (bilinear), 8 (trilinear) or 16 (bicubic). The weights depend on the
    position alone and are not counted.
    """

    examples = (
        Example({"scale_factor": 2}, ((2, 3, 4, 5),), ((2, 3, 8, 10),)),
        Example({"size": [7, 9], "mode": "bilinear", "align_corners": True}, ((2, 3, 4, 5),), ((2, 3, 7, 9),)),
        Example({"scale_factor": [1.5, 0.7], "mode": "bicubic"}, ((1, 2, 5, 5),), ((1, 2, 7, 3),)),
    )
    choices = {
        "size": (None, 6, (3, 8)),
        "scale_factor": (None, 2, 1.5, (2.0, 0.5), 0.1),
        "mode": tuple(SPATIAL),
        "align_corners": (None, False, True),
    }
    input_choices = (((1, 3, 4, 5),), ((2, 3, 5),), ((2, 1, 2, 3, 4),))
    keeps = ()

    size: Ints | None = None
    scale_factor: Floats | None = None
    mode: Mode = "nearest"
    align_corners: bool | None = None

    def __post_init__(self) -> None:
        if (self.size is None) == (self.scale_factor is None):
            raise LayerError("give either size or scale_factor", argument="size")
        if self.align_corners is not None and self.mode not in NEIGHBOURS:
            raise LayerError(f"mode {self.mode!r} takes no align_corners", argument="align_corners")
        for argument in ("size", "scale_factor"):
            value = getattr(self, argument)
            if isinstance(value, list):
                set_normalised(self, argument, tuple(value))
        if self.scale_factor is not None:
            _check_factors(self.scale_factor)

    def _sizes(self, shape: Shape) -> tuple[int, ...]:
        dims = len(shape) - 2
        if self.size is not None:
            return ntuple(self.size, dims, "size", at_least=1)
        return _scaled(shape[2:], self.scale_factor or 1.0)

    def outputs(self, inputs: Inputs) -> Inputs:
        tensor = inputs[0]
        if len(tensor.shape) - 2 not in SPATIAL[self.mode]:
            wanted = " or ".join(map(str, SPATIAL[self.mode]))
            raise LayerError(
                f"mode {self.mode!r} resizes {wanted} spatial axes, got {text(tensor.shape)}",
                argument="mode",
                code="bad-shape",
            )
        sizes = self._sizes(tensor.shape)
        for size in sizes:
            check_at_least(size, 1, "size" if self.scale_factor is None else "the size that scale_factor gives")
        return (TensorSpec((*tensor.shape[:2], *sizes), tensor.dtype),)

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        neighbours = NEIGHBOURS.get(self.mode, 0)
        if not neighbours:
            return Events()
        return Events(muls=neighbours * outputs[0].numel, adds=(neighbours - 1) * outputs[0].numel)

    def reads(self, inputs: Inputs, outputs: Inputs, source: int = 0, target: int = 0) -> Reads:
        sizes = zip(inputs[0].shape[2:], outputs[0].shape[2:], self._factors(len(inputs[0].shape) - 2), strict=True)
        found = {dim: self._taps(dim, *axis) for dim, axis in enumerate(sizes, start=2)}
        return {dim: taps for dim, taps in found.items() if taps is not None}

    def _factors(self, dims: int) -> Sequence[float | None]:
        factors = self.scale_factor
        return factors if isinstance(factors, tuple) else (factors,) * dims

    def _taps(self, dim: int, size: int, output: int, factor: float | None) -> Taps | None:
        """Return the taps of non-zero weight along one axis; torch scales by the factor where it is given one.

        None: all units read one place, or there are more different windows than are followed.
        """
        from fractions import Fraction  # brings decimal along: as long as a whole small analysis

        scale = Fraction(size, output) if factor is None else 1 / Fraction(str(factor))
        first = {"nearest": Fraction(0), "nearest-exact": scale / 2}.get(self.mode, (scale - 1) / 2)
        if self.align_corners:
            scale, first = Fraction(size - 1, max(1, output - 1)), Fraction(0)
        if scale == 0 or scale.denominator > MOST_PHASES:
            return None
        places = [first + scale * index for index in range(scale.denominator)]
        below, above = REACH.get(self.mode, (0, 0))
        copies = [below == above or place.denominator == 1 for place in places]
        lows = (math.floor(place) - (0 if copy else below) for place, copy in zip(places, copies, strict=True))
        highs = (math.floor(place) + (0 if copy else above) for place, copy in zip(places, copies, strict=True))
        return Taps(dim, tuple(lows), tuple(highs), scale.numerator)

    def build(self, inputs: Inputs) -> torch.nn.Module:
        from torch import nn

        return nn.Upsample(self.size, self.scale_factor, self.mode, self.align_corners)


def _check_factors(factors: Floats | float) -> None:
    for factor in factors if isinstance(factors, tuple) else (factors,):
        if not 0 < factor < math.inf:
            raise LayerError(f"scale_factor must be > 0 and finite, got {factor}", argument="scale_factor")


def _scaled(sizes: Shape, factors: Floats | float) -> tuple[int, ...]:
    each = factors if isinstance(factors, tuple) else (factors,) * len(sizes)
    if len(each) != len(sizes):
        raise LayerError(
            f"scale_factor needs 1 or {len(sizes)} numbers, got {list(each)}",
            argument="scale_factor",
            code="bad-shape",
        )
    return tuple(_times(size, factor) for size, factor in zip(sizes, each, strict=True))


_COARSEST = 1024
"""Denominators up to which a product with a float is exact, and the integers say the same."""


def _times(size: int, factor: float) -> int:
    above, below = float(factor).as_integer_ratio()
    return size * above // below if below <= _COARSEST else int(size * factor)
