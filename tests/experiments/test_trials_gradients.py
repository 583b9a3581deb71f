"""The gradient check before training: silent where backpropagation is right, loud and in place where it is wrong."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics import gate as impairment
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.trial_notes import GradientComparison
from gradvitals.engine.activations import Relu, Tanh
from gradvitals.engine.catalogue import ACTIVATIONS
from gradvitals.engine.events import Array, LayerInfo
from gradvitals.engine.gates import Affine, Gate
from gradvitals.engine.gradient_check import check_gradients
from gradvitals.experiments.assemble import Experiment, assemble
from gradvitals.experiments.config.load import parse_config
from gradvitals.experiments.data.load import load_data
from gradvitals.experiments.fit import check_fit
from gradvitals.experiments.plan import PlannedRun
from gradvitals.experiments.preflight import preflight
from gradvitals.experiments.runner import Place
from gradvitals.experiments.trials.gradient_check import GradientCheck
from gradvitals.experiments.trials.gradients import compare_gradients

LIMIT = GradientCheck().error


def experiment(**tables: Any) -> Experiment:
    """Assemble a float64 experiment from a config's tables."""
    raw = {"data": {"source": "iris"}, **tables}
    raw["training"] = {"dtype": "float64", **raw.get("training", {})}
    config = parse_config(raw)
    dataset = load_data(config.data, config.seed, Path(), origin="test", sequence_length=config.model.sequence_length)
    return assemble(config, dataset, check_fit(config, dataset))


def compare(made: Experiment, rows: int = 8, seed: int = 0) -> GradientComparison:
    return compare_gradients(
        made.network,
        made.samples.inputs[:rows],
        made.samples.targets[:rows],
        limit=LIMIT,
        generator=np.random.default_rng(seed),
    )


WIDE = {"hidden": [8, 8], "init": {"kind": "normal", "std": 30.0}}
LARGE: dict[str, dict[str, Any]] = {
    "data": {"source": "iris", "scale": 10_000},
    "model": {"activation": "tanh", "hidden": [16], "init": [{"kind": "normal", "std": 1e-4}, "glorot_uniform"]},
}
"""A step of 1e-4 in a weight moves a unit from one end of its curve to the other."""

HARD: dict[str, dict[str, dict[str, Any]]] = {
    "inputs in the thousands": {"data": {"source": "iris", "scale": 1000}, "model": {"activation": "tanh"}},
    "large inputs that meet small weights": LARGE,
    "the same with dropout": {**LARGE, "model": {**LARGE["model"], "dropout": 0.3}},
    "raw targets": {"data": {"source": "diabetes"}, "training": {"loss": "mse"}},
    "huge weights": {"model": {**WIDE, "activation": "relu"}},
    "saturated units": {"model": {**WIDE, "activation": "sigmoid"}},
    "huge weights under a hinge": {"model": WIDE, "training": {"loss": "hinge"}},
    "zero weights": {"model": {"init": "zeros", "activation": "tanh"}},
    "ten sigmoid layers": {"model": {"hidden": [8] * 10, "activation": "sigmoid", "init": "glorot_uniform"}},
    "dropout": {"model": {"dropout": 0.5}},
    "many rows on kinks": {"data": {"source": "diabetes", "scale": 0.001}, "model": {"hidden": [64]}},
    "probabilities": {"model": {"output": "softmax"}, "training": {"loss": "cross_entropy"}},
    "twice a softmax": {"model": {"output": "softmax"}, "training": {"from_logits": True}},
    "a sum": {"training": {"reduction": "sum"}},
    "a recurrent network": {
        "data": {"source": "delayed_copy"},
        "model": {"kind": "rnn", "cell": "tanh", "sequence_length": 10, "hidden": [8]},
    },
    "a recurrent network that explodes": {
        "data": {"source": "adding"},
        "model": {
            "kind": "rnn",
            "cell": "relu",
            "sequence_length": 20,
            "hidden": [8],
            "recurrent_init": {"kind": "identity", "scale": 3.0},
        },
    },
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", HARD)
def test_a_right_backward_pass_is_never_called_wrong(name: str, seed: int) -> None:
    assert compare(experiment(**HARD[name]), seed=seed).wrong == {}


@pytest.mark.parametrize("name", ["large inputs that meet small weights", "the same with dropout"])
def test_what_disagrees_at_one_step_size_agrees_at_another(name: str) -> None:
    """Else the test above would say nothing of the closer look."""
    made = experiment(**HARD[name])
    generator = np.random.default_rng(0)
    checks = check_gradients(made.network, made.samples.inputs[:8], made.samples.targets[:8], generator=generator)
    assert max(check.relative_error for check in checks) > 100.0 * LIMIT
    note = compare(made)
    assert (note.wrong, note.unresolved) == ({}, ())
    assert 0.0 in note.errors.values()


@pytest.mark.parametrize("factor", [1e2, 1e4, 1e6, 1e8, 1e12])
def test_where_every_step_is_too_long_nothing_is_claimed(factor: float) -> None:
    made = experiment(**LARGE)
    made.network.views(made.network.parameters)["hidden_1"]["weight"][...] /= factor
    inputs, targets = made.samples.inputs[:8] * factor, made.samples.targets[:8]
    generator = np.random.default_rng(0)
    note = compare_gradients(made.network, inputs, targets, limit=LIMIT, generator=generator)
    assert note.wrong == {}
    assert ("hidden_1/weight" in note.unresolved) == (factor > 1e3)


@pytest.mark.parametrize("activation", sorted({*ACTIVATIONS} - {"softmax"}))
@pytest.mark.parametrize("loss", ["cross_entropy", "hinge"])
def test_every_activation_agrees_on_ordinary_data(activation: str, loss: str) -> None:
    note = compare(experiment(model={"hidden": [8, 8], "activation": activation}, training={"loss": loss}))
    assert (note.wrong, note.unresolved) == ({}, ())
    assert max(note.errors.values()) < 1e-5


@pytest.mark.parametrize("name", ["dropout", "a recurrent network", "many rows on kinks"])
def test_the_parameters_are_left_as_they_were_to_the_bit(name: str) -> None:
    made = experiment(**HARD[name])
    before = made.network.parameters.copy()
    compare(made)
    assert made.network.parameters.tobytes() == before.tobytes()


def gradient_of(gate: Gate) -> Array:
    """Give the array that an activation writes its gradient to."""
    gradient = gate.grad_inputs[0]
    assert gradient is not None
    return gradient


class SteepTanh(Tanh):
    """A tanh whose gradient is too large by a part in a thousand."""

    def backward(self) -> None:
        """Write a wrong gradient."""
        super().backward()
        gradient_of(self)[...] *= 1.001


class FlippedTanh(Tanh):
    """A tanh whose gradient has the wrong sign."""

    def backward(self) -> None:
        """Write a wrong gradient."""
        super().backward()
        gradient_of(self)[...] *= -1.0


class StrandedTanh(Tanh):
    """A tanh whose gradient is no number."""

    def backward(self) -> None:
        """Write a wrong gradient."""
        gradient_of(self)[...] = np.nan


class OpenRelu(Relu):
    """A relu whose gradient passes where it is closed."""

    def backward(self) -> None:
        """Write a wrong gradient."""
        gradient_of(self)[...] = self.grad_output


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("hidden", [[8], [8, 8], [8, 8, 8, 8]], ids=len)
@pytest.mark.parametrize("wrong", [SteepTanh, FlippedTanh, StrandedTanh, OpenRelu])
def test_a_wrong_gate_is_found_in_the_last_layer_before_it(
    wrong: type[Tanh | Relu], hidden: list[int], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ACTIVATIONS, wrong.name, wrong)
    config = {"data": {"source": "iris"}, "model": {"hidden": hidden, "activation": wrong.name}, "seed": seed}
    verdict = preflight(PlannedRun(parse_config(config), {}, "x"), Place(Path(), "x", Path(), {}))
    (finding,) = (finding for finding in verdict.standing if finding.id == "gradient_check")
    assert (str(finding.severity), finding.layer) == ("error", f"hidden_{len(hidden)}")
    assert finding.explained_by is None
    assert not finding.value <= LIMIT


def test_a_wrong_bias_is_named_and_nothing_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    backward = Affine.backward

    def wrong(gate: Affine) -> None:
        backward(gate)
        if (gradient := gate.grad_inputs[1]) is not None and gradient.shape == (7, 5):
            gradient[-1] /= 8.0  # the bias is the weight's last row

    monkeypatch.setattr(Affine, "backward", wrong)
    note = compare(experiment(model={"hidden": [6, 5, 4]}))
    assert list(note.wrong) == ["hidden_2/bias"]
    analytic, numeric = note.wrong["hidden_2/bias"]
    assert analytic == pytest.approx(numeric / 8.0, rel=1e-6)
    assert note.errors["hidden_2/bias"] == pytest.approx(7.0 / 8.0, rel=1e-6)


def test_a_forgotten_contribution_is_found_where_a_value_forks(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a recurrent network the weights fork over time; a gate that writes in place of adding loses all but one."""
    monkeypatch.setattr("gradvitals.engine.circuit._adder", lambda *_: lambda: None)
    note = compare(experiment(**HARD["a recurrent network"]))
    assert any(name.startswith("hidden_1/") for name in note.wrong)
    assert not any(name.startswith("output/") for name in note.wrong)


@pytest.mark.filterwarnings("error")
def test_what_is_not_finite_is_left_to_others() -> None:
    note = compare(experiment(model={"hidden": [8] * 12, "init": {"kind": "normal", "std": 1e30}}))
    assert note.wrong == {}
    assert len(note.unresolved) + len(note.errors) == 2 * 13


def judge(*notes: GradientComparison, by_layer: bool = True) -> tuple[str, str, list[Any]]:
    layers = (LayerInfo("hidden_1", "relu", 2, 2), LayerInfo("output", "linear", 2, 1))
    record = Record(Context(layers, "mse", 10, 1, 10, 1.0, None, None, by_layer=by_layer))
    for note in notes:
        record.add(note)
    judgement = GradientCheck().judge(record, impairment.Gate(()))
    return judgement.status, judgement.reason, list(judgement.findings)


def note(errors: dict[str, float], wrong: tuple[str, ...] = (), unresolved: tuple[str, ...] = ()) -> GradientComparison:
    return GradientComparison(0, 8, errors, dict.fromkeys(wrong, (2.0, 1.0)), unresolved)


@pytest.mark.parametrize(
    ("notes", "by_layer", "status"),
    [
        ([], True, "not_judged"),
        ([], False, "not_applicable"),
        ([note({"hidden_1/weight": 1e-9})], True, "clear"),
        ([note({"hidden_1/weight": 1e-9}, unresolved=("hidden_1/bias",))], True, "clear"),
        ([note({}, unresolved=("hidden_1/weight", "hidden_1/bias"))], True, "not_judged"),
        ([note({"hidden_1/weight": 0.5}, wrong=("hidden_1/weight",))], True, "fired"),
    ],
    ids=["no note", "no backpropagation", "agreement", "one array unresolved", "all unresolved", "disagreement"],
)
def test_the_status_follows_the_comparison(notes: list[GradientComparison], by_layer: bool, status: str) -> None:  # noqa: FBT001
    assert judge(*notes, by_layer=by_layer)[0] == status


def test_of_several_wrong_arrays_the_last_is_named() -> None:
    names = ("hidden_1/weight", "hidden_1/bias", "output/bias")
    _, _, (finding,) = judge(note(dict.fromkeys(names, 0.5), wrong=names))
    assert (finding.layer, finding.value, finding.threshold) == ("output", 0.5, LIMIT)
    assert "output's bias is wrong" in finding.evidence
    assert "2 arrays before it" in finding.evidence
