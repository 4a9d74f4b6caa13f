"""One figure of one tool for a counted network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cnnprof.model.analysis import Analysis, Row
from cnnprof.model.conventions import Call, Part, Quantity, Total
from cnnprof.peers.rules import Facts, Rule
from cnnprof.peers.tool import Figure, Tool

FACTOR: dict[Quantity, int] = {"macs": 1, "flops": 2}


def total(analysis: Analysis, tool: Tool, figure: Figure, *, training: bool) -> Total:
    """Return the figure with its parts, one per kind of layer and call."""
    mode = training and not tool.evaluates
    rows = {row.name: row for row in analysis.rows}
    groups: dict[tuple[str, Call, bool], list[Row]] = {}
    for row in analysis.rows:
        if mode or row.when == "always" or figure.at_rest:
            groups.setdefault((row.op, row.call or "module", _learns(row, training=mode)), []).append(row)
    found = [
        part
        for key, group in groups.items()
        for part in _parts(tool, figure, key, [_facts(row, rows, training=mode) for row in group])
    ]
    return Total(
        tool=tool.name, version=tool.version, asked=figure.asked, quantity=figure.quantity, unit=figure.unit,
        ours=_ours(analysis, figure, training=mode),
        counted=sum(part.counted or 0 for part in found),
        unknown=tuple(dict.fromkeys(part.kind for part in found if part.counted is None)),
        parts=tuple(found), note=figure.note,
    )  # fmt: skip


def counted(tool: Tool, row: Row) -> int | None:
    """Return what a tool's first figure counts for a layer, called as a module in evaluation; None: it is unknown."""
    learns = _learns(row, training=False)
    found = rule_of(tool, tool.figures[0], kind_of(row, training=learns), "module", training=learns)
    return None if found is None else found.count(Facts(row, row, row.macs))


def _learns(row: Row, *, training: bool) -> bool:
    """Return whether a layer works as in training: one without statistics always takes those of the batch."""
    if row.args.get("track_running_stats") is False and row.op.startswith("batchnorm"):
        return True
    return training and row.frozen != "eval"


def _facts(row: Row, rows: dict[str, Row], *, training: bool) -> Facts:
    owner = row if row.share is None else rows[row.share]
    return Facts(row, owner, row.training_macs if training else row.macs)


def _parts(tool: Tool, figure: Figure, key: tuple[str, Call, bool], group: Sequence[Facts]) -> Iterator[Part]:
    """Yield one part, or one per rule where a kind has several."""
    _, call, training = key
    by_kind: dict[str, list[Facts]] = {}
    for facts in group:
        by_kind.setdefault(kind_of(facts.row, training=training), []).append(facts)
    for kind, members in by_kind.items():
        known = all(facts.row.known for facts in members)
        found = rule_of(tool, figure, kind, call, training=training) if known else None
        yield Part(
            kind=kind, call=call, layers=len(members),
            ours=sum(_own(facts, figure.quantity) for facts in members) if known else None,
            counted=None if found is None else sum(found.count(facts) for facts in members),
            rule="" if found is None else found.words(members), why=None if found is None else found.why,
        )  # fmt: skip


def kind_of(row: Row, *, training: bool) -> str:
    """Return what rules call a layer: its operator, and what else decides.

    Of upsampling that is torch's name for it, ``upsample bilinear2d``; of attention, whether torch runs all of it as
    one operator, as it does without gradients: ``multiheadattention fused``.
    """
    if row.op == "upsample":
        return f"upsample {row.args.get('mode', 'nearest')}{len(row.inputs[0].shape) - 2}d"
    if row.op == "multiheadattention" and not training and _is_fused(row):
        return "multiheadattention fused"
    return row.op


def _is_fused(row: Row) -> bool:
    """Return whether ``torch.nn.MultiheadAttention`` takes its fast path in evaluation (``activation.py``)."""
    args = row.args
    return (
        len(set(row.edges)) == 1
        and args.get("batch_first", False)
        and args.get("bias", True)
        and args["num_heads"] % 2 == 0
        and not args.get("add_bias_kv")
        and not args.get("add_zero_attn")
    )


def rule_of(tool: Tool, figure: Figure, kind: str, call: Call, *, training: bool) -> Rule | None:
    """Return the rule for a kind of layer; None where it is unknown."""
    mode = "train" if training else "eval"
    for key in (f"{kind} {call} {mode}", f"{kind} {call}"):
        if key in figure.rules:
            return figure.rules[key]
    if call == "function" and tool.functions is not None and figure.every is None:
        return tool.functions
    return figure.rules.get(f"{kind} {mode}") or figure.rules.get(kind) or figure.every


def _own(facts: Facts, quantity: Quantity) -> int:
    return facts.row.params if quantity == "params" else FACTOR[quantity] * facts.macs


def _ours(analysis: Analysis, figure: Figure, *, training: bool) -> int:
    totals = analysis.totals
    if figure.quantity == "params":
        return totals.params
    return FACTOR[figure.quantity] * (totals.training_macs if training else totals.macs)
