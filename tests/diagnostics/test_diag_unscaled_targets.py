"""Diagnosis 26: targets far from where outputs start; networks that learn them anyway are left alone."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes

from gradvitals.diagnostics.diagnoses.unscaled_targets import UnscaledTargets
from gradvitals.diagnostics.gate import Arm, judge_gate
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.notes import Generalisation, Probe, Scan, Signal
from gradvitals.diagnostics.shortfall import Shortfall
from gradvitals.diagnostics.start_notes import DataFacts, Propagation
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.optimizers import Adam, Sgd

Train = Callable[..., Any]
Note = Callable[..., Record]


def said(record: Record, rule: UnscaledTargets | None = None) -> list[tuple[str, bool]]:
    findings = (rule or UnscaledTargets()).judge(record, judge_gate(record)).findings
    return [(str(finding.severity), finding.cleared) for finding in findings]


@pytest.fixture
def noted(make_context: Callable[..., Context], make_probe: Callable[..., Probe]) -> Note:
    """Record how targets and outputs lie before the first update, and probes with these loss ratios."""

    def make(
        targets: tuple[float, float],
        outputs: tuple[float, float] = (0.0, 1.0),
        *others: tuple[float, float],
        ratios: tuple[float, ...] = (1.1,),
        loss: str = "mse",
    ) -> Record:
        record = Record(replace(make_context(config={"data.scale_targets": "none"}), loss=loss, classes=None))
        for number, ratio in enumerate(ratios):
            record.add(make_probe(100 * number, loss=ratio, loss_ratio=ratio, gain=1.0 - ratio, gain_se=0.001))
        values: dict[str, Any] = dict.fromkeys(DataFacts.__dataclass_fields__)
        all_targets, all_outputs = [targets, *others], [outputs] * (1 + len(others))
        values |= {"step": 0, "not_finite": {}, "constant_columns": (), "constant_count": 0, "rows": 9, "columns": 2}
        means, deviations = zip(*all_targets, strict=True)
        record.add(DataFacts(**values | {"target_means": means, "target_deviations": deviations}))
        means, deviations = zip(*all_outputs, strict=True)
        start: dict[str, Any] = dict.fromkeys(Propagation.__dataclass_fields__)
        start |= {"step": 0, "samples": 9, "loss": 1.0, "deviations": {}}
        record.add(Propagation(**start | {"output_means": means, "output_deviations": deviations}))
        return record

    return make


@pytest.mark.parametrize(
    ("targets", "outputs", "expected"),
    [
        ((0.0, 1.0), (0.0, 1.0), None),
        ((0.0, 1.0), (2.0, 1.0), None),
        ((0.9, 1.0), (0.0, 1.0), None),
        ((1.1, 1.0), (0.0, 1.0), "info"),
        ((-1.1, 1.0), (0.0, 1.0), "info"),
        ((1.9, 0.4), (0.0, 1.0), "info"),
        ((1.9, 0.1), (0.0, 1.0), "warning"),
        ((2.1, 0.4), (0.0, 1.0), "warning"),
        ((-2.1, 0.4), (0.0, 1.0), "warning"),
        ((2.1, 0.4), (0.2, 1.0), "info"),
        ((1.9, 0.4), (-9.0, 9.0), "info"),
        ((152.0, 77.0), (0.0, 1.0), "warning"),
        ((152.0, 77.0), (152.0, 1.0), "info"),
        ((0.0, 77.0), (0.0, 1.0), "info"),
        ((0.0, 5.1), (0.0, 1.0), "info"),
        ((0.0, 4.9), (0.0, 1.0), None),
        ((0.0, 0.19), (0.0, 1.0), "warning"),
        ((0.0, 0.21), (0.0, 1.0), None),
        ((0.0, 4.9), (0.0, 0.1), None),
        ((0.0, 1e-3), (0.0, 1.0), "warning"),
        ((0.0, 1e-3), (0.0, 1e-3), None),
        ((0.0, 1.0), (0.0, 30.0), None),
        ((0.0, 50.0), (0.0, 0.0), "info"),
        ((0.0, 1.0), (0.0, 0.0), None),
        ((5.0, 0.0), (0.0, 1.0), None),
        ((float("nan"), float("nan")), (0.0, 1.0), None),
        ((5.0, 1.0), (float("inf"), float("nan")), None),
    ],
    ids=[
        "standardised",
        "outputs off",
        "a little off",
        "off",
        "off to the other side",
        "many deviations, but near",
        "near, and narrow",
        "far",
        "far to the other side",
        "far, but near the outputs",
        "near, and the outputs are far",
        "diabetes",
        "diabetes with a prior bias",
        "wide",
        "just wide",
        "just not wide",
        "just narrow",
        "just not narrow",
        "hardly wide",
        "narrow",
        "narrow as the outputs",
        "outputs wide",
        "wide before a zero head",
        "a zero head",
        "constant",
        "targets not finite",
        "outputs not finite",
    ],
)
def test_targets_are_held_against_the_outputs_at_the_start(
    targets: tuple[float, float], outputs: tuple[float, float], expected: str | None, noted: Note
) -> None:
    assert said(noted(targets, outputs)) == ([] if expected is None else [(expected, False)])


@pytest.mark.parametrize(
    ("targets", "ratios", "expected"),
    [
        ((152.0, 77.0), (4.9, 0.99), ("info", True)),
        ((152.0, 77.0), (4.9, 4.8, 4.7, 4.6), ("error", False)),
        ((152.0, 77.0), (4.9, 1.01, 0.99, 0.5), ("info", True)),
        ((0.0, 77.0), (1.0, 1.0, 1.0, 1.0), ("error", False)),
        ((0.0, 77.0), (1.0, 0.9, 0.5, 0.5), ("info", False)),
        ((0.0, 1e-3), (1e6, 1e5, 1e4, 1e3), ("error", False)),
        ((0.0, 1e-3), (1e6, 10.0, 0.9, 0.8), ("info", True)),
    ],
    ids=[
        "off, learned",
        "off, not",
        "off, learned late",
        "wide, not",
        "wide, learned",
        "narrow, not",
        "narrow, learned",
    ],
)
def test_the_training_shows_what_it_costs(
    targets: tuple[float, float], ratios: tuple[float, ...], expected: tuple[str, bool], noted: Note
) -> None:
    assert said(noted(targets, ratios=ratios)) == [expected]


def test_where_there_is_nothing_to_learn_the_scale_is_not_to_blame(noted: Note) -> None:
    record = noted((152.0, 77.0), ratios=(4.9, 1.3, 1.2, 1.1))
    record.add(Signal(300, gain=0.01, gain_se=0.02))
    assert said(record) == [("warning", False)]
    record.add(Signal(300, gain=0.2, gain_se=0.02))
    assert said(record) == [("error", False)]


@pytest.mark.parametrize(
    ("ratio", "slopes", "dead", "expected"),
    [
        (1.0, (0.9, 0.8), 3, "warning"),
        (1.2, (0.9, 0.8), 3, "error"),
        (1.0, (0.9, 0.1), 3, "error"),
        (1.0, (0.1, 0.1), 3, "warning"),
        (1.0, (0.9, 0.8), 4, "error"),
    ],
    ids=["at the mean", "not yet", "saturated since", "saturated before", "half dead"],
)
def test_what_is_stuck_at_the_mean_unharmed_is_not_stuck_by_its_scale(
    ratio: float,
    slopes: tuple[float, float],
    dead: int,
    expected: str,
    *,
    noted: Note,
    make_probe: Callable[..., Probe],
) -> None:
    record = noted((2.1, 1.0), ratios=())
    for number, slope in enumerate((slopes[0], *3 * slopes[1:])):
        step_ratio = ratio if number else 2.2
        record.add(
            make_probe(
                100 * number,
                loss=step_ratio,
                loss_ratio=step_ratio,
                gain=1.0 - step_ratio,
                gain_se=0.001,
                relative_slopes={"hidden_1": slope},
            )
        )
    record.add(Scan(300, 100, {"hidden_1": tuple(range(dead))}))
    record.add(Signal(300, gain=0.2, gain_se=0.02))
    assert said(record) == [(expected, False)]


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ({"samples": 15, "whole_set": True, "loss_ratio": 0.32}, ("info", True)),
        ({"samples": 15, "whole_set": True, "loss_ratio": 0.6}, ("warning", False)),
        ({"samples": 15, "whole_set": False, "loss_ratio": 0.32}, ("warning", False)),
        ({"samples": 200, "whole_set": True, "loss_ratio": 0.32}, ("warning", False)),
    ],
    ids=["few rows, learned", "few rows, half left", "few rows of more", "many rows, unsure"],
)
def test_of_a_few_rows_half_of_the_loss_says_that_the_mean_is_learned(
    shown: dict[str, Any], expected: tuple[str, bool], noted: Note, make_probe: Callable[..., Probe]
) -> None:
    record = noted((2.3, 0.7), (0.0, 1.0), ratios=())
    record.add(make_probe(0, **shown | {"loss_ratio": 8.0, "gain": -7.0, "gain_se": 0.4}))
    record.add(make_probe(150, **shown, gain=0.5, gain_se=0.4))
    assert said(record) == [expected]


def test_the_worst_target_is_named(noted: Note) -> None:
    record = noted((0.0, 1.0), (0.0, 1.0), (3.0, 1.0), (70.0, 10.0), (2.0, 1.0))
    (finding,) = UnscaledTargets().judge(record, judge_gate(record)).findings
    assert "target 2 has a mean of 70 and a standard deviation of 10" in finding.evidence
    assert finding.value == pytest.approx(7.0)
    assert finding.defect
    assert [cure.set for cure in finding.prescriptions] == [
        {"data.scale_targets": "standard"},
        {"model.output_bias": "prior"},
    ]


@pytest.mark.parametrize("loss", ["mae", "huber"])
def test_other_losses_of_quantities_are_judged_alike(loss: str, noted: Note) -> None:
    assert said(noted((152.0, 77.0), loss=loss)) == [("warning", False)]


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_classes_have_no_scale(loss: str, noted: Note) -> None:
    record = noted((152.0, 77.0), loss=loss)
    assert record.context is not None
    record.context = replace(record.context, classes=3)
    assert UnscaledTargets().judge(record, judge_gate(record)).status == "not_applicable"


def test_a_record_without_the_notes_is_not_judged(make_context: Callable[..., Context]) -> None:
    record = Record(replace(make_context(), loss="mse", classes=None))
    assert UnscaledTargets().judge(record, judge_gate(record)).status == "not_judged"


def test_a_threshold_of_its_own_changes_what_it_says(noted: Note) -> None:
    assert said(noted((1.5, 1.0)), UnscaledTargets(warn=2.0)) == []


@pytest.fixture(scope="module")
def diabetes() -> WatchedData:
    """Patients with standardised inputs, and targets as they were measured: 152 ± 77."""
    inputs, targets = load_diabetes(return_X_y=True)
    return WatchedData((inputs / inputs.std(axis=0)).astype(np.float32), targets[:, np.newaxis].astype(np.float32))


TRAININGS: dict[str, tuple[Callable[[], Any], int, tuple[str, bool]]] = {
    "steps too long": (lambda: Sgd(0.3), 20, ("error", False)),
    "steps too short": (lambda: Adam(1e-4), 20, ("error", False)),
    "steps that suit them": (lambda: Sgd(1e-4), 60, ("info", True)),
    "adam at a rate that suits them": (lambda: Adam(0.05), 60, ("info", True)),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", TRAININGS)
def test_raw_targets_are_blamed_where_nothing_was_learned(
    name: str, seed: int, diabetes: WatchedData, train_watched: Train
) -> None:
    optimizer, epochs, expected = TRAININGS[name]
    watched = train_watched(diabetes, optimizer=optimizer(), epochs=epochs, seed=seed, loss="mse", hidden=[32])
    assert said(watched.monitor.record) == [expected]


@pytest.mark.parametrize("seed", range(3))
def test_standardised_targets_raise_nothing(seed: int, diabetes: WatchedData, train_watched: Train) -> None:
    targets = (diabetes.targets - diabetes.targets.mean()) / diabetes.targets.std()
    watched = train_watched(replace(diabetes, targets=targets), optimizer=Sgd(0.01), seed=seed, loss="mse", hidden=[32])
    assert said(watched.monitor.record) == []


def test_a_network_that_memorises_has_learned_from_its_targets_as_they_are(noted: Note) -> None:
    record = noted((152.0, 77.0), ratios=(1.1, 0.2, 0.2, 0.2, 0.2, 0.2))
    for probe in record.notes(Probe):
        scores = {"training_score": 0.8, "training_score_se": 0.01, "score": 0.1, "score_se": 0.01}
        simple = {"simple_excess": 0.5, "simple_excess_se": 0.01, "shortfall": 0.4, "shortfall_se": 0.01}
        record.add(Generalisation(probe.step, 256, **scores, **simple))
    assert judge_gate(record).checks[-1].arms == {Arm.MEMORISING}
    assert "error" not in [severity for severity, _ in said(record)]


@pytest.mark.parametrize(
    ("targets", "value", "expected"),
    [
        ((3.0, 1.0), 0.4, [("warning", False)]),
        ((0.0, 70.0), 0.4, [("warning", False)]),
        ((0.0, 0.1), 0.4, [("warning", False)]),
        ((0.0, 1.0), 0.4, []),
        ((3.0, 1.0), 0.05, [("info", True)]),
        ((1.9, 0.4), 0.4, []),
        ((0.0, 70.0), 0.05, [("info", False)]),
    ],
    ids=["off centre", "wide", "narrow", "usual", "off centre, as good", "near", "wide, as good"],
)
def test_targets_out_of_scale_count_where_simple_models_that_had_them_scaled_ended_ahead(
    targets: tuple[float, float], value: float, expected: list[tuple[str, bool]], noted: Note
) -> None:
    record = noted(targets, ratios=(4.0, 0.8, 0.7, 0.6))
    record.add(Shortfall(300, 256, 0.4, 0.4 + value, value, 0.01))
    assert said(record) == expected


@pytest.mark.parametrize(
    ("targets", "expected"),
    [((152.0, 77.0), "info"), ((0.0, 77.0), "info"), ((0.0, 0.01), "error")],
    ids=["off", "wide", "narrow"],
)
@pytest.mark.parametrize(("size", "moved"), [(1e-5, False), (1e-3, True)], ids=["no layer moved", "layers moved"])
def test_large_targets_are_not_blamed_where_no_layer_has_moved(
    targets: tuple[float, float], expected: str, size: float, *, moved: bool, noted: Note
) -> None:
    """Narrow ones make gradients small, and may be why."""
    record = noted(targets, ratios=(4.9, 4.8, 4.7, 4.6))
    for step in range(1, 301):
        record.add_scalars(step, {"update_ratio/hidden_1": size})
    assert said(record) == [("error" if moved else expected, False)]


@pytest.mark.parametrize(("steps", "expected"), [(99, "warning"), (100, "info")])
def test_of_a_few_updates_nobody_expects_that_they_move_a_layer(steps: int, expected: str, noted: Note) -> None:
    record = noted((152.0, 77.0), ratios=(4.9,))
    for step in range(1, steps + 1):
        record.add_scalars(step, {"update_ratio/hidden_1": 1e-5})
    assert said(record) == [(expected, False)]
