"""H4: accuracy, operations and parameters of networks side by side; the accuracies are torchvision's."""

from __future__ import annotations

import csv
import math

import pytest

import cnnprof
from cnnprof.__main__ import main
from cnnprof.model.claims import MEASURED
from tests.helpers import torchvision

ACCURATE = [
    name for name in cnnprof.zoo() if any(fact.of in MEASURED for fact in cnnprof.load(name).facts)
]  # fmt: skip
METRICS = {"top1_accuracy": "acc@1", "top5_accuracy": "acc@5"}


def weights(name: str) -> dict[str, dict[str, float]]:
    """Return the accuracies of every published set of weights: ``ResNet50_Weights.IMAGENET1K_V1`` to its metrics."""
    every = torchvision.models().get_model_weights(name)
    return {str(each): each.meta["_metrics"]["ImageNet-1K"] for each in every}


def facts(name: str) -> list[cnnprof.Claim]:
    return [claim for claim in cnnprof.claims(name).claims if claim.fact.of in MEASURED]


@pytest.mark.parametrize("name", ACCURATE)
def test_each_accuracy_is_the_one_in_torchvisions_metadata(name):
    published = weights(name)

    expected = [
        f"{published[claim.fact.source.removeprefix('torchvision 0.28, ')][METRICS[claim.fact.of]]:.3f}"
        for claim in facts(name)
    ]
    assert expected == [claim.fact.value for claim in facts(name)]


@pytest.mark.parametrize("name", ACCURATE)
def test_the_first_accuracies_are_those_of_the_first_weights(name):
    first = "IMAGENET1K_SWAG_E2E_V1" if name == "regnet_y_128gf" else "IMAGENET1K_V1"

    assert [first, first] == [claim.fact.source.rpartition(".")[2] for claim in facts(name)[:2]]
    assert ["top1_accuracy", "top5_accuracy"] == [claim.fact.of for claim in facts(name)[:2]]


def test_every_network_that_torchvision_has_imagenet_weights_for_has_their_accuracy():
    known = set(torchvision.models().list_models(module=torchvision.models()))
    classifiers = [
        name
        for name in cnnprof.zoo()
        if name in known and not any(math.isnan(metrics["acc@1"]) for metrics in list(weights(name).values())[:1])
    ]

    assert 68 == len(classifiers)
    assert classifiers == ACCURATE


def test_an_accuracy_is_measured_elsewhere_and_neither_holds_nor_fails():
    found = {(claim.computed, claim.shown, claim.reproduced, claim.agrees) for claim in facts("vgg16")}

    assert {(None, None, None, True)} == found


def test_accuracy_operations_and_parameters_stand_side_by_side(capsys):
    networks = ["alexnet", "vgg16", "googlenet_no_aux", "resnet50", "mobilenet_v2"]

    code = main(
        ["analyze", *networks, "--columns", "top1_accuracy,params,macs", "--sort", "top1_accuracy", "-f", "csv"]
    )

    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("#")]
    expected = [
        ("resnet50", "76.13", "25557032", "4089184256"),
        ("mobilenet_v2", "71.878", "3504872", "300774272"),
        ("vgg16", "71.592", "138357544", "15470264320"),
        ("alexnet", "56.522", "61100840", "714188480"),
        ("googlenet_no_aux", "", "6624904", "1498376192"),
    ]
    assert 0 == code
    assert expected == [
        (line["model"], line["top1_accuracy"], line["params"], line["macs"]) for line in csv.DictReader(lines)
    ]


@pytest.mark.parametrize("changed", [["--input", "3x64x64"], ["--set", "num_classes=10"], ["--dtype", "int8"]])
def test_a_network_that_was_changed_has_no_accuracy(changed, capsys):
    argv = ["analyze", "resnet18", "--batch", "1,2", "--columns", "top1_accuracy,top5_accuracy", "-f", "csv"]
    cells = []
    for more in ([], changed):
        assert 0 == main([*argv, *more])
        lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("#")]
        cells.append([(line["top1_accuracy"], line["top5_accuracy"]) for line in csv.DictReader(lines)])

    assert [[("69.758", "89.078")] * 2, [("", "")] * 2] == cells


def test_one_network_has_its_accuracy_in_the_total_and_none_in_a_layer(capsys):
    assert 0 == main(["analyze", "alexnet", "--columns", "name,top1_accuracy"])

    main_table = capsys.readouterr().out.split("\n\n")[1].splitlines()
    assert ["total", "56.522"] == main_table[-1].split()
    assert ["conv1.conv2d"] == main_table[2].split()
