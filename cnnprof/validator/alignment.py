"""Which layer of one network is which layer of another: by what their weights are like and where they stand.

Both networks run once on the meta device. Whatever owns parameters or buffers is noted when they are first used, with
the owners whose results arrive there. An owner's label says its shapes, and those of all before and behind it; equal
labels are paired in order of execution. A pairing only names weights: that the outputs agree proves the graph, however
the pairs were found, so an order of branches that means nothing makes no difference.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import torch

Shapes = tuple[tuple[int, ...], ...]


class Owner(NamedTuple):
    """A module that has parameters or buffers of its own."""

    path: str
    parameters: Shapes
    buffers: Shapes
    before: tuple[int, ...] = ()
    """Numbers of the owners whose results arrive, through anything that has no weights."""

    @property
    def signature(self) -> tuple[Shapes, Shapes]:
        """What must be equal for weights to move from one to the other."""
        return self.parameters, self.buffers

    def __str__(self) -> str:
        """Return the path with the shapes of the parameters: ``conv1: 64×3×7×7``."""
        shapes = ["×".join(map(str, shape)) or "1" for shape in self.parameters or self.buffers]
        return f"{self.path}: {', '.join(shapes)}"


class Alignment(NamedTuple):
    """Pairs of owners; of unlike networks those before the first two that are not alike (None: it has no more)."""

    pairs: list[tuple[Owner, Owner]]
    reordered: bool = False
    """Both run some branches in another order."""
    odd: tuple[Owner | None, Owner | None] | None = None


def align(ours: Sequence[Owner], theirs: Sequence[Owner]) -> Alignment:
    """Return who is who; owners are in order of execution."""
    numbers: dict[Any, int] = {}
    labels, others = _labels(ours, numbers), _labels(theirs, numbers)
    if Counter(labels) == Counter(others):
        waiting = defaultdict(list)
        for owner, label in reversed([*zip(theirs, others, strict=True)]):
            waiting[label].append(owner)
        pairs = [(owner, waiting[label].pop()) for owner, label in zip(ours, labels, strict=True)]
        return Alignment(pairs, reordered=[pair[1] for pair in pairs] != list(theirs))
    pairs = []
    for mine, other in zip_longest(ours, theirs):
        if mine is None or other is None or mine.signature != other.signature:
            return Alignment(pairs, odd=(mine, other))
        pairs.append((mine, other))
    return Alignment(pairs)


def _labels(owners: Sequence[Owner], numbers: dict[Any, int]) -> list[tuple[int, int]]:
    """Return two numbers for every owner: for what is before it, and for what is behind it."""

    def number(*key: Any) -> int:
        return numbers.setdefault(key, len(numbers))

    ahead: list[int] = []
    behind: list[list[int]] = [[] for _ in owners]
    for owner in owners:
        ahead.append(number("before", owner.signature, *sorted(ahead[each] for each in owner.before)))
    back = [0] * len(owners)
    for index in reversed(range(len(owners))):
        back[index] = number("behind", owners[index].signature, *sorted(behind[index]))
        for each in owners[index].before:
            behind[each].append(back[index])
    return list(zip(ahead, back, strict=True))


def owners_of(module: torch.nn.Module) -> dict[str, Owner]:
    """Return every owner by its path; tensors that several share belong to the first."""
    found: dict[str, Owner] = {}
    seen: set[int] = set()
    for path, part in module.named_modules():
        own = [[each for each in held.values() if each is not None and id(each) not in seen] for held in _held(part)]
        seen.update(id(tensor) for tensors in own for tensor in tensors)
        if own[0] or own[1]:
            parameters, buffers = (tuple(tuple(each.shape) for each in tensors) for tensors in own)
            found[path] = Owner(path, parameters, buffers)
    return found


def _held(part: torch.nn.Module) -> tuple[dict[str, Any], dict[str, Any]]:
    return part._parameters, part._buffers  # noqa: SLF001 torch has no public way to what is a module's own


def belonging(module: torch.nn.Module) -> dict[int, str]:
    """Return the path of the owner of every parameter and buffer, by the tensor's id."""
    found: dict[int, str] = {}
    for path, part in module.named_modules():
        for tensor in [each for held in _held(part) for each in held.values() if each is not None]:
            found.setdefault(id(tensor), path)
    return found


def trace(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> list[Owner]:
    """Return the owners in the order in which their tensors are first used in a training forward.

    Those that are not used come last, read nothing and are read by nothing. Nothing may be computed with them that
    depends on values: ``module`` and ``inputs`` are on the meta device.
    """
    import torch

    owners = owners_of(module)
    watch = _watch(belonging(module))
    was = module.training
    try:
        with torch.no_grad(), watch:
            module.train()(*inputs)
    finally:
        module.train(was)
    used = [owners[path]._replace(before=before) for path, before in watch.used.items()]
    return [*used, *(owner for path, owner in owners.items() if path not in watch.used)]


def _watch(belongs: dict[int, str]) -> Any:
    import torch
    from torch.overrides import TorchFunctionMode
    from torch.utils._pytree import tree_leaves

    class Watch(TorchFunctionMode):  # type: ignore[misc] # torch is not followed
        """Follows, through every function of torch, which owners a tensor comes from."""

        def __init__(self) -> None:
            super().__init__()
            self.used: dict[str, tuple[int, ...]] = {}
            self.sources: dict[int, frozenset[int]] = {}
            self.alive: list[Any] = []  # or an id would be given to another tensor

        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = function(*args, **(kwargs or {}))
            given, made = _tensors((args, kwargs)), _tensors(result)
            self.alive += made
            owners = dict.fromkeys(belongs[id(each)] for each in given if id(each) in belongs)
            values = [each for each in given if id(each) not in belongs]
            if values:
                came = self._through(owners, frozenset().union(*(self.sources.get(id(x), ()) for x in values)))
                self.sources.update({id(each): came for each in made})
            elif owners:  # a weight made of another weight
                for each in made:
                    belongs.setdefault(id(each), next(iter(owners)))
            return result

        def _through(self, owners: dict[str, None], came: frozenset[int]) -> frozenset[int]:
            for path in owners:
                self.used.setdefault(path, tuple(sorted(came)))
                came = frozenset({list(self.used).index(path)})
            return came

    def _tensors(value: Any) -> list[Any]:
        return [leaf for leaf in tree_leaves(value) if isinstance(leaf, torch.Tensor)]

    return Watch()
