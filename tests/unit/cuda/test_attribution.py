"""Pass K on a GPU: what torch.profiler says there, made up."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from torch.autograd import DeviceType

from cnnprof.devices import attribution


def event(name: str, device: Any = DeviceType.CPU, **more: Any) -> Any:
    given = {"name": name, "device_type": device, "cpu_children": [], "kernels": [], "self_cpu_time_total": 1.0}
    return SimpleNamespace(**given | more)


def launched(name: str, time_us: float) -> Any:
    return SimpleNamespace(name=name, duration=time_us)


def attributed(monkeypatch: Any, events: list[Any], layers: list[str]) -> Any:
    monkeypatch.setattr(attribution, "_profiled", lambda _marking, _finish: events)
    return attribution.attributed(None, layers, finish=lambda: None)


def test_of_a_range_that_the_gpu_shows_too_the_host_s_says_what_was_launched(monkeypatch):
    convolution = event("aten::conv2d", kernels=[launched("sm90_gemm", 9.0), launched("Memset (Device)", 1.0)])
    events = [
        event("cnnprof layer 0", cpu_children=[convolution]),
        event("cnnprof layer 0", DeviceType.CUDA),
        event("sm90_gemm", DeviceType.CUDA),
    ]

    assert [
        {
            "layer": "conv",
            "kernels": [
                {"name": "sm90_gemm", "kind": "kernel", "launches": 1},
                {"name": "Memset (Device)", "kind": "copy", "launches": 1},
            ],
        }
    ] == attributed(monkeypatch, events, ["conv"])


def test_where_the_gpu_s_side_is_not_seen_there_are_operators(monkeypatch):
    events = [event("cnnprof layer 0", cpu_children=[event("aten::relu")])]

    expected = [{"layer": "relu", "kernels": [{"name": "aten::relu", "kind": "operator", "launches": 1}]}]
    assert expected == attributed(monkeypatch, events, ["relu"])
