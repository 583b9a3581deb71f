"""What a test demands: the words for what is wrong with it, and which demand goes before which."""

import re
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.findings import Severity
from gradvitals.diagnostics.requirements import IDLE, Requirements, requirements_from_table

MISTAKES: dict[str, tuple[object, str]] = {
    "a misspelt key": ({"max_ded": 0.1}, "max_ded: no such key — did you mean 'max_dead'?"),
    "a hyphen": ({"min-accuracy": 0.1}, "min-accuracy: no such key — did you mean 'min_accuracy'?"),
    "a key like no other": ({"zyxw": 1}, "zyxw: no such key; there are fail_on, max_dead, "),
    "no table": (3, "must be a table of limits, not 3"),
    "a percentage": ({"max_dead": 10}, "max_dead: 10 is not a share from 0 to 1"),
    "a negative share": ({"min_accuracy": -0.1}, "min_accuracy: -0.1 is not a share from 0 to 1"),
    "a switch": ({"max_saturated": True}, "max_saturated: True is not a share from 0 to 1"),
    "a word for a number": ({"max_loss_ratio": "1"}, "max_loss_ratio: '1' is not a number above 0"),
    "a ratio of nothing": ({"max_update_ratio": 0}, "max_update_ratio: 0 is not a number above 0"),
    "no number": ({"max_loss_ratio": float("nan")}, "max_loss_ratio: nan is not a number above 0"),
    "a wrong word": ({"unjudged": "wran"}, "unjudged: 'wran' is not one of warn, fail, ignore"),
    "no word": ({"unjudged": ["warn"]}, "unjudged: ['warn'] is not one of warn, fail, ignore"),
    "nothing that fails": ({"fail_on": []}, "fail_on: [] is neither a severity (info, warning, error) nor a list"),
    "a number that fails": ({"fail_on": 3}, "fail_on: 3 is neither a severity (info, warning, error) nor a list"),
    "numbers that fail": ({"fail_on": [3]}, "fail_on: [3] is neither a severity (info, warning, error) nor a list"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_told_in_one_sentence_with_what_would_be_right(case: str) -> None:
    table, sentence = MISTAKES[case]
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}") as caught:
        requirements_from_table(table)
    assert "\n" not in str(caught.value)


def test_a_table_gives_the_limits_and_leaves_the_rest_as_it_is() -> None:
    found = requirements_from_table({"max_dead": 0.1, "max_loss_ratio": 1, "unjudged": "fail"})
    assert found == Requirements(max_dead=0.1, max_loss_ratio=1.0, unjudged="fail")
    assert requirements_from_table({}) == Requirements()


@pytest.mark.parametrize(
    ("fail_on", "severity", "demanded"),
    [
        ("error", Severity.ERROR, ()),
        ("warning", Severity.WARNING, ()),
        ("info", Severity.INFO, ()),
        ("dead_units", None, ("dead_units",)),
        (["dead_units", "numerics"], None, ("dead_units", "numerics")),
    ],
    ids=str,
)
def test_fail_on_is_a_severity_or_names_diagnoses(
    fail_on: Any, severity: Severity | None, demanded: tuple[str, ...]
) -> None:
    found = Requirements(fail_on=fail_on)
    assert (found.severity, found.demanded) == (severity, demanded)


def test_what_is_given_replaces_and_what_is_not_stays() -> None:
    project = Requirements(max_dead=0.1, min_accuracy=0.9, unjudged="fail")
    found = project.replacing({"max_dead": 0.2, "min_accuracy": None, "unjudged": None, "max_saturated": None})
    assert found == Requirements(max_dead=0.2, min_accuracy=0.9, unjudged="fail")


@pytest.mark.parametrize("name", IDLE)
def test_a_limit_that_nothing_can_exceed_lifts_that_of_the_project(name: str) -> None:
    project = Requirements(**{name: 0.5})  # type: ignore[arg-type]
    assert project.replacing({name: IDLE[name]}) == Requirements()
    assert project.replacing({}) == project


@pytest.mark.parametrize("value", [np.float32(0.5), np.int64(1), 0, 1], ids=repr)
def test_numbers_of_numpy_are_numbers(value: Any) -> None:
    assert Requirements(max_dead=value).max_dead == value
