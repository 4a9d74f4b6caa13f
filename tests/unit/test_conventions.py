"""What other tools say, worked out from their rules: totals, parts, lower bounds. No tool and no torch is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

import cnnprof
from cnnprof.model.conventions import Conventions, Total
from cnnprof.model.graph import Edge, Graph, Input, Node, Recorded
from cnnprof.model.plain import from_json, replace, to_json
from cnnprof.peers import conventions, tools
from cnnprof.peers.rules import rule
from tests.helpers.processes import ROOT


def network(*nodes: Node, shape: tuple[int, ...] = (3, 8, 8)) -> Graph:
    return Graph(
        name="net", source="net", inputs=(Input(name="x", shape=shape),), nodes=nodes,
        outputs={"output": Edge(nodes[-1].name)},
    )  # fmt: skip


def node(op: str, reads: str = "x", *, name: str | None = None, **more: object) -> Node:
    args = {name: value for name, value in more.items() if name not in ("call", "when", "share", "recorded", "frozen")}
    rest = {name: value for name, value in more.items() if name not in args}
    return Node(name=name or op, op=op, args=args, inputs=(Edge(reads),), **rest)  # type: ignore[arg-type]


def said(*nodes: Node, training: bool = False) -> Conventions:
    return conventions(cnnprof.analyze(network(*nodes)), training=training)


CONV = node("conv2d", out_channels=4, kernel_size=3)
"""3×3·3·4 weights at 6·6 places: 3,888 multiply-accumulates, 144 outputs, 112 parameters."""


def work(found: Conventions) -> dict[str, int]:
    return {total.tool: total.counted for total in found.totals if total.quantity != "params"}


def params(found: Conventions) -> dict[str, int]:
    return {total.tool: total.counted for total in found.totals if total.quantity == "params"}


def test_a_convolution_with_a_bias():
    assert {
        "FlopCounterMode": 7776, "fvcore": 3888, "ptflops": 3888 + 144, "ptflops (aten)": 3888 + 144, "thop": 3888,
        "ultralytics-thop": 3888, "torchinfo": 3888 + 144, "torchprofile": 3888, "calflops": 7776 + 144,
        "DeepSpeed": 7776 + 144,
    } == work(said(CONV))  # fmt: skip


def test_a_batch_norm():
    assert {
        "FlopCounterMode": 0, "fvcore": 2 * 192, "ptflops": 2 * 192, "ptflops (aten)": 0, "thop": 4 * 192,
        "ultralytics-thop": 4 * 192, "torchinfo": 6, "torchprofile": 192, "calflops": 2 * 192, "DeepSpeed": 2 * 192,
    } == work(said(node("batchnorm2d")))  # fmt: skip


def test_a_relu_counts_twice_as_a_module_and_once_as_a_function_for_ptflops():
    module, function = said(node("relu", call="module")), said(node("relu", call="function"))

    assert (2 * 192, 192) == (module["ptflops"].counted, function["ptflops"].counted)
    assert (192, 192) == (module["calflops"].counted, function["calflops"].counted)


def test_a_network_of_the_zoo_is_all_modules():
    assert said(node("relu", call="module"))["ptflops"].counted == said(node("relu"))["ptflops"].counted


def test_a_pooling_that_is_called_as_a_function_is_not_there_for_what_hooks_modules():
    pooling = node("adaptiveavgpool2d", output_size=1, call="function")

    assert (0, 192) == (said(pooling)["thop"].counted, said(pooling)["fvcore"].counted)


def test_batch_norm_takes_other_rules_in_training_where_a_tool_leaves_the_network_there():
    found = said(node("batchnorm2d"), training=True)

    assert (5 * 192, 2 * 192) == (found["fvcore"].counted, found["calflops"].counted)
    assert found.training


def test_batch_norm_without_statistics_works_as_in_training():
    assert 5 * 192 == said(node("batchnorm2d", track_running_stats=False))["fvcore"].counted


def test_a_frozen_batch_norm_works_as_in_evaluation():
    assert 2 * 192 == said(node("batchnorm2d", frozen="eval"), training=True)["fvcore"].counted


def test_what_runs_in_training_only_has_parameters_for_those_that_do_not_look_at_calls():
    head = node("linear", out_features=5, when="train")  # 8·5 weights and 5 biases, on 3·8 rows
    resting, training = said(head), said(head, training=True)

    assert (0, 2 * 960) == (resting["FlopCounterMode"].counted, training["FlopCounterMode"].counted)
    assert (0, 45) == (params(resting)["torchsummary"], params(training)["torchsummary"])
    assert (45, 0) == (params(resting)["torchinfo"], params(resting)["thop"])


def test_keras_counts_moving_statistics():
    assert 4 * 3 == params(said(node("batchnorm2d")))["Keras"]


def test_shared_weights_are_learnt_once_and_found_twice_by_torchsummary():
    shared = Node(name="again", op="relu", inputs=(Edge("conv2d"),)), node("batchnorm2d", "again", name="first")
    twice = said(CONV, *shared, replace(node("batchnorm2d", "first", name="second"), share="first"))

    assert (112 + 8, 112 + 16) == (params(twice)["torchinfo"], params(twice)["torchsummary"])


def test_the_differences_of_the_parts_add_up_to_the_difference_of_the_total():
    for total in cnnprof.conventions("resnet50").totals:
        assert total.beyond == sum(part.beyond or 0 for part in total.parts), total.tool


@pytest.mark.parametrize(
    ("model", "tool", "printed"),
    [
        ("resnet50", "FlopCounterMode", 8_178_368_512),
        ("resnet50", "fvcore", 4_111_512_576),
        ("resnet50", "ptflops", 4_132_436_968),
        ("resnet50", "ptflops (aten)", 4_089_185_256),
        ("resnet50", "thop", 4_133_742_592),
        ("resnet50", "ultralytics-thop", 4_133_742_592),
        ("resnet50", "torchinfo", 4_089_238_376),
        ("resnet50", "torchprofile", 4_100_300_288),
        ("resnet50", "calflops", 8_211_108_352),
        ("resnet50", "DeepSpeed", 8_211_108_352),
        ("resnet50", "Keras", 25_636_712 - 26_560),  # its convolutions have biases, 26,560 of them
        ("vgg16", "Keras", 138_357_544),
        ("mobilenet_v2", "Keras", 3_538_984),
        ("densenet121", "Keras", 8_062_504),
        ("efficientnet_b0", "Keras", 5_330_571 - 7),  # its input is normalised by 7 statistics
    ],
)
def test_figures_that_the_tools_have_printed(model, tool, printed):
    assert printed == cnnprof.conventions(model)[tool].counted


# What is not known


def test_a_kind_without_a_rule_makes_a_lower_bound_and_is_named():
    found = said(CONV, node("locallyconnected2d", "conv2d", out_channels=2, kernel_size=3))

    fvcore = found["fvcore"]
    assert (3888, True, ("locallyconnected2d",)) == (fvcore.counted, fvcore.lower_bound, fvcore.unknown)
    assert [3888, None] == [part.counted for part in fvcore.parts]
    assert 112 + 16 * 2 * (4 * 9 + 1) == params(found)["torchinfo"]


def test_an_operator_that_nobody_registered_is_unknown_to_every_tool():
    made = Recorded((1, 4, 6, 6))
    found = said(CONV, Node(name="odd", op="mystery", inputs=(Edge("conv2d"),), recorded=(made,)))

    assert [] == [total.tool for total in found.totals if total.unknown != ("mystery",)]
    assert found.bounded


def test_a_table_of_rules_names_measures_that_there_are():
    with pytest.raises(ValueError, match="no measure"):
        rule(outpust=1)


def test_no_two_tools_have_one_name():
    names = [tool.name for tool in tools()]

    assert sorted(set(names)) == sorted(names)


# Rules in words


def words(total: Total) -> dict[str, str]:
    return {part.kind: part.rule for part in total.parts}


def test_a_rule_says_what_it_comes_to():
    layers = CONV, node("batchnorm2d", "conv2d"), node("relu", "batchnorm2d")
    found = said(*layers)

    assert {
        "conv2d": "1 per MAC + 1 per element out",
        "batchnorm2d": "2 per element in",
        "relu": "2 per element in",
    } == (words(found["ptflops"]))
    assert {"conv2d": "1 per MAC", "batchnorm2d": "1 per element in", "relu": "nothing"} == words(found["torchprofile"])


def test_a_condition_stands_in_the_rule_where_it_holds_for_some_layers_only():
    without = replace(node("conv2d", "conv2d", name="second", out_channels=4, kernel_size=1, bias=False))

    assert {"conv2d": "1 per MAC + 1 per element out where there is a bias"} == words(said(CONV, without)["ptflops"])


# As data


def test_it_goes_to_json_and_back():
    found = cnnprof.conventions("googlenet")

    assert found == from_json(to_json(found), Conventions)


def test_a_tool_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(KeyError, match="no tool 'fcvore'; there are FlopCounterMode, fvcore"):
        said(CONV)["fcvore"]


def test_no_torch_is_imported_for_a_network_of_the_zoo():
    heavy = "{'torch', 'pandas', 'fvcore', 'keras'} & {name.split('.')[0] for name in sys.modules}"
    run = (
        "import sys; from cnnprof.__main__ import main; main(['conventions', 'vgg16', '-o', '/dev/null', '-f', 'csv'])"
    )
    code = f"{run}; print({heavy})"

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert "set()\n" == done.stdout
