"""Random networks over the whole registry, every figure beside torch's: counts, and what differs as a small network.

    OMP_NUM_THREADS=1 python tools/fuzz.py --graphs 10000 --seed 1

The strategy and the comparisons are those of the tests (tests/helpers). Exit code 1 where a figure differs. The same
seed, number of graphs and version of Hypothesis draw the same networks.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measuring import described, machine
from tests.helpers.search import Tally, search, summary

_EVERY = 500


def main() -> int:
    """Search, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graphs", type=int, default=1000, help="networks to draw (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is drawn (%(default)s)")
    parser.add_argument("--block", type=int, default=10, help="networks of one kind in a row (%(default)s)")
    arguments = parser.parse_args()
    last = 0

    def told(tally: Tally, _name: str) -> None:
        nonlocal last
        if tally.graphs - last >= _EVERY:
            last = tally.graphs
            print(f"{last:,} networks, {len(tally.findings)} kinds of mismatch", file=sys.stderr, flush=True)

    where = described(machine())
    tally = search(arguments.graphs, arguments.seed, arguments.block, told)
    print(f"tools/fuzz.py --graphs {arguments.graphs} --seed {arguments.seed} --block {arguments.block}")
    print(where)
    print(summary(tally))
    return 1 if tally.findings else 0


if __name__ == "__main__":
    sys.exit(main())
