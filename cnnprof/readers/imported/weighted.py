"""Functions of torch that are given weights, as the layers those belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnprof.readers.imported.calls import Call, Found, given, plain

if TYPE_CHECKING:
    import torch


def _present(*tensors: torch.Tensor | None) -> list[torch.Tensor]:
    return [tensor for tensor in tensors if tensor is not None]


def conv(call: Call) -> Found:
    """Return a convolution, of any number of axes."""
    bound = call.bound("input weight bias stride padding dilation groups")
    weight, bias = bound["weight"], bound.get("bias")
    args = {
        "out_channels": weight.shape[0],
        "kernel_size": plain(list(weight.shape[2:])),
        **given(bound, "stride padding dilation groups"),
        "bias": bias is not None,
    }
    return Found(call.name, args, [bound["input"]], _present(weight, bias))


def conv_transpose(call: Call) -> Found:
    """Return a transposed convolution, of any number of axes."""
    bound = call.bound("input weight bias stride padding output_padding groups dilation")
    weight, bias = bound["weight"], bound.get("bias")
    args = {
        "out_channels": weight.shape[1] * (bound.get("groups") or 1),
        "kernel_size": plain(list(weight.shape[2:])),
        **given(bound, "stride padding output_padding groups dilation"),
        "bias": bias is not None,
    }
    return Found(call.name.replace("_", ""), args, [bound["input"]], _present(weight, bias))


def linear(call: Call) -> Found:
    """Return a linear layer."""
    bound = call.bound("input weight bias")
    weight, bias = bound["weight"], bound.get("bias")
    return Found(
        "linear", {"out_features": weight.shape[0], "bias": bias is not None}, [bound["input"]], _present(weight, bias)
    )


def batch_norm(call: Call) -> Found:
    """Return a batch norm of as many axes as arrive."""
    bound = call.bound("input running_mean running_var weight bias training momentum eps")
    value, weight, bias, mean = bound["input"], bound.get("weight"), bound.get("bias"), bound.get("running_mean")
    args = {
        **given(bound, "momentum eps"),
        "affine": weight is not None,
        "track_running_stats": mean is not None,
    }
    if weight is not None and bias is None:
        args["bias"] = False
    dims = max(1, value.dim() - 2)
    return Found(f"batchnorm{dims}d", args, [value], _present(weight, bias, mean, bound.get("running_var")))


def instance_norm(call: Call) -> Found | None:
    """Return an instance norm; none where statistics of a training are given."""
    bound = call.bound("input running_mean running_var weight bias use_input_stats momentum eps")
    if bound.get("running_mean") is not None:
        return None
    value, weight, bias = bound["input"], bound.get("weight"), bound.get("bias")
    args = {**given(bound, "momentum eps"), "affine": weight is not None}
    return Found(f"instancenorm{value.dim() - 2}d", args, [value], _present(weight, bias))


def layer_norm(call: Call) -> Found:
    """Return a layer norm."""
    bound = call.bound("input normalized_shape weight bias eps")
    weight, bias = bound.get("weight"), bound.get("bias")
    args = {
        "normalized_shape": list(bound["normalized_shape"]),
        **given(bound, "eps"),
        "elementwise_affine": weight is not None,
    }
    if weight is not None and bias is None:
        args["bias"] = False
    return Found("layernorm", args, [bound["input"]], _present(weight, bias))


def rms_norm(call: Call) -> Found:
    """Return a root-mean-square norm."""
    bound = call.bound("input normalized_shape weight eps")
    weight = bound.get("weight")
    args = {
        "normalized_shape": list(bound["normalized_shape"]),
        **given(bound, "eps"),
        "elementwise_affine": weight is not None,
    }
    return Found("rmsnorm", args, [bound["input"]], _present(weight))


def group_norm(call: Call) -> Found:
    """Return a group norm."""
    bound = call.bound("input num_groups weight bias eps")
    weight, bias = bound.get("weight"), bound.get("bias")
    args = {**given(bound, "num_groups eps"), "affine": weight is not None}
    return Found("groupnorm", args, [bound["input"]], _present(weight, bias))


def prelu(call: Call) -> Found:
    """Return a leaky ReLU with learnt slopes."""
    value, weight = call.args[:2]
    return Found("prelu", {"num_parameters": weight.numel()}, [value], [weight])


def multihead_attention(call: Call) -> Found:
    """Return attention with its projections; what a mask adds to the scores is not counted."""
    bound = call.bound(
        "query key value embed_dim_to_check num_heads in_proj_weight in_proj_bias bias_k bias_v add_zero_attn "
        "dropout_p out_proj_weight out_proj_bias"
    )
    names = "in_proj_weight in_proj_bias bias_k bias_v out_proj_weight out_proj_bias"
    separate = "q_proj_weight k_proj_weight v_proj_weight" if bound.get("use_separate_proj_weight") else ""
    inputs = [bound["query"], bound["key"], bound["value"]]
    args = {
        "num_heads": bound["num_heads"],
        "dropout": bound["dropout_p"],
        "bias": bound.get("in_proj_bias") is not None,
        "add_bias_kv": bound.get("bias_k") is not None,
        "add_zero_attn": bound["add_zero_attn"],
    }
    state = _present(*(bound.get(name) for name in f"{names} {separate}".split()))
    alone = all(each is inputs[0] for each in inputs)
    return Found("multiheadattention", args, inputs[:1] if alone else inputs, state)
