"""Names to modules: two libraries' networks and a user's own; what is accepted, what is refused uncalled."""

from __future__ import annotations

import sys

import pytest

from cnnprof.errors import MissingPackageError, UsageError
from cnnprof.model.graph import Input
from cnnprof.readers.imported import sources
from cnnprof.readers.overrides import Overrides, parse_dtypes, parse_inputs
from cnnprof.readers.torchvision import models

NETS = """
import sys
from torch import nn

CALLED = []

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, image, words=None):
        return self.conv(image)

class Two(Net):
    def forward(self, image, words):
        return self.conv(image)

class Wide(Net):
    def __init__(self, width):
        super().__init__()

class Box:
    inner = Net()

    @staticmethod
    def make():
        return Net()

    def __call__(self):
        CALLED.append("box")

class Loud:
    def __init__(self):
        CALLED.append("loud")

net = Net()
box = Box()
bound = box.__call__
number = 3

def make():
    return Net()

def nothing():
    return None

def fails():
    raise ValueError("no\\nnet")

def leaves():
    sys.exit(3)

def __getattr__(name):
    if name == "explosive":
        raise OSError("bang")
    raise AttributeError(name)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current directory, with modules in it that nobody has imported yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    (tmp_path / "nets.py").write_text(NETS)
    yield tmp_path
    for name in {"nets", "broken", "needy", "leaving"} & set(sys.modules) - before:
        del sys.modules[name]


def refused(model: str, **params: object) -> tuple[str, str, str | None]:
    with pytest.raises(UsageError) as caught:
        sources.find(model, params)
    return caught.value.code, caught.value.message, caught.value.hint


# A user's own

WANTING = "nets:Wide: making it raised TypeError: Wide.__init__() missing 1 required positional argument: 'width'"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("attribute", ["Net", "net", "make", "Box.inner", "Box.make", "box.inner"])
def test_an_instance_a_subclass_and_a_function_are_networks(attribute):
    found = sources.find(f"nets:{attribute}", {})

    assert ("Net", attribute, None) == (type(found.module).__name__, found.name, found.inputs)
    assert "meta" == found.module.conv.weight.device.type


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("attribute", "kind"),
    [
        ("Loud", "the class Loud"),
        ("box", "a Box"),
        ("bound", "a method"),
        ("box.__call__", "a method"),
        ("number", "an int"),
        ("sys", "a module"),
        ("CALLED.append", "a builtin_function_or_method"),
    ],
)
def test_anything_else_is_refused_uncalled(attribute, kind):
    hint = "name an nn.Module, a subclass that needs no arguments, or a Python function that returns one"
    message = f"nets:{attribute} is {kind}, and was not called"

    assert ("not-a-module", message, hint) == refused(f"nets:{attribute}")
    assert [] == sys.modules["nets"].CALLED


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("model", "code", "message", "hint"),
    [
        ("nets:nothing", "not-a-module", "nets:nothing returned a NoneType, not an nn.Module", "return the module"),
        ("nets:fails", "import-fails", "nets:fails: making it raised ValueError: no net", "nets.py, line 49"),
        ("nets:leaves", "import-fails", "nets:leaves: making it raised SystemExit: 3", "nets.py, line 52"),
        ("nets:Wide", "import-fails", WANTING, "it is called without arguments: write a function"),
        ("nets:explosive", "import-fails", "nets:explosive: looking for explosive raised OSError: bang", "nets.py"),
        ("nets:mkae", "unknown-model", "nets:mkae: nets has no attribute 'mkae'", "did you mean 'make'?"),
        ("nets:box.outer", "unknown-model", "nets:box.outer: Box has no attribute 'outer'", ""),
        ("nest:Net", "unknown-model", "nest:Net: there is no module 'nest'", "the current directory"),
        ("nest.deep:Net", "unknown-model", "nest.deep:Net: there is no module 'nest'", "the current directory"),
        ("nets.py:Net", "unknown-model", "nets.py:Net: there is no module 'nets.py'", "nets:ATTRIBUTE"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_said_with_its_place(model, code, message, hint):
    found = refused(model)

    assert (code, message) == found[:2]
    assert hint in (found[2] or "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nothing_of_that_name", "ModuleNotFoundError: No module named 'nothing_of_that_name'"),
        ("1 +", "SyntaxError: invalid syntax (broken.py, line 1)"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(2)", "SystemExit: 2"),
    ],
)
def test_a_module_that_cannot_be_imported_says_why(folder, text, said):
    (folder / "broken.py").write_text(text)

    assert ("import-fails", f"broken:net: importing broken raised {said}") == refused("broken:net")[:2]


def test_a_module_that_needs_torchvision_is_helped_to_it(folder):
    (folder / "needy.py").write_text("from torchvision.models import alexnet\n")

    assert "AlexNet" == type(sources.find("needy:alexnet", {}).module).__name__


@pytest.mark.usefixtures("folder")
def test_an_attribute_has_nothing_to_set():
    assert ("unknown-param", "--set width: nets:Wide is called without arguments") == refused("nets:Wide", width=3)[:2]


def test_a_module_of_the_current_directory_does_not_stand_in_for_one_that_torch_needs(folder):
    (folder / "json.py").write_text("raise SystemExit('the wrong json')\n")

    assert "Net" == type(sources.find("nets:Net", {}).module).__name__


# Inputs


def given(model: str, size: object = None) -> tuple[Input, ...]:
    overrides = Overrides(inputs=parse_inputs(size), dtypes=parse_dtypes(size))
    return sources.inputs(sources.find(model, {}), overrides, model)


@pytest.mark.usefixtures("folder")
def test_inputs_are_those_of_the_command_line():
    assert (Input(name="input", shape=(3, 8, 9)),) == given("nets:net", "3x8x9")
    assert (
        Input(name="image", shape=(3, 8, 9)),
        Input(name="words", shape=(7,), dtype="int64"),
    ) == given("nets:net", "image=3x8x9,words=7:int64")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("model", "takes", "example"),
    [("nets:Net", "image", "3x224x224"), ("nets:Two", "image, words", "image=3x224x224,words=3x224x224")],
)
def test_an_own_module_needs_its_inputs_size(model, takes, example):
    with pytest.raises(UsageError) as caught:
        given(model)

    message = f"{model}: the size of its input is not known; its forward takes {takes}"
    assert ("needs-input", message) == (caught.value.code, caught.value.message)
    assert f"--input {example}, in Python input='{example}'" in caught.value.hint


# Libraries


def test_every_network_of_torchvision_is_made_without_weights():
    """80 for classification, 6 for segmentation, 9 for video, 12 for detection, 2 for optical flow."""
    names = [name for name in models().list_models() if not name.startswith("quantized_")]
    found = [sources.find(f"torchvision:{name}", {}) for name in names]

    assert 109 == len(found)
    assert {"meta"} == {each.device.type for source in found for each in source.module.parameters()}


@pytest.mark.parametrize(
    ("model", "shapes"),
    [
        ("torchvision:resnet50", [(3, 224, 224)]),
        ("torchvision:inception_v3", [(3, 299, 299)]),
        ("torchvision:efficientnet_b7", [(3, 600, 600)]),
        ("torchvision:vit_h_14", [(3, 224, 224)]),
        ("torchvision:vit_b_16(image_size=384)", [(3, 384, 384)]),
        ("torchvision:fcn_resnet50", [(3, 520, 520)]),
        ("torchvision:r3d_18", [(3, 16, 112, 112)]),
        ("torchvision:raft_small", [(3, 520, 960), (3, 520, 960)]),
        ("timm:efficientnet_b3", [(3, 288, 288)]),
        ("timm:vit_base_patch16_384", [(3, 384, 384)]),
    ],
)
def test_a_librarys_network_has_the_size_it_was_made_for(model, shapes):
    assert shapes == [each.shape for each in given(model)]


def test_settings_are_arguments_of_the_librarys_function():
    assert 10 == sources.find("torchvision:resnet18", {"num_classes": 10}).module.fc.out_features
    assert 10 == sources.find("timm:resnet18", {"num_classes": 10}).module.fc.out_features


def test_settings_can_stand_in_the_name():
    found = sources.find("torchvision:googlenet(aux_logits=False)", {})

    assert ("googlenet", None) == (found.name, found.module.aux1)


@pytest.mark.parametrize("model", ["torchvision:alexnet", "timm:resnet18"])
@pytest.mark.parametrize("name", ["weights", "pretrained", "checkpoint_path"])
def test_weights_are_never_fetched(model, name):
    message = f"--set {name}: {model} is made without weights, and nothing is downloaded"

    assert ("no-weights", message) == refused(model, **{name: "DEFAULT"})[:2]


@pytest.mark.parametrize(
    ("model", "message", "hint"),
    [
        ("torchvision:resnet51", "torchvision has no network 'resnet51'", "did you mean 'resnet50'?"),
        ("torchvision:quantized_resnet50", "quantized_resnet50: quantized networks cannot be", "take resnet50"),
        ("torchvision:list_models", "torchvision has no network 'list_models'", None),
        ("torchvision:", "torchvision has no network ''", "write torchvision:resnet50"),
        ("timm:resnet55", "timm has no network 'resnet55'", "did you mean"),
        ("timm:hf-hub:timm/resnet50.a1_in1k", "timm has no network 'hf-hub:timm/resnet50.a1_in1k'", None),
        ("timm:local-dir:/etc", "timm has no network 'local-dir:/etc'", None),
    ],
)
def test_a_network_that_a_library_has_not_is_refused(model, message, hint):
    code, said, advice = refused(model)

    assert "unknown-model" == code
    assert said.startswith(message)
    assert hint is None or hint in (advice or "")


def test_an_argument_that_a_library_does_not_know_is_its_error():
    code, message, _ = refused("torchvision:alexnet", widht=3)

    assert "import-fails" == code
    assert "torchvision:alexnet: making it raised TypeError: " in message
    assert "'widht'" in message


@pytest.mark.parametrize(("package", "model"), [("torch", "nets:net"), ("timm", "timm:resnet18")])
def test_a_package_that_is_missing_is_named_with_the_command_that_installs_it(monkeypatch, package, model):
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(MissingPackageError, match=f"and {package} ") as caught:
        sources.find(model, {})

    assert (3, True) == (caught.value.exit_code, caught.value.hint.startswith("pip install"))
    assert package in caught.value.hint
