"""The other networks of the file that an analysis came from."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from cnnprof import analyzer, readers
from cnnprof.errors import CnnprofError, UsageError
from cnnprof.readers.overrides import Overrides
from cnnprof.readers.spec import members

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cnnprof.model.analysis import Analysis


class Family:
    """A network and the others of its file, each counted when it is asked for."""

    def __init__(self, analysis: Analysis) -> None:
        self.analysis = analysis

    @cached_property
    def forms(self) -> list[Analysis]:
        """Other forms of the same network: ``resnet50_v1`` of ``resnet50``."""
        return self._counted(name for name in self._names if self._is_form(name))

    @cached_property
    def others(self) -> list[Analysis]:
        """The other members: ``resnet18`` of ``resnet50``."""
        return self._counted(name for name in self._names if not self._is_form(name))

    @cached_property
    def _names(self) -> dict[str, str]:
        """Name of every other network of the file, and what is typed for it."""
        try:
            typed = members(self.analysis.source)
        except UsageError:  # the file has gone since it was read
            return {}
        return {name: each for each in typed if (name := each.rpartition("#")[2]) not in (each, self.analysis.model)}

    def _is_form(self, name: str) -> bool:
        names = [*self._names, self.analysis.model]
        return _base(name, names) == _base(self.analysis.model, names)

    def _counted(self, names: Iterable[str]) -> list[Analysis]:
        found = []
        for name in names:
            try:
                found.append(analyzer.analyze(readers.read(self._names[name], Overrides(params={}, inputs={}))))
            except CnnprofError:  # one that needs an input size says nothing about this network
                continue
        return found


def _base(name: str, names: Iterable[str]) -> str:
    """Return the shortest name that ``name`` continues behind an underscore: ``vgg16`` for ``vgg16_bn``."""
    return min((each for each in names if name.startswith(f"{each}_")), key=len, default=name)
