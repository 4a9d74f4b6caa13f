"""Whether a device pays: for the whole network, and for each layer by itself.

With C the host's time, G the device's, X = H2D + D2H what copying inputs and outputs takes, and W what is paid once:
G + X + W/N < C over N batches one after the other, max(G, H2D, D2H) + W/N < C where copies are hidden behind the
computing of other batches and both ways run at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from cnnprof.model.offload import AtBatch, LayerOffload, LoadCost, Route, Way
from cnnprof.model.plain import replace
from cnnprof.model.run import Load, Overlap
from cnnprof.offload.fit import Link, links
from cnnprof.offload.medians import NS, median
from cnnprof.offload.tensors import Flow, Value, flow
from cnnprof.units import duration, ratio

if TYPE_CHECKING:
    from cnnprof.model.profile import LayerTime
    from cnnprof.offload.pairs import Pair


class Between(NamedTuple):
    """A pair, what flows in the network, and what carries it."""

    pair: Pair
    flow: Flow
    links: tuple[Link, ...]

    @property
    def link(self) -> Link | None:
        """What carries tensors between layers: pageable memory, in which torch makes them, if it was measured."""
        return self.links[-1] if self.links else None

    @property
    def layered(self) -> bool:
        """Whether there are layers to compare: of a training step only the whole is, and of a compiled network."""
        setting = self.pair.device.part.setting
        return setting.mode == "inference" and not setting.compiled


def between(pair: Pair) -> Between | None:
    """Return what two parts are compared with; None where nothing is known of the network."""
    part = pair.device.part
    return None if part.analysis is None else Between(pair, flow(part.analysis), links(part.copies))


def at_batch(found: Between) -> AtBatch:
    """Return what one batch says, without the placement."""
    host, device = found.pair.host.profile.whole, found.pair.device.profile.whole
    part = found.pair.device.part
    ends = () if part.setting.mode == "training" else found.flow.outputs
    whole = _Whole(
        None if host is None else host.median_s, None if device is None else device.median_s, found.flow.inputs, ends
    )  # fmt: skip
    load = None if part.load is None else _load(part.load, whole.device_s)
    return AtBatch(
        batch=found.pair.batch,
        confirms=found.pair.confirms,
        host_s=whole.host_s,
        device_s=whole.device_s,
        output_bytes=sum(each.bytes for each in ends),
        load=load,
        routes=tuple(_route(link, whole, load) for link in found.links) if device is not None else (),
        fits=tuple(fit for link in found.links for fit in link.fits.values()),
        overlap=None if part.overlap is None else _overlap(part.overlap),
        layers=_layers(found) if found.layered else (),
    )


class _Whole(NamedTuple):
    host_s: float | None
    device_s: float | None
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]


def _load(load: Load, device_s: float | None) -> LoadCost:
    first = None
    if load.first_ns is not None and device_s is not None:
        first = max(0.0, load.first_ns / NS - device_s)
    return LoadCost(weights_s=_seconds(load.weights_ns), context_s=_seconds(load.context_ns), kernels_s=first)


def _seconds(time_ns: int | None) -> float | None:
    return None if time_ns is None else time_ns / NS


def _overlap(overlap: Overlap) -> float | None:
    """Return η = (copy + compute − both) ÷ min(copy, compute); None where there is nothing to hide."""
    if not (overlap.copy_ns and overlap.compute_ns and overlap.both_ns):
        return None
    copy, compute, both = median(overlap.copy_ns), median(overlap.compute_ns), median(overlap.both_ns)
    return (copy + compute - both) / min(copy, compute) if min(copy, compute) > 0 else None


# The whole network


def _route(link: Link, whole: _Whole, load: LoadCost | None) -> Route:
    back = total([link.seconds("d2h", each.bytes) for each in whole.outputs])
    there = _sent(link, [each.bytes for each in whole.inputs])
    if there is None or back is None:
        lacking = "an input to the device" if there is None else "an output to the host"
        unknown = f"{lacking} was not copied at its size, and no line of copies reaches it"
        return Route(memory=link.memory, ways=(), unknown=unknown)
    as_is = _way("as is", sum(each.bytes for each in whole.inputs), there, back, whole, load)
    sizes = [each.narrow_bytes for each in whole.inputs]
    narrow = _sent(link, sizes) if sum(sizes) < as_is.input_bytes else None
    ways = (as_is,) if narrow is None else (as_is, _way("uint8", sum(sizes), narrow, back, whole, load))
    return Route(memory=link.memory, ways=ways, message=said(as_is, whole.host_s, as_is.serial_s - there - back))


def _sent(link: Link, sizes: Sequence[int]) -> float | None:
    """Return what all inputs take one by one."""
    return total([link.seconds("h2d", size) for size in sizes])


def total(seconds: Iterable[float | None]) -> float | None:
    """Return the sum; None where one is not known."""
    found = list(seconds)
    known = [each for each in found if each is not None]
    return math.fsum(known) if len(known) == len(found) else None


def _way(
    name: Literal["as is", "uint8"], size: int, there: float, back: float, whole: _Whole, load: LoadCost | None
) -> Way:
    device, host = whole.device_s or 0.0, whole.host_s
    serial, overlapped = device + there + back, max(device, there, back)
    return Way(
        input=name, input_bytes=size, to_device_s=there, to_host_s=back, serial_s=serial, overlapped_s=overlapped,
        load_ratio=device / (there + back) if there + back else None,
        pays=None if host is None else serial < host,
        pays_overlapped=None if host is None else overlapped < host,
        load_batches=_batches(load, host, serial), load_batches_overlapped=_batches(load, host, overlapped),
    )  # fmt: skip


def _batches(load: LoadCost | None, host: float | None, device: float) -> int | None:
    """Return the least N with device + W/N < host; None where there is none, or nobody knows W."""
    if load is None or host is None or len(load.unknown) == 3 or device >= host:  # noqa: PLR2004 of all three
        return None
    return math.floor(load.known_s / (host - device)) + 1


def said(way: Way, host: float | None, device: float) -> str:
    """Return in words whether computing takes longer than loading, and whether the device pays."""
    loading = way.to_device_s + way.to_host_s
    if way.load_ratio is None:
        first = "loading takes no time that was seen" if way.input_bytes else "nothing has to be loaded"
    elif way.load_ratio >= 1:
        first = f"computing ({duration(device)}) takes {ratio(way.load_ratio)} times as long as loading"
    else:
        first = f"loading-bound: loading takes {ratio(1 / way.load_ratio)} times as long as computing"
    first += f" ({duration(loading)})" if way.load_ratio is not None else ""
    return first if host is None else f"{first}; {_verdict(way, host)}"


def _verdict(way: Way, host: float) -> str:
    if way.pays:
        return f"it pays: {ratio(host / way.serial_s)} times as fast as the host, copies one after the other"
    if way.pays_overlapped:
        return (
            f"it pays only with copies behind the computing, {ratio(host / way.overlapped_s)} times as fast as the host"
        )
    longer = "as long" if way.serial_s == host else f"{ratio(way.serial_s / host)} times as long"
    return f"it does not pay: with the copies it takes {longer} as the host"


# Layers


def _layers(found: Between) -> tuple[LayerOffload, ...]:
    hosts, devices = ({each.name: each for each in side.profile.layers} for side in found.pair)
    read: dict[int, list[int]] = {}
    made: dict[int, list[int]] = {}
    for value in found.flow.values:
        for reader in value.readers:
            read.setdefault(reader, []).append(value.bytes)
        if value.source is not None:
            made.setdefault(value.source, []).append(value.bytes)
    return tuple(
        _layer(hosts.get(name), devices.get(name), name, read.get(at, []), made.get(at, []), found.link)
        for at, name in enumerate(found.flow.names)
    )


def _layer(
    host: LayerTime | None, device: LayerTime | None, name: str, read: list[int], made: list[int], link: Link | None
) -> LayerOffload:
    found = LayerOffload(
        name=name,
        host_s=None if host is None or host.time is None else host.time.median_s,
        device_s=None if device is None or device.time is None else device.time.median_s,
        launch_s=None if device is None else launch_gap(device),
        in_bytes=sum(read),
        out_bytes=sum(made),
        to_device_s=None if link is None else total(link.seconds("h2d", size) for size in read),
        to_host_s=None if link is None else total(link.seconds("d2h", size) for size in made),
        pays=None,
    )
    alone = found.alone_s
    return found if alone is None or found.host_s is None else replace(found, pays=alone < found.host_s)


def launch_gap(time: LayerTime) -> float | None:
    """Return what a device waits for the host before it computes a layer."""
    return time.launch_gap_s
