"""What NVIDIA's management library says of a GPU. Whatever it does not say, or cannot, is None."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

_THROTTLE = {
    0x1: "gpu_idle",
    0x2: "applications_clocks_setting",
    0x4: "sw_power_cap",
    0x8: "hw_slowdown",
    0x10: "sync_boost",
    0x20: "sw_thermal_slowdown",
    0x40: "hw_thermal_slowdown",
    0x80: "hw_power_brake_slowdown",
    0x100: "display_clock_setting",
    0x200: "board_limit",
    0x400: "reliability",
}
"""Bits of ``nvmlDeviceGetCurrentClocksEventReasons`` (nvml.h), named as nvidia-smi names them."""
_MILLI = 1000


class Nvml:
    """One GPU, as NVML sees it; every question may fail, and costs nothing but its answer then."""

    def __init__(self, uuid: str | None) -> None:
        """Find the GPU of torch's ``uuid``: NVML numbers GPUs in its own order and knows nothing of hidden ones."""
        self._nvml = ask(_library)
        self._handle = None if uuid is None else ask(lambda: self._nvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}"))

    def driver(self) -> str | None:
        """Return the version of the driver."""
        found = ask(lambda: self._nvml.nvmlSystemGetDriverVersion())  # noqa: PLW0108 without a library it has no such name
        return found.decode() if isinstance(found, bytes) else found

    def said(self) -> dict[str, Any]:
        """Return the fields of ``Telemetry`` that are of one moment."""
        power = self._device("nvmlDeviceGetPowerUsage")
        return {
            "sm_clock_mhz": self._device("nvmlDeviceGetClockInfo", "NVML_CLOCK_SM"),
            "memory_clock_mhz": self._device("nvmlDeviceGetClockInfo", "NVML_CLOCK_MEM"),
            "power_w": None if power is None else power / _MILLI,
            "temperature_c": self._device("nvmlDeviceGetTemperature", "NVML_TEMPERATURE_GPU"),
            "throttle": self._throttle(),
            "pcie_generation": self._device("nvmlDeviceGetCurrPcieLinkGeneration"),
            "pcie_width": self._device("nvmlDeviceGetCurrPcieLinkWidth"),
        }

    def energy_j(self) -> float | None:
        """Return the energy that the GPU has taken since its driver was loaded."""
        found = self._device("nvmlDeviceGetTotalEnergyConsumption")
        return None if found is None else found / _MILLI

    def _throttle(self) -> list[str] | None:
        bits = self._device("nvmlDeviceGetCurrentClocksEventReasons")
        if bits is None:  # its name in drivers before 535
            bits = self._device("nvmlDeviceGetCurrentClocksThrottleReasons")
        if bits is None:
            return None
        known = [name for bit, name in _THROTTLE.items() if bits & bit]
        other = bits & ~sum(_THROTTLE)
        return known + ([f"{other:#x}"] if other else [])

    def _device(self, question: str, *constants: str) -> Any:
        if self._handle is None:
            return None
        return ask(partial(self._answer, question, constants))

    def _answer(self, question: str, constants: tuple[str, ...]) -> Any:
        return getattr(self._nvml, question)(self._handle, *(getattr(self._nvml, name) for name in constants))


def _library() -> Any:
    library = import_module("pynvml")
    library.nvmlInit()
    return library


def ask(question: Callable[[], Any]) -> Any:
    """Return the answer; None where there is none: no library, no driver, not supported, GPU lost."""
    try:
        return question()
    except Exception:  # noqa: BLE001 what is not known is None, whatever the reason, and costs no measurement
        return None
