"""Records where msgspec is not installed, in a process that does not find it: the same as where it is."""

from __future__ import annotations

import random
import struct
from typing import Any

import pytest

import cnnprof
from cnnprof import worker
from cnnprof.model.plain import to_json
from tests.helpers import records

LONG_S = 300.0
GRAPH, ANALYSIS = "cnnprof.model.graph:Graph", "cnnprof.model.analysis:Analysis"


def bare(function: str, request: Any = None) -> Any:
    return worker.call(f"tests.helpers.bare:{function}", request, deadline_s=LONG_S)


def there_and_back(texts: list[tuple[str, str]]) -> None:
    assert [text for _, text in texts] == bare("there_and_back", texts)


def test_msgspec_is_used_where_it_is_and_only_there():
    assert ("msgspec", "cnnprof.model.structs") == (records.made_by(None), bare("made_by"))


def test_every_network_of_the_zoo_is_read_and_written_alike():
    there_and_back([(GRAPH, to_json(cnnprof.load(name)).decode()) for name in cnnprof.zoo()])


def test_every_analysis_of_a_zoo_network_is_read_and_written_alike():
    small = [
        name for name in cnnprof.zoo() if not name.startswith(("densenet", "resnet1202", "regnet", "efficientnet"))
    ]
    options: list[dict[str, Any]] = [{}, {"training": "adam"}, {"fits": "16GiB", "formulas": True}]

    there_and_back(
        [
            (ANALYSIS, to_json(cnnprof.analyze(name, **options[at % 3])).decode())
            for at, name in enumerate(small)
        ]
    )  # fmt: skip


def test_all_records_have_the_same_fields_in_the_same_order_with_the_same_defaults():
    expected = records.fields(None)

    assert len(expected) > 150
    assert expected == bare("fields")


def test_numbers_are_written_alike():
    draw = random.Random(6)  # noqa: S311 nothing secret
    numbers = [struct.unpack("<d", draw.randbytes(8))[0] for _ in range(3000)]
    numbers = [number for number in numbers if abs(number) < float("inf")]
    numbers += [
        sign * digits * 10.0**power for power in range(-12, 24) for digits in (1, 1.5, 9.87654321) for sign in (1, -1)
    ]
    numbers += [0.0, -0.0, 5e-324, 1.7976931348623157e308, 0, -1, 2**63, 2**64, -(2**200)]

    assert records.write(numbers) == bare("write", numbers)


def test_text_is_written_alike():
    texts = [*map(chr, range(0x300)), "\u2028\u2029\ufeff\U0001f600", 'a"b\\c/', "</script>", ""]
    nested = [texts, dict.fromkeys(texts, None), [[], {}, [{}], True, False, None]]

    assert records.write(nested) == bare("write", nested)


def test_indented_text_is_written_alike():
    text = to_json(cnnprof.load("lenet5")).decode()

    assert records.indented(text) == bare("indented", text)


@pytest.mark.parametrize(
    ("op", "positional", "named", "expected"),
    [
        ("avgpool1d", [2], {"padding": 1},
         "AvgPool1d(kernel_size=(2,), stride=(2,), padding=(1,), ceil_mode=False, count_include_pad=True)"),
        ("conv2d", [8], {}, "TypeError: Missing required argument 'kernel_size'"),
        ("conv2d", [8, 3], {"kernel": 1}, "TypeError: Unexpected keyword argument 'kernel'"),
        ("linear", [1], {"out_features": 1}, "TypeError: Argument 'out_features' given by name and position"),
        ("linear", [1, True, 3], {}, "TypeError: Extra positional arguments provided"),
    ],
)  # fmt: skip
def test_a_record_is_made_and_refused_alike(op, positional, named, expected):
    request = {"op": op, "positional": positional, "named": named}

    assert (expected, expected) == (records.layer(request), bare("layer", request))


EDGE, NODE, RUN = "cnnprof.model.graph:Edge", "cnnprof.model.graph:Node", "cnnprof.model.run:MarkCost"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (EDGE, '{"node": "a", "of another version": 1}'),
        (EDGE, "{}"),
        (EDGE, '{"node": 3}'),
        (EDGE, '{"node": "a", "output": true}'),
        (EDGE, "[]"),
        (NODE, '{"name": "a", "op": "b", "inputs": [{"node": "a"}, {"node": null}]}'),
        (NODE, '{"name": "a", "op": "b", "inputs": [], "frozen": true, "origin": null}'),
        (NODE, '{"name": "a", "op": "b", "inputs": [], "args": {"x": [1, 2.5, "a", null, false, {"b": 1}]}}'),
        (NODE, '{"name": "a", "op": "b", "inputs": [], "recorded": [{"shape": [1, "2"]}]}'),
        (RUN, '{"inside_ns": 1, "outside_ns": 2.5}'),
    ],
)
def test_json_is_taken_and_refused_alike(kind, text):
    assert records.refusal([kind, text]) == bare("refusal", [kind, text])


@pytest.mark.parametrize(
    "text", ["", "{", '{"node": NaN}', '{"node": "a"} {}', '{"name": "a", "op": "b", "inputs": [], "frozen": 1}',
             '{"name": "a", "op": 1e400}']
)  # fmt: skip
def test_what_is_no_json_and_no_word_of_ours_is_refused(text):
    assert bare("refusal", [NODE, text]).startswith("ValidationError: ")


def test_a_record_cannot_be_changed():
    expected = ["AttributeError: immutable type: 'Edge'"] * 2 + ["TypeError: `Edge` has no field 'x'"]

    assert (expected, expected) == (records.frozen(None), bare("frozen"))


def test_records_are_equal_by_value_and_share_nothing():
    expected = {"equal": True, "of another kind": False, "one dict for all": False}

    assert (expected, expected) == (records.alike(None), bare("alike"))


def test_a_network_is_built_from_a_graph_with_torch_alone():
    found = bare("build", to_json(cnnprof.load("resnet18")).decode())

    assert {"parameters": 11_689_512, "output": [2, 1000], "found": []} == found


def test_a_module_is_followed_with_torch_alone():
    assert records.trace(None) == bare("trace")
