"""Diagnosis 18: inputs are blamed where standardising them would mend the step, and nowhere else."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from gradvitals.diagnostics.diagnoses.unscaled_inputs import UnscaledInputs
from gradvitals.diagnostics.findings import Finding, Severity
from gradvitals.diagnostics.gate import judge_gate
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.notes import Incident, Probe
from gradvitals.diagnostics.shortfall import Shortfall
from gradvitals.diagnostics.start_notes import DataFacts, Propagation
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.events import OptimizerInfo
from gradvitals.engine.optimizers import Adam, Sgd

Train = Callable[..., Any]
SGD = {"training.optimizer.kind": "sgd", "training.optimizer.learning_rate": 0.1, "training.optimizer.momentum": 0.0}

FACTS = DataFacts(
    step=0,
    rows=100,
    columns=4,
    validation_rows=None,
    not_finite={},
    spoils=None,
    constant_count=0,
    constant_columns=(),
    rms=1.0,
    widest_column=0,
    widest=1.0,
    widest_mean=0.0,
    narrowest_column=1,
    narrowest=1.0,
    narrowest_mean=0.0,
    runs=50,
    runs_expected=50.0,
    runs_deviation=5.0,
    shared_rows=None,
    shared_expected=None,
    shared_chance=None,
    target_means=(0.5, 0.5),
    target_deviations=(0.5, 0.5),
)
START = Propagation(
    step=0,
    samples=100,
    loss=1.0,
    deviations={"hidden_1": 1.0, "output": 1.0},
    output_means=(0.0, 0.0),
    output_deviations=(1.0, 1.0),
    curvature=1.0,
    curvature_column=2,
    curvature_share=0.2,
    standardised_loss=1.0,
    standardised_deviations={"hidden_1": 1.0, "output": 1.0},
    standardised_curvature=1.0,
)


@pytest.fixture
def noted(make_context: Callable[..., Context], make_probe: Callable[..., Probe]) -> Callable[..., Record]:
    """Record a start, and probes at every hundredth step with these loss ratios; a ratio of 1 is no learning."""

    def make(
        start: Propagation = START,
        facts: DataFacts = FACTS,
        *,
        config: Mapping[str, Any] | None = SGD,
        ratios: tuple[float, ...] = (1.1,),
    ) -> Record:
        record = Record(make_context(config=config))
        for number, ratio in enumerate(ratios):
            record.add(make_probe(100 * number, loss=ratio, loss_ratio=ratio, gain=1.0 - ratio, gain_se=0.001))
        record.add(facts)
        record.add(start)
        return record

    return make


def said(record: Record, rule: UnscaledInputs | None = None) -> list[tuple[str, bool]]:
    findings = (rule or UnscaledInputs()).judge(record, judge_gate(record)).findings
    return [(str(finding.severity), finding.cleared) for finding in findings]


def finding_of(record: Record) -> Finding:
    (finding,) = UnscaledInputs().judge(record, judge_gate(record)).findings
    return finding


STEEP = replace(START, curvature=140.0, standardised_curvature=2.0)
"""Steps of 7 times the longest stable one at a rate of .1, and of a tenth of it on standardised inputs."""


@pytest.mark.parametrize(
    ("curvature", "standardised", "expected"),
    [(140.0, 2.0, "warning"), (118.0, 2.0, None), (140.0, 21.0, None), (140.0, None, None), (None, 2.0, None)],
    ids=["steep", "not steep enough", "steep either way", "standardised already", "no curvature"],
)
def test_only_steps_that_standardising_would_mend_are_blamed_on_the_inputs(
    curvature: float | None, standardised: float | None, expected: str | None, noted: Callable[..., Record]
) -> None:
    start = replace(START, curvature=curvature, standardised_curvature=standardised)
    assert said(noted(start)) == ([] if expected is None else [(expected, False)])


@pytest.mark.parametrize(
    ("start", "facts", "before", "speaks"),
    [
        (replace(START, curvature=22.0, standardised_curvature=2.0), FACTS, [], True),
        (replace(START, curvature=18.0, standardised_curvature=2.0), FACTS, [], False),
        (replace(START, curvature=22.0, standardised_curvature=22.0), FACTS, [], False),
        (START, replace(FACTS, rms=21.0), [("info", False)], True),
        (START, replace(FACTS, widest=101.0), [("info", False)], True),
        (START, FACTS, [], False),
        (replace(START, curvature=140.0, standardised_curvature=2.0), FACTS, [("info", True)], True),
    ],
    ids=["long steps", "stable steps", "long either way", "large", "spread", "nothing", "far too long steps"],
)
def test_where_simple_models_on_standardised_inputs_do_better_whatever_is_said_of_them_is_a_warning(
    start: Propagation,
    facts: DataFacts,
    before: list[tuple[str, bool]],
    *,
    speaks: bool,
    noted: Callable[..., Record],
) -> None:
    record = noted(start, facts, ratios=(1.1, 0.6, 0.4))
    assert said(record) == before
    record.add(Shortfall(200, 256, 0.2, 0.6, 0.4, 0.03))
    assert said(record) == [("warning", False)] * speaks
    if speaks:
        assert finding_of(record).first_step == 0


@pytest.mark.parametrize(
    ("changed", "factor"),
    [
        ({}, 1.0),
        ({"training.optimizer.momentum": 0.9}, 1.9),
        ({"training.optimizer.momentum": 0.9, "training.optimizer.nesterov": True}, 1.9 / 2.8),
    ],
    ids=["plain", "momentum", "nesterov"],
)
def test_the_longest_stable_step_is_that_of_the_optimizer(
    changed: dict[str, Any], factor: float, noted: Callable[..., Record]
) -> None:
    """On a quadratic of curvature λ, by the eigenvalues of the update as a linear map."""
    momentum = changed.get("training.optimizer.momentum", 0.0)
    nesterov = changed.get("training.optimizer.nesterov", False)

    def grows(rate: float) -> bool:
        position, buffer = np.array([1.0, 0.0]), np.array([1.0, momentum])  # the new buffer is λx + β times the old
        look = position + momentum * buffer if nesterov else buffer
        return bool(np.abs(np.linalg.eigvals(np.array([position - rate * look, buffer]))).max() > 1.0 + 1e-9)

    limit = 2.0 * factor
    assert not grows(0.999 * limit)
    assert grows(1.001 * limit)
    for share, expected in ((5.9, []), (6.1, [("warning", False)])):
        start = replace(START, curvature=share * limit / 0.1, standardised_curvature=1e-3)
        assert said(noted(start, config=SGD | changed)) == expected


@pytest.mark.parametrize(
    "changed",
    [
        {"training.optimizer.kind": "adam"},
        {"training.clip_norm": 1.0},
        {"training.clip_value": 0.1},
        {"training.schedule.warm_up": 50},
        {"training.gradient": "random_search"},
        {"training.optimizer.learning_rate": None},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_steps_that_are_bounded_or_not_known_are_not_judged(
    changed: dict[str, Any], noted: Callable[..., Record]
) -> None:
    assert said(noted(STEEP, config=SGD | changed)) == []


def test_of_what_nobody_told_no_rate_is_to_blame(noted: Callable[..., Record]) -> None:
    assert said(noted(STEEP, config=None)) == []


WIDE = replace(FACTS, rms=50.0)
ALONE = OptimizerInfo("sgd", 0.1)


@pytest.mark.parametrize(
    ("optimizer", "facts", "told"),
    [
        (ALONE, WIDE, True),
        (ALONE, FACTS, None),
        (replace(ALONE, learning_rate=0.08), WIDE, False),
        (replace(ALONE, momentum=0.2), WIDE, False),
        (replace(ALONE, momentum=0.2, nesterov=True), WIDE, True),
        (replace(ALONE, clips=True), WIDE, False),
        (replace(ALONE, kind="adam"), WIDE, False),
        (None, WIDE, False),
    ],
    ids=["too long", "no other sign", "shorter", "momentum", "nesterov", "clipped", "adam", "unknown"],
)
def test_a_loop_tells_its_steps_which_count_beside_another_sign(
    optimizer: OptimizerInfo | None, facts: DataFacts, *, told: bool | None, noted: Callable[..., Record]
) -> None:
    for ratios, severity in (((1.1,), "info"), ((1.1, 1.0, 1.0, 1.0), "error" if told else "info")):
        record = noted(STEEP, facts, config=None, ratios=ratios)
        assert record.context is not None
        record.context = replace(record.context, optimizer=optimizer)
        assert said(record) == ([] if told is None else [(severity, False)])
        if told is not None:
            assert ("times the longest stable one" in finding_of(record).evidence) == told


def test_a_loop_is_not_too_slow_for_any_scale(noted: Callable[..., Record]) -> None:
    """Weights as PyTorch draws them are small, and so is the curvature: good rates look slow."""
    start = replace(START, loss=50.0, standardised_loss=1.2, curvature=0.0, standardised_curvature=1e-5)
    record = noted(start, config=None, ratios=(1.1, 1.0, 1.0, 1.0))
    assert record.context is not None
    record.context = replace(record.context, optimizer=ALONE)
    assert said(record) == [("error", False)]


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [
        ((1.1,), ("warning", False)),
        ((1.1, 1.0, 1.0, 1.0), ("error", False)),
        ((1.1, 1.0, 1.0, 0.6), ("warning", False)),
        ((1.1, 0.9, 0.8, 0.4), ("info", True)),
        ((1.1, 0.4, 0.7, 0.8), ("warning", False)),
    ],
    ids=["pre-flight", "nothing learned", "a little learned", "half done", "half done and lost again"],
)
def test_the_training_shows_what_it_costs(
    ratios: tuple[float, ...], expected: tuple[str, bool], noted: Callable[..., Record]
) -> None:
    assert said(noted(STEEP, ratios=ratios)) == [expected]


@pytest.mark.parametrize(
    ("start", "impaired"),
    [
        (replace(START, loss=50.0, standardised_loss=1.2), "error"),
        (replace(START, loss=50.0, standardised_loss=40.0), None),
        (replace(START, loss=50.0, standardised_loss=3.1), "info"),
        (replace(START, loss=50.0, standardised_loss=2.9), "error"),
        (replace(START, loss=3.1, standardised_loss=1.2), "error"),
        (replace(START, loss=2.9, standardised_loss=1.2), None),
        (replace(START, deviations={"hidden_1": 300.0, "output": 1.0}), "error"),
        (replace(START, deviations={"hidden_1": 1e-3, "output": 1.0}), "error"),
        (
            replace(
                START,
                deviations={"hidden_1": 300.0, "output": 1.0},
                standardised_deviations={"hidden_1": 30.0, "output": 1.0},
            ),
            None,
        ),
        (replace(START, loss=50.0, standardised_loss=1.2, curvature=0.19, standardised_curvature=0.019), "info"),
        (replace(START, loss=50.0, standardised_loss=1.2, curvature=0.21, standardised_curvature=0.019), "error"),
        (replace(START, loss=50.0, standardised_loss=1.2, curvature=0.19, standardised_curvature=0.021), "error"),
        (replace(START, loss=50.0, standardised_loss=1.2, standardised_curvature=50.0), "info"),
    ],
    ids=[
        "the first loss",
        "a first loss that stays",
        "a first loss that stays large",
        "a first loss that is mended",
        "a first loss just too large",
        "a first loss just not too large",
        "large signals",
        "small signals",
        "signals large either way",
        "a rate too low for anything",
        "a rate found for large inputs",
        "a rate hardly too low",
        "a rate too high for anything",
    ],
)
def test_signs_that_are_harmless_alone_are_errors_with_impairment_only(
    start: Propagation, impaired: str | None, noted: Callable[..., Record]
) -> None:
    expected = [] if impaired is None else [("info", False)]
    assert said(noted(start)) == expected
    assert said(noted(start, ratios=(1.1, 0.4, 0.3))) == expected
    sick = said(noted(start, ratios=(1.1, 1.0, 1.0, 1.0)))
    assert sick == ([] if impaired is None else [(impaired, False)])


@pytest.mark.parametrize(
    ("changed", "said_of"),
    [
        ({"rms": 21.0}, "root mean square is 21"),
        ({"rms": 0.04}, "root mean square is 0.04"),
        ({"widest": 101.0, "widest_mean": 7.0}, "to 101 (column 0, mean 7)"),
        ({"rms": 19.0, "widest": 99.0}, ""),
        ({"rms": 0.06}, ""),
        ({"rms": None, "widest": None, "narrowest": None}, ""),
    ],
    ids=["large", "small", "uneven", "within bounds", "small, but within bounds", "nothing to compare"],
)
def test_columns_are_described_and_never_blamed_alone(
    changed: dict[str, Any], said_of: str, noted: Callable[..., Record]
) -> None:
    record = noted(facts=replace(FACTS, **changed), ratios=(1.1, 1.0, 1.0, 1.0))
    if not said_of:
        assert said(record) == []
        return
    finding = finding_of(record)
    assert finding.severity is Severity.INFO
    assert said_of in finding.evidence


def test_a_column_that_dominates_is_named_and_prescribed_for(noted: Callable[..., Record]) -> None:
    finding = finding_of(noted(replace(STEEP, curvature_share=0.97)))
    assert "column 2 alone makes 97 %" in finding.evidence
    sets = [prescription.set for prescription in finding.prescriptions]
    assert sets == [{"data.scale": "standard"}, {"data.columns": {"2": "standard"}}]
    for column in (2, 4):  # a small share; the bias
        one_of_many = replace(STEEP, curvature_column=column, curvature_share=0.9 if column == 4 else 0.4)
        assert len(finding_of(noted(one_of_many)).prescriptions) == 1


def test_a_threshold_of_its_own_changes_what_it_says(noted: Callable[..., Record]) -> None:
    assert said(noted(STEEP), UnscaledInputs(warn=8.0)) == []


def test_a_record_without_the_notes_is_not_judged(make_context: Callable[..., Context]) -> None:
    record = Record(make_context())
    assert UnscaledInputs().judge(record, judge_gate(record)).status == "not_judged"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_prove_nothing(value: float, noted: Callable[..., Record]) -> None:
    broken = replace(
        START,
        loss=value,
        curvature=None,
        standardised_loss=np.nan,
        standardised_curvature=None,
        deviations={"hidden_1": value, "output": value},
        standardised_deviations={"hidden_1": np.nan, "output": np.nan},
    )
    record = noted(broken)
    record.add(Incident(0, 0, "inputs", None))
    assert all(severity == "info" for severity, _ in said(record))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("scale", [1.0, 300.0, 3000.0])
def test_digits_of_any_scale_are_judged_by_whether_they_train(
    scale: float, seed: int, digits: WatchedData, train_watched: Train
) -> None:
    config = SGD | {"training.optimizer.learning_rate": 0.1}
    data = replace(digits, inputs=digits.inputs * np.float32(scale), validation_inputs=None, validation_targets=None)
    record = train_watched(data, optimizer=Sgd(0.1), seed=seed, watching={"config": config}).monitor.record
    alarmed = [severity for severity, _ in said(record) if severity != "info"]
    if scale == 1.0:
        assert not alarmed
    else:
        assert alarmed == ["error"]
        assert not record.notes(Probe)[-1].loss_ratio < 0.9


@pytest.mark.parametrize(("scale", "rate"), [(0.05, 0.4), (1.0, 0.1), (16.0, 0.0625)])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_scales_that_the_rate_suits_raise_no_alarm(
    activation: str, scale: float, rate: float, digits: WatchedData, train_watched: Train
) -> None:
    data = replace(digits, inputs=digits.inputs * np.float32(scale), validation_inputs=None, validation_targets=None)
    config = SGD | {"training.optimizer.learning_rate": rate}
    record = train_watched(
        data, activation=activation, optimizer=Sgd(rate), epochs=20, watching={"config": config}
    ).monitor.record
    assert record.notes(Probe)[-1].loss_ratio < 0.5
    assert [severity for severity, _ in said(record) if severity != "info"] == []


def test_raw_digits_under_adam_raise_no_alarm(train_watched: Train) -> None:
    pixels, labels = load_digits(return_X_y=True)
    data = WatchedData(pixels[:1300].astype(np.float32), np.eye(10)[labels[:1300]].astype(np.float32))
    record = train_watched(
        data, optimizer=Adam(1e-3), watching={"config": {"training.optimizer.kind": "adam"}}
    ).monitor.record
    assert [severity for severity, _ in said(record) if severity != "info"] == []
