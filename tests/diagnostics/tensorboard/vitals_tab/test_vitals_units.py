"""The deaths of units: when, by which update and why, told from what was recorded and no more."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from gradvitals.diagnostics.tensorboard.vitals_tab.unit_deaths import tell_deaths
from gradvitals.diagnostics.unit_death import UnitDeath

KILLED = UnitDeath(
    step=40,
    layer="hidden_1",
    unit=5,
    found=1,
    fired_after=20,
    silent_after=21,
    certain=True,
    of="pre_activations",
    rows=800,
    fired_rows=312,
    edges=(-3.1, 0.0, 1.4),
    before=(488, 312),
    after=(800, 0),
    largest_before=1.4,
    largest_with_new_bias=-1.7,
    largest_with_new_weights=1.2,
    largest_with_both=-1.9,
    largest_after=-1.9,
    bias_before=0.0,
    bias_after=-3.1,
    weight_norm_before=1.1,
    weight_norm_after=1.2,
    weight_change=0.4,
)
BORN = replace(
    KILLED,
    step=0,
    fired_after=None,
    silent_after=0,
    before=(),
    fired_rows=0,
    largest_before=None,
    largest_with_new_bias=None,
    largest_with_new_weights=None,
    largest_with_both=None,
    bias_before=None,
    weight_norm_before=None,
    weight_change=None,
)


def note(death: UnitDeath, **changes: object) -> bytes:
    return json.dumps({"unit_death": asdict(death) | changes}, separators=(",", ":")).encode()


def told(*notes: bytes) -> list[dict[str, Any]]:
    deaths: Any = tell_deaths(notes, ["hidden_1", "hidden_2"])["deaths"]
    return list(deaths)


@pytest.mark.parametrize(
    ("death", "when", "killed_by"),
    [
        (KILLED, "killed by update 21", 21),
        (replace(KILLED, silent_after=30), "died between updates 20 and 30", None),
        (
            replace(KILLED, certain=False),
            "died between updates 20 and 21 on the rows looked at; dead at the scan at step 40",
            None,
        ),
        (BORN, "dead at the start", None),
        (replace(BORN, step=7), "dead at the first scan, at step 7", None),
    ],
    ids=["one update", "an interval", "not certain", "at the start", "at a later first scan"],
)
def test_the_time_of_death_is_as_narrow_as_it_is_known(death: UnitDeath, when: str, killed_by: int | None) -> None:
    (one,) = told(note(death))
    assert (one["when"], one["killed_by"]) == (when, killed_by)


@pytest.mark.parametrize(
    ("by_bias", "by_weights", "by_both", "why"),
    [
        (-1.7, 1.2, -1.9, "bias alone silenced it"),
        (1.2, -1.7, -1.9, "weights alone silenced it"),
        (-1.7, -1.2, -1.9, "and so would that of its weights"),
        (0.5, 0.5, -0.1, "neither alone would have"),
        (0.5, 0.5, 0.5, "the layers below have changed"),
        (None, 0.5, None, ""),
    ],
)
def test_the_cause_is_what_moved_the_largest_pre_activation(
    by_bias: float | None, by_weights: float | None, by_both: float | None, why: str
) -> None:
    death = replace(
        KILLED, largest_with_new_bias=by_bias, largest_with_new_weights=by_weights, largest_with_both=by_both
    )
    (one,) = told(note(death))
    assert why in one["why"]
    assert bool(why) == bool(one["why"])


def test_nothing_is_said_of_why_a_unit_was_dead_at_the_start() -> None:
    assert told(note(BORN))[0]["why"] == ""


def test_deaths_stand_by_layer_then_in_time_and_those_left_out_are_counted() -> None:
    deaths = [replace(KILLED, layer="hidden_2", unit=1, found=11), replace(KILLED, unit=9, step=50), KILLED]
    answer = tell_deaths(map(note, deaths), ["hidden_1", "hidden_2"])
    found: Any = answer["deaths"]
    assert [(death["layer"], death["unit"]) for death in found] == [("hidden_1", 5), ("hidden_1", 9), ("hidden_2", 1)]
    assert answer["left_out"] == [{"layer": "hidden_2", "step": 40, "units": 10}]


@pytest.mark.parametrize(
    "damaged",
    [
        b'{"unit_death":{"step":1}}',
        b'{"unit_death":[]}',
        b'{"unit_death":',
        note(KILLED, unit="<b>"),
        note(KILLED, before=[1, 2, 3, 4]),
        b'{"scan":{"step":1,"rows":1,"dead":{}}}',
    ],
    ids=["fields missing", "no fields", "cut", "of another type", "more counts than bins", "another note"],
)
def test_what_is_no_death_is_passed_over(damaged: bytes) -> None:
    assert [one["unit"] for one in told(damaged, note(KILLED))] == [5]


def test_the_route_tells_the_deaths_of_a_real_run(
    open_tab: Callable[[Path], Callable[..., TestResponse]], sweep_logs: Path
) -> None:
    ask = open_tab(sweep_logs)
    runs: Any = ask("runs").json
    (name,) = [run["name"] for run in runs["runs"] if "=10,init=he_normal,seed=0" in run["name"]]
    answer: Any = ask("units", run=name).json
    assert answer["deaths"]
    for death in answer["deaths"]:
        assert sum(death["after"]) == death["rows"] == 1438
        assert death["largest_after"] <= 0.0 < death["largest_before"]
    assert ask("units").status_code == 400
    assert ask("units", run="none").status_code == 404
