"""Diagnosis 14: a validation loss that surely rises while the training loss falls, and nothing less than that."""

from collections.abc import Callable
from typing import Any

import pytest

from gradvitals.diagnostics.diagnoses.memorising import NO_VALIDATION
from gradvitals.diagnostics.diagnoses.overfitting import Overfitting
from gradvitals.diagnostics.findings import Judgement
from gradvitals.diagnostics.gate import judge_gate
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.notes import Probe
from gradvitals.diagnostics.validation_course import ValidationCourse

MakeProbe = Callable[..., Probe]
MakeContext = Callable[..., Context]

RISEN = (0.0, 0.1, 0.2, 0.3)
FALLING = (0.5, 0.3, 0.2, 0.1)


def judgement(record: Record) -> Judgement:
    return Overfitting().judge(record, judge_gate(record))


@pytest.fixture
def recorded(make_probe: MakeProbe, make_context: MakeContext) -> Callable[..., Record]:
    """Record a run whose validation loss was .4 H at its lowest, the first look after the start."""

    def record(
        rises: tuple[float, ...], training: tuple[float, ...] = FALLING, *, error: float = 0.015, samples: int = 100
    ) -> Record:
        made = Record(make_context(("relu",), config={}))
        made.add(make_probe(0, loss_ratio=1.0, gain=0.0, gain_se=0.01))
        made.add(ValidationCourse(0, samples, 1.0, 0, 0.0, 0.0, 0.0, 0.0))
        for place, (rise, ratio) in enumerate(zip(rises, training, strict=True), start=1):
            made.add(make_probe(200 * place, loss_ratio=ratio, gain=1.0 - ratio, gain_se=0.01))
            made.add(ValidationCourse(200 * place, samples, 0.4 + rise, 200, rise, error, 0.0, 0.0))
        return made

    return record


Recorded = Callable[..., Record]


@pytest.mark.parametrize(
    ("rises", "more", "severity"),
    [
        (RISEN, {}, "warning"),
        ((0.0, 0.0, 0.1, 0.2), {}, None),
        ((0.0, 0.05, 0.05, 0.05), {}, None),
        ((0.0, 0.07, 0.07, 0.07), {}, "warning"),
        (RISEN, {"error": 0.03}, None),
        (RISEN, {"training": (0.5, 0.5, 0.48, 0.46)}, "info"),
        ((0.1, 0.2, 0.3, 0.0), {}, None),
    ],
    ids=["rising", "two looks", "too little", "just enough", "not sure", "training stands still", "second descent"],
)
def test_it_speaks_of_a_sure_and_lasting_rise(
    rises: tuple[float, ...], more: dict[str, Any], severity: str | None, recorded: Recorded
) -> None:
    found = [finding for finding in judgement(recorded(rises, **more)).findings if finding.standing]
    assert [str(finding.severity) for finding in found] == ([] if severity is None else [severity])
    if found:
        assert found[0].first_step == 400
        assert "lowest at step 200, with 0.4 of" in found[0].evidence


def test_what_cannot_be_judged_says_why(recorded: Recorded, make_probe: MakeProbe, make_context: MakeContext) -> None:
    alone = Record(make_context())
    assert judgement(alone).reason == "not recorded"
    alone.add(make_probe(0))
    assert judgement(alone).reason == NO_VALIDATION
    assert judgement(recorded((0.0,), (0.5,))).reason == "2 of 3 checks"
    assert judgement(recorded(RISEN, samples=20)).reason == "20 of 30 validation samples"
    assert judgement(recorded((0.0,) * 4, samples=20)).status == "clear"


def test_the_cures_come_with_config_keys(recorded: Recorded) -> None:
    (found,) = judgement(recorded(RISEN)).findings
    assert [dict(cure.set) for cure in found.prescriptions if cure.set] == [
        {"training.early_stopping": {"patience": 5}},
        {"training.l2": 0.01},
        {"model.dropout": 0.5},
    ]
