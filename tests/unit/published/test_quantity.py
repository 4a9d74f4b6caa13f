"""Quantities that only published figures speak of."""

from __future__ import annotations

import pytest

import cnnprof
from cnnprof.errors import UsageError
from cnnprof.published.quantity import quantity

SPEC = """\
cnnprof: 1
name: net
input: [3, 8, 8]
layers:
  - conv2d: {out_channels: 4, kernel_size: 3}
    name: first
  - batchnorm2d
  - side: [flatten, linear: {out_features: 10}]
    when: train
    name: aux
  - conv2d: {out_channels: 2, kernel_size: 3, stride: 2}
    name: second
  - flatten
  - linear: {out_features: 10}
    name: fc
"""
# first: 4·6·6 from 112 parameters and 3,888 MACs; second: 2·2·2 from 74 and 288; fc: 10 from 90 and 80; the side 1,450.


@pytest.fixture
def net(tmp_path):
    path = tmp_path / "net.yaml"
    path.write_text(SPEC)
    return cnnprof.analyze(str(path))


@pytest.mark.parametrize(
    ("of", "at", "expected"),
    [
        ("params", None, 112 + 8 + 1_450 + 74 + 90),
        ("inference_params", None, 112 + 8 + 74 + 90),
        ("conv_params", None, 112 + 74),
        ("keras_params", None, 1_734 + 8),
        ("keras_params", "batchnorm2d", 16),
        ("state_elements", None, 1_734 + 9),
        ("state_bytes", None, 1_734 * 4 + 8 * 4 + 8),
        ("weights_ki", "first + second", (108 + 72) / 1024),
        ("params_mi", None, 1_734 / 1024**2),
        ("conv_macs", None, 3_888 + 288),
        ("macs", "first + fc", 3_888 + 80),
        ("fused_ops", "second", 288),
        ("weighted_outputs", None, 144 + 8 + 10),
        ("weighted_outputs", "aux", 0),
        ("output_channels", "second", 2),
        ("output", "first + second", "2x2x2"),
        ("rf", "first", "3/1/0"),
        ("rf", "second", "5/2/0"),
        ("rf", None, "global"),
    ],
)
def test_a_quantity_is(of, at, expected, net):
    assert expected == quantity(net, of, at)


def test_every_one_of_several_layers_must_be_there(net):
    with pytest.raises(UsageError, match="speaks of 'secnod'") as caught:
        quantity(net, "macs", "first + secnod")

    assert "did you mean 'second'?" == caught.value.hint
