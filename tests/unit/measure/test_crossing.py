"""Where the tensors of a forward on two devices are: the host, and torch's device without contents for the other."""

from __future__ import annotations

import pytest
import torch

from cnnprof.devices.mirrors import to_side
from cnnprof.measure.crossing import Crossing

HOST, OTHER = torch.device("cpu"), torch.device("meta")
KEPT = torch.zeros(2, 3, device=OTHER)
"""What a network has kept on the other side: no forward has seen it made."""


def crossing(crossed: list[str] | None = None) -> Crossing:
    def copied(tensor: torch.Tensor, device: torch.device, into: torch.Tensor | None = None) -> torch.Tensor:
        if crossed is not None:
            crossed.append(f"{tensor.device} to {device}{', written over' if into is not None else ''}")
        return torch.zeros_like(tensor, device=device) if into is None else into.add_(0)

    return Crossing({}, {False: HOST, True: OTHER}, copied)


def test_what_nobody_saw_made_is_where_its_device_says():
    forward = crossing()

    assert KEPT is forward.on(KEPT, there=True)
    assert HOST == forward.on(KEPT, there=False).device
    assert forward.on(KEPT, there=False).data_ptr() == forward.on(KEPT, there=False).data_ptr() != 0


@pytest.mark.parametrize(
    ("function", "expected"),
    [(torch.Tensor.device.__get__, HOST), (torch.Tensor.is_cpu.__get__, True), (torch.Tensor.get_device, -1)],
)
def test_the_code_hears_that_all_is_on_the_host(function, expected):
    assert expected == crossing().aside(function, (KEPT,), {})


def test_what_the_code_makes_like_a_tensor_is_on_the_host():
    made = [
        crossing().aside(torch.zeros_like, (KEPT,), {}),
        crossing().aside(torch.Tensor.new_ones, (KEPT, (4,)), {"device": OTHER}),
    ]

    assert [HOST, HOST] == [each.device for each in made]


def test_what_would_go_to_a_device_stays_and_takes_on_a_dtype():
    forward = crossing()

    assert KEPT is forward.aside(torch.Tensor.cpu, (KEPT,), {})
    assert OTHER == forward.aside(torch.Tensor.to, (KEPT, HOST), {}).device
    found = forward.aside(torch.Tensor.to, (KEPT, HOST, torch.float64), {})
    assert (OTHER, torch.float64) == (found.device, found.dtype)


def test_a_call_that_is_no_row_runs_where_its_tensors_are_and_on_the_host_where_they_are_on_both_sides():
    forward = crossing()

    assert OTHER == forward.aside(torch.add, (KEPT, KEPT), {}).device
    assert HOST == forward.aside(torch.add, (KEPT, torch.ones(2, 3)), {}).device


def test_a_tensor_crosses_once_and_again_when_it_was_written_into():
    crossed: list[str] = []
    forward, image = crossing(crossed), torch.ones(2, 3)

    for function in (torch.neg, torch.neg, torch.relu_, torch.neg):
        forward.row(function, (image,), {}, there=True)
    forward.row(torch.neg, (image,), {}, there=False)
    forward.row(torch.relu_, (image,), {}, there=False)
    forward.row(torch.neg, (image,), {}, there=True)

    assert ["cpu to meta", "meta to cpu, written over", "cpu to meta, written over"] == crossed


def test_what_is_one_tensor_is_one_on_the_other_side_too():
    image = torch.ones(2, 3)

    assert crossing().row(lambda first, second: first is second, (image, image), {}, there=True)


def test_a_copy_is_another_tensor_with_the_same_values_also_on_one_device():
    image = torch.rand(2, 3)

    made = to_side(image, HOST)

    assert torch.equal(image, made)
    assert image.data_ptr() != made.data_ptr()
    assert made is to_side(image + 1, HOST, made)
    assert torch.equal(image + 1, made)
