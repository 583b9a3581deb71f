"""How far the validation loss is above its lowest: sample by sample, against figures by hand."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.note_kinds import note_from_json, note_to_json
from gradvitals.diagnostics.validation_course import CourseWatcher, ValidationCourse
from gradvitals.diagnostics.watched_data import WatchedData

Train = Callable[..., Any]


def test_a_rise_is_counted_from_the_lowest_loss_and_a_fall_from_the_best_score() -> None:
    watcher = CourseWatcher(floor=0.5, reducible=2.0)
    low = np.array([1.0, 2.0, 3.0, 4.0], np.float32)
    assert watcher.see(0, low + 4.0, np.array([0.0, 0.0, 1.0, 0.0])) is not None
    at_lowest = watcher.see(10, low, np.array([1.0, 1.0, 1.0, 0.0]))
    assert at_lowest == ValidationCourse(10, 4, 1.0, 10, 0.0, 0.0, 0.0, 0.0)
    later = watcher.see(20, low + np.array([0.0, 2.0, 4.0, 6.0], np.float32), np.array([0.0, 1.0, 1.0, 0.0]))
    assert later is not None
    deviations = np.std([0.0, 1.0, 2.0, 3.0], ddof=1)
    assert (later.lowest_step, later.loss_ratio, later.rise) == (10, 2.5, 1.5)
    assert later.rise_se == pytest.approx(deviations / 2.0)
    assert later.fall == 0.25
    assert later.fall_se == pytest.approx(0.25)


@pytest.mark.parametrize("losses", [[math.nan, 1.0], [math.inf, 1.0], []], ids=["nan", "infinite", "none"])
def test_losses_that_say_nothing_are_passed_over(losses: list[float]) -> None:
    watcher = CourseWatcher(0.0, 1.0)
    assert watcher.see(0, np.array(losses), np.zeros(len(losses))) is None
    assert watcher.see(1, np.ones(2), np.zeros(2)) == ValidationCourse(1, 2, 1.0, 1, 0.0, 0.0, 0.0, 0.0)


def test_every_probe_of_a_training_has_one_that_survives_json(digits: WatchedData, train_watched: Train) -> None:
    notes = train_watched(digits, epochs=2).monitor.record.notes(ValidationCourse)
    assert len(notes) == 5
    assert notes[-1].loss_ratio < 0.5
    assert [note_from_json("validation_course", note_to_json(note)) for note in notes] == notes
