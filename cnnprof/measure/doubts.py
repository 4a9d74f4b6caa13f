"""Reasons to trust figures less, each with what it means for them and what this user can still try.

A doubt is a function in ``CATALOGUE``; its hint knows what was asked for already, and does not ask for it again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from cnnprof.measure import accelerator_doubts as accelerator
from cnnprof.measure.digest import OFTEN, OPEN, Digest, larger_batch, longer, many, percent
from cnnprof.measure.protocol import FEWEST_CLEAN, MOST_FORWARDS
from cnnprof.measure.samples import ENOUGH, Samples
from cnnprof.measure.statistics import median
from cnnprof.model.profile import Doubt, Estimate, LayerTime, Ledger

HEAVY = 0.08
"""Of the whole: what marks may cost; measured, they cost 0 to 2 % of large networks and to 8 % of MobileNetV2."""
MATTERS = 0.01
"""Of the layers' time: what is less is no reason to doubt a table."""
FULL = 0.9
"""Of the memory: beyond, the system begins to swap."""
PAGES = 1000
"""Per forward: fewer are not what its time goes into."""
KEEP = "MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=-1 before the command has glibc keep it, there and where you deploy"
_NAMED = 3


def doubts(digest: Digest) -> tuple[Doubt, ...]:
    """Return every doubt that there is reason for, in the order of the catalogue."""
    return tuple(found for each in CATALOGUE if (found := each(digest)) is not None)


# How it ended


def _ended(digest: Digest) -> Doubt | None:
    part = digest.part
    kept = "what was measured before is shown" if digest.measured else "nothing was measured"
    if part.code == "batch-too-large":
        return Doubt(code="out-of-memory", message=part.problem or "", hint=part.hint)
    if part.status == "out-of-memory":
        return Doubt(code="out-of-memory", message=f"the memory did not suffice; {kept}", hint=part.hint)
    if part.status == "failed":
        why = part.problem or "the measuring process ended"
        return Doubt(code="failed", message=f"{why}; {kept}", hint=part.hint)
    if part.status in ("interrupted", "running"):
        how = "was interrupted" if part.status == "interrupted" else "has not ended"
        hint = "cnnprof profile --resume RUN goes on"
        return Doubt(code="unfinished", message=f"measuring {how}; {kept}", hint=hint)
    return None


def _impossible(digest: Digest) -> Doubt | None:
    count = sum(found.impossible for found in digest.passes.values())
    if not count:
        return None
    message = f"{many(count, 'forward')} had a time of 0 or below, or lacked marks: left out, the clock is to blame"
    return Doubt(code="impossible-times", message=message, hint="measure again; a virtual machine's clock may jump")


# Who else was busy


def _dirty(digest: Digest) -> Doubt | None:
    of = [found for _, found in digest.measured]
    dirty, taken = sum(len(each.dirty) for each in of), sum(each.taken for each in of)
    if not dirty:
        return None
    who = f"something else ran during {dirty} of {many(taken, 'forward')}{_others(of)}"
    quiet = "end other programs, or measure on CPUs of its own: taskset -c 0 cnnprof profile …"
    if any(each.poor for each in of):
        names = " and ".join(name for name, each in digest.measured if each.poor)
        few = "none" if not any(each.clean for each in of if each.poor) else f"fewer than {ENOUGH}"
        long = "all are used, and times are too long by an unknown part"
        message = f"{who}, and {few} of pass {names} were undisturbed: {long}"
        return Doubt(code="all-dirty", message=message, hint=quiet)
    if dirty <= OFTEN * taken:
        return None
    message = f"{who}: they are left out, the others may have lost their caches"
    return Doubt(code="some-dirty", message=message, hint=quiet)


def _others(of: Sequence[Samples]) -> str:
    known = [each.others for found in of for each in found.dirty if each.others is not None]
    busy = median(known) if known else 0.0
    return f" (other processes used {busy:.1f} CPUs)" if busy >= OFTEN else ""


def _unjudged(digest: Digest) -> Doubt | None:
    if not digest.measured or any(found.judged for _, found in digest.measured):
        return None
    message = "nothing here says whether other programs were busy: disturbed forwards are not left out"
    return Doubt(code="load-unknown", message=message, hint=_one_thread(digest))


def _threads(digest: Digest) -> Doubt | None:
    threads = digest.profile.threads
    if not digest.measured or digest.accelerated or threads is None or threads <= 1:
        return None
    message = (
        f"{threads} threads: their CPU time means nothing, because they spin while they wait, so that disturbed "
        "forwards are told by the load of other processes alone"
    )
    return Doubt(code="threads-many", message=message, hint=_one_thread(digest))


def _one_thread(digest: Digest) -> str | None:
    if digest.part.setting.threads is None and not digest.accelerated:
        return "--threads 1 measures what one core does, and tells exactly"
    return None


def _oversubscribed(digest: Digest) -> Doubt | None:
    threads, cores = digest.profile.threads, digest.part.environment.get("cores")
    if threads is None or cores is None or threads <= cores:
        return None
    message = f"{threads} threads share {many(cores, 'core')}: they wait for each other"
    return Doubt(code="oversubscribed", message=message, hint=f"--threads {cores}")


def _governor(digest: Digest) -> Doubt | None:
    governor = digest.part.environment.get("governor")
    if governor in (None, "performance"):
        return None
    message = f"the CPU's frequency follows its load (governor {governor}): a time depends on what ran before"
    return Doubt(code="governor", message=message, hint="cpupower frequency-set --governor performance, as root")


def _memory(digest: Digest) -> Doubt | None:
    memory, there = digest.part.memory, digest.part.environment.get("memory_bytes")
    if memory is None or not there or memory.peak_bytes <= FULL * there:
        return None
    message = f"the network needs {percent(memory.peak_bytes / there)} of the memory: what is swapped out takes longer"
    return Doubt(code="memory-tight", message=message, hint="a smaller --batch")


def _faults(digest: Digest) -> Doubt | None:
    ends = () if digest.accelerated else digest.passes["E"].used
    known = [each for each in ends if each.faults is not None and each.system_ns is not None]
    if not known:
        return None
    took_ns = math.fsum(each.wall_ns for each in known) * (digest.profile.threads or 1)
    share = math.fsum(each.system_ns or 0 for each in known) / took_ns
    count = median(each.faults or 0 for each in known)
    if share <= OPEN or count < PAGES:
        return None
    message = (
        f"{percent(share)} of the time is the system's, which hands out {count:,.0f} pages of memory anew in each "
        "forward: the allocator gives back what layers free"
    )
    where = digest.part.environment
    glibc = (where.get("libc") or "").startswith("glibc") and not where.get("allocator")
    return Doubt(code="page-faults", message=message, hint=KEEP if glibc else None)


# How well it is known


def _few(digest: Digest) -> Doubt | None:
    few = [(name, len(found.used)) for name, found in digest.measured if len(found.used) < FEWEST_CLEAN]
    if not few:
        return None
    counts = " and ".join(f"{count} of pass {name}" for name, count in few)
    message = f"only {counts}: an interval of so few forwards is wide, and two groups of times cannot be seen"
    return Doubt(code="too-few-samples", message=message, hint=longer(digest))


def _wide(digest: Digest) -> Doubt | None:
    found = digest.profile.whole
    if found is None or found.n < FEWEST_CLEAN or found.interval is None or found.interval <= digest.interval:
        return None
    message = f"the whole is known to ± {percent(found.interval)}, and ± {percent(digest.interval)} was asked for"
    capped = found.n + found.dirty >= MOST_FORWARDS
    why = f"{found.n} forwards differ too much" if capped else "the budget ended first"
    return Doubt(code="interval-wide", message=f"{message}: {why}", hint=longer(digest))


def _not_steady(digest: Digest) -> Doubt | None:
    if digest.part.steady is not False:
        return None
    message = "warm-up had to end before times were seen to stay alike: the first ones may be too long"
    return Doubt(code="not-steady", message=message, hint=longer(digest))


def _bimodal_total(digest: Digest) -> Doubt | None:
    found = digest.profile.whole
    if found is None or not found.bimodal:
        return None
    message = "forwards fall into two groups of times: the median may lie in either, and jump between runs"
    return Doubt(code="bimodal-total", message=message, hint="the run's samples show both: cnnprof runs export")


def _bimodal_layers(digest: Digest) -> Doubt | None:
    whole = _layers_s(digest)
    names = [name for name, time in _times(digest.profile.layers) if time.bimodal and time.median_s > MATTERS * whole]
    if not names:
        return None
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    message = f"two groups of times in {', '.join(names[:_NAMED])}{more}: the median may lie in either"
    return Doubt(code="bimodal-layers", message=message, hint=longer(digest))


def _times(layers: Sequence[LayerTime]) -> Iterator[tuple[str, Estimate]]:
    return ((each.name, each.time) for each in layers if each.time is not None)


def _layers_s(digest: Digest) -> float:
    return math.fsum(time.median_s for _, time in _times(digest.profile.layers))


def _resolution(digest: Digest) -> Doubt | None:
    below = [each for each in digest.profile.layers if each.below_resolution]
    whole = _layers_s(digest)
    most = math.fsum(each.resolution_s or 0.0 for each in below)
    if not below or most <= MATTERS * whole:
        return None
    known = math.fsum(each.time.median_s for each in below if each.time is not None)
    share = percent(known / whole) if whole else "all"
    message = (
        f"{many(len(below), 'layer')}, together {share} of the layers' time, take less than five times what measuring "
        "them costs: their times are bounds"
    )
    return Doubt(code="below-resolution", message=message, hint=larger_batch(digest))


# Whether it adds up


def _open(digest: Digest) -> Doubt | None:
    ledger = digest.profile.ledger
    if ledger is None or _below_nothing(ledger) or abs(ledger.unexplained_share) <= OPEN:
        return None
    share = percent(abs(ledger.unexplained_share))
    if ledger.unexplained_s > 0:
        message = f"{share} of the forward is in no layer and no gap: layers' times are too short to add up to it"
    else:
        message = f"layers and gaps take {share} more than the forward without marks: their times are too long"
    return Doubt(code="ledger-open", message=message, hint=longer(digest))


def _below_nothing(ledger: Ledger) -> bool:
    return ledger.glue_s < -MATTERS * ledger.end_to_end.median_s


def _mismeasured(digest: Digest) -> Doubt | None:
    ledger = digest.profile.ledger
    if ledger is None or not _below_nothing(ledger):
        return None
    share = percent(-ledger.glue_s / ledger.end_to_end.median_s)
    message = (
        f"less than nothing is left of the gaps between layers, by {share} of the forward: what marks cost was "
        "measured too high, and glue and unexplained are wrong by about as much"
    )
    return Doubt(code="marks-mismeasured", message=message, hint="measure again, with nothing else running")


def _heavy(digest: Digest) -> Doubt | None:
    ledger = digest.profile.ledger
    if ledger is None or ledger.marks_s <= HEAVY * ledger.end_to_end.median_s:
        return None
    share = percent(ledger.marks_s / ledger.end_to_end.median_s)
    message = f"the marks between layers make the forward {share} longer: times of small layers are uncertain"
    return Doubt(code="marks-heavy", message=message, hint=larger_batch(digest))


def _values(digest: Digest) -> Doubt | None:
    found = digest.part.output_std
    if not digest.measured or digest.part.status not in ("done", "budget"):
        return None  # the output is looked at in the end
    if found is not None and math.isfinite(found) and found > 0:
        return None
    says = "all values of the output are alike" if found == 0 else "the output is not finite"
    message = f"{says}: computing on such values may be faster or slower than on real ones"
    half = digest.part.setting.dtype in ("float16", "bfloat16")
    return Doubt(code="no-real-values", message=message, hint="--dtype float32" if half else None)


CATALOGUE: tuple[Callable[[Digest], Doubt | None], ...] = (
    _ended, _values, _impossible, accelerator.unqueued, _dirty, _unjudged, accelerator.throttled,
    accelerator.moving_clocks, _oversubscribed, _memory, _faults, _few, _not_steady, _wide, _bimodal_total,
    accelerator.host_bound, accelerator.cache_hot, _mismeasured, _open, _heavy, _bimodal_layers, _resolution,
    accelerator.unverified, accelerator.copies_cut, accelerator.unknown_clocks, _threads, _governor,
)  # fmt: skip
"""Every doubt, the gravest first."""
CODES = (
    "out-of-memory", "failed", "unfinished", "no-real-values", "impossible-times", "all-dirty", "some-dirty",
    "load-unknown", "oversubscribed", "memory-tight", "page-faults", "too-few-samples", "not-steady", "interval-wide",
    "bimodal-total", "marks-mismeasured", "ledger-open", "marks-heavy", "bimodal-layers", "below-resolution",
    "threads-many", "governor",
    "not-queued", "clocks-throttled", "clocks-moved", "host-bound", "cache-hot", "copies-unverified", "clocks-unknown",
    "copies-cut",
)  # fmt: skip
