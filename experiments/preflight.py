"""The pre-flight: what can be judged of a config before its first update."""

import math
from dataclasses import replace

import numpy as np

from gradvitals.diagnostics.diagnoses.catalogue import CATALOGUE
from gradvitals.diagnostics.findings import Judgement, Verdict
from gradvitals.diagnostics.judge import judge
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.trial_notes import GradientComparison
from gradvitals.engine.events import TrainingStarted
from gradvitals.experiments.assemble import assemble
from gradvitals.experiments.config.root import Config
from gradvitals.experiments.data.dataset import Dataset
from gradvitals.experiments.fit import check_fit
from gradvitals.experiments.plan import PlannedRun
from gradvitals.experiments.rules import configured
from gradvitals.experiments.runner import Place, load_dataset
from gradvitals.experiments.trials.cannot_overfit import CannotOverfit
from gradvitals.experiments.trials.catalogue import TRIALS
from gradvitals.experiments.trials.examples import only_rows
from gradvitals.experiments.trials.gradient_check import GradientCheck
from gradvitals.experiments.trials.gradients import compare_gradients
from gradvitals.experiments.trials.overfitting import try_overfitting
from gradvitals.experiments.watched_training import train_experiment, watch_experiment

ROWS = 8
"""Training rows of the gradient check."""

TOO_EARLY = "not before a training"
"""Why a diagnosis of the catalogue has nothing to say yet."""


def preflight(planned: PlannedRun, place: Place, *, overfit: bool = False) -> Verdict:
    """Judge a run before its first update: the catalogue at step 0, then the trials. Nothing is written.

    Args:
        planned: The run; training it afterwards gives what it would have given anyway.
        place: What its config's paths are relative to, and what errors call it.
        overfit: Whether to try the examples of `cannot_overfit` even if the config does not ask for it by its table.

    Returns:
        The verdict. What the catalogue cannot judge yet has the reason `TOO_EARLY` (see `set_aside`).

    Raises:
        UserError: If data and config do not fit.
    """
    config, rules = planned.config, planned.config.diagnostics.rules
    dataset = load_dataset(planned, place)
    wanted = [trial for trial in TRIALS if overfit or trial.id in rules or not isinstance(trial, CannotOverfit)]
    diagnoses = configured(rules, origin=place.origin, diagnoses=(*CATALOGUE, *wanted))
    record = _start(config, dataset, place.origin)
    for diagnosis in diagnoses:
        match diagnosis:
            case GradientCheck() if config.training.gradient == "backprop":
                record.add(_compare(config, dataset, diagnosis))
            case CannotOverfit():
                record.add(
                    try_overfitting(
                        config,
                        dataset,
                        examples=diagnosis.examples,
                        steps=diagnosis.steps,
                        seeds=diagnosis.seeds,
                        target=diagnosis.error,
                    )
                )
    return _before_training(judge(record, diagnoses))


def set_aside(verdict: Verdict) -> tuple[Verdict, tuple[str, ...]]:
    """Part a pre-flight's verdict from what it had to leave to the training.

    Returns:
        The verdict without it, and its ids.
    """
    early = [judgement for judgement in verdict.judgements if _is_early(judgement)]
    judgements = tuple(judgement for judgement in verdict.judgements if not _is_early(judgement))
    return replace(verdict, judgements=judgements), tuple(judgement.id for judgement in early)


def _is_early(judgement: Judgement) -> bool:
    return judgement.status == "not_judged" and judgement.reason == TOO_EARLY


def _start(config: Config, dataset: Dataset, origin: str) -> Record:
    """Let a monitor see the start of the training, and nothing after it."""
    experiment = assemble(config, dataset, check_fit(config, dataset, origin=origin))
    steps_per_epoch = math.ceil(len(experiment.samples) / min(config.training.batch_size, len(experiment.samples)))
    monitor = watch_experiment(config, experiment, total_steps=config.training.epochs * steps_per_epoch)
    experiment.network.hooks.on(TrainingStarted, lambda _: monitor.detach())
    train_experiment(config, experiment, epochs=0)
    return monitor.record


def _compare(config: Config, dataset: Dataset, check: GradientCheck) -> GradientComparison:
    """Compare the gradients of the config's network in float64, on a few rows of its training set."""
    generator = np.random.default_rng(config.seed)
    rows = generator.choice(len(dataset.inputs), min(ROWS, len(dataset.inputs)), replace=False)
    few = only_rows(dataset, rows)
    exact = config.model_copy(update={"training": config.training.model_copy(update={"dtype": "float64"})})
    experiment = assemble(exact, few, check_fit(exact, few))
    samples = experiment.samples
    return compare_gradients(
        experiment.network, samples.inputs, samples.targets, limit=check.error, generator=generator
    )


def _before_training(verdict: Verdict) -> Verdict:
    """Say of the catalogue what waits for the training, and of no finding what it costs: nothing is trained yet."""
    waiting = {diagnosis.id for diagnosis in CATALOGUE}
    return Verdict(
        tuple(
            replace(judgement, reason=TOO_EARLY)
            if judgement.status == "not_judged" and judgement.id in waiting
            else judgement
            for judgement in verdict.judgements
        ),
        tuple(replace(finding, harm=None) for finding in verdict.findings),
    )
