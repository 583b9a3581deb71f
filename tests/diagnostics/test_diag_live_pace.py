"""The pace of live verdicts: within its share of the time, everybody in turn, and never many at once."""

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise

import pytest

from gradvitals.diagnostics.live_pace import (
    FIRST_AFTER,
    LEAST_BETWEEN,
    LIKELY_COST,
    LONGEST_PAUSE,
    SHARE,
    SHARE_OF_LOOPS,
    LivePace,
    LiveTurn,
)


@dataclass
class Clock:
    """A clock that goes when the test says so."""

    now: float = 100.0

    def __call__(self) -> float:
        """Read it."""
        return self.now


@dataclass(frozen=True)
class Told:
    """What became of simulated trainings: by run the times of its verdicts, and by step the time spent on them."""

    moments: dict[int, list[float]]
    pauses: dict[int, float]
    seconds: float

    @property
    def share(self) -> float:
        """Of all the time, what was spent on verdicts."""
        return sum(self.pauses.values()) / self.seconds


def simulate(
    runs: int,
    *,
    steps: int,
    step_seconds: float,
    cost: float,
    every: int = 10,
    total: int | None = -1,
    share: float = SHARE,
) -> Told:
    """Take steps of so many runs at once, each of which asks at every so many steps."""
    clock = Clock()
    pace = LivePace(clock, share=share)
    turns = [LiveTurn(pace) for _ in range(runs)]
    for turn in turns:
        turn.begin()
    moments, pauses, began = defaultdict[int, list[float]](list), defaultdict[int, float](float), clock.now
    for step in range(1, steps + 1):
        clock.now += step_seconds
        for run, turn in enumerate(turns):
            if step % every == 0 and turn.is_due(step, steps if total == -1 else total):
                with turn.taken(step):
                    clock.now += cost
                moments[run].append(clock.now - began)
                pauses[step] += cost
    return Told(dict(moments), dict(pauses), clock.now - began)


@pytest.mark.parametrize("runs", [1, 12, 128])
@pytest.mark.parametrize("cost", [0.0003, 0.002, 0.02])
@pytest.mark.parametrize("steps", [2_000, 20_000])
def test_verdicts_stay_within_their_share_of_the_time(runs: int, cost: float, steps: int) -> None:
    assert simulate(runs, steps=steps, step_seconds=0.002, cost=cost).share <= SHARE + 1e-9


@pytest.mark.parametrize("cost", [0.0003, 0.002, 0.02])
@pytest.mark.parametrize("steps", [2_000, 20_000])
def test_verdicts_in_a_loop_stay_within_its_share_but_for_a_first_one_that_takes_longer_than_likely(
    cost: float, steps: int
) -> None:
    told = simulate(1, steps=steps, step_seconds=0.002, cost=cost, share=SHARE_OF_LOOPS)
    unforeseen = max(cost - LIKELY_COST, 0.0) / told.seconds
    assert told.share <= SHARE_OF_LOOPS + unforeseen + 1e-9


def test_a_loop_of_a_minute_has_verdicts_meanwhile_for_a_thousandth_of_it() -> None:
    moments = simulate(1, steps=30_000, step_seconds=0.002, cost=0.003, share=SHARE_OF_LOOPS).moments[0]
    assert moments[0] < 2.0 * FIRST_AFTER
    assert len(moments) >= 15


def test_all_of_a_large_stack_have_a_first_verdict_within_seconds() -> None:
    told = simulate(48, steps=20_000, step_seconds=0.002, cost=0.002)
    assert len(told.moments) == 48
    assert max(moments[0] for moments in told.moments.values()) < 2.0


@pytest.mark.parametrize("runs", [12, 128])
def test_everybody_has_as_many_verdicts_as_the_others(runs: int) -> None:
    counts = [len(moments) for moments in simulate(runs, steps=40_000, step_seconds=0.002, cost=0.002).moments.values()]
    assert len(counts) == runs
    assert min(counts) >= 2
    assert max(counts) - min(counts) <= 1


def test_verdicts_of_a_few_runs_are_fresh_every_few_seconds() -> None:
    told = simulate(4, steps=20_000, step_seconds=0.002, cost=0.002)
    gaps = [later - earlier for moments in told.moments.values() for earlier, later in pairwise(moments)]
    assert min(gaps) >= LEAST_BETWEEN
    assert max(gaps) < LEAST_BETWEEN + 0.1


def test_no_step_waits_for_many_verdicts() -> None:
    told = simulate(128, steps=20_000, step_seconds=0.002, cost=0.003)
    assert max(told.pauses.values()) <= LONGEST_PAUSE + 1e-9


def test_one_verdict_that_takes_long_is_given_all_the_same() -> None:
    told = simulate(1, steps=20_000, step_seconds=0.002, cost=10 * LONGEST_PAUSE * SHARE * 5)
    assert told.moments[0]


def test_a_training_that_is_over_soon_has_none() -> None:
    assert simulate(12, steps=100, step_seconds=FIRST_AFTER / 110, cost=0.001).moments == {}


def test_without_a_planned_end_the_share_is_of_the_time_so_far() -> None:
    told = simulate(1, steps=5_000, step_seconds=0.002, cost=0.004, total=None)
    assert told.moments[0][0] == pytest.approx(0.004 / SHARE, rel=0.4)
    assert told.share <= SHARE


def test_those_that_ended_leave_their_time_to_the_others() -> None:
    pace = LivePace(Clock())
    turns = [LiveTurn(pace) for _ in range(100)]
    for turn in turns:
        turn.begin()
    before = pace.least_between
    for turn in turns[1:]:
        turn.end()
        turn.end()
    assert pace.members == 1
    assert pace.least_between == LEAST_BETWEEN < before
