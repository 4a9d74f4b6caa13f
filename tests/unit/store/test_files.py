"""Run files: what is written is read again, and nothing else is."""

from __future__ import annotations

import json
import os

import pytest

from cnnprof import analyze
from cnnprof.errors import UsageError
from cnnprof.model.plain import replace
from cnnprof.store import files
from tests.helpers import runs


def test_a_run_comes_back_from_its_file_with_everything():
    run = runs.run(runs.ID, runs.part(analysis=analyze("lenet5")), runs.part("a\udc80\n"))

    assert run == files.from_json(files.to_json(run), "run.json")


def test_a_file_is_one_line_of_ascii():
    text = files.to_json(runs.run(runs.ID, runs.part("卷积\x1b[2J\n")))

    assert (True, 1) == (text.isascii(), text.count("\n"))


def test_what_an_environment_says_besides_is_kept():
    run = runs.run(runs.ID, runs.part(environment={"cores": 2, "threads": None, "mine": {"x": [1, "two"]}}))

    assert run == files.from_json(files.to_json(run), "run.json")


def test_a_name_may_be_of_many_digits():
    run = runs.run(runs.ID, runs.part("9" * 60))

    assert run == files.from_json(files.to_json(run), "run.json")


def changed(change) -> str:
    """A run file in which one thing is different."""
    given = json.loads(files.to_json(runs.run()))
    change(given)
    return json.dumps(given)


def put(*path, value):
    """A change: set what lies at a path."""

    def change(given):
        for step in path[:-1]:
            given = given[step]
        given[path[-1]] = value

    return change


PART = ("parts", 0)
FIRST = (*PART, "forwards", 0)
LAST = (*PART, "forwards", 3)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (put("modle", value=1), "there is no key modle"),
        (put(*PART, "model_", value="os:system"), "there is no key parts[0].model_"),
        (put(*FIRST, "x", value=1), "there is no key parts[0].forwards[0].x"),
        (put("parts", value={}), "Expected array, got object - at $.parts"),
        (put("status", value="great"), "Invalid enum value 'great' - at $.status"),
        (put("schema", value="cnnprof/run/2"),
         "it is of version 2, and this cnnprof reads up to version 1; upgrade cnnprof"),
        (put("schema", value="cnnprof/analysis/1"), "its schema is not cnnprof/run/1"),
        (put("schema", value="cnnprof/run/1.5"), "its schema is not cnnprof/run/1"),
        (put("schema", value=1), "its schema is not cnnprof/run/1"),
        (put("id", value="../../etc"), "id is not made of letters, digits and .-_"),
        (put("id", value="--yes"), "id is not made of letters, digits and .-_"),
        (put("id", value=""), "id is not made of letters, digits and .-_"),
        (put("id", value="a" * 201), "id is not made of letters, digits and .-_"),
        (put("created", value="yesterday"), "created is no date and time"),
        (put("interval", value=0), "budget_s and interval must be above 0"),
        (put("budget_s", value=-1), "budget_s and interval must be above 0"),
        (put(*PART, "setting", "batch", value=0), "parts[0]: batch must be above 0"),
        (put(*PART, "setting", "threads", value=0), "parts[0]: threads must be above 0"),
        (put(*PART, "memory", "peak_bytes", value=0), "parts[0]: peak_bytes must be above 0"),
        (put(*PART, "marks", value=[]), "parts[0]: 2 layers have 0 marks"),
        *[(put(*PART, "environment", name, value=value),
           f"parts[0]: environment.{name} must be a whole number above 0")
          for name in ("cores", "threads", "memory_bytes") for value in ("two", 0, -1, 1.5, True, 2**63, [1])],
        (put(*PART, "environment", "governor", value=1), "parts[0]: environment.governor must be text"),
        (put(*PART, "environment", "libc", value=[]), "parts[0]: environment.libc must be text"),
        (put(*PART, "environment", "allocator", value="x"), "parts[0]: environment.allocator must be texts by name"),
        (put(*PART, "environment", "allocator", value={"x": 1}),
         "parts[0]: environment.allocator must be texts by name"),
        (put(*PART, "environment", "mine", value=10**38),
         "parts[0].environment.mine is a whole number of more than 38 digits"),
        (put(*PART, "costs", "node", "inside_ns", value=10**330),
         "parts[0].costs.node.inside_ns is a whole number of more than 38 digits"),
        (put(*PART, "setting", "batch", value=10**30), "parts[0]: batch must be below 2^63"),
        (put(*FIRST, "wall_ns", value=2**63), "parts[0]: forwards[0]: wall_ns must be below 2^63"),
        (put(*FIRST, "faults", value=2**63), "parts[0]: forwards[0]: a number must be below 2^63"),
        (put(*FIRST, "wall_ns", value=0), "parts[0]: forwards[0]: wall_ns must be above 0"),
        (put(*FIRST, "wall_ns", value=-5), "parts[0]: forwards[0]: wall_ns must be above 0"),
        (put(*FIRST, "wall_ns", value=1.5), "Expected int, got float - at $.parts[0].forwards[0].wall_ns"),
        (put(*FIRST, "wall_ns", value=None), "Expected int, got null - at $.parts[0].forwards[0].wall_ns"),
        (put(*FIRST, "wall_ns", value=float("nan")), "NaN is no number"),
        (put(*FIRST, "wall_ns", value=float("inf")), "Infinity is no number"),
        (put(*FIRST, "cpu_ns", value=-1), "parts[0]: forwards[0]: a number is below 0"),
        (put(*FIRST, "others", value=-0.5), "parts[0]: forwards[0]: a number is below 0"),
        (put(*FIRST, "phases_ns", value=[1, 2]), "parts[0]: forwards[0]: 2 times for 1 phases"),
        (put(*FIRST, "marks_ns", value=[1]), "parts[0]: forwards[0]: 1 times between marks, and 2 layers"),
        (put(*LAST, "marks_ns", 0, value=-1), "parts[0]: forwards[3]: a number is below 0"),
        (put(*LAST, "marks_cpu_ns", value=[0, 1, 2, 3]), "parts[0]: forwards[3]: 4 times between marks, and 2 layers"),
        (put(*PART, "costs", value={}), "parts[0]: forwards[3]: nothing says what its marks cost"),
        (put(*PART, "temperatures", 0, "hot_ns", value=[0]), "parts[0]: hot_ns and cold_ns must be above 0"),
        (put(*PART, "output_std", value=float("nan")), "NaN is no number"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_run_is_refused_with_the_place(change, expected):
    with pytest.raises(UsageError) as caught:
        files.from_json(changed(change), "run.json")

    assert ("bad-run", 2) == (caught.value.code, caught.value.exit_code)
    assert f"run.json is no run: {expected}" == caught.value.message


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        (("forwards", 1, "device_ns"), 0, "forwards[1]: device_ns must be above 0"),
        (("forwards", 2, "marks_ns"), [1], "forwards[2]: 1 times between marks, and 2 layers"),
        (("forwards", 3, "marks_ns"), [1] * 5, "forwards[3]: 5 times between marks, and 2 layers"),
        (("copies", 0, "bytes"), 0, "bytes and times_ns of copies must be above 0"),
        (("copies", 0, "times_ns"), [5, -1], "bytes and times_ns of copies must be above 0"),
        (("copies", 0, "times_ns"), [], "copies or overlap without a time"),
        (("copies", 1, "cpu_ns"), [-1], "cpu_ns of copies is below 0"),
        (("load", "first_ns"), -1, "load is below 0"),
        (("overlap", "batches"), 0, "batches and times of overlap must be above 0"),
        (("overlap", "both_ns"), [], "copies or overlap without a time"),
        (("telemetry", 0, "sm_clock_mhz"), -1, "telemetry is below 0"),
        (("telemetry", 1, "energy_s"), -1, "telemetry is below 0"),
    ],
)
def test_figures_of_an_accelerator_that_cannot_be_are_refused(field, value, expected):
    run = runs.run(runs.ID, runs.accelerated())
    data = json.loads(files.to_json(run))
    put("parts", 0, *field, value=value)(data)

    with pytest.raises(UsageError) as caught:
        files.from_json(json.dumps(data), "run.json")

    assert run == files.from_json(files.to_json(run), "run.json")
    assert f"run.json is no run: parts[0]: {expected}" == caught.value.message


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"cnnprof/run/1"', "[" * 100_000, "9" * 10_000, "\x00"])
def test_a_text_that_is_no_run_is_refused(text):
    with pytest.raises(UsageError, match=r"^a\.json is no run: "):
        files.from_json(text, "a.json")


def test_an_analysis_of_another_version_is_refused():
    other = replace(analyze("lenet5"), schema="cnnprof/analysis/9")

    with pytest.raises(UsageError, match="the schema of its analysis is not cnnprof/analysis/1"):
        files.from_json(files.to_json(runs.run(runs.ID, runs.part(analysis=other))), "a")


def test_times_between_marks_may_be_nothing_at_all():
    run = runs.run(runs.ID, runs.part(forwards=1))

    assert 0 == run.parts[0].forwards[1].marks_ns[0]
    assert run == files.from_json(files.to_json(run), "run.json")


# Files


def test_a_file_is_read(tmp_path):
    (tmp_path / "run.json").write_text(files.to_json(runs.run()))

    assert runs.run() == files.read(tmp_path / "run.json")


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda _: None, "No such file or directory"),
        (lambda path: path.mkdir(), "it is no regular file"),
        (os.mkfifo, "it is no regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "it is no regular file"),
        (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "it is no text in UTF-8"),
    ],
)
def test_what_is_no_file_of_text_is_refused(make, expected, tmp_path):
    make(tmp_path / "run.json")

    with pytest.raises(UsageError) as caught:
        files.read(tmp_path / "run.json")

    assert f"{tmp_path / 'run.json'} is no run: {expected}" == caught.value.message


def test_a_file_that_is_too_large_is_refused_unread(tmp_path):
    with (tmp_path / "run.json").open("wb") as file:
        file.truncate(files.LARGEST_BYTES + 1)

    with pytest.raises(UsageError, match="it has more than 256 MiB"):
        files.read(tmp_path / "run.json")
