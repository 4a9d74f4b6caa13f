"""What the times on a GPU depend on: the GPU, the software, and where both lie in the machine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from cnnprof.devices import system
from cnnprof.devices.cuda.context import precision
from cnnprof.devices.cuda.found import nvidia_state, read
from cnnprof.devices.cuda.telemetry import Nvml, ask
from cnnprof.devices.cuda.toolkit import Toolkit

_NODES = Path("/sys/devices/system/node")
_PCI = Path("/sys/bus/pci/devices")


def describe(toolkit: Toolkit, properties: Any, nvml: Nvml) -> dict[str, Any]:
    """Return host, GPU, versions and what was fixed; None for what is not known.

    Args:
        toolkit: with what it is measured.
        properties: torch's, of the GPU.
        nvml: the same GPU.
    """
    torch = toolkit.torch
    return system.describe() | precision(toolkit) | {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "gpu": properties.name,
        "capability": f"{properties.major}.{properties.minor}",
        "gpu_memory_bytes": properties.total_memory,
        "l2_bytes": l2_bytes(properties),
        "multiprocessors": properties.multi_processor_count,
        "driver": nvml.driver() or nvidia_state()["driver"],
        "cuda": torch.version.cuda,
        "cudnn": ask(torch.backends.cudnn.version),
        "gpu_numa_node": gpu_node(properties),
        "numa_nodes": own_nodes(),
    }  # fmt: skip


def l2_bytes(properties: Any) -> int | None:
    """Return the size of the GPU's last cache."""
    return getattr(properties, "L2_cache_size", None) or None


def gpu_node(properties: Any, root: Path = _PCI) -> int | None:
    """Return the node of memory that the GPU is nearest to; None where the system does not say, or has but one."""
    domain, bus, device = (getattr(properties, f"pci_{part}_id", None) for part in ("domain", "bus", "device"))
    if domain is None or bus is None or device is None:
        return None
    found = read(root / f"{domain:04x}:{bus:02x}:{device:02x}.0" / "numa_node")
    return int(found) if found is not None and re.fullmatch(r"\d+\s*", found) else None  # −1: it does not know


def own_nodes(root: Path = _NODES) -> list[int] | None:
    """Return the nodes of memory whose CPUs this process may run on."""
    lists = {path.parent.name[4:]: read(path) for path in root.glob("node[0-9]*/cpulist")}
    mine = system.cores()
    found = [int(name) for name, cpus in lists.items() if cpus and mine & _numbers(cpus)]
    return sorted(found) or None


def _numbers(ranges: str) -> set[int]:
    """Return the numbers in ``0-3,8``."""
    ends = [[int(end) for end in each.split("-")] for each in ranges.strip().split(",") if each]
    return {number for first, *last in ends for number in range(first, (last or [first])[0] + 1)}
