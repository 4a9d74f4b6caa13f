"""Results built by hand, small enough to check every number by eye."""

from __future__ import annotations

from cnnprof.model.analysis import Analysis, Equivalent, Events, Note, Row, Totals, Transfer
from cnnprof.model.graph import Container, Edge, Input, Origin, TensorSpec
from cnnprof.model.memory import Alive, InferenceMemory


def row(name, op="relu", output=(1, 4), *, source="input", inputs=((1, 4),), macs=0, params=0, **changes):
    """A layer of float32; ``params`` is all trainable, ``macs`` are its only arithmetic."""
    outputs = (TensorSpec(tuple(output)),)
    fields = {
        "args": {}, "origin": Origin(source="net.yaml", line=7, column=3), "edges": (Edge(source),),
        "inputs": tuple(TensorSpec(tuple(shape)) for shape in inputs), "outputs": outputs,
        "trainable_params": params, "frozen_params": 0, "buffers": 0, "statistics": 0, "bias_params": 0,
        "param_bytes": 4 * params, "buffer_bytes": 0, "events": Events(macs=macs, muls=macs, adds=macs),
        "storage": "new", "activations": outputs[0].numel, "activation_bytes": 4 * outputs[0].numel,
        "useful_macs": macs, "training_macs": macs, "input_grad_macs": macs, "weight_grad_macs": macs,
        "read_bytes": 0, "write_bytes": 0,
    }  # fmt: skip
    return Row(name=name, op=op, **(fields | changes))


def unknown(name, op="roi_align", output=(1, 4)):
    """A layer whose operator nobody registered."""
    return row(name, op, output, known=False, activations=0, activation_bytes=0)


def analysis(rows, *, batch=1, shape=(3, 8, 8), model="net", **changes):
    """A result of these rows; the totals are their sums, torchsummary's and Keras' from the same rows."""
    rows = tuple(rows)

    def add(name):
        return sum(getattr(each, name) for each in rows)

    events = {name: sum(getattr(each.events, name) for each in rows) for name in Events.__struct_fields__}
    size = batch
    for side in shape:
        size *= side
    totals = Totals(
        layers=len(rows), trainable_params=add("trainable_params"), frozen_params=add("frozen_params"),
        buffers=add("buffers"), bias_params=add("bias_params"), keras_params=add("params") + add("statistics"),
        param_bytes=add("param_bytes"), buffer_bytes=add("buffer_bytes"), events=Events(**events),
        useful_macs=add("useful_macs"), training_macs=add("training_macs"), input_grad_macs=add("input_grad_macs"),
        weight_grad_macs=add("weight_grad_macs"), read_bytes=add("read_bytes"), write_bytes=add("write_bytes"),
        activations=add("activations"), activation_bytes=add("activation_bytes"), input_bytes=4 * size,
        torchsummary_input_bytes=4 * size, torchsummary_activation_bytes=8 * add("torchsummary_outputs"),
        torchsummary_param_bytes=4 * add("params"),
        unknown_ops=tuple(sorted({each.op for each in rows if not each.known})),
    )  # fmt: skip
    fields = {
        "cnnprof_version": "1.2.3", "source": f"{model}.yaml", "inputs": (Input(name="input", shape=shape),),
        "outputs": {"output": Edge(rows[-1].name)} if rows else {}, "dtype": "float32",
        "memory": peak(add("params"), ("input", "input", (batch, *shape))),
    }  # fmt: skip
    return Analysis(model=model, batch=batch, rows=rows, totals=totals, **(fields | changes))


def peak(params=0, *alive):
    """Memory of an inference at the peak of which these outputs are alive."""
    tensors = tuple(
        Alive(layer=name, what=what, tensor=TensorSpec(shape), bytes=TensorSpec(shape).nbytes)
        for name, what, shape in alive
    )
    size = sum(each.bytes for each in tensors)
    return InferenceMemory(
        peak_bytes=4 * params + size, param_bytes=4 * params, buffer_bytes=0, tensor_bytes=size,
        layer=None, alive=tensors,
    )  # fmt: skip


def small():
    """A convolution, a rectifier, a pooling, a classifier: 3×8×8 to 10."""
    return analysis(
        [
            row(
                "conv", "conv2d", (1, 4, 6, 6), inputs=((1, 3, 8, 8),), params=112, bias_params=4,
                events=Events(macs=3888, muls=3888, adds=3888), args={"out_channels": 4, "kernel_size": [3, 3]},
                window_cut=(0, 0), torchsummary_outputs=144, read_bytes=1216, write_bytes=576,
                equivalent=Equivalent(
                    dense_params=27792, toeplitz_rows=144, toeplitz_columns=192, toeplitz_nonzeros=3888
                ),
            ),
            row(
                "relu", "relu", (1, 4, 6, 6), source="conv", inputs=((1, 4, 6, 6),), events=Events(cmps=144),
                torchsummary_outputs=144, read_bytes=576, write_bytes=576,
            ),
            row(
                "pool", "maxpool2d", (1, 4, 2, 2), source="relu", inputs=((1, 4, 6, 6),), events=Events(cmps=48),
                window_cut=(2, 2), torchsummary_outputs=16, read_bytes=576, write_bytes=64,
            ),
            row(
                "fc", "linear", (1, 10), source="pool", inputs=((1, 16),), params=170, bias_params=10,
                events=Events(macs=160, muls=160, adds=160), torchsummary_outputs=10, read_bytes=744, write_bytes=40,
            ),
        ],
        notes=(Note(code="window-cut", layer="pool", message="the last 2 rows and the last 2 columns are never read"),),
    )  # fmt: skip


def blocks():
    """A stem and two stages; the second stage repeats one block four times."""
    rows = [row("stem.conv", "conv2d", (1, 8, 8, 8), macs=1000, params=100)]
    for stage, count in ((0, 1), (1, 4)):
        for index in range(count):
            path = f"stage.{stage}.{index}"
            macs = 2000 if stage == 0 else 3000
            rows += [
                row(f"{path}.conv_bn.conv2d", "conv2d", (1, 8, 8, 8), macs=macs, params=500),
                row(f"{path}.conv_bn.batchnorm2d", "batchnorm2d", (1, 8, 8, 8), params=16),
                row(f"{path}.relu", "relu", (1, 8, 8, 8)),
                row(f"{path}.add", "add", (1, 8, 8, 8)),
            ]
    rows.append(row("head", "linear", (1, 10), macs=5000, params=5010))
    paths = ["stage.0.0", *(f"stage.1.{index}" for index in range(4))]
    found = tuple(Container(path=path, block="bottleneck", last=f"{path}.add") for path in paths)
    return analysis(rows, containers=found)


def with_unknown():
    """Two known layers and two of an unknown operator."""
    return analysis(
        [
            row("conv", "conv2d", (1, 4), macs=100, params=20),
            unknown("pool.a"),
            unknown("pool.b"),
            row("fc", "linear", (1, 10), macs=300, params=30),
        ],
        notes=(
            Note(code="unknown-operator", layer="pool.a", message="operator 'roi_align' is unknown"),
            Note(code="unknown-operator", layer="pool.b", message="operator 'roi_align' is unknown"),
        ),
    )


def two_places():
    """A network over two devices that talk in both directions."""
    return analysis(
        [
            row("a.conv", "conv2d", (1, 4), place="gpu0", macs=10),
            row("b.conv", "conv2d", (1, 4), place="gpu1", macs=10),
            row("b.fc", "linear", (1, 4), place="gpu1", macs=10),
        ],
        transfers=(
            Transfer(source="gpu0", target="gpu1", tensor=Edge("a.conv"), reader="b.conv", elements=1000, bytes=4000),
            Transfer(source="gpu0", target="gpu1", tensor=Edge("a.split", 1), reader="b.fc", elements=24, bytes=96),
            Transfer(source="gpu1", target="gpu0", tensor=Edge("b.conv"), reader="a.fc", elements=500, bytes=2000),
        ),
    )
