"""torchvision's own networks, untrained, as references: on the meta device, where nothing is drawn or downloaded."""

from __future__ import annotations

import ast
import importlib
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cnnprof.errors import MissingPackageError, UsageError

if TYPE_CHECKING:
    import torch

_DETECTION = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_schemas: list[Any] = []


def models() -> Any:
    """Return the module ``torchvision.models``.

    The package registers fake kernels for two detection operators while it is imported. Their schemas come from its
    compiled library, which does not load beside every build of torch (a CPU-only one, say), and then the import fails.
    No network here needs either operator, so the schemas are declared without an implementation.

    Raises:
        MissingPackageError: torchvision cannot be imported.
    """
    try:
        return importlib.import_module("torchvision.models")
    except ImportError as error:
        raise MissingPackageError(
            f"a reference network needs torchvision, and importing it fails: {error}", hint="pip install torchvision"
        ) from error
    except RuntimeError:
        import torch

        library = torch.library.Library("torchvision", "FRAGMENT")
        library.define(f"nms{_DETECTION}")
        library.define(f"qnms{_DETECTION}")
        _schemas.append(library)  # the schemas live as long as this object
        return importlib.import_module("torchvision.models")


def build(name: str, **arguments: Any) -> torch.nn.Module:
    """Return an untrained model on the meta device, in evaluation mode.

    Args:
        name: ``resnet50``, or with arguments of torchvision's function, ``googlenet(aux_logits=False)``. Segmentation
            networks have their auxiliary head, as those with published weights do.
        arguments: more of them.

    Raises:
        UsageError: torchvision has no such network.
        MissingPackageError: torchvision cannot be imported.
    """
    import torch

    factory, arguments = _factory(name, arguments)
    with torch.device("meta"), _regnet_on_cpu(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # GoogLeNet announces another initialisation
        model: torch.nn.Module = factory(weights=None, **arguments)
    return model.eval()


def split(name: str) -> tuple[str, dict[str, Any]]:
    """Return the name alone and the arguments in ``googlenet(aux_logits=False)``.

    Raises:
        UsageError: it is not written like that.
    """
    match = re.fullmatch(r"(\w+)(?:\(((?:\w+=\w+(?:, *)?)*)\))?", name)
    if match is None:
        raise _unknown(name)
    try:
        given = (each.split("=") for each in re.findall(r"\w+=\w+", match[2] or ""))
        return match[1], {key: ast.literal_eval(value) for key, value in given}
    except ValueError:
        raise _unknown(name) from None


def _factory(name: str, arguments: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    alone, written = split(name)
    arguments = {**written, **arguments}
    library = models()
    if alone in library.list_models(module=library):
        return getattr(library, alone), arguments
    if alone in library.list_models(module=library.segmentation):
        return getattr(library.segmentation, alone), {"weights_backbone": None, "aux_loss": True, **arguments}
    raise _unknown(name)


def _unknown(name: str) -> UsageError:
    return UsageError(
        f"torchvision has no classification or segmentation network {name!r}",
        hint="write torchvision:resnet50, or torchvision:googlenet(aux_logits=False)",
        code="unknown-model",
    )


@contextmanager
def _regnet_on_cpu() -> Iterator[None]:
    """Have RegNet's widths and depths computed on the CPU: torchvision does it with tensors, which meta has not."""
    import torch

    params = models().regnet.BlockParams
    compute = params.from_init_params

    def on_cpu(**arguments: Any) -> Any:
        with torch.device("cpu"):
            return compute(**arguments)

    params.from_init_params = on_cpu
    try:
        yield
    finally:
        params.from_init_params = compute
