"""Which of the states kept on the way are looked at, once it is known how long a training was."""

import pytest

from gradvitals.diagnostics.schedule import EARLY, FIBONACCI, SHORT, StepRhythm, choose_looks, next_early, plan_probes

REGULAR = plan_probes(None, 32, 256.0)


def kept(total_steps: int) -> list[int]:
    return sorted({0, *EARLY, *REGULAR[:9]} & set(range(total_steps)))


@pytest.mark.parametrize("total_steps", [10, 27, 50, 90, 108, 199])
def test_of_a_short_training_looks_are_spread_over_it(total_steps: int) -> None:
    chosen = sorted(choose_looks(kept(total_steps), total_steps, REGULAR))
    gaps = [after - before for before, after in zip(chosen, [*chosen[1:], total_steps], strict=True)]
    assert chosen[0] == 0
    assert len(chosen) >= 3
    assert min(gaps) >= total_steps / 6.0
    assert max(gaps) <= total_steps / 2.0


def test_of_a_long_one_the_regular_looks_are_taken() -> None:
    assert sorted(choose_looks(kept(700), 700, REGULAR)) == [0, 100, 200, 300, 400, 500, 625]


def test_states_are_kept_at_steps_that_are_looked_at_anyway() -> None:
    rhythm = StepRhythm("auto", None)
    assert all(rhythm.next_after(step - 1) == step for step in EARLY)
    assert EARLY[-1] < SHORT <= REGULAR[2]
    assert next_early(EARLY[0]) == EARLY[1]
    assert next_early(EARLY[-1]) > FIBONACCI[-1]
