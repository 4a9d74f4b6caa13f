"""What every layer type keeps for its backward is what torch's autograd keeps; a new type is tested at once."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnnprof.layers import REGISTRY
from tests.layers import contract, saving
from tests.layers.test_contract import ABSENT, EVERY_EXAMPLE, every_layer, fields_of


@pytest.mark.parametrize(("op", "number"), EVERY_EXAMPLE)
def test_an_example_keeps_for_its_backward_what_torch_keeps(op, number):
    example = REGISTRY[op].examples[number]

    assert 0 < saving.check(REGISTRY[op], example.args, example.inputs), f"{op} trains nothing: {example}"


@pytest.mark.parametrize(("op", "number"), EVERY_EXAMPLE)
def test_an_example_keeps_in_half_precision_what_torch_keeps(op, number):
    example = REGISTRY[op].examples[number]
    compared = saving.check(REGISTRY[op], example.args, example.inputs, "bfloat16")

    assert 0 < compared or op in contract.HALF_REFUSALS


@every_layer
@settings(max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_arguments_are_drawn_torch_keeps_what_the_layer_says(op, data):
    kind = REGISTRY[op]
    drawn = {
        name: data.draw(st.sampled_from([*kind.choices[name], *([] if field.required else [ABSENT])]), label=name)
        for name, field in fields_of(kind).items()
    }
    args = {name: value for name, value in drawn.items() if value is not ABSENT}
    shapes = data.draw(st.sampled_from(list(kind.input_choices)), label="inputs")

    compared = saving.check(kind, args, shapes)

    assert 0 <= compared


MATRICES = [(3, 4), (1, 3, 4), (2, 3, 4), (1, 1, 3, 4), (2, 1, 3, 4), (1, 2, 3, 4), (2, 5, 3, 4), (2, 3, 1, 4)]
OTHERS = [(4, 5), (4, 1), (1, 4, 5), (2, 4, 5), (5, 4, 2), (2, 1, 4, 5), (1, 5, 4, 2), (2, 5, 4, 2)]


@pytest.mark.parametrize("left", MATRICES, ids=str)
def test_a_matrix_product_keeps_a_copy_of_what_it_broadcasts_where_torch_does(left):
    compared = [saving.check(REGISTRY["matmul"], {}, (left, right)) for right in OTHERS]

    assert 3 in compared


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_an_einsum_keeps_copies_of_what_torch_cannot_view(data):
    letters = "abcZ"
    sizes = {letter: data.draw(st.sampled_from([1, 2, 3]), label=letter) for letter in letters}
    terms = [data.draw(st.permutations(letters), label="term")[: data.draw(st.integers(1, 4))] for _ in range(2)]
    result = data.draw(st.permutations(sorted({*terms[0], *terms[1]})), label="result")[: data.draw(st.integers(0, 3))]
    equation = f"{','.join(map(''.join, terms))}->{''.join(result)}"
    shapes = tuple(tuple(sizes[letter] for letter in term) for term in terms)

    assert 3 == saving.check(REGISTRY["einsum"], {"equation": equation}, shapes)


HEADS = [
    ((2, 3, 4), (2, 5, 4), (2, 5, 6)),
    ((2, 4, 3, 8), (2, 4, 5, 8), (2, 4, 5, 8)),
    ((2, 4, 3, 8), (2, 4, 5, 8), (2, 4, 5, 6)),
    ((1, 1, 1, 4), (1, 1, 1, 4), (1, 1, 1, 4)),
]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("shapes", HEADS, ids=str)
@pytest.mark.parametrize("rate", [0.0, 0.5, 1.0])
def test_attention_keeps_what_the_operator_keeps_that_torch_chooses(shapes, rate, dtype):
    compared = saving.check(REGISTRY["scaleddotproductattention"], {"dropout_p": rate}, shapes, dtype)

    assert 7 == compared


SEQUENCES = [((2, 3, 8),), ((1, 3, 8),), ((3, 1, 8),), ((2, 3, 4), (2, 3, 6), (2, 3, 2))]


@pytest.mark.parametrize("joined", [{}, {"add_bias_kv": True}, {"add_zero_attn": True}], ids=str)
@pytest.mark.parametrize("rate", [0.0, 0.5])
@pytest.mark.parametrize("batch_first", [False, True], ids=["positions first", "batch first"])
def test_multihead_attention_keeps_its_projections_as_torch_does(batch_first, rate, joined):
    args = {"num_heads": 2, "batch_first": batch_first, "dropout": rate, **joined}
    compared = [saving.check(REGISTRY["multiheadattention"], args, shapes) for shapes in SEQUENCES]

    assert [3, 3, 3, 15] == compared
