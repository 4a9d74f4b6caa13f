"""Receptive fields and useful multiply-accumulates of whole networks as torch has them, and claims it refutes."""

from __future__ import annotations

import pytest

import cnnprof
from cnnprof.layers.adaptive import AdaptiveAvgPool
from cnnprof.layers.conv import Conv
from cnnprof.layers.linear import Linear
from cnnprof.layers.pooling import MaxPool
from cnnprof.model.graph import Graph
from cnnprof.model.validation import Figure
from cnnprof.shapes import Taps
from cnnprof.validator import validate

USEFUL = "MACs that read a stored element"
NETWORKS = ("lenet5", "resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5", "unet_padded", "squeezenet1_1")


def figures(graph: Graph) -> dict[str, Figure]:
    """Return what both checks find, by what is compared."""
    return {figure.what: figure for figure in validate(graph, checks=["useful", "receptive"]).figures}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_see_what_torchs_gradient_says(name):
    found = figures(cnnprof.load(name))

    assert {"equal"} == {figure.verdict for figure in found.values()}
    assert len(found) >= 5


def test_a_field_wider_than_the_network_input_is_looked_at_on_a_longer_one():
    found = figures(cnnprof.load("resnet18"))

    # 435 elements, of which a picture of 224 could show no unit.
    last = found["input elements seen from the middle of layer4.1.relu_2"]
    assert ("71…505 × 71…505", "71…505 × 71…505") == (last.ours, last.theirs)
    everything = found["input elements seen by avgpool, everything"]
    assert ("0…223 × 0…223", "0…223 × 0…223") == (everything.ours, everything.theirs)


def test_squeeze_excitation_gates_are_cut_away_so_that_the_local_field_is_left():
    found = figures(cnnprof.load("mobilenet_v3_small"))

    seen = cnnprof.analyze("mobilenet_v3_small").row("head.hardswish").receptive_field
    assert "global (local 639/32/319)" == str(seen)
    assert "65…703 × 65…703" == found["input elements seen from the middle of head.hardswish"].theirs


def test_axes_are_looked_at_one_by_one(tmp_path):
    path = tmp_path / "wide.yaml"
    path.write_text(
        "cnnprof: 1\nname: wide\ninput: [1, 12, 40]\nlayers:\n"
        "  - conv2d: {out_channels: 4, kernel_size: [1, 7], padding: [0, 3]}\n",
        encoding="utf-8",
    )
    found = figures(cnnprof.load(str(path)))["input elements seen from the middle of conv2d"]

    assert ("equal", "16…16 × 13…19") == (found.verdict, found.theirs)


def test_useful_macs_of_a_convolution_behind_a_padding_layer_leave_its_zeros_out(tmp_path):
    path = tmp_path / "padded.yaml"
    path.write_text(
        "cnnprof: 1\nname: padded\ninput: [2, 7, 7]\nlayers:\n  - zeropad2d: {padding: 1}\n"
        "  - conv2d: {out_channels: 3, kernel_size: 3, bias: false}\n",
        encoding="utf-8",
    )
    found = figures(cnnprof.load(str(path)))[USEFUL]

    # 361 of 441 taps, 2 channels, 3 filters, 2 samples.
    assert ("equal", 361 * 2 * 3 * 2) == (found.verdict, found.theirs)


def test_what_has_no_axis_has_no_field():
    assert [USEFUL] == list(figures(cnnprof.load("INPUT 10 -> FC-5")))


# -- what is wrong is seen ---------------------------------------------------------------------------------------------


def test_a_window_that_claims_to_read_one_element_is_named(monkeypatch):
    monkeypatch.setattr(MaxPool, "reads", lambda *_: {dim: Taps(dim, (0,), (0,), 2) for dim in (2, 3)})
    found = figures(cnnprof.load("INPUT 3x32x32 -> CONV3-8 -> POOL2 -> CONV3-8"))
    wrong = [figure for figure in found.values() if figure.verdict == "differs"]

    assert [("conv2d_2", "13…19 × 13…19", "13…20 × 13…20")] == [(each.layer, each.ours, each.theirs) for each in wrong]


def test_a_claim_to_be_local_of_what_sees_everything_is_refuted(monkeypatch):
    monkeypatch.setattr(AdaptiveAvgPool, "reads", lambda *_: {dim: Taps(dim, (0,), (0,), 1) for dim in (2, 3)})
    found = figures(cnnprof.load("resnet18"))

    assert "differs" in {figure.verdict for figure in found.values() if figure.layer == "avgpool"}


def test_a_claim_to_see_everything_of_what_is_local_is_refuted(monkeypatch):
    monkeypatch.setattr(Linear, "reads", lambda *_: {0: Taps(0)})
    found = figures(cnnprof.load("convnext_tiny"))

    assert "differs" in {figure.verdict for what, figure in found.items() if what.endswith(", everything")}


def test_wrong_useful_macs_name_the_first_layer(monkeypatch):
    monkeypatch.setattr(Conv, "useful_macs", lambda layer, inputs, outputs, *_: layer.events(inputs, outputs).macs)
    found = figures(cnnprof.load("resnet18"))[USEFUL]

    assert ("differs", "conv1", 3_360_781_824) == (found.verdict, found.layer, found.theirs)
