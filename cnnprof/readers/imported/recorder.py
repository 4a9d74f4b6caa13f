"""A running network written down: every torch function that is called, folded into modules that are a layer type.

torch's function mode sees each public function, method and operator once, from Python as from C++, and what runs inside
it not at all. Tensors are told apart by identity, so all that have been seen are kept until the recording ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from cnnprof.errors import LayerError, UsageError
from cnnprof.layers import REGISTRY
from cnnprof.layers.recorded import PREFIX
from cnnprof.model.graph import Container, Edge, Node, Origin, Recorded
from cnnprof.readers.imported.calls import Call, Found, function_name, staying, tensors_in
from cnnprof.readers.imported.fallback import fallback
from cnnprof.readers.imported.functions import FUNCTIONS
from cnnprof.readers.imported.modules import find, is_list, layer_type
from cnnprof.readers.imported.tensors import (
    dtype_name,
    frozen,
    is_parameter,
    names_batch,
    normalised,
    spec,
    storage,
    together,
)

if TYPE_CHECKING:
    import torch


def _named(names: str) -> frozenset[str]:
    return frozenset(names.split())


MOST_NODES = 100_000
"""As many as a specification may have after expansion."""
QUIET = _named(
    "size dim numel nelement ndimension stride shape device dtype ndim is_floating_point is_complex is_contiguous "
    "requires_grad layout is_meta is_cuda is_cpu grad grad_fn is_leaf len get_device storage_offset element_size "
    "itemsize nbytes names is_quantized is_sparse is_nested is_mps is_xpu is_inference format repr hash data_ptr "
    "untyped_storage is_mkldnn result_type iter _assert assert_int_or_pair"
)
"""Questions about a tensor: they make none."""
MAKERS = _named(
    "new_zeros new_ones new_full new_empty new_tensor zeros_like ones_like full_like empty_like rand_like randn_like "
    "randint_like bernoulli"
)
"""What takes a shape or a dtype from a tensor, and nothing else."""
MOVING = _named("to cpu cuda")
"""To another device: while it is traced, the network has one."""
PASSING = _named("dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout")
"""Functions that may hand out the very tensor they were given and are layers all the same."""


class Frame(NamedTuple):
    """A module that is being called: its path, and the nodes and changes there were before."""

    path: str
    start: int
    changes: int


class Recorder:
    """Records one forward of ``module`` for ``batch`` samples, a number that no size of the network has as a factor."""

    def __init__(self, module: torch.nn.Module, batch: int, source: str) -> None:
        self.batch = batch
        self.source = source
        self.nodes: list[Node] = []
        self.containers: dict[str, Container] = {}
        self.reached: set[str] = set()
        """Paths of the modules that were called."""
        self._paths = {id(each): path for path, each in module.named_modules()}
        self._state: dict[int, tuple[str, torch.Tensor]] = {}
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            self._state.setdefault(id(tensor), (name, tensor))
        self._counters = {name: key for key, (name, _) in self._state.items() if name.endswith("num_batches_tracked")}
        self._owners: dict[int, str] = {}
        """Who counts a parameter or buffer: a node's name by the tensor's identity."""
        self._values: dict[int, Edge] = {}
        self._alive: list[torch.Tensor] = []
        self._live: set[str] = set()
        """Names of all nodes, and of the inputs."""
        self._changes: list[tuple[dict[int, Any], int, Any, Any]] = []
        """What was set in ``_owners`` and ``_values``: where, what it was before, and what it is."""
        self._names: dict[str, int] = {}
        self._frames: list[Frame] = []

    # -- what happens

    def call(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a function, on the meta device if any of its tensors lies there, and write it down."""
        name = function_name(function)
        if name in QUIET:
            return function(*args, **kwargs)
        operands = [*tensors_in(args), *tensors_in(kwargs)]
        moved = (args, kwargs)
        if any(each.is_meta for each in operands) and not all(each.is_meta for each in operands):
            moved = together(args), together(kwargs)
        if name in MOVING and operands and operands[0].is_meta:
            moved = staying(*moved)
            if name != "to":
                return operands[0]
        result = normalised(*moved) if name == "batch_norm" else None
        if result is None:
            result = function(*moved[0], **moved[1])
        if operands:
            self._take(name, args, kwargs, operands, result)
        return result

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Have every call of a module noted, and functions too."""
        import torch

        plain = torch.nn.Module.__call__
        recorder = self

        def called(module: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
            with recorder.inside(module):
                result = plain(module, *args, **kwargs)
                with torch._C.DisableTorchFunction():  # noqa: SLF001 torch's only name for it
                    recorder.left(module, args, kwargs, result)
                return result

        torch.nn.Module.__call__ = called
        try:
            with _mode(self), torch.no_grad():
                yield
        finally:
            torch.nn.Module.__call__ = plain

    @contextmanager
    def inside(self, module: torch.nn.Module) -> Iterator[None]:
        """Take what happens as part of ``module``."""
        above = self._frames[-1].path if self._frames else ""
        path = self._paths.get(id(module))
        if path is None:  # made in the forward, or hidden in a list
            path = ".".join(filter(None, (above, type(module).__name__.lower())))
        self.reached.add(path)
        self._frames.append(Frame(path, len(self.nodes), len(self._changes)))
        try:
            yield
        except Exception as error:
            if not hasattr(error, "cnnprof_module"):
                error.cnnprof_module = path or type(module).__name__  # type: ignore[attr-defined]
            raise
        finally:
            self._frames.pop()

    def left(self, module: torch.nn.Module, args: Any, kwargs: dict[str, Any], result: Any) -> None:
        """Fold what a module did into one node if it is a layer, else note it as a container."""
        frame = self._frames[-1]
        op = layer_type(module)
        outputs = list(tensors_in(result))
        if op is not None and outputs and self._fold(frame, find(op, module, args, kwargs), outputs):
            return
        edge = self._values.get(id(outputs[0])) if outputs else None
        if frame.path and edge is not None and not is_list(module) and len(self.nodes) > frame.start:
            self.containers.setdefault(
                frame.path, Container(path=frame.path, module=type(module).__name__, last=edge.node)
            )

    def _fold(self, frame: Frame, found: Found, outputs: Sequence[torch.Tensor]) -> bool:
        """Replace what a module did by one node, if that has the same outputs and state."""
        nodes, changes = self.nodes[frame.start :], self._changes[frame.changes :]
        names = {node.name for node in nodes}
        del self.nodes[frame.start :], self._changes[frame.changes :]
        self._live -= names
        for held, key, before, _ in reversed(changes):
            if before is None:
                del held[key]
            else:
                held[key] = before
        outputs = values(found, outputs)
        node = self._registered(found, outputs, frame.path or found.op, "module")
        if node is not None:
            self._emit(node, found.inputs, outputs)
            return True
        self.nodes += nodes
        self._live |= names
        for held, key, _, after in changes:
            self._change(held, key, after)
        return False

    def _change(self, held: dict[int, Any], key: int, value: Any) -> None:
        """Set an entry, so that it can be taken back where a module is folded."""
        self._changes.append((held, key, held.get(key), value))
        held[key] = value

    # -- functions

    def _take(self, name: str, args: Any, kwargs: dict[str, Any], operands: list[torch.Tensor], result: Any) -> None:
        if not any(self._known(each) for each in operands):
            return  # a constant, computed from constants
        base = name.removesuffix("_")
        outputs = [operands[0]] if base == "setitem" else list(tensors_in(result))
        if not outputs or base in MAKERS:
            return
        passed = any(outputs[0] is each for each in operands)
        writes = passed and (
            name.endswith("_") or base == "setitem" or bool(kwargs.get("inplace")) or _inplace(args, base)
        )
        if passed and not writes and base not in PASSING:
            return  # what already had the shape, the dtype or the order that was asked for
        call = Call(base, args, kwargs, tuple(outputs), inplace=writes)
        module = self._frames[-1].path if self._frames else ""
        finder = FUNCTIONS.get(base)
        found = finder(call) if finder is not None else None
        path = f"{module}.{base}" if module else base
        if found is not None:
            node = self._registered(found, values(found, outputs), path, "function")
            if node is not None:
                self._emit(node, found.inputs, values(found, outputs))
                return
        op, arguments, inputs = fallback(call)
        kind = "inplace" if writes else storage(outputs[0], inputs)
        if kind != "new":
            arguments["writes"] = kind
        node = self._node(path, PREFIX + op, arguments, "function", recorded=tuple(map(self._sample, outputs)))
        self._emit(node, inputs, outputs)

    def _registered(
        self,
        found: Found,
        outputs: Sequence[torch.Tensor],
        path: str,
        call: Literal["module", "function"],
    ) -> Node | None:
        """Return the node of a layer type, if it has the outputs, storage and state that were seen."""
        if not self._fits(found, outputs, call):
            return None
        weights = [each for each in found.state if is_parameter(each)]
        owners = {self._owners.get(id(each)) for each in found.state}
        if owners - {None} and (None in owners or len(owners) > 1):
            return None
        owner = next(iter(owners)) if owners else None
        node = self._node(path, found.op, found.args, call, share=owner, frozen=frozen(weights))
        if owner is None:
            for each in found.state:
                self._change(self._owners, id(each), node.name)
            self._own_counter(found, node.name)
        return node

    def _fits(self, found: Found, outputs: Sequence[torch.Tensor], call: str) -> bool:
        """Return whether a layer type has the outputs, storage and state that were seen, for any batch."""
        inputs = tuple(map(spec, found.inputs))
        try:
            layer = REGISTRY[found.op](**found.args)
            computed = layer.outputs(inputs)
            sizes = sorted(layer.parameters(inputs).values())
        except (LayerError, TypeError, ValueError, KeyError, IndexError):
            return False
        weights = sorted(tuple(each.shape) for each in found.state if is_parameter(each))
        return (
            not names_batch(found.args, self.batch)
            and computed == tuple(map(spec, outputs))
            and sizes == weights
            and all(id(each) in self._state for each in found.state)
            and (call == "module" or self._stored_alike(layer.storage(), found.inputs, outputs))
        )

    def _own_counter(self, found: Found, owner: str) -> None:
        """Take a batch norm's count of batches as the layer's, which its function is not given."""
        if not found.op.startswith("batchnorm") or not found.state:
            return
        prefix = self._state[id(found.state[0])][0].rpartition(".")[0]
        counter = f"{prefix}.num_batches_tracked" if prefix else "num_batches_tracked"
        key = self._counters.get(counter)
        if key is not None and key not in self._owners:
            self._change(self._owners, key, owner)

    def _stored_alike(self, said: str, inputs: Sequence[torch.Tensor], outputs: Sequence[torch.Tensor]) -> bool:
        seen = "inplace" if any(outputs[0] is each for each in inputs) else storage(outputs[0], inputs)
        return said == seen or (said, seen) == ("view", "inplace")

    # -- nodes

    def _known(self, tensor: torch.Tensor) -> bool:
        return id(tensor) in self._values or id(tensor) in self._state

    def _node(self, path: str, op: str, args: dict[str, Any], call: Any, **more: Any) -> Node:
        module = self._frames[-1].path if self._frames else ""
        return Node(
            name=self._unique(path), op=op, args=args, inputs=(), call=call,
            origin=Origin(source=self.source, module=module or None), **more,
        )  # fmt: skip

    def _unique(self, path: str) -> str:
        count = self._names[path] = self._names.get(path, 0) + 1
        return path if count == 1 else self._unique(f"{path}_{count}")

    def _emit(self, node: Node, inputs: Sequence[torch.Tensor], outputs: Sequence[torch.Tensor]) -> None:
        edges = tuple(map(self._edge, inputs))
        self._append(Node(**{**{name: getattr(node, name) for name in node.__struct_fields__}, "inputs": edges}))
        for at, tensor in enumerate(outputs):
            self.put(tensor, Edge(node.name, at))

    def _append(self, node: Node) -> None:
        if len(self.nodes) == MOST_NODES:
            raise UsageError(
                f"the forward calls more than {MOST_NODES:,} functions",
                hint="trace a part of it",
                code="too-large",
            )
        self.nodes.append(node)
        self._live.add(node.name)

    def arrive(self, name: str, tensor: torch.Tensor) -> None:
        """Take a tensor as a network input."""
        self._names[name] = 1
        self._live.add(name)
        self.put(tensor, Edge(name))

    def put(self, tensor: torch.Tensor, edge: Edge) -> None:
        """Take a tensor as the value of an edge."""
        self._change(self._values, id(tensor), edge)
        self._alive.append(tensor)

    def value(self, tensor: torch.Tensor) -> Edge:
        """Return the edge whose value a tensor is; a constant becomes one."""
        return self._edge(tensor)

    def _edge(self, tensor: torch.Tensor) -> Edge:
        found = self._values.get(id(tensor))
        if found is not None and found.node in self._live:
            return found
        if id(tensor) in self._state:
            self._append(self._source(tensor))
        else:
            module = self._frames[-1].path if self._frames else ""
            path = f"{module}.constant" if module else "constant"
            self._append(self._node(path, f"{PREFIX}constant", {}, "function", recorded=(self._sample(tensor),)))
        self.put(tensor, Edge(self.nodes[-1].name))
        return self._values[id(tensor)]

    def _source(self, tensor: torch.Tensor) -> Node:
        """Return the node of a parameter or buffer that is a value of its own."""
        name, _ = self._state[id(tensor)]
        owner = self._owners.get(id(tensor))
        whole = spec(tensor)
        learnt = is_parameter(tensor)
        args: dict[str, Any] = {"shape": list(whole.shape)}
        if learnt and whole.numel and whole.shape:
            more: dict[str, Any] = {}
        else:  # a single number is no layer of the language, nor is a buffer
            more = {"recorded": (Recorded(whole.shape, whole.dtype, ()),)}
            args["dtype"] = whole.dtype
        op = ("" if not more else PREFIX) + ("parameter" if learnt else "buffer")
        node = self._node(name, op, args, "function", share=owner, frozen=learnt and frozen([tensor]), **more)
        if owner is None:
            self._change(self._owners, id(tensor), node.name)
        return node

    def unreached(self) -> list[tuple[str, torch.Tensor]]:
        """Return the parameters and buffers that no node counts, by name."""
        return [each for key, each in self._state.items() if key not in self._owners]

    def add_unreached(self) -> None:
        """Add a node for every parameter and buffer that nothing has used."""
        for _, tensor in self.unreached():
            self._append(self._source(tensor))

    def _sample(self, tensor: torch.Tensor) -> Recorded:
        """Return a tensor as one sample has it; the dimensions that grow with the batch have it as a factor."""
        grown = (
            [dim for dim, size in enumerate(tensor.shape) if size and size % self.batch == 0] if self.batch > 1 else [0]
        )
        sizes = [size // self.batch if dim in grown else size for dim, size in enumerate(tensor.shape)]
        return Recorded(tuple(sizes), dtype_name(tensor), tuple(grown))


def _mode(recorder: Recorder) -> Any:
    from torch.overrides import TorchFunctionMode

    class Mode(TorchFunctionMode):  # type: ignore[misc] # torch is not followed
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return recorder.call(function, args, kwargs or {})

    return Mode()


def values(found: Found, outputs: Sequence[torch.Tensor]) -> Sequence[torch.Tensor]:
    """Return the outputs that the layer has too: of attention what was attended to, without the weights."""
    return outputs[:1] if found.op == "multiheadattention" else outputs


def _inplace(args: Any, name: str) -> bool:
    """Return whether a functional activation was told, without naming it, to work in place."""
    return name in FUNCTIONS and len(args) > 1 and args[-1] is True and name not in PASSING
