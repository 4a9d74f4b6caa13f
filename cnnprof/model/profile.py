"""What the raw samples of one part of a run say: a time per layer, the ledger, doubts. Plain data, in seconds."""

from __future__ import annotations

from cnnprof.model.plain import Plain


class Estimate(Plain, frozen=True, kw_only=True):
    """A median of samples. ``low_s`` and ``high_s`` are its 95 % interval by order statistics."""

    median_s: float
    mad_s: float
    """Median absolute deviation from the median, unscaled."""
    low_s: float | None
    high_s: float | None
    """None for fewer than six samples, of which not even the whole range is a 95 % interval."""
    min_s: float
    n: int
    """Samples that the median is of: the clean ones, or all where none is clean."""
    dirty: int = 0
    """Samples that were disturbed."""
    bimodal: bool = False

    @property
    def interval(self) -> float | None:
        """Half of the 95 % interval, as a part of the median."""
        if self.low_s is None or self.high_s is None:
            return None
        return (self.high_s - self.low_s) / 2 / self.median_s


class LayerTime(Plain, frozen=True, kw_only=True):
    """Times of one row of the table, in the network unless said otherwise; None: not measured."""

    name: str
    time: Estimate | None = None
    """Without the marks' own; of an accelerator its own time, pass Q, where there is that pass."""
    launch_gap_s: float | None = None
    """What the layer takes longer in pass L, because the accelerator waits for its host; None without pass Q. Negative
    where it took less there."""
    cpu_time: Estimate | None = None
    """CPU time of the calling thread; None where several threads make it meaningless."""
    calls: int = 0
    """Times it runs in one forward; the time is of all of them."""
    below_resolution: bool = False
    """True where the time is less than five times what its marks cost: then it is shown as less than that."""
    resolution_s: float | None = None
    """Those five times; None where the row has no marks."""
    kernel: str | None = None
    """The operator, or on a GPU the kernel, that takes longest in it (pass K)."""
    launches: int | None = None
    """Kernels and copies that it launches on a GPU in one forward; None where nothing told, and on a CPU."""
    hot: Estimate | None = None
    """By itself, over and over: all in the caches."""
    cold: Estimate | None = None
    """By itself, weights out of the caches, input in them."""


class Ledger(Plain, frozen=True, kw_only=True):
    """Where the time of a forward goes. ``unexplained_s`` is signed, and the remainder of no other line.

    end to end = layers + launch gaps + glue + unexplained; what the marks cost stands beside it.
    """

    end_to_end: Estimate
    """Pass E: the forward without any marks."""
    layers_s: float
    """All layers together: the median of what they add up to in a forward, of pass Q where there is one, else of L."""
    rows_s: float
    """The sum of the layers' own medians, as they stand in the table."""
    glue_s: float
    """Between the layers: Python, hooks, freeing tensors."""
    launch_gaps_s: float | None = None
    """What the layers take longer in pass L than in pass Q: an accelerator waits for its host to launch the next
    kernel. None where there is no pass Q; a CPU launches nothing."""
    unexplained_s: float
    unexplained_low_s: float
    unexplained_high_s: float
    """95 % interval by bootstrap over the forwards of both passes."""
    marked: Estimate
    """Pass L: the forward with its marks."""

    @property
    def marks_s(self) -> float:
        """What the marks cost: pass L less pass E."""
        return self.marked.median_s - self.end_to_end.median_s

    @property
    def unexplained_share(self) -> float:
        """The unexplained as a part of the whole."""
        return self.unexplained_s / self.end_to_end.median_s


class Doubt(Plain, frozen=True, kw_only=True):
    """A named reason to trust a figure less, and what can still be tried."""

    code: str
    message: str
    hint: str | None = None


class Profile(Plain, frozen=True, kw_only=True):
    """One part of a run, digested."""

    protocol: str
    """One line: passes, device, batch, dtype, layout, threads, samples."""
    layers: tuple[LayerTime, ...] = ()
    """One per row of the analysis, in its order."""
    whole: Estimate | None = None
    """Pass E."""
    cpu_whole: Estimate | None = None
    """CPU time of the calling thread in pass E; None with several threads, and where it waits for an accelerator."""
    device_whole: Estimate | None = None
    """Pass E on the accelerator's own clock; None on a CPU."""
    host_bound: float | None = None
    """Part of the forward, pass E, in which an accelerator does not compute: 1 − layers of pass Q ÷ E."""
    graph: Estimate | None = None
    """Pass G: replays of a graph of the whole, which no host has to launch."""
    graph_gain: float | None = None
    """How many times as long as a replay the forward takes: E ÷ G."""
    flushed: Estimate | None = None
    """Pass F: the whole right after the accelerator's last cache was overwritten."""
    flush_factor: float | None = None
    """How many times as long it takes then: F ÷ E."""
    phases: dict[str, Estimate] = {}
    """Of a training step: forward, backward, optimizer."""
    images_per_s: float | None = None
    ledger: Ledger | None = None
    doubts: tuple[Doubt, ...] = ()
    threads: int | None = None
