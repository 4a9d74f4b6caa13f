"""``cnnprof profile``: what is asked for, what is printed and stored, what the exit code says. On the fake device."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from cnnprof.__main__ import main
from cnnprof.measure import session
from cnnprof.model.run import Forward, Part, Progress, Setting
from cnnprof.report.terminal import LiveParts
from cnnprof.store.runs import Store

SMALL = "INPUT 1x8x8 -> FC-10"
FAKE = {"layer_ns": 20_000_000, "gap_ns": 1_000_000, "inside_ns": 0, "outside_ns": 0, "slow_first": []}
MACHINE = ("--device", "fake:fake.json")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CNNPROF_STORE", str(tmp_path / "runs"))
    script("fake.json")


def script(name: str, **changes: object) -> None:
    Path(name).write_text(json.dumps(FAKE | changes))


def stored() -> list:
    with Store.open("runs") as store:
        return [store.load(each) for each in store.ids()]


def refused(capsys, *argv: str, code: int = 2) -> str:
    """The error of a command that is refused: its only one, with nothing printed and nothing stored."""
    assert code == main(["profile", *argv])
    out, err = capsys.readouterr()
    assert ("", 1) == (out, err.count("error["))
    assert not Path("runs").exists()
    return err


# What is asked for


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([], "error[usage] profile needs a model\n  hint: cnnprof profile vgg16, or cnnprof profile --resume last\n"),
        ([SMALL, "--resume", "last"], "error[usage] --resume goes on with its own models\n"),
        (["--resume", "last", "--batch", "2"], "error[usage] --resume goes on as it began: --batch cannot change\n"),
        (["--resume", "last", "--no-store"], "error[usage] --no-store: with --store or --resume there is a store\n"),
        (["--resume", "last"], "error[unknown-run] "),
        ([SMALL, "--store", "a", "--no-store"], "error[usage] --no-store: with --store or --resume there is a store\n"),
        ([SMALL, "--budget", "soon"], "error[usage] profile: Invalid value for '--budget': 'soon' is no time such as "),
        ([SMALL, "--budget", "0s"], "error[usage] profile: Invalid value for '--budget': '0s' is no time such as "),
        ([SMALL, "--budget", "-1s"], "error[usage] profile: Invalid value for '--budget': '-1s' is no time such as "),
        ([SMALL, "--budget", "999h"], "error[bad-value] budget_s must be above 0 and at most 1e+06, got 3596400"),
        ([SMALL, "--interval", "2"], "error[usage] profile: Invalid value for '--interval': '2' is no share such as "),
        ([SMALL, "--interval", "0%"], "error[usage] profile: Invalid value for '--interval': '0%' is no share such "),
        ([SMALL, "--interval", "101%"], "error[usage] profile: Invalid value for '--interval': '101%' is no share "),
        ([SMALL, "--batch", "0"], "error[usage] profile: Invalid value for '--batch': '0' is no list of whole numbers"),
        ([SMALL, "--threads", "0"], "error[usage] profile: Invalid value for '--threads': 0 is not in the range 1<="),
        ([SMALL, "--dtype", "int8"], "error[bad-dtype] a network is measured in float32, float64, float16, bfloat16, "),
        ([SMALL, "--training", "lion"], "error[bad-optimizer] unknown optimizer 'lion'\n  hint: one of sgd, momentum"),
        ([SMALL, "--device", "tpu"], "error[bad-device] unknown device 'tpu'\n  hint: one of cpu, cuda, fake\n"),
        ([SMALL, "--device", "cpu:1"], "error[bad-device] unknown device 'cpu:1'\n  hint: one of cpu, cuda, fake\n"),
        (["no-such-network"], "error[unknown-model] "),
        ([SMALL, "--columns", "name,tme"], "error[unknown-column] "),
        ([SMALL, "--sort", "tme"], "error[unknown-column] "),
        ([SMALL, "lenet5", "--depth", "1"], "error[bad-depth] "),
        ([SMALL, "--compile", "--temperature"], "error[bad-value] a compiled network has no layers that could run by "),
        ([SMALL, "-o", "times.xyz"], "error[usage] -o times.xyz: its suffix names no format\n"),
        ([SMALL, "--device", "fake:none.json"], "fake:none.json: cannot read the device file none.json: No such file "),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_anything_is_measured_or_stored(capsys, argv, expected):
    assert expected in refused(capsys, *argv)


def test_an_unknown_value_of_the_fake_device_is_named(capsys):
    script("wrong.json", clock=3)

    assert "fake:wrong.json: clock: no such key\n  hint: the keys are macs_per_ns, bytes_per_ns, " in refused(
        capsys, SMALL, "--device", "fake:wrong.json"
    )


def test_devices_with_commas_are_answered_by_an_option_for_each(capsys):
    expected = "error[bad-device] unknown device 'cpu, cuda'\n  hint: give each its own: --device cpu --device cuda\n"

    assert expected == refused(capsys, SMALL, "--device", "cpu, cuda")


def test_a_comma_in_the_path_of_a_device_file_divides_nothing():
    script("a,b.json", host=True)

    assert 0 == main(["profile", SMALL, "--device", "fake:a,b.json", "--no-store", "--quiet"])


def test_the_help_says_how_several_devices_batches_and_dtypes_are_given(capsys):
    main(["profile", "--help"])

    shown = " ".join(capsys.readouterr().out.split())
    assert "--device DEVICE cpu; cuda, cuda:1; fake, fake:FILE; again for more." in shown
    assert "--batch N,... Samples per forward, with commas." in shown
    assert "--dtype TYPE,... Any floats, or tf32, with commas." in shown


def test_a_missing_device_is_exit_3_and_one_line_with_the_command_that_mends_it(capsys, monkeypatch):
    """FAULTS 18."""
    from cnnprof.devices import cuda

    monkeypatch.setattr(cuda, "missing", lambda _python: ("a GPU of NVIDIA", "use a machine that has one"))

    expected = "error[missing-device] --device cuda needs a GPU of NVIDIA\n  hint: use a machine that has one\n"
    assert expected == refused(capsys, SMALL, "--device", "cuda", code=3)


def test_each_device_dtype_batch_and_model_is_a_part():
    argv = [SMALL, "lenet5", *MACHINE, "--batch", "1,8", "--dtype", "float32,float16", "--quiet"]

    assert 0 == main(["profile", *argv])

    (run,) = stored()
    expected = [(model, dtype, batch) for model in (SMALL, "lenet5") for dtype in ("float32", "float16")
                for batch in (1, 8)]  # fmt: skip
    assert expected == [(part.model, part.setting.dtype, part.setting.batch) for part in run.parts]
    assert "done" == run.status


def test_options_reach_the_run():
    argv = [SMALL, *MACHINE, "--budget", "1.5m", "--interval", "5%", "--training", "adam", "--temperature",
            "--threads", "3", "--channels-last"]  # fmt: skip

    assert 0 == main(["profile", *argv])

    (run,) = stored()
    setting = run.parts[0].setting
    assert (90.0, 0.05, True) == (run.budget_s, run.interval, run.temperature)
    assert ("training", "adam", 3, "channels_last") == (
        setting.mode,
        setting.optimizer,
        setting.threads,
        setting.layout,
    )
    assert ("forward", "backward", "optimizer") == run.parts[0].phases


# What is printed and stored


def test_times_stand_beside_what_is_predicted_and_the_run_is_named(capsys):
    assert 0 == main(["profile", "lenet5", *MACHINE])

    out, err = capsys.readouterr()
    (run,) = stored()
    assert "lenet5, fake:fake.json, input 1×32×32, batch 1, float32: 274.0 ms ± 0 %, 3.649 images/s" in out
    assert ["c1", "conv2d", "6×28×28", "156", "117,600"] == out.splitlines()[4].split()[:5]
    assert "end to end" in out
    assert f"stored as {run.id}\n" == err


def test_without_a_store_nothing_is_kept(capsys):
    assert 0 == main(["profile", SMALL, *MACHINE, "--no-store"])

    assert "" == capsys.readouterr().err
    assert not Path("runs").exists()


def test_quiet_says_nothing_and_stores_all_the_same(capsys):
    assert 0 == main(["profile", SMALL, *MACHINE, "--quiet"])

    assert "" == capsys.readouterr().err
    assert 1 == len(stored())


@pytest.mark.parametrize("form", ["csv", "json", "md", "latex", "table"])
def test_a_profile_comes_in_every_format(capsys, form):
    assert 0 == main(["profile", "lenet5", *MACHINE, "--no-store", "-f", form])
    assert "logsoftmax" in capsys.readouterr().out


def test_figures_are_exact_in_csv(capsys):
    assert 0 == main(["profile", "lenet5", *MACHINE, "--no-store", "-f", "csv"])

    text = capsys.readouterr().out
    rows = list(csv.DictReader(io.StringIO("".join(row for row in text.splitlines(keepends=True) if row[:1] != "#"))))
    flatten = next(row for row in rows if row["name"] == "flatten")
    assert 0.02 == float(flatten["time_s"])


def test_a_result_goes_to_files(capsys):
    assert 0 == main(["profile", SMALL, *MACHINE, "--no-store", "-o", "times.csv", "-o", "times.json"])

    assert ("", "wrote times.csv\nwrote times.json\n") == capsys.readouterr()
    assert json.loads(Path("times.json").read_text())


def test_a_network_that_cannot_be_read_costs_the_others_nothing(capsys):
    assert 4 == main(["profile", "no-such-network", SMALL, *MACHINE])

    assert "error[unknown-model]" in capsys.readouterr().err
    assert ["done"] == [part.status for part in stored()[0].parts]


# What goes wrong on the way


def test_a_part_that_fails_is_exit_4_where_something_was_measured(capsys):
    script("dies.json", faults={"20": "segfault"})

    assert 4 == main(["profile", SMALL, "--device", "fake", "--device", "fake:dies.json"])

    out, err = capsys.readouterr()
    assert "failed" in out
    expected = f"error[worker-died] {SMALL} fake:dies.json batch 1 float32: its process was ended by SIGSEGV\n"
    assert expected in err
    assert ["done", "failed"] == [part.status for part in stored()[0].parts]


def test_parts_that_all_fail_before_anything_was_measured_are_exit_2(capsys):
    script("dies.json", faults={"0": "exit"})

    assert 2 == main(["profile", SMALL, "--device", "fake:dies.json"])
    assert "error[worker-died]" in capsys.readouterr().err


def test_an_interpreter_without_torch_is_exit_3(capsys, monkeypatch):
    from cnnprof.errors import MissingPackageError

    def messages(*_given, **_options):
        raise MissingPackageError("measuring needs PyTorch", hint="pip install 'cnnprof[torch]'")
        yield

    monkeypatch.setattr(session.worker, "stream", messages)

    assert 3 == main(["profile", SMALL])
    assert "error[missing] " in capsys.readouterr().err


def test_an_interpreter_that_is_not_there_is_one_error(capsys):
    assert 2 == main(["profile", SMALL, "--python", "/nonexistent"])

    err = capsys.readouterr().err
    assert 1 == err.count("error[")
    assert "cannot start /nonexistent: No such file or directory\n" in err


def test_out_of_memory_in_a_series_of_batches_keeps_the_smaller_ones(capsys):
    """FAULTS 16."""
    script("small.json", memory_bytes=400_000)

    assert 4 == main(["profile", "lenet5", SMALL, "--device", "fake:small.json", "--batch", "1,64"])

    assert (
        "error[worker-memory] lenet5 fake:small.json batch 64 float32: not enough memory\n" in capsys.readouterr().err
    )
    assert ["done", "out-of-memory", "done", "done"] == [part.status for part in stored()[0].parts]


# Going on


def test_an_interrupted_run_is_printed_stored_and_goes_on(capsys, monkeypatch):
    class Stop:
        def __init__(self, *_given):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_given):
            pass

        def show(self, _number, part, _progress):
            if sum(not each.warm_up for each in part.forwards) >= 8:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("cnnprof.cli.profile._watched", Stop)
        assert 130 == main(["profile", SMALL, "lenet5", *MACHINE])
    out, err = capsys.readouterr()
    (before,) = stored()
    assert "interrupted" in out
    assert f"cnnprof profile --resume {before.id} goes on" in out
    assert f"cnnprof profile --resume {before.id} goes on\n" == err
    assert ("interrupted", ["interrupted"] * 2) == (before.status, [part.status for part in before.parts])

    assert 0 == main(["profile", "--resume", "last"])

    (after,) = stored()
    assert (before.id, "done", ["done"] * 2) == (after.id, after.status, [part.status for part in after.parts])
    assert before.parts[0].forwards == after.parts[0].forwards[: len(before.parts[0].forwards)]
    assert f"stored as {before.id}\n" == capsys.readouterr().err


def test_a_finished_run_has_nothing_to_go_on_with_and_is_printed_again(capsys):
    main(["profile", "lenet5", *MACHINE])
    first = capsys.readouterr().out
    (before,) = stored()

    assert 0 == main(["profile", "--resume", before.id])

    assert (first, [before]) == (capsys.readouterr().out, stored())


# The live table


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def drawn(names: list[str], *shown: tuple[int, Part, Progress | None]) -> str:
    stream = Terminal()
    with LiveParts(stream, names) as live:
        for each in shown:
            live.show(*each)
    return stream.getvalue()


def part(*walls: int, status: str = "running") -> Part:
    forwards = tuple(Forward(kind="E", wall_ns=wall, cpu_ns=wall) for wall in walls)
    return Part(model="net", setting=Setting(), status=status, forwards=forwards)


def test_the_live_table_shows_what_is_done_the_median_so_far_and_the_time_that_is_left():
    text = drawn(
        ["first", "second"],
        (0, part(3_000_000, 1_000_000, 2_000_000), Progress(doing="measuring", elapsed_s=10.0, of_s=30.0)),
        (0, part(1_000_000, status="done"), None),
    )

    assert [] == [word for word in ("first", "second", "measuring", "3 forwards", "2.000 ms") if word not in text]
    assert "at most 20 s left" in text
    assert "done" in text


def test_forwards_of_the_warm_up_and_of_pass_l_are_not_in_the_median():
    warm = (Forward(kind="E", wall_ns=10**9, cpu_ns=1, warm_up=True), Forward(kind="L", wall_ns=10**9, cpu_ns=1))
    found = part(1_000_000)
    text = drawn(["net"], (0, Part(model="net", setting=Setting(), forwards=(*warm, *found.forwards)), None))

    assert "1 forward " in text
    assert "1.000 ms" in text


def test_a_part_that_nobody_planned_gets_a_line_of_its_own():
    found = Part(model="net", setting=Setting(device="cuda", batch=15), confirms=True)
    text = drawn(["first"], (0, part(1_000_000), None), (1, found, None))

    assert "net cuda batch 15 float32" in text


@pytest.mark.parametrize("name", ["[red]\x1b]0;owned\x07", "[/]", "[link=http://x]y", "a\nb\u202ec", "\x9b2J"])
def test_a_hostile_name_in_the_live_table_acts_nowhere(name):
    text = drawn([name], (0, part(1_000_000), Progress(doing="measuring", elapsed_s=1.0, of_s=2.0)))

    assert [] == [bad for bad in ("\x1b]", "\x07", "\u202e", "\x9b", "\x1b]8") if bad in text]
