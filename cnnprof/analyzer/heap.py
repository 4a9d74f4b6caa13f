"""Memory as a program fills and frees it, without a byte of it: sizes, holders, and the largest sum there was."""

from __future__ import annotations

from typing import NamedTuple

from cnnprof.model.graph import TensorSpec
from cnnprof.model.memory import Alive, What


class Block(NamedTuple):
    """One allocation: who made it, and the tensor it is for."""

    layer: str
    what: What
    tensor: TensorSpec


class Heap:
    """Storages by number; one lives while somebody holds it.

    The peak is looked for after every allocation. To name what is alive then, run the same program again with
    ``until`` the number of that allocation: what is there at that moment is kept in ``alive``.
    """

    def __init__(self, until: int | None = None) -> None:
        self.bytes = 0
        self.peak = -1
        self.peak_at = 0
        """Number of the allocation that made the peak."""
        self.peak_layer: str | None = None
        self.running: str | None = None
        """The layer that allocates, for ``peak_layer``; set by whoever runs the program."""
        self.alive: tuple[Alive, ...] = ()
        self._until = until
        self._sizes: list[int] = []
        self._holders: list[int] = []
        self._blocks: list[Block] = []

    def allocate(self, layer: str, what: What, tensor: TensorSpec) -> int:
        """Return a new storage with one holder."""
        number, size = len(self._sizes), tensor.nbytes
        self._sizes.append(size)
        self._holders.append(1)
        self._blocks.append(Block(layer, what, tensor))
        self.bytes += size
        if self.bytes > self.peak:
            self.peak, self.peak_at, self.peak_layer = self.bytes, number, self.running
        if number == self._until:
            self.alive = self._there()
        return number

    def hold(self, storage: int) -> int:
        """Add a holder and return the storage."""
        self._holders[storage] += 1
        return storage

    def drop(self, storage: int) -> None:
        """Take a holder away; with the last one the storage is freed."""
        self._holders[storage] -= 1
        if not self._holders[storage]:
            self.bytes -= self._sizes[storage]

    @property
    def allocations(self) -> int:
        """How many there have been."""
        return len(self._sizes)

    def is_shared(self, storage: int) -> bool:
        """Return whether more than one holds a storage."""
        return self._holders[storage] > 1

    def _there(self) -> tuple[Alive, ...]:
        return tuple(
            Alive(layer=block.layer, what=block.what, tensor=block.tensor, bytes=size)
            for block, size, holders in zip(self._blocks, self._sizes, self._holders, strict=True)
            if holders
        )
