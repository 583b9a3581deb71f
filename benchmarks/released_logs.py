"""What the peers' own released logs say of models that train well, and whether our re-implementations agree with them.

    git clone https://github.com/DeepDiagnosis/ICSE2022 && python benchmarks/released_logs.py ICSE2022

The repository of DeepDiagnosis (ICSE 2022) has what DeepDiagnosis, DeepLocalize and UMLAUT said of the models that
AutoTrainer's authors call normal: the share with an alarm is tabulated. For seventeen of AutoTrainer's own runs it has
the history of every epoch beside AutoTrainer's decision: its history rules, as re-implemented, must allow that
decision.
"""

import argparse
import ast
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from intervals import Share
from peer_autotrainer import DELTA, THETA, largest_rise, oscillates

RESULTS = {
    "DeepDiagnosis": "DeepDiagnosis Result/*_Result.txt",
    "DeepLocalize": "DeepLocalize Result/*.txt",
    "UMLAUT": "UMLUAT Result/*/Normal.txt",
}
NORMAL = "/normal/"
STRICT, STRICT_THETA = "difference threshold", 1.0
"""The folder of runs for which the authors asked for an accuracy of 100 %."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What AutoTrainer decided of a run, and what its history rules, as re-implemented, say of the same history.

    Attributes:
        run: Its folder.
        problems: As logged at the last check.
        struggles: Whether our rules call it not converged or slow, without which no gradient problem is reported.
        unstable: Whether our rules call it oscillating.
    """

    run: str
    problems: tuple[str, ...]
    struggles: bool
    unstable: bool

    @property
    def agrees(self) -> bool:
        """Whether the decision is one that our rules allow."""
        if not self.problems:
            return not self.unstable
        gradients = bool({"vanish", "explode", "relu", "not_converge"} & set(self.problems))
        return self.struggles if gradients else self.unstable == ("unstable" in self.problems)


def published_alarms(checkout: Path) -> Iterator[tuple[str, str, Share]]:
    """Yield tool, file, and the share of normal models that it raised an alarm on."""
    for tool, pattern in RESULTS.items():
        for path in sorted(checkout.glob(pattern)):
            name = path.parent.name if path.stem == "Normal" else path.stem
            lines = [line for line in path.read_text(encoding="utf-8").splitlines() if NORMAL in line]
            if not lines:
                continue
            alarms = [bool(line.partition(NORMAL)[2].partition("/")[2].strip()) for line in lines]
            yield tool, name, Share(sum(alarms), len(alarms))


def decisions(checkout: Path) -> Iterator[Decision]:
    """Yield the runs of AutoTrainer that have both a history and a decision."""
    for log in sorted(checkout.rglob("monitor_detection.log")):
        history = log.parent.parent / "log_dir" / "log.csv"
        lines = log.read_text(encoding="utf-8").splitlines()
        if not history.exists() or not lines:
            continue
        with history.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        training, unseen = ([float(row[name]) for row in rows] for name in ("accuracy", "val_accuracy"))
        theta = STRICT_THETA if STRICT in log.parts else THETA
        slow = max(largest_rise(training), largest_rise(unseen)) < DELTA
        yield Decision(
            str(log.parent.parent.parent.relative_to(checkout)),
            tuple(ast.literal_eval("[" + lines[-1].partition("[")[2].partition("]")[0] + "]")),
            struggles=slow or max(*training, *unseen) < theta,
            unstable=oscillates(training),
        )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path, help="of github.com/DeepDiagnosis/ICSE2022")
    checkout: Path = parser.parse_args().checkout
    totals: dict[str, Share] = {}
    print("| tool | normal models of | with an alarm, as released |\n|---|---|---|")
    for tool, name, share in published_alarms(checkout):
        print(f"| {tool} | {name} | {share} |")
        so_far = totals.get(tool, Share(0, 0))
        totals[tool] = Share(so_far.hits + share.hits, so_far.total + share.total)
    for tool, share in totals.items():
        print(f"| {tool} | all | {share} |")
    found = list(decisions(checkout))
    print(f"\nAutoTrainer: our history rules allow {sum(one.agrees for one in found)} of {len(found)} decisions")
    for one in found:
        if not one.agrees:
            print(f"  {one.run}: logged {list(one.problems)}, struggles {one.struggles}, unstable {one.unstable}")


if __name__ == "__main__":
    main()
