"""How a network is trained, from the config to the engine's objects: optimizers, schedules, L2 and strategies."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradvitals.engine.adaptive_optimizers import Adadelta, Adagrad, Adamax, AdamW, Nadam
from gradvitals.engine.events import LayerArrays
from gradvitals.engine.history import History
from gradvitals.engine.partial_optimizer import PartialOptimizer
from gradvitals.engine.schedules import Constant, Cosine, Schedule, StepDecay, WarmUp
from gradvitals.engine.strategies import NumericGradient, RandomSearch
from gradvitals.engine.training import train
from gradvitals.experiments.assemble import Experiment, assemble
from gradvitals.experiments.config.dump import dump
from gradvitals.experiments.config.load import loads, parse_config
from gradvitals.experiments.config.root import Config
from gradvitals.experiments.data.load import load_data
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.fit import check_fit


def configure(**training: Any) -> Config:
    """Configure a small network on 80 of 100 moons, in five batches an epoch."""
    model = {"hidden": [4], "activation": "tanh"}
    return parse_config(
        {
            "data": {"source": "moons", "n": 100},
            "model": model,
            "training": {"batch_size": 16, "dtype": "float64"} | training,
        }
    )


def build(**training: Any) -> Experiment:
    config = configure(**training)
    dataset = load_data(config.data, config.seed, Path())
    return assemble(config, dataset, check_fit(config, dataset))


def views(experiment: Experiment) -> LayerArrays:
    return experiment.network.parameters_by_layer()


def run(experiment: Experiment, epochs: int = 3) -> History:
    return train(
        experiment.network,
        experiment.samples,
        experiment.optimizer,
        epochs=epochs,
        batch_size=16,
        generator=experiment.generator,
        schedule=experiment.schedule,
        penalty=experiment.penalty,
        strategy=experiment.strategy,
    )


@pytest.mark.parametrize(
    ("optimizer", "kind", "settings"),
    [
        (
            {
                "kind": "adagrad",
                "learning_rate": 0.25,
                "learning_rate_decay": 0.5,
                "initial_accumulator": 0.75,
                "epsilon": 0.125,
            },
            Adagrad,
            {"learning_rate": 0.25, "learning_rate_decay": 0.5, "initial_accumulator": 0.75, "epsilon": 0.125},
        ),
        ({"kind": "adadelta", "learning_rate": 0.25, "rho": 0.5, "epsilon": 0.125}, Adadelta, {"rho": 0.5}),
        (
            {"kind": "adamw", "beta1": 0.5, "beta2": 0.75, "epsilon": 0.125, "weight_decay": 0.25},
            AdamW,
            {"beta1": 0.5, "beta2": 0.75, "epsilon": 0.125, "weight_decay": 0.25},
        ),
        (
            {"kind": "adamax", "beta1": 0.5, "beta2": 0.75, "epsilon": 0.125},
            Adamax,
            {"beta1": 0.5, "beta2": 0.75, "epsilon": 0.125},
        ),
        (
            {"kind": "nadam", "beta1": 0.5, "beta2": 0.75, "epsilon": 0.125, "momentum_decay": 0.25},
            Nadam,
            {"beta1": 0.5, "beta2": 0.75, "epsilon": 0.125, "momentum_decay": 0.25},
        ),
    ],
    ids=["adagrad", "adadelta", "adamw", "adamax", "nadam"],
)
def test_an_optimizer_has_its_settings(optimizer: Any, kind: type, settings: dict[str, Any]) -> None:
    built = build(optimizer=optimizer).optimizer
    assert type(built) is kind
    assert {name: getattr(built, name) for name in settings} == settings


@pytest.mark.parametrize(
    ("name", "kind"),
    [("adagrad", Adagrad), ("adadelta", Adadelta), ("adamw", AdamW), ("adamax", Adamax), ("nadam", Nadam)],
)
def test_an_optimizer_by_name_has_the_engines_defaults(name: str, kind: Any) -> None:
    built = build(optimizer=name).optimizer
    public = {key for key in vars(built) if not key.startswith("_")}
    assert "learning_rate" in public
    assert {key: getattr(built, key) for key in public} == {key: getattr(kind(), key) for key in public}


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", Constant()),
        ({"kind": "constant", "warm_up": 10}, WarmUp(10, Constant())),
        ({"kind": "step", "every": 3}, StepDecay(15, 0.1)),
        ({"kind": "step", "every": 3, "unit": "updates", "factor": 0}, StepDecay(3, 0.0)),
        ("cosine", Cosine()),
        ({"kind": "cosine", "minimum": 0.25, "warm_up": 7}, WarmUp(7, Cosine(0.25))),
        (None, None),
    ],
    ids=str,
)
def test_a_schedule_counts_updates_and_warms_up_first(schedule: Any, expected: Schedule | None) -> None:
    assert build(**({} if schedule is None else {"schedule": schedule})).schedule == expected


def test_l2_is_a_penalty_of_that_strength_and_none_by_default() -> None:
    experiment = build(l2=0.5)
    assert experiment.penalty is not None
    layers = experiment.network.parameters_by_layer().values()
    expected = 0.25 * sum(float((layer["weight"] ** 2).sum()) for layer in layers)
    assert experiment.penalty.value(experiment.network.parameters) == pytest.approx(expected, rel=1e-12)
    assert build().penalty is None


def test_a_strategy_is_backpropagation_unless_another_is_asked_for() -> None:
    assert build().strategy is None
    assert type(build(gradient="numeric").strategy) is NumericGradient
    search = build(gradient="random_search", optimizer={"kind": "sgd", "learning_rate": 0.125})
    assert type(search.strategy) is RandomSearch
    assert search.optimizer is search.strategy
    assert search.optimizer.learning_rate == 0.125


SGD = {"kind": "sgd", "learning_rate": 0.1}
CONFIGS: dict[str, dict[str, Any]] = {
    "adagrad": {"optimizer": {"kind": "adagrad", "learning_rate": 0.1}},
    "adadelta": {"optimizer": {"kind": "adadelta", "learning_rate": 3}},
    "adamw": {"optimizer": {"kind": "adamw", "learning_rate": 0.02}},
    "adamax": {"optimizer": {"kind": "adamax", "learning_rate": 0.02}},
    "nadam": {"optimizer": {"kind": "nadam", "learning_rate": 0.02}},
    "cosine": {"optimizer": SGD, "schedule": {"kind": "cosine", "warm_up": 5}},
    "numeric": {"optimizer": SGD, "gradient": "numeric", "l2": 0.001},
    "random search": {"optimizer": SGD, "gradient": "random_search", "schedule": "cosine"},
    "frozen": {"optimizer": SGD, "frozen": ["output"]},
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CONFIGS)
def test_every_way_to_train_learns_and_is_a_function_of_the_seed(name: str, dtype: str) -> None:
    first, second = (build(**CONFIGS[name], dtype=dtype) for _ in range(2))
    histories = [run(experiment, epochs=10) for experiment in (first, second)]
    assert histories[0].training[-1].loss < 0.9 * histories[0].training[0].loss
    assert histories[0] == histories[1]
    assert first.network.parameters.tobytes() == second.network.parameters.tobytes()


def test_forward_passes_are_told() -> None:
    parameters = build().network.parameters.size
    counts = {gradient: run(build(optimizer=SGD, gradient=gradient)) for gradient in ("backprop", "random_search")}
    counts["numeric"] = run(build(optimizer=SGD, gradient="numeric"), epochs=1)
    assert {name: history.forward_passes for name, history in counts.items()} == {
        "backprop": 15,
        "random_search": 30,
        "numeric": 5 * 2 * parameters,
    }


def test_searching_draws_from_a_stream_of_its_own() -> None:
    search, other = build(optimizer=SGD, gradient="random_search"), build(optimizer=SGD)
    np.testing.assert_array_equal(search.network.parameters, other.network.parameters)
    run(search)
    run(other)
    assert search.generator.bit_generator.state == other.generator.bit_generator.state


DATA = '[data]\nsource = "moons"\n[training]\n'
MALFORMED = {
    "schedule, misspelt": (
        'schedule = "cosin"',
        "training.schedule: 'cosin' is not one of constant, step, cosine — did you mean 'cosine'?",
    ),
    "schedule, kind misspelt": (
        'schedule = {kind = "stpe", every = 3}',
        "training.schedule.kind: 'stpe' is not one of constant, step, cosine — did you mean 'step'?",
    ),
    "schedule, a number": ("schedule = 5", "training.schedule: 5 is not a table or a name"),
    "schedule, no kind": ("schedule = {warm_up = 5}", "training.schedule.kind: missing, and it has no default"),
    "step, every what": ('schedule = "step"', "training.schedule.every: missing, and it has no default"),
    "step, never": ('schedule = {kind = "step", every = 0}', "training.schedule.every: 0 must be at least 1"),
    "step, a fraction": (
        'schedule = {kind = "step", every = 1.5}',
        "training.schedule.every: 1.5 is not a whole number",
    ),
    "step, growing": (
        'schedule = {kind = "step", every = 3, factor = 2}',
        "training.schedule.factor: 2 must be at most 1",
    ),
    "step, unit": (
        'schedule = {kind = "step", every = 3, unit = "epoch"}',
        "training.schedule.unit: 'epoch' is not one of epochs, updates — did you mean 'epochs'?",
    ),
    "cosine, a negative minimum": (
        'schedule = {kind = "cosine", minimum = -0.1}',
        "training.schedule.minimum: -0.1 must be at least 0",
    ),
    "cosine, another's key": (
        'schedule = {kind = "cosine", every = 3}',
        "training.schedule.every: cosine has no 'every'; step has it",
    ),
    "warm-up, negative": (
        'schedule = {kind = "cosine", warm_up = -1}',
        "training.schedule.warm_up: -1 must be at least 0",
    ),
    "warm-up, misspelt": (
        'schedule = {kind = "cosine", warmup = 5}',
        "training.schedule.warmup: no such key — did you mean 'training.schedule.warm_up'?",
    ),
    "l2, negative": ("l2 = -0.1", "training.l2: -0.1 must be at least 0"),
    "l2, infinite": ("l2 = inf", "training.l2: inf is not a finite number"),
    "class weights, all zero": (
        "class_weight = [0.0, 0, 0]",
        "training.class_weight: all are 0, which leaves no loss to learn from — give at least one above 0",
    ),
    "gradient, misspelt": (
        'gradient = "backpropagation"',
        "training.gradient: 'backpropagation' is not one of backprop, numeric, random_search — did you mean 'backprop'",
    ),
    "search with adam": (
        'gradient = "random_search"',
        "training.gradient: 'random_search' takes its steps itself — set optimizer = {kind = \"sgd\", learning_rate",
    ),
    "search with momentum": (
        'gradient = "random_search"\noptimizer = {kind = "sgd", learning_rate = 0.1, momentum = 0.9}',
        "training.gradient: 'random_search' takes its steps itself",
    ),
    "search with clipping": (
        'gradient = "random_search"\noptimizer = {kind = "sgd", learning_rate = 0.1}\nclip_norm = 1.0',
        "training.gradient: 'random_search' has no gradient to clip — remove clip_norm and clip_value",
    ),
    "frozen, unknown": (
        'frozen = ["hidden_3"]',
        "training.frozen: 'hidden_3' is no layer; the layers are hidden_1, hidden_2, output",
    ),
    "frozen, everything": (
        'frozen = ["hidden_1", "output", "hidden_2"]',
        "training.frozen: no layer is left to train — leave one out",
    ),
    "frozen, one": ('frozen = "hidden_1"', "training.frozen: 'hidden_1' is not a list"),
    "frozen under a search": (
        'gradient = "random_search"\noptimizer = {kind = "sgd", learning_rate = 0.1}\nfrozen = ["output"]',
        "training.gradient: 'random_search' steps with all parameters at once — remove frozen",
    ),
    "adamw, negative decay": (
        'optimizer = {kind = "adamw", weight_decay = -1}',
        "training.optimizer.weight_decay: -1 must be at least 0",
    ),
    "adadelta, rho of one": (
        'optimizer = {kind = "adadelta", rho = 1}',
        "training.optimizer.rho: 1 must be less than 1",
    ),
    "adam with adamw's key": (
        'optimizer = {kind = "adam", weight_decay = 0.1}',
        "training.optimizer.weight_decay: adam has no 'weight_decay'; adamw has it",
    ),
}


@pytest.mark.parametrize("frozen", [["hidden_1"], ["output"]], ids=str)
@pytest.mark.parametrize("optimizer", [{"kind": "adamw", "weight_decay": 0.5}, SGD], ids=["adamw", "sgd"])
def test_frozen_layers_stay_as_they_were_drawn(frozen: list[str], optimizer: dict[str, Any]) -> None:
    experiment = build(optimizer=optimizer, frozen=frozen, l2=0.1, clip_norm=1.0)
    drawn = {layer: {name: a.copy() for name, a in arrays.items()} for layer, arrays in views(experiment).items()}
    run(experiment)
    for layer, arrays in views(experiment).items():
        for name, array in arrays.items():
            assert (array == drawn[layer][name]).all() == (layer in frozen)


def test_nothing_stands_between_an_optimizer_that_holds_all_and_the_network() -> None:
    assert not isinstance(build(optimizer=SGD).optimizer, PartialOptimizer)
    assert isinstance(build(optimizer=SGD, frozen=["output"]).optimizer, PartialOptimizer)


@pytest.mark.parametrize(("text", "wanted"), MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_training_is_one_sentence(text: str, wanted: str) -> None:
    with pytest.raises(UserError) as caught:
        loads(DATA + text, "x.toml")
    assert len(caught.value.sentences) == 1
    assert str(caught.value).startswith(f"x.toml: {wanted}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_training_reads_as_the_same_after_a_dump(name: str) -> None:
    config = configure(**CONFIGS[name])
    assert loads(dump(config)) == config


def test_a_sweep_runs_over_schedules() -> None:
    config = loads(DATA + '[sweep]\n"training.schedule" = ["constant", {kind = "cosine", warm_up = 5}]')
    assert list(config.sweep) == ["training.schedule"]
