"""What only an accelerator has, as tables: launch gaps, waiting, copies, loading, clocks; what is missing is a dash."""

from __future__ import annotations

from cnnprof.measure.summary import summarise
from cnnprof.model.plain import replace
from cnnprof.model.run import Copy, Load, MeasuredMemory, Overlap, Part, Telemetry
from cnnprof.report import render
from cnnprof.report.accelerator import copies_table, load_table, overlap_table, telemetry_table
from cnnprof.report.base import Report, Table
from cnnprof.report.profile import profile_report
from tests.helpers.parts import accelerated, part
from tests.unit.report.samples import small

TIMES = {"conv": 40_000, "relu": 5_000, "fc": 20_000}
PART = accelerated(TIMES, launch=12_000, analysis=small())


def of(*parts: Part, **chosen) -> Report:
    return profile_report([(each, summarise(each, budget_s=30.0)) for each in parts], **chosen)


def text(table: Table) -> str:
    return render(Report(table)) + "\n"


def copy(direction: str, memory: str, size: int, *times: int, **more) -> Copy:
    return Copy(direction=direction, memory=memory, bytes=size, times_ns=times, verified=True, **more)


# Layers and ledger


def test_launch_gaps_stand_beside_the_layers_own_time_and_in_the_ledger():
    expected = """\
net, cpu, input 3×8×8, batch 1, float32: 74.00 µs ± 0 %, 13,514 images/s

layer  type       output  params   MACs     bytes      time    ±   share  launch gap  GFLOP/s
─────────────────────────────────────────────────────────────────────────────────────────────
conv   conv2d     4×6×6      112  3,888  1.75 KiB  40.00 µs  0 %  61.5 %         0 s   0.1944
relu   relu       4×6×6        0      0  1.12 KiB  5.000 µs  0 %   7.7 %    7.000 µs        –
pool   maxpool2d  4×2×2        0      0     640 B         –    –                   –        –
fc     linear     10         170    160     784 B  20.00 µs  0 %  30.8 %         0 s   0.0160
─────────────────────────────────────────────────────────────────────────────────────────────
total                        282  4,048  4.27 KiB  65.00 µs    –   100 %    7.000 µs   0.1246
note: protocol: E+L+Q+G cpu batch 1 float32 contiguous 1 thread, 12+12+12+12 forwards, layers' times by Q
"""
    shown = render(of(PART))

    assert expected == shown[: shown.index("note: doubt")]
    assert (
        """\
where the time goes      time  of the whole      from        to
───────────────────────────────────────────────────────────────
layers               65.00 µs        87.8 %         –         –
launch gaps          7.000 µs         9.5 %         –         –
glue                 2.000 µs         2.7 %         –         –
unexplained               0 s           0 %       0 s       0 s
───────────────────────────────────────────────────────────────
end to end           74.00 µs         100 %  74.00 µs  74.00 µs
note: host-bound 12.2 %: so long the device has nothing to compute; between its own first and last event a forward \
takes 74.00 µs (pass E)
note: a graph of the forward takes 65.00 µs (pass G), and no host launches its layers: 1.138 times as fast
"""
        in shown
    )


def test_why_no_graph_was_replayed_is_said():
    found = accelerated(TIMES)
    found = replace(
        found,
        analysis=small(),
        environment=found.environment | {"no_graph": "operation not permitted"},
        forwards=tuple(each for each in found.forwards if each.kind != "G"),
    )

    assert "note: no graph of the forward was replayed (pass G): operation not permitted\n" in render(of(found))


def test_what_a_forward_takes_after_the_cache_was_overwritten_is_said_below_the_ledger():
    found = replace(accelerated(TIMES, flushed=134_000), analysis=small())

    said = "note: right after its cache was overwritten a forward takes 134.0 µs (pass F): 2.000 times as long\n"
    assert said in render(of(found))


def test_what_torch_reserved_and_what_was_in_use_stand_beside_the_measured_peak():
    memory = MeasuredMemory(peak_bytes=1_000_000, by="torch", reserved_bytes=2**21, used_bytes=2**29)
    found = replace(accelerated(TIMES), memory=memory)

    assert """\
peak memory                               memory      exactly  error
────────────────────────────────────────────────────────────────────
measured by torch                     976.56 KiB    1,000,000
reserved for it by torch's allocator    2.00 MiB    2,097,152
in use on the device, by everything   512.00 MiB  536,870,912""" in render(of(found))


def test_of_a_cpu_nothing_is_said_of_launches_graphs_or_copies():
    shown = render(of(part(TIMES, analysis=small(), copies=(copy("h2d", "pinned", 4096, 5),))))

    assert [] == [word for word in ("launch", "graph", "host-bound", "pinned") if word in shown]


def test_several_lines_have_the_accelerators_columns_where_one_is_among_them():
    cpus, mixed = (of(*parts).main for parts in ([part(TIMES)] * 2, [part(TIMES), PART]))

    assert {"launch_gaps_s", "host_bound", "graph_gain", "flush_factor"} == {each.id for each in mixed.columns} - {
        each.id for each in cpus.columns
    }
    assert [None, 7e-6] == mixed.cells("launch_gaps_s")
    assert [None, 1 - 65 / 74] == mixed.cells("host_bound")
    assert [None, 74 / 65] == mixed.cells("graph_gain")


# Copies and loading


def test_copies_are_a_line_per_size_and_direction():
    copies = (
        copy("d2h", "pinned", 1_048_576, 50_000, 52_000, 51_000),
        copy("h2d", "pinned", 1_048_576, 40_000),
        copy("h2d", "pageable", 1_048_576, 140_000, 150_000, cpu_ns=(100_000, 110_000)),
        copy("h2d", "pinned", 4096, 10_000),
    )

    assert (
        text(copies_table(copies))
        == """\
copies between host and device (pass T)

    size  direction        pinned    GB/s  pageable   GB/s  CPU time
────────────────────────────────────────────────────────────────────
4.00 KiB  to the device  10.00 µs  0.4096         –      –         –
1.00 MiB  to the device  40.00 µs   26.21  145.0 µs  7.232  105.0 µs
1.00 MiB  to the host    51.00 µs   20.56         –      –         –
"""
    )


def test_copies_that_did_not_arrive_are_counted():
    wrong = replace(copy("h2d", "pinned", 4096, 10), verified=False)

    assert ("1 of 2 did not arrive as they were sent",) == copies_table((wrong, copy("h2d", "pageable", 9, 1))).notes


def test_loading_is_what_was_paid_once_and_a_sum_only_where_all_is_known():
    load = Load(weights_bytes=2**20, weights_ns=130_000, context_ns=200_000_000, first_ns=70_000)

    assert (
        text(load_table(load))
        == """\
loading

before the first forward      time    memory
────────────────────────────────────────────
context of the device     200.0 ms
weights and buffers       130.0 µs  1.00 MiB
first forward             70.00 µs
────────────────────────────────────────────
together                  200.2 ms  1.00 MiB
"""
    )
    unknown = text(load_table(replace(load, context_ns=None)))
    assert "context of the device            –" in unknown
    assert "together" not in unknown


def test_what_copying_while_computing_hides_is_a_part_of_the_shorter_one():
    overlap = Overlap(batches=10, copy_ns=(300_000,) * 3, compute_ns=(1_000_000,) * 3, both_ns=(1_075_000,) * 3)

    assert (
        text(overlap_table(overlap))
        == """\
copying while computing

batches one after the other  time per batch
───────────────────────────────────────────
only copied                        30.00 µs
only computed                      100.0 µs
both, with two buffers             107.5 µs
note: 75 % of the shorter one is hidden behind the longer one
"""
    )


# Clocks


def test_what_a_device_does_not_say_is_a_dash_and_never_0():
    said = (
        Telemetry(when="before", sm_clock_mhz=1980, throttle=()),
        Telemetry(
            when="after", sm_clock_mhz=1755, memory_clock_mhz=2619, throttle=("sw_power_cap", "hw_slowdown"),
            power_w=412.5, temperature_c=51, pcie_generation=5, pcie_width=16, energy_j=800.0, energy_s=2.0,
            energy_forwards=4000,
        ),
        Telemetry(when="then"),
    )  # fmt: skip

    assert (
        text(telemetry_table(said))
        == """\
what the device says of itself

passes  clock, MHz  of memory  held down by               power, W  temperature  PCIe       J per forward
─────────────────────────────────────────────────────────────────────────────────────────────────────────
before       1,980          –  nothing                           –  –            –                      –
after        1,755      2,619  sw_power_cap, hw_slowdown     412.5  51 °C        gen 5 x16         0.2000
then             –          –  –                                 –  –            –                      –
"""
    )


def test_all_of_it_stands_below_an_accelerators_layers():
    found = replace(
        PART, copies=(copy("h2d", "pinned", 4096, 5),), load=Load(weights_bytes=4),
        overlap=Overlap(batches=1, copy_ns=(1,), compute_ns=(2,), both_ns=(2,)), telemetry=(Telemetry(when="after"),),
    )  # fmt: skip

    assert ["ledger", "copies", "load", "overlap", "telemetry"] == [each.id for each in of(found).extra]
