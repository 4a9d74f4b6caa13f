"""Modules under their dotted names: ``layer1.0.conv`` is child ``conv`` of child ``0`` of child ``layer1``."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnprof.builder.source import is_plain

if TYPE_CHECKING:
    import torch


class Place(NamedTuple):
    """Where a module stands: its path, as ``get_submodule`` takes it, and the expression that reads it."""

    path: str
    expression: str


class _Branch:
    def __init__(self) -> None:
        self.children: dict[str, _Branch] = {}
        self.module: torch.nn.Module | None = None


def plant(root: torch.nn.Module, modules: dict[str, torch.nn.Module], titles: dict[str, str]) -> dict[str, Place]:
    """Put every module under its dotted name below ``root``; return where it stands.

    A group of children 0 to n − 1 is a ``ModuleList``, another a plain module that prints as ``titles`` says. A name
    that the module above has for itself (``train``, ``type``, the ``weight`` of a layer) gets underscores until it is
    free, so that no method and no parameter is shadowed.
    """
    top = _Branch()
    for name, module in modules.items():
        branch = top
        for part in name.split("."):
            branch = branch.children.setdefault(part or "_", _Branch())
        branch.module = module
    places: dict[str, Place] = {}
    _attach(root, top, "", Place("", "self"), titles, places)
    return places


def _attach(
    parent: torch.nn.Module,
    branch: _Branch,
    name: str,
    place: Place,
    titles: dict[str, str],
    places: dict[str, Place],
) -> None:
    for part, child in branch.children.items():
        dotted = f"{name}.{part}" if name else part
        module = _container(child, titles.get(dotted, "Container")) if child.module is None else child.module
        attribute = _free(part, parent, branch)
        parent.add_module(attribute, module)
        below = Place(f"{place.path}.{attribute}".lstrip("."), _access(parent, place.expression, attribute))
        if child.module is not None:
            places[dotted] = below
        _attach(module, child, dotted, below, titles, places)


def _free(part: str, parent: torch.nn.Module, branch: _Branch) -> str:
    name = part
    while hasattr(parent, name) or (name != part and name in branch.children):
        name += "_"
    return name


def _access(parent: torch.nn.Module, expression: str, attribute: str) -> str:
    if attribute.isdecimal() and hasattr(type(parent), "__getitem__"):
        return f"{expression}[{attribute}]"
    return f"{expression}.{attribute}" if is_plain(attribute) else f"getattr({expression}, {attribute!r})"


def _container(branch: _Branch, title: str) -> torch.nn.Module:
    from torch import nn

    if list(branch.children) == [str(index) for index in range(len(branch.children))]:
        return nn.ModuleList()
    module: torch.nn.Module = _container_class()(title)
    return module


@cache
def _container_class() -> Any:
    from torch import nn

    class Container(nn.Module):  # type: ignore[misc] # torch is not followed
        """A group of layers; the network calls them one by one."""

        def __init__(self, title: str) -> None:
            super().__init__()
            self._title = re.sub(r"\W+", "_", title)

        def _get_name(self) -> str:
            return self._title

    return Container
