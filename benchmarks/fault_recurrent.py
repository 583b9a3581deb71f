"""The fault bench of recurrent networks: faults injected at five doses into networks that read sequences.

    python benchmarks/fault_recurrent.py --out FOLDER [--half tuning] [--workers 2] [--json FILE]

Tasks, cells and optimizers are fixed beforehand; a network is a base if it trains well with all three seeds, decided by
its score before any diagnosis runs. Halves, harm and what is told are as in `fault_bench.py`.
"""

import argparse
import sys
from collections.abc import Sequence

from campaign import Finished, Job, run_jobs
from fault_bases import Base
from fault_bench import parser_of, run_bench
from fault_injections import HALVES, SEEDS, Half, Injection
from finished_runs import finish, read_lines
from recurrent_kinds import RECURRENT_FAULTS, recurrent_bases

TRAINS_WELL = {"accuracy": 0.9, "r2": 0.8}
"""Validation score that a network must have with every seed."""


def sound_bases(bases: Sequence[Base], options: argparse.Namespace) -> list[Base]:
    """Train every base with all seeds, and give those that train well."""
    twins = {(base.name, seed): Injection(base, (), 0, seed, {}) for base in bases for seed in SEEDS}
    jobs = [Job(twin.key, twin.config) for twin in twins.values()]
    lines = read_lines(options.out, Finished) if options.rejudge else run_jobs(jobs, options.out, options.workers)

    def score(base: Base, seed: int) -> float:
        line = lines.get(twins[base.name, seed].key)
        return (line.scores.get(base.yardstick) if line else None) or 0.0

    sound = [base for base in bases if all(score(base, seed) >= TRAINS_WELL[base.yardstick] for seed in SEEDS)]
    print(f"{len(sound)} of {len(bases)} networks train well with every seed")
    return sound


def main() -> int:
    """Inject the faults of a half into the networks that train well."""
    halves: tuple[Half, ...] = HALVES
    parser = parser_of(__doc__)
    parser.add_argument("--half", choices=halves, default="tuning", help="which half of base × fault")
    options = parser.parse_args()
    sound = sound_bases([*recurrent_bases()], options)
    if not sound:
        print("no network trains well", file=sys.stderr)
        return 2
    faults = [
        Injection(base, (fault,), dose, SEEDS[0], keys)
        for base in sound
        for fault in RECURRENT_FAULTS
        if fault.fits(base)
        for dose, keys in enumerate(fault.doses(base), start=1)
    ]
    return run_bench(options, [one for one in faults if one.half == options.half])


if __name__ == "__main__":
    finish(main)
