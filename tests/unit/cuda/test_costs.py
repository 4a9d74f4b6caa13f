"""What marks cost on a GPU that a test makes up, whose events cost what the test says."""

from __future__ import annotations

from cnnprof.devices.cuda.passes import CudaSubject
from tests.helpers.gpu import Machine, network


def costs(layer_ns: int, host_ns: int, **machine) -> dict:
    made = Machine(**machine)
    return CudaSubject(made.toolkit, network(made, {"conv": layer_ns, "fc": layer_ns}, host_ns=host_ns), 0).costs()


def rounded(cost: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in cost.items()}


def test_where_the_device_waits_for_the_host_a_mark_costs_the_host_s_time():
    found = costs(1_000, 10_000, record_ns=40)

    # The idle layers take the host 300 ns and the device 200, so that both marks of a layer fall into one. There are
    # 100: the last one's second mark costs nothing more.
    assert {"inside_ns": 79.6, "outside_ns": 0.0, "inside_cpu_ns": 0.0} == rounded(found["line"])


def test_marks_that_take_longer_than_the_device_computes_fall_between_layers_too():
    found = costs(1_000, 10_000, record_ns=150)

    assert {"inside_ns": 198.5, "outside_ns": 100.0, "inside_cpu_ns": 0.0} == rounded(found["line"])


def test_where_the_host_is_ahead_a_mark_costs_the_device_s_time():
    found = costs(10_000, 1_000, record_ns=40, event_ns=15)

    assert {"inside_ns": 14.7, "outside_ns": 15.0, "inside_cpu_ns": 0.0} == rounded(found["line"])


def test_in_pass_q_a_mark_costs_the_device_s_time_in_any_case():
    found = costs(1_000, 10_000, record_ns=40, event_ns=15)

    assert {"inside_ns": 14.7, "outside_ns": 15.0, "inside_cpu_ns": 0.0} == rounded(found["Q"])


def test_where_nothing_can_be_queued_ahead_marks_of_pass_q_have_no_known_cost():
    assert {"line"} == costs(1_000, 10_000, holds=2).keys()
