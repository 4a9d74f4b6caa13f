"""A fact is reproduced when the computed value rounds to the printed one."""

from __future__ import annotations

import pytest

from cnnprof.errors import UsageError
from cnnprof.model.analysis import Analysis, Equivalent, Events, Row, Totals, Transfer
from cnnprof.model.claims import Claim
from cnnprof.model.graph import Container, Edge, Fact, Input, TensorSpec
from cnnprof.model.plain import from_json, replace, to_json
from cnnprof.published.check import check
from cnnprof.published.quantity import quantity
from tests.unit.report.samples import peak


def row(name: str, channels: int, params: int, **fields: object) -> Row:
    given: dict[str, object] = {
        "op": "conv2d", "args": {}, "origin": None, "edges": (), "inputs": (),
        "outputs": (TensorSpec((1, channels, 5, 5)),),
        "trainable_params": params, "frozen_params": 0, "buffers": 0, "statistics": 0, "bias_params": channels,
        "param_bytes": 4 * params, "buffer_bytes": 0, "events": Events(macs=100 * params), "storage": "new",
        "activations": 25 * channels, "activation_bytes": 100 * channels, "read_bytes": 0, "write_bytes": 0,
        "useful_macs": 100 * params, "training_macs": 100 * params, "input_grad_macs": 0, "weight_grad_macs": 0,
    }  # fmt: skip
    return Row(name=name, **(given | fields))  # type: ignore[arg-type]


def analysis(*facts: Fact, **fields: object) -> Analysis:
    equivalent = Equivalent(dense_params=9, toeplitz_rows=4, toeplitz_columns=16, toeplitz_nonzeros=36)
    rows = (row("stem", 2, 1_000, equivalent=equivalent), row("stage.0.a", 3, 234), row("stage.0.b", 4, 8_000))
    totals = Totals(
        layers=3, trainable_params=9_234, frozen_params=0, buffers=0, bias_params=9, keras_params=9_234,
        param_bytes=36_936, buffer_bytes=0, events=Events(macs=923_400), activations=225, activation_bytes=900,
        useful_macs=923_400, training_macs=923_400, input_grad_macs=0, weight_grad_macs=0, read_bytes=0, write_bytes=0,
        input_bytes=40,
        torchsummary_input_bytes=40, torchsummary_activation_bytes=1_572_864, torchsummary_param_bytes=36_936,
    )  # fmt: skip
    transfers = (
        Transfer(source="x", target="y", tensor=Edge("stem"), reader="stage.0.a", elements=50, bytes=200),
        Transfer(source="y", target="x", tensor=Edge("stage.0.a"), reader="stage.0.b", elements=75, bytes=300),
    )
    given: dict[str, object] = {
        "cnnprof_version": "1", "model": "toy", "source": "toy.yaml", "inputs": (Input(name="input", shape=(10,)),),
        "outputs": {"output": Edge("stage.0.b")}, "batch": 1, "dtype": "float32", "rows": rows, "totals": totals,
        "memory": peak(), "containers": (Container(path="stage.0", last="stage.0.b"),), "transfers": transfers,
        "facts": facts,
    }  # fmt: skip
    return Analysis(**(given | fields))  # type: ignore[arg-type]


def fact(of: str, value: str, at: str | None = None) -> Fact:
    return Fact(of=of, value=value, at=at, source="here")


def claim(of: str, value: str, at: str | None = None) -> Claim:
    (found,) = check(analysis(fact(of, value, at)))
    return found


@pytest.mark.parametrize("value", ["9234", "9,234", "9.234e3", "9.23e3", "9.2e3", "9e3", "0.009e6", "9234.0"])
def test_the_computed_9234_rounds_to_this_and_is_reproduced(value):
    assert claim("params", value).reproduced is True


@pytest.mark.parametrize("value", ["9235", "9,233", "9.24e3", "9.3e3", "8e3", "10e3", "0.010e6", "9234.1"])
def test_the_computed_9234_does_not_round_to_this(value):
    assert claim("params", value).reproduced is False


@pytest.mark.parametrize("value", ["9.22e3", "9.23e3", "9.24e3"])
def test_half_of_the_last_digit_may_be_rounded_either_way(value):
    """9,225 is as far from 9.22e3 as from 9.23e3: printf rounds to even, people round up."""
    totals = replace(analysis().totals, trainable_params=9_225)
    (found,) = check(analysis(fact("params", value), totals=totals))

    assert (value != "9.24e3") is found.reproduced


@pytest.mark.parametrize(
    ("value", "shown"),
    [("9,235", "9,234"), ("9235", "9234"), ("9.3e3", "9.2e3"), ("8e3", "9e3"), ("0.010e6", "0.009e6")],
)
def test_the_computed_value_is_shown_as_the_published_one_is_printed(value, shown):
    assert shown == claim("params", value).shown


def test_the_computed_value_is_kept_exact():
    assert 9_234 == claim("params", "9e3").computed


@pytest.mark.parametrize(
    ("of", "expected"), [("param_kib", 36.0703125), ("param_mib", 36_936 / 1024**2), ("param_kb", 36.936)]
)
def test_bytes_answer_in_every_unit_under_its_own_name(of, expected):
    assert expected == quantity(analysis(), of)


def test_torchsummarys_figure_is_reproduced_in_mib_and_not_in_mb():
    assert [True, False] == [claim(f"torchsummary_activation_{unit}", "1.50").reproduced for unit in ("mib", "mb")]


def test_a_fact_about_a_layer_reads_that_layer():
    assert (234, 23_400) == (
        claim("params", "234", "stage.0.a").computed,
        claim("macs", "23,400", "stage.0.a").computed,
    )


def test_a_fact_about_a_block_adds_its_layers_up():
    assert 8_234 == claim("params", "8,234", "stage.0").computed


def test_a_layer_whose_name_only_begins_alike_is_not_part_of_the_block():
    with pytest.raises(UsageError, match="has no such layer or block"):
        claim("params", "1", "sta")


@pytest.mark.parametrize(("at", "shape"), [(None, "4x5x5"), ("stem", "2x5x5"), ("stage.0", "4x5x5")])
def test_an_output_is_a_shape_of_the_layer_or_of_the_blocks_last_layer(at, shape):
    assert (shape, True) == (claim("output", shape, at).shown, claim("output", shape, at).reproduced)


def test_another_shape_is_not_reproduced():
    assert ("4x5x5", False) == (claim("output", "46x5x5").shown, claim("output", "46x5x5").reproduced)


@pytest.mark.parametrize(
    ("of", "at", "expected"),
    [
        ("output_elements", "stage.0", 100),
        ("input_elements", None, 10),
        ("weights", None, 9_225),
        ("weights", "stem", 998),
        ("stored_elements", None, 235),
        ("stored_kib", None, 940 / 1024),
        ("received_elements", "stage.0", 125),
        ("received_elements", "stage.0.a", 50),
        ("received_elements", "stem", 0),
        ("toeplitz_nonzeros", "stem", 36),
        ("layers", None, 3),
    ],
)
def test_further_quantities(of, at, expected):
    assert expected == quantity(analysis(), of, at)


@pytest.mark.parametrize("of", ["parms", "events", "model", "_mib", "__class__", "lower_bound", "name", "xyz_mib", ""])
@pytest.mark.parametrize("at", [None, "stem"])
def test_what_is_not_counted_is_refused(of, at):
    with pytest.raises(UsageError, match="which is not counted"):
        quantity(analysis(), of, at)


def test_a_misspelt_quantity_or_layer_is_met_with_the_right_name():
    with pytest.raises(UsageError) as quantity_error:
        claim("parms", "1")
    with pytest.raises(UsageError) as layer_error:
        claim("params", "1", "stage.0.c")

    assert "did you mean 'params'?" == quantity_error.value.hint
    assert "did you mean 'stage.0.b'?" == layer_error.value.hint


@pytest.mark.parametrize("value", ["many", "1.2.3", "12,34", "3.8B", "-1", "1e", "", "4x5x5", "inf", "nan", "0x10"])
def test_a_value_that_is_no_number_is_refused(value):
    with pytest.raises(UsageError, match="is a number such as 1,792 or"):
        claim("params", value)


def test_facts_are_not_checked_where_arguments_changed_the_network():
    assert [] == check(analysis(fact("params", "1"), overridden=("--input",)))


@pytest.mark.parametrize("changed", [{"batch": 8}, {"dtype": "float16"}])
def test_facts_speak_of_one_sample_and_four_byte_numbers(changed):
    with pytest.raises(UsageError, match="published figures are for batch 1 and float32"):
        check(analysis(fact("params", "1"), **changed))


def test_a_network_without_facts_claims_nothing_at_any_batch():
    assert [] == check(analysis(batch=8))


def test_a_lower_bound_reproduces_nothing():
    """An operator that nobody knows may add anything."""
    totals = replace(analysis().totals, unknown_ops=("mystery",))
    (found,) = check(analysis(fact("params", "9,234"), totals=totals))

    assert found.reproduced is False


def test_a_claim_survives_json():
    found = claim("param_kib", "36.07", None)

    assert found == from_json(to_json(found), Claim)
