"""Dense and locally connected layers: the same shapes with and without shared weights."""

from __future__ import annotations

from cnnprof.model.analysis import Events
from tests.layers.facts import facts, refusal


class TestLinear:
    def test_a_flattened_224_image_to_a_thousand_classes_has_150_million_parameters(self):
        assert facts("linear", (224 * 224 * 3,), out_features=1000).params == 150_529_000

    def test_784_pixels_to_100_units_have_a_weight_per_pair_and_a_bias_per_unit(self):
        assert facts("linear", (784,), out_features=100).params == 100 * 784 + 100

    def test_a_640x480_image_to_a_thousand_units_has_921_million_parameters(self):
        assert facts("linear", (640 * 480 * 3,), out_features=1000).params == 921_601_000

    def test_a_megapixel_image_to_a_thousand_units_has_three_billion_weights(self):
        assert facts("linear", (1000 * 1000 * 3,), out_features=1000, bias=False).params == 3_000_000_000

    def test_the_first_dense_layer_of_vgg_has_102_million_weights(self):
        assert facts("linear", (7 * 7 * 512,), out_features=4096, bias=False).params == 102_760_448

    def test_n_units_on_m_inputs_have_n_times_m_plus_1_parameters_and_2nm_operations(self):
        dense = facts("linear", (84,), out_features=10)

        assert (10 * (84 + 1), 2 * 10 * 84) == (dense.params, dense.events.ops)

    def test_without_a_bias_each_output_has_an_addition_less(self):
        dense = facts("linear", (84,), out_features=10, bias=False)

        assert Events(macs=840, muls=840, adds=830) == dense.events

    def test_it_works_on_the_last_dimension_and_repeats_over_the_others(self):
        dense = facts("linear", (3, 4, 7), batch=2, out_features=5)

        assert ((3, 4, 5), 7 * 5 + 5, 2 * 3 * 4 * 35) == (dense.output, dense.params, dense.events.macs)

    def test_a_layer_without_outputs_is_refused(self):
        assert refusal("linear", (4,), out_features=0) == "out_features must be >= 1, got 0"

    def test_a_single_number_has_no_features(self):
        assert refusal("linear", (), out_features=1) == "linear needs features behind the batch, got a single number"


class TestLocallyConnected:
    def test_n_outputs_that_read_s_values_have_n_times_s_plus_1_parameters(self):
        local = facts("locallyconnected2d", (3, 32, 32), out_channels=6, kernel_size=5)

        assert ((6, 28, 28), 4704 * (75 + 1)) == (local.output, local.params)

    def test_it_does_the_work_of_the_convolution_with_the_same_window(self):
        arguments = {"out_channels": 6, "kernel_size": (5, 3), "stride": 2, "padding": 1}
        local = facts("locallyconnected2d", (3, 32, 30), **arguments)
        conv = facts("conv2d", (3, 32, 30), **arguments)

        assert (conv.output, conv.events, conv.cut) == (local.output, local.events, local.cut)

    def test_as_a_matrix_it_has_the_entries_of_the_convolution(self):
        local, conv = (facts(op, (1, 4, 4), out_channels=1, kernel_size=3) for op in ("locallyconnected2d", "conv2d"))

        assert conv.equivalent == local.equivalent
        assert local.equivalent.toeplitz_nonzeros == 36

    def test_a_window_over_the_whole_input_makes_it_dense(self):
        local = facts("locallyconnected1d", (3, 8), out_channels=5, kernel_size=8)

        assert facts("linear", (24,), out_features=5).params == local.params

    def test_a_kernel_larger_than_the_input_is_refused(self):
        expected = "kernel of 5 (dilation·(kernel − 1) + 1) does not fit into 4 (input 1×4 with padding)"

        assert expected == refusal("locallyconnected1d", (1, 4), out_channels=1, kernel_size=5)
