"""The provisional order: program before data, data before what appeared later, consequences last."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from gradvitals.diagnostics.diagnoses.catalogue import CATALOGUE
from gradvitals.diagnostics.findings import Finding, Severity
from gradvitals.diagnostics.measurements import Context
from gradvitals.diagnostics.roots import (
    AT_START,
    AT_THE_LOSS,
    CONSEQUENCES,
    DATA,
    KINDS,
    NUMBERS,
    PROGRAM,
    RATES,
    RECURRENCE,
    WEIGHTS,
    explain,
)

Place = tuple[str, str | None, int]


def finding(diagnosis: str, layer: str | None, first: int) -> Finding:
    return Finding(diagnosis, "test", Severity.ERROR, layer, first, 900, 0.5, 0.1, "seen", "Bad.")


@pytest.mark.parametrize(
    ("cause", "effect", "explains"),
    [
        (("loss_mismatch", "output", 0), ("dead_units", "hidden_1", 300), True),
        (("loss_mismatch", None, 0), ("unscaled_targets", None, 0), True),
        (("clipped_delta", "output", 0), ("no_learning", None, 100), True),
        (("frozen_parameters", "hidden_1", 100), ("dead_units", "hidden_2", 300), True),
        (("frozen_parameters", "hidden_2", 100), ("saturated_units", "hidden_1", 300), False),
        (("frozen_parameters", "hidden_1", 400), ("dead_units", "hidden_2", 300), False),
        (("data_faults", None, 0), ("non_finite", None, 0), True),
        (("unscaled_inputs", "hidden_1", 0), ("dead_units", "hidden_1", 0), True),
        (("unscaled_inputs", "hidden_1", 0), ("saturated_units", "hidden_2", 300), True),
        (("unscaled_inputs", "hidden_1", 0), ("numerics", "output", 0), True),
        (("numerics", "output", 0), ("unscaled_inputs", "hidden_1", 0), False),
        (("numerics", "output", 0), ("initialization_scale", "output", 0), True),
        (("initialization_scale", "hidden_1", 0), ("unscaled_targets", None, 0), True),
        (("saturated_units", "hidden_1", 0), ("unscaled_targets", None, 0), True),
        (("unscaled_targets", None, 0), ("saturated_units", "hidden_1", 0), False),
        (("unscaled_targets", None, 0), ("saturated_units", "hidden_1", 300), True),
        (("unscaled_targets", None, 0), ("learning_rate_too_high", None, 2), True),
        (("loss_mismatch", None, 0), ("numerics", "output", 0), True),
        (("learning_rate_too_high", None, 2), ("numerics", "output", 0), True),
        (("learning_rate_too_high", None, 2), ("dead_units", "hidden_1", 300), True),
        (("unscaled_inputs", None, 0), ("learning_rate_too_high", None, 2), True),
        (("numerics", "output", 0), ("dead_units", "hidden_1", 300), True),
        (("symmetric_units", "hidden_1", 0), ("no_learning", None, 100), True),
        (("initialization_scale", None, 0), ("memorising", None, 100), True),
        (("recurrent_gain", "hidden_1", 0), ("initialization_scale", "hidden_1", 0), True),
        (("recurrent_gain", "hidden_1", 0), ("exploding_gradient", "hidden_1", 0), True),
        (("recurrent_gain", "hidden_1", 0), ("no_learning", None, 150), True),
        (("initialization_scale", "hidden_1", 0), ("recurrent_gain", "hidden_1", 200), True),
        (("learning_rate_too_high", None, 2), ("recurrent_gain", "hidden_1", 0), True),
        (("saturated_output", "output", 0), ("vanishing_gradient", "hidden_1", 0), True),
        (("dead_units", "hidden_1", 0), ("collapsed_output", None, 0), True),
        (("dead_units", "hidden_1", 300), ("symmetric_units", "hidden_1", 0), False),
    ],
    ids=lambda value: value if not isinstance(value, tuple) else f"{value[0]}@{value[1]} {value[2]}",
)
def test_an_earlier_group_explains_what_it_touches_and_precedes(
    cause: Place, effect: Place, *, explains: bool, make_context: Callable[..., Context]
) -> None:
    context = make_context(["relu", "sigmoid", "relu"])
    for order in ((cause, effect), (effect, cause)):
        explained = {found.id: found.explained_by for found in explain([finding(*one) for one in order], context)}
        assert (explained[effect[0]] is not None) == explains
        assert not explains or explained[cause[0]] is None


def test_no_other_consequence_explains_numbers_that_are_not_finite() -> None:
    found = explain([finding("no_learning", None, 75), finding("non_finite", "hidden_1", 79)], None)
    assert [(each.id, each.explained_by) for each in found] == [("non_finite", None), ("no_learning", None)]


def test_every_diagnosis_has_one_place_in_the_order() -> None:
    assert len(set(KINDS)) == len(KINDS)
    assert {diagnosis.id for diagnosis in CATALOGUE} <= set(KINDS)
    assert {*PROGRAM, *NUMBERS, *AT_START} >= AT_THE_LOSS
    assert set(KINDS) == {*PROGRAM, *DATA, *NUMBERS, *RECURRENCE, *WEIGHTS, *RATES, *AT_START, *CONSEQUENCES}


@pytest.mark.parametrize("rate", ["learning_rate_too_high", "learning_rate_too_low"])
def test_a_rate_explains_an_error_though_it_is_but_a_warning_itself(rate: str) -> None:
    cause = replace(finding(rate, None, 1), severity=Severity.WARNING)
    explained = explain([finding("dead_units", "hidden_2", 115), cause], None)
    assert [(each.id, each.explained_by) for each in explained] == [(rate, None), ("dead_units", rate)]
    other = replace(finding("frozen_parameters", None, 1), severity=Severity.WARNING)
    assert explain([finding("dead_units", "hidden_2", 115), other], None)[0].id == "dead_units"


@pytest.mark.parametrize("program", ["frozen_parameters", "numerics"])
@pytest.mark.parametrize("consequence", ["no_learning", "collapsed_output", "memorising"])
def test_a_fault_of_the_program_is_a_better_root_than_what_is_always_a_consequence(
    program: str, consequence: str
) -> None:
    cause = replace(finding(program, "hidden_1", 0), severity=Severity.WARNING)
    explained = explain([finding(consequence, None, 100), cause], None)
    assert [(each.id, each.explained_by) for each in explained] == [
        (program, None),
        (consequence, f"{program}@hidden_1"),
    ]


def test_numbers_that_are_not_finite_and_other_consequences_want_a_cause_as_grave() -> None:
    mild = replace(finding("frozen_parameters", "hidden_1", 0), severity=Severity.WARNING)
    assert explain([finding("non_finite", "hidden_1", 100), mild], None)[0].id == "non_finite"
    mild = replace(finding("update_ratio", None, 21), severity=Severity.WARNING)
    explained = explain([finding("no_learning", None, 100), mild], None)
    assert [each.id for each in explained if each.explained_by is None] == ["no_learning", "update_ratio"]


def test_of_two_warnings_the_data_come_before_the_rate() -> None:
    both = [finding("learning_rate_too_high", None, 2), finding("unscaled_inputs", None, 0)]
    explained = explain([replace(each, severity=Severity.WARNING) for each in both], None)
    assert [(each.id, each.explained_by) for each in explained] == [
        ("unscaled_inputs", None),
        ("learning_rate_too_high", "unscaled_inputs"),
    ]


@pytest.mark.parametrize(
    ("cause", "severity", "explains"),
    [
        ("unscaled_inputs", Severity.WARNING, False),
        ("unscaled_inputs", Severity.ERROR, True),
        ("unscaled_targets", Severity.WARNING, True),
    ],
)
def test_inputs_that_are_but_a_warning_do_not_explain_a_rate_too_low(
    cause: str, severity: Severity, *, explains: bool
) -> None:
    low = replace(finding("learning_rate_too_low", None, 1), severity=Severity.WARNING)
    explained = explain([replace(finding(cause, None, 0), severity=severity), low], None)
    causes = {each.id: each.explained_by for each in explained}
    assert causes == {cause: None, "learning_rate_too_low": cause if explains else None}
    assert explains or explained[0].id == "learning_rate_too_low"


@pytest.mark.parametrize(
    ("closed", "first", "dead", "severity", "is_root"),
    [
        ("dead_units", 0, ["hidden_1"], Severity.ERROR, True),
        ("dead_units", 0, ["hidden_2"], Severity.ERROR, False),
        ("dead_units", 0, [], Severity.ERROR, False),
        ("dead_units", 20, ["hidden_1"], Severity.ERROR, False),
        ("symmetric_units", 0, [], Severity.ERROR, True),
        ("symmetric_units", 0, [], Severity.WARNING, False),
    ],
)
def test_no_scale_of_the_data_closes_a_layer_from_the_start(
    closed: str, first: int, dead: list[str], severity: Severity, *, is_root: bool
) -> None:
    layer = replace(finding(closed, "hidden_1", first), severity=severity)
    explained = explain([finding("unscaled_targets", None, 0), finding("unscaled_inputs", None, 0), layer], None, dead)
    assert (explained[0].id == closed) is is_root
    assert explain([finding("data_faults", None, 0), layer], None)[0].id == "data_faults"  # as inputs that are all 0


def test_the_first_of_two_dead_layers_is_the_root_though_only_the_second_is_dead_whole(
    make_context: Callable[..., Context],
) -> None:
    layers = [replace(finding("dead_units", f"hidden_{n}", 0), value=value) for n, value in ((1, 0.9), (2, 1.0))]
    context = make_context(["relu", "relu"])
    explained = explain([*layers, finding("unscaled_targets", None, 0)], context, ["hidden_2"])
    assert [each.key for each in explained if each.explained_by is None] == ["dead_units@hidden_1"]


def test_zero_weights_are_the_root_of_the_units_that_they_leave_dead() -> None:
    dead = finding("dead_units", "hidden_1", 0)
    explained = explain([dead, finding("symmetric_units", "hidden_1", 0)], None, ["hidden_1"])
    assert [each.id for each in explained if each.explained_by is None] == ["symmetric_units"]
