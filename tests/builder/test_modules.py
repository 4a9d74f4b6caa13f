"""The modules of a built network: names, shapes and sizes as analysed, modes, freezing, sharing."""

from __future__ import annotations

import copy
import io
import pickle

import pytest
import torch

import cnnprof
from cnnprof.errors import LayerError
from cnnprof.model.graph import Edge, Graph, Input
from tests.builder.specs import build, chain, node


def run(network, *inputs: torch.Tensor) -> dict[str, tuple[tuple[int, ...], ...]]:
    """Return the output shapes of every node that a forward runs."""
    seen = {}

    def note(name: str):
        def hook(_module, _inputs, output):
            seen[name] = tuple(tuple(each.shape) for each in (output if isinstance(output, tuple) else (output,)))

        return hook

    hooks = [network.get_submodule(path).register_forward_hook(note(name)) for name, path in network.paths.items()]
    with torch.no_grad():
        network(*inputs)
    for hook in hooks:
        hook.remove()
    return seen


@pytest.mark.parametrize("name", cnnprof.zoo())
def test_every_network_of_the_zoo_has_the_shapes_parameters_and_buffers_of_its_analysis(name):
    analysis = cnnprof.analyze(name, batch=2)
    network = cnnprof.build(name, device="meta")
    inputs = [torch.empty(2, *each.shape, device="meta") for each in analysis.inputs]
    shapes = {row.name: tuple(each.shape for each in row.outputs) for row in analysis.rows}
    in_evaluation = {row.name for row in analysis.rows if row.when == "always"}

    assert list(shapes) == list(network.paths)
    assert all(name == path for name, path in network.paths.items())
    assert shapes == run(network, *inputs)
    assert {name: shapes[name] for name in shapes if name in in_evaluation} == run(network.eval(), *inputs)
    assert analysis.totals.params == sum(each.numel() for each in network.parameters())
    assert analysis.totals.buffers == sum(each.numel() for each in network.buffers())
    for row in analysis.rows:
        assert row.params == sum(each.numel() for each in network.get_submodule(row.name).parameters()), row.name


def test_weights_are_saved_under_the_layers_names():
    expected = ["c1.weight", "c1.bias", "c3.weight", "c3.bias", "c5.weight", "c5.bias"]

    assert expected == list(cnnprof.build("lenet5").state_dict())[:6]
    assert "layer2.0.downsample.batchnorm2d.running_mean" in cnnprof.build("resnet18", device="meta").state_dict()


def test_a_network_is_built_in_training_mode():
    network = cnnprof.build("lenet5")

    assert all(module.training for module in network.modules())


def test_heads_of_training_give_outputs_in_training_and_none_in_evaluation():
    network = cnnprof.build("googlenet", device="meta")
    image = torch.empty(2, 3, 224, 224, device="meta")

    assert {"aux1": (2, 1000), "aux2": (2, 1000), "output": (2, 1000)} == {
        name: tuple(value.shape) for name, value in network(image).items()
    }
    assert (2, 1000) == tuple(network.eval()(image).shape)


def test_a_layer_of_training_hands_the_very_tensor_on_in_evaluation(tmp_path):
    network = build(tmp_path, "input: [3]\nlayers: [relu, {dropout: {p: 1.0}, when: train}]\n")
    ones = torch.ones(1, 3)

    assert torch.equal(torch.zeros(1, 3), network(ones))
    assert torch.equal(ones, network.eval()(ones))


def test_what_changes_the_shape_cannot_be_left_out_in_evaluation(tmp_path):
    text = "input: [3, 8, 8]\nlayers: [{conv2d: {out_channels: 4, kernel_size: 1}, when: train}, relu]\n"

    with pytest.raises(LayerError) as caught:
        build(tmp_path, text)

    assert "not-buildable" == caught.value.code
    assert (
        "conv2d (conv2d): works in training only; in evaluation its input takes its place, and it gives 4×8×8 for 3×8×8"
        == caught.value.message
    )


def test_what_reads_nothing_cannot_be_left_out_in_evaluation(tmp_path):
    text = """
        input: [3]
        layers:
          - add:
              - []
              - - {parameter: {shape: [1, 3]}, when: train}
    """

    with pytest.raises(
        LayerError, match=r"^parameter \(parameter\): works in training only; .* reads nothing that could"
    ):
        build(tmp_path, text)


def test_an_operator_that_nobody_registered_is_named():
    with pytest.raises(LayerError) as caught:
        cnnprof.build(chain(node("a.b", "relu", "input"), node("a.c", "Gelu_7", "a.b")))

    assert "a.c: nobody registered the operator 'Gelu_7', so there is no module to build" == caught.value.message
    assert "not-buildable" == caught.value.code


def test_a_layer_that_refuses_its_arguments_or_inputs_is_named():
    with pytest.raises(LayerError, match=r"^a\.b \(conv2d\): kernel_size must be >= 1, got 0"):
        cnnprof.build(chain(node("a.b", "conv2d", "input", out_channels=3, kernel_size=0)))
    with pytest.raises(LayerError, match=r"^a\.b \(conv1d\): conv1d needs an input of 2 dimensions"):
        cnnprof.build(chain(node("a.b", "conv1d", "input", out_channels=3, kernel_size=1)))


def test_what_torch_refuses_to_make_is_named(monkeypatch):
    def refuse(*_: object) -> None:
        raise ValueError("not today")

    monkeypatch.setattr("cnnprof.layers.linear.Linear.build", refuse)

    with pytest.raises(LayerError, match=r"^fc \(linear\): torch refuses it: not today$"):
        cnnprof.build(chain(node("fc", "linear", "input", out_features=2)))


def test_frozen_layers_need_no_gradients_and_their_statistics_move_unless_they_rest(tmp_path):
    network = build(
        tmp_path,
        """
        input: [3, 8, 8]
        layers:
          - {batchnorm2d: null, name: moving, frozen: true}
          - {batchnorm2d: null, name: resting, frozen: eval}
          - {batchnorm2d: null, name: trained}
        """,
    )
    network.eval().train()
    network(torch.randn(4, 3, 8, 8))

    assert {"trained.weight", "trained.bias"} == {
        name for name, value in network.named_parameters() if value.requires_grad
    }
    assert [1, 0, 1] == [int(each.num_batches_tracked) for each in (network.moving, network.resting, network.trained)]
    assert [True, False, True] == [each.training for each in (network.moving, network.resting, network.trained)]


def test_a_network_inside_another_keeps_its_layers_at_rest(tmp_path):
    inner = build(tmp_path, "input: [3, 8, 8]\nlayers: [{batchnorm2d: null, frozen: eval}]\n")
    outer = torch.nn.Sequential(inner, torch.nn.ReLU()).train()

    assert inner.training
    assert not outer[0].batchnorm2d.training


def test_layers_are_frozen_by_a_pattern_too():
    network = cnnprof.build("lenet5", freeze="c*", device="meta")

    assert ["f6.weight", "f6.bias", "output.weight", "output.bias"] == [
        name for name, value in network.named_parameters() if value.requires_grad
    ]


SHARED = """
    input: [4, 8, 8]
    layers:
      - {conv2d: {out_channels: 4, kernel_size: 1}, name: first}
      - {batchnorm2d: null, name: norm}
      - {conv2d: {out_channels: 4, kernel_size: 1}, name: second, share: first}
      - {batchnorm2d: null, name: norm_again, share: norm}
"""


def shares(network) -> bool:
    pairs = [(network.first, network.second), (network.norm, network.norm_again)]
    tensors = [(one.state_dict(keep_vars=True), other.state_dict(keep_vars=True)) for one, other in pairs]
    return all(one[name] is other[name] for one, other in tensors for name in one)


def test_shared_weights_are_one_object(tmp_path):
    network = build(tmp_path, SHARED)

    assert shares(network)
    assert ["first.weight", "first.bias", "norm.weight", "norm.bias"] == [
        name for name, _ in network.named_parameters()
    ]
    assert 4 * 4 + 4 + 2 * 4 == sum(each.numel() for each in network.parameters())
    assert 2 * 4 + 1 == sum(each.numel() for each in network.buffers())


def test_shared_weights_stay_one_object_when_the_network_moves_or_loads(tmp_path):
    network = build(tmp_path, SHARED)
    state = copy.deepcopy(network.state_dict())

    assert shares(network.to(torch.float64))
    assert shares(network.half())
    assert shares(copy.deepcopy(network))
    assert shares(network.to("meta"))
    network.load_state_dict(state, assign=True)
    assert shares(network)
    assert shares(build(tmp_path, SHARED, dtype="bfloat16"))
    assert shares(build(tmp_path, SHARED, device="meta"))


class Around(torch.nn.Module):
    """A module that has a network as a part, as a detector has its backbone."""

    def __init__(self, network):
        super().__init__()
        self.network = network


def test_shared_weights_stay_one_object_when_a_module_around_the_network_loads(tmp_path):
    around = Around(build(tmp_path, SHARED))
    state = copy.deepcopy(around.state_dict())
    state["network.first.weight"].zero_()
    around.load_state_dict(state, assign=True)

    assert shares(around.network)
    assert 0 == around.network.second.weight.abs().max()
    other = copy.deepcopy(around)
    other.load_state_dict(copy.deepcopy(state), assign=True)
    assert shares(other.network)
    assert other.network.first.weight is not around.network.first.weight


def test_shared_weights_stay_one_object_when_loading_fails_half_way(tmp_path):
    network = build(tmp_path, SHARED)
    state = copy.deepcopy(network.state_dict())
    del state["norm.weight"]

    with pytest.raises(RuntimeError, match=r"Missing key.*norm\.weight"):
        network.load_state_dict(state, assign=True)
    assert shares(network)


def test_a_layer_that_was_given_weights_of_its_own_keeps_them(tmp_path):
    network = build(tmp_path, SHARED)
    network.second.weight = torch.nn.Parameter(torch.zeros(4, 4, 1, 1))
    network.double()

    assert network.first.weight is not network.second.weight
    assert network.first.bias is network.second.bias


def test_the_owner_of_shared_weights_says_whether_they_are_frozen(tmp_path):
    frozen = build(tmp_path, SHARED.replace("name: first", "name: first, frozen: true"))
    trained = build(tmp_path, SHARED.replace("name: second", "name: second, frozen: true"))

    assert not frozen.second.weight.requires_grad
    assert trained.first.weight.requires_grad


def test_work_in_place_overwrites_its_input_as_the_specification_says(tmp_path):
    network = build(tmp_path, "input: [3]\nlayers: [relu: {inplace: true}]\n")
    values = torch.tensor([[-1.0, 2.0, -3.0]])
    network(values)

    assert [[0.0, 2.0, 0.0]] == values.tolist()


def test_a_copy_computes_the_same_and_shares_nothing():
    network = cnnprof.build("lenet5").eval()
    other = copy.deepcopy(network)
    image = torch.randn(1, 1, 32, 32)

    assert torch.equal(network(image), other(image))
    torch.nn.init.zeros_(other.c1.weight)
    assert not torch.equal(network(image), other(image))
    assert network.code == other.code


def test_weights_are_saved_and_loaded(tmp_path):
    network, other = cnnprof.build("lenet5").eval(), cnnprof.build("lenet5", seed=1).eval()
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    other.load_state_dict(torch.load(tmp_path / "weights.pt"))
    image = torch.randn(1, 1, 32, 32)

    assert torch.equal(network(image), other(image))


def test_a_whole_network_is_not_pickled_and_says_what_to_do_instead():
    network = cnnprof.build("lenet5", device="meta")
    message = r"^a built network is not pickled: save its state_dict\(\), and load that into cnnprof\.build\(…\)$"

    with pytest.raises(TypeError, match=message):
        pickle.dumps(network)
    with pytest.raises(TypeError, match=message):
        torch.save(network, io.BytesIO())


def test_an_input_may_be_an_output_and_whole_numbers_pass():
    graph = Graph(
        name="through",
        source="test",
        inputs=(Input(name="x", shape=(3,)), Input(name="n", shape=(2,), dtype="int64")),
        nodes=(node("relu", "relu", "x"),),
        outputs={"same": Edge("n"), "output": Edge("relu")},
    )
    whole = torch.tensor([[1, 2]])

    found = cnnprof.build(graph)(torch.zeros(1, 3), whole)

    assert found["same"] is whole
