"""CPU time and memory of whole ``cnnprof`` processes beside bare Python, interleaved in one run.

    python benchmarks/startup.py [ROUNDS]

Prints the median CPU time (user + system) and the peak memory of each child, and the ratio to bare Python.
"""

from __future__ import annotations

import os
import platform
import random
import statistics
import subprocess
import sys

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "cnnprof --help": ["-m", "cnnprof", "--help"],
    "cnnprof analyze lenet5": ["-m", "cnnprof", "analyze", "lenet5"],
    "cnnprof analyze vgg16": ["-m", "cnnprof", "analyze", "vgg16"],
    "cnnprof analyze vgg16 -f json": ["-m", "cnnprof", "analyze", "vgg16", "-f", "json"],
    "cnnprof analyze efficientnet_b7": ["-m", "cnnprof", "analyze", "efficientnet_b7"],
}
KIB_PER_MIB = 1024


def measure(arguments: list[str]) -> tuple[float, float]:
    """Return CPU time in seconds and peak resident memory in MiB of one child."""
    child = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise SystemExit(f"{arguments} exited with {child.returncode}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / KIB_PER_MIB


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    samples: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name in random.sample(list(COMMANDS), len(COMMANDS)):
            samples[name].append(measure(COMMANDS[name]))
    base = statistics.median(time_s for time_s, _ in samples["python -c pass"])
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, {rounds} rounds")
    print(f"{'command':<34}{'CPU, median':>14}{'min':>10}{'× python':>10}{'peak memory':>14}")
    for name, found in samples.items():
        times = [time_s for time_s, _ in found]
        median = statistics.median(times)
        memory = max(mib for _, mib in found)
        print(f"{name:<34}{median * 1e3:>11.0f} ms{min(times) * 1e3:>7.0f} ms{median / base:>10.1f}{memory:>10.1f} MiB")


if __name__ == "__main__":
    main()
