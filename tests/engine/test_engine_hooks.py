"""Subscriptions: who is sent what, when they are asked, how they end."""

import math
from dataclasses import dataclass, field
from typing import Any

import pytest

from gradvitals.engine.events import GradientsReady, StepEnded, TrainingEnded
from gradvitals.engine.hooks import EveryN, Hooks

GRADIENTS = GradientsReady(1, {})
ENDED = TrainingEnded(1, "completed")


@dataclass(eq=False)
class Asked:
    """A rhythm of every n-th step that notes when it is asked."""

    n: int
    steps: list[int] = field(default_factory=list)

    def next_after(self, step: int) -> int:
        """Note the step and answer."""
        self.steps.append(step)
        return (step // self.n + 1) * self.n


def test_an_event_goes_to_the_subscribers_of_its_type_in_order() -> None:
    hooks, seen = Hooks(), []
    hooks.on(TrainingEnded, lambda event: seen.append(("first", event)))
    hooks.on(GradientsReady, lambda event: seen.append(("other", event)))
    hooks.on(TrainingEnded, lambda event: seen.append(("second", event)))
    hooks.emit(ENDED)
    assert seen == [("first", ENDED), ("second", ENDED)]


def test_a_removed_handle_hears_nothing_more_and_can_be_removed_again() -> None:
    hooks, kept, removed = Hooks(), list[Any](), list[Any]()
    hooks.on(TrainingEnded, kept.append)
    handle = hooks.on(TrainingEnded, removed.append)
    hooks.emit(ENDED)
    handle.remove()
    handle.remove()
    hooks.emit(ENDED)
    assert (len(kept), len(removed)) == (2, 1)


def test_a_handle_removes_itself_at_the_end_of_a_with_block_even_after_an_error() -> None:
    hooks, seen = Hooks(), list[Any]()

    def watch_and_fail() -> None:
        with hooks.on(GradientsReady, seen.append):
            hooks.emit(GRADIENTS)
            raise KeyError

    with pytest.raises(KeyError):
        watch_and_fail()
    hooks.emit(GRADIENTS)
    assert seen == [GRADIENTS]
    assert hooks.due(1, 0.5) is None


def test_the_same_observer_subscribed_twice_is_two_subscriptions() -> None:
    hooks, seen = Hooks(), list[Any]()
    hooks.on(TrainingEnded, seen.append)
    hooks.on(TrainingEnded, seen.append).remove()
    hooks.emit(ENDED)
    assert seen == [ENDED]


def test_an_observer_may_remove_itself_while_it_is_being_told() -> None:
    hooks, seen = Hooks(), []

    def once(event: Any) -> None:
        seen.append(event)
        handle.remove()

    handle = hooks.on(TrainingEnded, once)
    hooks.on(TrainingEnded, seen.append)
    hooks.emit(ENDED)
    hooks.emit(ENDED)
    assert len(seen) == 3


def test_a_rhythm_is_asked_only_at_the_first_step_and_at_those_it_wants_however_many_share_it() -> None:
    hooks, rhythm = Hooks(), Asked(10)
    for event_type in (GradientsReady, StepEnded, GradientsReady):
        hooks.on(event_type, print, every=rhythm)
    assert [step for step in range(1, 31) if hooks.due(step, 0.5) is not None] == [10, 20, 30]
    assert sorted(set(rhythm.steps)) == [0, 10, 20, 30]


def test_a_second_training_starts_its_rhythms_anew() -> None:
    hooks = Hooks()
    hooks.on(StepEnded, print, every=4)
    for _ in range(2):
        assert [step for step in range(1, 11) if hooks.due(step, 0.5) is not None] == [4, 8]


def test_a_step_asked_for_again_has_the_same_answer_without_asking_a_rhythm_again() -> None:
    hooks, rhythm = Hooks(), Asked(4)
    hooks.on(StepEnded, print, every=rhythm)
    for step in range(1, 10):
        first, asked = hooks.due(step, 0.5), len(rhythm.steps)
        assert (first is not None) == (step % 4 == 0)
        assert hooks.due(step, 0.5) is first
        assert len(rhythm.steps) == asked


def test_a_step_asked_for_again_knows_of_new_subscribers_and_of_a_loss_that_is_finite_after_all() -> None:
    hooks, seen = Hooks(), list[Any]()
    hooks.on(StepEnded, print, every=4)
    assert hooks.due(7, math.nan) is not None
    assert hooks.due(7, 0.5) is None
    hooks.on(GradientsReady, seen.append, every=7)
    due = hooks.due(7, 0.5)
    assert due is not None
    due.emit(GRADIENTS)
    assert seen == [GRADIENTS]
    assert hooks.due(8, 0.5) is not None


def test_a_step_goes_only_to_those_whose_rhythm_wants_it() -> None:
    hooks, seconds, thirds = Hooks(), list[Any](), list[Any]()
    hooks.on(GradientsReady, seconds.append, every=2)
    hooks.on(GradientsReady, thirds.append, every=3)
    for step in range(1, 13):
        due = hooks.due(step, 0.5)
        assert (due is None) == (step % 2 != 0 and step % 3 != 0)
        if due is not None:
            due.emit(GradientsReady(step, {}))
    assert [event.step for event in seconds] == [2, 4, 6, 8, 10, 12]
    assert [event.step for event in thirds] == [3, 6, 9, 12]


def test_an_event_is_wanted_only_if_its_own_subscriber_is_due() -> None:
    hooks = Hooks()
    hooks.on(GradientsReady, print, every=2)
    hooks.on(StepEnded, print, every=3)
    due = hooks.due(2, 0.5)
    assert due is not None
    assert due.wants(GradientsReady)
    assert not due.wants(StepEnded)


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf], ids=str)
def test_a_loss_that_is_not_finite_goes_to_everybody(loss: float) -> None:
    hooks, seen = Hooks(), list[Any]()
    hooks.on(GradientsReady, seen.append, every=1000)
    hooks.on(GradientsReady, seen.append, every=Asked(1000))
    due = hooks.due(7, loss)
    assert due is not None
    due.emit(GRADIENTS)
    assert len(seen) == 2


def test_nobody_subscribed_is_nobody_due_even_if_the_loss_is_not_finite() -> None:
    assert Hooks().due(1, math.nan) is None


@pytest.mark.parametrize("every", [0, -3])
def test_a_rhythm_below_one_is_refused(every: int) -> None:
    with pytest.raises(ValueError, match=f"every must be a positive number of steps, got {every}"):
        Hooks().on(GradientsReady, print, every=every)


def test_every_n_wants_the_multiples() -> None:
    assert [step for step in range(1, 11) if EveryN(4).next_after(step - 1) == step] == [4, 8]
