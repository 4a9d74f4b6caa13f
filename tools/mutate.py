"""Mistakes in networks of the zoo, one in each mutant: which share does validating detect, and at the right layer?

    OMP_NUM_THREADS=1 python tools/mutate.py --mutants 600 --seed 1
    OMP_NUM_THREADS=1 python tools/mutate.py --mutants 200 --seed 1 --checks reference --networks resnet18,googlenet

``network`` compares with the original layer by layer, ``names`` does so under other names, ``facts`` compares with the
published figures: these three take milliseconds, for the whole zoo. ``reference`` compares with torchvision's network
of the same weights: about a second each. Misses are printed, whatever they are.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measuring import described, machine
from tests.helpers.mutation import CHECKS, Report, run, summary, zoo


def main() -> int:
    """Mutate, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutants", type=int, default=600, help="networks with a mistake (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the mistakes (%(default)s)")
    parser.add_argument("--checks", default="network,names,facts", help=f"some of {','.join(CHECKS)} (%(default)s)")
    parser.add_argument("--networks", help="names from the zoo, with commas between; by default the whole zoo")
    arguments = parser.parse_args()
    names = zoo() if arguments.networks is None else arguments.networks.split(",")
    where = described(machine())

    def told(report: Report) -> None:
        print(f"{report.mutants} mutants", end="\r", file=sys.stderr, flush=True)

    report = run(names, arguments.mutants, arguments.seed, arguments.checks.split(","), told)
    print(f"tools/mutate.py --mutants {arguments.mutants} --seed {arguments.seed} --checks {arguments.checks}")
    print(where)
    print(summary(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
