"""From the parts of a pattern to the document a YAML file would give."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cnnprof.readers.tree import Mapping, Scalar, Sequence, Tree

if TYPE_CHECKING:
    from collections.abc import Iterator


class Part(NamedTuple):
    """The numbers of a kernel, width, stride or padding, and their column."""

    numbers: list[int]
    column: int


class Layer(NamedTuple):
    """One word with its parts; ``optional`` where a ``?`` follows."""

    word: str
    column: int
    parts: dict[str, Part]
    optional: bool


class Repeat(NamedTuple):
    """Items that are repeated ``count`` times: a number, or the letter it is set by."""

    column: int
    star_column: int
    times: int | str
    count_column: int
    items: list[Item]


Item = Layer | Repeat


class Whole(NamedTuple):
    """A pattern; ``sizes`` of one sample with channels first, None where none is written."""

    column: int
    size_column: int
    sizes: list[int] | None
    items: list[Item]


SIMPLE = {
    "RELU": ("relu", None),
    "RELU6": ("relu6", None),
    "TANH": ("tanh", None),
    "SIGMOID": ("sigmoid", None),
    "SOFTMAX": ("softmax", 1),
    "LOGSOFTMAX": ("logsoftmax", 1),
    "DROPOUT": ("dropout", None),
}
"""Words without parts: the layer and its ``dim``."""
POOLS = {"POOL": "maxpool2d", "MAXPOOL": "maxpool2d", "AVGPOOL": "avgpool2d"}
SPATIAL = frozenset({"CONV", *POOLS})
_WINDOW = ("kernel", "stride", "padding")
WORDS: dict[str, tuple[str, ...]] = {
    "CONV": (*_WINDOW, "width"),
    **dict.fromkeys(POOLS, _WINDOW),
    "FC": ("width",),
    **dict.fromkeys(SIMPLE, ()),
    "BN": (),
}
"""Every word and the parts it takes."""
HOW_TO_WRITE = {
    "CONV": "a convolution is written CONV3-64, with stride and padding CONV5-6s2p0",
    **{word: f"a pooling layer is written {word}2, with stride and padding {word}3s2p1" for word in POOLS},
    "FC": "a fully connected layer is written FC-10",
}
DEFAULT_CONV = 3
DEFAULT_POOL = 2


def specification(pattern: Whole) -> Mapping:
    """Return the root of the document."""
    where, size_place = Tree(1, pattern.column), Tree(1, pattern.size_column)
    sizes: list[int] | list[str] = pattern.sizes or ["*", "*", "*"]
    writer = _Writer(pattern.items, flat=len(sizes) == 1)
    layers = writer.chain(pattern.items)
    entries = {
        "cnnprof": Scalar.of(where, 1),
        "name": Scalar.of(where, "pattern"),
        "input": Sequence.of(size_place, [Scalar.of(size_place, size) for size in sizes]),
        "params": _mapping(where, writer.params),
        "layers": Sequence.of(where, layers),
    }
    return _mapping(where, entries)


class _Writer:
    """Writes layers from left to right; notes which parameters they need and whether the volume is flat by now."""

    def __init__(self, items: list[Item], *, flat: bool) -> None:
        self.params: dict[str, Tree] = {}
        self.classes = _classes(items)
        self.flat = flat

    def chain(self, items: list[Item]) -> list[Tree]:
        trees: list[Tree] = []
        for item in items:
            if not self.flat and _starts_flat(item):
                self.flat = True
                trees.append(Scalar.of(Tree(1, item.column), "flatten"))
            trees.append(self.repeat(item) if isinstance(item, Repeat) else self.layer(item))
        return trees

    def repeat(self, item: Repeat) -> Mapping:
        where = Tree(1, item.column)
        count = Tree(1, item.count_column)
        before = self.flat
        entries: dict[str, Tree] = {
            "repeat": self.param(item.times, count) if isinstance(item.times, str) else Scalar.of(count, item.times),
            "layers": Sequence.of(where, self.chain(item.items)),
        }
        # Repeated no times, it has flattened nothing.
        if isinstance(item.times, str) or item.times == 0:
            self.flat = before
        return _mapping(where, entries, key_column=item.star_column)

    def layer(self, layer: Layer) -> Tree:
        where = Tree(1, layer.column)
        if layer.word in POOLS:
            return self.pool(layer, where)
        if layer.word == "CONV":
            return _call(where, "conv2d", {"out_channels": self.width(layer, "CONV"), **_conv_window(layer)})
        if layer.word == "FC":
            name = "CLASSES" if layer is self.classes else "FC"
            return _call(where, "linear", {"out_features": self.width(layer, name)})
        if layer.word == "BN":
            return _call(where, "batchnorm1d" if self.flat else "batchnorm2d", {})
        op, dim = SIMPLE[layer.word]
        return _call(where, op, {} if dim is None else {"dim": Scalar.of(where, dim)})

    def pool(self, layer: Layer, where: Tree) -> Tree:
        kernel = _part(layer, "kernel", [DEFAULT_POOL])
        arguments = {"kernel_size": _numbers(kernel), "stride": _numbers(_part(layer, "stride", kernel.numbers))}
        if "padding" in layer.parts:
            arguments["padding"] = _numbers(layer.parts["padding"])
        pool = _call(where, POOLS[layer.word], arguments)
        if not layer.optional:
            return pool
        test = self.param("POOL", where, default=Scalar.of(where, value=True))
        return _mapping(where, {"if": test, "then": Sequence.of(where, [pool])})

    def width(self, layer: Layer, name: str) -> Tree:
        where = Tree(1, layer.column)
        if "width" in layer.parts:
            return _numbers(layer.parts["width"])
        return self.param(name, where, default=Scalar.of(where, "=FC") if name == "CLASSES" else None)

    def param(self, name: str, where: Tree, default: Tree | None = None) -> Scalar:
        """Return the formula that reads a parameter; null as its default means that it must be set."""
        self.params.setdefault(name, default or Scalar.of(where, None))
        return Scalar.of(where, f"={name}")


def _starts_flat(item: Item) -> bool:
    """Return whether the volume is to be flattened before ``item``: outside a repeat, if that needs no volume."""
    words = set(_words([item]))
    return "FC" in words and not words & SPATIAL


def _words(items: list[Item]) -> Iterator[str]:
    for layer in _layers(items):
        yield layer.word


def _layers(items: list[Item]) -> Iterator[Layer]:
    for item in items:
        if isinstance(item, Repeat):
            yield from _layers(item.items)
        else:
            yield item


def _classes(items: list[Item]) -> Layer | None:
    """Return the layer that gives the class scores: the last FC, if it and others have no size."""
    fully_connected = [layer for layer in _layers(items) if layer.word == "FC"]
    without_size = [layer for layer in fully_connected if not layer.parts]
    last = fully_connected[-1] if fully_connected else None
    repeated = last is not None and not any(item is last for item in items)
    return last if last in without_size and len(without_size) > 1 and not repeated else None


def _part(layer: Layer, name: str, default: list[int]) -> Part:
    return layer.parts.get(name) or Part(default, layer.column)


def _conv_window(layer: Layer) -> dict[str, Tree]:
    kernel, stride = _part(layer, "kernel", [DEFAULT_CONV]), _part(layer, "stride", [1])
    window = {"kernel_size": _numbers(kernel)}
    if "padding" in layer.parts:
        padding = _numbers(layer.parts["padding"])
    elif stride.numbers == [1]:
        padding = Scalar.of(Tree(1, kernel.column), "same")
    else:
        padding = _numbers(Part([max(0, (size - 1) // 2) for size in kernel.numbers], kernel.column))
    if "stride" in layer.parts:
        window["stride"] = _numbers(stride)
    return {**window, "padding": padding}


def _numbers(part: Part) -> Tree:
    where = Tree(1, part.column)
    numbers: list[Tree] = [Scalar.of(where, number) for number in part.numbers]
    return numbers[0] if len(numbers) == 1 else Sequence.of(where, numbers)


def _call(where: Tree, op: str, arguments: dict[str, Tree]) -> Mapping:
    return _mapping(where, {op: _mapping(where, arguments)})


def _mapping(where: Tree, entries: dict[str, Tree], key_column: int | None = None) -> Mapping:
    key = Tree(1, key_column or where.column)
    return Mapping.of(where, [(Scalar.of(key, name), tree) for name, tree in entries.items()])
