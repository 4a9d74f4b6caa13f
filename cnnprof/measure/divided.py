"""A network that is code, divided over two devices: it keeps its own forward, and each row runs on its own side.

A module that is a row has another ``forward``, which brings what it reads to the row's side and calls the module there;
functions are seen by torch's function mode. Weights are on both sides; the network's own code sees the host's.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from cnnprof.devices.mirrors import Copied, to_side, weights
from cnnprof.measure.crossing import Crossing
from cnnprof.measure.following import Followed, Order, other, rows
from cnnprof.model.graph import Graph
from cnnprof.readers.imported.calls import MOVING, mapped

if TYPE_CHECKING:
    import torch


def divided(
    module: torch.nn.Module,
    followed: Followed,
    graph: Graph,
    names: Collection[str],
    device: torch.device | str,
    copied: Copied = to_side,
) -> torch.nn.Module:
    """Return a module that runs a network in inference, the rows ``names`` on ``device``, the others where it is.

    It is called as ``module`` is, and returns what that does, on its device.

    Args:
        module: in evaluation, ready to run; its layers get another ``forward`` for good.
        followed: one forward of it.
        graph: what was read of it.
        names: of nodes.
        device: where the rows are that are named.
        copied: how a tensor gets to the other side.

    Raises:
        WorkerError: it has sparse weights; when it runs: another forward than the one that was followed, or one whose
            tensors cannot be followed.
    """
    import torch
    from torch import nn

    twin = copy.deepcopy(module).to(device)
    _move_constants(twin, device)
    devices = {False: _device(module), True: torch.device(device)}
    runner = _Runner(module, twin, followed, graph, names)
    state = weights(module, twin)

    class Divided(nn.Module):  # type: ignore[misc] # torch is not followed
        def __init__(self) -> None:
            super().__init__()
            self.here, self.there = module, twin
            self.training = False  # as both are: eval() would call theirs, which may clear what a forward has kept

        def forward(self, *args: Any, **kwargs: Any) -> Any:
            return runner.run(Crossing(state, devices, copied), args, kwargs)

    return Divided()


def _move_constants(module: torch.nn.Module, device: torch.device | str) -> None:
    """Move the tensors that modules keep as plain attributes, which ``to`` leaves where they are."""
    import torch

    for part in module.modules():
        for name, value in vars(part).items():
            if isinstance(value, torch.Tensor):
                part.__dict__[name] = value.to(device)


def _device(module: torch.nn.Module) -> torch.device:
    """Return where a module's weights are; one without any runs on the CPU."""
    import torch

    return next((each.device for each in (*module.parameters(), *module.buffers())), torch.device("cpu"))


class _Runner:
    """The layers of a network with their sides, and the forward that is running."""

    def __init__(
        self,
        module: torch.nn.Module,
        twin: torch.nn.Module,
        followed: Followed,
        graph: Graph,
        names: Collection[str],
    ) -> None:
        found = rows(followed.calls, graph)
        functions = {call.number: call for call, _ in found if call.function is not None}
        self._module = module
        self._order = Order([call.key for call, _ in found], functions, followed.functions)
        self._functions = {call.number: node.name in names for call, node in found if call.function is not None}
        self._modules: dict[str, list[bool]] = {}
        """Of each module the sides of its calls, in order."""
        for call, node in found:
            if call.function is None:
                self._modules.setdefault(call.key[0], []).append(node.name in names)
        self._sides: dict[str, Iterator[bool]] = {}
        self._crossing: Any = None
        for path in self._modules:
            part = module.get_submodule(path)
            part.__dict__["forward"] = self._dressed(path, part.forward, twin.get_submodule(path).forward)

    def run(self, crossing: Crossing, args: Any, kwargs: Any) -> Any:
        """Run a forward; what it returns is on the host."""
        import torch

        self._crossing, self._sides = crossing, {path: iter(sides) for path, sides in self._modules.items()}
        try:
            with _mode(self._function):
                made = self._order.of(self._module, *args, **kwargs)
            self._order.check()
            with torch._C.DisableTorchFunction():  # noqa: SLF001 torch's only name for it
                made = _returned(made, lambda tensor: crossing.on(tensor, there=False))
                crossing.end()
            return made
        finally:
            crossing.forget()
            self._crossing = None

    def _dressed(self, path: str, here: Callable[..., Any], there: Callable[..., Any]) -> Callable[..., Any]:
        import torch

        note = self._order.seen.append

        def dressed(*args: Any, **kwargs: Any) -> Any:
            note((path, None))
            side = next(self._sides[path], False)
            with torch._C.DisableTorchFunction():  # noqa: SLF001 torch's only name for it
                return self._crossing.row(there if side else here, args, kwargs, there=side)

        return dressed

    def _function(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        expected = next(self._order.upcoming, None)
        if expected is None:
            return self._crossing.aside(function, args, kwargs)
        known = function is expected.function and (expected.at < 0 or args[expected.at] is expected.parameter)
        self._order.seen.append(expected.key if known else other(expected, function, args))
        call = self._crossing.moving if expected.key[1] in MOVING else self._crossing.row
        return call(function, args, kwargs, there=self._functions.get(expected.number, False))


def _mode(call: Callable[..., Any]) -> Any:
    from torch.overrides import TorchFunctionMode

    class Mode(TorchFunctionMode):  # type: ignore[misc] # torch is not followed
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return call(function, args, kwargs or {})

    return Mode()


def _returned(value: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """Return what a forward returns with other tensors in it: also a mapping, or a dataclass."""
    if isinstance(value, Mapping):
        found: Any = copy.copy(value)
        for key, each in value.items():
            found[key] = _returned(each, change)
        return found
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        held = {each.name: _returned(getattr(value, each.name), change) for each in dataclasses.fields(value)}
        found = copy.copy(value)
        for name, each in held.items():
            object.__setattr__(found, name, each)
        return found
    if type(value) in (list, tuple):
        return type(value)(_returned(each, change) for each in value)
    return mapped(value, change)
