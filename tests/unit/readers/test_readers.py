"""Which reader answers to what the user types."""

from __future__ import annotations

import re

import pytest

from cnnprof.readers import READERS, runs_code


def reader(model: str) -> str | None:
    return next((target.partition(":")[2] for pattern, target in READERS if re.match(pattern, model, re.DOTALL)), None)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("vgg16", "read_zoo"),
        ("-", "read_stdin"),
        ("net.yaml", "read_file"),
        ("net.yml#wide", "read_file"),
        ("NET.JSON", "read_file"),
        ("./net", "read_file"),
        ("/dev/zero", "read_file"),
        ("INPUT 3x32x32 -> FC-10", "read_pattern"),
        ("  input [32x32x3] -> FC-10", "read_pattern"),
        ("[INPUT 3x8x8 - FC-10]", "read_pattern"),
        ("INPUT", "read_pattern"),
        ("input.yaml", "read_file"),
        ("input/net.yaml", "read_file"),
        ("inputs", "read_zoo"),
        ("torchvision:resnet50", "read_named"),
        ("torchvision:googlenet(aux_logits=False)", "read_named"),
        ("timm:vit_base_patch16_224.augreg_in21k", "read_named"),
        ("timm:hf-hub:timm/resnet50", "read_named"),
        ("mynets:Net", "read_named"),
        ("my.nets:Box.make", "read_named"),
        ("keras:ResNet50", None),
        ("mynets:", None),
        (":Net", None),
        ("mynets:Net()", None),
        ("mynets:1", None),
        ("weights.pt", "refuse_file"),
        ("./runs/Best.PTH", "refuse_file"),
        ("net.onnx", "refuse_file"),
        ("deploy.prototxt", "refuse_file"),
        ("model.pt.yaml", "read_file"),
        ("a b", None),
        ("", None),
    ],
)
def test_the_first_pattern_that_matches_decides(model: str, expected: str | None) -> None:
    assert expected == reader(model)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("mynets:Net", True),
        ("os:system", True),
        ("torchvision:resnet50", False),
        ("timm:resnet50", False),
        ("keras:ResNet50", False),
        ("vgg16", False),
        ("net.yaml", False),
        ("INPUT 3x32x32 -> FC-10", False),
    ],
)
def test_it_is_known_which_names_run_code_of_the_users(model: str, *, expected: bool) -> None:
    assert expected == runs_code(model)
