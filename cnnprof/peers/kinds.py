"""Families of layers that tools treat alike, by the names of their operators."""

from __future__ import annotations

from cnnprof.layers.recorded import MOVES as RECORDED_MOVES
from cnnprof.layers.recorded import POINTWISE, PREFIX, REDUCING

DIMENSIONS = ("1d", "2d", "3d")


def family(*stems: str) -> tuple[str, ...]:
    """Return ``conv1d``, ``conv2d``, ``conv3d`` for ``conv``."""
    return tuple(f"{stem}{dims}" for stem in stems for dims in DIMENSIONS)


CONVOLUTIONS = family("conv")
TRANSPOSED = family("convtranspose")
BATCH_NORMS = family("batchnorm")
INSTANCE_NORMS = family("instancenorm")
CHANNEL_NORMS = (*BATCH_NORMS, *INSTANCE_NORMS)
OTHER_NORMS = ("groupnorm", "layernorm", "rmsnorm", "localresponsenorm")
MAX_POOLS = family("maxpool")
AVERAGE_POOLS = family("avgpool")
LP_POOLS = family("lppool")
ADAPTIVE_AVERAGES = family("adaptiveavgpool")
ADAPTIVE_MAXIMA = family("adaptivemaxpool")
POOLS = (*MAX_POOLS, *AVERAGE_POOLS, *ADAPTIVE_AVERAGES, *ADAPTIVE_MAXIMA)
UPSAMPLES = ("upsample nearest1d", "upsample nearest2d", "upsample nearest3d", "upsample linear1d",
             "upsample bilinear2d", "upsample bicubic2d", "upsample trilinear3d")  # fmt: skip

MOVES = (
    "identity", "flatten", "unflatten", "reshape", "squeeze", "unsqueeze", "expand", "permute", "transpose", "roll",
    "pixelshuffle", "pixelunshuffle", "channelshuffle", "split", "chunk", "slice", "getitem", "concat", "stack", "pad",
    *family("zeropad", "constantpad", "reflectionpad", "replicationpad", "circularpad"),
)  # fmt: skip
"""What only moves values."""
DROPOUTS = ("dropout", *family("dropout"), "alphadropout", "featurealphadropout", "stochasticdepth")
RARE_ACTIVATIONS = (
    "hardtanh", "threshold", "rrelu", "celu", "selu", "sigmoid", "logsigmoid", "hardsigmoid", "hardswish", "tanh",
    "tanhshrink", "softplus", "mish", "softshrink", "hardshrink", "softsign", "glu",
)  # fmt: skip
"""Activations that no tool here counts, whichever way it looks."""
ACTIVATIONS = ("relu", "relu6", "leakyrelu", "prelu", "elu", "gelu", "silu", *RARE_ACTIVATIONS)
SOFTMAXES = ("softmax", "softmin", "softmax2d", "logsoftmax")
SUMS = ("add", "sub", "div", "sum")
_COUNTED_SOMEWHERE = {
    "interpolate", "interpolate_bicubic", "interpolate_nearest", "grid_sample", "fold", "relu", "relu6", "hardtanh",
    "leaky_relu", "silu", "gelu", "layer_norm", "group_norm", "instance_norm", "rms_norm", "batch_norm", "normalize",
    "mul", "multiply", "mean",
}  # fmt: skip
RECORDED = tuple(
    f"{PREFIX}{name}"
    for name in (*RECORDED_MOVES.split(), "buffer", *POINTWISE, *REDUCING)
    if name not in _COUNTED_SOMEWHERE
)
"""Operations of imported networks that no tool here counts; sums as they are written with operators, ``a + b``."""

NO_PRODUCTS = (
    *MOVES, *DROPOUTS, *ACTIVATIONS, *SOFTMAXES, *SUMS, *CHANNEL_NORMS, *OTHER_NORMS, *POOLS, *LP_POOLS, *UPSAMPLES,
    *RECORDED, "layerscale", "parameter", "mul", "mean",
)  # fmt: skip
"""What multiplies no matrices: a tool counts it by a rule of its own, or not at all."""
