"""Dropout, element by element; every draw is taken to keep."""

from __future__ import annotations

from tests.layers.references.counting import Array, Case, Index, Number, Weights, build, indices, reference

RANDOM = "what is dropped is drawn"
FLAT, SOUND = Case({}, ((2, 3),)), Case({}, ((2, 3, 4),))
IMAGE, VOLUME = Case({}, ((2, 3, 2, 2),)), Case({}, ((1, 2, 2, 1, 2),))


def draw(array: Array, p: float) -> bool:
    """Return whether something is kept: a drawn number compared with p."""
    return Number(1.0, array.tally) > p


def kept(array: Array, p: float, groups: int) -> dict[Index, bool]:
    """Return the outcome of one draw per group: an index of the first ``groups`` dimensions."""
    return {group: draw(array, p) for group in indices(*array.shape[:groups])}


def dropped(array: Array, p: float, groups: int) -> Array:
    keep = kept(array, p, groups)
    scale = 1 / (1 - p)

    def element(index: Index):
        return array[index] * (scale if keep[index[:groups]] else 0.0)

    return build(array.shape, element)


@reference("dropout", FLAT, IMAGE, Case({"p": 0.0}, ((2, 3),)), random=RANDOM)
def dropout(layer, inputs: list[Array], _: Weights, *, training: bool) -> Array:
    array = inputs[0]
    return dropped(array, layer.p, len(array.shape)) if training and layer.p else array


@reference("dropout1d", SOUND, random=RANDOM)
@reference("dropout2d", IMAGE, random=RANDOM)
@reference("dropout3d", VOLUME, random=RANDOM)
def channel_dropout(layer, inputs: list[Array], _: Weights, *, training: bool) -> Array:
    return dropped(inputs[0], layer.p, 2) if training else inputs[0]


def alpha_dropped(array: Array, p: float, groups: int) -> Array:
    # Klambauer et al. 2017, "Self-Normalizing Neural Networks": a dropped element becomes alpha, and a·x + b restores
    # mean and variance; a and b are constants of p.
    alpha = -1.7580993408473766
    a = ((1 - p) * (1 + p * alpha**2)) ** -0.5
    b = -a * p * alpha
    keep = kept(array, p, groups)

    def element(index: Index):
        stays = keep[index[:groups]]
        return array[index] * (a if stays else 0.0) + (b if stays else a * alpha + b)

    return build(array.shape, element)


@reference("alphadropout", FLAT, IMAGE, random=RANDOM)
def alpha_dropout(layer, inputs: list[Array], _: Weights, *, training: bool) -> Array:
    return alpha_dropped(inputs[0], layer.p, len(inputs[0].shape)) if training else inputs[0]


@reference("featurealphadropout", SOUND, IMAGE, random=RANDOM)
def feature_alpha_dropout(layer, inputs: list[Array], _: Weights, *, training: bool) -> Array:
    return alpha_dropped(inputs[0], layer.p, 2) if training else inputs[0]


@reference(
    "stochasticdepth",
    Case({"p": 0.2, "mode": "row"}, ((2, 3, 2),)),
    Case({"p": 0.2, "mode": "batch"}, ((2, 3, 2),)),
    Case({"p": 0.0, "mode": "row"}, ((2, 3),)),
    random=RANDOM,
)
def stochastic_depth(layer, inputs: list[Array], _: Weights, *, training: bool) -> Array:
    if not training or not layer.p:
        return inputs[0]
    return dropped(inputs[0], layer.p, 1 if layer.mode == "row" else 0)
