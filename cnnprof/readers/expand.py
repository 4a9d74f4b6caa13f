"""Statements to a network: loops unrolled, blocks put in, formulas evaluated, shapes carried along.

Shapes are needed on the way because formulas may speak of ``in_channels``; the batch is 1 here and plays no part.
A value of None stands for one that failed: what follows it is checked as far as that goes without shapes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cnnprof.errors import LayerError
from cnnprof.layers import REGISTRY
from cnnprof.model.graph import Node, Origin
from cnnprof.readers import arguments
from cnnprof.readers.collector import Collector, nearest
from cnnprof.readers.counting import MOST_LAYERS, MOST_STEPS
from cnnprof.readers.here import Here, bind, known
from cnnprof.readers.network import Network
from cnnprof.readers.scopes import Names, Scope, Value, zipped
from cnnprof.readers.statements import (
    Block,
    BlockCall,
    Chain,
    Condition,
    Expression,
    Group,
    LayerCall,
    Loop,
    Siblings,
    Spec,
    Statement,
)  # fmt: skip
from cnnprof.readers.tree import ExpressionError

if TYPE_CHECKING:
    from cnnprof.readers.tree import Tree


class Expander:
    """Expands the chains of one specification into one network."""

    def __init__(self, spec: Spec, file_scope: Scope, collector: Collector, network: Network) -> None:
        self.spec = spec
        self.file_scope = file_scope
        self.collector = collector
        self.network = network
        self.stack: list[str] = []
        self.steps = 0

    def chain(self, chain: Chain, value: Value | None, here: Here) -> Value | None:
        """Expand the items in a row; return what flows out of the last."""
        for statement in chain:
            self.step(statement.tree)
            here.see(self.network.seen(value))
            try:
                value = self.statement(statement, value, here)
            except ExpressionError as error:
                self.collector.add_error(error, statement.tree)
                value = None
        return value

    def step(self, tree: Tree) -> None:
        """Count a step; too many of them, or too many layers, end the expansion."""
        self.steps += 1
        if self.steps > MOST_STEPS or len(self.network.nodes) > MOST_LAYERS:
            self.collector.add(
                "too-many-layers", f"expands to more than {MOST_LAYERS:,} layers or rounds of loops", tree
            )
            self.collector.stop()

    def statement(self, statement: Statement, value: Value | None, here: Here) -> Value | None:
        """Expand one item."""
        match statement:
            case LayerCall():
                return self.layer(statement, value, here)
            case BlockCall():
                return self.block_call(statement, value, here)
            case Loop():
                return self.loop(statement, value, here)
            case Condition():
                return self.condition(statement, value, here)
            case Group():
                return self.group(statement, value, here)
            case _:
                raise TypeError(statement)

    # -- what goes in and out -------------------------------------------------------------------------------------

    def incoming(self, siblings: Siblings, value: Value | None, here: Here) -> Value | None:
        """Return what ``from`` names, else the current value; formulas then see its shape."""
        if siblings.source is None:
            return value
        wanted = siblings.source.evaluate(here.scope)
        parts = [self.named(siblings.source, name, here) for name in (wanted if isinstance(wanted, list) else [wanted])]
        found = None if None in parts else tuple(edge for part in parts for edge in part or ())
        here.see(self.network.seen(found))
        return found

    def named(self, source: Expression, name: object, here: Here) -> Value | None:
        base, index = _output(str(name))
        try:
            value = here.names.find(base)
        except KeyError:
            hint = nearest(str(name), here.names.visible()) or "only earlier names of the same block can be used"
            self.collector.add("unknown-name", f"from: nothing earlier is called {base!r}", source.tree, hint)
            return None
        if value is None or index is None:
            return value
        if index >= len(value):
            message = f"from: {base!r} has {len(value)} output{'s' * (len(value) > 1)}, there is no [{index}]"
            raise ExpressionError(source.tree, "unknown-name", message)
        return (value[index],)

    def own_name(self, siblings: Siblings, default: str, here: Here) -> str:
        """Return the item's name within its chain."""
        name = here.text(siblings.name, "name")
        if name is None or siblings.name is None:
            return here.names.claim(default)
        if name in here.names.taken:
            message = f"{here.names.path(name)!r} is taken already"
            self.collector.add("duplicate-name", message, siblings.name.tree)
        return here.names.claim(name)

    def outgoing(self, siblings: Siblings, value: Value | None, here: Here) -> None:
        """Record a network output where the item is marked as one."""
        if siblings.output is None or value is None:
            return
        name = str(here.text(siblings.output, "output"))
        if name in self.network.outputs or name == "output":
            raise ExpressionError(siblings.output.tree, "duplicate-name", f"there is an output {name!r} already")
        self.network.outputs[name] = value[0]

    # -- layers ---------------------------------------------------------------------------------------------------

    def layer(self, call: LayerCall, value: Value | None, here: Here) -> Value | None:
        source = inputs = self.incoming(call.siblings, value, here)
        if call.branches is not None:
            parts = [self.branch(name, branch, source, here) for name, branch in call.branches]
            inputs = None if None in parts else tuple(edge for part in parts for edge in part or ())
            here.see(self.network.seen(source))
        name = self.own_name(call.siblings, call.op, here)
        result = self.node(call, here.names.path(name), inputs, here)
        here.names.remember(name, result)
        self.outgoing(call.siblings, result, here)
        return result

    def branch(self, name: Expression | None, chain: Chain, value: Value | None, here: Here) -> Value | None:
        """Expand one branch; a named one is a chain of its own."""
        if name is None:
            return self.chain(chain, value, here)
        part, before = here.names.claim(str(name.value)), len(self.network.nodes)
        result = self.chain(chain, value, here._replace(names=Names(here.names.path(part), here.names)))
        here.names.remember(part, result)
        self.network.contain(here.names.path(part), before)
        return result

    def node(self, call: LayerCall, path: str, inputs: Value | None, here: Here) -> Value | None:
        if not all(known(value, here.scope, failed=inputs is None) for value in call.arguments.values()):
            return None
        try:
            args, layer = arguments.make(call, here.scope)
            if inputs is None:
                return None
            placed = self.network.place(layer, inputs)
        except LayerError as error:
            arguments.report(call, error, self.collector, path)
            return None
        own = here.inherit(call.siblings)
        share = self.shared(call, layer.parameters(placed.inputs), here)
        node = Node(
            name=path, op=call.op, args=args, inputs=inputs, origin=call.origin, frozen=own.frozen,
            when=own.when, place=own.place, share=share,  # type: ignore[arg-type]  # checked by inherit
        )  # fmt: skip
        return self.network.append(node, placed)

    def shared(self, call: LayerCall, weights: dict[str, tuple[int, ...]], here: Here) -> str | None:
        """Return the full name of the layer whose weights this one uses."""
        wanted = here.text(call.siblings.share, "share")
        if wanted is None or call.siblings.share is None:
            return None
        try:
            value = here.names.find(wanted)
        except KeyError:
            message = f"share: nothing earlier is called {wanted!r}"
            raise ExpressionError(call.siblings.share.tree, "unknown-name", message) from None
        other = value[0].node if value else ""
        if self.network.weights.get(other) != weights:
            message = f"share: {wanted!r} has weights {self.network.weights.get(other)}, this layer needs {weights}"
            raise ExpressionError(call.siblings.share.tree, "bad-share", message)
        return other

    # -- blocks ---------------------------------------------------------------------------------------------------

    def block_call(self, call: BlockCall, value: Value | None, here: Here) -> Value | None:
        name = call.block.evaluate(here.scope)
        if isinstance(name, str) and name in REGISTRY:
            layer = self.named_layer(call, name)
            return None if layer is None else self.layer(layer, value, here)
        block = self.find_block(call, here.scope)
        name = self.own_name(call.siblings, block.name, here)
        value = self.block(block, call, value, here, here.names.path(name))
        here.names.remember(name, value)
        return value

    def named_layer(self, call: BlockCall, name: str) -> LayerCall | None:
        """Return the layer that a ``use`` item names; None where its arguments do not fit, which is reported."""
        if name not in call.layers:
            origin = Origin(source=self.collector.document.source, line=call.tree.line, column=call.tree.column)
            layer = LayerCall(
                tree=call.tree, siblings=call.siblings, op=name, arguments=call.arguments, keys=call.keys, origin=origin
            )
            call.layers[name] = layer if arguments.check_call(layer, self.collector) else None
        return call.layers[name]

    def is_layer(self, call: BlockCall, here: Here) -> bool:
        name = call.block.evaluate(here.scope)
        return isinstance(name, str) and name in REGISTRY

    def find_block(self, call: BlockCall, scope: Scope) -> Block:
        name = call.block.evaluate(scope)
        block = self.spec.blocks.get(name) if isinstance(name, str) else None
        if block is None:
            error = ExpressionError(call.block.tree, "unknown-block", f"unknown block {name!r}")
            error.hint = nearest(str(name), self.spec.blocks)
            raise error
        if block.name in self.stack:
            path = " -> ".join([*self.stack[self.stack.index(block.name) :], block.name])
            raise ExpressionError(call.tree, "recursive-block", f"block {block.name!r} uses itself ({path})")
        return block

    def block(self, block: Block, call: BlockCall, value: Value | None, here: Here, path: str) -> Value | None:
        """Expand a block's body under ``path``; it sees its own names only."""
        source = self.incoming(call.siblings, value, here)
        scope = self.block_scope(block, call, here, source)
        if scope is None:
            return None
        inner = Here(scope, Names(path), here.inherit(call.siblings))
        if block.frozen is not None and call.siblings.frozen is None:
            inner = inner._replace(inherited=inner.inherit(Siblings(frozen=block.frozen)))
        before = len(self.network.nodes)
        self.stack.append(block.name)
        result = self.chain(block.body, source, inner)
        self.stack.pop()
        self.network.contain(path, before, block.name, block.module)
        self.outgoing(call.siblings, result, here)
        return result

    def block_scope(self, block: Block, call: BlockCall, here: Here, value: Value | None) -> Scope | None:
        """Return the names inside a block: the file's, its parameters, its ``let``; None if an argument is missing."""
        for name, key in call.keys.items():
            if name not in block.params:
                hint = nearest(name, block.params) or f"it has {', '.join(block.params) or 'none'}"
                self.collector.add("unknown-argument", f"block {block.name!r} has no parameter {name!r}", key, hint)
        inner, missing = self.file_scope.extended({}), False
        for name, default in block.params.items():
            given = call.arguments.get(name)
            if given is not None:
                bind(inner, name, given, here.scope, failed=value is None)
                continue
            if name not in call.keys and default.literal and default.value is None:
                self.collector.add("missing-argument", f"block {block.name!r} needs {name!r}", call.tree)
                missing = True
                continue
            bind(inner, name, default, self.file_scope, failed=False)
        if missing:
            return None
        self.let(block.let, inner, value)
        return inner

    def let(self, let: dict[str, Expression], scope: Scope, value: Value | None) -> None:
        Here(scope, Names()).see(self.network.seen(value))
        for name, expression in let.items():
            bind(scope, name, expression, scope, failed=value is None)

    # -- flow -----------------------------------------------------------------------------------------------------

    def loop(self, loop: Loop, value: Value | None, here: Here) -> Value | None:
        for expression in (loop.count, *loop.variables.values()):
            if expression is not None and expression.names & here.scope.shaped:
                shown = ", ".join(sorted(expression.names & here.scope.shaped))
                message = f"a bound may not depend on a shape, and {shown} does"
                raise ExpressionError(expression.tree, "shape-in-bound", message)
        rounds = zipped(loop, lambda expression: (expression.evaluate(here.scope),))
        name = self.own_name(loop.siblings, "loop", here) if loop.siblings.name else None
        before = len(self.network.nodes)
        for index, variables in enumerate(({} for _ in rounds) if isinstance(rounds, range) else rounds or ()):
            self.step(loop.tree)
            inner = here.scope.extended({**variables, "index": index})
            self.let(loop.let, inner, value)
            around = here._replace(scope=inner)
            around = around._replace(inherited=around.inherit(loop.siblings))
            if loop.flat:
                value = self.chain(loop.body, value, around)
            else:
                value = self.round(loop, value, around, f"{name}.{index}" if name else here.names.index())
        if name:
            here.names.remember(name, value)
            self.network.contain(here.names.path(name), before)
        return value

    def round(self, loop: Loop, value: Value | None, here: Here, part: str) -> Value | None:
        path, before = here.names.path(part), len(self.network.nodes)
        only = loop.body[0] if len(loop.body) == 1 else None
        if isinstance(only, BlockCall) and only.siblings.name is None and not self.is_layer(only, here):
            # The index is the block's name: layer.2.1.conv_bn, not layer.2.1.basic.conv_bn.
            value = self.block(self.find_block(only, here.scope), only, value, here, path)
        else:
            value = self.chain(loop.body, value, here._replace(names=Names(path, here.names)))
            self.network.contain(path, before)
        here.names.remember(part, value)
        return value

    def condition(self, statement: Condition, value: Value | None, here: Here) -> Value | None:
        if not known(statement.test, here.scope, failed=value is None):
            return None
        chosen = statement.then if statement.test.evaluate(here.scope) else statement.otherwise
        return self.chain(chosen, value, here)

    def group(self, group: Group, value: Value | None, here: Here) -> Value | None:
        source = self.incoming(group.siblings, value, here)
        inner = here._replace(inherited=here.inherit(group.siblings))
        before, name = len(self.network.nodes), None
        if group.siblings.name is not None:
            name = self.own_name(group.siblings, "group", here)
            inner = inner._replace(names=Names(here.names.path(name), here.names))
        result = self.chain(group.body, source, inner)
        if name is not None:
            here.names.remember(name, result)
            self.network.contain(here.names.path(name), before)
        self.outgoing(group.siblings, result, here)
        return value if group.side else result


def _output(name: str) -> tuple[str, int | None]:
    """Split ``halves[1]`` into the name and the output it picks."""
    found = re.fullmatch(r"(.+)\[(\d{1,6})\]", name)
    return (found[1], int(found[2])) if found else (name, None)
