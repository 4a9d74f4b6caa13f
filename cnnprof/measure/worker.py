"""What a measuring worker runs: one network at one setting. It needs torch and the standard library, no more."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from cnnprof.devices import DEVICES
from cnnprof.devices.base import Network
from cnnprof.measure.protocol import Earlier, Plan, measure


def run(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what ``protocol.measure`` yields of a request.

    Args:
        request: ``device``, ``plan``, ``earlier``; of a real device ``setting`` and ``graph`` as JSON, and ``source``
            where the network is code; of the fake one what its file says.
    """
    name = request["device"].partition(":")[0]
    device = import_module(DEVICES[name])
    network = None if name == "fake" else _network(request)
    yield from measure(device.subject(network, request), Plan(**request["plan"]), Earlier(**request["earlier"]))


def _network(request: dict[str, Any]) -> Network:
    from cnnprof.measure import imported, network
    from cnnprof.model.graph import Graph
    from cnnprof.model.plain import from_json
    from cnnprof.model.run import Setting

    network.check_torch()
    setting = from_json(request["setting"], Setting)
    graph = from_json(request["graph"], Graph)
    if request["source"] is not None:
        return imported.named(request["source"], graph, setting)
    return network.built(graph, setting)
