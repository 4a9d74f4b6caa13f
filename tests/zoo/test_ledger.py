"""The ledger of the zoo, source by source: what each paper, tool and table prints, and which of it nothing makes."""

from __future__ import annotations

from decimal import Decimal
from functools import cache

import pytest

import cnnprof
from cnnprof.model.claims import Claim, Ledger
from cnnprof.published.check import check
from cnnprof.published.quantity import quantity
from tests.helpers import torchvision


@cache
def checked(model: str) -> list[Claim]:
    return check(cnnprof.analyze(model))


@cache
def ledger(model: str) -> Ledger:
    return cnnprof.claims(model)


def claims(model: str, source: str) -> list[Claim]:
    """Return what a source prints of a network."""
    return [claim for claim in checked(model) if source in claim.fact.source]


def printed(model: str, source: str) -> dict[str, str]:
    """Return what a source prints, by quantity and place: a figure that is not reproduced has a ≠ before it."""
    return {
        " of ".join(filter(None, (claim.fact.of, claim.fact.at))): "≠ " * (not claim.reproduced) + claim.fact.value
        for claim in claims(model, source)
    }


def made_by(model: str, of: str, source: str) -> str:
    """Return what else makes the one figure of that name that the source prints."""
    (claim,) = (each for each in ledger(model).claims if each.fact.of == of and source in each.fact.source)
    return "; ".join(map(str, claim.matches))


# Papers


@pytest.mark.parametrize(
    ("model", "macs"),
    [
        ("resnet18", "1.8e9"),
        ("resnet34", "≠ 3.6e9"),
        ("resnet34_a", "3.6e9"),
        ("resnet50_v1", "≠ 3.8e9"),
        ("resnet101_v1", "7.6e9"),
        ("resnet152_v1", "11.3e9"),
    ],
)
def test_table_1_of_he_et_al_is_the_stride_in_the_1x1_and_shortcuts_without_projections(model, macs):
    assert {"macs": macs} == printed(model, "He et al. 2015, table 1")


def test_one_sentence_of_he_et_al_counts_vgg16_without_its_dense_layers_and_vgg19_with_them():
    assert {"macs": "≠ 15.3e9"} == printed("vgg16", "He et al. 2015")
    assert "vgg16: MACs of convolutions only, 15,346,630,656" == made_by("vgg16", "macs", "He et al. 2015")
    assert {"macs": "19.6e9"} == printed("vgg19", "He et al. 2015")


@pytest.mark.parametrize(
    ("column", "model", "params", "exact"),
    [
        ("A", "vgg11", "133e6", 132_863_336),
        ("B", "vgg13", "133e6", 133_047_848),
        ("C", "vgg16_c", "134e6", 133_638_952),
        ("D", "vgg16", "138e6", 138_357_544),
        ("E", "vgg19", "144e6", 143_667_240),
    ],
)
def test_table_2_of_the_vgg_paper_holds_in_every_column(column, model, params, exact):
    (claim,) = claims(model, "Simonyan, Zisserman 2014, table 2, from memory")

    assert (params, exact, True) == (claim.fact.value, claim.computed, claim.reproduced), column


GOOGLENET = {
    "conv1": ("≠ 2.7", "≠ 34e6"), "conv2 + conv3": ("112", "360e6"), "inception3a": ("159", "128e6"),
    "inception3b": ("≠ 380", "304e6"), "inception4a": ("≠ 364", "≠ 73e6"), "inception4b": ("≠ 437", "88e6"),
    "inception4c": ("≠ 463", "100e6"), "inception4d": ("≠ 580", "119e6"), "inception4e": ("≠ 840", "170e6"),
    "inception5a": ("≠ 1072", "≠ 54e6"), "inception5b": ("≠ 1388", "71e6"), "fc": ("1000", "1e6"),
}  # fmt: skip


@pytest.mark.parametrize("row", GOOGLENET)
def test_a_row_of_googlenets_table_holds_as_far_as_its_own_widths_go(row):
    """Parameters in K of 1024 without biases, and operations; 3b has biases and 4a was cut off."""
    params, macs = GOOGLENET[row]
    found = printed("googlenet_2014", "Szegedy et al. 2014, table 1, from memory")

    assert (params, macs) == (found[f"weights_ki of {row}"], found[f"macs of {row}"])


def test_googlenets_table_has_twelve_rows_with_parameters_or_operations():
    found = printed("googlenet_2014", "Szegedy et al. 2014, table 1")

    assert {f"weights_ki of {row}" for row in GOOGLENET} == {name for name in found if name.startswith("weights")}
    assert {f"macs of {row}" for row in GOOGLENET} == {name for name in found if name.startswith("macs")}


@pytest.mark.parametrize(
    ("model", "params", "macs"),
    [
        ("mobilenet_v1", "4.2e6", "569e6"),
        ("mobilenet_v1_075", "2.6e6", "325e6"),
        ("mobilenet_v1_050", "1.3e6", "149e6"),
        ("mobilenet_v1_025", "0.5e6", "41e6"),
        ("mobilenet_v2", "≠ 3.4e6", "3.0e8"),
    ],
)
def test_the_mobilenet_papers_hold_but_for_the_parameters_of_the_second(model, params, macs):
    paper = "Howard et al. 2017" if "v1" in model else "Sandler et al. 2018"

    assert {"params": params, "macs": macs} == printed(model, paper)
    assert all("from memory" in claim.fact.source for claim in claims(model, paper))


# Tables of figures


TIMM = "timm, results/benchmark-infer-*.csv"


@pytest.mark.parametrize(
    ("model", "params", "gmacs", "macts"),
    [
        ("resnet18", "11.69e6", "1.82e9", "2.48e6"),
        ("resnet50", "25.56e6", "4.11e9", "11.11e6"),
        ("resnext50_32x4d", "25.03e6", "4.26e9", "14.4e6"),
        ("vgg11", "132.86e6", "7.61e9", "7.44e6"),
        ("vgg11_bn", "132.87e6", "7.62e9", "7.44e6"),
        ("inception_v3_no_aux", "23.83e6", "5.73e9", "8.97e6"),
        ("densenet121", "7.98e6", "2.87e9", "6.9e6"),
        ("densenet169", "14.15e6", "3.4e9", "7.3e6"),
        ("mobilenet_v1", "4.23e6", "0.58e9", "5.04e6"),
        ("mobilenet_v2", "3.5e6", "0.31e9", "6.68e6"),
        ("mnasnet1_0", "4.38e6", "0.33e9", "5.46e6"),
        ("efficientnet_b0", "5.29e6", "0.4e9", "6.75e6"),
        ("efficientnet_b2", "9.11e6", "≠ 1.12e9", "16.2e6"),
        ("regnet_y_400mf", "4.34e6", "0.41e9", "3.89e6"),
        ("convnext_tiny", "28.59e6", "4.47e9", "13.44e6"),
    ],
)
def test_timm_prints_fvcores_macs_and_the_outputs_of_convolutions_and_linear_layers(model, params, gmacs, macts):
    assert {"params": params, "fvcore_macs": gmacs, "weighted_outputs": macts} == printed(model, TIMM)


def test_of_54_networks_in_timms_table_seven_differ_by_what_their_gates_pool():
    tables = {name: claims(name, TIMM) for name in cnnprof.zoo()}
    listed = {name: table for name, table in tables.items() if table}
    differing = {name: claim for name, table in listed.items() for claim in table if not claim.reproduced}

    assert (54, 162) == (len(listed), sum(map(len, listed.values())))
    assert {
        "efficientnet_b2", "efficientnet_b3", "efficientnet_b4", "efficientnet_v2_s", "regnet_y_800mf", "regnet_y_8gf",
        "regnet_y_32gf",
    } == set(differing)  # fmt: skip
    for name, claim in differing.items():
        pools = [row.inputs[0].numel for row in cnnprof.analyze(name).rows if row.op == "adaptiveavgpool2d"]
        without = claim.computed - sum(pools[:-1])
        assert f"{sum(pools[:-1]):,}" in claim.fact.why
        assert claim.fact.value == f"{without / 1e9:.2f}e9", name


BURDEN = {
    "squeezenet1_0": ("5", "≠ 30", "837e6"), "squeezenet1_1": ("5", "17", "360e6"), "vgg16": ("528", "58", "16e9"),
    "vgg19": ("548", "63", "20e9"), "googlenet_2014_aux": ("51", "26", "2e9"), "resnet18": ("45", "23", "2e9"),
    "resnet34": ("83", "35", "4e9"), "resnet50_v1": ("98", "103", "4e9"), "resnet101_v1": ("170", "155", "8e9"),
    "resnet152_v1": ("230", "219", "11e9"), "resnext50_32x4d": ("96", "132", "4e9"),
    "resnext101_64x4d": ("319", "273", "16e9"), "inception_v3_no_aux": ("91", "89", "6e9"),
    "densenet121": ("31", "126", "3e9"), "densenet161": ("110", "235", "8e9"), "densenet169": ("55", "152", "3e9"),
    "densenet201": ("77", "196", "4e9"), "mobilenet_v1": ("16", "38", "579e6"),
    "alexnet_2012_groups": ("233", "≠ 3", "≠ 727e6"),
}  # fmt: skip


@pytest.mark.parametrize("model", BURDEN)
def test_convnet_burden_prints_memory_in_mib_and_counts_rectifiers_and_poolings(model):
    expected = dict(zip(("state_mib", "burden_feature_mib", "burden_flops"), BURDEN[model], strict=True))

    assert expected == printed(model, "convnet-burden")


def test_the_alexnet_of_convnet_burden_is_that_of_2012_without_its_two_norms():
    analysis = cnnprof.analyze("alexnet_2012_groups")
    norms = [row for row in analysis.rows if row.op == "localresponsenorm"]
    counted = {claim.fact.of: claim.computed for claim in claims("alexnet_2012_groups", "convnet-burden")}
    shapes = [row.outputs[0].shape for row in norms]
    of_norms = sum(c * h * w + (2 + 2 * c) * h * w for _, c, h, w in shapes)

    assert [(1, 96, 55, 55), (1, 256, 27, 27)] == shapes
    assert 727_362_344 == counted["burden_flops"] - of_norms
    assert "2.99" == f"{(analysis.totals.activation_bytes - sum(row.activation_bytes for row in norms)) / 2**20:.2f}"


KERAS = {
    "vgg16": ("528", "138.4e6"), "vgg19": ("≠ 549", "143.7e6"), "resnet50_keras": ("98", "25.6e6"),
    "resnet101_keras": ("171", "44.7e6"), "resnet152_keras": ("≠ 232", "60.4e6"),
    "inception_v3_no_aux": ("≠ 92", "23.9e6"), "mobilenet_v1": ("16", "4.3e6"), "mobilenet_v2": ("14", "3.5e6"),
    "densenet121": ("≠ 33", "8.1e6"), "densenet169": ("≠ 57", "14.3e6"), "densenet201": ("≠ 80", "20.2e6"),
    "efficientnet_b0": ("≠ 29", "5.3e6"), "efficientnet_b1": ("≠ 31", "7.9e6"), "efficientnet_b2": ("≠ 36", "9.2e6"),
    "efficientnet_b3": ("≠ 48", "12.3e6"), "efficientnet_b4": ("≠ 75", "19.5e6"),
    "efficientnet_b5": ("≠ 118", "30.6e6"), "efficientnet_b6": ("≠ 166", "43.3e6"),
    "efficientnet_b7": ("≠ 256", "66.7e6"), "efficientnet_v2_s": ("≠ 88", "21.6e6"),
    "efficientnet_v2_m": ("≠ 220", "54.4e6"), "efficientnet_v2_l": ("≠ 479", "119.0e6"),
}  # fmt: skip


@pytest.mark.parametrize("model", KERAS)
def test_the_page_of_keras_counts_running_statistics_and_prints_the_size_of_a_file_in_mib(model):
    size, params = KERAS[model]

    assert {"keras_param_mib": size, "keras_params": params} == printed(model, "Keras Applications, documentation")


@pytest.mark.parametrize(
    ("model", "params"),
    [
        ("vgg16", "138,357,544"),
        ("vgg19", "143,667,240"),
        ("resnet50_keras", "25,636,712"),
        ("resnet101_keras", "44,707,176"),
        ("resnet152_keras", "60,419,944"),
        ("mobilenet_v1", "4,253,864"),
        ("mobilenet_v2", "3,538,984"),
        ("densenet121", "8,062,504"),
        ("densenet169", "14,307,880"),
        ("densenet201", "20,242,984"),
    ],
)
def test_the_totals_of_keras_are_reproduced_with_its_own_way_of_counting(model, params):
    assert {"keras_params": params} == printed(model, "Keras 3.15 Applications")


@pytest.mark.parametrize(
    ("model", "more"), [("resnet50", 26_560), ("inception_v3_no_aux", -17_216), ("efficientnet_b0", 7)]
)
def test_keras_own_networks_differ_by_what_the_reason_says(model, more):
    (claim,) = claims(model, "Keras 3.15 Applications")

    assert int(claim.fact.value.replace(",", "")) == claim.computed + more
    assert f"{abs(more):,}" in claim.fact.why


def test_the_bias_that_keras_gives_each_convolution_of_a_resnet_makes_its_form_of_it():
    found = made_by("resnet50", "keras_params", "Keras 3.15")

    assert "resnet50_keras: parameters and running statistics, 25,636,712" == found


# Receptive fields


DISTILL = {
    "alexnet_v2": {
        "conv1": "11/4/0", "pool1": "19/8/0", "conv2": "51/8/16", "conv3": "99/16/32", "conv4": "131/16/48",
        "conv5": "163/16/64", "pool5": "195/32/64",
    },
    "vgg16": {
        "conv1_1": "3/1/1", "pool1": "6/2/2", "conv2_1": "10/2/4", "pool2": "16/4/6", "conv3_1": "24/4/10",
        "pool3": "44/8/18", "conv4_1": "60/8/26", "pool4": "100/16/42", "conv5_1": "132/16/58", "pool5": "212/32/90",
    },
    "inception_v3_slim": {"Mixed_7c": "1311/32/618"},
    "mobilenet_v1_same": {"unit.12": "315/32/126"},
    "mobilenet_v1": {"unit.12": "≠ 315/32/126"},
    "resnet50_v1": {"layer4": "483/32/241"},
    "resnet50": {"layer4": "≠ 483/32/241"},
}  # fmt: skip


@pytest.mark.parametrize("model", DISTILL)
def test_the_receptive_fields_of_araujo_norris_and_sim_are_those_of_tf_slims_networks(model):
    expected = {f"rf of {layer}": field for layer, field in DISTILL[model].items()}

    assert expected == printed(model, "Araujo, Norris, Sim 2019")


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("alexnet_v2", {"slim_flops": "1.38e9"}),
        ("vgg16", {"slim_flops": "30.71e9"}),
        ("inception_v3_slim", {"slim_flops": "5.69e9"}),
        ("mobilenet_v1_same", {"slim_flops": "1.14e9"}),
        ("mobilenet_v1_075", {"slim_flops": "0.65e9"}),
        ("resnet50_slim", {"rf of layer4": "483/32/239", "slim_flops": "6.96e9"}),
        ("resnet101_slim", {"rf of layer4": "1027/32/511", "slim_flops": "14.39e9"}),
        ("resnet152_slim", {"rf of layer4": "1507/32/751", "slim_flops": "21.81e9"}),
        ("resnet50", {"slim_flops": "≠ 6.96e9"}),
        ("resnet50_v1", {"rf of layer4": "≠ 483/32/239"}),
    ],
)
def test_their_repository_counts_two_per_mac_the_biases_and_the_poolings_but_no_dense_layers(model, expected):
    assert expected == printed(model, "google-research/receptive_field, README.md")


def test_239_and_241_are_tensorflows_same_padding_at_224_and_at_321():
    assert "resnet50_slim: receptive field, 483/32/239" == made_by("resnet50_v1", "rf", "README.md")
    assert {"rf of layer4": "1027/32/513"} == printed("resnet101_v1", "at 321")
    assert {"rf of layer4": "1507/32/753"} == printed("resnet152_v1", "at 321")
    assert {"rf of unit.12": "315/32/157"} == printed("mobilenet_v1", "at 321")
    assert {"rf of layer1": "35/8/15", "rf of layer2": "99/16/47", "rf of layer3": "291/32/143"} == printed(
        "resnet50_slim", "at 224"
    )


# One network, every number


@pytest.mark.parametrize(
    ("of", "value", "computed", "reproduced"),
    [
        ("macs", "3.8e9", 4_089_184_256, False),
        ("macs", "4.089e9", 4_089_184_256, True),
        ("fvcore_macs", "4.11e9", 4_111_512_576, True),
        ("ptflops_macs", "4.12e9", 4_121_925_096, True),
        ("thop_macs", "4,133,742,592", 4_133_742_592, True),
        ("thop_macs", "4.14e9", 4_133_742_592, False),
        ("slim_flops", "6.96e9", 8_176_078_848, False),
        ("flops", "8,178,368,512", 8_178_368_512, True),
        ("calflops", "8.21e9", 8_211_108_352, True),
    ],
)
def test_every_number_of_operations_that_is_told_of_resnet50_has_its_way_of_counting(of, value, computed, reproduced):
    (claim,) = (each for each in checked("resnet50") if (each.fact.of, each.fact.value) == (of, value))

    assert (computed, reproduced) == (claim.computed, claim.reproduced)


def test_6_96_billion_is_tf_slims_form_of_resnet50():
    expected = "resnet50_slim: FLOPs of TensorFlow's profiler, without dense layers, 6,962,572,288"

    assert expected == made_by("resnet50", "slim_flops", "receptive_field")


def test_nothing_that_is_tried_makes_thops_4_14_billion():
    assert "" == made_by("resnet50", "thop_macs", "README.md")


@pytest.mark.parametrize(
    ("of", "tool"),
    [("fvcore_macs", "fvcore"), ("thop_macs", "thop"), ("calflops", "calflops"), ("flops", "FlopCounterMode")],
)
def test_what_the_ledger_counts_for_a_tool_is_what_the_tool_is_said_to_count(of, tool):
    (claim,) = (each for each in checked("resnet50") if each.fact.of == of and each.reproduced)
    said = {total.counted for total in cnnprof.conventions("resnet50").totals if total.tool == tool}

    assert claim.computed in said


# Weights


def files(name: str) -> list[Claim]:
    return [claim for claim in checked(name) if claim.fact.source.endswith("_file_size")]


FILES = [name for name in cnnprof.zoo() if files(name)]


def test_every_network_whose_weights_torchvision_has_comes_with_the_size_of_their_file():
    references = {name: cnnprof.load(name).reference for name in cnnprof.zoo()}

    assert 70 == len(FILES)
    assert [name for name, each in references.items() if each == f"torchvision:{name}"] == FILES


@pytest.mark.parametrize("name", FILES)
def test_parameters_operations_and_the_file_are_those_of_torchvisions_metadata(name):
    first = next(iter(torchvision.models().get_model_weights(name))).meta
    found = printed(name, "torchvision 0.28 weights metadata")
    (file,) = files(name)

    assert f"{first['_file_size']:.3f}" == file.fact.value
    assert Decimal(str(first["_ops"])) == Decimal(found["macs"]) / 10**9
    # GoogLeNet's leave out its auxiliary heads: googlenet_no_aux has them.
    assert str(first["num_params"]) == printed(name.replace("googlenet", "googlenet_no_aux"), "metadata")["params"]


@pytest.mark.parametrize("name", [name for name in FILES if not name.startswith("wide")])
def test_a_file_of_weights_takes_as_much_more_for_each_tensor_as_its_reason_says(name):
    (file,) = files(name)
    build = torchvision.build(cnnprof.load(name).reference.removeprefix("torchvision:"))
    tensors = len(build.state_dict())
    state = quantity(cnnprof.analyze(name), "state_bytes")
    more = round((float(file.fact.value) * 2**20 - state) / tensors)

    assert file.fact.why.startswith(f"{more} bytes more name each of the {tensors} tensors")
    assert 90 < more < 400


@pytest.mark.parametrize(("name", "half"), [("wide_resnet50_2", "131.645"), ("wide_resnet101_2", "242.544")])
def test_the_first_weights_of_the_wide_resnets_are_in_half_precision(name, half):
    analysis = cnnprof.analyze(name)
    (file,) = files(name)

    assert half == f"{(quantity(analysis, 'state_bytes') - 2 * analysis.totals.params) / 2**20:.3f}"
    assert half in file.fact.why
