"""Each benchmark runs, its table has its columns, and what it compares is the same network. Never how fast."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from tests.helpers.processes import ROOT

FOLDER = ROOT / "benchmarks"
PAGE = (ROOT / "docs" / "gpu.md").read_text(encoding="utf-8")
MEASURED = {"cpu_median_s", "cpu_min_s", "wall_median_s", "peak_mib"}


def quick(script: str, *given: str) -> dict[str, Any]:
    """What a benchmark prints as JSON, in its quick mode."""
    argv = [sys.executable, FOLDER / f"{script}.py", *(given or ("--quick",)), "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stderr if done.returncode else "")
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def tools() -> dict[str, Any]:
    return quick("against_tools")


@pytest.fixture(scope="module")
def library() -> dict[str, Any]:
    return quick("library")


@pytest.fixture
def module(monkeypatch):
    """A benchmark as a module, as Python finds it beside the other one."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return __import__


# -- beside other tools -----------------------------------------------------------------------------------------------


def test_it_measures_cnnprof_and_the_two_tools_that_everybody_uses(tools):
    processes = [each["process"] for each in tools["processes"]]

    assert [
        "cnnprof analyze", "cnnprof analyze, terminal", "import torchvision", "torchinfo", "fvcore",
    ] == processes  # fmt: skip


def test_every_process_has_its_times_memory_and_ratios(tools):
    ratios = {f"{name}_ratio" for name in MEASURED}

    assert [] == [each["process"] for each in tools["processes"] if not (MEASURED | ratios) <= each.keys()]
    assert [] == [(each["process"], name) for each in tools["processes"] for name in MEASURED if not each[name] > 0]
    assert {1} == {tools["processes"][0][name] for name in ratios}


def test_all_count_the_parameters_that_torchvision_publishes(tools):
    counted = {each["process"]: each["params"] for each in tools["processes"] if "params" in each}

    assert 4 == len(counted)
    assert {1_235_496} == set(counted.values())


def test_the_multiply_accumulates_differ_by_what_a_tool_is_known_to_count_besides(tools):
    besides = {
        each["process"]: (each["macs_besides"], each["besides"]) for each in tools["processes"] if "macs" in each
    }

    assert {
        "cnnprof analyze": (0, None),
        "cnnprof analyze, terminal": (0, None),
        "torchinfo": (2_589_352, "biases"),
        "fvcore": (169_000, "pooling"),  # 1,000 channels of 13×13
    } == besides
    assert {True} == {each["agrees"] for each in tools["processes"] if "agrees" in each}


def test_a_tool_that_counted_another_network_would_be_told(module):
    ours, extra = {"params": 100, "macs": 1_000}, {"biases": 7, "pooling": 3, "means": 4}
    agreement = module("against_tools").agreement

    assert True is agreement("torchinfo", {"params": 100, "macs": 1_007}, ours, extra)["agrees"]
    assert False is agreement("torchinfo", {"params": 100, "macs": 1_000}, ours, extra)["agrees"]
    assert False is agreement("fvcore", {"params": 99, "macs": 1_003}, ours, extra)["agrees"]
    assert None is agreement("ptflops", {"params": 100, "macs": 1_234}, ours, extra)["agrees"]


def test_the_table_of_the_tools_has_these_columns_and_a_line_per_process(tools, module):
    titles, rule, *lines = module("against_tools").text(tools["processes"]).splitlines()

    assert "process CPU median CPU min wall median peak memory × CPU × min × memory params MACs" == " ".join(
        titles.split()
    )
    assert {"-"} == set(rule)
    assert [each["process"] for each in tools["processes"]] == [line.split("  ")[0] for line in lines]
    assert "+169,000 pooling" in lines[-1]


def test_figures_say_where_and_when_they_were_made(tools, library, module):
    for found in (tools, library):
        line = module("measuring").described(found["machine"])

        assert found["machine"]["date"] in line
        assert f"Python {sys.version.split()[0]}" in line
        assert "load " in line
    assert {"cnnprof", "torch", "torchvision", "torchinfo", "fvcore"} == set(tools["machine"]["versions"])


# -- the library ------------------------------------------------------------------------------------------------------


def test_it_measures_networks_of_the_zoo_and_two_kinds_of_growing_ones(library):
    layers = {each["network"]: each["layers"] for each in library["analysis"]}

    assert {
        "vgg16": 40, "resnet50": 175, "efficientnet_b7": 864, "resnet1202": 4_212,
        "chain of 20": 20, "chain of 100": 100, "chain of 1,000": 1_000,
        "residual of 20": 33, "residual of 100": 96, "residual of 1,000": 999,
    } == layers  # fmt: skip
    assert [] == [each for each in library["analysis"] if not 0 < each["best_us"] <= each["median_us"]]


def test_it_says_how_time_grows_what_reading_takes_and_what_variants_take(library):
    assert {"chain", "residual"} == set(library["growth"])
    assert ("resnet152", 515) == (library["reading"]["network"], library["reading"]["layers"])
    assert 0 < library["reading"]["cold_best_ms"] <= library["reading"]["cold_median_ms"]
    assert 0 < library["reading"]["again_best_ms"] <= library["reading"]["again_median_ms"]
    assert 20 == library["variants"]["variants"]
    assert library["variants"]["seconds"] > 0


def test_what_it_measures_is_counted_right(library):
    assert [] == library["faults"]


def test_the_page_of_the_library_has_a_line_per_network_and_per_question(library, module):
    page = module("library").text(library["machine"], library, quick=True)

    assert "quick: figures mean nothing" in page.splitlines()[0]
    for words in (
        "µs per layer",
        "resnet1202",
        "chain: time grows with",
        "reading resnet152",
        "20 variants of resnet18",
    ):
        assert words in page
    assert "WRONG" not in page


def test_the_exponent_of_a_time_that_grows_linearly_is_1_and_of_a_square_2(module):
    def found(power: int) -> list[dict[str, Any]]:
        sizes = (20, 100, 1_000, 10_000)
        return [{"kind": "chain", "layers": size, "best_us": float(size) ** (power - 1)} for size in sizes]

    growth = module("library").growth

    assert {"exponent": pytest.approx(1), "per_layer_ratio": 1} == growth(found(1), "chain")
    assert {"exponent": pytest.approx(2), "per_layer_ratio": pytest.approx(10)} == growth(found(2), "chain")


# -- of the profiler --------------------------------------------------------------------------------------------------


def test_the_benchmark_of_the_ledger_profiles_twice_beside_torchs_profiler():
    found = quick("ledger")
    (network,) = found["networks"]

    assert ("lenet5", 1, {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "-1"}) == (
        network["model"], network["batch"], found["memory"],
    )  # fmt: skip
    assert (2, 2, 2) == (len(network["unexplained"]), len(network["marks"]), len(network["dirty"]))
    assert [] == [each for each in network["forwards"] if each < 20]
    assert 0 < network["end_to_end_s"]
    assert network["agree"] <= network["long_layers"]


def test_what_is_left_of_the_ledger_and_what_marks_cost_stand_in_its_table(module):
    row = module("ledger").printed(
        {
            "model": "vgg16", "batch": 8, "end_to_end_s": 2.5, "unexplained": [0.001, -0.02], "marks": [0.0, 0.015],
            "profiler": 0.44, "whole_apart": 0.01, "agree": 30, "long_layers": 31, "layers_apart": 0.0612,
        }
    )  # fmt: skip

    assert ["vgg16 x8", "2500.00 ms", "+0.1% -2.0%", "+0.0% +1.5%", "+44.0%", "1.0%", "30 of 31", "6.1%"] == row


def test_the_benchmark_of_contention_counts_the_forwards_that_are_slow_beside_a_burner():
    (network,) = quick("contention")["networks"]

    assert "lenet5" == network["model"]
    assert 0 <= network["slow"] <= network["forwards"]
    assert (network["flagged"] is None) == (network["slow"] == 0)


def test_the_benchmark_of_crashes_loses_nothing_and_tears_nothing(tmp_path):
    found = quick("crash", "--kills", "6", "--writers", "2", "--seed", "7", "--store", str(tmp_path / "runs"))

    assert (6, 0, 0) == (found["kills"], found["lost"], found["torn"])
    assert 0 < found["reported"]


# -- a GPU, or what stands for it -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gpu(tmp_path_factory) -> list[dict[str, Any]]:
    """What it prints three times: the second time with the files of the first, then with one less, and no time."""
    folder, scripts = tmp_path_factory.mktemp("runs"), tmp_path_factory.mktemp("scripts")
    (scripts / "host.json").write_text('{"host": true, "bytes_per_ns": 1e12}')
    (scripts / "gpu.json").write_text('{"macs_per_ns": 10000, "bytes_per_ns": 1e12, "layer_ns": 1000}')
    devices = ["--host", f"fake:{scripts}/host.json", "--device", f"fake:{scripts}/gpu.json"]
    command = [sys.executable, FOLDER / "gpu.py", folder, *devices, "--quick", "--json"]

    def printed(*more: str) -> dict[str, Any]:
        said = subprocess.run([*command, *more], capture_output=True, text=True, check=True).stdout
        files = sorted(path.name for path in folder.iterdir())
        return json.loads(said) | {"files": files, "kept": json.loads((folder / "results.json").read_text())}

    found = [printed(), printed("--minutes", "0")]
    (folder / "fake_lenet5_pays.json").unlink()
    return [*found, printed("--minutes", "0")]


def test_it_measures_each_batch_in_each_dtype_and_keeps_the_runs(gpu):
    first, second, third = gpu

    assert [
        ("lenet5", "float32", 1),
        ("lenet5", "float32", 2),
        ("lenet5", "bfloat16", 1),
        ("lenet5", "bfloat16", 2),
    ] == [(each["network"], each["arithmetic"], each["batch"]) for each in first["figures"]]
    assert [
        "fake_lenet5_bfloat16.json", "fake_lenet5_float32.json", "fake_lenet5_pays.json", "fake_placements.json",
        "results.json",
    ] == first["files"]  # fmt: skip
    for name in ("figures", "break_evens", "placements", "bars", "files"):
        assert first[name] == second[name]
    assert ([], [], ["fake_lenet5_pays.json"]) == (first["left"], second["left"], third["left"])


def test_what_is_known_is_written_as_it_is_found(gpu):
    for each in gpu:
        assert each["kept"] == {name: each[name] for name in each["kept"]}
        assert {"machine", "figures", "copies", "break_evens", "placements", "bars"} == each["kept"].keys()


def test_a_bar_that_nothing_was_measured_for_is_neither_reached_nor_missed(gpu):
    bars = gpu[0]["bars"]

    assert [None] * 4 == [bar["reached"] for bar in bars.values()][:4]
    assert [0.0, 1.0] == [gpu[0]["figures"][0][name] for name in ("unexplained", "memory")]


def test_five_placements_are_run_and_take_the_order_that_was_predicted(gpu):
    found = gpu[0]["placements"]

    assert [0, 3, 6, 10, 13] == found["firsts"]
    assert found["right"]
    assert found["predicted_s"] != found["took_s"]  # which has the glue


NETWORKS = ("lenet5", "alexnet", "vgg16", "resnet50", "mobilenet_v2", "googlenet")


@pytest.fixture(scope="module")
def scripted(tmp_path_factory) -> str:
    """What it prints on the two scripts that are examples, as docs/gpu.md has the command."""
    (command,) = re.findall(r"`python (benchmarks/gpu\.py [^`]*--budget [^`]*)`", PAGE)
    argv = command.replace(" FOLDER ", f" {tmp_path_factory.mktemp('scripted')} ").split()
    return subprocess.run([sys.executable, *argv], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_the_break_evens_of_six_networks_are_confirmed_on_the_two_example_scripts(scripted):
    """LeNet-5 pays from a batch on, between two that are measured; the others at every batch that is measured."""
    lines = [line for line in scripted.splitlines() if line.split(":")[0] in NETWORKS]

    assert set(NETWORKS) == {line.split(":")[0] for line in lines}
    assert [True] * 6 == [line.endswith("; confirmed") for line in lines]
    assert ["lenet5: it pays from batch 8 on: both take as long at 7.60 (95 %: 7.60 to 7.60); confirmed"] == [
        line for line in lines if "it pays at every batch" not in line
    ]


def test_the_bars_on_the_page_are_those_that_the_command_prints(scripted):
    bars = scripted[scripted.index("| bar |") :].rstrip()

    assert bars in PAGE
    assert 5 == bars.count(" reached |")


def test_bars_are_judged_by_the_worst_figure_at_batch_64(module):
    found = [
        {"network": network, "batch": 64, "arithmetic": "float32", "unexplained": open_, "queued": 0.98, "memory": 1.06}
        for network, open_ in (("vgg16", -0.04), ("resnet50", 0.02))
    ]
    evens = [{"confirmed": True}] * 6

    bars = module("gpu").bars(found, {"h2d": 1.05, "d2h": 0.93}, evens, {"right": False})

    assert [0.04, 0.02, 0.06, 0.07, 6] == [round(bar["worst"], 6) for bar in bars.values() if bar["worst"] is not None]
    assert [True, True, False, True, True, False] == [bar["reached"] for bar in bars.values()]
