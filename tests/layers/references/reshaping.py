"""Reshaping, shuffling and splitting compute nothing; these are the differences from torch."""

from __future__ import annotations

from tests.layers.contract import signature_differs, we_refuse

EMPTY = "torch makes an empty tensor"
BATCH = "torch takes the batch like any other dimension; its size is not the network's to fix"

we_refuse("flatten", "the batch; the first dimension of a sample is 1", BATCH)
we_refuse("unflatten", "the batch; the first dimension of a sample is 1", BATCH)
we_refuse("squeeze", "the batch; the first dimension of a sample is 1", BATCH)
we_refuse("layerscale", "the batch; the first dimension of a sample is 1", BATCH)
we_refuse("slice", "nothing lies between", EMPTY)

for name in ("args", "kwargs"):
    signature_differs("identity", name, "torch takes and ignores anything")
