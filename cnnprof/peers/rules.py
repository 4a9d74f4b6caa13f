"""The rules that tools count by: linear forms in a few quantities of a layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from cnnprof.model.analysis import Row
from cnnprof.model.graph import TensorSpec
from cnnprof.peers import kinds, windows


class Facts(NamedTuple):
    """What rules are asked about: a layer, and the one whose weights it uses."""

    row: Row
    owner: Row
    """The row itself, but where weights are shared."""
    macs: int
    """Multiply-accumulates in the mode that the tool runs."""

    @property
    def first(self) -> TensorSpec:
        """The first input; of a layer that reads nothing, its first output."""
        return (self.row.inputs or self.row.outputs)[0]

    @property
    def weights(self) -> int:
        """Elements of learnable tensors that are no biases."""
        return self.owner.params - self.owner.bias_params

    @property
    def outputs(self) -> int:
        """Elements of the first output."""
        return self.row.outputs[0].numel


class Measure(NamedTuple):
    """A quantity that rules are linear in."""

    words: str
    """How it is called in a rule: ``2 per element in``."""
    of: Callable[[Facts], int]


def _samples(facts: Facts) -> int:
    shape = facts.row.outputs[0].shape
    return shape[0] if shape else 1


def _places(facts: Facts) -> int:
    shape = facts.row.outputs[0].shape
    return shape[0] * math.prod(shape[2:])


def _softmax_rows(facts: Facts) -> int:
    shape = facts.first.shape
    along = {"softmax2d": 1}.get(facts.row.op, facts.row.args.get("dim", 1))
    return facts.first.numel // int(shape[along])


def _padded_channels(facts: Facts) -> int:
    channels, size = facts.first.shape[1], int(facts.row.args.get("size", 1))
    return facts.first.numel // channels * (channels + size - 1)


def _by_weight_shape(facts: Facts) -> int:
    channels, groups = facts.first.shape[1], int(facts.row.args.get("groups", 1))
    made = facts.row.outputs[0].shape[1]
    taps = facts.weights * groups // (channels * made)
    return facts.outputs * (made // groups if made == channels else channels) * taps


def _last_size(facts: Facts) -> int:
    return facts.first.numel * facts.row.inputs[1].shape[-1]


MEASURES: dict[str, Measure] = {
    "macs": Measure("MAC", lambda facts: facts.macs),
    "inputs": Measure("element in", lambda facts: facts.first.numel),
    "outputs": Measure("element out", lambda facts: facts.outputs),
    "biased": Measure(
        "element out where there is a bias", lambda facts: facts.outputs if facts.owner.bias_params else 0
    ),
    "scaled": Measure(
        "element in where there are weights", lambda facts: facts.first.numel if facts.owner.params else 0
    ),
    "weights": Measure("weight", lambda facts: facts.weights),
    "biases": Measure("bias", lambda facts: facts.owner.bias_params),
    "sampled_params": Measure("parameter and sample", lambda facts: facts.owner.params * _samples(facts)),
    "placed_weights": Measure("weight and place of the output", lambda facts: facts.weights * _places(facts)),
    "placed_params": Measure("parameter and place of the output", lambda facts: facts.owner.params * _places(facts)),
    "own_params": Measure("parameter", lambda facts: facts.row.params),
    "trainable_params": Measure("trainable parameter", lambda facts: facts.row.trainable_params),
    "statistics": Measure("running statistic", lambda facts: facts.row.statistics),
    "additions": Measure("addition in a window", lambda facts: facts.row.events.adds),
    "pooled_elements": Measure("element in a window", lambda facts: windows.pooled_elements(facts.row)),
    "patched_upsampling": Measure(
        "element in, times the scale", lambda facts: windows.patched_upsampling(facts.row)
    ),
    "upsampling_without_scale": Measure(
        "element in, or element of the size that is given", lambda facts: windows.upsampling_without_scale(facts.row)
    ),
    "upsampling_by_scale": Measure(
        "element in, times the scale, or element of the size that is given",
        lambda facts: windows.upsampling_by_scale(facts.row),
    ),
    "softmax_rows": Measure("row", _softmax_rows),
    "padded_channels": Measure("element of the padded input", _padded_channels),
    "by_weight_shape": Measure("product of an output with a kernel, channels read off the weight", _by_weight_shape),
    "left_products": Measure("element of the first operand, times the last size of the second", _last_size),
}  # fmt: skip


CONDITIONAL = {"biased": "outputs", "scaled": "inputs"}
"""Measures of layers with a bias or with weights, and what they are of those."""


class Rule(NamedTuple):
    """A linear form: how often each measure counts, and why, where that needs saying."""

    terms: tuple[tuple[int, str], ...]
    why: str | None = None

    def count(self, facts: Facts) -> int:
        """Return what the rule makes of a layer."""
        return sum(times * MEASURES[name].of(facts) for times, name in self.terms)

    def words(self, layers: Sequence[Facts]) -> str:
        """Return the rule as it works out for some layers: ``2 per element in``, or ``nothing``."""
        found: dict[str, int] = {}
        for times, name in self.terms:
            plain = CONDITIONAL.get(name)
            if plain and not any(MEASURES[name].of(facts) for facts in layers):
                continue
            everywhere = plain and all(MEASURES[name].of(facts) == MEASURES[plain].of(facts) for facts in layers)
            words = MEASURES[plain if plain and everywhere else name].words
            found[words] = found.get(words, 0) + times
        parts = [f"{'−' if times < 0 else '+'} {abs(times)} per {words}" for words, times in found.items()]
        return " ".join(parts).removeprefix("+ ") or "nothing"


def rule(why: str | None = None, **terms: int) -> Rule:
    """Return a rule: ``rule(macs=1, biased=1)``.

    Raises:
        ValueError: a term is no measure.
    """
    unknown = terms.keys() - MEASURES.keys()
    if unknown:
        raise ValueError(f"{', '.join(sorted(unknown))}: no measure; there are {', '.join(MEASURES)}")
    return Rule(tuple((times, name) for name, times in terms.items()), why)


NOTHING = rule()
MACS = rule(macs=1)
FLOPS = rule(macs=2)

Rules = Mapping[str, Rule]
"""Kind of layer to rule. The most special key decides: ``relu function``, ``batchnorm2d train``, ``relu``."""


def each(kinds: Iterable[str], of: Rule, *, when: str = "") -> dict[str, Rule]:
    """Return the same rule for several kinds; ``when``: ``function``, ``module``, ``train`` or ``eval`` only."""
    return {f"{kind} {when}".strip(): of for kind in kinds}


def without(why: str, *kinds: str, when: str = "") -> dict[str, Rule]:
    """Return that kinds are not counted, and why."""
    return each(kinds, rule(why), when=when)


FREE: dict[str, Rule] = each(kinds.NO_PRODUCTS, NOTHING)
"""What a table begins with: the rules of the tool follow."""
