"""The six diagnoses, each on a network that is really sick and on its healthy twin."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from gradvitals.diagnostics.diagnoses.catalogue import CATALOGUE
from gradvitals.diagnostics.diagnoses.dead_units import DeadUnits
from gradvitals.diagnostics.diagnoses.exploding_gradient import ExplodingGradient
from gradvitals.diagnostics.diagnoses.vanishing_gradient import fold
from gradvitals.diagnostics.findings import Finding, Judgement, Severity, Verdict
from gradvitals.diagnostics.judge import judge
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.notes import Ending, Incident, Probe, Scan, Signal
from gradvitals.diagnostics.shortfall import Shortfall
from gradvitals.diagnostics.start_notes import DataFacts
from gradvitals.diagnostics.straightness import Straightness
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.events import LayerForward
from gradvitals.engine.initializers import glorot_uniform, he_normal, normal, zeros
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Sgd
from gradvitals.engine.training import Samples, train

Train = Callable[..., Any]


@dataclass(frozen=True)
class Case:
    """A sick network, what is wrong with it, and what makes the twin healthy."""

    id: str
    layer: str | None
    sick: dict[str, Any]
    healthy: dict[str, Any]
    rate: float = 0.1
    healthy_rate: float | None = None


CASES = [
    Case("non_finite", "hidden_2", {}, {}, rate=1e4, healthy_rate=0.1),
    Case("dead_units", "hidden_1", {"bias": -50.0}, {}),
    Case(
        "saturated_units",
        "hidden_1",
        {"hidden": [64] * 4, "activation": "sigmoid", "init": normal(10.0)},
        {"hidden": [64], "activation": "sigmoid", "init": glorot_uniform},
        rate=0.01,
        healthy_rate=1.0,
    ),
    Case(
        "vanishing_gradient",
        "hidden_1",
        {"hidden": [32] * 6, "activation": "sigmoid"},
        {"hidden": [32] * 6, "activation": "relu"},
    ),
    Case("exploding_gradient", "hidden_1", {"hidden": [64] * 8, "init": normal(0.5)}, {"hidden": [64] * 8}, rate=0.01),
    Case(
        "no_learning",
        None,
        {"activation": "tanh", "init": zeros},
        {"activation": "tanh", "init": [glorot_uniform, glorot_uniform, zeros]},
    ),
]


OF_QUANTITIES = {"clipped_delta", "saturated_output", "unscaled_targets"}


def found(verdict: Verdict, diagnosis: str) -> list[Finding]:
    return [finding for finding in verdict.standing if finding.id == diagnosis]


def alarms(verdict: Verdict) -> list[str]:
    return [f"{finding.severity} {finding.key}" for finding in verdict.standing if finding.severity > Severity.INFO]


def status_of(verdict: Verdict, diagnosis: str) -> Judgement:
    return next(judgement for judgement in verdict.judgements if judgement.id == diagnosis)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_a_sick_network_is_found_sick_and_its_twin_healthy(
    case: Case, seed: int, digits: WatchedData, train_watched: Train
) -> None:
    sick = train_watched(digits, optimizer=Sgd(case.rate), seed=seed, **case.sick).monitor.verdict
    findings = found(sick, case.id)
    assert findings, alarms(sick)
    assert findings[0].severity is Severity.ERROR
    assert findings[0].layer == case.layer
    assert sick.outcome == "error"
    assert status_of(sick, case.id).status == "fired"
    twin = train_watched(digits, optimizer=Sgd(case.healthy_rate or case.rate), seed=seed, **case.healthy)
    assert twin.monitor.record.notes(Probe)[-1].loss_ratio < 0.3
    assert alarms(twin.monitor.verdict) == []
    assert twin.monitor.verdict.outcome == "healthy"


@pytest.mark.parametrize("case", CASES[1:5], ids=[case.id for case in CASES[1:5]])
def test_no_learning_is_explained_by_what_causes_it(case: Case, digits: WatchedData, train_watched: Train) -> None:
    verdict = train_watched(digits, optimizer=Sgd(case.rate), **case.sick).monitor.verdict
    assert verdict.findings[0].explained_by is None
    if effects := found(verdict, "no_learning"):
        assert effects[0].explained_by == verdict.findings[0].key


@pytest.mark.parametrize(
    ("activation", "hidden", "expected"),
    [
        ("tanh", [16, 16], {"dead_units"}),
        ("leaky_relu", [16, 16], {"dead_units", "saturated_units"}),
        ("relu", [16], {"saturated_units", "vanishing_gradient"}),
        ("relu", [], {"dead_units", "saturated_units", "vanishing_gradient", "symmetric_units"}),
    ],
    ids=["tanh", "leaky_relu", "two layers", "one layer"],
)
def test_rules_without_an_object_do_not_apply(
    activation: str, hidden: list[int], expected: set[str], digits: WatchedData, train_watched: Train
) -> None:
    verdict = train_watched(digits, epochs=5, activation=activation, hidden=hidden).monitor.verdict
    silent = {judgement.id for judgement in verdict.judgements if judgement.status == "not_applicable"}
    assert silent == expected | OF_QUANTITIES | {"recurrent_gain"}  # here are classes, and no time steps
    assert all(judgement.reason for judgement in verdict.judgements if judgement.status == "not_applicable")
    assert verdict.outcome == "healthy"


@pytest.mark.parametrize(
    ("factor", "text"), [(2147.3, "2,147"), (999_999.0, "999,999"), (9.96e15, "1e+16"), (math.inf, "inf")]
)
def test_a_factor_is_written_as_a_person_would(factor: float, text: str) -> None:
    assert fold(factor) == text


def test_an_empty_record_is_judged_by_no_rule() -> None:
    verdict = judge(Record())
    assert {judgement.status for judgement in verdict.judgements} == {"not_judged"}
    assert {judgement.reason for judgement in verdict.judgements} == {"not recorded"}
    assert verdict.outcome == "not_judged"


def test_what_is_measured_on_a_training_set_says_that_none_was_given(make_context: Callable[..., Context]) -> None:
    reasons = {each.id: each.reason for each in judge(Record(replace(make_context(), samples=None))).judgements}
    assert reasons["no_learning"].startswith("no training set was given: add data=")
    assert reasons["saturated_units"] == reasons["unscaled_inputs"] == reasons["no_learning"]
    given = {each.id: each.reason for each in judge(Record(make_context())).judgements}
    assert given["no_learning"] == given["unscaled_inputs"] == "not recorded"


def test_a_run_too_short_for_the_gate_says_so(digits: WatchedData, train_watched: Train) -> None:
    verdict = train_watched(digits, epochs=2, activation="tanh", watching={"total_steps": 1000}).monitor.verdict
    assert "42 updates made" in status_of(verdict, "no_learning").reason


def test_a_network_on_noise_is_not_blamed_and_the_data_are_spoken_of(train_watched: Train) -> None:
    rng = np.random.default_rng(0)
    data = WatchedData(rng.normal(size=(400, 5)), np.eye(2)[rng.integers(0, 2, 400)])
    verdict = train_watched(data, hidden=[], optimizer=Sgd(1e-6), epochs=60).monitor.verdict
    (finding,) = status_of(verdict, "no_learning").findings
    assert finding.severity is Severity.WARNING
    assert "inputs and targets do not belong together" in finding.explanation
    assert verdict.outcome == "warning"


def cancer(*, shuffled: bool) -> WatchedData:
    """Give 569 standardised samples; shuffled, without their labels."""
    inputs, labels = load_breast_cancer(return_X_y=True)
    inputs = (inputs - inputs.mean(axis=0)) / inputs.std(axis=0)
    if shuffled:
        inputs = inputs[np.random.default_rng(0).permutation(len(inputs))]
    return WatchedData(inputs.astype(np.float32), np.eye(2, dtype=np.float32)[labels])


@pytest.mark.parametrize(
    ("shuffled", "epochs", "speaks"),
    [(True, 15, True), (False, 15, False), (True, 5, False), (True, 400, False)],
    ids=["shuffled", "sound", "not done", "learned by heart"],
)
def test_rows_that_were_shuffled_without_their_labels_are_told_where_next_to_nothing_was_learned(
    epochs: int, *, shuffled: bool, speaks: bool, train_watched: Train
) -> None:
    data = cancer(shuffled=shuffled)
    rate = 0.01 if epochs < 100 else 0.3
    verdict = train_watched(data, hidden=[32], optimizer=Sgd(rate), epochs=epochs, batch_size=32).monitor.verdict
    found = status_of(verdict, "no_learning").findings
    assert [finding.severity for finding in found] == [Severity.WARNING] * speaks
    assert all("gain surely less than 5 %" in finding.evidence for finding in found)


@pytest.mark.parametrize("value", [math.nan, math.inf], ids=str)
@pytest.mark.parametrize("layer", ["hidden_1", "hidden_2", "output"])
def test_a_bad_weight_is_named_by_its_layer(
    value: float, layer: str, digits: WatchedData, make_network: Callable[..., Network], train_watched: Train
) -> None:
    network = make_network(digits, activation="leaky_relu")
    network.views(network.parameters)[layer]["weight"][0] = value
    verdict = train_watched(digits, network).monitor.verdict
    assert verdict.findings[0].key == f"non_finite@{layer}"
    assert verdict.findings[0].first_step == 0
    assert f"the parameters of {layer} are not finite" in verdict.findings[0].evidence


def data_with(digits: WatchedData, *, row: int, value: float, of: str = "inputs") -> WatchedData:
    inputs, targets = digits.inputs.copy(), digits.targets.copy()
    (inputs if of == "inputs" else targets)[row, 3] = value
    return replace(digits, inputs=inputs, targets=targets)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "linear"])
@pytest.mark.parametrize("row", [0, 700, 1299])
def test_an_overflow_names_the_first_op_whichever_row_it_came_from(
    row: int, activation: str, digits: WatchedData, train_watched: Train
) -> None:
    data = data_with(digits, row=row, value=3e38)
    watched = train_watched(data, init=[normal(4.0), he_normal, he_normal], activation=activation, optimizer=Sgd(1e-6))
    finding = found(watched.monitor.verdict, "non_finite")[0]
    assert finding.layer == "hidden_1"
    assert "first op with finite inputs and a non-finite output is the affine op of hidden_1" in finding.evidence
    assert watched.reason == "non_finite"


@pytest.mark.parametrize("value", [math.nan, math.inf], ids=str)
def test_data_that_are_not_finite_are_named_as_the_cause(
    value: float, digits: WatchedData, train_watched: Train
) -> None:
    verdict = train_watched(data_with(digits, row=700, value=value)).monitor.verdict
    (effect,) = found(verdict, "non_finite")
    assert verdict.findings[0].id == "data_faults"
    assert verdict.findings[0].explained_by is None
    assert (effect.key, effect.explained_by) == ("non_finite", verdict.findings[0].key)
    assert "the training data" in effect.evidence
    assert "data" in effect.prescriptions[0].why


@pytest.mark.parametrize("value", [math.nan, math.inf], ids=str)
def test_targets_that_are_not_finite_are_seen_in_the_loss(
    value: float, digits: WatchedData, train_watched: Train
) -> None:
    verdict = train_watched(data_with(digits, row=700, value=value, of="targets")).monitor.verdict
    (effect,) = found(verdict, "non_finite")
    assert verdict.findings[0].id == "data_faults"
    assert (effect.key, effect.explained_by) == ("non_finite", verdict.findings[0].key)
    assert "the loss is not finite although every layer's output is" in effect.evidence


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "tanh"])
@pytest.mark.parametrize("rate", [1e4, 1e9, 1e20, 1e38], ids=str)
def test_a_rate_far_too_high_names_the_layer_whose_output_overflows_first(
    rate: float, activation: str, digits: WatchedData, make_network: Callable[..., Network], train_watched: Train
) -> None:
    """The oracle: the same training again, every layer's pre-activations looked at by hand at its last step."""
    watched = train_watched(digits, optimizer=Sgd(rate), activation=activation)
    findings = found(watched.monitor.verdict, "non_finite")
    if watched.reason != "non_finite":
        assert not findings
        return
    network, expected = make_network(digits, activation=activation), []

    def look(event: LayerForward) -> None:
        if np.isfinite(event.inputs).all() and not np.isfinite(event.outputs).all():
            expected.append(event.layer)

    network.hooks.on(LayerForward, look)
    samples, generator = Samples(digits.inputs, digits.targets), np.random.default_rng(0)
    train(network, samples, Sgd(rate), epochs=12, batch_size=64, generator=generator)
    assert findings[0].layer == (expected[0] if expected else None)


def test_non_finite_says_between_which_steps_and_never_clears(
    make_context: Callable[..., Context], make_probe: Callable[..., Probe]
) -> None:
    record = Record(make_context())
    record.add(make_probe(0))
    record.add(Incident(300, 250, "gradients", "hidden_1"))
    for step in (400, 700, 1000):
        record.add(make_probe(step, loss_ratio=0.1, gain=0.9, gain_se=0.01))
    finding = found(judge(record), "non_finite")[0]
    assert finding.standing
    assert "between steps 250 and 300" in finding.evidence
    assert (finding.first_step, finding.last_step) == (300, 1000)


@pytest.mark.parametrize(
    ("what", "step", "keys"),
    [
        ("outputs", 0, [{"model.init": "he_normal"}]),
        ("loss", 0, [None]),
        (
            "outputs",
            1,
            [{"model.init": "he_normal"}, {"training.optimizer.learning_rate": 0.01}, {"training.clip_norm": 1.0}],
        ),
    ],
    ids=["weights too large", "targets", "first step"],
)
def test_a_rate_is_not_to_blame_before_the_first_update(
    what: str, step: int, keys: list[Any], make_context: Callable[..., Context]
) -> None:
    record = Record(make_context(config={"training.optimizer.learning_rate": 0.1, "model.init": "zeros"}))
    record.add(Incident(step, 0, what, "hidden_1" if what == "outputs" else None))
    finding = found(judge(record), "non_finite")[0]
    assert [prescription.set for prescription in finding.prescriptions] == keys


def test_a_dead_output_layer_is_cured_at_the_output(
    make_context: Callable[..., Context], make_probe: Callable[..., Probe]
) -> None:
    context = make_context(config={"model.output": "relu"})
    layers = (*context.layers[:-1], replace(context.layers[-1], activation="relu"))
    record = Record(replace(context, layers=layers))
    record.add(make_probe(0))
    record.add(Scan(0, 100, {"hidden_1": (), "output": (0, 1, 2)}))
    record.add(Ending(1000, "completed"))
    finding = found(judge(record), "dead_units")[0]
    assert finding.layer == "output"
    assert [prescription.set for prescription in finding.prescriptions] == [{"model.output": "auto"}]


@pytest.fixture
def scanned(make_context: Callable[..., Context], make_probe: Callable[..., Probe]) -> Callable[..., list[Finding]]:
    """Judge scans of a layer of eight ReLU units, `dead` of them dead at each; the gate is shut at this loss ratio."""

    def judged(
        dead: Sequence[int], ratio: float = 0.5, rule: DeadUnits | None = None, ending: str = "completed"
    ) -> list[Finding]:
        record = Record(make_context())
        for number, count in enumerate(dead):
            record.add(make_probe(100 * number, loss_ratio=ratio, gain=1 - ratio, gain_se=0.01))
            record.add(Scan(100 * number, 100, {"hidden_1": tuple(range(count))}))
        if ending:
            record.add(Ending(100 * len(dead) - 100, ending))
        return list(judge(record, [rule or DeadUnits()]).findings)

    return judged


@pytest.mark.parametrize(
    ("dead", "ratio", "expected"),
    [
        ([0, 0, 0], 0.5, []),
        ([1, 1, 1], 0.5, ["info"]),
        ([1, 1, 2], 0.5, ["info"]),
        ([0, 2], 0.5, ["warning"]),
        ([0, 2, 2], 0.5, ["info"]),
        ([0, 2, 2], 1.0, ["warning"]),
        ([0, 2, 2], 0.1, ["info"]),
        ([4, 4, 4], 0.5, ["warning"]),
        ([4, 4, 4], 0.1, ["info"]),
        ([0, 0, 8], 0.1, ["error"]),
        ([0, 6, 1, 1], 0.5, ["info"]),
        ([0, 6, 6, 0], 0.5, ["cleared"]),
    ],
    ids=[
        "none",
        "one",
        "one more",
        "a rise of a quarter in a short training",
        "the same rise once done",
        "the same rise, and nothing learned",
        "the same rise once learned",
        "half of them",
        "half of them once learned",
        "all of them at the end",
        "revived",
        "all revived",
    ],
)
def test_dead_units_by_their_share(
    dead: list[int], ratio: float, expected: list[str], scanned: Callable[..., list[Finding]]
) -> None:
    assert ["cleared" if finding.cleared else str(finding.severity) for finding in scanned(dead, ratio)] == expected


@pytest.mark.parametrize("ending", ["", "interrupted"])
def test_a_rise_of_dead_units_may_go_on_until_the_training_is_done(
    ending: str, scanned: Callable[..., list[Finding]]
) -> None:
    assert [finding.severity for finding in scanned([0, 2, 2], ending=ending)] == [Severity.WARNING]


def test_dead_units_are_listed_by_index_with_their_origin(scanned: Callable[..., list[Finding]]) -> None:
    assert "(units 0, 1, 2); 3 of them dead before the first update" in scanned([3, 3])[0].evidence
    assert "(units 0, 1, 2, 3); 4 of them died between steps 100 and 200" in scanned([0, 0, 4])[0].evidence
    assert "2 once dead fire again" in scanned([0, 6, 4])[0].evidence
    both = "1 of them dead before the first update, 7 of them died between steps 0 and 100"
    assert both in scanned([1, 8, 8])[0].evidence
    one_by_one = "1 of them dead before the first update, the others died one after the other"
    assert one_by_one in scanned([1, 3, 5, 7])[0].evidence


def test_dead_units_date_from_when_there_were_many_of_them(scanned: Callable[..., list[Finding]]) -> None:
    assert [scanned(dead)[0].first_step for dead in ([1, 1, 1], [1, 1, 8, 8], [1, 8, 2, 8, 8], [4, 4, 8])] == [
        0,
        200,
        300,
        0,
    ]


def test_findings_that_cleared_stay_as_info(scanned: Callable[..., list[Finding]]) -> None:
    (finding,) = scanned([0, 6, 6, 0, 0])
    assert finding.severity is Severity.INFO
    assert not finding.standing
    assert (finding.first_step, finding.last_step) == (100, 200)


def test_a_threshold_of_its_own_changes_what_a_rule_says(scanned: Callable[..., list[Finding]]) -> None:
    assert scanned([3, 3], rule=DeadUnits(warn=0.3))[0].severity is Severity.WARNING


def test_no_learning_is_silent_without_the_record_of_a_signal(
    make_context: Callable[..., Context], make_probe: Callable[..., Probe]
) -> None:
    record = Record(make_context())
    for step in (0, 300, 600, 1000):
        record.add(make_probe(step, loss_ratio=1.0, gain=0.0, gain_se=0.001))
    assert status_of(judge(record), "no_learning").status == "not_judged"
    record.add(Signal(1000, 0.3, 0.2))
    assert "no signal" in status_of(judge(record), "no_learning").reason
    record.add(Signal(1000, 0.3, 0.01))
    assert status_of(judge(record), "no_learning").status == "fired"


def facts_of(**values: Any) -> DataFacts:
    """Make the facts of 800 rows of which nothing else is known."""
    facts: dict[str, Any] = dict.fromkeys(DataFacts.__dataclass_fields__)
    facts |= {"step": 0, "rows": 800, "columns": 5, "not_finite": {}, "constant_count": 0, "constant_columns": ()}
    return DataFacts(**(facts | {"target_means": (), "target_deviations": ()} | values))


NOTHING = Signal(1000, -0.02, 0.01, -0.02, 0.01)


@pytest.mark.parametrize(
    ("signal", "told"),
    [
        (NOTHING, True),
        (replace(NOTHING, gain_se=0.03), False),
        (replace(NOTHING, linear_gain=0.03), False),
        (replace(NOTHING, linear_gain=None), False),
    ],
    ids=["surely nothing", "perhaps something", "perhaps for a line", "not recorded"],
)
@pytest.mark.parametrize("are_quantities", [True, False], ids=["quantities", "names"])
def test_no_learning_speaks_of_the_data_where_simple_models_surely_find_nothing_either(
    signal: Signal,
    *,
    told: bool,
    are_quantities: bool,
    make_context: Callable[..., Context],
    make_probe: Callable[..., Probe],
) -> None:
    record = Record(make_context())
    record.add(facts_of(rms=1.0 if are_quantities else None))
    for step in (0, 300, 600, 1000):
        record.add(make_probe(step, loss_ratio=1.0, gain=0.0, gain_se=0.001))
    record.add(signal)
    judgement = status_of(judge(record), "no_learning")
    assert judgement.status == ("fired" if told and are_quantities else "not_judged")
    assert [finding.severity for finding in judgement.findings] == [Severity.WARNING] * (told and are_quantities)
    assert all(
        "a linear fit and nearest neighbours, fitted to others" in finding.evidence for finding in judgement.findings
    )


LITTLE = {"gain": 0.02, "gain_se": 0.02, "loss_ratio": 0.98}
"""Of a probe: next to nothing, and perhaps more."""


@pytest.mark.parametrize(
    ("end", "signal", "probe", "told"),
    [
        (1000, NOTHING, LITTLE, True),
        (150, NOTHING, LITTLE, False),
        (1000, replace(NOTHING, gain=0.035, gain_se=0.004), LITTLE, False),
        (1000, replace(NOTHING, gain=0.02, gain_se=0.02), LITTLE, False),
        (1000, NOTHING, LITTLE | {"gain": 0.06}, False),
        (1000, NOTHING, LITTLE | {"accuracy_excess": 0.1, "accuracy_excess_se": 0.03, "majority_accuracy": 0.5}, False),
    ],
    ids=["nothing", "no time", "a weak signal", "perhaps a signal", "learned", "right oftener than the majority"],
)
def test_what_a_finished_training_hardly_found_is_laid_to_data_in_which_nobody_finds_anything(
    end: int,
    signal: Signal,
    probe: dict[str, float],
    *,
    told: bool,
    make_context: Callable[..., Context],
    make_probe: Callable[..., Probe],
) -> None:
    record = Record(make_context(total_steps=end))
    record.add(facts_of(rms=1.0))
    for share in (0.0, 0.7, 0.8, 0.9, 1.0):
        record.add(make_probe(int(share * end), **probe))
    record.add(replace(signal, step=end))
    record.add(Ending(end, "completed"))
    assert [finding.severity for finding in status_of(judge(record), "no_learning").findings] == (
        [Severity.WARNING] * told
    )


@pytest.mark.parametrize(("epochs", "asked"), [(11, False), (12, True)], ids=["198 updates", "216 updates"])
def test_simple_models_are_asked_of_data_once_there_was_time_to_find_anything(
    epochs: int, *, asked: bool, train_watched: Train
) -> None:
    record = train_watched(
        cancer(shuffled=True), hidden=[32], optimizer=Sgd(0.01), epochs=epochs, batch_size=32
    ).monitor.record
    last = record.notes(Probe)[-1]
    assert last.gain + 3.09 * last.gain_se > 0.05 > last.gain
    assert bool(record.notes(Signal)) is asked


def test_rows_shuffled_without_their_targets_are_told_and_in_order_they_are_not(
    digits: WatchedData, train_watched: Train
) -> None:
    order = np.random.default_rng(0).permutation(len(digits.inputs))
    for rows, told in ((order, ["warning"]), (np.arange(len(order)), [])):
        data = WatchedData(digits.inputs[rows], digits.targets)
        verdict = train_watched(data, hidden=[], optimizer=Sgd(0.003), epochs=12).monitor.verdict
        assert [str(each.severity) for each in verdict.standing if each.id == "no_learning"] == told


AHEAD = Shortfall(1000, 256, 0.3, 0.9, 0.6, 0.03)
RESTING, FALLING = (1.5, 1.0, 0.99, 0.99, 1.0), (1.5, 1.4, 1.2, 1.1, 1.0)


@pytest.mark.parametrize(
    ("lag", "ratios", "status"),
    [
        (AHEAD, RESTING, "fired"),
        (AHEAD, FALLING, "clear"),
        (replace(AHEAD, error=0.2), RESTING, "clear"),
        (replace(AHEAD, step=500), RESTING, "clear"),
        (None, RESTING, "clear"),
    ],
    ids=["surely behind", "still falling", "perhaps behind", "of another look", "not asked"],
)
def test_no_learning_needs_but_one_look_at_the_end_where_it_rests_and_simple_models_are_surely_ahead(
    lag: Shortfall | None,
    ratios: tuple[float, ...],
    status: str,
    make_context: Callable[..., Context],
    make_probe: Callable[..., Probe],
) -> None:
    record = Record(make_context())
    for step, ratio in zip((0, 300, 500, 800, 1000), ratios, strict=True):
        sure = step in {0, 300, 1000}  # and in between perhaps a gain
        record.add(make_probe(step, loss_ratio=ratio, gain=1.0 - ratio, gain_se=0.001 if sure else 0.5))
    record.add(Signal(1000, 0.3, 0.01))
    if lag is not None:
        record.add(lag)
    record.add(Ending(1000, "completed"))
    judged = status_of(judge(record), "no_learning")
    assert judged.status == status
    told = [(finding.first_step, finding.severity) for finding in judged.findings]
    assert told == ([(1000, Severity.WARNING)] if status == "fired" else [])


@pytest.mark.parametrize(
    ("activations", "told"), [(["linear", "linear"], True), (["linear", "relu"], False), ([], False)]
)
def test_hidden_layers_that_are_all_linear_are_told_so(
    activations: list[str], *, told: bool, make_context: Callable[..., Context], make_probe: Callable[..., Probe]
) -> None:
    record = Record(make_context(activations, config={"model.kind": "mlp"}))
    for step in (0, 300, 600, 1000):
        record.add(make_probe(step, loss_ratio=1.0, gain=0.0, gain_se=0.001))
    record.add(Signal(1000, 0.3, 0.01))
    record.add(Straightness(1000, straight="relu" not in activations))
    (finding,) = status_of(judge(record), "no_learning").findings
    assert ({"model.activation": "relu"} in [cure.set for cure in finding.prescriptions]) == told


def test_a_stack_that_starts_to_learn_lets_its_error_sink(
    make_context: Callable[..., Context], make_probe: Callable[..., Probe]
) -> None:
    """Between fire_at and clear_at a vanishing gradient goes on, but as an error only while the gate is open."""
    record = Record(make_context(["sigmoid", "sigmoid"]))
    names = ("hidden_1", "hidden_2", "output")
    for step in range(1, 1001, 10):
        moves = {f"update_ratio/{name}": 1e-5 if name == "hidden_1" else 1e-2 for name in names}
        record.add_scalars(step, moves)
    for step, ratio, loss in [(0, 1e-5, 1.0), (300, 1e-5, 1.0), (500, 1e-5, 1.0), (700, 1e-5, 1.0), (1000, 5e-3, 0.3)]:
        gradients = dict(zip(names, (ratio, math.sqrt(ratio), 1.0), strict=True))
        slopes = {"hidden_1": 0.9, "hidden_2": 0.9}
        record.add(
            make_probe(
                step,
                loss_ratio=loss,
                gain=1 - loss,
                gain_se=0.001,
                preactivation_gradients=gradients,
                relative_slopes=slopes,
            )
        )
        if step == 700:
            assert found(judge(record), "vanishing_gradient")[0].severity is Severity.ERROR
    assert found(judge(record), "vanishing_gradient")[0].severity is Severity.WARNING


def resting(first: float, q: float, excess: float, context: Context, make_probe: Callable[..., Probe]) -> Record:
    """Record a stack that found the best constant at once, and whose layers all get next to no gradient since."""
    record = Record(context)
    names = ("hidden_1", "hidden_2", "output")
    for step in range(1, 1001, 10):
        sizes = {"hidden_1": first, "hidden_2": 1e-3, "output": 1e-2}
        moves = {name: size if step == 1 else min(size, 1e-7) for name, size in sizes.items()}
        record.add_scalars(step, {f"update_ratio/{name}": size for name, size in moves.items()})
    answers = {"majority_accuracy": 0.3, "accuracy_excess": excess, "accuracy_excess_se": 0.02}
    for step in (0, 250, 500, 750, 1000):
        gradients = dict(zip(names, (q, 2e-2, 1.0), strict=True))
        values = {"loss_ratio": 1.0, "gain": 0.0, "gain_se": 0.001, "relative_slopes": {"hidden_1": 0.9}, **answers}
        record.add(make_probe(step, preactivation_gradients=gradients, **values))
    return record


@pytest.mark.parametrize(
    ("first", "excess", "severity"),
    [(9e-4, 0.0, Severity.ERROR), (1.1e-3, 0.0, Severity.INFO), (9e-4, 0.3, Severity.INFO)],
    ids=["never moved", "moved", "not impaired"],
)
def test_a_stack_whose_last_layer_came_to_rest_too_is_stuck_if_its_first_never_moved(
    first: float,
    excess: float,
    severity: Severity,
    make_context: Callable[..., Context],
    make_probe: Callable[..., Probe],
) -> None:
    record = resting(first, 5e-4, excess, make_context(["sigmoid", "sigmoid"]), make_probe)
    assert found(judge(record), "vanishing_gradient")[0].severity is severity


@pytest.mark.parametrize(("first", "told"), [(9e-4, ["error"]), (1.1e-3, [])], ids=["never moved", "moved"])
def test_so_it_is_where_gradients_fade_a_hundredfold_only(
    first: float, told: list[str], make_context: Callable[..., Context], make_probe: Callable[..., Probe]
) -> None:
    record = resting(first, 5e-3, 0.0, make_context(["sigmoid", "sigmoid"]), make_probe)
    assert [str(each.severity) for each in found(judge(record), "vanishing_gradient")] == told


@pytest.mark.parametrize(("unheld", "severity"), [((), Severity.ERROR), (("hidden_1",), Severity.INFO)])
def test_a_layer_that_no_optimizer_holds_is_not_stuck(
    unheld: tuple[str, ...],
    severity: Severity,
    make_context: Callable[..., Context],
    make_probe: Callable[..., Probe],
) -> None:
    record = Record(replace(make_context(["sigmoid", "sigmoid"]), unheld=unheld))
    names = ("hidden_1", "hidden_2", "output")
    for step in range(1, 1001, 10):
        record.add_scalars(step, {f"update_ratio/{name}": 0.0 if name == "hidden_1" else 1e-2 for name in names})
    for step in (0, 250, 500, 750, 1000):
        gradients = dict(zip(names, (5e-4, 2e-2, 1.0), strict=True))
        values = {"loss_ratio": 1.0, "gain": 0.0, "gain_se": 0.001, "relative_slopes": {"hidden_1": 0.9}}
        record.add(make_probe(step, preactivation_gradients=gradients, **values))
    assert found(judge(record), "vanishing_gradient")[0].severity is severity


def test_every_rule_of_the_catalogue_has_a_case() -> None:
    assert {case.id for case in CASES} <= {diagnosis.id for diagnosis in CATALOGUE}
    assert len({diagnosis.id for diagnosis in CATALOGUE}) == len(CATALOGUE)


def test_a_spike_of_the_gradient_is_remembered_but_does_not_stand_for_ever(
    digits: WatchedData, make_network: Callable[..., Network], train_watched: Train
) -> None:
    """One batch of monstrous inputs among healthy ones: no error at the end."""
    inputs = digits.inputs.copy()
    inputs[5] *= 1e3
    network = make_network(digits)
    verdict = train_watched(replace(digits, inputs=inputs), network, optimizer=Sgd(1e-4), epochs=15).monitor.verdict
    assert "error exploding_gradient" not in alarms(verdict)


@pytest.mark.parametrize(
    ("first", "loss", "expected"),
    [(2.0, 1.5, ["warning"]), (2.0, 0.02, []), (-1.0, -1.2, ["warning"]), (-1.0, -3.0, [])],
    ids=["still there", "gone", "still there, below 0", "gone, below 0"],
)
def test_where_the_best_constant_is_not_known_a_jump_of_the_gradient_counts_by_the_first_loss(
    first: float,
    loss: float,
    expected: list[str],
    make_context: Callable[..., Context],
    make_probe: Callable[..., Probe],
) -> None:
    record = Record(make_context())
    for step in range(10, 1000, 10):
        record.add_scalars(step, {"gradient_norm/global": 100.0 if step % 50 == 0 else 0.1})
    for step in range(0, 1001, 100):
        record.add(make_probe(step, loss=loss if step else first))
    findings = judge(record, [ExplodingGradient()]).findings
    assert [str(finding.severity) for finding in findings] == expected


def test_training_again_without_a_monitor_leaves_a_verdict_as_it_was(digits: WatchedData, train_watched: Train) -> None:
    watched = train_watched(digits, epochs=3)
    before = watched.monitor.verdict.to_json()
    samples = Samples(digits.inputs, digits.targets)
    train(watched.network, samples, Sgd(100.0), epochs=1, batch_size=64, generator=np.random.default_rng(0))
    assert watched.monitor.verdict.to_json() == before


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        (1.0, []),
        (2e-3, []),
        (1e-4, ["vanishing_gradient@hidden_1"]),
        (25.0, []),
        (50.0, ["exploding_gradient@hidden_1"]),
    ],
    ids=str,
)
def test_before_the_first_update_the_way_of_the_gradient_is_told_as_info(
    ratio: float, expected: list[str], make_context: Callable[..., Context], make_probe: Callable[..., Probe]
) -> None:
    record = Record(make_context(["sigmoid", "sigmoid"]))
    gradients = {"hidden_1": ratio, "hidden_2": 1.0, "output": 1.0}
    slopes = {"hidden_1": 0.9, "hidden_2": 0.9}
    record.add(make_probe(0, preactivation_gradients=gradients, relative_slopes=slopes))
    by_depth = [found for found in judge(record).findings if found.id in {"vanishing_gradient", "exploding_gradient"}]
    assert [found.key for found in by_depth] == expected
    assert all(found.severity is Severity.INFO for found in by_depth)


def test_flat_outputs_are_not_the_business_of_saturated_units(
    make_context: Callable[..., Context], make_probe: Callable[..., Probe]
) -> None:
    context = make_context(["sigmoid"])
    layers = (*context.layers[:-1], replace(context.layers[-1], activation="sigmoid"))
    record = Record(replace(context, layers=layers))
    record.add(make_probe(0, relative_slopes={"hidden_1": 0.05, "output": 0.05}))
    (finding,) = [found for found in judge(record).findings if found.id == "saturated_units"]
    assert (finding.layer, finding.severity) == ("hidden_1", Severity.INFO)
    alone = Record(replace(context, layers=layers[-1:]))
    alone.add(make_probe(0, relative_slopes={"output": 0.05}))
    assert status_of(judge(alone), "saturated_units").status == "not_applicable"


@pytest.mark.parametrize(("before", "rate"), [(0.19, None), (0.21, 0.01)], ids=["so at the start", "since then"])
def test_units_that_saturated_in_training_want_a_lower_rate_first(
    before: float, rate: float | None, make_context: Callable[..., Context], make_probe: Callable[..., Probe]
) -> None:
    record = Record(make_context(["tanh"], config={"training.optimizer.learning_rate": 0.1, "data.scale": "none"}))
    for step, slope in ((0, before), (300, 0.05), (600, 0.05), (1000, 0.05)):
        learned = {"loss_ratio": 1.0, "gain": 0.0, "gain_se": 0.001}
        record.add(make_probe(step, relative_slopes={"hidden_1": slope}, **learned))
    (finding,) = status_of(judge(record), "saturated_units").findings
    lowered = [] if rate is None else [{"training.optimizer.learning_rate": rate}]
    assert [cure.set for cure in finding.prescriptions] == [
        *lowered,
        {"model.init": "glorot_uniform"},
        {"data.scale": "standard"},
    ]


@pytest.mark.parametrize("seen", [("hidden_1",), ("hidden_2",), ()], ids=str)
def test_a_layer_that_probes_do_not_come_by_is_left_out_of_saturated_units(
    seen: tuple[str, ...], make_context: Callable[..., Context], make_probe: Callable[..., Probe]
) -> None:
    record = Record(make_context(["sigmoid", "sigmoid"]))
    for step in (0, 300, 600):
        record.add(make_probe(step, relative_slopes=dict.fromkeys(seen, 0.05)))
    verdict = judge(record)
    assert [each.layer for each in verdict.findings if each.id == "saturated_units"] == list(seen)
    assert status_of(verdict, "saturated_units").status == ("fired" if seen else "not_judged")


def test_the_median_of_the_largest_norms_does_not_overflow(
    make_context: Callable[..., Context], make_probe: Callable[..., Probe]
) -> None:
    record = Record(make_context())
    for step in range(1, 41):
        record.add_scalars(step, {"gradient_norm/global": 3.4e38})
    for step in (0, 30, 40):
        record.add(make_probe(step))
    assert found(judge(record), "exploding_gradient") == []


@pytest.mark.parametrize(("what", "explodes"), [("outputs", True), ("inputs", False), ("read", False)])
def test_gradients_that_overflow_for_what_came_from_outside_show_no_growth(
    *, what: str, explodes: bool, make_context: Callable[..., Context], make_probe: Callable[..., Probe]
) -> None:
    record = Record(make_context())
    record.add(make_probe(0, preactivation_gradients={"hidden_1": math.inf, "output": 1.0}))
    record.add(Incident(0, 0, what, None if what == "inputs" else "output"))
    assert bool(found(judge(record), "exploding_gradient")) is explodes
