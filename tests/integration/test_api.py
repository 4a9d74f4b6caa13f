"""The Python functions: what a user of the library types."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import cnnprof

SPEC = (
    "cnnprof: 1\nname: tiny\ninput: [3, 8, 8]\nparams: {w: 4}\nlayers: [conv2d: {out_channels: =w, kernel_size: 3}]\n"
)


def write(folder: Path, text: str = SPEC) -> str:
    path = folder / "tiny.yaml"
    path.write_text(text)
    return str(path)


def test_a_zoo_network_is_analysed_by_its_name() -> None:
    totals = cnnprof.analyze("vgg16").totals

    assert (138_357_544, 15_470_264_320, 30_940_528_640) == (totals.params, totals.macs, totals.flops)


def test_the_flags_are_arguments_of_the_same_name(tmp_path: Path) -> None:
    found = cnnprof.analyze(write(tmp_path), batch=2, input="3x9x9", dtype="float16", set={"w": 8}, freeze=["conv*"])

    assert (2, "float16", (3, 9, 9)) == (found.batch, found.dtype, found.inputs[0].shape)
    assert (0, 8 * 28) == (found.totals.trainable_params, found.totals.frozen_params)
    assert ("--set w", "--input") == found.overridden


def test_a_graph_is_loaded_once_and_analysed_many_times(tmp_path: Path) -> None:
    graph = cnnprof.load(write(tmp_path))

    assert [36 * 108, 8 * 36 * 108] == [cnnprof.analyze(graph, batch=n).totals.macs for n in (1, 8)]


def test_a_pattern_is_a_model_too() -> None:
    assert 30_730 == cnnprof.analyze("INPUT 3x32x32 -> FC-10").totals.params


def test_the_zoo_lists_its_names_without_a_duplicate() -> None:
    names = cnnprof.zoo()

    assert {"vgg16", "alexnet", "lenet5", "resnet18"} & set(names) >= {"vgg16", "alexnet", "lenet5"}
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", cnnprof.zoo())
def test_every_network_of_the_zoo_is_found_by_its_name(name: str) -> None:
    assert name == cnnprof.load(name).name


def test_a_misspelt_network_gets_the_nearest_name() -> None:
    with pytest.raises(cnnprof.UsageError, match="no network of the zoo is called 'vgg_16'") as caught:
        cnnprof.analyze("vgg_16")

    assert "did you mean 'vgg16'?" == caught.value.hint


def test_what_is_no_model_at_all_says_what_one_is() -> None:
    with pytest.raises(cnnprof.UsageError, match="'a b' is not the name of a model"):
        cnnprof.analyze("a b")


def test_a_result_becomes_a_data_frame_a_notebook_table_and_a_terminal_table() -> None:
    found = cnnprof.analyze("lenet5")
    frame = found.to_frame()

    assert (13, 61_706) == (len(frame), int(frame["params"].sum()))
    assert "61,706" in found._repr_html_()
    assert found.__rich__() is not None


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, cnnprof; print(sorted({'torch', 'pandas', 'yaml', 'rich', 'click', 'msgspec'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "[]" == done.stdout.strip()


def test_every_public_name_is_there_and_listed() -> None:
    assert set(cnnprof.__all__) <= set(dir(cnnprof))
    assert [] == [name for name in cnnprof.__all__ if not hasattr(cnnprof, name)]
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(cnnprof, "nothing")  # noqa: B009


FACTS = """cnnprof: 1
name: claimed
input: [3, 8, 8]
layers: [conv2d: {out_channels: 4, kernel_size: 3}]
expect:
  facts:
    - {of: params, value: "112", source: right}
    - {of: params, value: "99", source: "a slip", at: conv2d}
    - {of: macs, value: "3888", source: "another", holds: false, why: thought wrong}
"""


def test_a_published_figure_that_is_not_counted_gets_a_note(tmp_path: Path) -> None:
    path = write(tmp_path, FACTS)

    assert [
        ("conv2d", "the published figure params = 99 (a slip) is not what is counted: 112"),
        (None, "the published figure macs = 3888 (another) is said not to hold, but is what is counted: 3888"),
    ] == [(note.layer, note.message) for note in cnnprof.analyze(path).notes]
    assert () == cnnprof.analyze(path, batch=8).notes


def test_a_published_figure_of_nothing_that_is_counted_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(cnnprof.UsageError, match="mcas"):
        cnnprof.analyze(write(tmp_path, FACTS.replace("of: macs", "of: mcas")))


def test_a_path_object_and_a_single_pattern_to_freeze_will_do(tmp_path: Path) -> None:
    found = cnnprof.analyze(Path(write(tmp_path)), freeze="conv*")

    assert (0, 112) == (found.totals.trainable_params, found.totals.frozen_params)


def test_what_is_no_model_is_refused():
    with pytest.raises(
        cnnprof.UsageError, match=r"a model is a name, a path, a pattern, an nn.Module or a Graph, got list"
    ):
        cnnprof.analyze(["resnet18"])


@pytest.mark.parametrize("function", [cnnprof.analyze, cnnprof.build, cnnprof.validate])
@pytest.mark.parametrize(("name", "value"), [("input", "3x9x9"), ("set", {"w": 8})])
def test_what_would_change_a_graph_that_is_read_already_is_refused(tmp_path, function, name, value):
    graph = cnnprof.load(write(tmp_path))

    with pytest.raises(cnnprof.UsageError, match=f"(?m)^{name} does not change a graph, which is read already$"):
        function(graph, **{name: value})
