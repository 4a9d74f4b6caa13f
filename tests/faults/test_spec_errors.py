"""P1 and P2: all errors at once, bounds hold before any work, counts are exact or an error."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.readers.specs import chain_problems, problems, said

FIVE = """cnnprof: 1
name: five
input: [3, 32, 32]
layers:
  - conv2d: {out_channels: 8, kernle_size: 3, kernel_size: 3}
  - cnov2d: {out_channels: 8, kernel_size: 3}
  - conv2d: {out_channels: "64", kernel_size: 3}
  - conv2d: {out_channels: 64}
  - no_such_block: {width: 3}
"""


def test_five_faults_in_five_layers_are_five_errors_with_their_places() -> None:
    found = problems(FIVE)

    assert [
        ("5:31", "unknown-argument"), ("6:5", "unknown-layer"), ("7:28", "bad-argument"),
        ("8:5", "missing-argument"), ("9:5", "unknown-layer"),
    ] == said(found)  # fmt: skip
    assert ["did you mean 'kernel_size'?", "did you mean 'conv2d'?"] == [p.hint for p in found[:2]]


def test_an_error_is_printed_with_file_line_column_source_and_caret() -> None:
    expected = (
        "net.yaml:5:31: error[unknown-argument] conv2d has no argument 'kernle_size'\n"
        "    - conv2d: {out_channels: 8, kernle_size: 3, kernel_size: 3}\n"
        "                                ^\n"
        "  hint: did you mean 'kernel_size'?"
    )

    assert expected == problems(FIVE)[0].render()


def test_the_command_line_prints_all_five_and_exits_with_2(tmp_path: Path) -> None:
    path = tmp_path / "five.yaml"
    path.write_text(FIVE)
    done = subprocess.run(
        [sys.executable, "-m", "cnnprof", "analyze", str(path)], capture_output=True, text=True, check=False
    )

    assert (2, "", 5) == (done.returncode, done.stdout, done.stderr.count("error["))
    assert "Traceback" not in done.stderr


def nested(depth: int, count: int) -> str:
    text, pad = "", "  "
    for _ in range(depth):
        text += f"{pad}- repeat: {count}\n{pad}  layers:\n"
        pad += "    "
    return f"{text}{pad}- relu\n"


@pytest.mark.parametrize(
    "layers",
    [
        nested(3, 1_000_000_000),
        nested(4, 50),
        nested(1, 100_001),
        "  - repeat: 1000000000\n    layers: []\n",
        "  - for: {a: '=range(1000)'}\n    layers: [{for: {b: '=range(1000)'}, layers: [relu]}]\n",
        "  - repeat: 90000\n    layers: [{repeat: 90000, layers: []}]\n",
    ],
    ids=["nested", "powers", "one too many", "empty", "ranges", "nested and empty"],
)
def test_more_than_100_000_layers_are_refused_before_expansion(layers: str) -> None:
    before = time.process_time()
    found = chain_problems(layers)
    used = time.process_time() - before

    assert ["too-many-layers"] == [problem.code for problem in found]
    assert used < 3.0  # CPU time, refused by multiplication; the child below holds the 50 ms


def test_blocks_that_double_each_other_and_come_to_nothing_are_refused() -> None:
    blocks = "".join(f"  b{i}: {{layers: [b{i + 1}, {{b{i + 1}: , name: x}}]}}\n" for i in range(40))
    found = chain_problems("  - b0\n", f"blocks:\n{blocks}  b40: {{layers: [{{repeat: 0, layers: [relu]}}]}}\n")

    assert ["too-many-layers"] == [problem.code for problem in found]


def test_formulas_share_a_budget_so_that_no_loop_can_make_lists_for_hours() -> None:
    found = chain_problems("  - repeat: 40000\n    let: {a: '=sum(range(99999))'}\n    layers: []\n")

    assert ["too-much-work"] == [problem.code for problem in found]


def test_a_failed_value_is_reported_once_and_not_again_by_what_depends_on_it() -> None:
    block = "blocks:\n  b:\n    let: {size: '=in_shape[1]'}\n    layers: [{upsample: {size: =size}, from: ok}]\n"
    found = chain_problems(
        "  - {relu: , name: ok}\n  - conv2d: {out_channels: 4, kernel_size: 9}\n  - b\n",
        block.replace(", from: ok", ""),
    )

    assert ["bad-shape"] == [problem.code for problem in found]


def test_a_text_that_an_argument_does_not_take_gets_those_it_takes() -> None:
    found = chain_problems("  - conv2d: {out_channels: 4, kernel_size: 3, padding: SAME}\n")

    assert "conv2d: padding is 'SAME': it takes 'same' or 'valid'" == found[0].message
    assert "did you mean 'same'?" == found[0].hint


def test_a_billion_to_the_third_costs_less_than_50_ms_more_than_one_layer(tmp_path: Path) -> None:
    def cpu(layers: str) -> float:
        path = tmp_path / "spec.yaml"
        path.write_text(f"cnnprof: 1\ninput: [3, 8, 8]\nlayers:\n{layers}")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "cnnprof", "analyze", str(path)], capture_output=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    plain = min(cpu("  - relu\n") for _ in range(3))
    refused = min(cpu(nested(3, 1_000_000_000)) for _ in range(3))

    assert refused - plain < 3 * 0.05


@pytest.mark.parametrize(
    ("layer", "code", "says"),
    [
        ("conv2d: {out_channels: 4, kernel_size: 9}", "bad-shape", "9"),
        ("conv2d: {out_channels: 4, kernel_size: 3, stride: 0}", "bad-argument", "stride must be >= 1, got 0"),
        ("conv2d: {out_channels: 4, kernel_size: 3, groups: 2}", "bad-argument", "groups"),
        ("conv2d: {out_channels: 4, kernel_size: 3, padding: -1}", "bad-argument", "padding must be >= 0, got -1"),
        ("conv2d: {out_channels: 9223372036854775807, kernel_size: 3}", "too-large", "2^63"),
        ("linear: {out_features: 0}", "bad-argument", "out_features must be >= 1, got 0"),
        ("conv2d: {out_channels: 9223372036854775808, kernel_size: 1}", "too-large", "2^63"),
        ("conv2d: {out_channels: =16 / 2, kernel_size: 1}", "bad-argument", "8.0"),
        ("maxpool2d: {kernel_size: 2, padding: 2}", "bad-argument", "padding"),
    ],
)
def test_an_impossible_layer_is_an_error_that_names_it(layer: str, code: str, says: str) -> None:
    found = chain_problems(f"  - {layer}\n")

    assert [code] == [problem.code for problem in found]
    assert says in found[0].message


@pytest.mark.parametrize("size", ["[3, 2147483648, 2]", "[0]", "[3, -1]", "[]", "3", "[3, 2.5]", "[true]"])
def test_an_impossible_input_is_an_error(size: str) -> None:
    found = problems(f"cnnprof: 1\ninput: {size}\nlayers: [relu]\n")

    assert ["bad-input"] == [problem.code for problem in found]


def test_a_network_whose_counts_pass_63_bits_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    path.write_text(
        "cnnprof: 1\ninput: [1000000, 1000000, 1000]\nlayers: [conv2d: {out_channels: 1000000, kernel_size: 1}]\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "cnnprof", "analyze", str(path)], capture_output=True, text=True, check=False
    )

    assert (2, "") == (done.returncode, done.stdout)
    assert "2^63" in done.stderr


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[]", "not-a-mapping"),
        ("name: x", "missing-key"),
        ("cnnprof: 2\ninput: [3]\nlayers: [relu]", "language-version"),
        ("cnnprof: 1\nlayers: [relu]", "missing-key"),
        ("cnnprof: 1\ninput: [3]\nlayers: relu", "not-a-list"),
        ("cnnprof: 1\ninput: [3]\nlayers: []", "empty-network"),
        ("cnnprof: 1\ninput: [3]\nlayers: [3]", "bad-item"),
        ("cnnprof: 1\ninput: [3]\nlayers: [{name: x}]", "no-type"),
        ("cnnprof: 1\ninput: [3]\nlayers: [{relu: , identity: }]", "two-types"),
        ("cnnprof: 1\ninput: [3]\nlayers: [relu: 3]", "not-a-mapping"),
        ("cnnprof: 1\ninput: [3]\nlayers: [{relu: , with: {a: 1}}]", "unknown-key"),
        ("cnnprof: 1\ninput: [3]\nlayers: [{relu: , name: 'a.b'}]", "bad-name"),
        ("cnnprof: 1\ninput: [3]\nlayers: [{relu: , name: 3}]", "bad-name"),
        ("cnnprof: 1\ninput: [3]\nlayers: [{relu: , when: never}]", "bad-value"),
        ("cnnprof: 1\ninput: [3]\nlayers: [{relu: , frozen: 3}]", "bad-value"),
        ("cnnprof: 1\ninput: [3]\nlayers: [{relu: [[]]}]", "bad-branches"),
        ("cnnprof: 1\ninput: [3]\nlayers: [{add: , branches: 3}]", "not-a-list"),
        ("cnnprof: 1\ninput: [3]\nlayers: [{repeat: 2}]", "missing-key"),
        ("cnnprof: 1\ninput: [3]\nlayers: [{repeat: two, layers: [relu]}]", "bad-value"),
        ("cnnprof: 1\ninput: [3]\nlayers: [{repeat: -1, layers: [relu]}]", "bad-value"),
        ("cnnprof: 1\ninput: [3]\nlayers: [{for: [1], layers: [relu]}]", "bad-value"),
        ("cnnprof: 1\ninput: [3]\nlayers: [{for: {w: 3}, layers: [relu]}]", "bad-value"),
        ("cnnprof: 1\ninput: [3]\nlayers: [{for: {index: [3]}, layers: [relu]}]", "bad-name"),
        ("cnnprof: 1\ninput: [3]\nlayers: [{if: true}]", "missing-key"),
        ("cnnprof: 1\ninput: [3]\nblocks: {relu: {layers: []}}\nlayers: [relu]", "bad-name"),
        ("cnnprof: 1\ninput: [3]\nblocks: {b: {}}\nlayers: [relu]", "missing-key"),
        ("cnnprof: 1\ninput: [3]\nblocks: {b: {layers: [], model: 'os:system'}}\nlayers: [relu]", "unknown-key"),
        ("cnnprof: 1\ninput: [3]\nmodel: os:system\nlayers: [relu]", "unknown-key"),
        ("cnnprof: 1\ninput: [3]\ninclude: ../../etc/passwd\nlayers: [relu]", "unknown-key"),
        ("cnnprof: 1\ninput: [3]\ninputs: {a: [3]}\nlayers: [relu]", "two-inputs"),
        ("cnnprof: 1\ninputs: {a: {dtype: int64}}\nlayers: [relu]", "missing-key"),
        ("cnnprof: 1\ninputs: {a: {shape: [3], dtype: int128}}\nlayers: [relu]", "bad-value"),
        ("cnnprof: 1\ninput: [3]\nparams: {in_channels: 3}\nlayers: [relu]", "bad-name"),
        ("cnnprof: 1\ninput: [3]\nparams: {n: null}\nlayers: [relu]", "missing-param"),
        ("cnnprof: 1\ninput: [3]\nparams: {n: =m}\nlayers: [relu]", "unknown-name"),
        ("cnnprof: 1\ninput: [3]\nparams: {n: {a: 1}}\nlayers: [relu]", "bad-value"),
        ("cnnprof: 1\ninput: [3]\nvariants: {a: {w: 3}}\nlayers: [relu]", "unknown-param"),
        ("cnnprof: 1\ninput: [3]\nlayers: [relu]\nexpect: {other: {facts: []}}", "unknown-key"),
        ("cnnprof: 1\ninput: [3]\nlayers: [relu]\nexpect: {facts: [{of: params}]}", "missing-key"),
        ("cnnprof: 1\ninput: [3]\nlayers: [relu]\nexpect: {facts: 3}", "not-a-list"),
        ("cnnprof: 1\ninput: [3]\nlayers: [relu]\nexpect: {facts: [{of: a, value: 3, source: b}]}", "bad-value"),
        ("cnnprof: 1\ninput: [3]\nlayers: [relu]\nexpect: {facts: [{of: a, value: '3', source: b, holds: no}]}",
         "bad-value"),
    ],
)  # fmt: skip
def test_a_fault_of_the_language_has_a_code_of_its_own(text: str, code: str) -> None:
    assert code in {problem.code for problem in problems(text)}


def test_a_misspelt_key_beside_a_layer_gets_the_nearest_one() -> None:
    found = chain_problems("  - relu:\n    nmae: x\n")

    assert [("6:5", "unknown-key")] == said(found)
    assert "did you mean 'name'?" == found[0].hint


def test_not_more_than_25_problems_are_listed() -> None:
    assert 25 == len(chain_problems("  - {relu: , name: 3}\n" * 40))
