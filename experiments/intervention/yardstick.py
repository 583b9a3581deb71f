"""How good a trained network is, row by row of the validation set: the same measure whatever its loss or its scaling.

A classification is measured by its accuracy, a multilabel task by the share of labels that are right, a regression by
R². R² does not change when targets are shifted and stretched, so it is the same in the targets' original units as in
those of `data.scale_targets`; and unlike a loss it compares networks that minimise different ones.
"""

from dataclasses import dataclass

import numpy as np

from gradvitals.engine.events import Array
from gradvitals.engine.network import Network
from gradvitals.experiments.assemble import Experiment
from gradvitals.experiments.config.data import Task
from gradvitals.experiments.data.dataset import Dataset

YARDSTICK: dict[Task, str] = {
    "classification": "accuracy",
    "multilabel": "share of labels right",
    "regression": "R²",
}
"""What the score of a task is called."""

WORTH: dict[Task, float] = {"classification": 0.05, "multilabel": 0.05, "regression": 0.1}
"""What a score must gain to be worth a change of a network that nothing stands against."""


@dataclass(frozen=True, slots=True, eq=False)
class RowScores:
    """The score of every row; their mean is the network's.

    Attributes:
        rows: `(samples,)`; right or wrong for a class, 1 − e²/Var for a quantity.
        trivial: The same of the constant that says the commonest class, or the training targets' mean.
        subset: On which rows: `validation`, or `training` where there is no other.
        broken: Whether the network's outputs are not finite; its scores are then the trivial predictor's.
    """

    rows: Array
    trivial: Array
    subset: str
    broken: bool

    @property
    def mean(self) -> float:
        """The network's score."""
        return float(self.rows.mean())


def score_rows(experiment: Experiment, dataset: Dataset) -> RowScores:
    """Score a trained network.

    A network whose outputs are not finite has the trivial predictor's scores, and so has one whose R² is below the
    trivial predictor's 0: how far a regression has diverged says nothing, and would drown all other differences.

    Args:
        experiment: Trained.
        dataset: What it was assembled from.
    """
    has_validation = len(dataset.validation_inputs) > 0
    targets = dataset.validation_targets if has_validation else dataset.targets
    samples = experiment.validation if has_validation else experiment.samples
    outputs, native = _run(experiment.network, samples.inputs, samples.targets)
    if dataset.task == "regression":
        trivial = _explained(dataset.targets.mean(axis=0), targets, dataset.targets.mean(axis=0))
        rows = _explained(outputs, targets, dataset.targets.mean(axis=0))
    elif dataset.task == "classification":
        trivial = _as_share(targets == np.bincount(dataset.targets).argmax())
        rows = native if native is not None else _as_share(np.rint(outputs[:, 0]) == targets)
    else:
        trivial = _as_share((dataset.targets.mean(axis=0) > 0.5) == (targets > 0.5)).mean(axis=1)
        rows = native if native is not None else _as_share((outputs > 0.5) == (targets > 0.5)).mean(axis=1)
    broken = not (np.isfinite(outputs).all() and np.isfinite(experiment.network.parameters).all())
    if broken or (dataset.task == "regression" and not rows.mean() >= trivial.mean()):
        rows = trivial
    return RowScores(rows, trivial, "validation" if has_validation else "training", broken)


def _run(network: Network, inputs: Array, targets: Array) -> tuple[Array, Array | None]:
    """Give the outputs of all rows, and how right they are where the network's loss can tell."""
    outputs: list[Array] = []
    scores: list[Array | None] = []
    for start in range(0, len(inputs), network.evaluation_rows):
        rows = slice(start, start + network.evaluation_rows)
        result = network.probe(inputs[rows], targets[rows])
        outputs.append(result.outputs)
        scores.append(result.scores)
    known = [each for each in scores if each is not None]
    return np.concatenate(outputs), np.concatenate(known) if len(known) == len(scores) else None


@np.errstate(over="ignore", invalid="ignore")  # of a network that has diverged
def _explained(outputs: Array, targets: Array, centre: Array) -> Array:
    """Give 1 − e²/Var of every row, averaged over the targets' columns; Var is about the training targets' mean."""
    spread = ((targets - centre) ** 2).mean(axis=0)
    errors = (outputs.astype(np.float64) - targets) ** 2 / np.where(spread > 0.0, spread, 1.0)
    return np.asarray(1.0 - errors.mean(axis=1))


def _as_share(right: Array) -> Array:
    return np.asarray(right, np.float64)
