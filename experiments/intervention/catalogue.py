"""What is tried on a sick config: the cures that findings prescribe, and what a practitioner would try besides."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gradvitals.diagnostics.findings import Finding
from gradvitals.diagnostics.metrics import SLOPED
from gradvitals.experiments.config.data import Task
from gradvitals.experiments.config.dump import as_plain, flatten, training_hash
from gradvitals.experiments.config.root import Config
from gradvitals.experiments.data.dataset import Dataset
from gradvitals.experiments.fit import LOSS_OF_TASK, LOSSES_OF_TASK
from gradvitals.experiments.intervention.arms import RATE, Arm, Changes, make_arm, touches

ADAM = {"kind": "adam", "learning_rate": 0.001}

OPTIMIZER = "training.optimizer"

CUSTOMARY_RATES: dict[str, tuple[float, ...]] = {
    "sgd": (0.1, 0.01),
    "adagrad": (0.01,),
    "adadelta": (1.0,),
    "rmsprop": (0.001,),
    "adam": (0.001,),
    "adamw": (0.001,),
    "adamax": (0.002,),
    "nadam": (0.002,),
}
"""Rates to begin with, from the optimizers' papers and PyTorch's defaults; of SGD the two that are usual."""

FACTORS = (0.1, 10.0, 0.01, 100.0)
"""What the learning rate is multiplied by; beyond these only as long as it helps."""

FAR_BELOW = 100.0
"""How many times smaller a rate is than what is usual when all of `FACTORS` may leave it too small."""

TENFOLD = (0.1, 10.0)
NEAR = (0.3, 3.0, 10.0)
"""By what the rate of a cure is multiplied to see whether another is better still."""

ASIDE = (0.1, 0.3, 3.0, 10.0)
"""The same of the rate that is there, where a change that leaves it is left behind."""

LOWER = (0.3, 0.1)
"""The same where a cause is mended besides that a high rate had made up for."""

SMALL_BATCH = 32


def list_arms(config: Config, dataset: Dataset, findings: Sequence[Finding]) -> tuple[Arm, ...]:
    """List what to try, the smallest changes first: what findings prescribe, and the catalogue.

    What changes nothing, does not validate, or does not fit the data is left out; what comes twice is there once.

    Args:
        config: The sick one.
        dataset: Its data.
        findings: Those that stand.
    """
    prescribed = [
        (prescription.set, finding.key)
        for finding in findings
        for prescription in finding.prescriptions
        if prescription.set
    ]
    wanted: list[tuple[Changes, tuple[str, ...]]] = [(changes, (key,)) for changes, key in prescribed]
    wanted += [(changes, ()) for changes in _catalogue(config, dataset.task)]
    arms: dict[str, Arm] = {}
    for changes, by in wanted:
        arm = make_arm(config, changes, dataset, prescribed_by=by)
        if arm is not None:
            same = arms.setdefault(training_hash(arm.config), arm)
            known = tuple(dict.fromkeys((*same.prescribed_by, *by)))
            arms[training_hash(arm.config)] = replace(same, prescribed_by=known)
    return tuple(sorted(arms.values(), key=lambda arm: arm.size))


def _catalogue(config: Config, task: Task) -> Iterator[Changes]:
    """Yield the changes of one key that a practitioner would try, and what needs a second key to be valid at all."""
    model, training = config.model, config.training
    yield from _program(config, task)
    yield {"data.scale": "standard"}
    if config.data.columns:
        yield {"data.columns": None}
    if task == "regression":
        yield {"data.scale_targets": "standard"}
    sloped = model.kind == "rnn" or any(each.kind in SLOPED for each in model.activation_per_layer)
    schemes = ("he_normal", "glorot_uniform")
    yield from ({"model.init": scheme} for scheme in (reversed(schemes) if sloped else schemes))
    yield {"model.bias_init": "zeros"}
    if model.recurrent_init is not None:
        yield {"model.recurrent_init": "orthogonal"}
    if model.cell == "relu":
        yield {"model.recurrent_init": "identity"}
    rate = training.optimizer.learning_rate
    yield from ({RATE: _times(rate, factor)} for factor in FACTORS)
    yield from ({RATE: usual} for usual in _usual_rates(config))
    yield {"training.clip_norm": 1.0}
    yield {"training.l2": 0.0}
    yield {"model.dropout": 0.0}
    if training.schedule is not None:
        yield {"training.schedule": None}
    if training.batch_size > SMALL_BATCH:
        yield {"training.batch_size": SMALL_BATCH}
    yield {"training.optimizer": ADAM}
    if model.cell == "relu":
        yield {"model.cell": "tanh"}
    if model.kind != "rnn":
        yield {"model.activation": "relu"}
        yield {"model.activation": "leaky_relu"}


def _usual_rates(config: Config) -> Iterator[float]:
    """Yield the rates that are usual for the optimizer; where the own one is far below them, ten times as much too.

    From a rate that teaches nothing there are no steps that help one by one up to one that does, and small networks,
    few updates and sigmoids want more than is usual.
    """
    usual = CUSTOMARY_RATES[config.training.optimizer.kind]
    yield from usual
    if FAR_BELOW * config.training.optimizer.learning_rate < min(usual):
        yield _times(max(usual), 10.0)


def _program(config: Config, task: Task) -> Iterator[Changes]:
    """Yield what puts a program right whose output, loss or optimizer is not what the task wants."""
    training = config.training
    yield {"training.frozen": []}
    yield {"training.gradient": "backprop"}
    yield {"training.reduction": "mean"}
    if training.from_logits is not None:
        yield {"training.from_logits": not training.from_logits}
    if config.model.output_units is not None:
        yield {"model.output_units": None}
    if config.model.output != "auto":
        yield {"model.output": "auto", "training.from_logits": None}
        yield {"model.output": "linear", "training.from_logits": None}
    if training.loss is not None:
        yield {"training.loss": LOSS_OF_TASK[task]}
        yield {"training.loss": LOSS_OF_TASK[task], "model.output": "auto", "training.from_logits": None}
    if training.loss == "clipped_delta":
        yield {"training.loss": "huber"}


def make_sane_defaults(config: Config, dataset: Dataset) -> Arm | None:
    """Make the arm that one would begin with: standardised data, He weights, ReLU, Adam at 1e-3, the right loss.

    The widths, the length of the training and its batches stay; None where the config is that already.
    """
    model, training = config.model, config.training
    suits = training.loss in LOSSES_OF_TASK[dataset.task]
    changes: dict[str, Any] = {
        "data.scale": "standard",
        "data.columns": None,
        "data.scale_targets": "standard" if dataset.task == "regression" else "none",
        "model.init": "glorot_uniform" if model.kind == "rnn" else "he_normal",
        "model.bias_init": "zeros",
        "model.dropout": 0.0,
        "model.output": "auto",
        "model.output_units": None,
        "training.from_logits": None,
        "training.loss": training.loss if suits else None,
        "training.reduction": "mean",
        "training.gradient": "backprop",
        "training.frozen": [],
        "training.clip_norm": None,
        "training.clip_value": None,
        "training.l2": 0.0,
        "training.schedule": None,
        "training.optimizer": ADAM,
    }
    changes |= {"model.activation": "relu"} if model.kind != "rnn" else {}
    changes |= {"model.recurrent_init": "orthogonal"} if model.recurrent_init is not None else {}
    return make_arm(config, _that_differ(config, changes), dataset, role="sane_defaults")


def _that_differ(config: Config, changes: Changes) -> dict[str, Any]:
    """Leave out what the config has already; keys that are valid together only are looked at by their values."""
    plain = flatten(as_plain(config))
    table = as_plain(config)
    return {key: value for key, value in changes.items() if _at(table, key, plain.get(key)) != value}


def _at(table: Mapping[str, Any], key: str, default: object) -> object:
    value: Any = table
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return default
        value = value[part]
    return value


def rates_near(config: Config, dataset: Dataset, arm: Arm, factors: Sequence[float] = NEAR) -> list[Arm]:
    """Give the neighbours of an arm that changes the learning rate, alone or with the optimizer; none of another."""
    optimizer = arm.changes.get(OPTIMIZER)
    if RATE not in arm.changes and not isinstance(optimizer, Mapping):
        return []
    rate = arm.config.training.optimizer.learning_rate
    rates = (_times(rate, factor) for factor in factors)
    near: Iterator[Changes] = (
        {OPTIMIZER: {**optimizer, "learning_rate": each}} if isinstance(optimizer, Mapping) else {RATE: each}
        for each in rates
    )
    arms = (make_arm(config, {**arm.changes, **changes}, dataset) for changes in near)
    return [each for each in arms if each is not None and each.keys == arm.keys]


def rates_besides(config: Config, dataset: Dataset, arm: Arm) -> list[Arm]:
    """Give an arm with another learning rate besides; none of one that changes it, or the optimizer."""
    if any(touches(RATE, key) for key in arm.changes):
        return []
    rate = arm.config.training.optimizer.learning_rate
    by = arm.prescribed_by
    arms = (
        make_arm(config, {**arm.changes, RATE: _times(rate, factor)}, dataset, prescribed_by=by) for factor in ASIDE
    )
    return [each for each in arms if each is not None]


def _times(rate: float, factor: float) -> float:
    return float(f"{rate * factor:.3g}")
