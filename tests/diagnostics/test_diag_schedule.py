"""The three rhythms: what is looked at when, and what it costs."""

from itertools import pairwise
from typing import Any

import pytest

from gradvitals.diagnostics.schedule import FROZEN_COST, ROW_SHARE, Looks, StepRhythm, plan_probes


def wanted(every: Any, total: int | None, until: int) -> list[int]:
    rhythm = StepRhythm(every, total)
    return [step for step in range(1, until + 1) if rhythm.next_after(step - 1) == step]


@pytest.mark.parametrize(
    ("total", "n"),
    [(20, 1), (199, 1), (200, 2), (1000, 10), (4999, 49), (5000, 50), (10**7, 50)],
    ids=str,
)
def test_auto_takes_the_first_steps_in_fibonacci_numbers_and_then_every_hundredth(total: int, n: int) -> None:
    until = min(total, 1000)
    first = {1, 2, 3, 5, 8, 13, 21, 34}
    assert set(wanted("auto", total, until)) == {step for step in first if step <= until} | set(range(n, until + 1, n))


def test_auto_without_a_plan_takes_every_10th_of_500_steps_and_every_50th_after() -> None:
    steps = wanted("auto", None, 700)
    assert [step for step in steps if step <= 20] == [1, 2, 3, 5, 8, 10, 13, 20]
    assert [step for step in steps if step > 480] == [490, 500, 550, 600, 650, 700]


def test_a_number_takes_every_nth_step_and_the_first() -> None:
    assert wanted(7, 1000, 30) == [1, 7, 14, 21, 28]
    assert wanted(1, None, 4) == [1, 2, 3, 4]


@pytest.mark.parametrize("total", [1, 2, 3, 4, 5, 19, 100, 440, 10_000, 10**6])
@pytest.mark.parametrize("batch", [1, 64, 4096])
@pytest.mark.parametrize("cost", [1.0, 256.0, 341.3])
def test_probes_are_at_least_5_with_start_and_end_and_else_within_their_share_of_rows(
    total: int, batch: int, cost: float
) -> None:
    steps = plan_probes(total, batch, cost)
    assert steps == tuple(sorted(set(steps)))
    assert {0, total} <= set(steps)
    assert min(5, total + 1) <= len(steps) <= 50
    if len(steps) > 5:
        assert len(steps) * cost < ROW_SHARE * total * batch
    gaps = [after - before for before, after in pairwise(steps)]
    assert max(gaps) - min(gaps) <= 1


def test_a_run_of_no_steps_is_looked_at_once() -> None:
    assert plan_probes(0, 64, 256.0) == (0,)


def test_a_plan_without_end_starts_at_0_and_stretches() -> None:
    steps = plan_probes(None, 64, 256.0)
    assert steps[:4] == (0, 100, 200, 300)
    assert len([step for step in steps if step <= 10**6]) < 60


@pytest.mark.parametrize(
    ("exact", "expected"),
    [(50, [50, 100, 150, 200]), ("epoch", [20, 40, 60, 80, 100, 120, 140, 160, 180, 200])],
    ids=["every 50", "every epoch"],
)
def test_scans_asked_for_come_whatever_they_cost(exact: Any, expected: list[int]) -> None:
    looks = Looks.plan(exact, 200, batch_size=10, samples=195, probe_cost=100.0)
    looks.scanned(10**9)
    scans = [step for step in range(1, 201) if looks.next_after(step - 1) == step and looks.wants_scan(step)]
    assert scans == expected


@pytest.mark.parametrize("cost_of_a_scan", [0.0, 500.0, 60_000.0], ids=["certified", "one chunk", "every row"])
def test_automatic_scans_keep_within_half_the_share_of_rows(cost_of_a_scan: float) -> None:
    total, batch = 20_000, 64
    looks = Looks.plan("auto", total, batch, samples=60_000, probe_cost=256.0)
    looks.scanned(cost_of_a_scan)  # at the start
    spent = cost_of_a_scan * FROZEN_COST
    scans = 0
    for step in range(1, total + 1):
        if looks.next_after(step - 1) == step and looks.wants_scan(step):
            spent += cost_of_a_scan * FROZEN_COST
            looks.scanned(cost_of_a_scan)
            scans += 1
            assert spent <= 0.5 * ROW_SHARE * step * batch
    assert scans > 25 if cost_of_a_scan < 1000 else scans == 0


def test_without_data_there_is_nothing_to_look_at() -> None:
    looks = Looks.plan("auto", 1000, 64, samples=0, probe_cost=0.0)
    assert not any(looks.next_after(step - 1) == step for step in range(1001))
