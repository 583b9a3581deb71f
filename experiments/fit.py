"""Whether a config fits its data: the right loss for the task, a network of a size that can be held."""

from dataclasses import dataclass
from itertools import pairwise

from gradvitals.experiments.config.base import MAX_PARAMETERS
from gradvitals.experiments.config.data import Task
from gradvitals.experiments.config.root import Config
from gradvitals.experiments.config.training import Loss
from gradvitals.experiments.data.dataset import Dataset
from gradvitals.experiments.errors import UserError

LOSS_OF_TASK: dict[Task, Loss] = {
    "classification": "cross_entropy",
    "multilabel": "binary_cross_entropy",
    "regression": "mse",
}


@dataclass(frozen=True, slots=True)
class Fit:
    """What follows from a config and its data together.

    Attributes:
        loss: The loss, chosen by the task where the config names none.
        widths: Units from the inputs to the outputs, `(features, *hidden, outputs)`.
        batch_size: Examples per update; the whole training set where the config asks for more than it holds.
    """

    loss: Loss
    widths: tuple[int, ...]
    batch_size: int

    @property
    def parameters(self) -> int:
        """Weights and biases of the network."""
        return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(self.widths))


def check_fit(config: Config, dataset: Dataset, *, origin: str = "config") -> Fit:
    """Return what follows from a config and its data.

    A binary cross-entropy on two classes has one output; everything else has one per class or column of the targets.

    Args:
        config: A run's config.
        dataset: Its data.
        origin: The config's file, for errors.

    Raises:
        UserError: If the loss does not suit the task, or the network is too large.
    """
    loss = config.training.loss or LOSS_OF_TASK[dataset.task]
    reason = _unsuitable(loss, dataset)
    if reason:
        sentence = f"{origin}: training.loss: {loss!r} {reason}"
        raise UserError(sentence)
    outputs = 1 if loss == "binary_cross_entropy" and dataset.task == "classification" else dataset.outputs
    fit = Fit(
        loss=loss,
        widths=(dataset.inputs.shape[1], *config.model.hidden, outputs),
        batch_size=min(config.training.batch_size, len(dataset.inputs)),
    )
    if fit.parameters > MAX_PARAMETERS:
        sentence = (
            f"{origin}: model.hidden: {fit.parameters:,} parameters with {fit.widths[0]:,} inputs"
            f" and {outputs:,} outputs; at most {MAX_PARAMETERS:,} are supported"
        )
        raise UserError(sentence)
    return fit


def _unsuitable(loss: Loss, dataset: Dataset) -> str:
    """Return why a loss does not suit the data, or nothing if it does."""
    classes = len(dataset.class_names)
    match loss, dataset.task:
        case "binary_cross_entropy", "classification" if classes > 2:
            return (
                f"has one output and {dataset.name} {classes} classes, more classes than outputs — use 'cross_entropy'"
            )
        case ("cross_entropy", "classification") | ("binary_cross_entropy", "classification" | "multilabel"):
            return ""
        case "mse", "regression":
            return ""
        case _:
            return f"does not suit a {dataset.task} — use {LOSS_OF_TASK[dataset.task]!r}"
