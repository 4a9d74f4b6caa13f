"""Any module to a graph: what is seen, what is counted, what is left alone, what is refused."""

from __future__ import annotations

import copy
from collections import OrderedDict

import pytest
import torch
from torch import nn
from torch.nn import functional

from cnnprof import analyzer
from cnnprof.errors import UsageError
from cnnprof.model.graph import Edge
from tests.imported.networks import Auxiliary, Forward, Small, StandardisedConv, counted, ops, seen

# -- what is seen -----------------------------------------------------------------------------------------------------


def test_every_module_and_function_is_a_layer_under_its_path():
    assert [
        ("conv", "conv2d"),
        ("norm", "batchnorm2d"),
        ("act", "relu"),
        ("relu", "relu"),
        ("add", "add"),
        ("adaptive_avg_pool2d", "adaptiveavgpool2d"),
        ("flatten", "flatten"),
        ("head", "linear"),
    ] == ops(Small())


def test_it_is_known_what_is_called_as_a_module_and_what_as_a_function():
    calls = {node.name: node.call for node in seen(Small()).nodes}

    assert ("module", "function", "function") == (calls["act"], calls["relu"], calls["adaptive_avg_pool2d"])


def test_arguments_are_those_of_the_module_without_its_defaults():
    nodes = {node.name: node for node in seen(Small()).nodes}

    assert {"out_channels": 4, "kernel_size": 3, "padding": 1} == nodes["conv"].args
    assert {"inplace": True} == nodes["act"].args
    assert {"inplace": True} == nodes["add"].args


def test_the_module_path_is_kept_as_the_origin_and_as_containers():
    inner = Forward(lambda self, x: self.conv(x) * 2, conv=nn.Conv2d(3, 2, 1))
    graph = seen(Forward(lambda self, x: functional.relu(self.block(x)), block=inner))

    assert [("block.conv", "block.conv"), ("block.mul", "block"), ("relu", None)] == [
        (node.name, node.origin.module) for node in graph.nodes
    ]
    assert [("block", "Forward", "block.mul")] == [(each.path, each.module, each.last) for each in graph.containers]


def test_a_second_call_of_a_function_has_a_number():
    assert [("relu", "relu"), ("relu_2", "relu")] == ops(Forward(lambda _, x: functional.relu(functional.relu(x))))


def test_outputs_have_their_names_and_the_main_one_is_last():
    heads = {"a": nn.Conv2d(3, 1, 1), "b": nn.Conv2d(3, 2, 1)}
    as_dict = Forward(lambda self, x: OrderedDict(out=self.a(x), aux=self.b(x)), **heads)
    as_tuple = Forward(lambda self, x: (self.a(x), [self.b(x)]), **heads)

    assert [("aux", Edge("b")), ("out", Edge("a"))] == list(seen(as_dict).outputs.items())
    assert [("1.0", Edge("b")), ("0", Edge("a"))] == list(seen(as_tuple).outputs.items())


def test_several_inputs_arrive_in_order_or_by_the_names_of_the_forward():
    class Two(nn.Module):
        def forward(self, left, right):
            return left - right

    ordered, named = seen(Two(), (2,), (2,)), seen(Two(), right=(2,), left=(2,))

    assert (Edge("input"), Edge("input1")) == ordered.nodes[0].inputs
    assert (Edge("left"), Edge("right")) == named.nodes[0].inputs


def test_one_input_that_is_named_goes_where_its_name_is():
    class Late(nn.Module):
        def forward(self, mask=None, image=None):
            return image * 2 if mask is None else mask

    assert ["mul"] == [node.op for node in seen(Late(), image=(3,)).nodes]


def test_work_in_place_changes_what_later_layers_read():
    def forward(_, x):
        value = x * 2
        value.add_(1)
        return value * value

    assert [Edge("add"), Edge("add")] == list(seen(Forward(forward)).nodes[-1].inputs)


def test_what_already_is_as_asked_for_is_no_layer():
    assert [("relu", "relu")] == ops(
        Forward(lambda _, x: functional.relu(x.contiguous().float().to("cpu").to("cpu", dtype=x.dtype)))
    )


def test_a_view_is_told_from_a_copy_by_the_storage_it_has():
    graph = seen(Forward(lambda _, x: x.transpose(0, 1).transpose(0, 1).reshape(-1, 8).transpose(0, 1).reshape(-1)))

    assert ["view", "new"] == [node.args.get("writes", "new") for node in graph.nodes if node.op == "torch.reshape"]


def test_a_layer_that_shows_its_input_is_not_taken_for_one_that_copied():
    graph = seen(Forward(lambda _, x: (x.flatten(1), x.permute(0, 2, 3, 1).flatten(1))))

    assert ["flatten", "permute", "torch.flatten"] == [node.op for node in graph.nodes]


def test_a_norm_with_a_forward_of_its_own_is_one_layer_with_its_count_of_batches():
    class OwnNorm(nn.BatchNorm2d):
        def forward(self, image):
            return functional.batch_norm(image, self.running_mean, self.running_var, self.weight, self.bias)

    found = counted(OwnNorm(3))

    assert (["batchnorm2d"], 7, ()) == ([row.op for row in found.rows], found.totals.buffers, found.notes)


# -- what is counted --------------------------------------------------------------------------------------------------


def test_totals_are_those_of_the_module():
    totals = counted(Small()).totals

    assert (112 + 8 + 50, 9, 64 * 4 * 27 + 40) == (totals.params, totals.buffers, totals.macs)


def test_a_network_seen_once_is_counted_for_any_batch():
    def forward(self, x):
        windows = x.reshape(-1, 3, 2, 4, 2, 4).permute(0, 2, 4, 3, 5, 1).reshape(-1, 16, 3)
        return self.mix(windows).softmax(0).mean()

    module = Forward(forward, mix=nn.Linear(3, 5))
    one, eight = counted(module), counted(module, batch=8)

    assert (4, 16, 3) == one.row("mix").inputs[0].shape
    assert (32, 16, 3) == eight.row("mix").inputs[0].shape
    assert 8 * one.totals.macs == eight.totals.macs == 8 * 4 * 16 * 15


def test_a_module_called_twice_has_its_parameters_once_and_its_work_twice():
    found = counted(Forward(lambda self, x: self.conv(self.conv(x)), conv=nn.Conv2d(3, 3, 1)))

    assert (12, 2 * 64 * 9) == (found.totals.params, found.totals.macs)
    assert "conv" == found.row("conv_2").share


def test_weights_tied_between_modules_are_counted_once():
    def forward(self, x):
        return functional.linear(self.encode(x), self.encode.weight.t())

    found = counted(Forward(forward, encode=nn.Linear(8, 5, bias=False)), (8,))

    assert (40, 80) == (found.totals.params, found.totals.macs)
    assert not found.totals.lower_bound


def test_modules_that_hold_the_same_parameter_share_it():
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    second.weight, second.bias = first.weight, first.bias
    found = counted(nn.Sequential(first, second), (4,))

    assert (20, 32, "0") == (found.totals.params, found.totals.macs, found.row("1").share)


def test_a_bias_of_its_own_beside_tied_weights_is_counted_too():
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    second.weight = first.weight
    totals = counted(nn.Sequential(first, second), (4,)).totals

    assert (24, 32, ()) == (totals.params, totals.macs, totals.unknown_ops)


def test_computed_weights_convolve_like_others():
    from torch.utils.flop_counter import FlopCounterMode

    module = StandardisedConv(3, 4, 3, padding=1)
    with FlopCounterMode(display=False) as counter:
        module(torch.zeros(1, 3, 8, 8))
    totals = counted(module).totals

    assert (112, counter.get_total_flops(), ()) == (totals.params, totals.flops, totals.unknown_ops)


def test_a_recurrent_layer_meets_every_step_with_every_weight():
    found = counted(Forward(lambda self, x: self.memory(x)[0], memory=nn.LSTM(5, 7, batch_first=True)), (11, 5))

    assert (4 * 7 * (5 + 7 + 2), 11 * 4 * 7 * (5 + 7)) == (found.totals.params, found.totals.macs)


def test_a_parameter_that_is_added_is_a_layer_of_its_own():
    module = Forward(lambda self, x: x + self.position, position=nn.Parameter(torch.zeros(1, 3, 8, 8)))

    assert [("position", "parameter"), ("add", "add")] == ops(module)
    assert 192 == counted(module).totals.params


def test_a_head_that_works_in_training_only_is_counted_so():
    found = counted(Auxiliary())

    assert [("aux", "train")] == [(row.name, row.when) for row in found.rows if row.when != "always"]
    assert (112 + 2 * 10, 36 * 4 * 27 + 8) == (found.totals.params, found.totals.macs)


def test_parameters_that_the_forward_never_uses_are_counted_and_named():
    found = counted(Forward(lambda self, x: self.conv(x), conv=nn.Conv2d(3, 1, 1), spare=nn.Linear(7, 7)))

    assert 4 + 56 == found.totals.params
    assert ["never used by the forward, counted all the same: spare"] == [note.message for note in found.notes]


def test_frozen_parameters_are_frozen():
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 5, 1))
    module[0].requires_grad_(requires_grad=False)

    assert (25, 16) == (counted(module).totals.trainable_params, counted(module).totals.frozen_params)


def test_an_unknown_operator_is_named_and_makes_the_totals_lower_bounds():
    found = counted(Forward(lambda self, x: torch.sort(self.conv(x)).values, conv=nn.Conv2d(3, 1, 1)))

    assert (True, ("torch.sort",), 192) == (
        found.totals.lower_bound, found.totals.unknown_ops, found.totals.macs,
    )  # fmt: skip
    assert (1, 1, 8, 8) == found.row("sort").outputs[0].shape


def test_no_memory_is_needed_for_weights():
    with torch.device("meta"):
        module = nn.Linear(10**6, 10**6)

    assert 10**12 + 10**6 == counted(module, (10**6,)).totals.params


def test_what_a_layer_computes_inside_takes_no_name_from_it():
    assert [("conv2d", "conv2d")] == ops(nn.utils.spectral_norm(nn.Conv2d(3, 3, 1)))


def test_a_layer_that_a_hook_changes_is_what_its_functions_are():
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten())
    module[0].register_forward_hook(lambda _module, _args, result: torch.cat([result, result], 1))

    assert [("0.conv2d", "conv2d"), ("0.cat", "concat"), ("1", "flatten")] == ops(module)


# -- what is left alone -----------------------------------------------------------------------------------------------


def test_the_module_is_left_as_it_was():
    module = Small().train()
    module.norm.eval()
    called = []
    module.conv.register_forward_hook(lambda *_: called.append("hook"))
    before = copy.deepcopy(module.state_dict())
    tensors = {name: id(tensor) for name, tensor in module.state_dict(keep_vars=True).items()}
    counted(module)

    assert list(before) == list(module.state_dict())
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())
    assert tensors == {name: id(tensor) for name, tensor in module.state_dict(keep_vars=True).items()}
    assert (True, False, True) == (module.training, module.norm.training, module.act.training)
    assert 1 == len(module.conv._forward_hooks)
    assert torch.nn.Module.__call__ is torch.nn.Module._wrapped_call_impl
    assert not torch.is_grad_enabled() or module(torch.zeros(1, 3, 8, 8)).requires_grad


def test_the_module_is_left_as_it_was_when_its_forward_raises():
    def forward(self, x):
        self.norm(x)
        raise ValueError("on purpose")

    module = Forward(forward, norm=nn.BatchNorm2d(3)).train()
    with pytest.raises(UsageError, match="on purpose"):
        counted(module)

    assert not module.norm.running_mean.is_meta
    assert module.training
    assert 0 == module.norm.num_batches_tracked


# -- what is unwrapped, what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [torch.nn.DataParallel, torch.compile], ids=["DataParallel", "compile"])
def test_a_wrapper_is_looked_into(wrap):
    assert ops(Small()) == ops(wrap(Small()))


def refusal(module, *shapes):
    with pytest.raises(UsageError) as caught:
        seen(module, *shapes)
    return caught.value.code, f"{caught.value}; {caught.value.hint}"


def test_a_forward_that_asks_for_a_value_is_refused_with_its_place():
    inner = Forward(lambda _, x: x if x.sum() > 0 else -x)
    code, message = refusal(Forward(lambda self, x: self.gate(x), gate=inner))

    assert "depends-on-data" == code
    assert "in gate" in message


def test_a_forward_that_raises_is_told_with_its_place_and_input():
    code, message = refusal(nn.Sequential(nn.Conv2d(5, 1, 1)))

    assert "forward-raises" == code
    assert "in 0" in message
    assert "input 1x3x8x8 float32" in message


@pytest.mark.parametrize("size", [2**62, 2**63])
def test_an_input_beyond_64_bits_is_refused_by_name(size):
    code, message = refusal(nn.ReLU(), (3, size))

    assert "too-large" == code
    assert f"input of 3x{size} has more bytes than torch can count in 64 bits" in message


def test_a_forward_whose_sizes_overflow_is_refused_with_its_place():
    code, message = refusal(nn.Sequential(nn.ReLU(), nn.Upsample(scale_factor=2**31)))

    assert "too-large" == code
    assert "makes a tensor, in 1, that has more bytes" in message


def test_an_input_that_fits_only_once_into_64_bits_is_counted_for_one_sample():
    found = seen(nn.ReLU(), (2**56,))

    assert 2**56 == analyzer.analyze(found).totals.ops
    assert ["traced for one sample"] == [note[:21] for note in found.notes]


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (nn.Conv2d(3, 8, 300), "input size"),  # in other words in each torch
        (nn.Conv2d(3, 8, 3, padding=-200), "input size"),
        (nn.Conv2d(3, 8, 3, stride=0), "ZeroDivisionError"),
        (nn.MaxPool2d(300), "Output size is too small"),
        (nn.ZeroPad2d(-200), "length must be non-negative"),
    ],
    ids=["kernel", "negative padding", "stride 0", "window", "less than nothing"],
)
def test_a_layer_that_leaves_nothing_is_refused_with_its_place(layer, said):
    code, message = refusal(nn.Sequential(nn.ReLU(), layer))

    assert "forward-raises" == code
    assert "in 1:" in message
    assert said in message


def test_statistics_of_other_channels_are_refused_as_torch_refuses_them():
    code, message = refusal(Forward(lambda _, x: functional.batch_norm(x, torch.zeros(5), torch.ones(5))))

    assert "forward-raises" == code
    assert "RuntimeError" in message


def test_a_forward_of_two_arguments_wants_two_inputs():
    class Two(nn.Module):
        def forward(self, left, right):
            return left + right

    code, message = refusal(Two())

    assert "other-inputs" == code
    assert "forward(left, right)" in message


def test_a_lazy_module_is_refused():
    assert "lazy-module" == refusal(nn.LazyLinear(3))[0]


def test_a_scripted_module_is_refused():
    assert "script-module" == refusal(torch.jit.script(nn.ReLU()))[0]


def test_a_forward_without_a_tensor_is_refused():
    assert "no-output" == refusal(Forward(lambda _, x: x.shape))[0]


def test_a_forward_for_one_sample_only_is_traced_for_one():
    def forward(_, x):
        if x.shape[0] > 1:
            raise ValueError("one at a time")
        return x * 2

    found = seen(Forward(forward))

    assert [("mul", "mul")] == [(node.name, node.op) for node in found.nodes]
    assert ["traced for one sample"] == [note[:21] for note in found.notes]
    assert 2 * 192 == analyzer.analyze(found, batch=2).totals.ops
