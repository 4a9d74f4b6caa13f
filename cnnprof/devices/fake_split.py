"""A network split over a fake host and a fake device: the script of each for its own layers, and what crosses.

What crosses is in pageable memory, as torch makes what layers return, and as a real split copies it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnprof.devices.fake import FakeSubject
from cnnprof.devices.fake_script import Script


class SplitSubject(FakeSubject):
    """A forward that begins and ends on the host. Its layers are not told apart."""

    def __init__(self, device: Script, rows: Sequence[Sequence[Any]], peak_bytes: int, split: dict[str, Any]) -> None:
        host = Script(**split["host_script"])
        there = set(split["on_device"])
        sides = [device if name in there else host for name, _, _ in rows]
        super().__init__(device._replace(launch_ns=0, host=True), rows, peak_bytes, trains=False)
        layers = [
            max(one, script.launch_ns)
            for script, row in zip(sides, rows, strict=True)
            for one in FakeSubject(script, [row], 0, trains=False).layers_ns
        ]
        gaps = [*(script.gap_ns for script in sides), host.gap_ns]
        copies = [self.copy_ns(size, "pageable") for _, size in split["copies"]]
        self.layers, self.marks, self.passes = (), (), ("E",)
        self._times = [*layers, *gaps, *copies]

    def _intervals(self, factor: float, kind: str) -> list[int]:  # noqa: ARG002 of every kind, there is one
        return [round(time * factor) for time in self._times]
