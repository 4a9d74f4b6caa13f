"""What autograd keeps of a training forward, against what it packs: every storage, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from cnnprof import analyzer
from cnnprof.analyzer.rows import make_rows
from cnnprof.analyzer.training import saved_by
from cnnprof.layers import of
from cnnprof.layers.backward import Needs, Saved
from cnnprof.model.analysis import Row
from cnnprof.model.graph import Node
from cnnprof.model.validation import Figure, compared
from cnnprof.receptive import ReceptiveFields
from cnnprof.validator.case import BATCH, Case

if TYPE_CHECKING:
    import torch

    from cnnprof.validator.memory import Network


class Call(NamedTuple):
    """A node as it ran in torch: the storages of what it read and made, and those that autograd kept of it."""

    inputs: list[Any]
    outputs: list[Any]
    packed: list[Any]


class Watch:
    """A forward in training mode, with all that it keeps. Storages are held, so that none can get another's place."""

    def __init__(self, network: Network, paths: dict[str, str]) -> None:
        self.calls: dict[str, Call] = {}
        self.known = [*network.module.parameters(), *network.module.buffers(), *network.inputs]
        self._packed: list[Any] = []
        self._run(network, paths)

    def _run(self, network: Network, paths: dict[str, str]) -> None:
        from torch.autograd.graph import saved_tensors_hooks

        modules = {name: network.module.get_submodule(path) for name, path in paths.items()}
        handles = [module.register_forward_hook(self._hook(name)) for name, module in modules.items()]
        self.everything: list[Any] = []
        try:
            network.module.train()
            with saved_tensors_hooks(self._pack, lambda tensor: tensor):
                network.outputs()
        finally:
            for handle in handles:
                handle.remove()

    def _pack(self, tensor: torch.Tensor) -> torch.Tensor:
        self._packed.append(tensor.untyped_storage())
        self.everything.append(self._packed[-1])
        return tensor

    def _hook(self, name: str) -> Any:
        def note(_module: Any, inputs: tuple[torch.Tensor, ...], output: Any) -> None:
            outputs = output if isinstance(output, tuple) else (output,)
            read, made = ([each.untyped_storage() for each in tensors] for tensors in (inputs, outputs))
            self.calls[name] = Call(read, made, self._packed)
            self._packed = []

        return note

    @property
    def bytes(self) -> int:
        """Bytes of everything that is kept and was not there before."""
        there = {_place(each.untyped_storage()) for each in self.known}
        sizes = {_place(storage): storage.nbytes() for storage in self.everything}
        return sum(size for place, size in sizes.items() if place not in there)


def _place(storage: Any) -> int:
    return int(storage._cdata)  # noqa: SLF001 fake storages have no address of their own


def saved(case: Case, network: Network) -> Figure:
    """Compare the bytes kept when the forward is over, the input batch aside, and name the first layer that differs."""
    found = analyzer.analyze(case.graph, batch=BATCH, training="sgd").training
    ours = 0 if found is None else found.saved_bytes
    watch = Watch(network, network.module.paths)
    layer, note = (None, None) if ours == watch.bytes else _first(case, watch)
    return compared(
        "memory", "bytes kept for the backward", ours, watch.bytes, by="saved_tensors_hooks", layer=layer, note=note
    )


def _first(case: Case, watch: Watch) -> tuple[str | None, str | None]:
    rows, _, gradients = make_rows(case.graph, BATCH, "float32", ReceptiveFields(case.graph.inputs), input_grad=False)
    there = {_place(each.untyped_storage()) for each in watch.known}
    for node, row in zip(case.graph.nodes, rows, strict=True):
        call = watch.calls[node.name]
        theirs = _told(call, call.packed, [], there)
        ours = _claimed(node, row, gradients.needs(node), call, there)
        if ours != theirs:
            return node.name, f"torch keeps {theirs or 'nothing'} of it, not {ours or 'nothing'}"
    return None, None


def _claimed(node: Node, row: Row, needs: Needs, call: Call, there: set[int]) -> str:
    entries: tuple[Saved, ...] = tuple(saved_by(row, of(node), needs, "cpu")) if needs.any else ()
    shared = [(call.inputs if each.what == "input" else call.outputs)[each.at] for each in entries if not each.tensor]
    return _told(call, shared, [each.tensor.nbytes for each in entries if each.tensor], there)


def _told(call: Call, storages: list[Any], sizes: list[int], there: set[int]) -> str:
    """Return in words what is kept: inputs, outputs, and bytes of anything else; parameters are there anyway."""
    names = {_place(each): f"output {at}" for at, each in enumerate(call.outputs)}
    names |= {_place(each): f"input {at}" for at, each in enumerate(call.inputs)}
    kept = {_place(each): each.nbytes() for each in storages if _place(each) not in there}
    own = sum(sizes) + sum(size for place, size in kept.items() if place not in names)
    words = sorted({names[place] for place in kept if place in names}) + ([f"{own:,} bytes of its own"] if own else [])
    return ", ".join(words)
