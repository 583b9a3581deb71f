"""The trial of a few examples: can the network learn them by heart, and if not, can an ordinary one of its size?"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gradvitals.diagnostics.constant_predictor import ConstantPredictor, fit_constant
from gradvitals.diagnostics.trial_notes import OverfitTrial
from gradvitals.engine.training import Trainer
from gradvitals.experiments.assemble import Experiment, assemble
from gradvitals.experiments.config.initialization import Scheme
from gradvitals.experiments.config.model import ModelConfig
from gradvitals.experiments.config.optimizer import Adam, AdamW
from gradvitals.experiments.config.root import Config
from gradvitals.experiments.config.training import TrainingConfig
from gradvitals.experiments.data.dataset import Dataset, Floats
from gradvitals.experiments.fit import check_fit
from gradvitals.experiments.trials.examples import choose_examples, only_rows

RATES = (1e-2, 1e-3, 1e-1)
"""Learning rates of Adam, the likeliest to succeed first."""


def try_overfitting(
    config: Config, dataset: Dataset, *, examples: int, steps: int, seeds: int, target: float
) -> OverfitTrial:
    """Train on a few examples until an attempt has learned them; a way of training is tried if those before it failed.

    The ways: the config's own optimizer; Adam at three rates; and as a control an ordinary network of the same widths
    (see `ordinary`). All without regularisation, on all the examples at every step.

    Args:
        config: A run's config.
        dataset: Its data.
        examples: How many examples.
        steps: Most updates of an attempt.
        seeds: Attempts of each way: from other weights, on other examples.
        target: Loss at which the examples count as learned, in units of H, that of the best constant on them; under
            soft targets both less the loss that no outputs get below.
    """
    plain = unregularised(config)
    generators = [np.random.default_rng([config.seed, attempt]) for attempt in range(seeds)]
    sets = [only_rows(dataset, choose_examples(dataset, examples, generator)) for generator in generators]
    count = len(sets[0].inputs)
    if any(_constant(assemble(plain, each, check_fit(plain, each))) is None for each in sets):
        reason = f"the best constant's loss on {count} examples is 0, or as low as can be, or not known for this loss"
        return OverfitTrial(0, count, steps, target, "", (), {}, (), reason)

    optimizer = ""
    own: tuple[float, ...] = ()
    if config.training.gradient != "random_search":  # which has none
        optimizer = f"{config.training.optimizer.kind} at {config.training.optimizer.learning_rate:g}"
        own = _attempts(plain, sets, steps, target)
    adam: dict[str, tuple[float, ...]] = {}
    control: tuple[float, ...] = ()
    learned = min(own, default=np.inf) <= target
    for rate in RATES:
        if not learned:
            adam[f"{rate:g}"] = _attempts(with_adam(plain, rate), sets, steps, target)
            learned = min(adam[f"{rate:g}"]) <= target
    if not learned:
        sane, scaled = ordinary(plain), [_standardised(each) for each in sets]
        control = tuple(
            min(_attempts(with_adam(sane, rate), [each], steps, target)[0] for rate in RATES[:2]) for each in scaled
        )
    return OverfitTrial(0, count, steps, target, optimizer, own, adam, control)


def unregularised(config: Config) -> Config:
    """Give a config without what keeps a network from learning by heart: dropout, weight decay, a rate that decays."""
    optimizer = config.training.optimizer
    if isinstance(optimizer, AdamW):
        optimizer = optimizer.model_copy(update={"weight_decay": 0.0})
    free = {"optimizer": optimizer, "l2": 0.0, "schedule": None, "early_stopping": None, "gradient": "backprop"}
    return config.model_copy(
        update={
            "model": config.model.model_copy(update={"dropout": 0.0}),
            "training": config.training.model_copy(update=free),
        }
    )


def with_adam(config: Config, learning_rate: float) -> Config:
    """Give a config with Adam for its optimizer, unclipped."""
    adam = {"optimizer": Adam(learning_rate=learning_rate), "clip_norm": None, "clip_value": None}
    return config.model_copy(update={"training": config.training.model_copy(update=adam)})


def ordinary(config: Config) -> Config:
    """Give an unregularised config of the same widths, and otherwise what one would begin with for its data."""
    kind = config.model.kind
    model = ModelConfig(
        kind=kind,
        hidden=config.model.hidden,
        sequence_length=config.model.sequence_length,
        init=Scheme(kind="he_normal" if kind == "mlp" else "glorot_uniform"),
    )
    return config.model_copy(update={"model": model, "training": TrainingConfig(dtype=config.training.dtype)})


def _attempts(config: Config, sets: Sequence[Dataset], steps: int, target: float) -> tuple[float, ...]:
    """Give the lowest loss of each attempt, in units of H, up to the first that succeeds."""
    lowest: list[float] = []
    for attempt, examples in enumerate(sets):
        if min(lowest, default=np.inf) > target:
            seeded = config.model_copy(update={"seed": config.seed + attempt})
            lowest.append(_lowest_loss(seeded, examples, steps, target))
    return tuple(lowest)


def _lowest_loss(config: Config, examples: Dataset, steps: int, target: float) -> float:
    """Train on all examples at every step, until the loss is down to target · H; give the lowest, in units of H."""
    experiment = assemble(config, examples, check_fit(config, examples))
    constant, lowest = _constant(experiment), np.inf
    floor, unit = (0.0, np.inf) if constant is None else (constant.floor, constant.reducible)
    trainer = Trainer(experiment.network, experiment.optimizer, clip=experiment.clip)
    rows = np.arange(len(experiment.samples))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for _ in range(steps + 1):
            trainer.step(experiment.samples, rows)
            if not np.isfinite(trainer.mean_loss):
                break
            lowest = min(lowest, (trainer.mean_loss - floor) / unit)
            if lowest <= target:
                break
    return float(lowest)


def _constant(experiment: Experiment) -> ConstantPredictor | None:
    """Fit the best constant to an experiment's examples; None where nothing can be better, or it is not known."""
    network = experiment.network
    constant = fit_constant(network.loss_name, experiment.samples.targets, network.class_weight)
    return constant if constant is not None and constant.reducible > 0.0 else None


def _standardised(examples: Dataset) -> Dataset:
    """Give the examples with inputs, and targets of a regression, of mean 0 and standard deviation 1."""
    targets = _standard(examples.targets.astype(np.float64)) if examples.task == "regression" else examples.targets
    return replace(examples, inputs=_standard(examples.inputs), targets=targets)


def _standard(columns: Floats) -> Floats:
    deviations = columns.std(axis=0)
    return np.asarray((columns - columns.mean(axis=0)) / np.where(deviations > 0.0, deviations, 1.0))
