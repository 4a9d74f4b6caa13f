"""One forward stands for all batches: what is not in proportion to the batch is refused, what is stays as it was."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cnnprof import analyzer
from cnnprof.errors import UsageError
from cnnprof.readers import torchvision
from cnnprof.readers.imported import growth, trace
from cnnprof.readers.imported.growth import BATCH, Grown, noting
from tests.imported.networks import Forward, counted, seen

# What is refused


def refusal(forward, *shape):
    module = Forward(forward, a=nn.Linear(4, 4), b=nn.Linear(4, 4))
    with pytest.raises(UsageError) as caught:
        seen(module, shape or (4,))
    return caught.value


def _halves(self, x):
    half = x.size(0) // 2
    return self.a(x[:half]) + self.b(x[half:])


def _repeated(self, x):
    for _ in range(x.shape[0] // 2):
        x = self.a(x)
    return x


def _as_often_as_samples(self, x):
    for _ in range(x.shape[0]):
        x = self.a(x)
    return x


@pytest.mark.parametrize(
    ("forward", "why"),
    [
        (lambda self, x: self.a(x).chunk(2, 0)[0].clone(), "clone has 505x4 for 1,009 samples and 499x4 for 998"),
        (
            lambda self, x: self.b(self.a(x)[: x.size(0) // 2]),
            "getitem has end=504 for 1,009 samples and end=499 for 998",
        ),
        (_halves, "it runs for 998 samples and not for 1,009: the forward raised RuntimeError in Forward"),
        (lambda self, x: torch.stack(list(self.a(x))), "unbind has 1009 outputs for 1,009 samples and 998 outputs"),
        (lambda _, x: x[1:].clone(), "clone has 1008x4 for 1,009 samples and 997x4 for 998"),
        (lambda _, x: x[::2].clone(), "clone has 505x4 for 1,009 samples and 499x4 for 998"),
        (lambda _, x: torch.cat([x, x[:1]]).clone(), "clone has 1010x4 for 1,009 samples and 999x4 for 998"),
        (
            lambda _, x: x[:, None].expand(-1, x.shape[0] - 1, 4).clone(),
            "expand has 1009x1008x4 for 1,009 samples and 998x997x4 for 998",
        ),
        (lambda _, x: (x @ x.t()).reshape(-1), "reshape has 1018081 for 1,009 samples and 996004 for 998"),
        (lambda _, x: torch.pdist(x), "pdist has 508536 for 1,009 samples and 497503 for 998"),
        (
            lambda _, x: x.softmax(0, dtype=torch.float64),
            "softmax has length=1009 for 1,009 samples and length=998 for 998",
        ),
        (_repeated, "it runs a_500 for 1,009 samples where it runs b.weight for 998"),
        (_as_often_as_samples, "it runs a_999 for 1,009 samples where it runs b.weight for 998"),
        (lambda _, x: x.view(x.shape[0] // 2, 2, 4), "it runs for 998 samples and not for 1,009"),
    ],
    ids=[
        "half, by chunk", "half, by a slice", "halves", "one by one", "but one", "every second", "one more",
        "beside the others", "a matrix in a row", "pairs", "over samples", "as often as half", "as often", "twos",
    ],
)  # fmt: skip
def test_a_forward_that_is_not_in_proportion_to_the_batch_is_refused_with_the_row(forward, why):
    error = refusal(forward)

    assert "depends-on-batch" == error.code
    assert f"tests:net: what the forward does is not in proportion to the batch: {why}" in str(error)
    assert "treats all samples alike" in error.hint


# What is in proportion


def traces(monkeypatch, module, *shape):
    """Return how many samples each trace of a module had, and its graph."""
    plain, batches = trace._traced, []

    def noted(module, inputs, batch, name, source):
        batches.append(batch)
        return plain(module, inputs, batch, name, source)

    monkeypatch.setattr(trace, "_traced", noted)
    return batches, seen(module, shape)


def _windows(self, x):
    samples, height, width, channels = x.shape
    parts = x.view(samples, height // 4, 4, width // 4, 4, channels).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, channels)
    parts = self.mix(parts)
    masked = parts.view(parts.shape[0] // 4, 4, 16, channels) + torch.zeros(4, 1, 1)
    per_image = parts.shape[0] // samples
    whole = masked.view(samples * per_image, 16, channels).view(-1, 2, 2, 4, 4, channels)
    return whole.permute(0, 1, 3, 2, 4, 5).reshape(samples, height * width, channels)


def test_windows_of_all_samples_are_in_proportion_and_followed_once(monkeypatch):
    module = Forward(_windows, mix=nn.Linear(3, 3))
    batches, graph = traces(monkeypatch, module, 8, 8, 3)
    one, eight = analyzer.analyze(graph), analyzer.analyze(graph, batch=8)

    assert [1009] == batches
    assert (32, 16, 3) == eight.row("mix").inputs[0].shape
    assert 8 * one.totals.macs == eight.totals.macs == 8 * 64 * 9


@pytest.mark.parametrize("name", ["swin_t", "swin_v2_t", "vit_b_16", "maxvit_t", "shufflenet_v2_x0_5"])
def test_a_network_that_mixes_its_samples_with_windows_or_channels_is_followed_once(monkeypatch, name):
    batches, graph = traces(monkeypatch, torchvision.build(name), 3, 224, 224)

    assert ([1009], ()) == (batches, graph.notes)


@pytest.mark.parametrize(
    ("forward", "macs"),
    [
        (lambda self, x: self.a(x.chunk(2, 0)[0]), 64),
        (lambda self, x: self.a(x[1:]), 112),
        (lambda self, x: self.a(x) / x.shape[0] + 1 / x.shape[0], 128),
        (lambda self, x: self.a(x) + x[0].clone(), 128),
    ],
    ids=["a chunk", "but one", "a mean", "one sample"],
)
def test_what_only_layers_see_is_counted_as_it_is_for_the_batch(monkeypatch, forward, macs):
    module = Forward(forward, a=nn.Linear(4, 4))
    batches, _ = traces(monkeypatch, module, 4)

    assert [1009, 998] == batches
    assert macs == counted(module, (4,), batch=8).totals.macs


def test_what_a_first_forward_keeps_is_no_difference():
    def forward(self, x):
        if not hasattr(self, "kept"):
            self.kept = torch.ones(4, 4) @ self.a.weight
        return self.a(x)[0].clone() + self.kept

    module = Forward(forward, a=nn.Linear(4, 4))

    assert "clone" in [node.name for node in seen(module, (4,)).nodes]


def test_a_forward_that_compares_the_number_of_samples_says_so():
    module = Forward(lambda self, x: self.a(x) if x.shape[0] > 4 else x, a=nn.Linear(4, 4))

    assert (
        "the forward compares the number of samples with 4: it was followed for 1,009, and a batch for which the "
        "answer is another one may have other figures"
    ) == seen(module, (4,)).notes[-1]


def test_whether_there_are_samples_at_all_and_whether_they_are_as_many_needs_no_note():
    def forward(self, x):
        assert x.shape[0] != 0
        assert x.shape == self.a(x).shape
        return self.a(x)

    assert () == seen(Forward(forward, a=nn.Linear(4, 4)), (4,)).notes


# Numbers that grow


@pytest.mark.parametrize(
    ("compute", "expected", "doubtful"),
    [
        (lambda size: size * 3, 3027, False),
        (lambda size: 3 * size, 3027, False),
        (lambda size: size * 6 // 3, 2018, False),
        (lambda size: size * 6 // size, 6, False),
        (lambda size: size * 6 % 3, 0, False),
        (lambda size: size + size, 2018, False),
        (lambda size: sum([size]), 1009, False),
        (lambda size: size * 3 - size, 2018, False),
        (lambda size: size // 2, 504, True),
        (lambda size: size * 4 // 2 // 4, 504, True),
        (lambda size: size / 2, 504.5, True),
        (lambda size: size % 2, 1, True),
        (lambda size: size + 1, 1010, True),
        (lambda size: 1 + size, 1010, True),
        (lambda size: size - 1, 1008, True),
        (lambda size: 2000 - size, 991, True),
        (lambda size: 2018 // size, 2, True),
        (lambda size: size**2, 1018081, True),
        (lambda size: size * size, 1018081, True),
        (lambda size: size >> 1, 504, True),
        (int, 1009, True),
        (lambda size: size * 0.5, 504.5, True),
    ],
)
def test_a_number_that_grows_notes_what_is_not_in_proportion(compute, expected, doubtful):
    with noting() as noted:
        assert expected == compute(Grown(BATCH))

    assert doubtful is noted.doubtful


def test_functions_are_given_plain_numbers():
    size = Grown(BATCH)
    given = growth.plain((torch.Size([size, 4]), [size], slice(None, size), {"a": size}))

    assert (torch.Size([1009, 4]), [1009], slice(None, 1009), {"a": 1009}) == given
    assert {int} == {type(each) for each in (*given[0], *given[1], given[2].stop, given[3]["a"])}
