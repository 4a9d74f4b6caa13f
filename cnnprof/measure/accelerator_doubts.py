"""Reasons to trust figures of an accelerator less: its host, its clocks, its copies."""

from __future__ import annotations

from cnnprof.measure.digest import OFTEN, OPEN, Digest, larger_batch, longer, many, percent
from cnnprof.measure.sizes import moved
from cnnprof.model.profile import Doubt

HOST_BOUND = 0.1
"""Of the forward: what an accelerator may wait before its times say more about the host than about it."""
CACHED = 0.1
"""Of the forward: what it may take longer after the accelerator's cache was overwritten."""
CLOCKS_APART = 0.05
IDLE = ("gpu_idle",)
"""What is told as a reason for low clocks where there was nothing to do."""


def unqueued(digest: Digest) -> Doubt | None:
    """Doubt a pass Q that is no device time: it is missing, began too early, or took longer than pass L."""
    if not digest.accelerated or not digest.passes["L"].used:
        return None
    queued, ledger = digest.passes["Q"], digest.profile.ledger
    hint = larger_batch(digest)
    if not queued.used:
        message = (
            "nothing could be queued before the device began (no pass Q): layers' times are of pass L, and hold what "
            "the device waits for its host"
        )
        return Doubt(code="not-queued", message=message, hint=hint)
    if queued.unqueued > OFTEN * (queued.taken + queued.unqueued):
        message = (
            f"{many(queued.unqueued, 'forward')} of pass Q began before all of it was queued, and are left out: the "
            "others may have been close to it"
        )
        return Doubt(code="not-queued", message=message, hint=hint)
    gaps = 0.0 if ledger is None or ledger.launch_gaps_s is None else ledger.launch_gaps_s
    if ledger is None or -gaps <= OPEN * ledger.end_to_end.median_s:
        return None
    share = percent(-gaps / ledger.end_to_end.median_s)
    message = f"queued ahead (pass Q), layers take {share} of the forward longer than in turn (pass L): clocks differ"
    return Doubt(code="not-queued", message=message, hint=longer(digest))


def host_bound(digest: Digest) -> Doubt | None:
    """Doubt times that say more about the host than about the device; or that they do, where a replay gains nothing."""
    share = digest.profile.host_bound
    if share is None or share <= HOST_BOUND:
        return None
    gain = digest.profile.graph_gain
    if gain is not None and gain <= 1 + HOST_BOUND:
        message = (
            f"queued ahead (pass Q), layers take {percent(share)} of the forward less than it does, yet a replay, "
            f"which no host launches (pass G), is only {gain:.2f} times as fast: clocks differ, or the replay waits too"
        )
        return Doubt(code="not-queued", message=message, hint=longer(digest))
    message = f"for {percent(share)} of the forward the device waits for its host: a faster device would change little"
    ways = [larger_batch(digest)]
    if gain is not None:
        ways.append(f"or replay a graph of the forward, here {gain:.2f} times as fast (pass G)")
    if not digest.part.setting.compiled:
        ways.append("or --compile, which launches fewer kernels")
    return Doubt(code="host-bound", message=message, hint=", ".join(ways))


def cache_hot(digest: Digest) -> Doubt | None:
    """Doubt times of forwards that find in the cache what the one before has left there."""
    factor = digest.profile.flush_factor
    if factor is None or factor <= 1 + CACHED:
        return None
    message = (
        "the device's cache still holds of one forward what the next one reads: after it was overwritten a forward "
        f"takes {factor:.2f} times as long (pass F), as it may where other work runs between two"
    )
    return Doubt(code="cache-hot", message=message, hint=larger_batch(digest))


def throttled(digest: Digest) -> Doubt | None:
    """Doubt times of a device that held itself back."""
    reasons = dict.fromkeys(
        reason for said in digest.part.telemetry for reason in said.throttle or () if reason not in IDLE
    )
    if not reasons:
        return None
    message = f"the device held its clocks down ({', '.join(reasons)}): it is faster when cool, or with more power"
    hint = "nvidia-smi -q -d PERFORMANCE,POWER,TEMPERATURE says how much" if _is_cuda(digest) else None
    return Doubt(code="clocks-throttled", message=message, hint=hint or "let it cool, and measure again")


def moving_clocks(digest: Digest) -> Doubt | None:
    """Doubt times of a device that was faster before than after."""
    clocks = [said.sm_clock_mhz for said in digest.part.telemetry if said.sm_clock_mhz]
    if not clocks or max(clocks) - min(clocks) <= CLOCKS_APART * max(clocks):
        return None
    message = f"the device's clock was between {min(clocks)} and {max(clocks)} MHz: times are of no one speed"
    hint = f"nvidia-smi --lock-gpu-clocks {min(clocks)}, as root" if _is_cuda(digest) else longer(digest)
    return Doubt(code="clocks-moved", message=message, hint=hint)


def unknown_clocks(digest: Digest) -> Doubt | None:
    """Doubt times of a device of whose clocks nothing is known."""
    said = digest.part.telemetry
    if not digest.accelerated or any(each.sm_clock_mhz is not None or each.throttle is not None for each in said):
        return None
    message = "nothing says at which clocks the device ran, nor whether they were held down"
    return Doubt(code="clocks-unknown", message=message, hint="pip install nvidia-ml-py" if _is_cuda(digest) else None)


def unverified(digest: Digest) -> Doubt | None:
    """Doubt times of copies that may not have arrived."""
    copies = digest.part.copies
    wrong = sum(each.verified is False for each in copies)
    unseen = sum(each.verified is None for each in copies)
    if wrong:
        message = f"what arrived was not what was sent in {wrong} of {len(copies)} copies: their times are of no copy"
        return Doubt(code="copies-unverified", message=message, hint="the device's memory or its link is broken")
    if unseen and digest.accelerated:
        message = f"nobody looked whether {unseen} of {len(copies)} copies arrived: their times may be of less"
        return Doubt(code="copies-unverified", message=message)
    return None


def copies_cut(digest: Digest) -> Doubt | None:
    """Doubt lines through copies that lack some of the sizes that there should be."""
    part = digest.part
    asked, copied = set(moved(part)["sizes"]), {each.bytes for each in part.copies}
    missing = asked - copied
    if not missing or not copied or part.status not in ("done", "budget"):
        return None
    message = (
        f"{len(missing)} of {len(asked)} sizes were not copied, for want of time or of memory: nothing is said about "
        f"copies of more than {max(copied):,} bytes"
    )
    return Doubt(code="copies-cut", message=message, hint=longer(digest))


def _is_cuda(digest: Digest) -> bool:
    return digest.part.setting.device.startswith("cuda")
