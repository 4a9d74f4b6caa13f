"""The zoo's networks that torchvision has too: parameters, MACs and output of the real models."""

from __future__ import annotations

from fnmatch import fnmatch

import pytest

import cnnprof
from tests.helpers import torchvision

MODELS = [name for name in cnnprof.zoo() if (cnnprof.analyze(name).reference or "").startswith("torchvision:")]


def test_all_torchvision_networks_of_the_zoo_are_compared():
    assert {"alexnet", "googlenet"} <= set(MODELS)
    assert {"vgg11", "vgg13", "vgg16", "vgg19"} <= set(MODELS)
    assert {f"shufflenet_v2_{width}" for width in ("x0_5", "x1_0", "x1_5", "x2_0")} <= set(MODELS)
    assert {f"efficientnet_b{size}" for size in range(8)} <= set(MODELS)
    assert {f"resnet{depth}" for depth in (18, 34, 50, 101, 152)} <= set(MODELS)
    assert {"resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d"} <= set(MODELS)
    assert {"wide_resnet50_2", "wide_resnet101_2", "fcn_resnet50", "fcn_resnet101"} <= set(MODELS)
    assert {f"densenet{depth}" for depth in (121, 161, 169, 201)} <= set(MODELS)
    assert {"squeezenet1_0", "squeezenet1_1", "inception_v3", "inception_v3_no_aux", "googlenet_no_aux"} <= set(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_parameters_macs_and_output_are_those_of_the_real_model(name):
    analysis = cnnprof.analyze(name)

    reference = analysis.reference.removeprefix("torchvision:")
    truth = torchvision.truth(reference, analysis.inputs[0].shape)
    ours = (analysis.totals.params, analysis.totals.macs, analysis.rows[-1].outputs[0].shape[1:])
    assert tuple(truth) == ours


@pytest.mark.parametrize("name", MODELS)
def test_buffers_and_modules_with_weights_are_those_of_the_real_model(name):
    analysis = cnnprof.analyze(name)
    model = torchvision.build(analysis.reference.removeprefix("torchvision:"))

    sizes = [sum(p.numel() for p in module.parameters(recurse=False)) for module in model.modules()]
    assert sorted(size for size in sizes if size) == sorted(row.params for row in analysis.rows if row.params)
    assert sum(buffer.numel() for buffer in model.buffers()) == analysis.totals.buffers


TORCHSUMMARY = {
    **dict.fromkeys(("alexnet", "vgg11", "vgg13", "vgg16", "vgg19", "efficientnet_b0", "efficientnet_b7"), ()),
    "shufflenet_v2_x1_0": ("*.channelshuffle",),
    "googlenet_no_aux": ("*.relu",),
    "googlenet": ("*.relu",),
    **dict.fromkeys(("resnet18", "resnet50", "wide_resnet50_2", "resnext50_32x4d", "squeezenet1_0"), ()),
    "densenet121": ("relu5", "adaptiveavgpool2d"),
    "inception_v3": ("*.relu", "*.avgpool2d", "Mixed_*.maxpool2d"),
}
"""Network to patterns of names: what torchvision calls as a function, which torchsummary does not see; in the zoo it is
a module."""


@pytest.mark.parametrize("name", TORCHSUMMARY)
def test_torchsummary_sees_the_modules_of_the_zoo_and_those_torchvision_has(name):
    analysis = cnnprof.analyze(name)

    theirs = torchvision.torchsummary_outputs(name.removesuffix("_no_aux"), analysis.inputs[0].shape)
    patterns = TORCHSUMMARY[name]
    unseen = sum(
        row.torchsummary_outputs for row in analysis.rows if any(fnmatch(row.name, pattern) for pattern in patterns)
    )
    assert 2 * 4 * (theirs + unseen) == analysis.totals.torchsummary_activation_bytes


def test_googlenet_without_its_auxiliary_heads_is_what_the_weights_metadata_counts():
    analysis = cnnprof.analyze("googlenet_no_aux")

    truth = torchvision.truth("googlenet", (3, 224, 224), aux_logits=False)
    assert (truth.params, truth.macs) == (analysis.totals.params, analysis.totals.macs)
    assert torchvision.published("googlenet")["num_params"] == analysis.totals.params


def test_inception_v3_without_its_auxiliary_head_has_23_834_568_parameters():
    analysis = cnnprof.analyze("inception_v3_no_aux")

    model = torchvision.build("inception_v3", aux_logits=False)
    assert 23_834_568 == analysis.totals.params == sum(p.numel() for p in model.parameters())
    assert 5_713_216_096 == analysis.totals.macs == cnnprof.analyze("inception_v3").totals.macs


@pytest.mark.parametrize("name", [name for name in MODELS if name not in {"googlenet", "inception_v3_no_aux"}])
def test_the_facts_from_the_weights_metadata_are_what_torchvision_ships(name):
    facts = [fact for fact in cnnprof.analyze(name).facts if fact.source == "torchvision 0.28 weights metadata"]

    meta = torchvision.published(cnnprof.analyze(name).reference.removeprefix("torchvision:"))
    assert {"params": str(meta["num_params"]), "macs": f"{meta['_ops']}e9"} == {fact.of: fact.value for fact in facts}
