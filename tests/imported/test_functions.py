"""torch's functions one by one: the layer each is, or what is known of it as it was recorded."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from cnnprof import analyze
from cnnprof.errors import UsageError
from cnnprof.model.graph import Graph
from cnnprof.model.plain import from_json, to_json
from tests.imported.networks import Forward, counted, seen

LAYERS = {
    "conv1d": (lambda self, x: functional.conv1d(x[:, :, 0], self.w[:, :, 0]), "torch.conv1d"),
    "conv_transpose2d": (lambda self, x: functional.conv_transpose2d(x, self.v, stride=2), "convtranspose2d"),
    "max_pool2d": (lambda _, x: functional.max_pool2d(x, 2), "maxpool2d"),
    "max_pool2d with places": (lambda _, x: functional.max_pool2d(x, 2, return_indices=True), "maxpool2d"),
    "avg_pool2d": (lambda _, x: functional.avg_pool2d(x, 2, ceil_mode=True), "avgpool2d"),
    "adaptive_max_pool2d": (lambda _, x: functional.adaptive_max_pool2d(x, 2), "adaptivemaxpool2d"),
    "leaky_relu": (lambda _, x: functional.leaky_relu(x, 0.2), "leakyrelu"),
    "relu by position": (lambda _, x: functional.relu(x.clone(), True), "relu"),
    "gelu": (lambda _, x: functional.gelu(x, approximate="tanh"), "gelu"),
    "dropout": (lambda _, x: functional.dropout(x, 0.3, training=False), "dropout"),
    "log_softmax": (lambda _, x: functional.log_softmax(x, 1), "logsoftmax"),
    "softmax over the batch": (lambda _, x: x.softmax(0), "softmax"),
    "layer_norm": (lambda _, x: functional.layer_norm(x, (8,)), "layernorm"),
    "group_norm": (lambda _, x: functional.group_norm(x, 3), "groupnorm"),
    "instance_norm": (lambda _, x: functional.instance_norm(x), "instancenorm2d"),
    "rms_norm": (lambda _, x: functional.rms_norm(x, (8,)), "rmsnorm"),
    "batch_norm": (lambda self, x: functional.batch_norm(x, self.mean, self.var), "batchnorm2d"),
    "local_response_norm": (lambda _, x: functional.local_response_norm(x, 3), "localresponsenorm"),
    "prelu": (lambda self, x: functional.prelu(x, self.slope), "prelu"),
    "pad": (lambda _, x: functional.pad(x, (1, 1)), "pad"),
    "interpolate": (lambda _, x: functional.interpolate(x, scale_factor=2, mode="bilinear"), "upsample"),
    "interpolate with antialias": (
        lambda _, x: functional.interpolate(x, size=4, mode="bilinear", antialias=True), "torch.interpolate",
    ),
    "transpose": (lambda _, x: x.transpose(1, 2), "transpose"),
    "permute by list": (lambda _, x: x.permute([0, 2, 3, 1]), "permute"),
    "squeeze": (lambda _, x: x[:, :1].squeeze(1), "squeeze"),
    "squeeze of all": (lambda _, x: x[:, :1].squeeze(), "torch.squeeze"),
    "unsqueeze": (lambda _, x: x.unsqueeze(1), "unsqueeze"),
    "stack": (lambda _, x: torch.stack([x, x], 1), "stack"),
    "concat": (lambda _, x: torch.cat([x, x], 1), "concat"),
    "concat of the batch": (lambda _, x: torch.cat([x, x]), "concat"),
    "split": (lambda _, x: x.split([1, 2], 1)[0], "split"),
    "chunk": (lambda _, x: x.chunk(3, 1)[0], "chunk"),
    "index": (lambda _, x: x[:, 0], "getitem"),
    "slice": (lambda _, x: x[:, 1:], "slice"),
    "several slices": (lambda _, x: x[:, :, 1:3, 1:3], "torch.getitem"),
    "flatten of the batch": (lambda _, x: x.flatten(), "torch.flatten"),
    "unflatten": (lambda _, x: x.unflatten(2, (2, 4)), "reshape"),
    "sum": (lambda _, x: x.sum((2, 3)), "sum"),
    "mean": (lambda _, x: x.mean(1, keepdim=True), "mean"),
    "mean of all": (lambda _, x: x.mean(), "torch.mean"),
    "a number before": (lambda _, x: 1 - x, "torch.rsub"),
    "a number behind": (lambda _, x: x / 2, "div"),
    "a multiple": (lambda _, x: torch.add(x, x, alpha=2), "torch.add"),
    "a scale per channel": (lambda self, x: x * self.scale, "layerscale"),
    "norm": (lambda _, x: torch.linalg.vector_norm(x, dim=(2, 3)), "torch.vector_norm"),
    "roll": (lambda _, x: x.roll((1, 1), (2, 3)), "roll"),
    "pixel_shuffle": (lambda _, x: functional.pixel_unshuffle(x, 2), "pixelunshuffle"),
    "maximum": (lambda _, x: torch.max(x, x * 2), "torch.maximum"),
    "one parameter": (lambda self, x: x + self.number, "add"),
    "embedding": (lambda self, x: functional.embedding(x.argmax(1), self.slope.reshape(3, 1)), "torch.embedding"),
    "sorting": (lambda _, x: x.sort().values, "torch.sort"),
}  # fmt: skip


def network(forward):
    return Forward(
        forward,
        w=nn.Parameter(torch.zeros(4, 3, 3, 3)), v=nn.Parameter(torch.zeros(3, 4, 2, 2)),
        slope=nn.Parameter(torch.zeros(3)), scale=nn.Parameter(torch.zeros(3, 1, 1)),
        number=nn.Parameter(torch.tensor(0.5)), mean=torch.zeros(3), var=torch.ones(3),
    )  # fmt: skip


@pytest.mark.parametrize("case", LAYERS)
def test_a_function_is_the_layer_that_it_is_or_keeps_its_name(case):
    forward, op = LAYERS[case]
    module = network(forward)
    for name in ("mean", "var"):
        value = getattr(module, name)
        delattr(module, name)
        module.register_buffer(name, value)

    assert op in {node.op for node in seen(module).nodes}


PRODUCTS = {
    "addmm": (lambda a, b: torch.addmm(torch.zeros(1), a[0], b[0]), (2, 6), (6, 5)),
    "baddbmm": (lambda a, b: torch.baddbmm(torch.zeros(1), a, b), (2, 6), (6, 5)),
    "bmm": (torch.bmm, (2, 6), (6, 5)),
    "matmul that broadcasts": (lambda a, b: a @ b[:1], (2, 6), (6, 5)),
    "einsum": (lambda a, b: torch.einsum("bij,bjk->bik", a, b), (2, 6), (6, 5)),
    "einsum with dots": (lambda a, b: torch.einsum("...ij,...jk->...ik", a, b), (2, 6), (6, 5)),
    "einsum over the batch": (lambda a, b: torch.einsum("bij,bjk->ik", a, b), (2, 6), (6, 5)),
    "attention": (
        lambda a, b: functional.scaled_dot_product_attention(a[:, None], b[:, None], b[:, None]), (5, 8), (7, 8),
    ),
    "attention with a mask": (
        lambda a, b: functional.scaled_dot_product_attention(a[:, None], b[:, None], b[:, None], torch.zeros(5, 7)),
        (5, 8), (7, 8),
    ),
    "linear with a value as weights": (lambda a, b: functional.linear(a, b[0]), (5, 8), (7, 8)),
    "convolution with a value as weights": (lambda a, b: functional.conv1d(a, b[:1].reshape(1, 5, 2)), (5, 8), (5, 2)),
    "transposed convolution with a value as weights": (
        lambda a, b: functional.conv_transpose1d(a, b[:1].reshape(5, 1, 2)), (5, 8), (5, 2),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PRODUCTS)
def test_a_product_of_values_has_flop_counter_modes_multiply_accumulates(case):
    forward, left, right = PRODUCTS[case]
    module = Forward(lambda _, a, b: forward(a, b))
    inputs = [torch.zeros(1, *left, device="meta"), torch.zeros(1, *right, device="meta")]
    with FlopCounterMode(display=False) as counter, torch.device("meta"):
        module(*inputs)
    totals = counted(module, left, right).totals

    assert (counter.get_total_flops(), ()) == (totals.flops, totals.unknown_ops)
    assert totals.macs > 0


def test_an_einsum_of_three_operands_is_unknown_because_its_order_is_torchs_choice():
    module = Forward(lambda _, a, b: torch.einsum("bij,bjk,bkl->bil", a, b, a))

    assert ("torch.einsum_of_several",) == counted(module, (2, 6), (6, 2)).totals.unknown_ops


ARITHMETIC = {
    "a logarithm is an exponential": (lambda x: x.log(), {"exps": 192}),
    "a comparison": (lambda x: x > 0, {"cmps": 192}),
    "between two bounds are two comparisons": (lambda x: x.clamp(0, 1), {"cmps": 384}),
    "a sum of all": (lambda x: x.sum(), {"adds": 191}),
    "a mean of all": (lambda x: x.mean(), {"adds": 191, "divs": 1}),
    "the largest of each row": (lambda x: x.amax(3), {"cmps": 168}),
    "a variance": (lambda x: x.var(3), {"adds": 192 + 2 * 168, "muls": 192, "divs": 48}),
    "a norm": (lambda x: x.norm(), {"adds": 191, "muls": 192, "exps": 1}),
    "a softmax of the batch": (lambda x: x.softmax(0), {"adds": 192, "exps": 192, "divs": 192}),
    "to choose is no arithmetic": (lambda x: x.masked_fill(torch.ones(8, dtype=torch.bool), 0.0), {}),
    "to copy is none": (lambda x: x.flip(3).repeat(1, 2, 1, 1), {}),
}


@pytest.mark.parametrize("case", ARITHMETIC)
def test_recorded_arithmetic_is_counted_as_the_layers_are(case):
    forward, events = ARITHMETIC[case]
    row = counted(Forward(lambda _, x: forward(x))).rows[-1]

    assert events == {name: value for name in row.events.__struct_fields__ if (value := getattr(row.events, name))}


@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
def test_every_step_of_a_recurrent_layer_meets_every_weight(kind, gates):
    module = Forward(lambda self, x: self.memory(x)[0], memory=kind(5, 7, num_layers=2, bidirectional=True))
    found = counted(module, (11, 5))

    assert 11 * gates * 7 * 2 * ((5 + 7) + (14 + 7)) == found.totals.macs
    assert () == found.totals.unknown_ops


def test_a_training_step_repeats_recorded_products_for_what_needs_gradients():
    module = Forward(lambda self, x: functional.linear(x, self.weight * 2), weight=nn.Parameter(torch.zeros(5, 8)))
    totals = counted(module, (8,)).totals

    assert (40, 40, 0) == (totals.macs, totals.input_grad_macs, totals.weight_grad_macs)


def test_a_second_head_of_attention_weights_does_not_hide_the_attention():
    module = Forward(lambda self, x: self.attend(x, x, x)[0], attend=nn.MultiheadAttention(8, 2, batch_first=True))

    assert ["multiheadattention"] == [node.op for node in seen(module, (5, 8)).nodes]


NUMBERS = {
    "an infinite factor": (lambda x: x * float("inf"), lambda x: x * 2.0),
    "a divisor beyond all floats": (lambda x: x / (-float("inf")), lambda x: x / 2.0),
    "nothing that is a number, added": (lambda x: x + float("nan"), lambda x: x + 2.0),
    "an infinite one taken off": (lambda x: x - float("inf"), lambda x: x - 2.0),
}


@pytest.mark.parametrize("case", NUMBERS)
def test_a_number_that_is_not_finite_is_counted_as_any_other(case):
    graphs = (
        seen(Forward(lambda self, x, act=act: act(self.conv(x)), conv=nn.Conv2d(3, 4, 3))) for act in NUMBERS[case]
    )
    # As a worker hands it on: JSON has no such numbers.
    odd, usual = (analyze(from_json(to_json(graph), Graph), training="sgd") for graph in graphs)

    assert () == odd.totals.unknown_ops
    assert (usual.totals, usual.memory.peak_bytes, usual.training.peak_bytes) == (
        odd.totals,
        odd.memory.peak_bytes,
        odd.training.peak_bytes,
    )


COMPLEX = {
    "an output": (lambda _, x: torch.fft.fft(x).abs(), "fft_fft, made in Forward, is complex64"),
    "a factor": (lambda _, x: (x * (1 + 2j)).abs(), "mul, made in Forward, is complex64"),
    "a parameter": (lambda self, x: (x.to(torch.complex128) @ self.w).abs(),
                    "w, a weight or buffer of Forward, is complex128"),
}  # fmt: skip


@pytest.mark.parametrize("case", COMPLEX)
def test_a_tensor_of_complex_numbers_is_refused_by_its_name_and_module(case):
    forward, named = COMPLEX[case]
    state = {"w": nn.Parameter(torch.zeros(8, 8, dtype=torch.complex128))} if case == "a parameter" else {}

    with pytest.raises(UsageError) as caught:
        counted(Forward(forward, **state), (3, 8, 8))

    assert ("unknown-dtype", f"{named}, and cnnprof does not count such numbers") == (
        caught.value.code,
        caught.value.message,
    )
