"""One layer derived step by step: every line's formula is its value, and its words are those of a textbook."""

from __future__ import annotations

import pytest

import cnnprof
from cnnprof.analyzer import analyze
from cnnprof.errors import UsageError
from cnnprof.formulas.explain import explain
from cnnprof.model.explanation import Explanation
from cnnprof.model.graph import Edge, Graph, Input, Node, Recorded
from tests.helpers.formulas import value

KINDS = ["lenet5", "googlenet", "resnet18", "convnext_tiny", "unet", "mobilenet_v3_small", "resnext50_32x4d"]
ATTENTION = """
cnnprof: 1
name: attention
input: [16, 32]
layers:
  - multiheadattention: {num_heads: 4, batch_first: true}
"""


def said(explanation: Explanation, section: str) -> dict[str, tuple[str | None, object, str]]:
    """Formula, value and words of every step of a section, by name."""
    (found,) = [each for each in explanation.sections if each.title == section]
    return {step.name: (step.formula, step.value, step.about) for step in found.steps}


@pytest.mark.parametrize("name", KINDS)
def test_every_line_evaluates_to_its_value(name):
    analysis = cnnprof.analyze(name)
    one_of_a_kind = {row.op: row.name for row in reversed(analysis.rows)}

    for layer in one_of_a_kind.values():
        steps = [step for section in explain(analysis, layer).sections for step in section.steps]
        wrong = [step for step in steps if step.formula is not None and float(value(step.formula)) != step.value]

        assert [] == wrong
        assert len(steps) > 3


def test_a_convolution_is_derived_as_a_teacher_would():
    found = cnnprof.explain("vgg16", "conv1_1")

    assert {"input": ("3·224·224", 150_528, "1×3×224×224 float32")} == said(found, "What arrives")
    assert {
        "weight": ("3·3·3·64", 1_728, "kernel 3×3, 3 input channels, 64 filters"),
        "bias": ("64", 64, "one per filter"),
        "params": ("3·3·3·64 + 64", 1_792, ""),
    } == said(found, "Weights")
    size = "⌊(224 + 1 + 1 − 3) / 1⌋ + 1"
    words = "⌊(size + padding − kernel) / stride⌋ + 1"
    assert {
        "channels": ("64", 64, "one per filter"),
        "height": (size, 224, words),
        "width": (size, 224, words),
        "elements": ("64·224·224", 3_211_264, ""),
    } == said(found, "Output size")
    work = said(found, "Work")
    assert ("3·3·3·64·224·224", 86_704_128, "27 products for each of 3,211,264 outputs") == work["MACs"]
    assert "a sum's first product needs none, a bias needs one" == work["additions"][2]


def test_a_field_grows_from_that_of_the_layer_before():
    found = said(cnnprof.explain("vgg16", "conv2_1"), "Receptive field")

    assert [("6 + (3 − 1)·2", 10), ("2·1", 2), ("2 + 1·2", 4)] == [each[:2] for each in found.values()]
    assert ["size", "stride", "padding"] == list(found)


@pytest.mark.parametrize(
    ("model", "layer", "section", "name", "expected"),
    [
        ("resnet18", "layer1.0.add", "Receptive field", "padding", "max(13, 5)"),
        ("resnet18", "bn1", "Weights", "buffers", "64 + 64 + 1"),
        ("resnet18", "avgpool", "Work", "additions", "512·7·7 − 512·1·1"),
        ("lenet5", "s2", "Work", "comparisons", "6·14·14·(2·2 − 1)"),
        ("lenet5", "f6", "Weights", "params", "120·84 + 84"),
        ("googlenet", "inception3a.concat", "Output size", "dimension 1", "64 + 128 + 32 + 32"),
        ("unet", "up.0.convtranspose2d", "Output size", "height", "(28 − 1)·2 + 2 − 1 + 1"),
        ("resnext50_32x4d", "layer1.0.conv2", "Weights", "weight", "3·3·(128 / 32)·128"),
        ("vgg16", "flatten", "Output size", "dimension 1", "512·7·7"),
    ],
)
def test_layers_of_every_kind_have_their_steps(model, layer, section, name, expected):
    assert expected == said(cnnprof.explain(model, layer), section)[name][0]


def test_attention_is_derived_too(tmp_path):
    path = tmp_path / "attention.yaml"
    path.write_text(ATTENTION)

    work = said(cnnprof.explain(path, "multiheadattention"), "Work")

    projection, scores = "16·32·32", "16·4·16·(32 / 4)"
    assert " + ".join([projection] * 4 + [scores] * 2) == work["MACs"][0]
    assert ("16·4·16", 1024) == work["exponentials"][:2]


def test_what_costs_nothing_says_why():
    found = cnnprof.explain("vgg16", "flatten")

    assert {"ops": ("0", 0, "nothing is computed")} == said(found, "Work")
    assert {"act. memory": ("0", 0, "a view of what is there")} == said(found, "Memory")


def test_a_frozen_layer_says_that_its_weights_do_not_train():
    found = cnnprof.explain("lenet5", "f6", freeze="f6")

    assert "they do not train" == said(found, "Weights")["frozen params"][2]
    assert (0, "no weight here trains") == said(found, "A training step")["weight gradient"][1:]


def test_an_unknown_operator_is_explained_as_unknown():
    nodes = (Node(name="strange", op="mystery", inputs=(Edge("x"),), recorded=(Recorded((1, 4)),)),)
    inputs = (Input(name="x", shape=(3, 4, 4)),)
    graph = Graph(name="net", source="test", inputs=inputs, nodes=nodes, outputs={"output": Edge("strange")})

    found = explain(analyze(graph), "strange")

    assert {"counts": (None, "unknown", "nobody registered the operator 'mystery'")} == said(found, "What is known")


def test_a_layer_may_be_named_by_the_end_of_its_name():
    assert "inception3a.concat" == cnnprof.explain("googlenet", "inception3a.concat").layer
    assert "c1" == cnnprof.explain("lenet5", "c1").layer
    assert "down.0.maxpool2d" == cnnprof.explain("unet", "0.maxpool2d").layer


@pytest.mark.parametrize(
    ("layer", "message", "hint"),
    [
        ("conv2", "8 layers of resnet18 end in 'conv2'",
         "say which: layer1.0.conv2, layer1.1.conv2, layer2.0.conv2, layer2.1.conv2, layer3.0.conv2 … layer4.1.conv2"),
        ("layer1.0.cnov1", "resnet18 has no layer 'layer1.0.cnov1'", "did you mean 'layer1.0.conv1'"),
        ("zzz", "resnet18 has no layer 'zzz'", "its layers are conv1, bn1, relu, maxpool, layer1.0.conv1 … fc"),
    ],
)  # fmt: skip
def test_a_name_that_fits_none_or_several_layers_is_refused(layer, message, hint):
    with pytest.raises(UsageError) as caught:
        cnnprof.explain("resnet18", layer)

    assert message == caught.value.message
    assert caught.value.hint.startswith(hint)


def test_a_step_is_found_by_its_name():
    found = cnnprof.explain("vgg16", "conv1_1", batch=2)

    assert 2 * 86_704_128 == found.step("MACs").value
    with pytest.raises(KeyError, match="no step 'price'"):
        found.step("price")


def test_an_explanation_prints_as_its_derivation():
    assert "\n  params = 5·5·1·6 + 6 = 156\n" in str(cnnprof.explain("lenet5", "c1"))
