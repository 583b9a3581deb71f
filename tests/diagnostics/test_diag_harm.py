"""What a training lacks: in numbers with their error, and in words."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from gradvitals.diagnostics.findings import Severity
from gradvitals.diagnostics.harm import measure_harm
from gradvitals.diagnostics.judge import judge
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.notes import Ending, Probe, Scan

MakeProbe = Callable[..., Probe]

KNOWN = {"loss": 1.61, "loss_ratio": 0.7, "gain": 0.31, "gain_se": 0.02}
RIGHT = {"accuracy_excess": 0.2, "accuracy_excess_se": 0.03, "majority_accuracy": 0.1}


@pytest.mark.parametrize(
    ("values", "share", "text"),
    [
        (KNOWN, 0.69, "the loss is 69 ± 2 % of the best constant output's"),
        (
            KNOWN | RIGHT,
            0.69,
            (
                "the loss is 69 ± 2 % of the best constant output's; 30 % of the answers are right, 20 ± 3 more than by"
                " naming the commonest class"
            ),
        ),
        (
            {"loss_ratio": 5e4, "gain": -10.0, "gain_se": 0.0},
            5e4,
            "the loss is 5e+04 times the best constant output's",
        ),
        ({"loss": math.inf, "loss_ratio": math.inf, "gain": -10.0, "gain_se": 0.0}, math.inf, "the loss is infinite"),
        (
            {"loss_ratio": math.nan, "gain": -10.0, "gain_se": 0.0},
            math.nan,
            "the loss is no number",
        ),
    ],
    ids=["regression", "classification", "monstrous", "infinite", "NaN"],
)
def test_harm_is_the_share_of_the_constants_loss_that_is_left(
    values: dict[str, Any], share: float, text: str, make_probe: MakeProbe
) -> None:
    probe = make_probe(1000, **values)
    assert probe.loss_ratio is not None
    harm = measure_harm(probe, probe.loss / probe.loss_ratio)
    error = 0.02 if share == 0.69 else math.nan  # that of floored samples says nothing of what was cut off
    assert harm is not None
    assert harm.text == text
    assert (harm.value, harm.se) == pytest.approx((share, error), nan_ok=True)


def test_without_a_constant_to_compare_with_nothing_is_said(make_probe: MakeProbe) -> None:
    assert measure_harm(make_probe(1000), 2.3) is None


def test_warnings_and_errors_carry_the_harm_of_the_last_probe_and_what_is_only_info_does_not(
    make_probe: MakeProbe, make_context: Callable[..., Context]
) -> None:
    record = Record(make_context(["relu", "relu"]))
    for step, gain in ((0, -0.5), (500, 0.1), (1000, 0.31)):
        record.add(make_probe(step, loss_ratio=1.0 - gain, gain=gain, gain_se=0.02))
        record.add(Scan(step, 100, {"hidden_1": tuple(range(8)), "hidden_2": (3,)}))
    record.add(Ending(1000, "completed"))
    harms = {finding.severity: finding.harm for finding in judge(record).findings if finding.id == "dead_units"}
    error = harms[Severity.ERROR]
    assert error is not None
    assert error.value == pytest.approx(0.69)
    assert error.se == 0.02
    assert harms[Severity.INFO] is None


def test_what_soft_targets_cost_any_output_is_left_out_and_said(make_probe: MakeProbe) -> None:
    harm = measure_harm(make_probe(1000, loss=0.6, loss_ratio=0.5, gain=0.5, gain_se=0.01), 0.7)
    assert harm is not None
    assert harm.text.endswith("50 ± 1 % of the best constant output's, both without what soft targets cost any output")
