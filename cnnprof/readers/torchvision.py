"""torchvision's own networks, untrained: nothing is drawn, downloaded or kept in memory."""

from __future__ import annotations

import ast
import importlib
import re
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cnnprof.errors import MissingPackageError, UsageError
from cnnprof.model.graph import Input
from cnnprof.readers.collector import nearest
from cnnprof.readers.imported.construction import construct

if TYPE_CHECKING:
    import torch

FRAMES = 16
"""Frames of a video: what torchvision's published figures of these networks are for."""
DETECTOR_SIDE = 800
"""Height and width of a detector's image: the shorter side that most of them scale an image to."""
_DETECTION = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_schemas: list[Any] = []


def models() -> Any:
    """Return the module ``torchvision.models``.

    The package registers fake kernels for two detection operators while it is imported. Their schemas come from its
    compiled library, which does not load beside every build of torch (a CPU-only one, say), and then the import fails.
    No network that can be followed needs either, so the schemas are declared without an implementation.

    Raises:
        MissingPackageError: torchvision cannot be imported.
    """
    try:
        return importlib.import_module("torchvision.models")
    except ImportError as error:
        raise MissingPackageError(
            f"torchvision is needed, and importing it fails: {error}", hint="pip install torchvision"
        ) from error
    except RuntimeError:
        import torch

        library = torch.library.Library("torchvision", "FRAGMENT")
        library.define(f"nms{_DETECTION}")
        library.define(f"qnms{_DETECTION}")
        _schemas.append(library)  # the schemas live as long as this object
        return importlib.import_module("torchvision.models")


def build(name: str, **arguments: Any) -> torch.nn.Module:
    """Return an untrained model in evaluation mode, all of it on the meta device; otherwise as ``make``."""
    return make(name, arguments).to("meta").eval()


def make(name: str, arguments: Mapping[str, Any]) -> torch.nn.Module:
    """Return an untrained model with its parameters on the meta device.

    Args:
        name: ``resnet50``, or with arguments of torchvision's function, ``googlenet(aux_logits=False)``. Segmentation
            networks have their auxiliary head, as those with published weights do.
        arguments: more of them.

    Raises:
        UsageError: torchvision has no such network.
        MissingPackageError: torchvision cannot be imported.
    """
    alone, written = split(name)
    library = models()
    if alone not in library.list_models() or alone.startswith("quantized_"):
        raise _unknown(alone)
    usual: dict[str, Any] = {"weights": None}
    if alone in library.list_models(module=library.segmentation) and not alone.startswith("lraspp"):  # which has none
        usual["aux_loss"] = True
    if alone in (*library.list_models(module=library.segmentation), *library.list_models(module=library.detection)):
        usual["weights_backbone"] = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # GoogLeNet announces another initialisation
        return construct(lambda: library.get_model(alone, **{**usual, **written, **arguments}))


def default_inputs(name: str, model: torch.nn.Module) -> tuple[Input, ...]:
    """Return what a model is made for: the size that its published weights were tested at, one sample."""
    alone, library = split(name)[0], models()
    if alone in library.list_models(module=library.optical_flow):
        return tuple(Input(name=each, shape=(3, 520, 960)) for each in ("image1", "image2"))  # Sintel's, cut to eighths
    if alone in library.list_models(module=library.detection):
        return (Input(name="input", shape=(3, DETECTOR_SIDE, DETECTOR_SIDE)),)
    sizes = getattr(library.get_model_weights(alone).DEFAULT.transforms, "keywords", {})
    if alone in library.list_models(module=library.video):
        return (Input(name="input", shape=(3, FRAMES, *sizes["crop_size"])),)
    # A vision transformer is made for one size, which need not be the one of its best weights.
    side = getattr(model, "image_size", None) or sizes.get("crop_size") or sizes.get("resize_size") or 224
    return (Input(name="input", shape=(3, side, side)),)


def split(name: str) -> tuple[str, dict[str, Any]]:
    """Return the name alone and the arguments in ``googlenet(aux_logits=False)``.

    Raises:
        UsageError: it is not written like that.
    """
    match = re.fullmatch(r"(\w+)(?:\(((?:\w+=\w+(?:, *)?)*)\))?", name)
    if match is None:
        raise _malformed(name)
    try:
        given = (each.split("=") for each in re.findall(r"\w+=\w+", match[2] or ""))
        return match[1], {key: ast.literal_eval(value) for key, value in given}
    except ValueError:
        raise _malformed(name) from None


def _malformed(name: str) -> UsageError:
    return UsageError(
        f"torchvision has no network {name!r}",
        hint="write torchvision:resnet50, or torchvision:googlenet(aux_logits=False)",
        code="unknown-model",
    )


def _unknown(name: str) -> UsageError:
    if name.startswith("quantized_"):
        message, hint = f"{name}: quantized networks cannot be followed", f"take {name.removeprefix('quantized_')}"
        return UsageError(message, hint=hint, code="unknown-model")
    return UsageError(
        f"torchvision has no network {name!r}", hint=nearest(name, models().list_models()), code="unknown-model"
    )
