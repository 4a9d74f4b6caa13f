"""Memory of one steady training step: forward, backward, optimizer, ``zero_grad(set_to_none=True)``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cnnprof.analyzer.gradients import Gradients
from cnnprof.analyzer.heap import Heap
from cnnprof.analyzer.inference import last_readers, make_and_forget, place_outputs
from cnnprof.analyzer.optimizers import optimizer_memory
from cnnprof.layers import Layer, of
from cnnprof.layers.backward import Device, Needs, Saved, Source
from cnnprof.layers.norm import RunningNorm
from cnnprof.model.analysis import Row, Totals
from cnnprof.model.graph import Edge, Graph, Shape, TensorSpec
from cnnprof.model.memory import Optimizer, Phase, TrainingMemory


class Task(NamedTuple):
    """A network, and what of it is trained, on which device."""

    graph: Graph
    rows: Sequence[Row]
    tensors: Mapping[Edge, TensorSpec]
    gradients: Gradients
    dtype: str
    device: Device
    adds_anew: bool = False
    """Sums of gradients are new tensors, as torch makes them where a dispatch mode watches; else they are in place."""


def training_memory(task: Task, totals: Totals, optimizer: Optimizer) -> TrainingMemory:
    """Return the peak of a step whose loss reads every output of the network, by what it is for.

    Tensors die after their last reader or, where autograd keeps them, after the backward of the layer that kept them;
    a layer's gradients are made while its output's gradient lives, and a parameter's gradient lives until the optimizer
    has used it. There is no workspace and no rounding of an allocator. What a layer kept is said by the layer.
    """
    step = _Step(task, Heap())
    step.run()
    alive = step.heap.alive
    parts = Counter[str]()
    for each in alive:
        parts[each.what] += each.bytes
    trained = step.trained
    used = optimizer_memory(optimizer, trained, task.device)
    steady = totals.param_bytes + totals.buffer_bytes + used.state
    updating = totals.input_bytes + sum(trained)
    in_step = updating + used.temporary > step.heap.peak
    return TrainingMemory(
        optimizer=optimizer,
        device=task.device,
        peak_bytes=steady + max(step.heap.peak, updating + used.temporary),
        param_bytes=totals.param_bytes,
        buffer_bytes=totals.buffer_bytes,
        input_bytes=totals.input_bytes,
        optimizer_state_bytes=used.state,
        gradient_bytes=sum(trained) if in_step else parts["weight gradient"],
        activation_bytes=0 if in_step else parts["output"] + parts["saved"] + parts["forgotten"],
        live_gradient_bytes=0 if in_step else parts["gradient"],
        temporary_bytes=used.temporary if in_step else 0,
        saved_bytes=step.saved_bytes,
        foreach_peak_bytes=steady + max(step.heap.peak, updating + used.foreach_temporary),
        phase="optimizer" if in_step else step.phase,
        layer=None if in_step else step.heap.peak_layer,
        alive=() if in_step else alive,
    )


class _Step:
    """One forward and backward over a heap."""

    def __init__(self, task: Task, heap: Heap) -> None:
        self.task = task
        self.heap = heap
        self.places: dict[Edge, int] = {}
        self.kept: dict[str, list[int]] = {}
        self.grads: dict[Edge, int] = {}
        self._trained: dict[str, list[int]] = {}
        self.saved_bytes = 0
        self._forwards = 0
        self._layers = {row.name: of(row) for row in task.rows if row.known}
        self._needs = {node.name: task.gradients.needs(node) for node in task.graph.nodes}

    @property
    def trained(self) -> list[int]:
        """Bytes of every trained tensor of parameters, in the network's order."""
        return [size for row in self.task.rows for size in self._trained.get(row.name, ())]

    @property
    def phase(self) -> Phase:
        """When the peak was."""
        return "forward" if self.heap.peak_at < self._forwards else "backward"

    def run(self) -> None:
        """Run the forward and the backward."""
        graph, heap = self.task.graph, self.heap
        for each in graph.inputs:
            self.places[Edge(each.name)] = heap.allocate(each.name, "input", self.task.tensors[Edge(each.name)])
        held = heap.bytes
        outputs = list(dict.fromkeys(graph.outputs.values()))
        self._forward(last_readers(graph, self.task.rows, outputs))
        self._forwards = heap.allocations
        self._loss(outputs, held)
        for row in reversed(self.task.rows):
            self._backward(row)

    def _forward(self, readers: Mapping[str, Sequence[Edge]]) -> None:
        for row in self.task.rows:
            self.heap.running = row.name
            layer, needs = self._layers.get(row.name), self._needs[row.name]
            place_outputs(row, "new" if layer is None else layer.storage(training=True), self.places, self.heap)
            if layer is not None and needs.any:
                self.kept[row.name] = [self._keep(row, each) for each in saved_by(row, layer, needs, self.task.device)]
            elif layer is not None:
                make_and_forget(row, layer.forgets(row.inputs, row.outputs), self.heap)
            for edge in readers.get(row.name, ()):
                self.heap.drop(self.places[edge])

    def _keep(self, row: Row, saved: Saved) -> int:
        if saved.tensor is not None:
            return self.heap.allocate(row.name, "saved", saved.tensor)
        edge = row.edges[saved.at] if saved.what == "input" else Edge(row.name, saved.at)
        return self.heap.hold(self.places[edge])

    def _loss(self, outputs: Sequence[Edge], held: int) -> None:
        """Hand every output to the loss, which keeps them until it has made a gradient of each."""
        self.heap.running = None
        for edge in outputs:
            if self.task.gradients.is_needed(edge):
                self.grads[edge] = self.heap.allocate(edge.node, "gradient", self.task.tensors[edge])
        made = sum(self.task.tensors[edge].nbytes for edge in self.grads)
        for edge in outputs:
            self.heap.drop(self.places[edge])
        self.saved_bytes = self.heap.bytes - made - held

    def _backward(self, row: Row) -> None:
        """Turn the gradients of a layer's outputs into those of its inputs and parameters."""
        self.heap.running = row.name
        needs, layer = self._needs[row.name], self._layers.get(row.name)
        outputs = [Edge(row.name, at) for at in range(len(row.outputs))]
        given = [self.grads.pop(edge) for edge in outputs if edge in self.grads]
        wanted = [source for source in range(len(row.edges)) if given and needs.inputs[source]]
        trained = layer.parameters(row.inputs) if given and layer is not None and needs.parameters else {}
        spent = [] if layer is None else self._spend(row, layer, (*wanted, *trained))
        made = [(row.edges[source], self._gradient(row, layer, source, given)) for source in wanted]
        if trained:
            self._weight_gradients(row, trained)
        for storage in (*given, *spent, *self.kept.pop(row.name, ())):
            self.heap.drop(storage)
        for edge, storage in made:
            self._add(edge, storage)

    def _spend(self, row: Row, layer: Layer, sources: Sequence[Source]) -> list[int]:
        """Make what gradients are made from, which lives until all of the layer's are there."""
        found = [tensor for source in sources for tensor in layer.spends(row.inputs, row.outputs, source)]
        return [self.heap.allocate(row.name, "gradient", tensor) for tensor in found]

    def _gradient(self, row: Row, layer: Layer | None, source: int, given: Sequence[int]) -> int:
        if layer is not None and layer.gradients(row.inputs, source) == "view":
            return self.heap.hold(given[0])
        edge = row.edges[source]
        return self.heap.allocate(edge.node, "gradient", row.inputs[source])

    def _weight_gradients(self, row: Row, shapes: Mapping[str, Shape]) -> None:
        """Make the gradients of a layer's parameters; those of shared ones are added to what is there, in place."""
        owner = row.share or row.name
        again, sizes = owner in self._trained, self._trained.setdefault(owner, [])
        for shape in shapes.values():
            tensor = TensorSpec(shape, self.task.dtype)
            storage = self.heap.allocate(owner, "weight gradient", tensor)
            if again:
                self.heap.drop(storage)
            else:
                sizes.append(tensor.nbytes)

    def _add(self, edge: Edge, storage: int) -> None:
        """Add a gradient to what a tensor's other readers gave it: in place where nobody else holds that."""
        if edge not in self.grads:
            self.grads[edge] = storage
            return
        there = self.grads[edge]
        if self.task.adds_anew or self.heap.is_shared(there):
            self.grads[edge] = self.heap.allocate(edge.node, "gradient", self.task.tensors[edge])
            self.heap.drop(there)
        self.heap.drop(storage)


def saved_by(row: Row, layer: Layer, needs: Needs, device: Device) -> Sequence[Saved]:
    """Return what autograd keeps of a layer in its place in the network."""
    if row.frozen == "eval" and isinstance(layer, RunningNorm) and layer.track_running_stats:
        return layer.saved_at_rest(row.inputs)
    return layer.saved(row.inputs, row.outputs, needs, device)
