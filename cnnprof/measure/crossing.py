"""The tensors of a forward that runs on two sides: where each is, and its copy on the other side.

A tensor crosses when something on the other side reads it, once, however many read it there. Its copy lives as long as
it does. What is written into one of both in place makes the other stale: that is told by torch's own count of versions,
and the stale one is written over before anything reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import ref

from cnnprof.readers.imported.calls import MAKERS, MOVING, QUIET, function_name, mapped, staying, tensors_in

if TYPE_CHECKING:
    import torch

Copied = Callable[["torch.Tensor", "torch.device", "torch.Tensor | None"], "torch.Tensor"]
"""Gets a tensor to a device: as a new one, or into one that is there. Returns it."""
_PLACES = ("device", "is_cuda", "is_cpu", "get_device")
"""Questions where a tensor is. The network's own code hears that all is on the host, and makes there what it makes."""
_NO_DEVICE = ("bernoulli",)
"""Makers that cannot be told where."""


def to_side(tensor: torch.Tensor, device: torch.device, into: torch.Tensor | None = None) -> torch.Tensor:
    """Copy a tensor, to the device where it is too."""
    return tensor.to(device, copy=True) if into is None else into.copy_(tensor)


class Place:
    """Which side a tensor is on, and its like on the other one."""

    __slots__ = ("alike", "copy", "origin", "there")

    def __init__(self, *, there: bool, origin: torch.Tensor | None = None) -> None:
        self.there = there
        self.copy: torch.Tensor | None = None
        """Made of it."""
        self.alike = (0, 0)
        """The versions of it and of its copy when they were last alike."""
        self.origin = None if origin is None else ref(origin)
        """What it is a copy of."""


class Weights(NamedTuple):
    """Parameters and buffers, which lie on both sides."""

    places: Mapping[int, Place]
    """By the identity of each."""
    held: tuple[torch.Tensor, ...]
    """All of them: a network may let go of a buffer, and an identity of something dead is used again."""


def weights(here: torch.nn.Module, there: torch.nn.Module) -> Weights:
    """Return the weights of a network and of its copy."""
    ours, theirs = ((*each.parameters(), *each.buffers()) for each in (here, there))
    found: dict[int, Place] = {}
    for first, second in zip(ours, theirs, strict=True):
        found[id(first)], found[id(second)] = Place(there=False), Place(there=True, origin=first)
        found[id(first)].copy = second
        found[id(first)].alike = (first._version, second._version)  # noqa: SLF001 torch's only name for it
    return Weights(found, (*ours, *theirs))


class _Known(NamedTuple):
    """A tensor that was seen, as long as it lives."""

    alive: ref[torch.Tensor]
    place: Place
    storage: int


class _Pair(NamedTuple):
    """A tensor, its copy, and the place of the former, which knows when they were alike."""

    origin: torch.Tensor
    copy: torch.Tensor
    link: Place


class Crossing:
    """The tensors of one forward. Nothing of it may be used after ``end``."""

    def __init__(self, state: Weights, devices: Mapping[bool, torch.device], copied: Copied) -> None:
        """Take what lies on both sides, the device of each (True: the other side), and what copies."""
        import torch

        self._state = state
        self._devices = devices
        self._copied = copied
        self._known: dict[int, _Known] = {}
        self._showing: dict[int, set[int]] = {}
        """By storage, which of the known tensors show it."""
        self._stand_in = torch.empty(0, device=devices[False])

    # -- what happens

    def row(self, function: Callable[..., Any], args: Any, kwargs: Any, *, there: bool) -> Any:
        """Call what is a row, on its side. What only hands on what it was given is a value of its own all the same."""
        result, unchanged = self._call(function, args, kwargs, there=there)
        if any(each is result for each in unchanged):
            result = result.detach()
            self._take(result, Place(there=there))
        return result

    def aside(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Call what is no row: where all of its tensors are; on the host where they are not all on the other side."""
        read, name = tensors_in(args, kwargs), function_name(function)
        if not read:
            return function(*args, **kwargs)
        if name in _PLACES:
            return function(self._stand_in, *args[1:], **kwargs)
        if name in QUIET:
            return function(*args, **kwargs)
        if name in MAKERS and name not in _NO_DEVICE:
            return function(*args, **kwargs | {"device": self._devices[False]})
        if name in MOVING:
            return self.moving(function, args, kwargs, there=self._place(read[0]).there)
        there = all(self._place(each).there for each in read)
        return self._call(function, args, kwargs, there=there)[0]

    def moving(self, function: Callable[..., Any], args: Any, kwargs: Any, *, there: bool) -> Any:
        """Call what would get a tensor to another device, and leave it where it is."""
        if function_name(function) != "to":
            return args[0]
        return self.row(function, *staying(args, kwargs), there=there)

    def on(self, tensor: torch.Tensor, *, there: bool) -> torch.Tensor:
        """Return a tensor as it is on a side, with all that was written into it."""
        place = self._place(tensor)
        pair = self._pair(tensor, place)
        if pair is None:
            return tensor if place.there == there else self._copy(tensor, place, there=there)
        wanted = pair.origin if pair.link.there == there else pair.copy
        self._refresh(pair, wanted)
        return wanted

    def end(self) -> None:
        """Write into what outlives the forward what its copies were given, and forget all."""
        for known in list(self._known.values()):
            tensor = known.alive()
            pair = None if tensor is None else self._pair(tensor, known.place)
            if pair is not None and tensor is pair.origin:
                self._refresh(pair, pair.origin)

    def forget(self) -> None:
        """Let go of all tensors, which hold this and are held by it."""
        self._known.clear()
        self._showing.clear()

    # -- calls

    def _call(
        self, function: Callable[..., Any], args: Any, kwargs: Any, *, there: bool
    ) -> tuple[Any, list[torch.Tensor]]:
        """Return what a function returns on a side, and what it has read and not written."""
        read: list[torch.Tensor] = []

        def bring(tensor: torch.Tensor) -> torch.Tensor:
            read.append(self.on(tensor, there=there))
            return read[-1]

        args, kwargs = mapped(args, bring), mapped(kwargs, bring) if kwargs else kwargs
        before = [each._version for each in read]  # noqa: SLF001
        result = function(*args, **kwargs)
        unchanged = [each for each, version in zip(read, before, strict=True) if each._version == version]  # noqa: SLF001
        if len(unchanged) < len(read):
            for each, version in zip(read, before, strict=True):
                if each._version != version:  # noqa: SLF001
                    self._written(each)
        for each in tensors_in(result):
            if id(each) not in self._known:
                self._place(each, there=there)
        return result, unchanged

    def _written(self, tensor: torch.Tensor) -> None:
        """Bring at once what was written into the copies that other tensors show: those cannot be told to be stale."""
        for each in self._sharing(tensor):
            pair = self._pair(each, self._place(each))
            if pair is None:
                continue
            other = pair.copy if each is pair.origin else pair.origin
            if len(self._sharing(other)) > 1:
                self._refresh(pair, other)

    # -- pairs

    def _pair(self, tensor: torch.Tensor, place: Place) -> _Pair | None:
        origin = None if place.origin is None else place.origin()
        if origin is not None:
            return _Pair(origin, tensor, self._place(origin))
        return None if place.copy is None else _Pair(tensor, place.copy, place)

    def _copy(self, tensor: torch.Tensor, place: Place, *, there: bool) -> torch.Tensor:
        copy = self._copied(tensor, self._devices[there], None)
        place.origin, place.copy = None, copy
        self._take(copy, Place(there=there, origin=tensor))
        _align(_Pair(tensor, copy, place))
        return copy

    def _refresh(self, pair: _Pair, wanted: torch.Tensor) -> None:
        """Write over one of a pair what was written into the other since they were alike."""
        origin, copy, link = pair
        newer = [each for each, version in zip((origin, copy), link.alike, strict=True) if each._version != version]  # noqa: SLF001
        if newer and newer[0] is not wanted:
            self._copied(newer[0], self._devices[link.there if wanted is origin else not link.there], wanted)
            _align(pair)
            self._written(wanted)

    # -- places

    def _place(self, tensor: torch.Tensor, *, there: bool | None = None) -> Place:
        known = self._known.get(id(tensor))
        if known is not None:
            return known.place
        place = self._state.places.get(id(tensor))
        if place is None:
            place = Place(there=self._elsewhere(tensor) if there is None else there)
        self._take(tensor, place)
        return place

    def _elsewhere(self, tensor: torch.Tensor) -> bool:
        """Return the side of a tensor that comes from elsewhere: of one that the network kept, by its device."""
        return bool(tensor.device.type != self._devices[False].type)

    def _take(self, tensor: torch.Tensor, place: Place) -> None:
        key, storage = id(tensor), tensor.untyped_storage()._cdata  # noqa: SLF001 its only name without an address
        showing = self._showing.setdefault(storage, set())
        showing.add(key)

        def gone(_: object) -> None:
            self._known.pop(key, None)
            showing.discard(key)

        self._known[key] = _Known(ref(tensor, gone), place, storage)

    def _sharing(self, tensor: torch.Tensor) -> list[torch.Tensor]:
        """Return the known tensors that show the storage of one, itself among them."""
        self._place(tensor)
        keys = self._showing[self._known[id(tensor)].storage]
        return [each for key in keys if (each := self._known[key].alive()) is not None]


def _align(pair: _Pair) -> None:
    pair.link.alike = (pair.origin._version, pair.copy._version)  # noqa: SLF001
