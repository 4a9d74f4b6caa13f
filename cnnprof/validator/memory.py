"""Memory of a training step and of an inference against torch's own tracker, and what autograd really keeps."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnprof import analyzer
from cnnprof.analyzer import OPTIMIZERS
from cnnprof.devices.storages import total, tracker
from cnnprof.model.memory import Optimizer, TrainingMemory
from cnnprof.model.validation import Figure, Verdict
from cnnprof.validator.case import Case, asking, without_memory
from cnnprof.validator.fake import fake_inputs, fake_tensors, on_fakes
from cnnprof.validator.kept import saved

if TYPE_CHECKING:
    import torch

TRAINING_BOUND = 0.02
"""How far the peak of a training step may be off, as a part of the tracker's."""
INFERENCE_BOUND = 0.05
_BY = "MemTracker"
_ANEW = (
    "gradients that are added up take new memory only where a dispatch mode watches, as the tracker does "
    "(can_accumulate_inplace); counted like that, ours is equal"
)
_HELD = "its variables hold tensors that nobody reads any more: no bound"
_ORDER = "it holds less: it runs branches in another order, or layers in place: no bound"
_LAYOUT = "no workspace, and no copies of gradients whose layout is not their parameter's"


class Network(NamedTuple):
    """A module on fake tensors, and its inputs."""

    module: Any
    inputs: list[torch.Tensor]

    def outputs(self) -> list[torch.Tensor]:
        """Run a forward."""
        found = self.module(*self.inputs)
        values = found.values() if isinstance(found, dict) else (found,)
        return [each for value in values for each in (value if isinstance(value, tuple) else (value,))]


def check(case: Case) -> Iterator[Figure]:
    """Yield the peak of a training step per optimizer, the bytes kept for its backward, and the peak of an inference.

    Where there is a reference network, the peak of its own forward stands beside ours, without a bound.
    """
    module = without_memory(case.graph)
    with fake_tensors():
        network = Network(on_fakes(module), fake_inputs(case, case.batch))
        yield from _training(case, network)
        yield saved(case, network)
        yield _inference(case, network)
    if case.against is not None:
        yield _eager(case)


# A training step


def _training(case: Case, network: Network) -> Iterator[Figure]:
    measured = training_peaks(network)
    for optimizer, theirs in measured.items():
        ours = _analysed(case, optimizer)
        verdict = _verdict(ours.peak_bytes, theirs, TRAINING_BOUND)
        note = _LAYOUT if verdict == "close" else None
        if verdict != "equal" and _analysed(case, optimizer, adds_anew=True).peak_bytes == theirs:
            verdict, note = "explained", _ANEW
        yield Figure(
            check="memory", what=f"peak bytes of a training step, {optimizer}", ours=ours.peak_bytes, theirs=theirs,
            verdict=verdict, by=_BY, layer=ours.layer if verdict == "differs" else None, note=note,
        )  # fmt: skip


def _analysed(case: Case, optimizer: Optimizer, *, adds_anew: bool = False) -> TrainingMemory:
    found = analyzer.analyze(case.graph, batch=case.batch, training=optimizer, adds_anew=adds_anew).training
    assert found is not None  # noqa: S101 an optimizer was named
    return found


def training_peaks(network: Network) -> dict[Optimizer, int]:
    """Return the peak of a steady training step by the optimizer, as the tracker sees it; nothing if nothing trains.

    Forward and backward are the same for all of them and run once. Each optimizer's state, which is there all the time
    from its second step on, is added to their peak; its own second step is tracked on the gradients that they left.
    """
    trained = [each for each in network.module.parameters() if each.requires_grad]
    if not trained:
        return {}
    before = tracker(network.module, *network.inputs)
    with before:
        forward_and_backward(network)
    peaks: dict[Optimizer, int] = {}
    for name in OPTIMIZERS:
        optimizer = made(name, trained)
        optimizer.step()
        step = tracker(network.module, optimizer, *network.inputs)
        with step:
            optimizer.step()
        peaks[name] = max(total(before) + _state(optimizer), total(step))
    for each in trained:
        each.grad = None
    return peaks


def made(name: Optimizer, parameters: list[torch.Tensor]) -> torch.optim.Optimizer:
    """Return torch's optimizer that takes one parameter after the other."""
    import torch

    if name == "adam":
        return torch.optim.Adam(parameters, foreach=False)
    return torch.optim.SGD(parameters, momentum=0.9 if name == "momentum" else 0.0, foreach=False)


def _state(optimizer: torch.optim.Optimizer) -> int:
    return sum(value.nbytes for state in optimizer.state.values() for value in state.values() if value is not None)


def forward_and_backward(network: Network) -> None:
    """Run both, with a loss that keeps every output until it has handed each a gradient of its own."""
    outputs = [each for each in network.outputs() if each.requires_grad]
    if outputs:
        loss = _loss().apply(*outputs)
        del outputs
        loss.backward(loss.new_empty(0))


@cache
def _loss() -> Any:
    import torch

    class Loss(torch.autograd.Function):  # type: ignore[misc] # torch is not followed
        """Takes no memory itself."""

        @staticmethod
        def forward(ctx: Any, *outputs: torch.Tensor) -> torch.Tensor:
            ctx.save_for_backward(*outputs)
            return outputs[0].new_empty(0)

        @staticmethod
        def backward(ctx: Any, _gradient: torch.Tensor) -> Any:
            found = tuple(torch.ones_like(each) for each in ctx.saved_tensors)
            return found if len(found) > 1 else found[0]

    return Loss


# An inference


def inference_peak(network: Network) -> int:
    """Return the most bytes that are there at once in a forward in evaluation, without gradients."""
    import torch

    network.module.eval()
    found = tracker(network.module, *network.inputs)
    with torch.no_grad(), found:
        network.module(*network.inputs)
    return total(found)


def _inference(case: Case, network: Network) -> Figure:
    ours, theirs = case.analysis.memory, inference_peak(network)
    verdict = _verdict(ours.peak_bytes, theirs, INFERENCE_BOUND)
    return Figure(
        check="memory", what="peak bytes of an inference", ours=ours.peak_bytes, theirs=theirs, verdict=verdict,
        by=_BY, layer=ours.layer if verdict == "differs" else None,
    )  # fmt: skip


def _eager(case: Case) -> Figure:
    """Compare with the forward of the reference network, which holds what its author's variables hold.

    What another network holds says nothing: it differs.
    """
    from cnnprof.validator.reference import reference

    by = str(case.against)
    module = reference(by)
    with fake_tensors(), asking(by, case.graph):
        theirs = inference_peak(Network(on_fakes(module), fake_inputs(case, case.batch)))
    ours, params = case.analysis.memory.peak_bytes, sum(each.numel() for each in module.parameters())
    verdict: Verdict = "equal"
    note = None
    if params != case.analysis.totals.params:
        verdict, note = "differs", f"another network, of {params:,} parameters"
    elif ours != theirs:
        verdict, note = "explained", _HELD if ours < theirs else _ORDER
    return Figure(
        check="memory", what="peak bytes of an inference, as it is programmed", ours=ours, theirs=theirs,
        verdict=verdict, by=by, note=note,
    )  # fmt: skip


def _verdict(ours: int, theirs: int, bound: float) -> Verdict:
    if ours == theirs:
        return "equal"
    return "close" if abs(ours - theirs) <= bound * theirs else "differs"
