"""What is given again without asking torch is what torch gives, to the stride."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional

from cnnprof.readers.imported.calls import function_name
from cnnprof.readers.imported.memo import PURE, Memo
from cnnprof.readers.imported.tensors import normalised


def image(*, last: bool = False, batch: int = 2, channels: int = 6, side: int = 8) -> torch.Tensor:
    made = torch.empty(batch, channels, side, side, device="meta")
    return made.to(memory_format=torch.channels_last) if last else made


def vector(size: int = 6) -> torch.Tensor:
    return torch.empty(size, device="meta")


def weight(*shape: int) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.empty(shape, device="meta"))


def volume(dims: int) -> torch.Tensor:
    return torch.empty(2, 6, *[8] * dims, device="meta")


AXES = {
    "conv2d": lambda dims: (volume(dims), weight(4, 3, *[3] * dims), vector(4), 2, 1, 1, 2),
    "conv_transpose2d": lambda dims: (volume(dims), weight(6, 4, *[3] * dims), vector(4), 2),
    "max_pool2d": lambda dims: (volume(dims), 3, 2),
    "avg_pool2d": lambda dims: (volume(dims), 2),
    "adaptive_avg_pool2d": lambda dims: (volume(dims), 3),
    "adaptive_max_pool2d": lambda dims: (volume(dims), 3),
    "dropout2d": lambda dims: (volume(dims), 0.5, True),
}
"""Functions of one, two and three axes, and what they are given."""
ONE = {
    "relu": (), "relu6": (), "selu": (), "silu": (), "mish": (), "hardswish": (), "hardsigmoid": (),
    "hardtanh": (-2.0, 2.0), "leaky_relu": (0.1,), "elu": (), "celu": (), "gelu": (), "softplus": (),
    "glu": (1,), "dropout": (0.5, False),
    "softmax": (1,), "log_softmax": (1,), "pad": ((1, 2),), "interpolate": (None, 2.0), "normalize": (),
    "group_norm": (3,), "layer_norm": ((8, 8),), "rms_norm": ((8,),), "instance_norm": (), "local_response_norm": (3,),
}  # fmt: skip
"""Functions of ``torch.nn.functional`` of an image, and their other arguments."""
METHODS = {
    "sigmoid": (), "tanh": (), "exp": (), "log": (), "sqrt": (), "rsqrt": (), "pow": (2,), "clamp": (0.0,),
    "roll": (1, 2), "mean": ((2, 3),), "sum": (1, True), "add": (1,), "sub": (0.5,), "mul": (2,), "div": (3,),
}  # fmt: skip
"""Methods of an image, and their arguments."""


def cases() -> dict[str, tuple[Any, tuple[Any, ...]]]:
    """Return function and arguments for every name, on images in both orders of memory where they are images."""
    found: dict[str, tuple[Any, tuple[Any, ...]]] = {}
    for name, given in AXES.items():
        for dims in (1, 2, 3):
            one = name.replace("2", str(dims))
            found[one] = (getattr(functional, one), given(dims))
    for last in (False, True):
        order = " of channels last" if last else ""
        for name, more in ONE.items():
            found[name + order] = (getattr(functional, name), (image(last=last), *more))
        for name, more in METHODS.items():
            found[name + order] = (getattr(torch.Tensor, name), (image(last=last), *more))
        found["conv2d" + order] = (functional.conv2d, (image(last=last), weight(4, 6, 3, 3)))
        found["batch_norm" + order] = (
            functional.batch_norm,
            (image(last=last), vector(), vector(), vector(), vector()),
        )
        found["cat" + order] = (torch.cat, ([image(last=last), image(last=last)], 1))
        found["stack" + order] = (torch.stack, ([image(last=last), image(last=last)], 1))
        found["maximum" + order] = (torch.maximum, (image(last=last), image()))
        found["minimum" + order] = (torch.minimum, (image(last=last), image()))
        found["add of both" + order] = (torch.add, (image(last=last), image()))
        found["add of a row" + order] = (torch.add, (image(last=last), vector(8)))
        found["add in place" + order] = (torch.Tensor.add_, (image(last=last), vector(8)))
        found["mul of a swapped one" + order] = (torch.mul, (image(last=last).transpose(2, 3), image()))
        found["relu in place" + order] = (functional.relu, (image(last=last), True))
        found["masked_fill" + order] = (
            torch.Tensor.masked_fill, (image(last=last), torch.empty(8, 8, dtype=torch.bool, device="meta"), 0.0),
        )  # fmt: skip
        found["linear" + order] = (functional.linear, (image(last=last), weight(5, 8), vector(5)))
        found["matmul" + order] = (torch.matmul, (image(last=last), image(last=last).transpose(2, 3)))
    found["prelu"] = (functional.prelu, (image(), vector()))
    found["scaled_dot_product_attention"] = (functional.scaled_dot_product_attention, (image(), image(), image()))
    return found


CASES = cases()


def seen(result: torch.Tensor, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return all that can be seen of a result, and which argument it is."""
    same = [at for at, each in enumerate(args) if each is result]
    return result.shape, result.stride(), result.dtype, result.device.type, result.storage_offset(), same


@torch.no_grad()
@pytest.mark.parametrize("case", CASES)
def test_what_is_given_again_is_what_torch_gives(case):
    function, args = CASES[case]
    expected, asked = seen(function(*args), args), []

    def counted(*given: Any) -> Any:
        asked.append(given)
        return function(*given)

    memo = Memo()
    found = [memo.run(function_name(function), counted, args, {}) for _ in range(2)]

    assert [expected, expected] == [seen(each, args) for each in found]
    assert 1 == len(asked)


def test_every_function_that_is_given_again_has_a_case():
    assert set() == PURE - {function_name(function).removesuffix("_") for function, _ in CASES.values()}


@torch.no_grad()
def test_what_is_given_again_is_another_tensor():
    memo, value = Memo(), image()

    first, again = (memo.run("relu", functional.relu, (value,), {}) for _ in range(2))

    assert first is not again
    assert first.untyped_storage()._cdata != again.untyped_storage()._cdata


@torch.no_grad()
def test_equal_numbers_of_different_types_are_told_apart():
    memo, value = Memo(), torch.empty(3, dtype=torch.int64, device="meta")

    found = [memo.run("add", torch.add, (value, number), {}).dtype for number in (1.0, 1, True)]

    assert [torch.float32, torch.int64, torch.int64] == found


@torch.no_grad()
def test_other_arguments_by_name_are_told_apart():
    memo, value = Memo(), image()

    found = [tuple(memo.run("sum", torch.sum, (value,), {"dim": 1, "keepdim": keep}).shape) for keep in (True, False)]

    assert [(2, 1, 8, 8), (2, 8, 8)] == found


def asked_twice(name: str, function: Any, *args: Any, **kwargs: Any) -> int:
    """Return how often torch is asked when it is called twice."""
    asked = []

    def counted(*given: Any, **named: Any) -> Any:
        asked.append(given)
        return function(*given, **named)

    memo = Memo()
    for _ in range(2):
        memo.run(name, counted, args, kwargs)
    return len(asked)


@torch.no_grad()
def test_torch_is_asked_again_where_a_tensor_has_contents_or_the_result_is_a_view_or_given():
    out = torch.empty(0, device="meta")

    assert 2 == asked_twice("relu", functional.relu, torch.zeros(3))
    assert 2 == asked_twice("transpose", torch.transpose, image(), 1, 2)
    assert 2 == asked_twice("cat", torch.cat, [vector(), vector()], out=out)
    assert (12,) == tuple(out.shape)


def test_torch_is_asked_again_where_gradients_are_followed():
    assert 2 == asked_twice("mul", torch.mul, weight(3), 2.0)


@torch.no_grad()
@pytest.mark.parametrize("training", [False, True])
def test_a_batch_norm_that_torch_is_never_asked_about_has_its_metadata(training):
    args = (image(), vector(), vector(), vector(), vector(), training)

    assert seen(functional.batch_norm(*args), args) == seen(normalised(args, {}), args)


@torch.no_grad()
def test_torch_is_asked_about_a_batch_norm_of_another_order_of_memory():
    assert normalised((image(last=True), vector(), vector()), {}) is None
