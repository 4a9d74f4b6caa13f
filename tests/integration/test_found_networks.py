"""Networks in which a search found a figure that was not torch's, the smallest that show it: kept as examples."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from cnnprof import readers
from cnnprof.analyzer import analyze
from cnnprof.layers import REGISTRY
from cnnprof.model.analysis import Events
from cnnprof.readers.overrides import Overrides
from cnnprof.validator import validate
from tests.helpers.graph_checks import broken, compare
from tests.helpers.random_graphs import Drawn

FOUND = {
    "a norm without stored statistics computes them, frozen or not": """
        input: [3, 4, 4]
        layers:
          - conv2d: {out_channels: 2, kernel_size: 1}
          - batchnorm2d: {track_running_stats: false}
            frozen: eval
    """,
    "a grouped convolution that no output depends on has no backward": """
        input: [3, 5]
        layers:
          - conv1d: {out_channels: 6, kernel_size: 1, groups: 3}
          - conv1d: {out_channels: 2, kernel_size: 3}
            from: input
    """,
    "shared weights are frozen where their owner's are, groups or not": """
        input: [3, 5]
        layers:
          - conv1d: {out_channels: 4, kernel_size: 1}
          - conv1d: {out_channels: 4, kernel_size: 1, groups: 2}
            name: owner
            frozen: true
          - conv1d: {out_channels: 4, kernel_size: 1, groups: 2}
            share: owner
    """,
    "what runs in training only reads nothing but its first input in evaluation": """
        input: [3, 4, 5]
        layers:
          - gelu:
            name: early
          - layernorm: {normalized_shape: [5]}
          - gelu:
            name: late
          - sub:
            from: [late, early]
            when: train
    """,
    "a parameter that is handed on as a value is counted without gradients": """
        input: [3]
        layers:
          - parameter: {shape: [1, 1, 8]}
            from: []
          - expand: {}
            from: [parameter, input]
    """,
    "the average over all batches so far needs a value, which a tensor without memory has not": """
        input: [3, 4, 4]
        layers:
          - conv2d: {out_channels: 4, kernel_size: 3}
          - batchnorm2d: {momentum: null}
    """,
    "an instance norm whose statistics stand still keeps none, but repeats what it reads for every sample": """
        input: [2, 4, 5]
        layers:
          - layerscale: {init_value: 1.0, dim: 1}
          - instancenorm2d: {affine: true, track_running_stats: true}
            frozen: eval
          - conv2d: {out_channels: 2, kernel_size: 1}
    """,
    "zeros that reflecting repeats are zeros": """
        input: [2, 7, 9]
        layers:
          - zeropad2d: {padding: 2}
          - conv2d: {out_channels: 1, kernel_size: 1, padding: 1, padding_mode: reflect}
    """,
    "channels of zeros are wasted like rows of them": """
        input: [3, 7]
        layers:
          - pad: {padding: [0, 3, 2, 1]}
          - conv1d: {out_channels: 4, kernel_size: 3, groups: 2}
    """,
    "channels of zeros before a transposed convolution": """
        input: [2, 4, 5]
        layers:
          - pad: {padding: [1, 0, 0, 1, 2, 2]}
          - convtranspose2d: {out_channels: 1, kernel_size: [1, 3]}
    """,
    "a channel of zeros in the place of one that is cut off": """
        input: [3, 7]
        layers:
          - pad: {padding: [0, 0, 1, -1]}
          - conv1d: {out_channels: 4, kernel_size: 3}
    """,
}


def read(folder: Path, text: str) -> Drawn:
    path = folder / "found.yaml"
    path.write_text("cnnprof: 1\nname: found\n" + textwrap.dedent(text), encoding="utf-8")
    return Drawn(readers.read(str(path), Overrides()), batch=3)


@pytest.mark.parametrize("text", FOUND.values(), ids=FOUND)
def test_every_figure_of_a_network_that_was_found_is_torchs(tmp_path, text):
    figures = compare(read(tmp_path, text))

    assert [] == broken(figures)
    assert {"specification", "shapes", "parameters", "macs", "training", "useful", "saved", "peak"} <= {
        figure.check for figure in figures if figure.verdict == "equal"
    }


def test_an_output_that_a_later_layer_overwrites_is_noted(tmp_path):
    graph = read(
        tmp_path,
        """
        input: [3, 4]
        layers:
          - conv1d: {out_channels: 2, kernel_size: 1}
            output: early
          - relu: {inplace: true}
        """,
    ).graph
    notes = [(note.layer, note.message) for note in analyze(graph).notes]

    assert [("conv1d", "is the output 'early', and relu has written into it in place")] == notes


def test_dropout_in_place_overwrites_its_input_in_training_though_not_in_evaluation(tmp_path):
    graph = read(
        tmp_path,
        """
        input: [3, 4]
        layers:
          - conv1d: {out_channels: 2, kernel_size: 1}
          - dropout: {inplace: true}
          - add:
            from: [conv1d, dropout]
        """,
    ).graph
    notes = [(note.layer, note.message) for note in analyze(graph).notes]

    assert [("add", "reads conv1d after dropout has written into it in place")] == notes


def test_memory_is_checked_of_a_norm_that_averages_over_all_batches(tmp_path):
    graph = read(
        tmp_path,
        """
        input: [3, 4, 4]
        layers:
          - conv2d: {out_channels: 4, kernel_size: 3}
          - batchnorm2d: {momentum: null}
        """,
    ).graph

    assert () == validate(graph, checks=["memory"]).broken


def test_the_storage_of_a_transposed_convolution_in_3_dimensions_is_as_large_as_that_of_its_input_at_least(tmp_path):
    figures = compare(
        read(
            tmp_path,
            """
            input: [2, 4, 5, 3]
            layers:
              - convtranspose3d: {out_channels: 1, kernel_size: 1}
              - adaptiveavgpool3d: {output_size: 2}
            """,
        )
    )

    assert [] == broken(figures)
    assert [(720, 1440, "explained", "storage-of-the-input")] == [
        (figure.ours, figure.theirs, figure.verdict, figure.note) for figure in figures if figure.check == "saved"
    ]


OF_ONE = """
    input: [3, 4]
    layers:
      - linear: {out_features: 4}
      - mean: {dim: 1, keepdim: true}
      - adaptiveavgpool1d: {output_size: 1}
        from: linear
      - einsum: {equation: "bij,bjk->bk"}
        from: [adaptiveavgpool1d, mean]
"""


def test_an_einsum_that_shares_only_a_sum_over_one_element_is_no_matrix_product_to_the_counter(tmp_path):
    drawn = read(tmp_path, OF_ONE)
    told = validate(drawn.graph, checks=["macs", "training"]).figures

    assert [] == broken(compare(drawn))
    assert [
        ("FLOPs of a forward", 208, 192, "explained", "einsum"),
        ("FLOPs of a training forward", 208, 192, "explained", "einsum"),
        ("FLOPs of the backward", 224, 192, "explained", "einsum"),
    ] == [(each.what, each.ours, each.theirs, each.verdict, each.layer) for each in told]
    assert {"an einsum whose operands share no sum but those over one element is a product of elements in torch"} == {
        str(each.note).partition(",")[0] for each in told
    }


def test_an_einsum_that_the_counter_does_not_see_excuses_no_other_layer(tmp_path, monkeypatch):
    graph = read(tmp_path, OF_ONE).graph
    monkeypatch.setattr(REGISTRY["linear"], "events", lambda *_, **__: Events(macs=1))

    assert ["differs"] == [each.verdict for each in validate(graph, checks=["macs"]).figures]
