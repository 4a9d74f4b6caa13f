"""The memory that torch's tracker sees of the built network, and the claims that it would not let pass."""

from __future__ import annotations

import pytest
import torch

import cnnprof
from cnnprof.analyzer import freeze
from cnnprof.builder import build
from cnnprof.devices.storages import total, tracker
from cnnprof.layers.activations import ReLU
from cnnprof.layers.backward import kept, kept_input
from cnnprof.layers.joining import Concat
from cnnprof.layers.pooling import MaxPool
from cnnprof.model.graph import Graph
from cnnprof.model.validation import Figure
from cnnprof.validator import validate
from cnnprof.validator.case import BATCH, Case
from cnnprof.validator.fake import fake_inputs, fake_tensors, on_fakes
from cnnprof.validator.memory import Network, check, forward_and_backward, made, training_peaks

TRAINING = [f"peak bytes of a training step, {name}" for name in ("sgd", "momentum", "adam")]
KEPT, INFERENCE = "bytes kept for the backward", "peak bytes of an inference"
EAGER = f"{INFERENCE}, as it is programmed"
NETWORKS = {
    "lenet5": "lenet5",
    "inception": "inception_module",
    "pool": "INPUT 3x32x32 -> CONV3-16 -> POOL2 -> RELU -> CONV3-8 -> FC-10",
    "norm": "residual_block",
}


def figures(graph: Graph, against: str | None = None) -> dict[str, Figure]:
    """Return what the check finds, by what is compared."""
    return {figure.what: figure for figure in validate(graph, against=against, checks=["memory"]).figures}


@pytest.mark.parametrize("name", NETWORKS)
def test_small_networks_agree_with_torch_to_the_byte(name):
    found = figures(cnnprof.load(NETWORKS[name]))

    assert dict.fromkeys([*TRAINING, KEPT, INFERENCE], "equal") == {what: each.verdict for what, each in found.items()}
    assert all(figure.theirs > 0 for figure in found.values())


def test_where_gradients_are_added_up_the_tracker_counts_new_memory_and_that_explains_the_difference():
    sgd = figures(cnnprof.load("resnet18"))[TRAINING[0]]

    # One gradient of 2×256×14×14 floats, twice as many bytes as torch needs where nobody watches.
    assert ("explained", 131_773_664, 2 * 256 * 14 * 14 * 4) == (sgd.verdict, sgd.ours, sgd.theirs - sgd.ours)
    assert -0.003 == pytest.approx(sgd.error, abs=1e-4)
    assert sgd.note.startswith("gradients that are added up take new memory only where a dispatch mode")


def test_a_forward_that_keeps_variables_needs_more_and_has_no_bound():
    found = figures(cnnprof.load("densenet121"))

    assert ("equal", 47_905_896) == (found[INFERENCE].verdict, found[INFERENCE].ours)
    assert ("explained", "torchvision:densenet121", 53_525_608) == (
        found[EAGER].verdict, found[EAGER].by, found[EAGER].theirs,
    )  # fmt: skip
    assert -0.105 == pytest.approx(found[EAGER].error, abs=1e-4)
    assert found[EAGER].note.endswith(": no bound")


def test_a_reference_may_hold_less_where_it_runs_the_auxiliary_head_last():
    case = Case(cnnprof.load("fcn_resnet50", input="3x65x65"), "torchvision:fcn_resnet50")
    *_, found = check(case)

    assert ("explained", EAGER) == (found.verdict, found.what)
    assert found.ours > found.theirs
    assert "it holds less: it runs branches in another order, or layers in place: no bound" == found.note


def test_what_another_network_holds_differs_and_is_not_explained():
    found = figures(cnnprof.load("resnet34"), against="torchvision:resnet18")[EAGER]

    assert ("differs", "another network, of 11,689,512 parameters") == (found.verdict, found.note)


def test_a_reference_that_does_not_run_costs_its_own_figure_only():
    found = figures(cnnprof.load("lenet5"), against="torchvision:resnet18")

    assert [*["equal"] * 5, "failed"] == [figure.verdict for figure in found.values()]
    assert found["the check itself"].note.startswith("torchvision:resnet18 does not run on 1×32×32: ")


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("name", ["lenet5", "mobilenet_v3_small"])
def test_one_forward_and_backward_for_all_optimizers_gives_the_peak_of_a_whole_second_step(name, optimizer):
    case = Case(cnnprof.load(name))
    modules = [build(case.graph, device="meta") for _ in range(2)]
    with fake_tensors():
        network, other = (Network(on_fakes(module), fake_inputs(case, BATCH)) for module in modules)
        step = made(optimizer, list(network.module.parameters()))
        found = tracker(network.module, step, *network.inputs)
        with found:
            for _ in range(2):
                forward_and_backward(network)
                step.step()
                step.zero_grad(set_to_none=True)

        assert total(found) == training_peaks(other)[optimizer]


def test_what_is_frozen_keeps_nothing_and_needs_no_gradients():
    found = figures(freeze(cnnprof.load("resnet18"), ["*"]))

    assert {KEPT, INFERENCE, EAGER} == set(found)
    assert (0, 0) == (found[KEPT].ours, found[KEPT].theirs)


# -- what is wrong is seen ---------------------------------------------------------------------------------------------


def test_a_layer_that_claims_to_keep_too_little_is_named(monkeypatch):
    monkeypatch.setattr(MaxPool, "saved", lambda *_: (kept_input(),))
    found = figures(cnnprof.load("INPUT 3x32x32 -> CONV3-16 -> POOL2 -> FC-10"))

    assert ("differs", "maxpool2d", 2 * 16 * 16 * 16 * 8) == (
        found[KEPT].verdict, found[KEPT].layer, found[KEPT].theirs - found[KEPT].ours,
    )  # fmt: skip
    assert "torch keeps input 0, 65,536 bytes of its own of it, not input 0" == found[KEPT].note
    assert "differs" == found[TRAINING[0]].verdict


def test_a_layer_that_claims_to_keep_another_tensor_is_named(monkeypatch):
    monkeypatch.setattr(ReLU, "saved", lambda _layer, inputs, *_: (kept(inputs[0]),))
    found = figures(cnnprof.load("INPUT 3x32x32 -> CONV3-16 -> RELU -> FC-10"))

    assert ("differs", "relu") == (found[KEPT].verdict, found[KEPT].layer)


def test_tensors_that_are_forgotten_too_early_are_missed(monkeypatch):
    network = cnnprof.load("INPUT 3x32x32 -> CONV3-64 -> POOL2 -> FC-10")
    assert "equal" == figures(network)[INFERENCE].verdict

    monkeypatch.setattr(MaxPool, "forgets", lambda *_: ())
    found = figures(network)[INFERENCE]
    assert ("differs", 2 * 64 * 16 * 16 * 8) == (found.verdict, found.theirs - found.ours)


def test_a_copy_that_claims_to_be_a_view_is_missed(monkeypatch):
    monkeypatch.setattr(Concat, "storage", lambda *_, **__: "view")
    found = figures(cnnprof.load("inception_module"))

    assert {"differs"} == {found[what].verdict for what in TRAINING}


def test_networks_that_share_weights_share_them_on_fake_tensors(tmp_path):
    path = tmp_path / "shared.yaml"
    path.write_text(
        "cnnprof: 1\nname: shared\ninput: [4, 8, 8]\nlayers:\n"
        "  - conv2d: {out_channels: 4, kernel_size: 3, padding: 1}\n    name: first\n"
        "  - relu\n"
        "  - conv2d: {out_channels: 4, kernel_size: 3, padding: 1}\n    share: first\n",
        encoding="utf-8",
    )
    module = build(cnnprof.load(str(path)), device="meta")
    with fake_tensors():
        parameters = list(on_fakes(module).parameters())
        conv, other = module.first, module.conv2d

    assert [torch.Size([4, 4, 3, 3]), torch.Size([4])] == [each.shape for each in parameters]
    assert conv.weight is other.weight
    assert {"equal", "explained"} >= {each.verdict for each in figures(cnnprof.load(str(path))).values()}
