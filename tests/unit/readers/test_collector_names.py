"""The name that was meant by one that is not there."""

from __future__ import annotations

import pytest

from cnnprof.readers.collector import nearest

NAMES = ["vgg11", "vgg16", "vgg19", "resnet18"]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("vgg61", "did you mean 'vgg16'?"),
        ("vgg91", "did you mean 'vgg19'?"),
        ("rsnet18", "did you mean 'resnet18'?"),
        ("zzz", None),
    ],
)
def test_the_nearest_name_is_one_with_the_same_letters_before_one_with_others(word, expected):
    assert expected == nearest(word, NAMES)
