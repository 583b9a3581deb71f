"""What sinks are told of a verdict: more often with time to spare, and otherwise the same."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from gradvitals import WatchingFailed
from gradvitals.diagnostics.diagnoses.base import judged
from gradvitals.diagnostics.diagnoses.catalogue import CATALOGUE
from gradvitals.diagnostics.findings import Judgement
from gradvitals.diagnostics.gate import Gate
from gradvitals.diagnostics.live_pace import SHARE_OF_LOOPS, LivePace
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.notes import Ending
from gradvitals.diagnostics.reporting import GROWTH
from gradvitals.diagnostics.tensorboard.reader import read_run
from gradvitals.diagnostics.tensorboard.run_record import read_record
from gradvitals.diagnostics.tensorboard.run_writer import FINDINGS, RunWriter
from gradvitals.diagnostics.tensorboard.strict_json import decode_json
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.initializers import zeros
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Sgd
from gradvitals.engine.training import Samples, train

MakeNetwork = Callable[..., Network]


def at_leisure() -> LivePace:
    """Have a clock by which there is always time."""
    return LivePace(itertools.count(0.0, 1000.0).__next__)


def in_haste() -> LivePace:
    """Have a clock by which no time passes."""
    return LivePace(lambda: 0.0)


def verdicts(folder: Path) -> list[tuple[int, Any]]:
    return [(step, decode_json(content)) for step, content in read_run(folder).tensors[FINDINGS]]


def contents(folder: Path) -> dict[str, Any]:
    """Read everything but the verdicts."""
    record = read_record(folder).record
    series = {tag: record.series(tag) for tag in record.tags()}
    scalars = {tag: (each.steps.tolist(), each.values.tobytes()) for tag, each in series.items()}
    return {"scalars": scalars, "notes": repr(record._notes)}


def sick(digits: WatchedData, make_network: MakeNetwork, folder: Path, pace: LivePace, **options: Any) -> Network:
    """Train a network that cannot learn."""
    network = make_network(digits, init=zeros)
    with Monitor(network, digits, sinks=[RunWriter(folder)], pace=pace, **options):
        samples = Samples(digits.inputs, digits.targets)
        train(network, samples, Sgd(0.1), epochs=8, batch_size=64, generator=np.random.default_rng(0))
    return network


def test_verdicts_in_between_change_neither_training_nor_record(
    digits: WatchedData, make_network: MakeNetwork, tmp_path: Path
) -> None:
    often = sick(digits, make_network, tmp_path / "often", at_leisure())
    seldom = sick(digits, make_network, tmp_path / "seldom", in_haste())
    assert often.parameters.tobytes() == seldom.parameters.tobytes()
    assert contents(tmp_path / "often") == contents(tmp_path / "seldom")
    assert verdicts(tmp_path / "often")[-1] == verdicts(tmp_path / "seldom")[-1]
    assert len(verdicts(tmp_path / "often")) > len(verdicts(tmp_path / "seldom"))


def test_a_verdict_in_between_says_what_is_known_by_then(
    digits: WatchedData, make_network: MakeNetwork, tmp_path: Path
) -> None:
    sick(digits, make_network, tmp_path, at_leisure())
    told = verdicts(tmp_path)
    last = read_record(tmp_path).record.notes(Ending)[-1].step
    early = [verdict for step, verdict in told if step < last / 2]
    assert early
    assert any(finding["severity"] == "error" for finding in early[-1]["findings"])


def test_what_was_told_is_told_again_only_after_a_while(
    digits: WatchedData, make_network: MakeNetwork, tmp_path: Path
) -> None:
    sick(digits, make_network, tmp_path, at_leisure())
    told = [(step, _said(verdict)) for step, verdict in verdicts(tmp_path)]
    assert len(told) > 3
    for (before, said), (step, again) in itertools.pairwise(told[:-1]):  # the end is always told
        assert said != again or step >= GROWTH * before


class Stumbling:
    """A diagnosis that cannot judge a training before its end."""

    id: ClassVar[str] = "stumbling"
    tier: ClassVar[str] = "fact"
    events: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *, also_at_the_end: bool) -> None:
        self.also_at_the_end, self.asked = also_at_the_end, 0

    def judge(self, record: Record, gate: Gate) -> Judgement:  # noqa: ARG002 - the protocol's
        """Say no before the end, or also then."""
        self.asked += 1
        if self.also_at_the_end or not record.notes(Ending):
            msg = "not yet"
            raise LookupError(msg)
        return judged(self, [])  # type: ignore[arg-type]  # a diagnosis of the test's own


def test_a_diagnosis_that_fails_in_between_stops_no_training(
    digits: WatchedData, make_network: MakeNetwork, tmp_path: Path
) -> None:
    diagnosis: Any = Stumbling(also_at_the_end=False)
    sick(digits, make_network, tmp_path, at_leisure(), diagnoses=(*CATALOGUE, diagnosis))
    assert diagnosis.asked > 3
    ((_, only),) = verdicts(tmp_path)
    assert any(finding["severity"] == "error" for finding in only["findings"])


def test_a_diagnosis_that_fails_at_the_end_is_not_passed_over(
    digits: WatchedData, make_network: MakeNetwork, tmp_path: Path
) -> None:
    diagnosis: Any = Stumbling(also_at_the_end=True)
    with pytest.warns(WatchingFailed, match="LookupError: not yet"):
        sick(digits, make_network, tmp_path, at_leisure(), diagnoses=(*CATALOGUE, diagnosis))
    with pytest.raises(LookupError, match="not yet"):
        sick(digits, make_network, tmp_path / "other", at_leisure(), diagnoses=(*CATALOGUE, diagnosis), guarded=False)


def _said(verdict: Any) -> Any:
    return verdict["verdict"], [(each["key"], each["severity"], each["cleared"]) for each in verdict["findings"]]


def test_a_monitor_in_a_loop_of_its_users_spends_what_they_can_afford(
    digits: WatchedData, make_network: MakeNetwork
) -> None:
    monitor = Monitor(make_network(digits))
    assert monitor._reporter._turn.pace.share == SHARE_OF_LOOPS
    monitor.detach()
