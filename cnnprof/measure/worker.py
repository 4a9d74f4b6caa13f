"""What a measuring worker runs: one network at one setting. It needs torch and the standard library, no more."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cnnprof.devices import DEVICES
from cnnprof.devices.base import Network
from cnnprof.devices.cuda.failures import explained
from cnnprof.measure.protocol import Earlier, Plan, measure

if TYPE_CHECKING:
    import torch

    from cnnprof.model.graph import Graph
    from cnnprof.model.run import Setting


def run(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what ``protocol.measure`` yields of a request.

    Args:
        request: ``device``, ``plan``, ``earlier``, ``sizes`` in bytes that are copied, ``weights_bytes`` of weights and
            buffers, ``input_bytes`` of all inputs of the batch; of a real device ``setting`` and ``graph`` as JSON, and
            ``source`` where the network is code; of the fake one what its file says. ``split`` where it runs on two.
    """
    with explained():
        network = None if request["device"].startswith("fake") else _network(request)
        yield from _measured(network, request)


def run_here(request: dict[str, Any], module: torch.nn.Module | None = None) -> Iterator[dict[str, Any]]:
    """Yield the same in a process that has other things to do, whose torch is afterwards what it was.

    Args:
        request: as for ``run``.
        module: what to measure a copy of; None: what the request names.
    """
    if request["device"].startswith("fake"):
        yield from _measured(None, request)
        return
    from cnnprof.measure import imported, kept, network

    network.check_torch()
    with kept.torch_kept(request["device"]), explained():
        if module is None:
            # No name here holds the network at the end, when its memory is given back.
            yield from _measured(_network(request), request)
        else:
            yield from _measured(imported.of(module, *_asked(request), _on_device(request)), request)


def _measured(network: Network | None, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    name = request["device"].partition(":")[0]
    if request["split"] is not None and name != "fake":
        name = "cpu"  # its forward begins and ends there, where the clock of the CPU sees all of it
    device = import_module(DEVICES[name])
    plan = Plan(*request["plan"])._replace(sizes=request["sizes"])
    yield from measure(device.subject(network, request), plan, Earlier(**request["earlier"]))


def _network(request: dict[str, Any]) -> Network:
    from cnnprof.measure import imported, network

    network.check_torch()
    graph, setting = _asked(request)
    on_device = _on_device(request)
    if request["source"] is not None:
        return imported.named(request["source"], graph, setting, on_device)
    return network.built(graph, setting) if on_device is None else network.split(graph, setting, on_device)


def _on_device(request: dict[str, Any]) -> list[str] | None:
    """Return the layers of a split network that are on the device."""
    return None if request["split"] is None else request["split"]["on_device"]


def _asked(request: dict[str, Any]) -> tuple[Graph, Setting]:
    from cnnprof.model.graph import Graph
    from cnnprof.model.plain import from_json
    from cnnprof.model.run import Setting

    return from_json(request["graph"], Graph), from_json(request["setting"], Setting)
