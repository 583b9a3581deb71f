"""Diagnosis 11b: a training set learned by heart, and the overfitting of healthy networks, which is something else."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.diagnoses.memorising import Memorising
from gradvitals.diagnostics.findings import Finding, Judgement, Severity
from gradvitals.diagnostics.gate import judge_gate
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.notes import Ending, Generalisation, Probe
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.initializers import glorot_uniform, normal
from gradvitals.engine.optimizers import Adam

Train = Callable[..., Any]
MakeProbe = Callable[..., Probe]
MakeContext = Callable[..., Context]

OVERFITTED: dict[str, Any] = {
    "samples": 100,
    "training_score": 1.0,
    "training_score_se": 0.0,
    "score": 0.5,
    "score_se": 0.05,
    "simple_excess": 0.5,
    "simple_excess_se": 0.05,
}
MEMORISED: dict[str, Any] = {"shortfall": 0.3, "shortfall_se": 0.05}
AS_GOOD: dict[str, Any] = {"shortfall": 0.0, "shortfall_se": 0.05}
NO_SIGNAL: dict[str, Any] = {"shortfall": 0.0, "shortfall_se": 0.05, "simple_excess": 0.0}
GENERAL: dict[str, Any] = {"score": 0.97, "simple_excess": None, "simple_excess_se": None}


def judgement(record: Record) -> Judgement:
    return Memorising().judge(record, judge_gate(record))


def said(record: Record) -> list[Finding]:
    return [finding for finding in judgement(record).findings if finding.standing]


@pytest.fixture
def noted(make_probe: MakeProbe, make_context: MakeContext) -> Callable[..., Record]:
    """Record a run of 1,000 steps: a start at this loss, then these looks at new samples, evenly from step 200 on."""

    def note(*looks: dict[str, Any], start: float = 1.0, loss: str = "cross_entropy", **context: Any) -> Record:
        h = context.pop("constant_loss", math.log(3))
        config = {"training.l2": 0.001, "model.init.kind": "normal"}
        base = replace(make_context(("tanh",), config=config), loss=loss, constant_loss=h)
        record = Record(replace(base, **context))
        learned = {"loss_ratio": 0.01, "gain": 0.99, "gain_se": 0.01, "majority_accuracy": 0.4}
        record.add(make_probe(0, loss=start * h, loss_ratio=start, gain=1.0 - start, gain_se=0.1))
        for number, look in enumerate(looks):
            step = 200 + 800 * number // max(len(looks) - 1, 1)
            record.add(make_probe(step, **learned, accuracy_excess=0.6, accuracy_excess_se=0.01))
            record.add(Generalisation(step, **{**OVERFITTED, **look}))
        return record

    return note


@pytest.mark.parametrize(
    ("looks", "status"),
    [
        ([MEMORISED] * 3, "fired"),
        ([GENERAL, *[MEMORISED] * 3], "fired"),
        ([MEMORISED] * 2, "not_judged"),
        ([GENERAL, *[MEMORISED] * 2], "clear"),
        ([AS_GOOD] * 4, "clear"),
        ([GENERAL] * 4, "clear"),
        ([NO_SIGNAL] * 4, "not_judged"),
        ([MEMORISED, MEMORISED, MEMORISED, GENERAL], "clear"),
        ([MEMORISED, MEMORISED, MEMORISED, AS_GOOD], "clear"),
    ],
    ids=[
        "from the first look on",
        "later",
        "two looks only",
        "the last two",
        "as good as simple models",
        "as good as on its own",
        "no signal for simple models",
        "over",
        "caught up with simple models",
    ],
)
def test_it_stands_after_three_looks_at_new_samples(
    looks: Sequence[dict[str, Any]], status: str, noted: Callable[..., Record]
) -> None:
    record = noted(*looks)
    assert judgement(record).status == status
    assert [finding.severity for finding in said(record)] == ([Severity.WARNING] if status == "fired" else [])


SURELY: dict[str, Any] = {"samples": 400, "shortfall": 0.12, "shortfall_se": 0.025}
"""4.7 standard errors less one answer: a chance of 2 in a million."""


@pytest.mark.parametrize(
    ("look", "ending", "status"),
    [
        (SURELY, "completed", "fired"),
        (SURELY | {"shortfall_se": 0.03}, "completed", "clear"),
        (SURELY | {"shortfall": 0.099, "shortfall_se": 0.01}, "completed", "clear"),
        (SURELY, "interrupted", "clear"),
        (SURELY, None, "clear"),
    ],
    ids=["surely", "3.9 standard errors", "a little", "cut short", "under way"],
)
def test_one_look_at_the_end_is_enough_where_it_is_sure(
    look: dict[str, Any], ending: str | None, status: str, noted: Callable[..., Record]
) -> None:
    record = noted(GENERAL, GENERAL, AS_GOOD, look)
    if ending is not None:
        record.add(Ending(1000, ending))
    assert judgement(record).status == status
    assert [finding.severity for finding in said(record)] == ([Severity.WARNING] if status == "fired" else [])


def test_one_sure_look_does_not_soften_an_error(noted: Callable[..., Record]) -> None:
    record = noted(*[MEMORISED | SURELY] * 3, start=3.1)
    record.add(Ending(1000, "completed"))
    assert [finding.severity for finding in said(record)] == [Severity.ERROR]


def test_it_says_what_could_not_be_judged(noted: Callable[..., Record], make_probe: MakeProbe) -> None:
    assert "no simple model finds a signal" in judgement(noted(*[NO_SIGNAL] * 4)).reason
    assert judgement(noted(MEMORISED, MEMORISED)).reason == "2 of 3 checks"
    alone = noted()
    for step in (300, 600, 1000):
        alone.add(make_probe(step, loss_ratio=0.01, gain=0.99, gain_se=0.01))
    assert judgement(alone).reason == "no validation set was watched, or it was not recorded"
    assert judgement(Record()).reason == "not recorded"


@pytest.mark.parametrize(
    ("start", "loss", "constant_loss", "severity"),
    [
        (1.0, "cross_entropy", math.log(3), "warning"),
        (2.9, "cross_entropy", math.log(3), "warning"),
        (3.1, "cross_entropy", math.log(3), "error"),
        (10.0, "cross_entropy", 0.05, "warning"),
        (70.0, "cross_entropy", 0.05, "error"),
        (3.1, "binary_cross_entropy", math.log(2), "error"),
        (50.0, "mse", 1.0, "warning"),
        (50.0, "hinge", 2.0, "warning"),
        (math.nan, "cross_entropy", math.log(3), "warning"),
    ],
    ids=[
        "as the constant",
        "somewhat larger",
        "three times",
        "rare classes start high",
        "very high even so",
        "binary",
        "a squared loss depends on the targets' mean",
        "a hinge",
        "not a number",
    ],
)
def test_it_is_an_error_where_the_initial_weights_explain_it(
    start: float, loss: str, constant_loss: float, severity: str, noted: Callable[..., Record]
) -> None:
    record = noted(*[MEMORISED] * 3, start=start, loss=loss, constant_loss=constant_loss)
    (finding,) = said(record)
    assert str(finding.severity) == severity
    cures = [prescription.set for prescription in finding.prescriptions]
    if severity == "error":
        assert cures == [{"model.init": "glorot_uniform"}]
    else:
        assert cures == [{"training.l2": 0.01}, {"training.early_stopping": {"patience": 5}}, None]


def test_the_evidence_tells_all_three_scores(noted: Callable[..., Record], make_probe: MakeProbe) -> None:
    (finding,) = said(noted(*[MEMORISED] * 3))
    assert finding.evidence == (
        "100 % of its training examples are right, 50 % of 100 new ones; a linear fit or nearest neighbours get 80 % of"
        " these right"
    )
    assert (finding.value, finding.first_step, finding.last_step) == (0.3, 200, 1000)
    regression = noted(loss="mse")
    for step in (300, 600, 1000):
        regression.add(make_probe(step, loss_ratio=0.1, gain=0.9, gain_se=0.01))
        regression.add(Generalisation(step, **{**OVERFITTED, **MEMORISED, "training_score": 0.9, "score": -0.2}))
    (finding,) = said(regression)
    assert finding.evidence == (
        "the loss is 10 % of the best constant output's on its training examples, 120 % on 100 new ones; a linear fit"
        " or nearest neighbours lose 90 % there"
    )


@pytest.mark.parametrize("seed", range(3))
def test_large_weights_memorise_the_digits_and_their_twin_does_not(
    seed: int, digits: WatchedData, train_watched: Train
) -> None:
    model = {"hidden": [64, 64, 64], "activation": "tanh", "optimizer": Adam(3e-3), "epochs": 20, "seed": seed}
    (finding,) = said(train_watched(digits, init=normal(1.0), **model).monitor.record)
    assert finding.severity is Severity.ERROR
    assert judgement(train_watched(digits, init=glorot_uniform, **model).monitor.record).findings == ()


def noisy(kind: str, seed: int) -> WatchedData:
    """Make few samples with a weak signal, so that every network with some freedom overfits them."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(300, 8))
    signal = inputs[:, 0] + 0.5 * inputs[:, 1]
    if kind == "regression":
        targets: Any = 0.7 * signal[:, None] + rng.normal(size=(300, 1))
    else:
        flipped = rng.random(300) < {"flipped": 0.25, "noise": 0.5}[kind]
        targets = np.eye(2)[((signal > 0.0) ^ flipped).astype(int)]
    return WatchedData(inputs[:150], targets[:150], inputs[150:], targets[150:])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["flipped", "noise", "regression"])
def test_overfitting_noise_about_as_well_as_others_do_is_no_error(kind: str, seed: int, train_watched: Train) -> None:
    """The training loss is all but gone, the validation loss above the constant's: so it is with any large network."""
    loss = "mse" if kind == "regression" else "cross_entropy"
    model = {"hidden": [32], "optimizer": Adam(1e-2), "epochs": 150, "loss": loss}
    record = train_watched(noisy(kind, seed), seed=seed, **model).monitor.record
    assert record.notes(Probe)[-1].loss_ratio < 0.5
    assert all(finding.severity < Severity.ERROR for finding in said(record))
    if kind == "noise":
        assert judgement(record).status == "not_judged"
