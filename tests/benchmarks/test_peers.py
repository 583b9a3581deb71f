"""The peers of the bake-off: each rule at its published threshold, and a trace that is what the training was."""

import math
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bakeoff import Answers, chosen_candidates, count, unwatched
from campaign import Finished
from fault_bases import BASES
from fault_injections import injections
from peer_alarms import Alarm, smoothness
from peer_autotrainer import Symptoms, autotrainer_alarms, largest_rise, look_at_history, oscillates, problems
from peer_deepchecker import deepchecker_alarms
from peer_deepdiagnosis import deepdiagnosis_alarms
from peer_sagemaker import sagemaker_alarms
from peer_trace import BatchFit, EpochScores, LayerLook, Look, Trace, record_trace, take_look
from peer_umlaut import umlaut_alarms
from released_logs import decisions, published_alarms
from zoo_data import DataSet

from gradvitals.engine.events import Array, GradientsReady
from gradvitals.engine.training import Trainer
from gradvitals.experiments.assemble import Experiment, assemble
from gradvitals.experiments.config.load import parse_config
from gradvitals.experiments.config.root import Config
from gradvitals.experiments.data.load import load_data
from gradvitals.experiments.fit import check_fit
from gradvitals.experiments.watched_training import train_experiment


def assembled(name: str, epochs: int = 2) -> tuple[Config, Experiment]:
    """Assemble the first base of a name."""
    raw = next(base for base in BASES if base.name.startswith(name)).config
    config = parse_config({**raw, "training": {**raw["training"], "epochs": epochs}, "seed": 0})
    dataset = load_data(config.data, config.seed, Path(), origin="test", sequence_length=None)
    return config, assemble(config, dataset, check_fit(config, dataset))


# the trace


@pytest.mark.parametrize("name", ["digits relu", "digits tanh", "diabetes relu"])
def test_a_look_has_the_gradients_that_training_on_the_batch_would_have(name: str) -> None:
    _, experiment = assembled(name)
    network, rows = experiment.network, slice(0, 32)
    look = take_look(network, experiment.samples.inputs[rows], experiment.samples.targets[rows], 0)
    seen: dict[str, dict[str, Array]] = {}

    def keep(event: GradientsReady) -> None:
        for layer, group in event.gradients.items():
            seen[layer] = {name: array.copy() for name, array in group.items()}

    network.hooks.on(GradientsReady, keep)
    Trainer(network, experiment.optimizer).step(experiment.samples, np.arange(32))
    assert list(look.layers) == list(seen)
    for layer, arrays in seen.items():
        np.testing.assert_allclose(look.layers[layer].weight_gradient, arrays["weight"], rtol=1e-4, atol=1e-7)
        np.testing.assert_allclose(look.layers[layer].bias_gradient, arrays["bias"], rtol=1e-4, atol=1e-7)


def test_recording_changes_nothing_and_looks_when_the_peers_do() -> None:
    config, alone = assembled("blobs", epochs=40)
    train_experiment(config, alone)
    config, recorded = assembled("blobs", epochs=40)
    trace = record_trace(config, recorded)
    train_experiment(config, recorded)
    assert alone.network.parameters.tobytes() == recorded.network.parameters.tobytes()
    assert [look.step for look in trace.interval_looks] == [0, 500]
    assert [look.step for look in trace.epoch_looks] == [scores.step for scores in trace.history]
    last = trace.epoch_looks[-1].layers["output"]
    assert (last.activation, trace.from_logits, trace.classification) == ("softmax", False, True)
    np.testing.assert_allclose(last.outputs.sum(axis=1), 1.0, rtol=1e-5)
    assert umlaut_alarms(trace) != []


def test_looks_go_on_after_a_loss_that_is_no_number() -> None:
    config, experiment = assembled("blobs", epochs=40)
    experiment.network.parameters[...] *= 1e25
    recorded = record_trace(config, experiment)
    with np.errstate(all="ignore"):
        done = train_experiment(config, experiment)
        sagemaker, autotrainer = sagemaker_alarms(recorded), autotrainer_alarms(recorded)
    assert (done.reason, done.steps) == ("non_finite", 1)
    assert [look.step for look in recorded.interval_looks] == [0, 500]
    assert (len(recorded.history), recorded.history[-1].step, recorded.epoch_looks[-1].step) == (40, 600, 600)
    assert "ExplodingTensor" in rules(sagemaker)
    assert rules(autotrainer) == {"explode"}


# the rules


def layer(activation: str = "relu", **changed: Any) -> LayerLook:
    generator = np.random.default_rng(0)
    before = generator.normal(size=(40, 8))
    outputs = {"relu": np.maximum(before, 0.0), "tanh": np.tanh(before)}.get(activation, before)
    weight, gradient = generator.normal(0.0, 0.5, (8, 8)), generator.normal(size=(8, 8))
    healthy = LayerLook(activation, weight, np.full(8, 0.1), gradient, gradient[0], before, outputs)
    return replace(healthy, **changed)


def scores(losses: list[float], accuracies: list[float] | None = None, *, every: int = 10) -> list[EpochScores]:
    known = accuracies or [min(0.9, 0.5 + 0.05 * n) for n in range(len(losses))]
    return [
        EpochScores((n + 1) * every, loss, accuracy, loss, accuracy)
        for n, (loss, accuracy) in enumerate(zip(losses, known, strict=True))
    ]


def trace(first: LayerLook | None = None, history: list[EpochScores] | None = None) -> Trace:
    """A training without anything to complain about, unless told otherwise."""
    told = history or scores([1.0 / (n + 1) for n in range(19)])
    layers = {"hidden_1": first or layer(), "output": layer("softmax")}
    inputs = np.clip(np.random.default_rng(1).normal(size=(100, 8)), -1.0, 1.0)
    inputs[0], inputs[1] = -1.0, 1.0
    epochs = [Look(each.step, {**layers, "output": layer("softmax")}) for each in told]
    for n, look in enumerate(epochs):
        moved = {
            name: replace(
                one, weight=one.weight + n, weight_gradient=one.weight_gradient + n, outputs=one.outputs + 1e-3 * n
            )
            for name, one in look.layers.items()
        }
        epochs[n] = Look(look.step, moved)
    fit = BatchFit(list(np.geomspace(1.0, 1e-3, 200)), list(np.linspace(0.1, 1.0, 200)))
    return Trace(
        classification=True,
        from_logits=False,
        learning_rate=0.005,
        epochs=len(told),
        dropout=0.0,
        inputs=inputs,
        targets=np.eye(4)[np.arange(100) % 4],
        initial_loss=math.log(4),
        history=told,
        epoch_looks=epochs,
        interval_looks=[Look(0, layers)],
        overfit=fit,
        capacity=BatchFit(list(np.geomspace(1.0, 1e-3, 100)), [1.0] * 100),
    )


def rules(alarms: list[Alarm]) -> set[str]:
    return {alarm.rule for alarm in alarms}


def test_nothing_is_said_where_there_is_nothing_to_say() -> None:
    quiet = trace()
    quiet.interval_looks[0].layers["hidden_1"].weight[...] = np.random.default_rng(2).normal(0.0, 0.5, (8, 8))
    assert sagemaker_alarms(quiet) == []
    assert autotrainer_alarms(quiet) == []
    assert deepdiagnosis_alarms(quiet) == []
    assert umlaut_alarms(quiet) == []
    assert rules(deepchecker_alarms(quiet)) <= {"initialisation is not he"}


@pytest.mark.parametrize(
    ("look", "rule"),
    [
        (layer(weight_gradient=np.full((8, 8), 9e-8)), "VanishingGradient"),
        (layer(outputs=np.zeros((40, 8))), "DeadRelu"),
        (layer("tanh", pre_activations=np.full((40, 8), 9.6)), "SaturatedActivation"),
        (layer("sigmoid", pre_activations=np.full((40, 8), 17.1)), "SaturatedActivation"),
        (layer(bias=np.full(8, np.inf)), "ExplodingTensor"),
        (layer(weight=np.random.default_rng(0).normal(0.0, 4.0, (8, 8))), "TensorVariance"),
        (layer(weight=np.zeros((8, 8))), "AllZero"),
        (layer(weight_gradient=np.full((8, 8), 0.5)), "PoorWeightInitialization"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_sagemaker_speaks_past_its_thresholds(look: LayerLook, rule: str) -> None:
    assert rule in rules(sagemaker_alarms(trace(look)))
    just_within = {
        "VanishingGradient": layer(weight_gradient=np.full((8, 8), 1.1e-7)),
        "SaturatedActivation": layer(look.activation, pre_activations=np.full((40, 8), 9.4)),
    }.get(rule, layer())
    assert rule not in rules(sagemaker_alarms(trace(just_within)))


def test_sagemaker_looks_at_losses_every_500_steps_only() -> None:
    rising = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert rules(sagemaker_alarms(trace(history=scores(rising, every=20)))) == set()
    assert "LossNotDecreasing" in rules(sagemaker_alarms(trace(history=scores(rising, every=500))))
    apart = [replace(each, val_loss=1.2 * each.loss) for each in scores([0.9, 0.8, 0.7], every=500)]
    assert "Overfit" in rules(sagemaker_alarms(trace(history=apart)))
    near = [replace(each, val_loss=1.05 * each.loss) for each in apart]
    assert "Overfit" not in rules(sagemaker_alarms(trace(history=near)))


def test_autotrainer_knows_its_five_problems() -> None:
    flat = scores([1.0] * 10, [0.3] * 10)
    assert rules(autotrainer_alarms(trace(history=flat))) == {"not_converge"}
    zero = layer(weight_gradient=np.zeros((8, 8)), bias_gradient=np.zeros(8))
    dying = trace(history=flat)
    dying.epoch_looks[:] = [Look(look.step, dict.fromkeys(look.layers, zero)) for look in dying.epoch_looks]
    assert rules(autotrainer_alarms(dying)) == {"relu"}
    steep = trace(history=flat)
    for look in steep.epoch_looks:
        look.layers["hidden_1"].weight_gradient[...] *= 1e3
    assert rules(autotrainer_alarms(steep)) == {"explode"}
    faint = trace(history=flat)
    for look in faint.epoch_looks:
        look.layers["hidden_1"].weight_gradient[...] *= 1e-7
    assert rules(autotrainer_alarms(faint)) == {"vanish"}
    swinging = scores([1.0] * 12, [0.8, 0.7] * 6)
    assert rules(autotrainer_alarms(trace(history=swinging))) == {"unstable"}
    assert autotrainer_alarms(replace(trace(history=flat), classification=False)) == []


def test_autotrainer_waits_for_half_of_the_epochs() -> None:
    flat = replace(trace(history=scores([1.0] * 40, [0.3] * 40)), epochs=100)
    (alarm,) = autotrainer_alarms(flat)
    assert alarm.step == 310  # an accuracy that does not move is seen after 28 epochs, and judged at the next check
    early = trace(history=scores([1.0] * 4, [0.3, 0.32, 0.34, 0.36]))
    assert autotrainer_alarms(replace(early, epochs=100)) == []


@pytest.mark.parametrize(("swing", "told"), [(0.031, True), (0.029, False)])
def test_oscillation_begins_at_zeta(swing: float, *, told: bool) -> None:
    assert oscillates([0.8, 0.8 + swing] * 6) is told


def test_a_loss_past_a_thousand_counts_as_lost() -> None:
    seen = Symptoms(not_finite=True)
    look_at_history(seen, scores([1.0, 1001.0], [0.3, 0.3]), 10)
    assert (seen.lost, list(problems(seen))) == (True, ["explode"])
    assert largest_rise([0.5, 0.4, 0.45]) == pytest.approx(0.05)
    assert largest_rise([0.5]) == 0.0


@pytest.mark.parametrize(
    ("look", "rule"),
    [
        (layer(outputs=np.zeros((40, 8))), "Numerical Error (forward)"),
        (layer(weight_gradient=np.full((8, 8), 9e-8)), "Vanishing Gradient"),
        (layer("tanh", pre_activations=np.full((40, 8), 5.1)), "Saturated Activation"),
        (layer(outputs=np.eye(40, 8)), "Dead Node"),
    ],
    ids=["dead layer", "vanishing", "saturated", "dead nodes"],
)
def test_deepdiagnosis_stops_at_its_first_symptom(look: LayerLook, rule: str) -> None:
    sick = trace()
    sick.epoch_looks[:] = [Look(each.step, {**each.layers, "hidden_1": look}) for each in sick.epoch_looks]
    (alarm,) = deepdiagnosis_alarms(sick)
    assert (alarm.rule, alarm.layer) in {(rule, "hidden_1"), ("Unchanged Tensor (forward)", "hidden_1")}
    if rule in {"Numerical Error (forward)", "Vanishing Gradient"}:
        assert (alarm.rule, alarm.step) == (rule, 10)


def test_deepdiagnosis_calls_five_equal_losses_and_twenty_equal_accuracies_a_fault() -> None:
    assert rules(deepdiagnosis_alarms(trace(history=scores([1.0] * 5)))) == {"Loss Not Decreasing"}
    falling = [1.0 / (n + 1) for n in range(20)]
    assert rules(deepdiagnosis_alarms(trace(history=scores(falling, [1.0] * 20)))) == {"Accuracy Not Increasing"}
    assert deepdiagnosis_alarms(trace(history=scores(falling[:19], [1.0] * 19))) == []


def test_umlaut_holds_settings_and_scores_against_fixed_numbers() -> None:
    assert rules(umlaut_alarms(replace(trace(), learning_rate=0.011))) == {"Learning rate out of range"}
    assert rules(umlaut_alarms(replace(trace(), dropout=0.6))) == {"High dropout rate"}
    assert rules(umlaut_alarms(replace(trace(), inputs=1.1 * trace().inputs))) == {"Input data exceeds typical limits"}
    high = scores([1.0 / (n + 1) for n in range(5)], [0.9, 0.9, 0.9, 0.96, 0.96])
    assert rules(umlaut_alarms(trace(history=high))) == {"Check validation accuracy"}
    turning = scores([1.0, 0.9, 0.8, 0.7])
    turning[2] = replace(turning[2], val_loss=0.95)
    assert rules(umlaut_alarms(trace(history=turning))) == {"Possible overfitting"}


def test_thedeepchecker_checks_data_start_and_one_batch() -> None:
    assert "features unnormalised" in rules(deepchecker_alarms(replace(trace(), inputs=7.0 * trace().inputs)))
    rare = replace(trace(), targets=np.eye(4)[np.zeros(100, int)])
    assert "unbalanced labels" in rules(deepchecker_alarms(rare))
    assert "poor initial loss" in rules(deepchecker_alarms(replace(trace(), initial_loss=3.0)))
    same = trace(layer(weight=np.ones((8, 8))))
    assert "poor initialisation: no variance" in rules(deepchecker_alarms(same))
    unable = replace(trace(), capacity=BatchFit([1.0] * 10, [0.5] * 10))
    assert "underfits a single batch" in rules(deepchecker_alarms(unable))
    flat = replace(trace(), overfit=BatchFit([1.0] * 200, list(np.linspace(0.1, 1.0, 200))))
    assert "stagnated loss" in rules(deepchecker_alarms(flat))


def test_smoothness_counts_turns() -> None:
    assert smoothness(np.array([5.0, 4.0, 3.0, 2.0])) == 1.0
    assert smoothness(np.array([1.0, 2.0, 1.0, 2.0])) == 0.5


# counting and logs


MOONS = DataSet("moons", {"source": "moons"}, "accuracy", 800, 2)


class Everything(dict[str, DataSet]):
    """Stands for the data sets that the named cases ask for."""

    def __missing__(self, name: str) -> DataSet:
        return replace(MOONS, name=name)


def test_the_draw_of_data_sets_is_the_same_every_time_and_of_the_test_half() -> None:
    sets = Everything((name, MOONS) for name in ("moons", "a", "b", "c", "d"))
    once, again = (chosen_candidates(sets, 3) for _ in range(2))
    assert [one.key for one in once] == [one.key for one in again]
    assert {one.half for one in once} == {"test"}
    assert len({one.data_set for one in once}) <= 3


def test_a_peer_is_counted_on_the_runs_that_it_is_for() -> None:
    tools = ("gradvitals, errors", "gradvitals, warnings and errors", "SageMaker Debugger", "DeepDiagnosis", "UMLAUT")
    quiet: dict[str, list[str] | None] = {tool: [] for tool in (*tools, "TheDeepChecker", "AutoTrainer")}
    counted = count([Answers({**quiet, "AutoTrainer": None}), Answers({**quiet, "AutoTrainer": ["relu", "relu"]})])
    assert (counted["AutoTrainer"]["runs"]["hits"], counted["AutoTrainer"]["runs"]["total"]) == (1, 1)
    assert counted["AutoTrainer"]["rules"] == {"relu": 1}
    assert counted["UMLAUT"]["runs"]["total"] == 2


def test_runs_that_no_peer_looked_at_are_told_apart() -> None:
    runs = list(islice(injections("tuning"), 3))
    alarms: list[dict[str, list[list[Any]]]] = [{}, {"UMLAUT": []}, {}]
    errors = ["", "", "could not be trained"]
    rows = zip(runs, alarms, errors, strict=True)
    lines = {run.key: Finished(run.key, "", alarms=said, error=error) for run, said, error in rows}
    assert unwatched(runs, lines) == 1


def test_released_logs_are_read(tmp_path: Path) -> None:
    (tmp_path / "DeepDiagnosis Result").mkdir()
    lines = ["/Blob/normal/a/\t", "/Blob/normal/b/\t\tBatch 4: Loss Not Decreasing", "/Blob/repaired/c/\t\tBatch 1"]
    (tmp_path / "DeepDiagnosis Result" / "Blob_Result.txt").write_text("\n".join(lines), encoding="utf-8")
    ((tool, name, share),) = published_alarms(tmp_path)
    assert (tool, name, share.hits, share.total) == ("DeepDiagnosis", "Blob_Result", 1, 2)
    run = tmp_path / "run" / "tmp"
    for folder in ("log_dir", "result_dir"):
        (run / folder).mkdir(parents=True)
    rows = ["val_loss,val_accuracy,loss,accuracy", *["1.0,0.3,1.0,0.3"] * 6]
    (run / "log_dir" / "log.csv").write_text("\n".join(rows), encoding="utf-8")
    for problems_told, agrees in (("['vanish']", True), ("['unstable']", False), ("[]", True)):
        (run / "result_dir" / "monitor_detection.log").write_text(f"epoch,3,{problems_told},1.0,x\n", encoding="utf-8")
        (decision,) = decisions(tmp_path)
        assert (decision.struggles, decision.unstable, decision.agrees) == (True, False, agrees)
