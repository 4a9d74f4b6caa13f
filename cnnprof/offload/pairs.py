"""Which parts of a run stand beside each other: the host's and another device's, of the same network and setting."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cnnprof.model.graph import Input
from cnnprof.model.plain import replace
from cnnprof.model.profile import Profile
from cnnprof.model.run import Part


class Measured(NamedTuple):
    """A part with its figures, and the samples that the figure of the whole is a median of."""

    part: Part
    profile: Profile
    walls_ns: tuple[int, ...] = ()


class Pair(NamedTuple):
    """One batch on both."""

    host: Measured
    device: Measured

    @property
    def batch(self) -> int:
        return self.host.part.setting.batch

    @property
    def confirms(self) -> bool:
        """Whether nobody asked for this batch: it stands right beside a break-even."""
        return self.device.part.confirms


def is_host(part: Part) -> bool:
    """Return whether a part is of the CPU, or of a fake device that stands for one."""
    return part.setting.device == "cpu" or bool((part.script or {}).get("host"))


def grouped(found: Iterable[Measured]) -> tuple[tuple[Pair, ...], ...]:
    """Return for each network, setting, device and host what was measured at each batch, on both."""
    known = [each for each in found if each.part.split is None]
    hosts: dict[object, dict[str, Measured]] = {}
    for each in known:
        if is_host(each.part):
            hosts.setdefault(_what(each.part), {}).setdefault(each.part.setting.device, each)
    groups: dict[object, list[Pair]] = {}
    for each in known:
        for name, host in hosts.get(_what(each.part), {}).items():
            if not is_host(each.part):
                groups.setdefault((_series(each.part), name), []).append(Pair(host, _arrived(each)))
    return tuple(_by_batch(pairs) for pairs in groups.values())


def _arrived(device: Measured) -> Measured:
    """Return what was measured without the copies of which something else arrived: their times are of no copy."""
    copies = tuple(each for each in device.part.copies if each.verified is not False)
    return device._replace(part=replace(device.part, copies=copies))


def split_beside(found: Iterable[Measured], pair: Pair, on_device: tuple[str, ...]) -> Measured | None:
    """Return the same network at the same setting, split like this; None where nobody ran it."""
    wanted = (pair.device.part.model, pair.device.part.setting, _inputs(pair.device.part), on_device)
    return next(
        (
            each
            for each in found
            if each.part.split is not None
            and wanted == (each.part.model, each.part.setting, _inputs(each.part), each.part.split.on_device)
            and each.part.split.host_script == pair.host.part.script
        ),
        None,
    )


def _by_batch(pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    return tuple(sorted(pairs, key=lambda pair: pair.batch))


def _series(part: Part) -> tuple[object, ...]:
    """Return what parts share that differ in nothing but the batch."""
    return part.model, replace(part.setting, batch=1), _inputs(part)


def _what(part: Part) -> tuple[object, ...]:
    """Return what parts share that differ in nothing but the device; TensorFloat-32 is a device's own affair."""
    return part.model, replace(part.setting, device="", tf32=False), _inputs(part)


def _inputs(part: Part) -> tuple[Input, ...]:
    return () if part.graph is None else part.graph.inputs
