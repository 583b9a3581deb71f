"""Diagnosis 10: the sizes of updates, judged where the loss is still there."""

import math
from collections.abc import Callable

import pytest

from gradvitals.diagnostics.diagnoses.update_ratio import UpdateRatio
from gradvitals.diagnostics.diagnoses.update_sizes import first_beyond, first_growth, largest_ratio, median_ratios
from gradvitals.diagnostics.findings import Judgement
from gradvitals.diagnostics.gate import judge_gate
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.notes import Probe, Signal

MakeProbe = Callable[..., Probe]
MakeContext = Callable[..., Context]


def judgement(record: Record) -> Judgement:
    return UpdateRatio().judge(record, judge_gate(record))


@pytest.fixture
def recorded(make_probe: MakeProbe, make_context: MakeContext) -> Callable[..., Record]:
    """Record a run of 200 steps that ends at a loss, with updates of these sizes after the first 20."""

    def record(hidden: float, output: float, *, left: float | None = 0.5, early: float = 1.0, looks: int = 9) -> Record:
        made = Record(make_context(("relu",), config={"training.optimizer.learning_rate": 0.5}))
        made.add(make_probe(0, loss_ratio=1.0, gain=0.0, gain_se=0.01))
        made.add(make_probe(200, loss_ratio=left, gain=None if left is None else 1.0 - left, gain_se=0.01))
        made.add_scalars(1, {"update_ratio/hidden_1": early, "update_ratio/output": early})
        for step in range(30, 30 + 10 * looks, 10):
            made.add_scalars(step, {"update_ratio/hidden_1": hidden, "update_ratio/output": output})
        return made

    return record


Recorded = Callable[..., Record]


@pytest.mark.parametrize(
    ("sizes", "said", "rate"),
    [
        ((1e-3, 1e-2), [], None),
        ((1e-7, 1e-3), [], None),
        ((1e-3, 5e-2), ["info update_ratio@output"], 0.05),
        ((2e-1, 1e-3), ["warning update_ratio@hidden_1"], 0.05),
        ((5e-5, 1e-5), ["info update_ratio@hidden_1"], 5.0),
        ((1e-6, 5e-6), ["warning update_ratio@output"], 5.0),
        ((0.0, 0.0), [], None),
        ((1.1e-4, 1e-5), [], None),
        ((9e-5, 1e-5), ["info update_ratio@hidden_1"], 5.0),
        ((2.9e-2, 1e-3), [], None),
        ((3.1e-2, 1e-3), ["info update_ratio@hidden_1"], 0.05),
        ((9e-6, 1e-6), ["warning update_ratio@hidden_1"], 5.0),
        ((1.1e-5, 1e-6), ["info update_ratio@hidden_1"], 5.0),
        ((9e-2, 1e-3), ["info update_ratio@hidden_1"], 0.05),
        ((1.1e-1, 1e-3), ["warning update_ratio@hidden_1"], 0.05),
    ],
)
def test_the_layer_that_moves_most_is_judged(
    sizes: tuple[float, float], said: list[str], rate: float | None, recorded: Recorded
) -> None:
    found = judgement(recorded(*sizes)).findings
    assert [f"{finding.severity} {finding.key}" for finding in found] == said
    assert all(
        finding.prescriptions[0].set == {"training.optimizer.learning_rate": pytest.approx(rate)} for finding in found
    )


def test_what_has_learned_may_stand_still(recorded: Recorded) -> None:
    assert judgement(recorded(1e-9, 1e-9, left=0.1)).status == "clear"
    record = recorded(1e-9, 1e-9)
    record.add(Signal(200, 0.0, 0.1))
    assert judgement(record).status == "clear"


@pytest.mark.parametrize(
    ("before", "left", "size", "severity"),
    [
        (0.501, 0.5, 1e-6, None),
        (0.6, 0.5, 1e-6, "warning"),
        (0.991, 0.99, 1e-6, "warning"),
        (0.501, 0.5, 0.2, "warning"),
    ],
    ids=["done", "still falling", "no better than a constant", "large"],
)
def test_a_fit_that_is_done_may_stand_still_with_loss_left(
    before: float, left: float, size: float, severity: str | None, *, recorded: Recorded, make_probe: MakeProbe
) -> None:
    record = Record(recorded(1.0, 1.0).context)
    for step, ratio in ((0, 1.9), (150, before), (200, left)):
        record.add(make_probe(step, loss_ratio=ratio, gain=1.0 - ratio, gain_se=0.01))
    for step in range(30, 130, 10):
        record.add_scalars(step, {"update_ratio/output": size})
    found = [str(finding.severity) for finding in judgement(record).findings]
    assert found == ([] if severity is None else [severity])


def test_too_little_is_not_judged(recorded: Recorded, make_context: MakeContext) -> None:
    assert judgement(recorded(1.0, 1.0, looks=4)).reason == "4 of 5 updates looked at"
    assert judgement(recorded(1.0, 1.0, left=None)).status == "not_judged"
    assert judgement(Record(make_context())).reason == "not recorded"


def test_sizes_of_updates_are_read_layer_by_layer(recorded: Recorded) -> None:
    record = recorded(0.2, 0.4, early=math.nan)
    assert median_ratios(record) == pytest.approx({"hidden_1": 0.2, "output": 0.4})
    assert largest_ratio(record, 0, 20) == 0.0
    assert largest_ratio(record, 0, 200) == pytest.approx(0.4)
    first = first_beyond(record, 0.1)
    assert first is not None
    assert (first.layer, first.step) == ("output", 30)
    assert first_beyond(record, 0.5) is None
    huge = Record(record.context)
    huge.add_scalars(1, {"update_ratio/hidden_1": 1.0, "weight_norm/hidden_1": 400.0})
    assert first_growth(huge) == pytest.approx(100.0)
