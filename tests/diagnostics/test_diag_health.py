"""`assert_healthy`: passes, raises, or says why it cannot tell."""

import pickle
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest

from gradvitals import NotJudged, UnhealthyTraining, UnjudgedWarning
from gradvitals.diagnostics.diagnoses.catalogue import CATALOGUE
from gradvitals.diagnostics.diagnoses.memorising import NO_VALIDATION
from gradvitals.diagnostics.findings import Finding, Judgement, Severity, Tier, Verdict
from gradvitals.diagnostics.gate import Gate
from gradvitals.diagnostics.health import require_healthy
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.requirements import Requirements
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.events import StepEnded
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Sgd
from gradvitals.engine.training import Samples, train

TrainWatched = Callable[..., Any]


@pytest.fixture(scope="module")
def healthy(digits: WatchedData, train_watched: TrainWatched) -> Monitor:
    """A training with nothing wrong, scored on a validation set."""
    assert digits.validation_inputs is not None
    assert digits.validation_targets is not None
    unseen = Samples(digits.validation_inputs, digits.validation_targets)
    watched: Monitor = train_watched(digits, training={"validation": unseen}).monitor
    return watched


@pytest.fixture(scope="module")
def sick(digits: WatchedData, train_watched: TrainWatched) -> Monitor:
    """A training whose hidden layer is dead from the start, watched without a validation set."""
    watched: Monitor = train_watched(WatchedData(digits.inputs, digits.targets), hidden=(32,), bias=-50.0).monitor
    return watched


@pytest.fixture(scope="module")
def blind(digits: WatchedData, make_network: Callable[..., Network]) -> Monitor:
    """A healthy training watched without data."""
    network = make_network(digits)
    with Monitor(network) as monitor:
        fit(network, digits)
    return monitor


def fit(network: Network, data: WatchedData, epochs: int = 6) -> None:
    """Train for 21 updates an epoch."""
    samples = Samples(data.inputs, data.targets)
    train(network, samples, Sgd(0.1), epochs=epochs, batch_size=64, generator=np.random.default_rng(0))


@dataclass(frozen=True)
class Says:
    """A diagnosis that finds the same in every training."""

    severity: Severity

    id: ClassVar[str] = "no_learning"
    tier: ClassVar[Tier] = "test"
    events: ClassVar[tuple[str, ...]] = ()

    def judge(self, record: Record, gate: Gate) -> Judgement:  # noqa: ARG002 - whatever it is given
        """Find it."""
        found = Finding(self.id, self.tier, self.severity, None, 0, 9, 1.0, 0.5, "so it seems", "So what.")
        return Judgement(self.id, "fired", findings=(found,))


def message(monitor: Monitor, error: type[Exception], **demands: Any) -> str:
    """Give the words of what an assertion raises, which must be of exactly this kind."""
    with pytest.raises(error) as caught:
        monitor.assert_healthy(**demands)
    assert caught.type is error
    return str(caught.value)


@pytest.mark.parametrize(
    "demands",
    [
        {},
        {"fail_on": "warning"},
        {"fail_on": "dead_units"},
        {"fail_on": ["dead_units", "no_learning"]},
        {"max_dead": 0.2, "max_update_ratio": 0.5, "max_loss_ratio": 0.5, "min_accuracy": 0.9},
        {"max_saturated": 0.0},  # nothing here saturates
    ],
    ids=str,
)
def test_a_healthy_training_passes_as_often_as_it_is_asked(demands: dict[str, Any], healthy: Monitor) -> None:
    before = healthy.verdict
    for _ in range(2):
        healthy.assert_healthy(**demands, unjudged="ignore")
    assert healthy.verdict == before


def test_a_failure_shows_roots_with_evidence_harm_and_cures_then_consequences_in_one_line(sick: Monitor) -> None:
    said = message(sick, UnhealthyTraining)
    root, *others = [each for each in sick.verdict.standing if each.severity is Severity.ERROR]
    flat = " ".join(said.split())
    assert said.splitlines()[0] == f"{root.key}: {root.evidence} (and {len(others)} more)"
    assert root.harm is not None
    for told in (root.explanation, f"costs: {root.harm.text}", *(f"→ {cure.why}" for cure in root.prescriptions)):
        assert told in flat
    for other in others:
        assert other.explained_by == root.key
        assert f"error {other.key}: {other.evidence[1:]}"[-40:] in flat
        assert other.explanation not in flat
    assert flat.index("it explains:") > flat.index(root.prescriptions[-1].why)
    assert "not judged: memorising, overfitting: no validation set was watched" in flat
    assert max(len(line) for line in said.splitlines()[1:-1]) <= 100


def test_the_exception_is_an_assertion_and_carries_the_verdict_across_processes(sick: Monitor) -> None:
    with pytest.raises(AssertionError) as caught:
        sick.assert_healthy(max_dead=0.1)
    error = caught.value
    assert isinstance(error, UnhealthyTraining)
    assert isinstance(error.verdict, Verdict)
    assert {finding.id for finding in error.verdict.standing} >= {"dead_units", "max_dead"}
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - of our own making
    assert (str(copy), copy.verdict.to_json()) == (str(error), error.verdict.to_json())


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        ({"max_update_ratio": 1e-6}, "is the median update ratio of"),
        ({"max_loss_ratio": 1e-3}, "is the training loss relative to that of the best constant output"),
        ({"min_accuracy": 0.999}, "is the accuracy on the validation set"),
    ],
    ids=str,
)
def test_an_exceeded_limit_fails_with_what_was_measured(limit: dict[str, float], told: str, healthy: Monitor) -> None:
    said = message(healthy, UnhealthyTraining, **limit)
    assert said.startswith(next(iter(limit)))
    assert told in said.splitlines()[0]
    assert "the limit is" in said.splitlines()[0]


def test_limits_are_held_as_check_holds_them(sick: Monitor) -> None:
    assert "100 % of the units of hidden_1 are dead; the limit is 10 %" in message(
        sick, UnhealthyTraining, fail_on="numerics", max_dead=0.1
    )


def test_a_reason_demanded_and_missed_is_told_once(sick: Monitor) -> None:
    said = message(sick, UnhealthyTraining, fail_on=["dead_units", "memorising"])
    assert said.count("memorising") == 1
    assert f"  not judged: memorising, overfitting: {NO_VALIDATION}" in said.splitlines()


def test_of_a_named_diagnosis_a_warning_fails_and_an_info_does_not(healthy: Monitor) -> None:
    def demand(severity: Severity, fail_on: str) -> None:
        require_healthy(healthy.record, (Says(severity),), Requirements(fail_on=fail_on), None)

    demand(Severity.INFO, "no_learning")
    demand(Severity.WARNING, "error")
    for severity, fail_on in ((Severity.WARNING, "no_learning"), (Severity.INFO, "info")):
        with pytest.raises(UnhealthyTraining, match=r"^no_learning: so it seems\n"):
            demand(severity, fail_on)


def test_only_the_named_diagnoses_fail(sick: Monitor) -> None:
    sick.assert_healthy(fail_on="numerics", unjudged="ignore")
    assert message(sick, UnhealthyTraining, fail_on="dead_units").startswith("dead_units@hidden_1: ")


def test_of_a_consequence_that_fails_the_root_is_shown_too(sick: Monitor) -> None:
    said = message(sick, UnhealthyTraining, fail_on=["no_learning"])
    assert said.startswith("no_learning: ")
    assert "error dead_units@hidden_1 since step 0" in said


@pytest.mark.parametrize(
    ("limit", "reason"),
    [
        (
            {"max_dead": 0.1},
            "max_dead: no training set was given: add data=(inputs, targets), or data=loader, to watch(…)",
        ),
        ({"max_loss_ratio": 1.0}, "max_loss_ratio: no training set was given: add data="),
        ({"min_accuracy": 0.5}, "min_accuracy: no accuracy on a validation set was recorded"),
        ({"fail_on": "dead_units"}, "dead_units: "),
    ],
    ids=str,
)
@pytest.mark.parametrize("unjudged", ["warn", "fail", "ignore"])
def test_what_is_demanded_and_cannot_be_judged_never_passes(
    limit: dict[str, Any], reason: str, unjudged: str, blind: Monitor
) -> None:
    assert message(blind, NotJudged, **limit, unjudged=unjudged).startswith(f"demanded, but not judged: {reason}")


def test_a_limit_that_nothing_can_exceed_demands_nothing(blind: Monitor) -> None:
    blind.requirements = Requirements(max_dead=0.1, unjudged="ignore")
    try:
        blind.assert_healthy(max_dead=1.0)
        assert message(blind, NotJudged).startswith("demanded, but not judged: max_dead: ")
    finally:
        blind.requirements = Requirements()


def test_diagnoses_that_were_not_judged_are_warned_of_at_the_line_that_asserts(blind: Monitor) -> None:
    with pytest.warns(UnjudgedWarning, match="diagnoses not judged:\n  dead_units, .*: no training set ") as caught:
        blind.assert_healthy()
    assert [warning.filename for warning in caught] == [__file__]
    assert 'unjudged="ignore" accepts that' in str(caught[0].message)
    with warnings.catch_warnings(record=True) as silent:
        blind.assert_healthy(unjudged="ignore")
    assert silent == []


def test_a_validation_set_that_nobody_gave_is_told_only_beside_what_else_was_not_judged(
    digits: WatchedData, train_watched: TrainWatched
) -> None:
    monitor: Monitor = train_watched(WatchedData(digits.inputs, digits.targets)).monitor
    unjudged = {each.id: each.reason for each in monitor.verdict.not_judged}
    assert unjudged == dict.fromkeys(("memorising", "overfitting"), NO_VALIDATION)
    monitor.assert_healthy()  # a warning would be an error here
    assert monitor.record.context is not None
    monitor.record.context = replace(monitor.record.context, unobserved={"gradients": "nobody saw a gradient"})
    with pytest.warns(UnjudgedWarning, match=": nobody saw a gradient") as caught:
        monitor.assert_healthy()
    assert f"memorising, overfitting: {NO_VALIDATION}" in str(caught[0].message)


def test_diagnoses_that_were_not_judged_fail_where_that_is_wanted(blind: Monitor) -> None:
    said = message(blind, NotJudged, unjudged="fail")
    assert f"of {len(CATALOGUE)} diagnoses not judged:" in said
    assert "  dead_units, saturated_units, vanishing_gradient, " in said
    assert ": no training set was given: add data=" in said


def test_requirements_of_the_project_hold_where_arguments_do_not_say(sick: Monitor) -> None:
    sick.requirements = Requirements(fail_on="numerics", max_dead=0.1, unjudged="ignore")
    try:
        assert message(sick, UnhealthyTraining).startswith("max_dead@hidden_1: ")
        sick.assert_healthy(max_dead=1.0)
        assert message(sick, UnhealthyTraining, max_dead=1.0, fail_on="error").startswith("dead_units@hidden_1: ")
    finally:
        sick.requirements = Requirements()


@pytest.mark.parametrize(
    ("demands", "sentence"),
    [
        ({"max_dead": 10}, "max_dead: 10 is not a share from 0 to 1"),
        ({"fail_on": "dead_unit"}, "the id 'dead_unit' — did you mean 'dead_units'?"),
        ({"fail_on": "errors"}, "the id 'errors' — did you mean 'error'?"),
        ({"fail_on": ["zyxw"]}, "the id 'zyxw'; there are non_finite, "),
    ],
    ids=str,
)
def test_demands_that_make_no_sense_are_told(demands: dict[str, Any], sentence: str, healthy: Monitor) -> None:
    assert sentence in message(healthy, ValueError, **demands)


def test_a_monitor_that_saw_no_training_says_so(digits: WatchedData, make_network: Callable[..., Network]) -> None:
    watched, trained = make_network(digits), make_network(digits)
    with Monitor(watched, digits) as monitor:
        fit(trained, digits, epochs=1)
    assert message(monitor, NotJudged, max_dead=0.1).startswith("this monitor saw no training: train the model that")


def test_before_the_end_of_the_training_nothing_passes(
    digits: WatchedData, make_network: Callable[..., Network]
) -> None:
    network, said = make_network(digits), []

    def ask(event: StepEnded) -> None:
        if event.step in {1, 30}:
            said.append(message(monitor, NotJudged, unjudged="ignore"))

    with Monitor(network, digits) as monitor, network.hooks.on(StepEnded, ask):
        fit(network, digits)
    assert [sentence.partition(":")[0] for sentence in said] == ["the training has not ended"] * 2
    monitor.assert_healthy(unjudged="ignore")


def test_an_error_that_stands_fails_before_the_end_too(
    digits: WatchedData, make_network: Callable[..., Network]
) -> None:
    network, said = make_network(digits, bias=-20.0), []

    def ask(event: StepEnded) -> None:
        if event.step == 30:
            said.append(message(monitor, UnhealthyTraining))

    with Monitor(network, digits) as monitor, network.hooks.on(StepEnded, ask):
        fit(network, digits)
    assert said[0].startswith("dead_units@hidden_1: ")
    assert "the training has not ended" in said[0]


def test_a_training_that_failed_is_not_healthy_so_far(
    digits: WatchedData, make_network: Callable[..., Network]
) -> None:
    network = make_network(digits)

    def fail(event: StepEnded) -> None:
        if event.step == 30:
            raise KeyError(event.step)

    with Monitor(network, digits) as monitor, network.hooks.on(StepEnded, fail), pytest.raises(KeyError):
        fit(network, digits)
    assert message(monitor, NotJudged) == "the training failed before its end"


def test_a_training_too_short_for_any_rule_is_not_called_healthy(
    digits: WatchedData, make_network: Callable[..., Network]
) -> None:
    network = make_network(digits, activation="tanh")
    gated = tuple(diagnosis for diagnosis in CATALOGUE if diagnosis.id in {"dead_units", "no_learning"})
    with Monitor(network, diagnoses=gated) as monitor:
        fit(network, digits, epochs=1)
    assert message(monitor, NotJudged, unjudged="ignore").startswith("nothing could be judged:\n  no_learning: ")


def test_a_diverged_training_fails_as_non_finite(digits: WatchedData, make_network: Callable[..., Network]) -> None:
    network = make_network(digits)
    samples = Samples(digits.inputs, digits.targets)
    with Monitor(network, digits) as monitor, np.errstate(all="ignore"):
        train(network, samples, Sgd(1e20), epochs=2, batch_size=64, generator=np.random.default_rng(0))
    said = message(monitor, UnhealthyTraining, min_accuracy=0.5, max_loss_ratio=1.0, max_update_ratio=1.0)
    assert "non_finite" in said


def test_a_finding_in_one_line_names_severity_place_and_evidence() -> None:
    finding = Finding("dead_units", "fact", Severity.ERROR, "hidden_1", 0, 9, 1.0, 0.5, "all are silent", "So what.")
    assert finding.summary == "error dead_units@hidden_1: all are silent"
