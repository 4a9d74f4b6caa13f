"""Memory as a program fills and frees it, without a byte of it: sizes, holders, and the largest sum there was."""

from __future__ import annotations

from cnnprof.model.graph import TensorSpec
from cnnprof.model.memory import Alive, What


class Heap:
    """Storages by number; one lives while somebody holds it. The peak is looked for after every allocation."""

    def __init__(self) -> None:
        self.bytes = 0
        self.peak = -1
        self.peak_at = 0
        """Number of the allocation that made the peak."""
        self.peak_layer: str | None = None
        self.running: str | None = None
        """The layer that allocates, for ``peak_layer``; set by whoever runs the program."""
        self._storages: list[Alive] = []
        self._holders: list[int] = []
        self._freed: dict[int, int] = {}
        """Of every storage that was freed, how many allocations there had been by then."""

    def allocate(self, layer: str, what: What, tensor: TensorSpec) -> int:
        """Return a new storage with one holder."""
        number, size = len(self._storages), tensor.nbytes
        self._storages.append(Alive(layer=layer, what=what, tensor=tensor, bytes=size))
        self._holders.append(1)
        self.bytes += size
        if self.bytes > self.peak:
            self.peak, self.peak_at, self.peak_layer = self.bytes, number, self.running
        return number

    def hold(self, storage: int) -> int:
        """Add a holder and return the storage."""
        self._holders[storage] += 1
        return storage

    def drop(self, storage: int) -> None:
        """Take a holder away; with the last one the storage is freed."""
        self._holders[storage] -= 1
        if not self._holders[storage]:
            self.bytes -= self._storages[storage].bytes
            self._freed[storage] = len(self._storages)

    @property
    def allocations(self) -> int:
        """How many there have been."""
        return len(self._storages)

    @property
    def alive(self) -> tuple[Alive, ...]:
        """What was there at the peak, in the order it was made."""
        made = enumerate(self._storages[: self.peak_at + 1])
        return tuple([each for number, each in made if self._freed.get(number, self.allocations) > self.peak_at])

    def is_shared(self, storage: int) -> bool:
        """Return whether more than one holds a storage."""
        return self._holders[storage] > 1
