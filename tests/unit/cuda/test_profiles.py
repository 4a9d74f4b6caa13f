"""A network on a GPU that a test makes up, measured and summed up as any: the ledger closes to the nanosecond."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cnnprof.api import profiling
from cnnprof.devices import system
from cnnprof.devices.cuda.failures import explained
from cnnprof.devices.cuda.passes import CudaSubject
from cnnprof.errors import UsageError
from cnnprof.measure.protocol import Earlier, Plan, measure
from cnnprof.measure.session import Session, _check_same
from cnnprof.measure.session import measure as session_measure
from cnnprof.measure.summary import summarise
from cnnprof.model.plain import from_json, to_json
from cnnprof.model.profile import Profile
from cnnprof.model.run import Part
from tests.helpers.gpu import Machine, network

PATTERN = "INPUT 3x8x8 -> CONV3-4 -> RELU -> FC-10"
NS = 1e-9


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """Nobody else is busy on this machine."""
    monkeypatch.setattr(system, "Others", lambda: lambda: 0.0)


def measured(machine: Machine, layer_ns: int, **changes: Any) -> Part:
    settings = profiling.settings_of(
        "cuda", "float32", (1,), channels_last=False, threads=None, compiled=False, training=None
    )
    run = profiling.new_run(profiling.parts_of(PATTERN, settings), 30.0, 0.02)
    assert run.parts[0].analysis is not None
    names = [row.name for row in run.parts[0].analysis.rows]

    def messages(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        with explained():
            made = network(machine, dict.fromkeys(names, layer_ns), **changes)
            plan = Plan(*request["plan"])._replace(sizes=request["sizes"])
            yield from measure(CudaSubject(machine.toolkit, made, 0), plan, Earlier(**request["earlier"]))

    return session_measure(run, Session(messages=messages)).run.parts[0]


def profile(machine: Machine, layer_ns: int, **changes: Any) -> Profile:
    return summarise(measured(machine, layer_ns, **changes))


def test_a_device_that_waits_for_its_host_has_launch_gaps_and_nothing_unexplained():
    found = profile(Machine(), 1_000_000, host_ns=4_000_000)

    ledger = found.ledger
    layers = len(found.layers)
    assert ledger is not None
    assert layers * 1e-3 == ledger.layers_s
    assert ledger.launch_gaps_s is not None
    # The first layer is launched while the device has nothing: its whole launch is in it, and its own time comes after.
    assert round(layers * 3e-3 + 1e-3, 12) == round(ledger.launch_gaps_s, 12)
    assert (0.0, 0.0) == (ledger.glue_s, ledger.unexplained_s)


def test_a_device_that_is_behind_its_host_waits_for_the_first_launch_only():
    ledger = profile(Machine(), 4_000_000, host_ns=1_000_000).ledger

    assert ledger is not None
    assert ledger.launch_gaps_s is not None
    assert 1e-3 == round(ledger.launch_gaps_s, 12)
    assert (0.0, 0.0) == (ledger.glue_s, ledger.unexplained_s)


def test_marks_that_cost_the_host_time_leave_almost_nothing_unexplained():
    found = profile(Machine(record_ns=1_500, launch_ns=3_000), 10_000, host_ns=20_000)

    ledger = found.ledger
    assert ledger is not None
    # All but the marks of the last layer, whose end the host records while the device computes.
    assert abs(ledger.unexplained_s) < 2 * 1_500 * NS


def test_the_layers_times_are_the_device_s_and_the_gain_of_a_graph_is_known():
    found = profile(Machine(), 1_000_000, host_ns=4_000_000)

    assert [1e-3] * len(found.layers) == [each.time.median_s for each in found.layers if each.time is not None]
    assert found.graph is not None
    assert len(found.layers) * 1e-3 == found.graph.median_s
    assert "E+L+Q+G" in found.protocol


def test_a_forward_that_is_never_queued_ahead_is_said_and_its_layers_are_of_pass_l():
    machine = Machine()
    found = profile(machine, 1_000_000, host_ns=4_000_000, within=machine.finish)

    assert found.ledger is not None
    assert found.ledger.launch_gaps_s is None
    assert "not-queued" in [doubt.code for doubt in found.doubts]


def test_everything_that_is_measured_is_stored_and_read_again():
    part = measured(Machine(awake_ns=5), 1_000_000, inputs=[768], weights=[4_096])

    assert "done" == part.status
    assert 4 * len({each.bytes for each in part.copies}) == len(part.copies)
    assert {True} == {each.verified for each in part.copies}
    assert part.load is not None
    assert part.overlap is not None
    assert part.memory is not None
    assert part == from_json(to_json(part), Part)


def test_memory_that_is_not_there_ends_the_part_as_such():
    """FAULTS 16."""
    part = measured(Machine(memory_bytes=10_000), 1_000_000, weights=[4_096], works_in=8_192)

    assert ("out-of-memory", "worker-memory") == (part.status, part.code)


def test_a_gpu_that_fails_on_the_way_keeps_what_was_measured_and_says_what_it_was():
    """FAULTS 17."""
    machine = Machine()

    def asserts() -> None:
        if machine.now > 2_000_000_000:
            raise RuntimeError("CUDA error: device-side assert triggered\nmore advice")

    part = measured(machine, 10_000_000, within=asserts)

    assert ("failed", "device-failed") == (part.status, part.code)
    assert len(part.forwards) > 0


def test_samples_of_two_gpus_make_no_one_figure():
    part = measured(Machine(), 1_000_000)

    with pytest.raises(UsageError, match="it was measured with gpu Simulated and cannot go on with NVIDIA H200"):
        _check_same(part, {"environment": part.environment | {"gpu": "NVIDIA H200"}, "layers": part.layers})
