"""Diagnosis 21: gradients through time that explode or vanish, in networks that do not learn, and only there."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.diagnoses.learning_rate_too_high import LearningRateTooHigh
from gradvitals.diagnostics.diagnoses.recurrent_gain import NO_STEP, RecurrentGain
from gradvitals.diagnostics.findings import Finding, Judgement, Severity, Verdict
from gradvitals.diagnostics.gate import Arm, Gate, GateCheck, judge_gate
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.notes import Ending, Incident, Probe, Signal
from gradvitals.diagnostics.recurrence import FUSED, Recurrence
from gradvitals.diagnostics.shortfall import Shortfall
from gradvitals.diagnostics.watch import watch
from gradvitals.engine.initializers import glorot_uniform, identity, normal, orthogonal
from gradvitals.engine.optimizers import Adam
from gradvitals.engine.recurrent import recurrent
from gradvitals.engine.training import Samples, train

MakeProbe = Callable[..., Probe]
MakeContext = Callable[..., Context]
Recorded = Callable[..., Record]

STEPS = (0, 200, 400, 600, 800)
IDLE: dict[str, Any] = {"loss_ratio": 1.0, "gain": 0.0, "gain_se": 0.001}
HALFWAY: dict[str, Any] = {"loss_ratio": 0.7, "gain": 0.3, "gain_se": 0.01}
LEARNED: dict[str, Any] = {"loss_ratio": 0.3, "gain": 0.7, "gain_se": 0.01}
CONFIG = {"model.kind": "rnn", "model.cell": "tanh", "model.sequence_length": 20, "model.recurrent_init.kind": "normal"}


def judgement(record: Record) -> Judgement:
    return RecurrentGain().judge(record, judge_gate(record))


def standing(record: Record) -> list[Finding]:
    return [finding for finding in judgement(record).findings if finding.standing]


@pytest.fixture
def recorded(make_probe: MakeProbe, make_context: MakeContext) -> Recorded:
    """Record a run of a recurrent layer, by default one that learned nothing, from Σ log γ at its probes."""

    def record(
        growth: tuple[float, ...] = (0.0,) * 5,
        reached: tuple[float | None, ...] = (0.0,) * 5,
        *,
        informative: int | None = 1,
        radius: float = 0.3,
        course: dict[str, Any] | None = None,
        config: dict[str, Any] | None = None,
    ) -> Record:
        made = Record(make_context(("tanh",), config=config or CONFIG))
        for step, grown, arrived in zip(STEPS, growth, reached, strict=False):
            made.add(make_probe(step, **(course or IDLE)))
            made.add(Recurrence(step, 20, {"hidden_1": grown}, {"hidden_1": 19}, informative, arrived))
            made.add_scalars(step, {"spectral_radius/hidden_1": radius})
        return made

    return record


@pytest.mark.parametrize(
    ("values", "severity"),
    [
        ({"growth": (9.0,) * 5}, "error"),
        ({"growth": (9.0,) * 5, "course": LEARNED}, "info"),
        ({"growth": (6.8,) * 5}, "warning"),
        ({"growth": (2.4, 0.0, 0.0, 0.0, 0.0)}, "warning"),
        ({"growth": (2.2,) * 5}, None),
        ({"growth": (6.8,) * 5, "course": LEARNED}, None),
        ({"growth": (9.0, 4.0, 3.0, 2.5, 2.4)}, "error"),
        ({"growth": (9.0, 4.0, 3.0, 2.5, 2.2)}, "warning"),
        ({"growth": (1.0, 1.0, 8.0, 8.0, 8.0)}, "error"),
        ({"growth": (1.0, 1.0, 1.0, 8.0, 8.0)}, None),
        ({"reached": (-20.0,) * 5}, "error"),
        ({"reached": (-20.0,) * 5, "course": LEARNED}, "info"),
        ({"reached": (-20.0, -15.0, -10.0, -8.0, -7.0)}, "error"),
        ({"reached": (-20.0, -15.0, -10.0, -8.0, -6.0)}, None),
        ({"reached": (-20.0,) * 5, "radius": 1.0}, None),
        ({"reached": (-20.0,) * 5, "radius": 0.6}, None),
        ({"reached": (-20.0,) * 5, "radius": 0.55}, "error"),
        ({"reached": (-20.0,) * 5, "radius": 0.0}, "error"),
        ({"reached": (-13.0,) * 5}, None),
        ({"reached": (-13.0, -40.0, -40.0, -40.0, -40.0)}, None),
    ],
    ids=[
        "grows",
        "grows and learns",
        "grows less",
        "grew tenfold",
        "grew less than tenfold",
        "grows less and learns",
        "grew and still does",
        "grew and does no more",
        "grows later",
        "grows at two looks",
        "fades",
        "fades and learns",
        "comes back too late",
        "comes back",
        "fades by its slopes",
        "fades more by its slopes",
        "fades more by its weights",
        "nothing leads back",
        "forgets as healthy cells do",
        "faded since",
    ],
)
def test_growth_and_fading_count_only_where_nothing_is_learned(
    values: dict[str, Any], severity: str | None, recorded: Recorded
) -> None:
    found = standing(recorded(**values))
    assert [str(finding.severity) for finding in found] == ([] if severity is None else [severity])
    assert all(finding.key == "recurrent_gain@hidden_1" for finding in found)


BEHIND, AS_GOOD = (0.4, 0.02), (0.02, 0.02)
"""Lags behind simple models, and their standard errors."""


@pytest.mark.parametrize(
    ("values", "lag", "severity"),
    [
        ({"growth": (2.4, 2.0, 1.0, 0.0, 0.0)}, BEHIND, "warning"),
        ({"growth": (2.4, 2.0, 1.0, 0.0, 0.0)}, AS_GOOD, None),
        ({"growth": (2.2,) * 5}, BEHIND, None),
        ({"growth": (1.0, 6.0, 6.0, 6.0, 6.0)}, BEHIND, None),
        ({"growth": (9.0,) * 5}, BEHIND, "warning"),
        ({"growth": (9.0,) * 5}, AS_GOOD, "info"),
        ({"reached": (-20.0, -15.0, -10.0, -3.0, 1.0)}, BEHIND, "warning"),
        ({"reached": (-20.0, -15.0, -10.0, -3.0, 1.0)}, AS_GOOD, None),
        ({"reached": (-13.0, -15.0, -10.0, -3.0, 1.0)}, BEHIND, None),
        ({"reached": (-20.0, -15.0, -10.0, -3.0, 1.0), "radius": 0.9}, BEHIND, None),
        ({"reached": (-700.0, -15.0, -10.0, -3.0, 1.0), "radius": 0.01}, BEHIND, "warning"),
        ({"reached": (-700.0, -15.0, -10.0, -3.0, 1.0), "radius": 0.5}, BEHIND, None),
    ],
    ids=[
        "grew",
        "grew and learned",
        "grew less",
        "grew later",
        "grows still",
        "grows still and learned",
        "came back late",
        "came back in time",
        "hardly faded",
        "faded by its slopes",
        "was nothing, by its weights",
        "was nothing, by its slopes",
    ],
)
def test_what_a_start_has_cost_shows_at_the_end(
    values: dict[str, Any], lag: tuple[float, float], severity: str | None, recorded: Recorded
) -> None:
    record = recorded(**values, course=HALFWAY)
    record.add(Shortfall(800, 256, 0.5, 0.5 + lag[0], *lag))
    record.add(Ending(800, "completed"))
    found = standing(record)
    assert [str(finding.severity) for finding in found] == ([] if severity is None else [severity])
    assert [finding.first_step for finding in found] == [0] * len(found)


def test_the_evidence_tells_how_it_began_and_what_became_of_it(recorded: Recorded) -> None:
    (grown,) = standing(recorded((math.log(200.0), 0.0, 0.0, 0.0, math.log(3.0))))
    assert grown.evidence == (
        "before the first update the gradient grows 200-fold on its way back over the last 19 of 20 time steps of"
        " hidden_1 (3-fold at step 800) (Σ log γ = 5.3)"
    )


@pytest.mark.parametrize(
    ("end", "now"), [(1.0, "no more"), (-math.log(3.0), "3-fold")], ids=["grows by now", "fades less"]
)
def test_what_came_back_too_late_is_told_as_fading_whatever_it_does_now(
    end: float, now: str, recorded: Recorded
) -> None:
    record = recorded(reached=(-math.log(5e7), -15.0, -10.0, -3.0, end), course=HALFWAY)
    record.add(Shortfall(800, 256, 0.5, 0.9, *BEHIND))
    record.add(Ending(800, "completed"))
    (found,) = standing(record)
    assert f"shrinks {now} (5e+07-fold before the first update)" in found.evidence
    assert "all but vanished" in found.explanation
    assert found.prescriptions[-1].why.startswith("use cells with gates")


LOOKED_LATE = {"growth": (6.0,) * 5}, {"reached": (-20.0, -15.0, -10.0, -3.0, 1.0)}


@pytest.mark.parametrize("values", LOOKED_LATE, ids=["grew", "faded"])
def test_what_was_first_seen_after_an_update_is_no_start(values: dict[str, Any], recorded: Recorded) -> None:
    record = recorded(**values, course=HALFWAY)
    record.add(Shortfall(800, 256, 0.5, 0.9, *BEHIND))
    record.add(Ending(800, "completed"))
    assert len(standing(record)) == 1
    del record.notes(Recurrence)[0]
    assert standing(record) == []


def test_what_came_back_too_late_counts_where_samples_are_known_by_heart(recorded: Recorded) -> None:
    record = recorded(reached=(-20.0, -15.0, -10.0, -3.0, 1.0), course=HALFWAY)
    for arms, severities in ((frozenset({Arm.MEMORISING}), [Severity.WARNING]), (frozenset(), [])):
        gate = Gate(tuple(GateCheck(step, judged=True, arms=arms, last=step == STEPS[-1]) for step in STEPS))
        found = [each for each in RecurrentGain().judge(record, gate).findings if each.standing]
        assert [each.severity for each in found] == severities


def test_a_rate_is_not_blamed_for_what_growth_through_time_broke(recorded: Recorded) -> None:
    for growth, blamed in ((2.2, True), (2.4, False)):
        record = recorded((growth,) * 5)
        for step in (1, 2):
            record.add_scalars(step, {"update_ratio/hidden_1": 0.9, "weight_norm/hidden_1": 4.0})
        judged = LearningRateTooHigh().judge(record, judge_gate(record))
        assert judged.status == ("fired" if blamed else "not_judged")
        assert blamed or judged.reason == "before the first update gradients grew on their way back through time"
        del record.notes(Recurrence)[0]
        assert LearningRateTooHigh().judge(record, judge_gate(record)).status == "fired"


def test_before_training_it_is_only_told(recorded: Recorded) -> None:
    assert [finding.severity for finding in standing(recorded((9.0,)))] == [Severity.INFO]
    assert [finding.severity for finding in standing(recorded((0.0,), (-20.0,)))] == [Severity.INFO]


def test_data_without_signal_are_an_excuse(recorded: Recorded) -> None:
    for values in ({"growth": (9.0,) * 5}, {"reached": (-20.0,) * 5}):
        record = recorded(**values)
        record.add(Signal(800, 0.0, 0.01))
        assert [finding.severity for finding in standing(record)] == [Severity.INFO]


def test_numbers_that_blew_up_after_growth_are_an_error_at_once(recorded: Recorded, make_probe: MakeProbe) -> None:
    record = recorded((20.0,))
    record.add(Incident(7, 6, "loss", None))
    record.add(make_probe(100, loss=math.nan, preactivation_gradients={"hidden_1": math.nan, "output": math.nan}))
    (found,) = standing(record)
    assert (found.severity, found.first_step, found.value) == (Severity.ERROR, 0, 20.0)


def test_what_cannot_be_judged_says_why(recorded: Recorded, make_probe: MakeProbe, make_context: MakeContext) -> None:
    alone = Record(make_context(("relu",)))
    assert judgement(alone).reason == "not recorded"
    alone.add(make_probe(0))
    assert judgement(alone).status == "not_applicable"
    unseen = Record(make_context(("tanh",), config=CONFIG))
    unseen.add(make_probe(0))
    assert (judgement(unseen).status, judgement(unseen).reason) == ("not_judged", "not recorded")
    assert judgement(recorded((0.0,) * 2)).reason == "2 of 3 checks"
    unknown = recorded(reached=(None,) * 5, informative=None)
    assert (judgement(unknown).status, judgement(unknown).reason) == ("not_judged", NO_STEP)
    assert judgement(recorded(reached=(None,) * 5, informative=None, course=LEARNED)).status == "clear"


def test_the_cures_leave_out_what_the_network_has(recorded: Recorded) -> None:
    def cures(**config: Any) -> list[Any]:
        (found,) = standing(recorded((9.0,) * 5, config=CONFIG | config))
        return [dict(cure.set) for cure in found.prescriptions if cure.set]

    clip = {"training.clip_norm": 1.0}
    assert cures() == [{"model.recurrent_init": "orthogonal"}, clip]
    assert cures(**{"model.cell": "relu"}) == [{"model.recurrent_init": {"kind": "identity"}}, clip]
    assert cures(**{"model.recurrent_init.kind": None}) == [clip]


def remembering(count: int, length: int) -> tuple[Any, Any]:
    """Which of four features was 1 at the first step, before the noise? Inputs are standardised."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 4, count)
    steps = generator.normal(0.0, 0.1, (count, length, 4))
    steps[:, 0] += np.eye(4)[labels]
    inputs = steps.reshape(count, -1)
    return (inputs - inputs.mean(axis=0)) / inputs.std(axis=0), labels


def verdict_of(
    cell: str, recurrent_init: Any, length: int, *, rate: float = 0.003, seed: int = 0, init: Any = glorot_uniform
) -> Verdict:
    """Train a network of 24 recurrent units to remember the first step."""
    network = recurrent(
        (4, 24, 4),
        cell,
        "cross_entropy",
        sequence_length=length,
        initializers=[init, glorot_uniform],
        recurrent_initializers=[recurrent_init],
        generator=np.random.default_rng(seed),
    )
    inputs, labels = remembering(4_000, length)
    with watch(network, data=(inputs, labels)) as monitor:
        train(
            network,
            Samples(inputs, np.eye(4)[labels]),
            Adam(rate),
            epochs=8,
            batch_size=64,
            generator=np.random.default_rng(seed),
        )
    return monitor.verdict


def roots(verdict: Verdict) -> list[str]:
    serious = (finding for finding in verdict.standing if finding.severity > Severity.INFO)
    return [f"{finding.severity} {finding.key}" for finding in serious if finding.explained_by is None]


@pytest.mark.parametrize("seed", range(5))
def test_relu_cells_whose_gradient_explodes_are_told_and_the_identity_cures_them(seed: int) -> None:
    sick = verdict_of("relu", normal(0.6), 24, seed=seed)
    assert roots(sick) == ["error recurrent_gain@hidden_1"]
    assert sick.standing[0].first_step == 0
    assert roots(verdict_of("relu", identity(), 24, seed=seed)) == []


@pytest.mark.parametrize("seed", range(5))
def test_tanh_cells_that_forget_what_stood_first_are_told_and_shorter_sequences_cure_them(seed: int) -> None:
    sick = verdict_of("tanh", normal(0.05), 20, seed=seed)
    assert roots(sick) == ["error recurrent_gain@hidden_1"]
    assert "the last of 20 time steps that tells anything of the targets is number 1;" in sick.standing[0].evidence
    assert roots(verdict_of("tanh", normal(0.05), 4, seed=seed)) == []


def test_a_rate_too_low_is_not_blamed_on_cells_that_remember() -> None:
    verdict = verdict_of("tanh", orthogonal, 16, rate=1e-7)
    assert not [finding for finding in verdict.standing if finding.id == "recurrent_gain"]
    assert verdict.outcome != "healthy"


@pytest.mark.parametrize("seed", range(3))
def test_saturated_cells_are_not_blamed_on_their_recurrent_weights(seed: int) -> None:
    verdict = verdict_of("tanh", orthogonal, 16, seed=seed, init=normal(10.0))
    said = {finding.id for finding in verdict.standing}
    assert "saturated_units" in said
    assert "recurrent_gain" not in said


def test_fused_layers_are_not_judged() -> None:
    torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")

    class Last(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.head = torch.nn.RNN(4, 8, batch_first=True), torch.nn.Linear(8, 4)

        def forward(self, inputs: Any) -> Any:
            return self.head(self.rnn(inputs)[0][:, -1])

    inputs, labels = (torch.as_tensor(part) for part in remembering(64, 5))
    module, criterion = Last(), torch.nn.CrossEntropyLoss()
    inputs = inputs.reshape(64, 5, 4).float()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with watch(module, data=(inputs, labels), loss=criterion) as monitor:
        criterion(module(inputs), labels).backward()
        optimizer.step()
    (said,) = (judgement for judgement in monitor.verdict.judgements if judgement.id == "recurrent_gain")
    assert (said.status, said.reason) == ("not_judged", FUSED)
