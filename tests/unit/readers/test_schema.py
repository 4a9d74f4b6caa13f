"""The JSON Schema says what the reader says, as far as a schema can; checked by a validator that is not ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cnnprof import zoo_files
from cnnprof.layers import REGISTRY
from cnnprof.readers import items, language
from cnnprof.readers.argument_schema import arguments_schema, description
from cnnprof.readers.schema import _closed, json_schema
from cnnprof.readers.tree import Scalar, Sequence, Tree, compose

VALIDATORS = [jsonschema.Draft7Validator, jsonschema.Draft202012Validator]
SCHEMA = json_schema()


def plain(tree: Tree) -> Any:
    """A document as dicts, lists and scalars."""
    if isinstance(tree, Scalar):
        return tree.value
    if isinstance(tree, Sequence):
        return [plain(item) for item in tree.items]
    return {key.value: plain(value) for key, value in tree.entries}


def problems(text: str, kind=jsonschema.Draft7Validator) -> list[str]:
    """What a validator says about a specification."""
    return [error.message for error in kind(SCHEMA).iter_errors(plain(compose(text, "<test>").root))]


def chain(*lines: str) -> str:
    return "cnnprof: 1\ninput: [3, 32, 32]\nlayers:\n" + "".join(f"  {line}\n" for line in lines)


@pytest.mark.parametrize("kind", VALIDATORS)
def test_the_schema_is_valid_in_both_drafts(kind):
    kind.check_schema(SCHEMA)

    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"


@pytest.mark.parametrize("kind", VALIDATORS)
@pytest.mark.parametrize("path", zoo_files.files(), ids=lambda path: path.stem)
def test_every_file_of_the_zoo_passes(kind, path):
    assert [] == problems(path.read_text(encoding="utf-8"), kind)


def test_the_starter_specification_passes():
    starter = Path(language.__file__).parent.parent / "cli" / "starter.yaml"

    assert [] == problems(starter.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "lines",
    [
        ["- conv2d: {out_channels: 8, kernel_size: [3, 5], padding: same}", "- relu", "- relu:", "- flatten: {}"],
        ["- conv2d: {out_channels: =in_channels, kernel_size: [=in_channels, 3]}"],
        ["- add: [[relu], []]", "- concat: {dim: 1}", "  branches: [[relu], []]", "- add:", "  from: [a, 'b[0]']"],
        ["- concat:", "  branches: {left: [relu], right: []}"],
        ["- my_block: {out: 3, deep: [1, [2, 3]]}", "  name: here", "- my_block", "- my_block:", "- Größe: {a: =b}"],
        ["- use: =block", "  with: {width: 3}", "  name: x"],
        ["- repeat: =depth - 1", "  name: stage", "  let: {a: =index}", "  layers: [relu]", "- repeat: 3",
         "  layers: []"],
        ["- for: {width: [64, 128], depth: =depths}", "  layers: [relu]"],
        ["- if: =stride > 1", "  then: [relu]", "- if: true", "  else: [relu]"],
        ["- side: [relu]", "  when: train", "- group: [relu]", "  frozen: eval", "  place: gpu0"],
        ["- relu", "- linear: {out_features: 10}", "  output: aux", "  share: linear", "  frozen: =freeze"],
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", VALIDATORS)
def test_what_the_language_allows_passes(lines, kind):
    assert [] == problems(chain(*lines), kind)


@pytest.mark.parametrize(
    "lines",
    [
        ["- conv2d: {out_channels: 8, kernle_size: 3}"],
        ["- conv2d: {out_channels: 8}"],
        ["- conv2d"],
        ["- conv2d:"],
        ["- conv2d: {out_channels: '8', kernel_size: 3}"],
        ["- conv2d: {out_channels: 8, kernel_size: 3, padding: some}"],
        ["- conv2d: {in_channels: 3, out_channels: 8, kernel_size: 3}"],
        ["- relu: [[relu]]"],
        ["- relu: 3"],
        ["- relu:", "  dropout:"],
        ["- relu:", "  nmae: x"],
        ["- relu:", "  with: {a: 1}"],
        ["- repeat: 3"],
        ["- repeat: 2.5", "  layers: [relu]"],
        ["- repeat: 3", "  layers: [relu]", "  output: x"],
        ["- for: {}", "  layers: [relu]"],
        ["- for: {width: 3}", "  layers: [relu]"],
        ["- if: =a"],
        ["- if: maybe", "  then: [relu]"],
        ["- use: =block", "  width: 3"],
        ["- my_block: 3"],
        ["- my_block: {out: {in: 3}}"],
        ["- 3"],
        ["- repeat"],
        ["- [relu]"],
        ["- relu: {}", "  when: sometimes"],
    ],
)
@pytest.mark.parametrize("kind", VALIDATORS)
def test_what_the_language_refuses_is_refused(lines, kind):
    assert [] != problems(chain(*lines), kind)


@pytest.mark.parametrize(
    "text",
    [
        "cnnprof: 2\nlayers: [relu]\n",
        "layers: [relu]\n",
        "cnnprof: 1\n",
        "cnnprof: 1\nlayers: relu\n",
        "cnnprof: 1\nlayers: [relu]\nimport: x.yaml\n",
        "cnnprof: 1\ninput: [3, 0, 32]\nlayers: [relu]\n",
        "cnnprof: 1\ninput: 3x32x32\nlayers: [relu]\n",
        "cnnprof: 1\ninputs: {a: {shape: [3], dtype: float}}\nlayers: [relu]\n",
        "cnnprof: 1\nlayers: [relu]\nblocks: {a: {params: {}}}\n",
        "cnnprof: 1\nlayers: [relu]\nblocks: {a: {layers: [relu], parms: {}}}\n",
        "cnnprof: 1\nlayers: [relu]\nexpect: {facts: [{of: params, value: 3, source: paper}]}\n",
        "cnnprof: 1\nlayers: [relu]\nexpect: {facts: [{of: params, value: '3'}]}\n",
        "cnnprof: 1\nlayers: [relu]\nparams: {a.b: 3}\n",
    ],
)
def test_what_is_wrong_at_the_top_is_refused(text):
    assert [] != problems(text)


@pytest.mark.parametrize(
    "text",
    [
        "cnnprof: 1\ninput: [3, '*', '*']\nlayers: [relu]\n",
        "cnnprof: 1\ninputs: {a: [3, 4], b: {shape: [=n], dtype: int64}}\nlayers: [relu]\n",
        (
            "cnnprof: 1\ninput: [3]\nparams: {a: null, b: [[1, x], 2.5]}\n"
            "variants:\n  v: {a: 1, input: [4]}\n  w:\nlayers: [relu]\n"
        ),
        "cnnprof: 1\nlayers: [relu]\nexpect: {v: {reference: torchvision:vgg16}, w: {facts: []}}\n",
        "cnnprof: 1\nlayers: [relu]\nexpect: {facts: [{of: macs, value: '3.8e9', source: p, holds: false, why: w}]}\n",
    ],
)
def test_what_is_right_at_the_top_passes(text):
    assert [] == problems(text)


def test_editors_can_complete_every_layer_with_its_description():
    properties = SCHEMA["definitions"]["item"]["anyOf"][-1]["properties"]

    assert set(REGISTRY) <= set(properties)
    assert {"out_channels", "kernel_size", "stride"} <= set(SCHEMA["definitions"]["layer_conv2d"]["properties"])
    assert [] == [op for op in REGISTRY if not SCHEMA["definitions"][f"layer_{op}"]["description"]]


def test_an_argument_has_its_type_its_default_and_may_be_a_formula():
    expected = {"anyOf": [{"type": "integer"}, {"$ref": "#/definitions/formula"}], "default": 1}

    assert expected == arguments_schema(REGISTRY["conv2d"])["properties"]["groups"]


def test_a_description_is_the_docstring_without_line_breaks_and_code_marks():
    assert "\n" not in description(REGISTRY["conv2d"]).split("\n\n")[0]
    assert "``" not in "".join(map(description, REGISTRY.values()))


def test_a_bare_name_is_offered_for_layers_without_required_arguments_only():
    offered = SCHEMA["definitions"]["item"]["anyOf"][0]["enum"]

    assert "relu" in offered
    assert "conv2d" not in offered


def test_a_key_of_the_language_that_the_schema_forgets_is_an_error():
    with pytest.raises(ValueError, match="title"):
        _closed({"name": {}}, ("name", "title"))


def test_the_keys_are_the_languages_own():
    item = SCHEMA["definitions"]["item"]["anyOf"][-1]["properties"]

    assert list(language.TOP_KEYS) == list(SCHEMA["properties"])
    assert {*items.KEYWORDS, *items.SIBLINGS, *(key for keys in items.COMPANIONS.values() for key in keys)} <= set(item)
