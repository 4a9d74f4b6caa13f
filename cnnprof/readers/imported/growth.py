"""Whether all that a forward does grows with the number of its samples in proportion, or not at all.

One trace stands for every batch, which is true of such a forward only. So sizes that have the samples as a factor are
handed out as numbers that know it, and every function is looked at: where either could lead to a size like half of
the batch, the forward is traced once more, for another number of samples, and both graphs must be the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from cnnprof.errors import UsageError
from cnnprof.layers.recorded import PREFIX
from cnnprof.model.graph import Graph, Node
from cnnprof.readers.imported.calls import MAKERS, named, tensors_in
from cnnprof.readers.imported.tensors import names_batch

if TYPE_CHECKING:
    import torch

BATCH = 1009
"""Samples that are traced: a prime that is no factor of a network's own sizes, so that a size which has it grows with
the batch. On the meta device their number costs nothing."""
OTHER = 998
"""Samples of the second trace: even, so that what wants pairs runs; fewer, so that what fits in 64 bits still does."""
_PAIRS = named("pdist combinations tril_indices triu_indices")
"""What makes samples·(samples - 1)/2 of something, a multiple of an odd number of samples like any other."""
_BUILTIN = named("__len__ __iter__")
"""What Python gives out as its own numbers and tensors, which tell nothing."""
_NOW: ContextVar[Growth | None] = ContextVar("growth", default=None)


class Growth:
    """What a forward does with the number of its samples."""

    def __init__(self) -> None:
        self.doubtful = False
        """It did something that may not be in proportion."""
        self.compared: set[int] = set()
        """What it compared the number with."""

    def note(self, function: Callable[..., Any], args: Any, kwargs: Any, result: Any) -> Any:
        """Look at what a function gave, and return it; sizes as those that know that they grow."""
        kind = type(result)
        if kind is int:
            return _grown(result)
        if isinstance(result, tuple) and all(type(each) is int for each in result):
            return kind([_grown(each) for each in result])
        self.doubtful = self.doubtful or self._cuts(function, args, kwargs, result)
        return result

    def _cuts(self, function: Callable[..., Any], args: Any, kwargs: Any, result: Any) -> bool:
        """Return whether a result may have a part of the samples, or pairs of them."""
        name = getattr(function, "__name__", "")
        if name in MAKERS:  # sizes that are given as numbers, which tell of themselves
            return False
        operands, outputs = tensors_in(args, kwargs), tensors_in(result)
        if name in _BUILTIN:
            return any(each.dim() and each.shape[0] % BATCH == 0 for each in operands)
        before = max(map(_factors, operands), default=0)
        after = [_factors(each) for each in outputs]
        squared = any(size and size % BATCH**2 == 0 for each in outputs for size in each.shape)
        return name in _PAIRS or squared or min(after, default=before) < before


def _factors(tensor: torch.Tensor) -> int:
    """Return how often a tensor has the samples among its sizes; of a part of them it has none."""
    left, count = tensor.numel(), 0
    while left and left % BATCH == 0:
        left, count = left // BATCH, count + 1
    return count


@contextmanager
def noting() -> Iterator[Growth]:
    """Have the forward that is traced, for ``BATCH`` samples, looked at."""
    growth = Growth()
    token = _NOW.set(growth)
    try:
        yield growth
    finally:
        _NOW.reset(token)


def current() -> Growth | None:
    """Return what notes the forward that is traced now; None: nothing does."""
    return _NOW.get()


# Numbers that grow with the batch


class Grown(int):
    """A size with the samples as a factor, which notes what is done to it but to multiply it or to divide it again."""

    def __mul__(self, other: Any) -> Any:
        product = int.__mul__(self, other)
        return Grown(product) if type(other) is int else _doubt(product)

    __rmul__ = __mul__

    def __floordiv__(self, other: Any) -> Any:
        quotient = int.__floordiv__(self, other)
        if _samples(other):
            return quotient
        return Grown(quotient) if _divides(other, self) else _doubt(quotient)

    def __mod__(self, other: Any) -> Any:
        rest = int.__mod__(self, other)
        return _grown(rest) if _samples(other) or _divides(other, self) else _doubt(rest)

    def __truediv__(self, other: Any) -> Any:
        quotient = int.__truediv__(self, other)
        return quotient if _samples(other) else _doubt(quotient)

    def __add__(self, other: Any) -> Any:
        total = int.__add__(self, other)
        return Grown(total) if _samples(other) or (type(other) is int and other == 0) else _doubt(total)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        rest = int.__sub__(self, other)
        return _grown(rest) if _samples(other) else _doubt(rest)

    __hash__ = int.__hash__


def _doubting(name: str) -> Callable[..., Any]:
    plain = getattr(int, name)

    def changed(self: Grown, *others: Any) -> Any:
        return _doubt(plain(self, *others))

    return changed


def _comparing(name: str) -> Callable[..., Any]:
    plain = getattr(int, name)

    def compared(self: Grown, other: Any) -> Any:
        growth = _NOW.get()
        if growth is not None and type(other) is int and other > 0 and other % BATCH:
            growth.compared.add(other)
        return plain(self, other)

    return compared


_CHANGES = named(
    "rsub rfloordiv rtruediv rmod divmod rdivmod pow rpow lshift rlshift rshift rrshift and rand or ror xor rxor neg "
    "abs invert int float round trunc floor ceil"
)
for _name in _CHANGES:
    setattr(Grown, f"__{_name}__", _doubting(f"__{_name}__"))
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(Grown, f"__{_name}__", _comparing(f"__{_name}__"))


def _doubt(result: Any) -> Any:
    growth = _NOW.get()
    if growth is not None:
        growth.doubtful = True
    return result


def _samples(number: Any) -> bool:
    """Return whether a number has the samples as a factor."""
    return isinstance(number, int) and number != 0 and int.__mod__(number, BATCH) == 0


def _divides(number: Any, grown: Grown) -> bool:
    """Return whether a size is a multiple of this for any number of samples."""
    return type(number) is int and number != 0 and int.__floordiv__(grown, BATCH) % number == 0


def _grown(number: int) -> int:
    return Grown(number) if _samples(number) else number


def plain(value: Any) -> Any:
    """Return arguments with plain numbers in place of those that know that they grow."""
    kind = type(value)
    if kind is Grown:
        return int.__index__(value)
    if kind in (list, tuple) or kind.__name__ == "Size":
        return kind([plain(each) for each in value])
    if kind is dict:
        return {name: plain(each) for name, each in value.items()}
    return slice(*map(plain, (value.start, value.stop, value.step))) if kind is slice else value


# Two traces


def needs_another(growth: Growth, graph: Graph) -> bool:
    """Return whether a graph may be that of ``BATCH`` samples only: for how it came to be, or for what it says."""
    told = any(node.op.startswith(PREFIX) and names_batch(node.args, BATCH) for node in graph.nodes)
    return growth.doubtful or told or any(node.name.endswith(f"_{BATCH}") for node in graph.nodes)


def difference(graph: Graph, other: Graph) -> str:
    """Return where the graph of ``BATCH`` samples is not that of ``OTHER``; empty: they are the same."""
    for one, two in zip_longest(graph.nodes, other.nodes):
        if one is None or two is None or _told(one) != _told(two):
            return _between(one, two)
    return "" if graph.outputs == other.outputs else "its outputs are others"


def _told(node: Node) -> tuple[Any, ...]:
    """Return what counts of a node; a number that is added or multiplied with does not."""
    args = {name: each for name, each in node.args.items() if name != "other"}
    return node.name, node.op, args, node.inputs, node.recorded, node.when, node.share


def _between(one: Node | None, two: Node | None) -> str:
    if one is None or two is None or (one.name, one.op) != (two.name, two.op):
        said = [each.name if each is not None else "nothing more" for each in (one, two)]
        return f"it runs {said[0]} for {BATCH:,} samples where it runs {said[1]} for {OTHER}"
    said = [_shown(node, against, batch) for node, against, batch in ((one, two, BATCH), (two, one, OTHER))]
    return f"{one.name} has {said[0]} for {BATCH:,} samples and {said[1]} for {OTHER}"


def _shown(node: Node, against: Node, batch: int) -> str:
    """Return what a node has that the other trace's has not: arguments, else shapes, else inputs."""
    args = [f"{name}={each}" for name, each in node.args.items() if each != against.args.get(name)]
    if args:
        return ", ".join(args)
    if len(node.recorded or ()) != len(against.recorded or ()):
        return f"{len(node.recorded or ())} outputs"
    if node.recorded != against.recorded:
        return ", ".join("x".join(map(str, each.at(batch).shape)) for each in node.recorded or ())
    return f"inputs {', '.join(each.node for each in node.inputs)}"


def refusal(source: str, why: str) -> UsageError:
    """Return the error of a forward whose figures are not in proportion to the batch."""
    return UsageError(
        f"{source}: what the forward does is not in proportion to the batch: {why}",
        hint="cnnprof follows one forward for all batches: pass a part of the network that treats all samples alike",
        code="depends-on-batch",
    )


def compared_note(numbers: Sequence[int]) -> str:
    """Return what is said where a forward asked whether its samples are more or fewer than something."""
    return (
        f"the forward compares the number of samples with {', '.join(map(str, numbers))}: it was followed for "
        f"{BATCH:,}, and a batch for which the answer is another one may have other figures"
    )
