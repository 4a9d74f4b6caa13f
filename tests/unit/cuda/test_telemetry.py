"""What NVIDIA's library says, on one that a test makes up, each of whose answers may be missing (FAULTS 19, P8)."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from cnnprof.devices.cuda.passes import CudaSubject
from cnnprof.devices.cuda.telemetry import Nvml
from tests.helpers.gpu import Machine, network

ANSWERS: dict[str, Any] = {
    "nvmlInit": None,
    "nvmlSystemGetDriverVersion": "580.1",
    "nvmlDeviceGetHandleByUUID": "handle",
    "nvmlDeviceGetClockInfo": {("handle", "sm"): 1980, ("handle", "memory"): 3201},
    "nvmlDeviceGetPowerUsage": {("handle",): 312_500},
    "nvmlDeviceGetTemperature": {("handle", "gpu"): 41},
    "nvmlDeviceGetCurrentClocksEventReasons": {("handle",): 0x4 | 0x40},
    "nvmlDeviceGetCurrPcieLinkGeneration": {("handle",): 5},
    "nvmlDeviceGetCurrPcieLinkWidth": {("handle",): 16},
    "nvmlDeviceGetTotalEnergyConsumption": {("handle",): 1_000},
}
SAID = {
    "sm_clock_mhz": 1980,
    "memory_clock_mhz": 3201,
    "power_w": 312.5,
    "temperature_c": 41,
    "throttle": ["sw_power_cap", "hw_thermal_slowdown"],
    "pcie_generation": 5,
    "pcie_width": 16,
}
FIELDS = {
    "nvmlDeviceGetClockInfo": ("sm_clock_mhz", "memory_clock_mhz"),
    "nvmlDeviceGetPowerUsage": ("power_w",),
    "nvmlDeviceGetTemperature": ("temperature_c",),
    "nvmlDeviceGetCurrentClocksEventReasons": ("throttle",),
    "nvmlDeviceGetCurrPcieLinkGeneration": ("pcie_generation",),
    "nvmlDeviceGetCurrPcieLinkWidth": ("pcie_width",),
}


class NVMLError(Exception):
    """As the library's own."""


def library(**changes: Any) -> Any:
    """The module pynvml; an exception among the answers is raised, and ``...`` leaves a function out."""

    def answering(answer: Any) -> Any:
        def asked(*given: Any) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer[given] if isinstance(answer, dict) else answer(*given) if callable(answer) else answer

        return asked

    answers = {name: answer for name, answer in (ANSWERS | changes).items() if answer is not ...}
    constants = {"NVML_CLOCK_SM": "sm", "NVML_CLOCK_MEM": "memory", "NVML_TEMPERATURE_GPU": "gpu"}
    return SimpleNamespace(**{name: answering(answer) for name, answer in answers.items()}, **constants)


@pytest.fixture
def pynvml(monkeypatch):
    def make(found: Any) -> None:
        monkeypatch.setitem(sys.modules, "pynvml", found)

    make(library())
    return make


@pytest.mark.usefixtures("pynvml")
def test_clocks_power_temperature_throttling_and_the_link_are_told():
    assert SAID == Nvml("cafe").said()
    assert 1.0 == Nvml("cafe").energy_j()
    assert "580.1" == Nvml("cafe").driver()


def test_the_gpu_is_found_by_torch_s_name_for_it(pynvml):
    asked: list[str] = []
    pynvml(library(nvmlDeviceGetHandleByUUID=lambda uuid: asked.append(uuid) or "handle"))

    assert SAID == Nvml("cafe").said()
    assert ["GPU-cafe"] == asked


@pytest.mark.parametrize("question", FIELDS)
@pytest.mark.parametrize("answer", [NVMLError("GPU is lost"), KeyError("amdsmi"), ...])
def test_what_one_question_does_not_answer_is_none_and_the_rest_is_told(pynvml, question, answer):
    pynvml(library(**{question: answer}))

    assert SAID | dict.fromkeys(FIELDS[question]) == Nvml("cafe").said()


@pytest.mark.parametrize("question", ["nvmlInit", "nvmlDeviceGetHandleByUUID"])
def test_a_library_that_does_not_start_or_does_not_know_the_gpu_tells_nothing(pynvml, question):
    pynvml(library(**{question: NVMLError("Driver/library version mismatch")}))

    assert dict.fromkeys(SAID) == Nvml("cafe").said()
    assert Nvml("cafe").energy_j() is None


def test_without_the_library_nothing_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)

    assert dict.fromkeys(SAID) == Nvml("cafe").said()
    assert Nvml("cafe").driver() is None


@pytest.mark.usefixtures("pynvml")
def test_a_gpu_that_torch_has_no_name_for_tells_nothing():
    assert dict.fromkeys(SAID) == Nvml(None).said()


@pytest.mark.parametrize(
    ("bits", "expected"), [(0, []), (0x1, ["gpu_idle"]), (0x8 | 0x8000, ["hw_slowdown", "0x8000"])]
)
def test_reasons_for_low_clocks_are_names_and_none_is_not_the_same_as_unknown(pynvml, bits, expected):
    pynvml(library(nvmlDeviceGetCurrentClocksEventReasons=bits))

    assert expected == Nvml("cafe").said()["throttle"]


def test_older_drivers_have_another_name_for_them(pynvml):
    pynvml(library(nvmlDeviceGetCurrentClocksEventReasons=..., nvmlDeviceGetCurrentClocksThrottleReasons=0x80))

    assert ["hw_power_brake_slowdown"] == Nvml("cafe").said()["throttle"]


# Of a network


def subject(layer_ns: int = 100_000_000) -> CudaSubject:
    machine = Machine()
    return CudaSubject(machine.toolkit, network(machine, {"conv": layer_ns}), 0)


@pytest.mark.usefixtures("pynvml")
def test_before_the_passes_only_the_moment_is_told():
    assert SAID | {"when": "before"} == subject().telemetry("before")


def test_after_them_the_energy_of_whole_forwards_over_at_least_a_second(pynvml):
    millijoules = iter([5_000, 255_000])
    pynvml(library(nvmlDeviceGetTotalEnergyConsumption=lambda _handle: next(millijoules)))

    energy = {"energy_j": 250.0, "energy_s": 1.2, "energy_forwards": 4}
    assert SAID | energy | {"when": "after"} == subject(300_000_000).telemetry("after")


@pytest.mark.parametrize("fails", [1, 2])
def test_energy_that_is_not_counted_before_or_after_is_not_told(pynvml, fails):
    asked: list[int] = []

    def counted(_handle: str) -> int:
        asked.append(1)
        if len(asked) == fails:
            raise NVMLError("Not Supported")
        return 1_000

    pynvml(library(nvmlDeviceGetTotalEnergyConsumption=counted))
    assert SAID | {"when": "after"} == subject().telemetry("after")


def test_where_nobody_says_anything_there_is_no_telemetry_and_no_failure(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)

    assert [None, None] == [subject().telemetry(when) for when in ("before", "after")]
