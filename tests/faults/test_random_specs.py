"""P1, P2, P3: whatever is written into a specification, the outcome is a result or an error that says what is wrong."""

from __future__ import annotations

import json
import os
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnnprof.analyzer import analyze
from cnnprof.errors import CnnprofError
from cnnprof.layers import REGISTRY
from cnnprof.readers.language import parse
from cnnprof.readers.overrides import Overrides
from cnnprof.readers.spec import graph
from cnnprof.readers.tree import compose

EXAMPLES = int(os.environ.get("CNNPROF_SPEC_EXAMPLES", "10000"))
"""Per test; the two tests together see 20,000."""
LIMITS = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)

NUMBERS = st.sampled_from([0, 1, 2, 3, 4, 7, 16, -1, 10**6, 2**31, 2**62, 0.5, 1e308])
FORMULAS = st.sampled_from(
    [
        "=n",
        "=in_channels",
        "=in_channels // 2",
        "=index",
        "=m[0]",
        "=range(n)",
        "=1/0",
        "=9**9",
        "=().__class__",
        "=n if n > 2 else 1",
        "=in_shape[1]",
        "=sum(m)",
        "=max(",
        "=",
        "=unknown",
        "='a' * 9",
    ]
)
TEXTS = st.sampled_from(
    ["same", "valid", "relu", "b", "c", "input", "relu_2", "eval", "train", "x[1]", "e{=index}", "", "é", "{=n}"]
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(NUMBERS, FORMULAS, TEXTS, st.booleans(), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=2)),
    max_leaves=4,
)
OPS = st.sampled_from([*sorted(REGISTRY), "b", "c", "conv2", "Conv2d"])


@st.composite
def calls(draw: st.DrawFn) -> Any:
    """A layer with arguments that are mostly its own, and keys beside it that mostly fit."""
    op = draw(OPS)
    known = list(REGISTRY[op].__struct_fields__) if op in REGISTRY else ["out", "n"]
    required = [name for name in known if name in ("out_channels", "kernel_size", "out_features", "output_size", "dim")]
    item: dict[str, Any] = {op: {name: draw(st.sampled_from([1, 2, 3])) for name in required}}
    if known and draw(st.booleans()):
        item[op][draw(st.sampled_from(known))] = draw(VALUES)
    for key in draw(
        st.lists(st.sampled_from(["name", "from", "when", "frozen", "share", "place", "output"]), max_size=2)
    ):
        item[key] = draw(VALUES)
    return item


def flows(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    chain = st.lists(inner, max_size=4)
    count = st.one_of(st.integers(0, 5), FORMULAS, NUMBERS)
    return st.one_of(
        st.fixed_dictionaries({"repeat": count, "layers": chain}, optional={"name": TEXTS, "let": VALUES}),
        st.fixed_dictionaries(
            {"for": st.dictionaries(st.sampled_from(["n", "w"]), VALUES, max_size=2), "layers": chain}
        ),
        st.fixed_dictionaries({"if": VALUES, "then": chain}, optional={"else": chain}),
        st.fixed_dictionaries({"side": chain}, optional={"when": TEXTS}),
        st.fixed_dictionaries({"group": chain}, optional={"name": TEXTS, "frozen": VALUES, "place": VALUES}),
        st.fixed_dictionaries({"add": st.lists(chain, max_size=3)}),
        st.fixed_dictionaries({"concat": st.none(), "branches": st.dictionaries(TEXTS, chain, max_size=3)}),
        st.fixed_dictionaries({"use": st.one_of(OPS, FORMULAS), "with": st.dictionaries(TEXTS, VALUES, max_size=2)}),
    )


SOUND = st.sampled_from(
    [
        "relu",
        "identity",
        "sigmoid",
        "b",
        {"dropout": {"p": 0.1}},
        {"conv2d": {"out_channels": "=n", "kernel_size": 3, "padding": 1}},
        {"add": [["relu"], []]},
        {"repeat": "=n", "layers": ["relu"]},
        {"if": "=in_channels > 2", "then": ["identity"]},
        {"group": ["relu"], "frozen": True, "name": "g"},
        {"side": ["relu"], "when": "train"},
        {"mean": {"dim": 1, "keepdim": True}},
    ]
)
ITEMS = st.recursive(st.one_of(calls(), OPS), flows, max_leaves=8)
NEARLY = st.lists(SOUND, max_size=5).flatmap(
    lambda chain: st.lists(ITEMS, max_size=1).map(lambda last: [*chain, *last])
)
BASE = {"cnnprof": st.just(1), "params": st.just({"n": 3, "m": [2, 4]})}
SOUND_SPECS = st.fixed_dictionaries(
    {
        **BASE,
        "input": st.sampled_from([[3, 8, 8], [1, 9, 7], [3, 300, 2]]),
        "blocks": st.just(
            {"b": {"params": {"out": 4}, "layers": ["relu", {"conv2d": {"out_channels": "=out", "kernel_size": 1}}]}}
        ),
        "layers": NEARLY,
    }
)
WILD_SPECS = st.fixed_dictionaries(
    {
        **BASE,
        "input": st.sampled_from([[3, 8, 8], [4, 16], [8], [1, 9, 7], [2, 4, 4, 4], [2**30, 2, 2]]),
        "layers": st.lists(ITEMS, max_size=6),
    },
    optional={
        "blocks": st.fixed_dictionaries(
            {},
            optional={
                "b": st.fixed_dictionaries({"params": st.just({"out": 4}), "layers": st.lists(ITEMS, max_size=3)}),
                "c": VALUES,
            },
        ),
        "expect": VALUES,
        "variants": VALUES,
        "title": VALUES,
        "surprise": VALUES,
    },
)


def outcome(text: str, *, is_json: bool) -> str:
    """Read and count; a bug is any exception that is not one of cnnprof's own."""
    try:
        document = compose(text, "fuzz.yaml", json=is_json)
        found = analyze(graph(document, parse(document), None, Overrides()), batch=2)
    except CnnprofError as error:
        return "error" if error.render().strip() else "an error that says nothing"
    assert min(found.totals.params, found.totals.macs, found.totals.ops, found.totals.activation_bytes) >= 0
    assert all(size > 0 for row in found.rows for tensor in row.outputs for size in tensor.shape)
    return "result"


def test_random_trees_end_in_a_result_or_an_error() -> None:
    seen = {"result": 0, "error": 0}

    @LIMITS
    @given(st.one_of(SOUND_SPECS, WILD_SPECS))
    def run(spec: Any) -> None:
        seen[outcome(json.dumps(spec), is_json=True)] += 1

    run()
    assert seen["result"] > EXAMPLES // 100  # otherwise the search only ever meets the parser
    assert seen["error"] > EXAMPLES // 100


TOKENS = st.sampled_from(
    [
        "cnnprof: 1",
        "\n",
        "\n  ",
        "\n- ",
        "  - ",
        "layers:",
        "input: [3, 8, 8]",
        "relu",
        "conv2d: ",
        "{",
        "}",
        "[",
        "]",
        ",",
        ": ",
        "- ",
        "out_channels: 4",
        "kernel_size: 3",
        "&a ",
        "*a",
        "!!x ",
        "<<: ",
        "'",
        '"',
        "|",
        ">",
        "#",
        "%",
        "@",
        "`",
        "\t",
        "---",
        "...",
        "=",
        "=(",
        "repeat: 2",
        "for: {a: [1]}",
        "if: true",
        "then:",
        "\x00",
        "\ufeff",
        "\u2028",
        "é",
        "\U0001f600",
        "\x1b[31m",
        "? ",
    ]
)


@LIMITS
@given(st.one_of(st.lists(TOKENS, max_size=30).map("".join), st.text(max_size=80)))
def test_random_text_ends_in_a_result_or_an_error(text: str) -> None:
    assert outcome(text, is_json=False) in ("result", "error")
