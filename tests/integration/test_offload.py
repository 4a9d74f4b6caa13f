"""CPU against GPU, end to end on two fake devices: every figure of LeNet-5 by hand, in every format and from the store.

The host takes 2 µs for a layer and 1 ns for 100 multiply-accumulates; the device 1 µs and 1 ns for 10,000, and its host
5 µs to launch each of the 13 layers. Gaps of 0.5 µs stand around all of them. A copy takes 10 µs and 1 ns for 25 bytes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import cnnprof
from cnnprof.__main__ import main
from cnnprof.api.confirming import confirmed, unconfirmed
from cnnprof.measure.session import Measured, Session
from cnnprof.model.plain import replace
from cnnprof.store.runs import Store

NS = 1e-9
LAYERS = (
    "c1", "relu", "s2", "c3", "relu_2", "s4", "c5", "relu_3", "flatten", "f6", "relu_4", "output", "logsoftmax",
)  # fmt: skip
HOST = {"host": True, "bytes_per_ns": 1e12}
GPU = {"macs_per_ns": 10_000, "bytes_per_ns": 1e12, "layer_ns": 1_000, "launch_ns": 5_000}
BOTH = ("--device", "fake:host.json", "--device", "fake:gpu.json")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("devices")
    (made / "host.json").write_text(json.dumps(HOST))
    (made / "gpu.json").write_text(json.dumps(GPU))
    return made


@pytest.fixture(autouse=True)
def _there(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CNNPROF_STORE", str(folder / "runs"))


@pytest.fixture(scope="module")
def printed(folder) -> Path:
    """Measure once, at batch 8 and 64, and print it in every format."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        outputs = [word for suffix in ("txt", "md", "csv", "json", "tex") for word in ("-o", f"out.{suffix}")]
        argv = ["profile", "lenet5", *BOTH, "--batch", "8,64", "--store", "runs", "--confirm", "--quiet", *outputs]
        assert 0 == main(argv)
    return folder


@pytest.fixture(scope="module")
def offload(printed) -> dict[str, Any]:
    (found,) = json.loads((printed / "out.json").read_text())["offloads"]
    return found


def batch(offload: dict[str, Any], number: int) -> dict[str, Any]:
    return next(each for each in offload["batches"] if each["batch"] == number)


def ns(seconds: float) -> float:
    return round(seconds / NS, 3)


# Figures


@pytest.mark.parametrize(
    ("number", "host", "there", "back"),
    [(8, 66_321, 11_311, 10_013), (14, 91_313, 12_294, 10_022), (15, 95_478, 12_458, 10_024),
        (64, 299_573, 20_486, 10_102)],
)  # fmt: skip
def test_the_whole_at_each_batch(offload, number, host, there, back):
    found = batch(offload, number)

    way = found["routes"][0]["ways"][0]
    assert ("pinned", "as is") == (found["routes"][0]["memory"], way["input"])
    assert (host, 72_000, there, back) == (
        ns(found["host_s"]), ns(found["device_s"]), ns(way["to_device_s"]), ns(way["to_host_s"])
    )  # fmt: skip
    assert (72_000 + there + back, 72_000) == (ns(way["serial_s"]), ns(way["overlapped_s"]))
    assert pytest.approx(72_000 / (there + back)) == way["load_ratio"]
    assert (72_000 + there + back < host, 72_000 < host) == (way["pays"], way["pays_overlapped"])
    assert (number * 4096, number * 40) == (way["input_bytes"], found["output_bytes"])


def test_pageable_memory_and_bytes_for_pixels(offload):
    """A third of the bandwidth for what is pageable, a quarter of the bytes for what is uint8."""
    pinned, pageable = batch(offload, 64)["routes"]

    assert [(262_144, 20_486), (65_536, 12_621)] == [
        (way["input_bytes"], ns(way["to_device_s"])) for way in pinned["ways"]
    ]
    assert [(42_768, 10_320), (18_192, 10_320)] == [
        (ns(way["to_device_s"]), ns(way["to_host_s"])) for way in pageable["ways"]
    ]


def test_what_is_paid_once(offload):
    """246,824 bytes of weights at 8 per ns, 200 ms of context, half a forward more; a batch gains 196,985 ns."""
    found = batch(offload, 64)

    assert (30_853, 200_000_000, 36_000) == tuple(
        ns(found["load"][name]) for name in ("weights_s", "context_s", "kernels_s")
    )
    assert 1_016 == found["routes"][0]["ways"][0]["load_batches"]
    assert batch(offload, 8)["routes"][0]["ways"][0]["load_batches"] is None
    assert 1.0 == found["overlap"]


def test_each_layer_alone(offload):
    found = {each["name"]: each for each in batch(offload, 64)["layers"]}

    assert LAYERS == tuple(found)
    expected = {
        "c1": (77_264, 1_753, 3_247, 42_768, 160_528, False), "c3": (155_600, 2_536, 2_464, 47_632, 61_200, True),
        "c5": (32_720, 1_307, 3_693, 22_800, 13_840, False), "f6": (8_451, 1_065, 3_935, 13_840, 12_688, False),
        "relu": (2_000, 1_000, 4_000, 160_528, 160_528, False), "output": (2_538, 1_005, 3_995, 12_688, 10_320, False),
    }  # fmt: skip
    names = ("host_s", "device_s", "launch_s", "to_device_s", "to_host_s")
    assert expected == {
        name: (*(ns(found[name][each]) for each in names), found[name]["pays"]) for name in expected
    }  # fmt: skip
    assert ["c3"] == [name for name, each in found.items() if each["pays"]]


def test_the_break_even_and_what_confirms_it(offload):
    """b* = (72,000 + 20,000.57 − 32,999.29) / (4,165.21 − 165.43), between 14, which loses, and 15, which gains."""
    pinned, pageable = offload["break_even"]

    assert ("from", pytest.approx(59_001.2857 / 3_999.7857)) == (pinned["verdict"], pinned["batch"])
    assert [pytest.approx(pinned["batch"])] * 2 == [pinned["low"], pinned["high"]]
    assert [8, 64] == pinned["batches"]
    assert [(14, 91_313, 94_316, False), (15, 95_478, 94_482, True)] == [
        (each["batch"], ns(each["host_s"]), ns(each["device_s"]), each["expected"]) for each in pinned["checks"]
    ]
    assert (True, True) == (pinned["confirmed"], pageable["confirmed"])
    assert [16, 17] == [each["batch"] for each in pageable["checks"]]
    assert pageable["batch"] > pinned["batch"]


def test_the_cheapest_placement(offload):
    """Up to c5 there: 7 · 5,000 + 42,768 + 13,840, and 18,989 for the other six here. Next best: up to f6."""
    found = batch(offload, 64)["placement"]

    assert ("chain", "pageable") == (found["method"], found["memory"])
    assert (110_597, 56_608, list(LAYERS[:7])) == (ns(found["time_s"]), ns(found["copies_s"]), found["on_device"])
    assert (292_573, 118_088) == (ns(found["all_host_s"]), ns(found["all_device_s"]))
    assert (111_994, list(LAYERS[:10])) == (ns(found["runner_up_s"]), found["runner_up_on_device"])
    assert ("c1", "c5", 7, 110_597, True) == (
        found["cut"]["first"], found["cut"]["last"], found["cut"]["layers"], ns(found["cut"]["time_s"]),
        found["cut"]["pays"],
    )  # fmt: skip
    assert pytest.approx(292_573 / 110_597) == found["gain_over_host"]


def test_the_cheapest_placement_is_run(offload):
    """As above with fourteen gaps of 0.5 µs, against 299,573 on the host and 72,000 + 53,088 on the device.

    All of them with copies of pageable memory.
    """
    found = batch(offload, 64)["placement"]["run"]

    assert (117_597, 299_573, 125_088) == tuple(ns(found[name]) for name in ("time_s", "host_s", "device_s"))
    assert found["confirmed"] is True
    assert [None] * 5 == [batch(offload, number)["placement"]["run"] for number in (8, 14, 15, 16, 17)]


def test_a_small_batch_stays_on_the_host(offload):
    found = batch(offload, 8)["placement"]

    assert (59_321, 0, []) == (ns(found["time_s"]), ns(found["copies_s"]), found["on_device"])
    assert (72_449, list(LAYERS[:7])) == (ns(found["runner_up_s"]), found["runner_up_on_device"])
    assert ("c1", "c5", False) == tuple(found["cut"][name] for name in ("first", "last", "pays"))


def test_copies_are_a_line_with_the_script_s_values(offload):
    fits = {(each["memory"], each["direction"]): each for each in batch(offload, 64)["fits"]}

    assert {("pinned", "h2d"), ("pinned", "d2h"), ("pageable", "h2d"), ("pageable", "d2h")} == set(fits)
    for (memory, _), each in fits.items():
        rate = 25e9 if memory == "pinned" else 8e9
        assert pytest.approx((10e-6, rate), rel=1e-4) == (each["alpha_s"], each["bytes_per_s"])
        assert abs(each["worst"]) < 1e-4
        assert (2_560, 2**28) == (each["smallest_bytes"], each["largest_bytes"])


# What is printed


def test_a_stored_run_shows_the_same(printed, capsys):
    assert 0 == main(["runs", "show", "last"])

    assert (printed / "out.txt").read_text().rstrip() == capsys.readouterr().out.rstrip()


def test_people_read_whether_it_pays(printed):
    text = (printed / "out.txt").read_text()

    for sentence in (
        '"the GPU is useful only if computation time exceeds loading time", in pinned memory:',
        "batch 64: computing (72.00 µs) takes 2.354 times as long as loading (30.59 µs); it pays: 2.920 times as",
        "pinned: it pays from batch 15 on: both take as long at 14.75 (95 %: 14.75 to 14.75)",
        "pageable: measured at batch 16, it does not pay, as expected: 100.3 µs with its copies, 99.64 µs on the host",
        "pinned: measured at batch 14, it does not pay, as expected: 94.32 µs with its copies, 91.31 µs on the host",
        "alone on the device 1 layer of 13 would pay: c3",
        "batch 64: run like that, it takes 117.6 µs, with its copies (pageable) and what is between layers; 299.6 µs",
        "batch 64: the cheapest assignment is 2.645 times as fast as all on the host and 1.068 times as fast as all on",
    ):
        assert 1 == text.count(sentence)
    assert 1 == text.count("\n   64  cheapest           110.6 µs       1.000              7  c1 … c5\n")


@pytest.mark.parametrize("suffix", ["md", "csv", "tex"])
def test_every_format_has_the_tables(printed, suffix):
    text = (printed / f"out.{suffix}").read_text()

    assert "break-even batch" in text
    assert "who should compute what" in text
    assert "runner-up" in text
    assert "each layer alone on the device, batch 64" in text


# Other pairs


def test_a_real_cpu_stands_beside_a_fake_device(capsys):
    assert 0 == main(["profile", "lenet5", "--device", "cpu", "--device", "fake", "--threads", "1",
        "--budget", "1s", "--no-store", "--quiet", "-f", "json"])  # fmt: skip

    (found,) = json.loads(capsys.readouterr().out)["offloads"]
    assert ("cpu", "fake", [1]) == (found["host"], found["device"], [each["batch"] for each in found["batches"]])
    assert found["batches"][0]["host_s"] > 0
    assert "unknown" == found["break_even"][0]["verdict"]
    command = "cnnprof profile lenet5 --device cpu --device fake --batch 1,8,64 --threads 1"
    assert command == found["break_even"][0]["hint"]


def test_a_graph_is_placed_by_a_minimum_cut(capsys):
    assert 0 == main(["profile", "resnet18", *BOTH, "--no-store", "--quiet", "-f", "json"])

    (found,) = json.loads(capsys.readouterr().out)["offloads"]
    placement = found["batches"][0]["placement"]
    assert ("graph", None) == (placement["method"], placement["cut"])
    assert placement["time_s"] <= min(placement["all_host_s"], placement["all_device_s"])
    assert placement["time_s"] <= placement["runner_up_s"]


def test_python_has_the_same():
    run = cnnprof.profile("lenet5", device=["fake:host.json", "fake:gpu.json"], batch=[8, 64])

    (found,) = run.offloads
    assert pytest.approx(59_001.2857 / 3_999.7857) == found.break_even[0].batch
    assert () == cnnprof.profile("lenet5", device="fake:gpu.json").offloads


# What confirms it, and why nothing does


def said(capsys, *argv: str) -> list[str]:
    assert 0 == main(["profile", "lenet5", *argv, "--no-store", "--confirm", "-f", "json"])
    return capsys.readouterr().err.splitlines()


def test_confirming_says_what_there_is_nothing_to_confirm_for(capsys):
    assert ["nothing to confirm: --device names no host, cpu, and another device"] == said(
        capsys, "--device", "fake:gpu.json"
    )
    assert [
        'nothing to confirm: no device file of --device has "host": true, by which a scripted device stands for the CPU'
    ] == said(capsys, "--device", "fake:gpu.json", "--device", "fake")
    assert [
        (
            "nothing to confirm for lenet5 on fake:gpu.json: a break-even needs two batches or more, and only batch 1 "
            "was measured on both with its copies"
        ),
        "no split was run of lenet5 on fake:gpu.json: at batch 1 all on the host is cheapest",
    ] == said(capsys, *BOTH)


def test_a_break_even_far_beyond_what_was_measured_is_not_gone_to(capsys):
    first, second, split = said(capsys, *BOTH, "--batch", "1,2")

    assert first.startswith("nothing to confirm for lenet5 on fake:gpu.json in pinned memory: it pays from batch ")
    assert second.startswith("nothing to confirm for lenet5 on fake:gpu.json in pageable memory: it pays from batch ")
    far = "; beyond the batches that the lines go through, 1 to 2; more than 4 times the largest one"
    assert [far, far] == [each[-len(far) :] for each in (first, second)]
    assert "no split was run of lenet5 on fake:gpu.json: at batch 2 all on the host is cheapest" == split


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (("--training", "sgd"), "its layers were not told apart, only the whole was measured"),
        (("--device", "fake:fast.json"), "at batch 64 all on the device is cheapest"),
        (
            ("--device", "fake:lost.json"),
            "batch 64 has no placement: no copy was measured, or none arrived as it was sent",
        ),
    ],
)
def test_why_no_split_was_run_is_said_in_one_note(folder, capsys, argv, why):
    (folder / "fast.json").write_text(json.dumps(GPU | {"layer_ns": 0, "launch_ns": 0, "copy_ns": 0}))
    (folder / "lost.json").write_text(json.dumps(GPU | {"verified": False}))
    device = () if "--device" in argv else ("--device", "fake:gpu.json")

    notes = said(capsys, "--device", "fake:host.json", *device, *argv, "--batch", "8,64")

    assert [why] == [each.partition(": ")[2] for each in notes if each.startswith("no split was run of lenet5 on ")]


def test_a_network_on_a_real_host_and_a_scripted_device_is_not_split_and_it_says_why():
    run = cnnprof.profile("lenet5", device=["fake:host.json", "fake:gpu.json"], batch=[8, 64])
    parts = [
        replace(part, setting=replace(part.setting, device="cpu"), script=None)
        if "host" in part.setting.device
        else part
        for part in run.parts
    ]

    notes = list(unconfirmed(replace(run, parts=tuple(parts))))

    assert (
        "no split was run of lenet5 on fake:gpu.json: one of both devices is real and the other scripted" == notes[-1]
    )


def test_a_batch_beside_the_break_even_that_failed_is_named(folder, capsys):
    """Batch 15 needs more memory than batch 14."""
    small = main(["analyze", "lenet5", "--batch", "14", "-f", "json"])
    peak = json.loads(capsys.readouterr().out)["analyses"][0]["memory"]["peak_bytes"]
    (folder / "tight.json").write_text(json.dumps(GPU | {"memory_bytes": peak}))

    code = main(["profile", "lenet5", "--device", "fake:host.json", "--device", "fake:tight.json", "--batch", "1,8",
        "--no-store", "--confirm", "-f", "json"])  # fmt: skip

    done = capsys.readouterr()
    assert (0, 4) == (small, code)
    why, _ = [each for each in done.err.splitlines() if each.startswith("nothing to confirm")]
    assert why.endswith("; batch 15: not measured on fake:tight.json, not enough memory")


def test_where_only_pageable_memory_is_known_that_is_confirmed_and_what_is_not_is_said():
    run = cnnprof.profile("lenet5", device=["fake:host.json", "fake:gpu.json"], batch=[8, 64])
    pinned_once = tuple(
        replace(part, copies=tuple(each for each in part.copies if each.memory == "pageable"))
        if part.setting.batch == 8
        else part
        for part in run.parts
    )
    found = confirmed(Measured(replace(run, parts=pinned_once)), Session()).run

    pinned, pageable = found.offloads[0].break_even
    assert ("unknown", "from", True) == (pinned.verdict, pageable.verdict, pageable.confirmed)
    assert [
        (
            "nothing to confirm for lenet5 on fake:gpu.json in pinned memory: a break-even needs two batches or more, "
            "and only batch 64 was measured on both with its copies"
        )
    ] == list(unconfirmed(found))


def test_what_a_split_copies_is_pageable_and_without_such_copies_none_is_run():
    run = cnnprof.profile("lenet5", device=["fake:host.json", "fake:gpu.json"], batch=[8, 64])
    pinned = [
        replace(part, copies=tuple(each for each in part.copies if each.memory == "pinned")) for part in run.parts
    ]
    found = confirmed(Measured(replace(run, parts=tuple(pinned))), Session()).run

    assert [] == [part for part in found.parts if part.split is not None]
    assert (
        "no split was run of lenet5 on fake:gpu.json: at batch 64 it is not known what copies from and to pageable "
        "memory take, which a split makes"
    ) == list(unconfirmed(found))[-1]


def settings(path: Path) -> list[tuple[str, int, bool, bool]]:
    with Store.open(path) as store:
        parts = store.load(store.ids()[-1]).parts
    return [(part.setting.device[5:-5], part.setting.batch, part.confirms, part.split is not None) for part in parts]


@pytest.mark.parametrize(("most", "split"), [(10, []), (13, [("gpu", 13, True, True)])])
def test_a_finished_run_is_confirmed_when_it_is_resumed_and_only_once(tmp_path, capsys, most, split):
    """Beside 14.75 and 16.17 stand 14 to 17, where layers would be split; asked for is 13, where they are, or 10."""
    store = ("--store", str(tmp_path / "runs"))
    assert 0 == main(["profile", "lenet5", *BOTH, "--batch", f"1,{most}", *store, "--quiet"])
    asked = [(device, batch, False, False) for device in ("host", "gpu") for batch in (1, most)]
    assert asked == settings(tmp_path / "runs")

    for _ in range(3):
        assert 0 == main(["profile", "--resume", "last", "--confirm", *store])

    beside = [(device, batch, True, False) for batch in (14, 15, 16, 17) for device in ("host", "gpu")]
    assert [*asked, *beside, *split] == settings(tmp_path / "runs")
    printed = capsys.readouterr().out
    assert 4 == printed.count(f"each layer alone on the device, batch {most}\n")
    assert 4 == printed.count("copies: T(n) = α + n/β, batch ") == printed.count(f"α + n/β, batch {most}\n")


def test_another_split_that_was_run_before_is_left_alone():
    run = cnnprof.profile("lenet5", device=["fake:host.json", "fake:gpu.json"], batch=[8, 64], confirm=True)
    parts = [
        replace(part, split=replace(part.split, on_device=("c3",))) if part.split is not None else part
        for part in run.parts
    ]
    found = confirmed(Measured(replace(run, parts=tuple(parts))), Session()).run

    assert len(run.parts) == len(found.parts)
    assert [
        "no split was run of lenet5 on fake:gpu.json: another assignment was run before, when that was the cheapest"
    ] == list(unconfirmed(found))


def test_without_networkx_a_graph_has_no_placement_and_the_reason_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "networkx", None)

    run = cnnprof.profile("resnet18", device=["fake:host.json", "fake:gpu.json"])

    assert ["placing a network that is no chain needs networkx: pip install 'cnnprof[torch]'"] == [
        each.unplaced for each in run.offloads[0].batches
    ]
