"""The fault bench on many bases: the same faults, injected into healthy networks drawn from the zoo.

    python benchmarks/fault_zoo.py --zoo FOLDER --half test --out FOLDER [--networks 16] [--seed 1] [--raw]

`--zoo` is a folder in which `healthy_zoo.py` has trained and selected the same half. For every kind of fault that many
of its healthy networks are drawn that it fits, two of a data set at most, before anything is injected; those that train
as well with the bench's own seeds get it at five doses. Halves are the zoo's: rules are tuned on `tuning`, and `test`
is run to report. Harm and what is told are as in `fault_bench.py`, which has eleven bases of its own. With `--raw` the
networks are those that train well on raw inputs or targets, and the faults those that leave both as they are: what is
odd and harmless must not be taken for the root.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from campaign import Finished, Job, run_jobs
from fault_bases import Base
from fault_bench import parser_of, run_bench
from fault_harm import LEAST
from fault_injections import SEEDS, Injection
from fault_kinds import FAULTS, Fault
from finished_runs import finish, read_lines
from healthy_zoo import Line, candidates
from zoo_data import DataSet, prepare
from zoo_grid import HALVES, Candidate

PER_DATA_SET = 2
"""Networks of one data set, for one kind of fault."""

USUAL_LOSS = {"accuracy": "cross_entropy", "r2": "mse"}
"""What the faults of a loss or of an output are defined beside."""

OF_SCALE = frozenset({"unscaled inputs", "unscaled targets", "clipped delta"})
"""Kinds of faults that set the scale of inputs or targets."""


def base_of(one: Candidate, sets: Mapping[str, DataSet], *, raw: bool = False) -> Base | None:
    """Give a healthy network as a base; None of one that not every fault can be put into.

    It has one kind of hidden units and of initial weights, the loss of its task, and a yardstick; and its inputs and
    targets are scaled, as raw ones are faults themselves, or one of them is raw where that is asked for.
    """
    config: dict[str, Any] = json.loads(json.dumps(one.config))
    config.pop("seed", None)
    model, yardstick = config["model"], sets[one.data_set].yardstick
    plain = isinstance(model.get("activation"), str) and isinstance(model.get("init"), str)
    if model.get("kind") == "rnn" or not model.get("hidden") or not plain or yardstick == "skill":
        return None
    data, loss = config["data"], USUAL_LOSS[yardstick]
    if config["training"].get("loss", loss) != loss or "output" in model:
        return None
    is_raw = data.get("scale") == "none" or (yardstick == "r2" and data.get("scale_targets") != "standard")
    if is_raw is not raw:
        return None
    return Base(_name(one), config, yardstick)


def drawn_injections(
    healthy: Sequence[Candidate],
    sets: Mapping[str, DataSet],
    networks: int,
    generator: np.random.Generator,
    *,
    raw: bool = False,
) -> Iterator[Injection]:
    """Yield every kind of fault at five doses, in as many networks that it fits."""
    known = [(one, base) for one in healthy if (base := base_of(one, sets, raw=raw)) is not None]
    for fault in FAULTS:
        if raw and fault.name in OF_SCALE:
            continue
        for base in _drawn_bases(known, fault, networks, generator):
            for dose, keys in enumerate(fault.doses(base), start=1):
                yield Injection(base, (fault,), dose, SEEDS[0], keys)


def is_fit(fault: Fault, base: Base) -> bool:
    """Tell whether a fault can be put into a base, and stays there: dropout makes equal units differ."""
    model = base.config["model"]
    tells_units_apart = bool(model.get("dropout")) and fault.diagnosis == "symmetric_units"
    starts_elsewhere = model.get("output_bias") == "prior" and fault.diagnosis == "clipped_delta"
    return fault.fits(base) and not tells_units_apart and not starts_elsewhere


def _drawn_bases(
    known: Sequence[tuple[Candidate, Base]], fault: Fault, networks: int, generator: np.random.Generator
) -> list[Base]:
    found: list[Base] = []
    of_data_set: Counter[str] = Counter()
    for place in generator.permutation(len(known)):
        one, base = known[place]
        if len(found) < networks and of_data_set[one.data_set] < PER_DATA_SET and is_fit(fault, base):
            of_data_set[one.data_set] += 1
            found.append(base)
    return found


def with_healthy_twins(
    faults: Sequence[Injection], healthy: Sequence[Candidate], options: argparse.Namespace
) -> list[Injection]:
    """Give the injections into networks that train as well with the bench's seeds as the one that was selected."""
    twins = {(one.base.name, seed): Injection(one.base, (), 0, seed, {}) for one in faults for seed in SEEDS}
    jobs = [Job(twin.key, twin.config) for twin in twins.values()]
    lines = read_lines(options.out, Finished) if options.rejudge else run_jobs(jobs, options.out, options.workers)
    selected = read_lines(options.zoo, Line)
    scores = {_name(one): selected[one.key].scores for one in healthy}

    def is_as_good(base: Base, seed: int) -> bool:
        line = lines.get(twins[base.name, seed].key)
        own = None if line is None else line.scores.get(base.yardstick)
        return own is not None and own >= (scores[base.name][base.yardstick] or 0.0) - LEAST[base.yardstick]

    sound = {one.base.name for one in faults if all(is_as_good(one.base, seed) for seed in SEEDS)}
    print(f"{len(sound)} of {len({one.base.name for one in faults})} networks train as well with other seeds")
    return [one for one in faults if one.base.name in sound]


def _name(one: Candidate) -> str:
    return f"{one.family} {one.key[:4]}"


def main() -> int:
    """Draw networks of the zoo, and inject faults into them."""
    parser = parser_of(__doc__)
    parser.add_argument("--zoo", type=Path, required=True, metavar="FOLDER", help="where healthy_zoo.py has run")
    parser.add_argument("--half", choices=HALVES, default="tuning", help="of the zoo's families")
    parser.add_argument("--networks", type=int, default=16, metavar="N", help="per kind of fault, if it fits so many")
    parser.add_argument("--seed", type=int, default=1, help="of the draw")
    parser.add_argument("--raw", action="store_true", help="networks on raw data, and no faults of scale")
    options = parser.parse_args()
    selection = options.zoo / f"selection-{options.half}.json"
    if not selection.is_file():
        print(f"{selection} is missing: run healthy_zoo.py --half {options.half} first", file=sys.stderr)
        return 2
    healthy = set(json.loads(selection.read_text(encoding="utf-8"))["healthy"])
    sets = prepare(options.out)
    chosen = [one for one in candidates(sets, (options.half,)) if one.key in healthy]
    generator = np.random.default_rng(options.seed)
    faults = [*drawn_injections(chosen, sets, options.networks, generator, raw=options.raw)]
    return run_bench(options, with_healthy_twins(faults, chosen, options))


if __name__ == "__main__":
    finish(main)
