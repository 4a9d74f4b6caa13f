"""The memory of tensors of which there are copies on another device: which of it is up to date, and how it gets so.

It is followed by storage, which all views of a tensor share. Every copy is memory of its own, linked to what it was
made of, so that linked memory is a tree. What is written into one makes all others of its tree stale; a stale one is
written over when something reads it, along the way from where that happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from weakref import ref

from cnnprof.errors import WorkerError

if TYPE_CHECKING:
    import torch

Copied = Callable[["torch.Tensor", "torch.device", "torch.Tensor | None"], "torch.Tensor"]
"""Gets a tensor to a device: as a new one, or into one that is there. Returns it."""
View = tuple[Any, ...]
"""What a tensor shows of its storage."""


def to_side(tensor: torch.Tensor, device: torch.device, into: torch.Tensor | None = None) -> torch.Tensor:
    """Copy a tensor, to the device where it is too."""
    return tensor.to(device, copy=True) if into is None else into.copy_(tensor)


def unsplittable(why: str) -> WorkerError:
    """Return the error of a network that cannot be split over two devices like that."""
    return WorkerError(
        f"split like that, {why}; it may write in place what lies on both sides",
        hint="a network without writing in place, .data and torch.inference_mode() in its forward can be split",
        code="split-differs",
    )


class Memory:
    """A storage on a side."""

    __slots__ = ("behind", "kept", "key", "likes", "links", "shown", "there")

    def __init__(self, key: int, *, there: bool, kept: bool = False) -> None:
        self.key, self.there, self.kept = key, there, kept
        """``kept``: it outlives forwards."""
        self.links: list[Like] = []
        """To all memory that holds the same as a part of it."""
        self.likes: dict[int, Like] = {}
        """By the identity of a tensor that shows it, the link to its copy, or to what it is a copy of."""
        self.behind: Like | None = None
        """From where it has to be written over; None: it is up to date."""
        self.shown: dict[int, ref[torch.Tensor]] = {}
        """The tensors that show it, as long as they live."""


class Like:
    """A part of a memory, and the same of another one. Their tensors are nobody else's."""

    __slots__ = ("back", "memory", "other", "own")

    def __init__(self, own: torch.Tensor, memory: Memory, other: torch.Tensor) -> None:
        self.own, self.memory, self.other = own, memory, other
        """``memory`` is the other one's."""
        self.back: Like | None = None
        """The same, seen from there."""


def weights(here: torch.nn.Module, there: torch.nn.Module) -> dict[int, Memory]:
    """Return the memory of the weights of a network and of its copy, by storage.

    Raises:
        WorkerError: a weight has no storage, as sparse ones have none.
    """
    found: dict[int, Memory] = {}
    for first, second in zip(*((*each.parameters(), *each.buffers()) for each in (here, there)), strict=True):
        memories = (
            found.setdefault(_storage(each), Memory(_storage(each), there=side, kept=True))
            for side, each in ((False, first), (True, second))
        )
        one, other = memories
        like = _link(first.detach(), second.detach(), one, other)
        one.likes[id(first)] = like
    return found


class Mirrors:
    """The memory of one forward on two sides. Nothing of it may be used after ``forget``."""

    def __init__(
        self, devices: Mapping[bool, torch.device], copied: Copied, kept: Mapping[int, Memory] | None = None
    ) -> None:
        """Take the device of each side (True: the other one), what copies, and what lies on both already."""
        self._devices = devices
        self._copied = copied
        self._kept = kept or {}
        self._known: dict[int, Memory] = {}
        self._borrowed: list[tuple[Memory, int, Like]] = []
        """What was linked to memory that outlives the forward."""
        self._behind: set[Memory] = set()

    # -- what happens

    def there(self, tensor: torch.Tensor) -> bool:
        """Return the side of a tensor; of one that nobody saw made, by its device."""
        return self._memory(tensor).there

    def seen(self, tensor: torch.Tensor, *, there: bool) -> None:
        """Take a tensor as one of a side, unless its memory is known."""
        self._memory(tensor, there=there)

    def same(self, here: torch.Tensor, there: torch.Tensor) -> None:
        """Take two tensors that hold the same, one of each side."""
        one, other = self._memory(here, there=False), self._memory(there, there=True)
        one.likes[id(here)] = _link(here.detach(), there.detach(), one, other)

    def written(self, tensor: torch.Tensor, given: torch.Tensor) -> None:
        """Take note that something was written into a tensor as ``on`` has given it."""
        memory = self._memory(given)
        if given is not tensor:
            self._seen_as(given, self._memory(tensor).likes[id(tensor)])
        memory.behind = None
        for near, far in _tree(memory):
            far.behind = next(like for like in far.links if like.memory is near)
            self._behind.add(far)

    def handed(self, tensor: torch.Tensor, given: torch.Tensor) -> None:
        """Take what a layer only hands on, as ``on`` has given it, for made there: it crosses once more."""
        memory = self._memory(tensor)
        if given is tensor:
            if not memory.kept:
                memory.likes.pop(id(tensor), None)
            return
        like = memory.likes[id(tensor)]
        memory.behind = memory.behind or like
        self._seen_as(given, like)

    def on(self, tensor: torch.Tensor, *, there: bool) -> torch.Tensor:
        """Return a tensor as it is on a side, with all that was written into it."""
        memory = self._memory(tensor)
        if memory.there == there:
            self._refresh(memory)
            return tensor
        like = memory.likes.get(id(tensor))
        if like is None or _view(like.own) != _view(tensor):
            like = self._copy(tensor, memory)
        self._refresh(like.memory)
        return like.other.detach()  # whoever gets it may change its shape

    def end(self) -> None:
        """Write into what outlives the forward what its copies were given."""
        for memory in self._behind:
            if memory.shown or memory.kept:
                self._refresh(memory)

    def forget(self) -> None:
        """Let go of all tensors, which hold this and are held by it."""
        for memory, number, like in self._borrowed:
            memory.links.remove(like)
            memory.behind = None if memory.behind is like else memory.behind
            memory.likes.pop(number, None)
        for memory in self._known.values():
            _clear(memory)
        self._known.clear()
        self._behind.clear()

    # -- links

    def _seen_as(self, given: torch.Tensor, like: Like) -> None:
        """Take a copy that the network now has for what it is a copy of."""
        assert like.back is not None  # noqa: S101 linked a moment ago
        self._memory(given).likes[id(given)] = like.back

    def _copy(self, tensor: torch.Tensor, memory: Memory) -> Like:
        self._refresh(memory)
        copy = self._copied(tensor, self._devices[not memory.there], None)
        key = _storage(copy)
        other = self._known[key] = Memory(key, there=not memory.there)
        memory.likes[id(tensor)] = like = _link(tensor.detach(), copy, memory, other)
        if memory.kept:
            self._borrowed.append((memory, id(tensor), like))
        return like

    def _refresh(self, memory: Memory) -> None:
        like = memory.behind
        if like is None:
            return
        self._refresh(like.memory)
        self._copied(like.other, self._devices[memory.there], like.own)
        memory.behind = None

    # -- memories

    def _memory(self, tensor: torch.Tensor, *, there: bool | None = None) -> Memory:
        key = _storage(tensor)
        memory = self._known.get(key) or self._kept.get(key)
        if memory is None:
            side = tensor.device.type != self._devices[False].type if there is None else there
            memory = self._known[key] = Memory(key, there=bool(side))
        if not memory.kept and id(tensor) not in memory.shown:
            self._watch(tensor, memory)
        return memory

    def _watch(self, tensor: torch.Tensor, memory: Memory) -> None:
        number = id(tensor)

        def gone(_: object) -> None:
            memory.shown.pop(number, None)
            memory.likes.pop(number, None)
            if not memory.shown:
                self._release(memory)

        memory.shown[number] = ref(tensor, gone)

    def _release(self, memory: Memory) -> None:
        """Let go of a tree of which nobody has a tensor."""
        tree = [memory, *(far for _, far in _tree(memory))]
        if not any(each.shown or each.kept for each in tree):
            for each in tree:
                self._known.pop(each.key, None)
                self._behind.discard(each)
                _clear(each)


def _link(first: torch.Tensor, second: torch.Tensor, one: Memory, other: Memory) -> Like:
    """Link what two tensors, nobody else's, show of two memories; return it as the first one sees it."""
    found, back = Like(first, other, second), Like(second, one, first)
    found.back, back.back = back, found
    one.links.append(found)
    other.links.append(back)
    return found


def _tree(memory: Memory) -> Iterator[tuple[Memory, Memory]]:
    """Yield all that is linked to a memory, from near to far: what is before it on the way, and itself."""
    met, todo = {memory}, [memory]
    for near in todo:
        for like in near.links:
            if like.memory not in met:
                met.add(like.memory)
                todo.append(like.memory)
                yield near, like.memory


def _clear(memory: Memory) -> None:
    for like in memory.links:
        like.back = None
    memory.links.clear()
    memory.likes.clear()
    memory.shown.clear()
    memory.behind = None


def _storage(tensor: torch.Tensor) -> int:
    try:
        return int(tensor.untyped_storage()._cdata)  # noqa: SLF001 its only name without an address
    except (NotImplementedError, RuntimeError) as error:
        raise unsplittable(
            f"a tensor of layout {tensor.layout} would lie on both sides, which is not followed"
        ) from error


def _view(tensor: torch.Tensor) -> View:
    return (
        tensor.dtype, tensor.shape, tensor.stride(), tensor.storage_offset(), tensor.is_conj(), tensor.is_neg(),
    )  # fmt: skip
