"""Networks that are code, through the library: names go to a worker, modules at hand are followed here."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

import cnnprof
from cnnprof.__main__ import main
from cnnprof.errors import UsageError, WorkerError
from cnnprof.model.graph import Input
from cnnprof.model.plain import from_json, to_json
from cnnprof.readers.imported import reader
from cnnprof.readers.overrides import Overrides
from tests.helpers.processes import environment

LIGHT = """
import sys, cnnprof
print(cnnprof.analyze("torchvision:alexnet").totals.macs, "torch" in sys.modules, "torchvision" in sys.modules)
"""


class Sums(nn.Module):
    """A network with an operation that is no layer."""

    def forward(self, x):
        return torch.cumsum(x, 2)


def test_a_name_is_read_without_torch_in_this_process():
    done = subprocess.run([sys.executable, "-c", LIGHT], env=environment(), capture_output=True, text=True, check=True)

    assert "714188480 False False\n" == done.stdout


def test_what_was_changed_is_known_as_with_a_specification():
    graph = cnnprof.load("torchvision:alexnet", input="3x96x96", set={"num_classes": 10})

    assert ("alexnet", "torchvision:alexnet") == (graph.name, graph.source)
    assert ("--set num_classes", "--input") == graph.overridden
    assert (Input(name="input", shape=(3, 96, 96)),) == graph.inputs
    assert 10 == graph.nodes[-1].args["out_features"]


def test_the_graph_of_a_name_and_of_the_module_itself_are_the_same():
    from cnnprof.readers.torchvision import make

    named = cnnprof.load("torchvision:alexnet")
    at_hand = cnnprof.load(make("alexnet", {}), input=(3, 224, 224))

    assert [(node.name, node.op, node.args) for node in named.nodes] == [
        (node.name, node.op, node.args) for node in from_json(to_json(at_hand), type(at_hand)).nodes
    ]
    assert ("AlexNet", "torchvision.models.alexnet:AlexNet", ()) == (at_hand.name, at_hand.source, at_hand.overridden)


def test_a_module_at_hand_stays_as_it_was():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}

    cnnprof.analyze(module, input=(3, 8, 8), batch=4)

    assert module.training
    assert list(before) == list(module.state_dict())
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())


def test_a_module_at_hand_needs_an_input_and_has_nothing_to_set():
    module = nn.ReLU()
    with pytest.raises(UsageError, match="ReLU: the size of its input is not known; its forward takes input"):
        cnnprof.analyze(module)
    with pytest.raises(UsageError, match="set: ReLU is made already, and has nothing to set"):
        cnnprof.analyze(module, input=(8,), set={"inplace": True})


def test_a_class_is_no_module():
    with pytest.raises(UsageError, match=r"an nn.Module or a Graph, got type"):
        cnnprof.analyze(nn.ReLU, input=(8,))


@pytest.mark.parametrize("setting", [{"norm_layer": nn.BatchNorm2d}, {"dropout": float("nan")}])
def test_a_setting_that_is_no_plain_value_is_refused(setting):
    with pytest.raises(UsageError, match="a setting is a number, text, a list or a mapping") as caught:
        cnnprof.load("torchvision:alexnet", set=setting)

    assert "bad-value" == caught.value.code


def test_a_network_that_takes_too_long_is_ended(tmp_path, monkeypatch):
    (tmp_path / "endless.py").write_text("while True: pass\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reader, "DEADLINE_S", 5.0)

    with pytest.raises(WorkerError, match="no answer within 5 seconds"):
        reader.read_named("endless:net", Overrides())


@pytest.mark.parametrize("function", [cnnprof.build, cnnprof.validate])
def test_what_cannot_be_built_again_is_refused_in_one_sentence(function):
    with pytest.raises(UsageError, match=r"(?m)operations that are no layers: torch\.cumsum$") as caught:
        function(Sums(), input=(3, 8, 8))

    assert "not-buildable" == caught.value.code


def test_of_several_networks_to_validate_one_that_cannot_be_built_costs_nothing(tmp_path, monkeypatch, capsys):
    (tmp_path / "sums.py").write_text("import torch\nfrom tests.imported.test_reader import Sums\n")
    monkeypatch.chdir(tmp_path)

    code = main(["validate", "sums:Sums", "lenet5", "--input", "1x32x32", "--checks", "parameters"])

    out, err = capsys.readouterr()
    assert 4 == code
    assert out.startswith("lenet5, 6 figures: ")
    assert err.startswith("importing sums:Sums, which runs its code\nsums:Sums: error[not-buildable] ")


def test_a_network_of_layers_only_is_validated_like_any_other():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))

    assert cnnprof.validate(module, input=(3, 8, 8), checks=["parameters", "macs"]).ok
