"""One network against torch in every figure: what the validator checks, and what only small random networks can be
asked exactly: which storages autograd holds, which tensors live at the same time, where a gradient is not zero.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import torch

from cnnprof import analyzer, builder, readers
from cnnprof.analyzer import inference
from cnnprof.layers import Layer, of
from cnnprof.layers.convtranspose import ConvTranspose
from cnnprof.model.graph import Edge, Graph, Node
from cnnprof.model.plain import replace
from cnnprof.model.validation import BROKEN, Figure, compared
from cnnprof.readers.overrides import Overrides
from cnnprof.receptive import ReceptiveFields, Seen
from cnnprof.shapes import Taps
from cnnprof.validator import geometry, parameters, shapes, work
from cnnprof.validator.case import Case
from tests.helpers.graph_specs import as_spec
from tests.helpers.random_graphs import Drawn
from tests.layers import contract, references  # noqa: F401 they declare what torch is known for

REFUSALS = {
    "training-norm": r"Expected more than 1 (value per channel|spatial element)",
    "in-place": r"modified by an inplace operation|is a view and|leaf Variable that requires grad|"
    r"refers to a single memory location",
}
"""What torch refuses in training of a network that it runs in evaluation, and why that is no figure of ours."""
DRAWS = 25
"""Random inputs after which what has had no gradient has none."""


class Refused(Exception):  # noqa: N818 the answer of torch, and no error of ours
    """Torch does not train this network; the name of a reason."""


def compare(drawn: Drawn) -> list[Figure]:
    """Return every figure of a network beside torch's; a check that torch refuses for a known reason has none."""
    torch.manual_seed(0)  # what gradients are asked with: the same network has the same figures
    case = Case(drawn.graph, batch=drawn.batch)
    figures: list[Figure] = []
    overwritten = any(note.code == "overwritten" for note in case.analysis.notes)
    for name, check in CHECKS.items():
        if overwritten and name in ("training", "saved", "peak", "field"):
            figures.append(_left_out(name, "overwritten"))
            continue
        try:
            with contract.known_warnings():
                figures += check(case)
        except Refused as reason:
            figures.append(_left_out(name, str(reason)))
        except Exception as error:  # noqa: BLE001 whatever ends a check is a finding
            known = [reason for reason, pattern in REFUSALS.items() if re.search(pattern, str(error))]
            figures.append(_left_out(name, known[0]) if known else _failed(name, error))
    return figures


def broken(figures: Iterable[Figure]) -> list[Figure]:
    """Return what differs and what failed."""
    return [figure for figure in figures if figure.verdict in BROKEN]


def _left_out(name: str, reason: str) -> Figure:
    return Figure(check=name, what="left out", ours=None, theirs=None, verdict="explained", by="torch", note=reason)


def _failed(name: str, error: Exception) -> Figure:
    message = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    return Figure(check=name, what="the check", ours=None, theirs=None, verdict="failed", by="torch", note=message)


# -- the specification ------------------------------------------------------------------------------------------------


def specification(case: Case) -> Iterator[Figure]:
    """Yield whether the network, written as a specification and read again, is the same."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "random.yaml")
        path.write_text(as_spec(case.graph), encoding="utf-8")
        found = readers.read(str(path), Overrides())
    ours, theirs = (_plain(graph) for graph in (case.graph, found))
    wrong = [node[0] for node, other in zip(ours, theirs, strict=False) if node != other]
    what = "layers, written and read again"
    yield compared("specification", what, len(ours), len(theirs) - len(wrong), layer=wrong[0] if wrong else None)
    yield compared("specification", "outputs", *(str(sorted(each.outputs.items())) for each in (case.graph, found)))


def _plain(graph: Graph) -> list[tuple[Any, ...]]:
    return [
        (node.name, of(node), node.inputs, node.frozen, node.when, node.share) for node in graph.nodes
    ]  # fmt: skip


# -- memory -----------------------------------------------------------------------------------------------------------


class _Kept:
    """A tensor that autograd keeps; it lives as long as the part of the backward that needs it."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor.detach()


def saved(case: Case) -> Iterator[Figure]:
    """Yield the bytes of all storages that autograd holds after a training forward, but inputs, weights and buffers."""
    module = builder.build(case.graph)
    inputs = case.inputs()
    kept: list[weakref.ref[_Kept]] = []
    strided, rooms = _strided(module), _rooms(module, case.graph)

    def pack(tensor: torch.Tensor) -> _Kept:
        found = _Kept(tensor)
        kept.append(weakref.ref(found))
        return found

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda found: found.tensor):
        # Work in place on an input would give it a history, which whoever holds it would keep.
        outputs = module(*[each.detach() for each in inputs])
    known = {_place(tensor) for tensor in (*inputs, *module.parameters(), *module.buffers())}
    tensors = [each.tensor for each in (reference() for reference in kept) if each is not None]
    sizes = {_place(each): each.untyped_storage().nbytes() for each in tensors if _place(each) not in known}
    theirs = sum(sizes.values())
    del outputs
    ours = analyzer.analyze(case.graph, batch=case.batch, training="sgd").training
    assert ours is not None
    figure = compared("saved", "bytes kept for the backward", ours.saved_bytes, theirs)
    if figure.verdict == "differs" and ours.saved_bytes == theirs - sum(rooms.get(place, 0) for place in sizes):
        yield _explained(figure, "storage-of-the-input")
    else:
        yield _excused(figure, "strided" if strided else _one_tensor(case.graph))


def _rooms(module: Any, graph: Graph) -> dict[int, int]:
    """Return what a forward fills: by storage, the bytes that its tensor leaves empty.

    torch's transposed convolution in 3 dimensions makes its output on a CPU as large as its input, and then resizes
    it, which gives no memory back (``slow_conv_transpose3d_cpu`` in NaiveConvolutionTranspose3d.cpp).
    """
    found: dict[int, int] = {}
    for node in graph.nodes:
        if node.op == "convtranspose3d":
            module.get_submodule(module.paths[node.name]).register_forward_hook(
                lambda _module, _inputs, output: found.update(
                    {_place(output): output.untyped_storage().nbytes() - output.nbytes}
                )
            )
    return found


def _one_tensor(graph: Graph) -> str | None:
    """Return a reason where keys and values are one tensor: torch then projects both at once, into one storage."""
    same = any(node.op == "multiheadattention" and len({*node.inputs[1:]}) == 1 for node in graph.nodes)
    return "keys-are-values" if same else None


def _excused(figure: Figure, reason: str | None) -> Figure:
    return _explained(figure, reason) if figure.verdict == "differs" and reason else figure


def _explained(figure: Figure, reason: str) -> Figure:
    return Figure(
        check=figure.check, what=figure.what, ours=figure.ours, theirs=figure.theirs, verdict="explained", by=figure.by,
        note=reason,
    )  # fmt: skip


def _place(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _strided(module: Any) -> list[str]:
    """Return a list that a forward fills with the nodes that are handed a tensor whose elements do not lie in a row."""
    found: list[str] = []
    for name, path in module.paths.items():

        def note(_module: Any, inputs: tuple[torch.Tensor, ...], name: str = name) -> None:
            if not all(each.is_contiguous() for each in inputs):
                found.append(name)

        module.get_submodule(path).register_forward_pre_hook(note)
    return found


def peak(case: Case) -> Iterator[Figure]:
    """Yield the most bytes of inputs and layers' outputs that live at the same time in an inference."""
    module = builder.build(case.graph).eval()
    weights = {id(each.untyped_storage()) for each in (*module.parameters(), *module.buffers())}
    alive: dict[int, tuple[weakref.ref[Any], int]] = {}
    most = 0

    def note(tensors: Iterable[torch.Tensor]) -> None:
        nonlocal most
        for tensor in tensors:
            storage = tensor.untyped_storage()
            if id(storage) not in weights and _gone(alive.get(id(storage))):
                # The tensor's bytes: torch's own kernels make some storages larger than what they hold.
                alive[id(storage)] = weakref.ref(storage), tensor.nbytes
        most = max(most, sum(size for reference, size in alive.values() if reference() is not None))

    for path in module.paths.values():
        module.get_submodule(path).register_forward_hook(
            lambda _module, _inputs, output: note(output if isinstance(output, tuple) else (output,))
        )
    strided = _strided(module)
    with torch.no_grad():
        inputs = case.inputs()
        note(inputs)
        module(*inputs)
    figure = compared("peak", "bytes of tensors at the peak of an inference", _living(case), most)
    yield _excused(figure, "strided" if strided else None)


def _gone(entry: tuple[weakref.ref[Any], int] | None) -> bool:
    return entry is None or entry[0]() is None


def _living(case: Case) -> int:
    """Return the peak without what layers make beside their outputs and forget: a hook sees outputs only."""
    with mock.patch.object(inference, "make_and_forget"):
        return analyzer.analyze(case.graph, batch=case.batch).memory.tensor_bytes


# -- the receptive field ----------------------------------------------------------------------------------------------


def field(case: Case) -> Iterator[Figure]:
    """Yield, for units of every output, whether their gradient lies where they are said to see.

    Asked are the first, the middle and the last unit: none has a gradient outside of its field. If nothing on the way
    of the middle one comes near an edge, its gradient must reach from end to end of the field.
    """
    if any(_at_fault(case, node) for node in case.graph.nodes):
        raise Refused("backward-at-fault")
    # Fields are those with everything at work, layers of training too.
    nodes = tuple(replace(node, when="always") for node in case.graph.nodes)
    probe = Probe(Case(replace(case.graph, nodes=nodes), batch=case.batch))
    for name, edge in case.graph.outputs.items():
        if edge in probe.seen:
            for where in ("middle", "first", "last"):
                yield from _unit(probe, name, where)


def _at_fault(case: Case, node: Node) -> bool:
    """Return whether torch's backward of a layer writes outside of its tensors, which ends the process."""
    fault = contract.BACKWARD_FAULTS.get(node.op)
    return fault is not None and fault[0](of(node), case.analysis.row(node.name).inputs)


def _unit(probe: Probe, name: str, where: str) -> Iterator[Figure]:
    edge = probe.case.graph.outputs[name]
    claims, support, is_inner = probe.ask(name, where)
    if where != "middle" and probe.mirrors:
        return
    for (owner, axis), claim in claims.items():
        ends, size = support[owner, axis], probe.sizes[owner][axis - 1]
        what = f"{where} unit of {name}: {owner}, axis {axis}"
        if claim == "all" or ends is None or (probe.mirrors and not is_inner):
            continue
        if claim is not None and is_inner and not probe.loose and 0 <= claim[0] and claim[1] < size:
            yield compared("field", f"exactly, {what}", str(claim), str(ends), by="gradient", layer=edge.node)
        elif claim is None or not claim[0] <= ends[0] <= ends[1] <= claim[1]:
            yield Figure(
                check="field", what=what, ours=str(claim), theirs=str(ends), verdict="differs", by="gradient",
                layer=edge.node,
            )  # fmt: skip
        else:
            yield compared("field", what, "inside", "inside", by="gradient")


Ends = tuple[int, int]
Axis = tuple[str, int]


class Probe:
    """A network in double precision that is asked for gradients."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.seen: dict[Edge, Seen] = {}
        self.sizes = {each.name: each.shape[1:] for each in case.graph.inputs}
        self.axes = [(each.name, axis) for each in case.graph.inputs for axis in range(1, len(each.shape))]
        self.module = builder.build(case.graph).double().eval()
        self.values: dict[Edge, torch.Tensor] = {}
        for parameter in self.module.parameters():
            torch.nn.init.normal_(parameter)
        for name, path in self.module.paths.items():
            self.module.get_submodule(path).register_forward_hook(self._noting(name))
        self.margin = 1
        """Elements from an edge within which a window, or what pads it, may reach over."""
        self.mirrors = False
        """Whether anything reads an element near an edge, or at the other end, in place of one behind it."""
        self.loose = False
        """Whether some fields are bounds: of a transposed window with both a stride and a dilation."""
        self._follow()

    def _noting(self, name: str) -> Any:
        def note(_module: Any, _inputs: Any, output: Any) -> None:
            for at, each in enumerate(output if isinstance(output, tuple) else (output,)):
                self.values[Edge(name, at)] = each

        return note

    def _follow(self) -> None:
        fields = ReceptiveFields(self.case.graph.inputs)
        nodes = {node.name: node for node in self.case.graph.nodes}
        for row in self.case.analysis.rows if self.axes else ():
            layer = of(nodes[row.name])
            windows = layer.windows(row.inputs) or ()
            fields.follow(row.name, layer, row.edges, row.inputs, row.outputs, windows or None)
            self.seen.update(
                (edge, fields.seen(edge)) for edge in (Edge(row.name, at) for at in range(len(row.outputs)))
            )
            self.margin = max(self.margin, _reach(nodes[row.name]), *(each.span for each in windows))
            self.mirrors |= _mirrors(nodes[row.name])
            self.loose |= _is_loose(layer)

    def ask(self, name: str, where: str) -> tuple[dict[Axis, Any], dict[Axis, Ends | None], bool]:
        """Return what a unit is said to see, where its gradient is not zero, and whether its way touches no edge.

        Inputs are drawn until every end is reached: a maximum, or a ReLU, shows one path at a time.
        """
        edge = self.case.graph.outputs[name]
        shape = self.case.analysis.row(edge.node).outputs[edge.output].shape
        axes = self.seen[edge].axes
        moving = sorted({taps.dim for taps in axes if taps is not None and taps.lows})
        place = {dim: {"first": 0, "middle": shape[dim] // 2, "last": shape[dim] - 1}[where] for dim in moving}
        claims = dict(zip(self.axes, (_claim(taps, place) for taps in axes), strict=True))
        masks = {each.name: torch.zeros(each.shape, dtype=torch.bool) for each in self.case.graph.inputs}
        is_inner = True
        for seed in range(DRAWS):
            is_inner &= self._draw(name, place, seed, masks)
            support = {(owner, axis): _ends(masks[owner], axis) for owner, axis in self.axes}
            if not is_inner or all(claims[axis] in ("all", None, support[axis]) for axis in self.axes):
                break
        return claims, support, is_inner

    def _draw(self, name: str, place: dict[int, int], seed: int, masks: dict[str, torch.Tensor]) -> bool:
        """Add to ``masks`` where one random input has a gradient; return whether all on the way is away from edges."""
        tensors = [
            each.double().requires_grad_() if each.is_floating_point() else each for each in self.case.inputs(seed=seed)
        ]
        self.values.clear()
        result = self.module(*[each.clone() for each in tensors])
        output = result[name] if isinstance(result, dict) else result
        for dim, at in place.items():
            output = output.narrow(dim, at, 1)
        if not output.requires_grad:
            return False
        inside = {edge: value for edge, value in self.values.items() if value.requires_grad}
        wanted = {name: each for name, each in zip(masks, tensors, strict=True) if each.requires_grad}
        total = (output * torch.randn_like(output)).sum()
        grads = torch.autograd.grad(total, [*wanted.values(), *inside.values()], allow_unused=True)
        for owner, grad in zip(wanted, grads, strict=False):
            if grad is not None:
                masks[owner] |= ((grad != 0) & grad.isfinite()).any(0)
        if not all(grad is None or bool(grad.isfinite().all()) for grad in grads):
            return False  # a root of a negative number has no gradient, and hides what lies behind it
        pairs = zip(inside, grads[len(wanted) :], strict=True)
        return all(grad is None or self._is_inner(edge, grad) for edge, grad in pairs)

    def _is_inner(self, edge: Edge, grad: torch.Tensor) -> bool:
        for taps in self.seen[edge].axes:
            if taps is not None and taps.lows:
                ends = _ends(grad != 0, taps.dim)
                if ends and (ends[0] < self.margin or ends[1] >= grad.shape[taps.dim] - self.margin):
                    return False
        return True


def _reach(node: Node) -> int:
    """Return by how many elements a layer pads or moves its input."""
    numbers = [node.args.get(name) or 0 for name in ("padding", "shifts")]
    flat = [each for value in numbers for each in (value if isinstance(value, (tuple, list)) else (value,))]
    return max(abs(each) for each in flat if isinstance(each, int)) if any(isinstance(x, int) for x in flat) else 0


def _is_loose(layer: Layer) -> bool:
    return isinstance(layer, ConvTranspose) and max(layer.stride) > 1 and max(layer.dilation) > 1


def _mirrors(node: Node) -> bool:
    mode = node.args.get("mode" if node.op == "pad" else "padding_mode", "zeros")
    mirrored = mode not in ("zeros", "constant") and node.op != "upsample"
    return mirrored or node.op in ("roll", "upsample") or node.op.startswith(("reflection", "replication", "circular"))


def _claim(taps: Taps | None, place: dict[int, int]) -> Any:
    """Return the first and last element that a unit is said to see; "all", or None for nothing."""
    if taps is None:
        return None
    if taps.whole or not taps.lows:
        return "all"
    turn, at = divmod(place[taps.dim], len(taps.lows))
    return taps.step * turn + taps.lows[at], taps.step * turn + taps.highs[at]


def _ends(mask: torch.Tensor, axis: int) -> Ends | None:
    others = [dim for dim in range(mask.ndim) if dim != axis]
    places = mask.any(others).nonzero().flatten().tolist()
    return (places[0], places[-1]) if places else None


CHECKS: dict[str, Callable[[Case], Iterable[Figure]]] = {
    "specification": specification,
    "shapes": shapes.check,
    "parameters": parameters.check,
    "macs": work.forward,
    "training": work.training,
    "useful": geometry.useful,
    "saved": saved,
    "peak": peak,
    "field": field,
}
"""In this order; a check that torch refuses costs its own figures only."""
