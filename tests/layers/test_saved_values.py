"""What layers keep for the backward, figure by figure. No torch; the rules of a GPU are of torch's source."""

from __future__ import annotations

import pytest

from cnnprof.layers.backward import Needs, Saved, kept, kept_input, kept_output
from cnnprof.model.graph import TensorSpec
from tests.layers import ask

IMAGE = (2, 3, 4, 5)


def saved(op: str, *shapes, needs: Needs | None = None, device="cpu", dtype="float32", **args) -> tuple[Saved, ...]:
    layer, inputs = ask.layer(op, **args), ask.tensors(*shapes, dtype=dtype)
    return layer.saved(inputs, layer.outputs(inputs), needs or Needs((True,) * len(inputs), True), device)


def own(op: str, *shapes, **args) -> list[TensorSpec]:
    return [entry.tensor for entry in saved(op, *shapes, **args) if entry.tensor]


def test_relu_keeps_its_output_and_gelu_its_input():
    assert (kept_output(),) == saved("relu", IMAGE)
    assert (kept_input(),) == saved("gelu", IMAGE)


def test_in_place_relu_keeps_what_it_wrote_and_relu6_a_copy_of_what_it_overwrote():
    assert (kept_output(),) == saved("relu", IMAGE, inplace=True)
    assert (kept(TensorSpec(IMAGE)),) == saved("relu6", IMAGE, inplace=True)


def test_views_sums_and_joins_keep_nothing():
    assert () == saved("flatten", IMAGE)
    assert () == saved("add", IMAGE, IMAGE)
    assert () == saved("concat", IMAGE, IMAGE)
    assert () == saved("mean", IMAGE, dim=[2, 3])


def test_a_product_keeps_each_factor_for_the_gradient_of_the_other():
    assert (kept_input(1),) == saved("mul", IMAGE, IMAGE, needs=Needs((True, False), parameters=False))
    assert (kept_input(0),) == saved("mul", IMAGE, IMAGE, needs=Needs((False, True), parameters=False))


def test_a_dense_layer_keeps_its_input_only_where_its_weight_is_trained():
    assert (kept_input(),) == saved("linear", (2, 8), out_features=4)
    assert () == saved("linear", (2, 8), out_features=4, needs=Needs((True,), parameters=False))


def test_a_convolution_keeps_its_input_whatever_is_trained():
    frozen = Needs((True,), parameters=False)

    assert (kept_input(),) == saved("conv2d", IMAGE, out_channels=4, kernel_size=3, needs=frozen)


def test_a_convolution_that_reflects_keeps_the_padded_input_too():
    padded = kept(TensorSpec((2, 3, 6, 7)))
    found = saved("conv2d", IMAGE, out_channels=4, kernel_size=3, padding=1, padding_mode="reflect")

    assert (padded, kept_input()) == found


def test_max_pooling_keeps_8_bytes_per_output_for_the_place_of_the_maximum():
    (places,) = own("maxpool2d", (1, 64, 112, 112), kernel_size=3, stride=2, padding=1)

    assert 8 * 64 * 56 * 56 == places.nbytes


def test_global_average_pooling_is_a_mean_and_keeps_nothing():
    assert () == saved("adaptiveavgpool2d", IMAGE, output_size=1)
    assert (kept_input(),) == saved("adaptiveavgpool2d", IMAGE, output_size=2)


def test_batch_norm_keeps_two_numbers_per_channel_and_layer_norm_two_per_row():
    assert [TensorSpec((3,))] * 2 == own("batchnorm2d", IMAGE)
    assert [TensorSpec((2, 3, 4, 1))] * 2 == own("layernorm", IMAGE)


@pytest.mark.parametrize(("device", "dtype", "each"), [("cpu", "float32", 4), ("cuda", "bool", 1)])
def test_dropout_keeps_4_bytes_per_element_on_a_cpu_and_1_on_a_gpu(device, dtype, each):
    (mask,) = own("dropout", IMAGE, device=device)

    assert TensorSpec(IMAGE, dtype) == mask
    assert each * 120 == mask.nbytes


def test_dropout_in_place_keeps_numbers_on_a_gpu_too():
    assert [TensorSpec(IMAGE)] == own("dropout", IMAGE, device="cuda", inplace=True)


def test_dropped_channels_keep_one_number_each():
    assert [TensorSpec((2, 3, 1, 1))] == own("dropout2d", IMAGE)


def test_dropping_nothing_keeps_nothing_and_dropping_all_a_single_zero():
    assert [] == own("dropout", IMAGE, p=0.0)
    assert [TensorSpec(())] == own("dropout", IMAGE, p=1.0)


def test_logsigmoid_keeps_a_second_tensor_on_a_cpu_only():
    assert [TensorSpec(IMAGE)] == own("logsigmoid", IMAGE)
    assert [] == own("logsigmoid", IMAGE, device="cuda")


def test_rms_norm_takes_steps_on_a_cpu_and_is_one_operator_on_a_gpu():
    rows = TensorSpec((2, 5, 1))

    assert [rows, TensorSpec((2, 5, 8))] == own("rmsnorm", (2, 5, 8))
    assert [rows] == own("rmsnorm", (2, 5, 8), device="cuda")


def test_statistics_in_half_precision_are_kept_in_single_precision_on_a_gpu():
    assert [TensorSpec((3,), "bfloat16")] * 2 == own("batchnorm2d", IMAGE, dtype="bfloat16")
    assert [TensorSpec((3,))] * 2 == own("batchnorm2d", IMAGE, dtype="bfloat16", device="cuda")


def test_fused_attention_keeps_a_number_per_query_and_single_steps_keep_the_scores():
    heads = (2, 4, 50, 8)

    assert [TensorSpec((2, 4, 50))] == own("scaleddotproductattention", heads, heads, heads)
    steps = own("scaleddotproductattention", heads, heads, heads, dropout_p=0.1)
    assert 3 == steps.count(TensorSpec((2, 4, 50, 50)))


def test_a_gpu_rounds_the_numbers_of_single_precision_attention_up_to_32_queries():
    heads = (2, 4, 50, 8)

    assert [TensorSpec((2, 4, 64))] == own("scaleddotproductattention", heads, heads, heads, device="cuda")


def test_a_gpu_has_no_fused_attention_for_odd_widths_in_single_precision():
    heads = (2, 4, 50, 7)
    scores = TensorSpec((2, 4, 50, 50))

    assert 1 == own("scaleddotproductattention", heads, heads, heads, device="cuda").count(scores)


def test_a_gpu_has_fused_attention_with_dropout_in_half_precision():
    heads = (2, 4, 50, 8)
    found = own("scaleddotproductattention", heads, heads, heads, device="cuda", dtype="float16", dropout_p=0.1)

    assert [TensorSpec((2, 4, 50))] == found


def test_gradients_of_a_sum_are_its_output_s_but_those_of_what_was_broadcast_are_summed_up():
    layer, inputs = ask.layer("add"), ask.tensors((2, 3, 4), (1, 3, 1))

    assert ["view", "new"] == [layer.gradients(inputs, source) for source in (0, 1)]


def test_gradients_of_a_difference_are_its_output_s_and_its_negative():
    layer, inputs = ask.layer("sub"), ask.tensors((2, 3), (2, 3))

    assert ["view", "new"] == [layer.gradients(inputs, source) for source in (0, 1)]
