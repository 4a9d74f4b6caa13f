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
from cnnprof.readers.imported.calls import (
    MAKERS,
    MOVING,
    PASSING,
    QUIET,
    Call,
    Found,
    function_name,
    staying,
    tensors_in,
    values,
)
from cnnprof.readers.imported.fallback import fallback
from cnnprof.readers.imported.functions import FUNCTIONS
from cnnprof.readers.imported.memo import Memo
from cnnprof.readers.imported.modules import find, is_list, layer_type
from cnnprof.readers.imported.tensors import (
    check_dtype,
    frozen,
    is_parameter,
    names_batch,
    normalised,
    sample,
    spec,
    storage,
    together,
)

if TYPE_CHECKING:
    import torch


MOST_NODES = 100_000
"""As many as a specification may have after expansion."""


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
        self._class = type(module).__name__
        self._paths = {id(each): path for path, each in module.named_modules()}
        self._state: dict[int, tuple[str, torch.Tensor]] = {}
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            check_dtype(tensor, name, f"a weight or buffer of {self._module(name.rpartition('.')[0])}")
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
        self._waiting: list[tuple[str, Any, Any, list[torch.Tensor], Any]] | None = None
        """What functions did inside a layer without parts, until it is known whether all that is one node."""
        self._memo = Memo()

    # -- what happens

    def call(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a function, on the meta device if any of its tensors lies there, and write it down."""
        name = function_name(function)
        if name in QUIET:
            return function(*args, **kwargs)
        operands = tensors_in(args, kwargs)
        moved = (args, kwargs)
        if any(each.is_meta for each in operands) and not all(each.is_meta for each in operands):
            moved = together(args), together(kwargs)
        if name in MOVING and operands and operands[0].is_meta:
            moved = staying(*moved)
            if name != "to":
                return operands[0]
        result = normalised(*moved) if name == "batch_norm" else None
        if result is None:
            result = self._memo.run(name, function, *moved)
        if operands:
            seen = (name, args, kwargs, operands, result)
            if self._waiting is None:
                self._take(*seen)
            else:
                self._waiting.append(seen)
        return result

    @contextmanager
    def inside(self, module: torch.nn.Module) -> Iterator[None]:
        """Take what happens as part of ``module``."""
        self._settle()
        path = self._paths.get(id(module))
        if path is None:  # made in the forward, or hidden in a list
            path = self._inside(type(module).__name__.lower())
        self.reached.add(path)
        self._frames.append(Frame(path, len(self.nodes), len(self._changes)))
        if not module._modules and layer_type(module) is not None:  # noqa: SLF001 there is nothing shorter
            self._waiting = []
        try:
            yield
        except Exception as error:
            if not hasattr(error, "cnnprof_module"):
                error.cnnprof_module = path or type(module).__name__  # type: ignore[attr-defined]
            raise
        finally:
            self._settle()
            self._frames.pop()

    @property
    def _path(self) -> str:
        """Of the module that is being called; the network's own is empty."""
        return self._frames[-1].path if self._frames else ""

    def _module(self, path: str) -> str:
        return path or self._class

    def _inside(self, name: str) -> str:
        """Return a name below that of the module that is being called."""
        return f"{self._path}.{name}" if self._path else name

    def left(self, module: torch.nn.Module, args: Any, kwargs: dict[str, Any], result: Any) -> None:
        """Fold what a module did into one node if it is a layer, else note it as a container."""
        frame = self._frames[-1]
        op = layer_type(module)
        outputs = tensors_in(result)
        if op is not None and outputs:
            found = find(op, module, args, kwargs)
            fold = self._fold if self._waiting is None else self._registered
            if fold(found, values(found, outputs), frame.path or op, "module"):
                self._waiting = None
                return
        self._settle()
        edge = self._values.get(id(outputs[0])) if outputs else None
        if frame.path and edge is not None and not is_list(module) and len(self.nodes) > frame.start:
            self.containers.setdefault(
                frame.path, Container(path=frame.path, module=type(module).__name__, last=edge.node)
            )

    def _settle(self) -> None:
        """Take what waits one by one: a module is called inside the layer, or the layer is no single node."""
        waiting, self._waiting = self._waiting, None
        for each in waiting or ():
            self._take(*each)

    def _fold(
        self, found: Found, outputs: Sequence[torch.Tensor], path: str, call: Literal["module", "function"]
    ) -> bool:
        """Replace what a module did by one node, if that has the same outputs and state."""
        frame = self._frames[-1]
        nodes, changes = self.nodes[frame.start :], self._changes[frame.changes :]
        names = {node.name for node in nodes}
        del self.nodes[frame.start :], self._changes[frame.changes :]
        self._live -= names
        for held, key, before, _ in reversed(changes):
            if before is None:
                del held[key]
            else:
                held[key] = before
        if self._registered(found, outputs, path, call):
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
        outputs = [operands[0]] if base == "setitem" else tensors_in(result)
        if not outputs or base in MAKERS:
            return
        passed = any(outputs[0] is each for each in operands)
        writes = passed and (
            name.endswith("_") or base == "setitem" or bool(kwargs.get("inplace")) or _inplace(args, base)
        )
        if passed and not writes and base not in PASSING:
            return  # what already had the shape, the dtype or the order that was asked for
        call = Call(base, args, kwargs, tuple(outputs), inplace=writes)
        finder = FUNCTIONS.get(base)
        found = finder(call) if finder is not None else None
        path = self._inside(base)
        if found is not None and self._registered(found, values(found, outputs), path, "function"):
            return
        op, arguments, inputs = fallback(call)
        kind = "inplace" if writes else storage(outputs[0], inputs)
        if kind != "new":
            arguments["writes"] = kind
        recorded = tuple(sample(each, self.batch) for each in outputs)
        self._emit(self._unique(path), PREFIX + op, arguments, "function", inputs, outputs, recorded=recorded)

    def _registered(
        self,
        found: Found,
        outputs: Sequence[torch.Tensor],
        path: str,
        call: Literal["module", "function"],
    ) -> bool:
        """Add the node of a layer type, if it has the outputs, storage and state that were seen; return whether."""
        if not self._fits(found, outputs, call):
            return False
        weights = [each for each in found.state if is_parameter(each)]
        owners = {self._owners.get(id(each)) for each in found.state}
        if owners - {None} and (None in owners or len(owners) > 1):
            return False
        owner = next(iter(owners)) if owners else None
        name = self._unique(path)
        if owner is None:
            for each in found.state:
                self._change(self._owners, id(each), name)
            self._own_counter(found, name)
        self._emit(name, found.op, found.args, call, found.inputs, outputs, share=owner, frozen=frozen(weights))
        return True

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

    def _node(self, name: str, op: str, args: dict[str, Any], call: Any, inputs: tuple[Edge, ...], **more: Any) -> Node:
        origin = Origin(source=self.source, module=self._path or None)
        return Node(name=name, op=op, args=args, inputs=inputs, call=call, origin=origin, **more)

    def _unique(self, path: str) -> str:
        count = self._names[path] = self._names.get(path, 0) + 1
        return path if count == 1 else self._unique(f"{path}_{count}")

    def _emit(
        self,
        name: str,
        op: str,
        args: dict[str, Any],
        call: Literal["module", "function"],
        inputs: Sequence[torch.Tensor],
        outputs: Sequence[torch.Tensor],
        **more: Any,
    ) -> None:
        """Add a node for work on these inputs, after those of inputs that have none yet."""
        self._append(self._node(name, op, args, call, tuple(map(self._edge, inputs)), **more))
        for at, tensor in enumerate(outputs):
            self.put(tensor, Edge(name, at))

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
        """Take a tensor as the value of an edge.

        Raises:
            UsageError: of numbers that nobody counts here.
        """
        check_dtype(tensor, edge.node, f"made in {self._module(self._path)}")
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
            recorded = (sample(tensor, self.batch),)
            name = self._unique(self._inside("constant"))
            self._append(self._node(name, f"{PREFIX}constant", {}, "function", (), recorded=recorded))
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
        more |= {"share": owner, "frozen": learnt and frozen([tensor])}
        node = self._node(self._unique(name), op, args, "function", (), **more)
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


def _inplace(args: Any, name: str) -> bool:
    """Return whether a functional activation was told, without naming it, to work in place."""
    return name in FUNCTIONS and len(args) > 1 and args[-1] is True and name not in PASSING
