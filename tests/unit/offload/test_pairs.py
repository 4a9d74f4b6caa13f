"""What stands beside what: the host and each other device, of the same network and setting."""

from __future__ import annotations

import pytest

from cnnprof.model.plain import replace
from cnnprof.model.run import Part
from cnnprof.offload import offloads
from cnnprof.offload.pairs import Measured, grouped, is_host
from cnnprof.offload.tensors import flow
from tests.helpers.pairs import CHAIN, copies, measured, sides

TIMES = (4_000, 3_000, 1_000, 6_000)


def on(device: str, part: Part, **setting) -> Part:
    return replace(part, setting=replace(part.setting, device=device, **setting))


def pairs(*parts: Part) -> list[list[tuple[str, str, int]]]:
    groups = grouped(Measured(*each) for each in measured(*parts))
    return [[(pair.host.part.setting.device, pair.device.part.setting.device, pair.batch) for pair in group]
            for group in groups]  # fmt: skip


def test_the_cpu_is_a_host_and_a_fake_device_that_says_so():
    cpu, cuda = sides(TIMES, TIMES)

    assert is_host(cpu)
    assert not is_host(cuda)
    assert not is_host(on("fake", cuda))
    assert is_host(replace(on("fake:a.json", cuda), script={"host": True}))
    assert not is_host(replace(on("fake:a.json", cuda), script={"host": False}))


def test_each_device_stands_beside_the_host_at_every_batch_in_order():
    one, eight = sides(TIMES, TIMES), sides(TIMES, TIMES, batch=8)
    other = on("cuda:1", one[1])

    assert [[("cpu", "cuda", 1), ("cpu", "cuda", 8)], [("cpu", "cuda:1", 1)]] == pairs(*eight, *one, other)


def test_a_device_alone_and_a_host_alone_are_no_pair():
    cpu, cuda = sides(TIMES, TIMES)

    assert ([], [], []) == (pairs(cuda), pairs(cpu), pairs(cpu, cpu))
    assert () == offloads(measured(cpu))


@pytest.mark.parametrize(
    "changes", [{"dtype": "float16"}, {"batch": 2}, {"mode": "training"}, {"layout": "channels_last"}]
)
def test_another_setting_is_no_pair(changes):
    cpu, cuda = sides(TIMES, TIMES)

    assert [] == pairs(cpu, on("cuda", cuda, **changes))


def test_a_gpu_that_multiplies_in_tf32_stands_beside_a_host_that_knows_none():
    cpu, cuda = sides(TIMES, TIMES)
    faster = on("cuda", cuda, tf32=True)

    assert [[("cpu", "cuda", 1)], [("cpu", "cuda", 1)]] == pairs(cpu, cuda, faster)
    assert ["float32", "tf32"] == [each.dtype for each in offloads(measured(cpu, cuda, faster))]


def test_another_network_or_another_input_is_no_pair():
    cpu, cuda = sides(TIMES, TIMES)
    larger = replace(cuda, graph=replace(cuda.graph, inputs=(replace(cuda.graph.inputs[0], shape=(1, 9, 9)),)))

    assert [] == pairs(cpu, replace(cuda, model="other"))
    assert [] == pairs(cpu, larger)


def test_what_failed_on_one_of_both_is_shown_without_a_verdict():
    cpu, cuda = sides(TIMES, TIMES)

    (found,) = offloads(measured(cpu, replace(cuda, forwards=(), status="failed")))
    assert (14e-6, None, ()) == (pytest.approx(found.batches[0].host_s), found.batches[0].device_s,
        found.batches[0].routes)  # fmt: skip
    (other,) = offloads(measured(replace(cpu, forwards=()), cuda))
    assert [None, None] == [other.batches[0].host_s, other.batches[0].routes[0].ways[0].pays]


# What flows


def test_a_chain_is_what_each_layer_reads_and_makes():
    found = flow(sides(TIMES, TIMES)[0].analysis)

    assert [(None, (0,), False, 256), (0, (1,), False, 512), (1, (2,), False, 512), (2, (3,), False, 512),
        (3, (), True, 16)] == [(each.source, each.readers, each.ends, each.bytes) for each in found.values]  # fmt: skip
    assert [256, 16] == [each.bytes for each in (*found.inputs, *found.outputs)]
    assert [64, 4] == [each.narrow_bytes for each in (*found.inputs, *found.outputs)]


def test_what_is_handed_to_a_layer_and_not_read_does_not_cross_for_it():
    analysis = sides(TIMES, TIMES)[0].analysis
    rows = (analysis.rows[0], replace(analysis.rows[1], unread=(0,)), *analysis.rows[2:])

    found = flow(replace(analysis, rows=rows))
    assert [None, 1, 2, 3] == [each.source for each in found.values]


def test_a_tensor_that_a_layer_reads_twice_has_one_reader():
    analysis = sides(TIMES, TIMES)[0].analysis
    rows = (analysis.rows[0], replace(analysis.rows[1], edges=analysis.rows[1].edges * 2), *analysis.rows[2:])

    assert (1,) == flow(replace(analysis, rows=rows)).values[1].readers


def test_what_trains_only_lets_its_input_through():
    analysis = sides(TIMES, TIMES)[0].analysis
    rows = (analysis.rows[0], replace(analysis.rows[1], when="train"), *analysis.rows[2:])

    found = flow(replace(analysis, rows=rows))
    assert ("conv2d", "flatten", "linear") == found.names
    assert [(None, (0,)), (0, (1,)), (1, (2,)), (2, ())] == [(each.source, each.readers) for each in found.values]


def test_a_batch_of_copies_is_larger():
    assert 8 * 256 == flow(sides(TIMES, TIMES, batch=8, model=CHAIN, copies=copies())[0].analysis).inputs[0].bytes


def test_a_device_stands_beside_each_of_two_hosts():
    cpu, cuda = sides(TIMES, TIMES)
    other = replace(on("fake:slow.json", cpu), script={"host": True})

    assert [[("cpu", "cuda", 1)], [("fake:slow.json", "cuda", 1)]] == pairs(cpu, other, cuda)


def test_copies_of_which_something_else_arrived_are_not_used():
    wrong = tuple(replace(each, verified=False) for each in copies())
    cpu, cuda = sides(TIMES, TIMES, copies=wrong)

    (found,) = offloads(measured(cpu, cuda))

    assert [()] == [batch.routes for batch in found.batches]
    assert () == found.break_even
