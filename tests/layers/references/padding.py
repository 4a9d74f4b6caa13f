"""Padding computes nothing; these are the differences from torch."""

from __future__ import annotations

from tests.layers.contract import we_refuse

KINDS = ("zeropad", "constantpad", "reflectionpad", "replicationpad", "circularpad")

we_refuse("pad", "^mode 'constant' cannot pad", "torch pads the batch too")
for kind in KINDS:
    for dims in (1, 2, 3):
        we_refuse(f"{kind}{dims}d", "needs an input of", "torch takes other ranks than the N×C×… of its documentation")
        we_refuse(f"{kind}{dims}d", r"padding needs .* got \[", "torch pads fewer axes where fewer pairs are given")
