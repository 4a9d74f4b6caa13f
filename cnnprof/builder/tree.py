"""Modules under their dotted names: ``layer1.0.conv`` is child ``conv`` of child ``0`` of child ``layer1``."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnprof.builder.network import printable
from cnnprof.builder.source import is_plain

if TYPE_CHECKING:
    import torch
    from torch.nn import Module
else:
    Module = object  # as for the network's own class

_INDEX = re.compile("0|[1-9][0-9]{0,8}")


class Place(NamedTuple):
    """Where a module stands: its path, as ``get_submodule`` takes it, and the expression that reads it."""

    path: str
    expression: str


class _Branch:
    def __init__(self) -> None:
        self.children: dict[str, _Branch] = {}
        self.module: torch.nn.Module | None = None
        """A node's own; without one the place is a container."""


def plant(root: torch.nn.Module, modules: dict[str, torch.nn.Module], titles: dict[str, str]) -> dict[str, Place]:
    """Put every module under its dotted name below ``root``; return where it stands.

    A group of children 0 to n − 1 is a ``ModuleList``, another a plain module that prints as ``titles`` says. A name
    that the module above has for itself (``train``, ``type``, the ``weight`` of a layer) gets underscores until it is
    free, so that no method and no parameter is shadowed; what would act in a terminal becomes one.
    """
    top = _Branch()
    for name, module in modules.items():
        branch = top
        for part in name.split("."):
            branch = branch.children.setdefault(part, _Branch())
        branch.module = module
    places: dict[str, Place] = {}
    _attach(root, top, Place("", "self"), (), titles, places)
    return places


def _attach(
    parent: torch.nn.Module,
    branch: _Branch,
    place: Place,
    parts: tuple[str, ...],
    titles: dict[str, str],
    places: dict[str, Place],
) -> None:
    for part, child in branch.children.items():
        name = ".".join((*parts, part))
        module = _container(child, titles.get(name, "Container")) if child.module is None else child.module
        attribute = _free(part, parent, branch)
        parent.add_module(attribute, module)
        below = Place(f"{place.path}.{attribute}".lstrip("."), _access(parent, place.expression, attribute))
        if child.module is not None:
            places[name] = below
        _attach(module, child, below, (*parts, part), titles, places)


def _free(part: str, parent: torch.nn.Module, branch: _Branch) -> str:
    name = "".join(letter if letter.isprintable() else "_" for letter in part) or "_"
    while hasattr(parent, name) or (name != part and name in branch.children):
        name += "_"
    return name


def _access(parent: torch.nn.Module, expression: str, attribute: str) -> str:
    if _INDEX.fullmatch(attribute) and hasattr(type(parent), "__getitem__"):
        return f"{expression}[{attribute}]"
    return f"{expression}.{attribute}" if is_plain(attribute) else f"getattr({expression}, {attribute!r})"


def _container(branch: _Branch, title: str) -> torch.nn.Module:
    from torch import nn

    if list(branch.children) == [str(index) for index in range(len(branch.children))]:
        return nn.ModuleList()
    module: torch.nn.Module = _container_class()()
    module._title = printable(title)  # noqa: SLF001 being made
    return module


class Container(Module):  # type: ignore[misc] # torch is not followed
    """A group of layers; the network calls them one by one."""

    _title = "Container"

    def _get_name(self) -> str:
        return self._title


@cache
def _container_class() -> Any:
    from torch import nn

    return type("Container", (Container, nn.Module), {"__doc__": Container.__doc__})
