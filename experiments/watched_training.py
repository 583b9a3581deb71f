"""An assembled experiment, watched and trained: what a run, a pre-flight and the healthy zoo have in common."""

from collections.abc import Sequence

from gradvitals.diagnostics.diagnoses.base import Diagnosis
from gradvitals.diagnostics.diagnoses.catalogue import CATALOGUE
from gradvitals.diagnostics.live_pace import LivePace
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.sink import Sink
from gradvitals.engine.history import History
from gradvitals.engine.stack import Training
from gradvitals.engine.stacked_optimizer import NotStackableError
from gradvitals.engine.training import Samples, train
from gradvitals.experiments.assemble import Experiment
from gradvitals.experiments.config.dump import as_plain, flatten
from gradvitals.experiments.config.root import Config


def watch_experiment(
    config: Config,
    experiment: Experiment,
    *,
    sinks: Sequence[Sink] = (),
    diagnoses: Sequence[Diagnosis] = CATALOGUE,
    total_steps: int | None = None,
    pace: LivePace | None = None,
) -> Monitor:
    """Put a monitor on an experiment, with both of its sets and the config that it came from.

    Args:
        config: A run's config.
        experiment: Assembled from it.
        sinks: Receive everything that is recorded.
        diagnoses: The rules, with their thresholds.
        total_steps: Planned updates, where the training itself does not say.
        pace: How often the sinks get a verdict meanwhile; one for all that are trained at once.
    """
    return Monitor(
        experiment.network,
        experiment.data,
        total_steps=total_steps,
        every=config.diagnostics.every,
        exact=config.diagnostics.exact,
        sinks=sinks,
        config=flatten(as_plain(config)),
        diagnoses=diagnoses,
        pace=pace or LivePace(),
        guarded=False,
    )


def as_training(config: Config, experiment: Experiment, history: History, *, watched: bool = True) -> Training:
    """Give an experiment as one of many trainings, as its config says.

    Args:
        config: A run's config.
        experiment: Assembled from it.
        history: Is filled.
        watched: Whether anybody reads the scores of its epochs.

    Raises:
        NotStackableError: If it does not step by backpropagation.
    """
    if experiment.strategy is not None:
        msg = "trainings can be stacked where backpropagation computes their gradients"
        raise NotStackableError(msg)
    return Training(
        experiment.network,
        experiment.samples,
        experiment.optimizer,
        config.training.epochs,
        config.training.batch_size,
        experiment.generator,
        _validation(experiment, watched=watched),
        experiment.early_stopping,
        experiment.clip,
        experiment.schedule,
        experiment.penalty,
        history,
        accuracy=watched,
    )


def train_experiment(
    config: Config,
    experiment: Experiment,
    *,
    epochs: int | None = None,
    history: History | None = None,
    watched: bool = True,
) -> History:
    """Train an experiment as its config says.

    Args:
        config: A run's config.
        experiment: Assembled from it.
        epochs: Passes over the training set, where they are not the config's.
        history: Is filled and returned; hand one in to keep it should the training be interrupted.
        watched: Whether anybody reads the scores of its epochs.
    """
    return train(
        experiment.network,
        experiment.samples,
        experiment.optimizer,
        epochs=config.training.epochs if epochs is None else epochs,
        batch_size=config.training.batch_size,
        generator=experiment.generator,
        validation=_validation(experiment, watched=watched),
        early_stopping=experiment.early_stopping,
        clip=experiment.clip,
        schedule=experiment.schedule,
        penalty=experiment.penalty,
        strategy=experiment.strategy,
        history=history,
        accuracy=watched,
    )


def _validation(experiment: Experiment, *, watched: bool) -> Samples | None:
    """Give what is scored after every epoch; where nobody reads that, early stopping alone may need it."""
    return experiment.validation if watched or experiment.early_stopping is not None else None
