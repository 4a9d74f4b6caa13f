"""What the forward of a built network reads like."""

from __future__ import annotations

import gc
import linecache
import textwrap
import traceback

import pytest
import torch

from tests.builder.specs import build


def code(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


def test_a_line_runs_a_layer_and_a_tensor_is_deleted_after_its_last_use(tmp_path):
    network = build(
        tmp_path,
        """
        input: [3, 8, 8]
        layers:
          - conv2d: {out_channels: 4, kernel_size: 3, padding: 1}
            name: stem
          - add:
              - - relu
                - conv2d: {out_channels: 4, kernel_size: 3, padding: 1}
              - []
          - flatten
        """,
    )

    expected = """
        def forward(self, input):
            stem = self.stem(input)
            relu = self.relu(stem)
            conv2d = self.conv2d(relu)
            del relu
            add = self.add(conv2d, stem)
            del stem, conv2d
            flatten = self.flatten(add)
            del add
            return flatten
        """
    assert code(expected) == network.code


def test_rounds_of_a_loop_are_numbered_as_in_a_list(tmp_path):
    network = build(
        tmp_path,
        """
        input: [3, 8, 8]
        layers:
          - repeat: 2
            name: stage
            layers:
              - repeat: 1
                layers: [relu]
          - repeat: 1
            layers: [tanh, sigmoid]
        """,
    )

    expected = """
        def forward(self, input):
            stage_0_0_relu = self.stage[0][0].relu(input)
            stage_1_0_relu = self.stage[1][0].relu(stage_0_0_relu)
            del stage_0_0_relu
            _0_tanh = self[0].tanh(stage_1_0_relu)
            del stage_1_0_relu
            _0_sigmoid = self[0].sigmoid(_0_tanh)
            del _0_tanh
            return _0_sigmoid
        """
    assert code(expected) == network.code
    assert isinstance(network.stage, torch.nn.ModuleList)


def test_rounds_that_are_empty_leave_a_gap_in_the_numbers(tmp_path):
    network = build(
        tmp_path,
        """
        input: [3, 8, 8]
        layers:
          - repeat: 3
            name: stage
            layers:
              - {if: =index > 0, then: [relu]}
        """,
    )

    assert "stage_2_relu = getattr(self.stage, '2').relu(stage_1_relu)" in network.code
    assert (1, 3, 8, 8) == network(torch.randn(1, 3, 8, 8)).shape


def test_several_outputs_of_a_layer_are_unpacked_and_one_that_nobody_reads_is_deleted_at_once(tmp_path):
    network = build(
        tmp_path,
        """
        input: [9, 4]
        layers:
          - chunk: {chunks: 3}
          - relu:
            from: chunk[1]
          - concat:
            from: ["chunk[0]", relu]
        """,
    )

    expected = """
        def forward(self, input):
            chunk_0, chunk_1, chunk_2 = self.chunk(input)
            del chunk_2
            relu = self.relu(chunk_1)
            del chunk_1
            concat = self.concat(chunk_0, relu)
            del chunk_0, relu
            return concat
        """
    assert code(expected) == network.code


def test_a_piece_that_is_the_whole_is_one_output(tmp_path):
    network = build(tmp_path, "input: [4, 4]\nlayers: [chunk: {chunks: 1}, split: {split_size_or_sections: 4}, relu]\n")

    assert (2, 4, 4) == network(torch.randn(2, 4, 4)).shape


HEAD = """
    input: [3, 8, 8]
    layers:
      - conv2d: {out_channels: 4, kernel_size: 1}
        name: stem
      - side:
          - adaptiveavgpool2d: {output_size: 1}
          - flatten
          - linear: {out_features: 2}
            output: aux
        name: head
        when: train
      - relu
"""


def test_what_works_in_training_only_stands_in_a_branch_and_outputs_are_a_dict(tmp_path):
    expected = """
        def forward(self, input):
            stem = self.stem(input)
            if self.training:
                head_adaptiveavgpool2d = self.head.adaptiveavgpool2d(stem)
                head_flatten = self.head.flatten(head_adaptiveavgpool2d)
                del head_adaptiveavgpool2d
                head_linear = self.head.linear(head_flatten)
                del head_flatten
            relu = self.relu(stem)
            del stem
            if self.training:
                return {'aux': head_linear, 'output': relu}
            return relu
        """
    assert code(expected) == build(tmp_path, HEAD).code


def test_what_works_in_training_only_hands_its_input_on_in_evaluation(tmp_path):
    network = build(
        tmp_path,
        """
        input: [3, 8, 8]
        layers:
          - relu
          - group: [dropout, tanh]
            when: train
          - sigmoid
        """,
    )

    expected = """
        def forward(self, input):
            relu = self.relu(input)
            if self.training:
                dropout = self.dropout(relu)
                del relu
                tanh = self.tanh(dropout)
                del dropout
            else:
                tanh = relu
                del relu
            sigmoid = self.sigmoid(tanh)
            del tanh
            return sigmoid
        """
    assert code(expected) == network.code


def test_what_only_training_reads_is_deleted_earlier_in_evaluation(tmp_path):
    network = build(
        tmp_path,
        """
        input: [3, 8, 8]
        layers:
          - relu
          - tanh
          - sigmoid
          - side:
              - dropout:
                from: relu
                output: early
            when: train
          - side:
              - dropout:
                from: sigmoid
                output: late
            when: train
          - softplus
        """,
    )

    expected = """
        def forward(self, input):
            relu = self.relu(input)
            tanh = self.tanh(relu)
            if not self.training:
                del relu
            sigmoid = self.sigmoid(tanh)
            del tanh
            if self.training:
                dropout = self.dropout(relu)
                del relu
                dropout_2 = self.dropout_2(sigmoid)
            softplus = self.softplus(sigmoid)
            del sigmoid
            if self.training:
                return {'early': dropout, 'late': dropout_2, 'output': softplus}
            return softplus
        """
    assert code(expected) == network.code


def test_a_tensor_that_only_a_head_of_training_reads_is_deleted_at_once_in_evaluation(tmp_path):
    network = build(
        tmp_path,
        """
        input: [3, 8, 8]
        layers:
          - side:
              - relu:
                name: trunk
              - dropout:
                output: aux
                when: train
          - tanh
        """,
    )

    expected = """
        def forward(self, input):
            trunk = self.trunk(input)
            if self.training:
                dropout = self.dropout(trunk)
                del trunk
            else:
                del trunk
            tanh = self.tanh(input)
            if self.training:
                return {'aux': dropout, 'output': tanh}
            return tanh
        """
    assert code(expected) == network.code


def test_outputs_that_evaluation_has_too_stay_a_dict(tmp_path):
    network = build(
        tmp_path,
        """
        input: [3, 8, 8]
        layers:
          - relu:
            output: features
          - side: [{dropout: null, output: aux}]
            when: train
          - tanh
        """,
    ).eval()
    image = torch.randn(1, 3, 8, 8)

    assert ["features", "output"] == list(network(image))
    assert ["features", "aux", "output"] == list(network.train()(image))


def test_several_inputs_are_taken_in_their_order_and_by_name(tmp_path):
    network = build(
        tmp_path,
        """
        inputs: {left: [3, 4], right: {shape: [2, 4], dtype: float32}}
        layers:
          - concat:
            from: [right, left]
        """,
    )
    left, right = torch.randn(1, 3, 4), torch.randn(1, 2, 4)

    assert network.code.startswith("def forward(self, left, right):\n")
    assert torch.equal(torch.cat([right, left], 1), network(left, right))
    assert torch.equal(torch.cat([right, left], 1), network(right=right, left=left))


def test_a_traceback_shows_the_line_of_the_layer(tmp_path):
    network = build(tmp_path, "input: [3, 8, 8]\nlayers: [conv2d: {out_channels: 4, kernel_size: 3}]\n")

    with pytest.raises(RuntimeError, match="channels") as caught:
        network(torch.randn(1, 5, 8, 8))

    frames = traceback.extract_tb(caught.value.__traceback__)
    assert ["conv2d = self.conv2d(input)"] == [
        each.line for each in frames if each.filename.startswith("<cnnprof spec")
    ]


def test_the_lines_of_a_network_that_is_gone_are_forgotten(tmp_path):
    network = build(tmp_path, "input: [3, 8, 8]\nlayers: [relu]\n")
    file = type(network).forward.__code__.co_filename

    assert network.code == "".join(linecache.getlines(file))

    del network
    gc.collect()
    assert [] == linecache.getlines(file)


def test_a_network_prints_as_a_tree_of_its_blocks(tmp_path):
    network = build(
        tmp_path,
        """
        input: [3, 8, 8]
        blocks:
          unit: {module: Unit, layers: [relu, concat: {dim: 2}]}
        layers:
          - repeat: 2
            name: stage
            layers: [unit]
          - group: [tanh]
            name: tail
        """,
    )

    expected = """
        spec(
          (stage): ModuleList(
            (0-1): 2 x Unit(
              (relu): ReLU()
              (concat): Concat(dim=2)
            )
          )
          (tail): Container(
            (tanh): Tanh()
          )
        )
        """
    assert code(expected).rstrip() == repr(network)
