"""Diagnosis 16: initial weights far too large or too small, which the data's scale does not explain."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.diagnoses.initialization_scale import InitializationScale
from gradvitals.diagnostics.findings import Finding
from gradvitals.diagnostics.gate import judge_gate
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.notes import Ending, Generalisation, Incident, Probe
from gradvitals.diagnostics.shortfall import Shortfall
from gradvitals.diagnostics.start_notes import DataFacts, Propagation
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.initializers import glorot_uniform, he_normal, lecun_normal, normal, orthogonal, zeros
from gradvitals.engine.optimizers import Sgd

Train = Callable[..., Any]
Note = Callable[..., Record]
Sizes = tuple[float, ...]


def findings_of(record: Record, rule: InitializationScale | None = None) -> list[Finding]:
    return list((rule or InitializationScale()).judge(record, judge_gate(record)).findings)


def said(record: Record) -> list[tuple[str, bool]]:
    return [(str(finding.severity), finding.cleared) for finding in findings_of(record)]


@pytest.fixture
def noted(make_context: Callable[..., Context], make_probe: Callable[..., Probe]) -> Note:
    """Record the sizes of signals at the start of a network of three classes, and probes with these loss ratios."""

    def make(
        sizes: Sizes,
        loss: float = 1.1,
        *,
        standardised: tuple[Sizes, float] | None = None,
        ratios: tuple[float, ...] | None = None,
        quantities: float | None = None,
    ) -> Record:
        hidden = ["relu"] * (len(sizes) - 1)
        context = make_context(hidden, config={"model.init": "lecun_normal", "model.hidden": [8] * len(hidden)})
        if quantities is not None:
            context = replace(context, loss="mse", classes=None)
        record = Record(replace(context, constant_loss=math.log(3.0)))
        for number, ratio in enumerate((loss / math.log(3.0),) if ratios is None else ratios):
            record.add(make_probe(100 * number, loss=ratio, loss_ratio=ratio, gain=1.0 - ratio, gain_se=0.001))
        facts: dict[str, Any] = dict.fromkeys(DataFacts.__dataclass_fields__)
        facts |= {"step": 0, "not_finite": {}, "constant_columns": (), "constant_count": 0, "rows": 9, "columns": 2}
        record.add(DataFacts(**facts | {"target_means": (0.0,), "target_deviations": (quantities or 0.5,)}))
        start: dict[str, Any] = dict.fromkeys(Propagation.__dataclass_fields__)
        names = [info.name for info in context.layers]
        start |= {"step": 0, "samples": 9, "loss": loss, "deviations": dict(zip(names, sizes, strict=True))}
        start |= {"output_means": (0.0,) * 3, "output_deviations": (1.0,) * 3}
        if standardised is not None:
            other = dict(zip(names, standardised[0], strict=True))
            start |= {"standardised_deviations": other, "standardised_loss": standardised[1]}
        record.add(Propagation(**start))
        return record

    return make


@pytest.mark.parametrize(
    ("sizes", "loss", "expected"),
    [
        ((0.009, 0.1, 0.0), 1.1, "warning"),
        ((0.099, 0.2, 0.0), 1.1, "warning"),
        ((0.101, 0.2, 0.0), 1.1, None),
        ((0.1, 101.0, 1.0), 1.1, "info"),
        ((1.0, 1.0, 1.0), 4.0, "warning"),
        ((1.0, 1.0, 1.0), 1.1, None),
    ],
    ids=["far too small", "too small", "small", "far too large", "a large first loss", "usual"],
)
def test_what_is_too_small_is_a_warning_where_the_network_ended_behind_simple_models(
    sizes: Sizes, loss: float, expected: str | None, noted: Note
) -> None:
    record = noted(sizes, loss, ratios=(loss / math.log(3.0), 0.6, 0.4))
    record.add(Shortfall(200, 256, 0.5, 0.9, 0.4, 0.03))
    assert said(record) == ([] if expected is None else [(expected, False)])


@pytest.mark.parametrize(
    ("sizes", "updates", "expected"),
    [
        ((0.009, 0.1, 0.0), 100, "warning"),
        ((0.1, 0.009, 0.0), 100, "warning"),
        ((0.009, 0.1, 0.0), 99, "info"),
        ((0.011, 0.1, 0.0), 100, "info"),
        ((1.0, 1.0, 0.009), 100, None),
    ],
    ids=["far too small", "in the second layer", "too soon", "too small", "outputs"],
)
def test_signals_lost_before_the_first_update_need_no_time_to_show(
    sizes: Sizes, updates: int, expected: str | None, noted: Note, make_probe: Callable[..., Probe]
) -> None:
    record = noted(sizes)
    record.add(make_probe(updates, loss=0.6, loss_ratio=0.6, gain=0.4, gain_se=0.001))
    record.add(Shortfall(updates, 256, 0.5, 0.9, 0.4, 0.03))
    assert said(record) == ([] if expected is None else [(expected, False)])


@pytest.mark.parametrize(
    ("sizes", "loss", "expected"),
    [
        ((1.0, 1.0, 1.0), 1.1, None),
        ((0.11, 9.9, 9.9), 1.1, None),
        ((0.09, 1.0, 1.0), 1.1, ("info", "hidden_1")),
        ((1.0, 11.0, 1.0), 1.1, ("info", "hidden_2")),
        ((1.0, 1.0, 11.0), 1.1, ("info", "output")),
        ((1.0, 1.0, 1e-6), 1.1, None),
        ((1.0, 1.0, 0.0), 1.1, None),
        ((0.0, 0.0, 0.0), 1.1, None),
        ((0.2, 0.8, 21.0), 1.1, ("info", "output")),
        ((9.0, 0.11, 0.05), 1.1, None),
        ((9.0, 0.08, 0.05), 1.1, ("info", "hidden_2")),
        ((1.0, 1.0, 9.0), 3.4, ("warning", "output")),
        ((30.0, 300.0, 3000.0), 2000.0, ("warning", "hidden_1")),
        ((math.inf, math.nan, math.nan), math.nan, ("info", "hidden_1")),
        ((math.nan, math.nan, math.nan), math.inf, None),
    ],
    ids=[
        "usual",
        "just usual",
        "small",
        "large",
        "large outputs",
        "a small head",
        "a zero head",
        "zeros throughout",
        "growth",
        "some loss",
        "loss over depth",
        "a large first loss",
        "all at once",
        "overflow",
        "not known",
    ],
)
def test_signals_are_judged_layer_by_layer(
    sizes: Sizes, loss: float, expected: tuple[str, str] | None, noted: Note
) -> None:
    found = [(str(finding.severity), finding.layer) for finding in findings_of(noted(sizes, loss))]
    assert found == ([] if expected is None else [expected])


@pytest.mark.parametrize(
    ("own", "other", "expected"),
    [
        (((300.0, 300.0), 90.0), ((3.0, 3.0), 1.3), None),
        (((3.0, 3.0), 1.3), ((300.0, 300.0), 90.0), None),
        (((300.0, 300.0), 90.0), ((30.0, 30.0), 9.0), "warning"),
        (((1e-3, 1e-3), 1.1), ((0.3, 0.3), 1.1), None),
        (((1e-3, 1e-3), 1.1), ((0.01, 0.01), 1.1), "info"),
    ],
    ids=["large inputs", "small inputs and large weights", "both large", "small inputs", "both small"],
)
def test_what_the_scale_of_the_inputs_does_is_no_fault_of_the_weights(
    own: tuple[Sizes, float], other: tuple[Sizes, float], expected: str | None, noted: Note
) -> None:
    found = said(noted(*own, standardised=other))
    assert found == ([] if expected is None else [(expected, False)])


def test_rare_classes_make_no_large_loss(noted: Note) -> None:
    """Outputs of 0 lose .69 where the best constant loses .06; that is 12 times as much and no fault of the weights."""
    record = noted((1.0, 1.0), math.log(3.0))
    assert record.context is not None
    record.context = replace(record.context, constant_loss=0.05)
    assert said(record) == []


@pytest.mark.parametrize(
    ("sizes", "loss", "ratios", "expected"),
    [
        ((1.0, 9.0), 9.0, (8.2,), ("warning", False)),
        ((1.0, 9.0), 9.0, (8.2, 2.0, 1.5, 1.2), ("error", False)),
        ((1.0, 9.0), 9.0, (8.2, 2.0, 0.8, 0.6), ("warning", False)),
        ((1.0, 9.0), 9.0, (8.2, 2.0, 0.8, 0.4), ("info", True)),
        ((1.0, 11.0), 1.1, (1.0, 1.0, 1.0, 1.0), ("info", False)),
        ((1.0, 101.0), 1.1, (1.0, 1.0, 1.0, 1.0), ("error", False)),
        ((5e-3, 0.1), 1.1, (1.0, 1.0, 1.0, 1.0), ("error", False)),
        ((5e-3, 0.1), 1.1, (1.0, 0.8, 0.5, 0.1), ("info", False)),
        ((0.2, 0.8, 21.0), 1.1, (1.0, 1.0, 1.0, 1.0), ("error", False)),
        ((0.22, 0.8, 21.0), 1.1, (1.0, 1.0, 1.0, 1.0), ("info", False)),
    ],
    ids=[
        "pre-flight",
        "nothing learned",
        "a little learned",
        "half done",
        "odd",
        "very odd",
        "very small",
        "very small, learned",
        "growing 105-fold",
        "growing 95-fold",
    ],
)
def test_the_training_shows_what_it_costs(
    sizes: Sizes, loss: float, ratios: tuple[float, ...], expected: tuple[str, bool], noted: Note
) -> None:
    assert said(noted(sizes, loss, ratios=ratios)) == [expected]


@pytest.mark.parametrize(
    ("size", "targets", "expected"),
    [(1.0, 1.0, None), (4.0, 1.0, "warning"), (4.0, 77.0, None), (300.0, 77.0, "warning"), (1.0, 1e-3, None)],
    ids=["usual", "wide outputs", "wider targets", "wider still", "narrow targets"],
)
def test_outputs_for_quantities_are_held_against_their_spread(
    size: float, targets: float, expected: str | None, noted: Note
) -> None:
    found = said(noted((1.0, size), 1e6, quantities=targets))
    assert found == ([] if expected is None else [(expected, False)])


def test_a_regression_that_beats_the_constant_has_left_its_start_behind(noted: Note) -> None:
    assert said(noted((1.0, 4.0), 16.0, quantities=1.0, ratios=(15.0, 2.0, 0.9))) == [("info", True)]
    assert said(noted((1.0, 4.0), 16.0, quantities=1.0, ratios=(15.0, 2.0, 1.1))) == [("warning", False)]


@pytest.mark.parametrize(
    ("sizes", "loss", "shortfall", "expected"),
    [
        ((1.0, 9.0), 9.0, 0.07, ("warning", False)),
        ((1.0, 9.0), 9.0, 0.01, ("info", True)),
        ((1.0, 9.0), 3.2, 0.07, None),
        ((1.0, 11.0), 1.1, 0.07, ("info", False)),
        ((5e-3, 0.1), 1.1, 0.07, ("info", False)),
    ],
    ids=["a large first loss", "that cost nothing", "a usual one", "large signals", "small signals"],
)
def test_a_large_first_loss_stays_where_the_network_is_likely_to_be_behind_on_new_samples(
    sizes: Sizes, loss: float, shortfall: float, expected: tuple[str, bool] | None, noted: Note
) -> None:
    record = noted(sizes, loss, ratios=(loss / math.log(3.0), 0.5, 0.1, 0.01))
    record.add(Generalisation(300, 171, 1.0, 0.0, 0.895, 0.023, 0.3, 0.04, shortfall, 0.022))
    record.add(Ending(300, "completed"))
    record.notes(Probe)[:] = [replace(probe, majority_accuracy=0.6) for probe in record.notes(Probe)]
    assert said(record) == ([] if expected is None else [expected])


def test_cures_can_be_set(noted: Note) -> None:
    (finding,) = findings_of(noted((1.0, 20.0, 30.0), 30.0))
    assert [cure.set for cure in finding.prescriptions] == [
        {"model.init": "he_normal"},
        {"model.init": ["lecun_normal", "lecun_normal", "zeros"]},
    ]
    assert "divide the weights of hidden_2 by 20, " in finding.prescriptions[0].why
    (finding,) = findings_of(noted((0.01, 0.01, 0.01)))
    assert [cure.set for cure in finding.prescriptions] == [{"model.init": "he_normal"}]


def test_a_record_without_the_notes_is_not_judged(make_context: Callable[..., Context]) -> None:
    record = Record(make_context())
    assert InitializationScale().judge(record, judge_gate(record)).status == "not_judged"


def test_a_threshold_of_its_own_changes_what_it_says(noted: Note) -> None:
    assert findings_of(noted((1.0, 9.0), 9.0), InitializationScale(warn=10.0)) == []


USUAL = [
    ("relu", he_normal),
    ("relu", glorot_uniform),
    ("tanh", glorot_uniform),
    ("tanh", lecun_normal),
    ("tanh", orthogonal),
    ("sigmoid", glorot_uniform),
    ("leaky_relu", he_normal),
    ("elu", lecun_normal),
    ("relu", normal(0.1)),
]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("depth", [1, 3, 8])
@pytest.mark.parametrize("usual", USUAL, ids=[f"{activation} {number}" for number, (activation, _) in enumerate(USUAL)])
def test_no_usual_initialisation_is_blamed_even_where_nothing_is_learned(
    usual: tuple[str, Any], depth: int, seed: int, digits: WatchedData, train_watched: Train
) -> None:
    options = {"activation": usual[0], "init": usual[1], "hidden": [64] * depth, "seed": seed}
    watched = train_watched(digits, optimizer=Sgd(1e-7), epochs=6, **options)
    assert [severity for severity, _ in said(watched.monitor.record) if severity != "info"] == []


@pytest.mark.parametrize(
    ("activation", "std", "layer"),
    [
        ("relu", 1.0, "hidden_1"),
        ("relu", 3.0, "hidden_1"),
        ("relu", 30.0, "hidden_1"),
        ("tanh", 1.0, "hidden_1"),
        ("tanh", 3.0, "hidden_1"),
    ],
)
def test_weights_that_are_far_too_large_are_found(
    activation: str, std: float, layer: str, digits: WatchedData, train_watched: Train
) -> None:
    watched = train_watched(digits, init=normal(std), activation=activation, optimizer=Sgd(1e-3), epochs=6)
    (finding,) = findings_of(watched.monitor.record)
    assert str(finding.severity) in {"warning", "error"}
    assert finding.layer == layer


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_layer_whose_weights_are_too_large_is_named(place: int, digits: WatchedData, train_watched: Train) -> None:
    init: list[Any] = [he_normal] * 3
    init[place] = normal(2.0)
    (finding,) = findings_of(train_watched(digits, init=init, optimizer=Sgd(1e-4), epochs=2).monitor.record)
    assert finding.layer == ["hidden_1", "hidden_2", "output"][place]
    said = f"that of {finding.layer} is outside" in finding.evidence
    assert ("is the first that makes them" in finding.evidence) is not said


@pytest.mark.parametrize("head", [zeros, normal(1e-3)], ids=["zeros", "small"])
def test_a_head_that_starts_near_zero_is_healthy(head: Any, digits: WatchedData, train_watched: Train) -> None:
    watched = train_watched(digits, init=[he_normal, he_normal, head])
    assert said(watched.monitor.record) == []


def test_a_dead_layer_is_not_blamed_on_the_weights_behind_it(digits: WatchedData, train_watched: Train) -> None:
    watched = train_watched(digits, bias=-50.0)
    assert said(watched.monitor.record) == []


def test_weights_that_overflow_are_found_in_the_first_layer(digits: WatchedData, train_watched: Train) -> None:
    watched = train_watched(digits, init=normal(1e20))
    assert watched.monitor.record.notes(Incident)
    (finding,) = findings_of(watched.monitor.record)
    assert finding.layer == "hidden_1"
    assert np.isfinite(finding.threshold)
