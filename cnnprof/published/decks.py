"""The errata of the course decks: what they print, what is right, and why.

A figure stands beside its network, under ``expect``, and nowhere else; here is only which ones are slips of a deck.
What is right is computed when it is asked for. The decks' titles are in docs/coverage.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cnnprof.model.claims import Erratum
from cnnprof.published.check import check
from cnnprof.published.quantity import quantity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cnnprof.model.analysis import Analysis
    from cnnprof.model.claims import Claim


class Figure(NamedTuple):
    """A quantity of a network of the zoo, or of one of its layers."""

    model: str
    of: str
    at: str | None = None


class Slip(NamedTuple):
    """A published figure that a network's file says does not hold."""

    deck: str
    what: str
    value: str
    """As it stands in the file."""
    figure: Figure
    right: str = "{}"
    beside: tuple[Figure, ...] = ()
    """What else ``right`` names, after the figure itself."""


class Wording(NamedTuple):
    """A slip in words or formulas."""

    deck: str
    what: str
    published: str
    right: str
    why: str
    figures: tuple[Figure, ...] = ()
    """What ``right`` names."""


ROWS: tuple[Slip | Wording, ...] = (
    Slip("0", "AlexNet with 17 classes: parameters", "28,854,497", Figure("alexnet_keras17", "params")),
    Slip("0", "VGG-16 with 17 classes: parameters of five convolutions", "2,359,880",
         Figure("vgg16_keras17", "params", "conv4_2")),
    Slip("0", "VGG-16 with 17 classes: parameters of the first dense layer", "182,764,544",
         Figure("vgg16_keras17", "params", "fc6")),
    Slip("0", "VGG-16 with 17 classes: parameters of the last dense layer", "69,645",
         Figure("vgg16_keras17", "params", "fc8")),
    Slip("0, 1", "AlexNet: 11×11 with stride 4 on 224×224, drawn as 55×55", "96x55x55",
         Figure("alexnet_keras17", "output", "conv1.conv2d")),
    Slip("0", "'MB' of a Keras summary", "574.22", Figure("dense_1000", "param_mb"), "{} MB, {:.2f} MiB",
         (Figure("dense_1000", "param_mib"),)),
    Wording("0", "one convolution for 1000 classes", '"a single filter"', "{} filters, {} parameters",
            "one filter of 3×3×3 with its bias has 28 parameters; 28,000 are those of 1000",
            (Figure("conv_1000", "output_channels"), Figure("conv_1000", "params"))),
    Wording("0", "convolution of the 4×4 image: third and fourth sum", "… = 1, … = 0", "as written, 0 and 2",
            "some factors are not the image's; with those of the image the printed results are right"),
    Slip("1", "AlexNet of 2012: values that go in", "150,528", Figure("alexnet_2012", "input_elements")),
    Slip("1", "AlexNet of 2012: neurons of the first layer", "253,440",
         Figure("alexnet_2012_groups", "output_elements", "conv1")),
    Slip("1", "'MB' of a torchsummary table", "233.08", Figure("alexnet_2017", "torchsummary_param_mb"),
         "{} MB, {:.2f} MiB", (Figure("alexnet_2017", "torchsummary_param_mib"),)),
    Slip("1", "ResNet-50: parameters", "25e6", Figure("resnet50", "params")),
    Slip("1", "ResNet-50: operations, beside its table", "3.8e9", Figure("resnet50", "macs"),
         "{}; {} with the stride in the 1×1", (Figure("resnet50_v1", "macs"),)),
    Slip("1", "VGG-16: operations", "15.3e9", Figure("vgg16", "macs"), "{}; {} in convolutions",
         (Figure("vgg16", "conv_macs"),)),
    Wording("1", "pooling, which value is read", "x[c, rj + n, si + m]", "x[c, hj + n, wi + m]",
            "r × s is the size of the output, h × w that of the window, and a step is one window"),
    Wording("1", "bias of a feature map", "b[j, i], one for every position", "b, one for every filter",
            "it is shared over positions like the kernel; the tables of the same deck count one for a filter"),
    Wording("1", "convolution as a matrix", '"sparse Toeplitz circulant matrix"',
            "doubly-blocked Toeplitz, {}×{} with {} non-zeros",
            "a circulant matrix is square, and each row is the one before moved on by one; here it is moved on by "
            "three where a line of the image ends",
            (Figure("conv_toeplitz", "toeplitz_rows", "conv2d"), Figure("conv_toeplitz", "toeplitz_columns", "conv2d"),
             Figure("conv_toeplitz", "toeplitz_nonzeros", "conv2d"))),
    Slip("2", "GoogLeNet: parameters", "5e6", Figure("googlenet_2014", "params")),
    Wording("2", "cross-entropy", "Σ y log ŷ", "−Σ y log ŷ",
            "log ŷ is never above 0: without the sign, the loss of a perfect answer would be the largest there is"),
    Slip("3", "LeNet-5, first convolution: parameters", "208", Figure("lenet5_rgb", "params", "conv1")),
    Slip("3", "LeNet-5, second convolution: output", "46x10x10", Figure("lenet5_rgb", "output", "conv2")),
    Slip("3", "LeNet-5, second convolution: parameters", "416", Figure("lenet5_rgb", "params", "conv2")),
    Slip("3", "LeNet-5, first dense layer: parameters", "48,001", Figure("lenet5_rgb", "params", "fc3")),
    Slip("3", "LeNet-5, second dense layer: parameters", "10,081", Figure("lenet5_rgb", "params", "fc4")),
    Slip("3", "LeNet-5, softmax layer: parameters", "841", Figure("lenet5_rgb", "params", "fc5")),
    Slip("3", "32×32×3 to 28×28×6 by 5×5: parameters", "156", Figure("conv_sharing", "params")),
    Wording("3", "output size with a stride", "(n + 2p − f) / s + 1", "⌊(n + 2p − f) / s⌋ + 1",
            "a window that would reach beyond the input is left out; the deck's own summary rounds down"),
    Slip("4", "VGG-16: values kept for one image", "24e6", Figure("vgg16_cs231n", "stored_elements")),
    Slip("4", "VGG-16: memory for one image, 'MB'", "93", Figure("vgg16_cs231n", "stored_mib"), "{} MiB"),
    Wording("4", "hyperparameters of a pooling layer", "three", "two: extent F and stride S",
            "two are listed; the padding, which convolution has besides, is said to be uncommon"),
)  # fmt: skip


def errata(count: Callable[[str], Analysis]) -> tuple[Erratum, ...]:
    """Return every erratum, deck by deck.

    Args:
        count: analyses a network of the zoo by its name; each is asked for once.

    Raises:
        UsageError: a network or figure that is named here is not there.
    """
    counted: dict[str, Analysis] = {}

    def network(name: str) -> Analysis:
        if name not in counted:
            counted[name] = count(name)
        return counted[name]

    return tuple(_slip(row, network) if isinstance(row, Slip) else _wording(row, network) for row in ROWS)


def _slip(row: Slip, network: Callable[[str], Analysis]) -> Erratum:
    claim = _claim(row, check(network(row.figure.model)))
    return Erratum(
        deck=row.deck,
        what=row.what,
        published=row.value,
        right=row.right.format(_shown(claim), *_computed(row.beside, network)),
        why=claim.fact.why or "",
        model=row.figure.model,
        agrees=claim.agrees and not claim.fact.holds,
    )


def _claim(row: Slip, claims: Iterable[Claim]) -> Claim:
    wanted = (row.figure.of, row.figure.at, row.value)
    for claim in claims:
        if (claim.fact.of, claim.fact.at, claim.fact.value) == wanted:
            return claim
    raise LookupError(f"{row.figure.model} has no fact {wanted}")


def _wording(row: Wording, network: Callable[[str], Analysis]) -> Erratum:
    right = row.right.format(*_computed(row.figures, network))
    model = row.figures[0].model if row.figures else None
    return Erratum(deck=row.deck, what=row.what, published=row.published, right=right, why=row.why, model=model)


def _computed(figures: Iterable[Figure], network: Callable[[str], Analysis]) -> list[str | float]:
    found = (quantity(network(figure.model), figure.of, figure.at) for figure in figures)
    return [f"{each:,}" if isinstance(each, int) else each for each in found]


def _shown(claim: Claim) -> str:
    """Return a count in full, memory in the precision of what was published, a shape as it is."""
    return f"{claim.computed:,}" if isinstance(claim.computed, int) else str(claim.shown)
