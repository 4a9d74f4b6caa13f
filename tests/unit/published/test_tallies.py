"""How others add up a network, on a small one whose sums can be done by hand."""

from __future__ import annotations

import pytest

import cnnprof
from cnnprof.published.quantity import quantity
from cnnprof.published.tallies import TALLIES

SPEC = """\
cnnprof: 1
name: net
input: [3, 8, 8]
layers:
  - conv2d: {out_channels: 4, kernel_size: 3}
  - batchnorm2d
  - relu: {inplace: true}
  - maxpool2d: {kernel_size: 3, stride: 2}
    name: pool
  - add:
      - [conv2d: {out_channels: 4, kernel_size: 1, bias: false}]
      - []
  - concat:
      - []
      - [layernorm: {normalized_shape: [2]}]
  - localresponsenorm: {size: 3}
  - side: [flatten, linear: {out_features: 10}]
    when: train
  - adaptiveavgpool2d: {output_size: 1}
  - flatten
  - dropout
  - linear: {out_features: 10}
"""
# MACs: 3,888 + 64 + 80 = 4,032. Elements: conv2d, batchnorm2d and relu 144, pool 16, the second conv2d, add and
# layernorm 16, concat and localresponsenorm 32, adaptiveavgpool2d 8, linear 10. The side: 320 MACs, 10 elements.


SUMS = {
    "fvcore_macs": 4_032 + 2 * 144 + 5 * 16 + 32,
    "thop_macs": 4_032 + 4 * 144 + 32 + 8,
    "ptflops_macs": 4_032 + 144 + 10 + 2 * 144 + 144 + 144 + 32,
    "calflops": 2 * 4_032 + 144 + 2 * 144 + 144 + 144 + 32,
    "burden_flops": 4_032 + 320 + 144 + 10 + 10 + 2 * 144 + 2 * 4 * 16 + 16 + 32 + (2 + 2 * 8) * 4 + 2 * 32,
    "burden_feature_bytes": 4 * (144 + 144 + 16 + 16 + 16 + 16 + 32 + 32 + 8 + 10 + 10),
    "slim_flops": 2 * (3_888 + 64) + 144 + 9 * 16,
}


@pytest.fixture
def net(tmp_path):
    path = tmp_path / "net.yaml"
    path.write_text(SPEC)
    return cnnprof.analyze(str(path))


@pytest.mark.parametrize(("of", "expected"), SUMS.items())
def test_a_tally_adds_up(of, expected, net):
    assert expected == quantity(net, of)


def test_every_tally_is_tried():
    assert set(TALLIES) == set(SUMS)


def test_a_pooling_without_a_stride_moves_by_its_window(tmp_path):
    path = tmp_path / "pool.yaml"
    path.write_text("cnnprof: 1\nname: pool\ninput: [3, 8, 8]\nlayers: [maxpool2d: {kernel_size: [4, 2]}]\n")
    pooled = cnnprof.analyze(str(path))

    assert (2 * 8 * 24, 8 * 24) == (quantity(pooled, "burden_flops"), quantity(pooled, "slim_flops"))


def test_a_layer_is_added_up_alone(net):
    assert (16 * 9, 2 * 16 * 4) == (quantity(net, "slim_flops", "pool"), quantity(net, "burden_flops", "pool"))
