"""Normalisations: parameters, buffers, and the work with stored and with computed statistics."""

from __future__ import annotations

from cnnprof.layers import REGISTRY
from cnnprof.model.analysis import Events
from cnnprof.model.graph import TensorSpec
from tests.layers.facts import facts, refusal

STORED = Events(muls=96, adds=96)
COMPUTED = Events(muls=3 * 96, adds=4 * 96)


def buffers(op: str, **args: object) -> dict[str, TensorSpec]:
    return REGISTRY[op](**args).buffers((TensorSpec((2, 6, 4, 4)),))


class TestBatchNorm:
    def test_it_learns_a_scale_and_a_shift_per_channel(self):
        assert facts("batchnorm2d", (64, 8, 8)).params == 128

    def test_without_a_bias_or_without_both_it_learns_less(self):
        assert [facts("batchnorm2d", (64, 8, 8), **args).params for args in ({"bias": False}, {"affine": False})] == [
            64,
            0,
        ]

    def test_it_keeps_two_statistics_per_channel_and_a_count_of_batches(self):
        expected = {
            "running_mean": TensorSpec((6,)),
            "running_var": TensorSpec((6,)),
            "num_batches_tracked": TensorSpec((), "int64"),
        }

        assert expected == buffers("batchnorm2d")

    def test_without_tracking_it_keeps_nothing(self):
        assert buffers("batchnorm2d", track_running_stats=False) == {}

    def test_in_evaluation_an_element_takes_a_product_and_a_sum(self):
        assert facts("batchnorm2d", (6, 4, 4)).events == STORED

    def test_in_training_an_element_takes_three_products_and_four_sums(self):
        assert facts("batchnorm2d", (6, 4, 4), training=True).events == COMPUTED

    def test_without_tracking_evaluation_computes_its_statistics_too(self):
        assert facts("batchnorm2d", (6, 4, 4), track_running_stats=False).events == COMPUTED

    def test_one_dimension_takes_channels_with_and_without_a_length(self):
        assert [(10,), (10, 7)] == [facts("batchnorm1d", shape).output for shape in ((10,), (10, 7))]

    def test_an_image_is_refused_by_the_norm_of_a_sequence(self):
        expected = "batchnorm1d needs an input of 1 dimension (channels) or 2 (channels, length), got 3×4×5"

        assert expected == refusal("batchnorm1d", (3, 4, 5))

    def test_a_single_value_per_channel_without_stored_statistics_is_refused(self):
        expected = "a norm that computes statistics needs more than 1 value for each, got 3×1×1"

        assert expected == refusal("batchnorm2d", (3, 1, 1), track_running_stats=False)


class TestOtherNorms:
    def test_an_instance_norm_learns_and_keeps_nothing_unless_told(self):
        assert (facts("instancenorm2d", (6, 4, 4)).params, buffers("instancenorm2d")) == (0, {})

    def test_an_instance_norm_computes_its_statistics_in_evaluation_too(self):
        assert facts("instancenorm2d", (6, 4, 4)).events == COMPUTED

    def test_an_instance_norm_with_stored_statistics_uses_them_in_evaluation(self):
        work = [
            facts("instancenorm2d", (6, 4, 4), track_running_stats=True, training=training).events
            for training in (False, True)
        ]

        assert [STORED, COMPUTED] == work

    def test_an_instance_norm_of_a_single_pixel_is_refused(self):
        expected = "a norm that computes statistics needs more than 1 value for each, got 3×1×1"

        assert expected == refusal("instancenorm2d", (3, 1, 1))

    def test_a_group_norm_learns_per_channel_whatever_its_groups(self):
        norm = facts("groupnorm", (6, 4, 4), num_groups=3)

        assert (12, COMPUTED) == (norm.params, norm.events)

    def test_groups_that_do_not_divide_the_channels_are_refused(self):
        expected = "num_groups must divide the channels, got 4 groups for 6×4×4"

        assert expected == refusal("groupnorm", (6, 4, 4), num_groups=4)

    def test_a_group_norm_needs_channels(self):
        assert (
            refusal("groupnorm", (), num_groups=1) == "groupnorm needs channels behind the batch, got a single number"
        )

    def test_a_layer_norm_learns_one_scale_and_shift_per_element_of_its_shape(self):
        assert facts("layernorm", (197, 768), normalized_shape=768).params == 1536

    def test_a_layer_norm_takes_the_last_dimension_unless_told(self):
        assert facts("layernorm", (197, 768)).params == 1536

    def test_a_layer_norm_over_other_than_the_last_dimensions_is_refused(self):
        expected = "normalized_shape must be the last dimensions of the input, got [197] for 197×768"

        assert expected == refusal("layernorm", (197, 768), normalized_shape=197)

    def test_a_layer_norm_over_nothing_is_refused(self):
        expected = "the number of sizes in normalized_shape must be >= 1, got 0"

        assert expected == refusal("layernorm", (197, 768), normalized_shape=[])

    def test_a_root_mean_square_norm_takes_off_no_mean_and_shifts_nothing(self):
        norm = facts("rmsnorm", (6, 16))

        assert (16, Events(muls=3 * 96, adds=96)) == (norm.params, norm.events)

    def test_local_response_over_five_channels_takes_13_operations_per_element(self):
        norm = facts("localresponsenorm", (96, 1, 1), size=5)

        assert (0, Events(muls=6 * 96, adds=5 * 96, exps=96, divs=96)) == (norm.params, norm.events)
        assert norm.events.ops == 13 * 96

    def test_local_response_needs_space_behind_its_channels(self):
        expected = "localresponsenorm needs space behind the channels, got 96"

        assert expected == refusal("localresponsenorm", (96,), size=5)
