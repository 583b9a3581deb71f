"""Whether a config fits its data: a loss for the task, outputs and targets that can meet, a network of bearable size.

A config that leaves the output layer to us gets the right one, and a loss that does not suit the task is refused. One
that spells it out (`model.output`, `model.output_units`) is taken at its word, so that the wrong programs people write
can be written here too; only what nothing could compute is refused.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias

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
LOSSES_OF_TASK: dict[Task, tuple[Loss, ...]] = {
    "classification": ("cross_entropy", "hinge", "binary_cross_entropy", "binary_hinge"),
    "multilabel": ("binary_cross_entropy", "binary_hinge"),
    "regression": ("mse", "mae", "huber"),
}
OF_ONE_CLASS: tuple[Loss, ...] = ("cross_entropy", "nll", "hinge")
OF_YES_OR_NO: tuple[Loss, ...] = ("binary_cross_entropy", "binary_hinge")
OF_LOGITS: tuple[Loss, ...] = ("cross_entropy", "binary_cross_entropy")

Encoding: TypeAlias = Literal["one_hot", "labels", "values"]
"""How targets reach the loss: a column per class, the class's index in one column, or as they are."""


@dataclass(frozen=True, slots=True)
class Fit:
    """What follows from a config and its data together.

    Attributes:
        loss: The loss, chosen by the task where the config names none.
        from_logits: Whether a cross-entropy takes the outputs for logits.
        widths: Units from the inputs to the outputs, `(features, *hidden, outputs)`; in a recurrent network the
            features are those of one time step.
        encoding: How the targets reach the loss.
        batch_size: Examples per update; the whole training set where the config asks for more than it holds.
        parameters: Number of weights and biases.
    """

    loss: Loss
    from_logits: bool
    widths: tuple[int, ...]
    encoding: Encoding
    batch_size: int
    parameters: int


def check_fit(config: Config, dataset: Dataset, *, origin: str = "config") -> Fit:
    """Return what follows from a config and its data.

    A loss of yes or no on two classes has one output; everything else has one per class or column of the targets.

    Args:
        config: A run's config.
        dataset: Its data.
        origin: The config's file, for errors.

    Raises:
        UserError: If the loss does not suit the task, targets and outputs cannot meet, or the network is too large.
    """
    loss = config.training.loss or LOSS_OF_TASK[dataset.task]
    outputs = config.model.output_units or _natural_outputs(loss, dataset)
    encoding = _encoding(loss, outputs, dataset)
    for key, reason in (
        ("training.loss", _unsuitable(loss, dataset, config)),
        ("model.output_units", _cannot_meet(loss, outputs, encoding, dataset)),
        ("training.from_logits", _no_logits(loss, config)),
        ("training.class_weight", _no_weights(loss, outputs, dataset, config)),
        ("model.output_bias", _no_prior(loss, outputs, dataset, config)),
    ):
        if reason:
            sentence = f"{origin}: {key}: {reason}"
            raise UserError(sentence)
    widths = (_features(config, dataset, origin), *config.model.hidden, outputs)
    return Fit(
        loss=loss,
        from_logits=_from_logits(config),
        widths=widths,
        encoding=encoding,
        batch_size=min(config.training.batch_size, len(dataset.inputs)),
        parameters=_count_parameters(config, widths, origin),
    )


def _features(config: Config, dataset: Dataset, origin: str) -> int:
    """Count the inputs, in a recurrent network those of one time step."""
    features: int = dataset.inputs.shape[1]
    steps = config.model.sequence_length
    if config.model.kind == "mlp" or steps is None:
        return features
    if features % steps:
        sentence = f"{origin}: model.sequence_length: {features} inputs cannot be cut into {steps} equal time steps"
        raise UserError(sentence)
    return features // steps


def _natural_outputs(loss: Loss, dataset: Dataset) -> int:
    two_classes = dataset.task == "classification" and dataset.outputs == 2
    return 1 if two_classes and loss in OF_YES_OR_NO else dataset.outputs


def _encoding(loss: Loss, outputs: int, dataset: Dataset) -> Encoding:
    if dataset.task != "classification":
        return "values"
    return "labels" if outputs == 1 and loss not in OF_ONE_CLASS else "one_hot"


def _unsuitable(loss: Loss, dataset: Dataset, config: Config) -> str:
    """Return why a loss does not suit the data, or nothing if it does or is meant."""
    if config.model.is_taken_at_its_word:
        return ""
    classes, right = len(dataset.class_names), LOSS_OF_TASK[dataset.task]
    if loss not in LOSSES_OF_TASK[dataset.task]:
        others = " or ".join(map(repr, LOSSES_OF_TASK[dataset.task]))
        return f"{loss!r} does not suit a {dataset.task} — use {others}, or spell out model.output to have it anyway"
    if loss in OF_YES_OR_NO and dataset.task == "classification" and classes > 2:
        return (
            f"{loss!r} has one output and {dataset.name} {classes} classes, more classes than outputs — use {right!r}"
        )
    return ""


def _cannot_meet(loss: Loss, outputs: int, encoding: Encoding, dataset: Dataset) -> str:
    """Return why no program could compare these outputs with these targets, or nothing if one could."""
    targets = dataset.outputs
    if loss in {"cross_entropy", "nll"} and encoding == "one_hot":
        return ""  # a label beyond the outputs makes the loss NaN, as on a GPU
    if encoding == "labels" or outputs == targets:
        return ""
    if encoding == "one_hot" and loss == "hinge" and outputs > targets:
        return ""
    if loss not in (*OF_ONE_CLASS, *OF_YES_OR_NO) and encoding == "values" and 1 in {outputs, targets}:
        return ""  # it broadcasts
    return (
        f"{loss!r} cannot compare {outputs} outputs with {targets} {'classes' if encoding == 'one_hot' else 'targets'}"
    )


def _no_logits(loss: Loss, config: Config) -> str:
    if config.training.from_logits is None:
        return ""
    if loss not in OF_LOGITS:
        return f"only {' and '.join(OF_LOGITS)} have it, not {loss!r} — remove it"
    return "" if config.model.output != "auto" else "it says how the loss takes model.output, which is not set"


def _from_logits(config: Config) -> bool:
    given = config.training.from_logits
    return config.model.output not in {"softmax", "sigmoid"} if given is None else given


def _no_weights(loss: Loss, outputs: int, dataset: Dataset, config: Config) -> str:
    weights = config.training.class_weight
    if weights is None:
        return ""
    if dataset.task != "classification" or loss not in (*OF_ONE_CLASS, *OF_YES_OR_NO):
        return f"only a classification by classes has it, not {loss!r} on a {dataset.task} — remove it"
    if loss in OF_YES_OR_NO and outputs > 1:
        return f"{loss!r} of {outputs} outputs has no weight per class — remove it"
    classes = len(dataset.class_names)
    if not isinstance(weights, str) and len(weights) != classes:
        return (
            f"{len(weights)} weights for {classes} classes ({', '.join(dataset.class_names[:10])}) — give one for each"
        )
    return "" if outputs in {1, classes} else f"{outputs} outputs for {classes} classes have no weight each — remove it"


def _no_prior(loss: Loss, outputs: int, dataset: Dataset, config: Config) -> str:
    if config.model.output_bias != "prior" or (
        loss not in {"hinge", "binary_hinge", "nll", "clipped_delta"} and outputs in _fitting(loss, dataset)
    ):
        return ""
    return f"'prior' is the best constant's, and {loss!r} of {outputs} outputs has none to start from — use 'zeros'"


def _fitting(loss: Loss, dataset: Dataset) -> set[int]:
    return {dataset.outputs, _natural_outputs(loss, dataset)}


def _count_parameters(config: Config, widths: tuple[int, ...], origin: str) -> int:
    pieces = [getattr(one, "pieces", 1) for one in config.model.activation_per_layer] + [1]
    count = sum((fan_in + 1) * fan_out * k for (fan_in, fan_out), k in zip(pairwise(widths), pieces, strict=True))
    if config.model.kind == "rnn":
        count += sum(units * units for units in config.model.hidden)
    if count > MAX_PARAMETERS:
        sentence = (
            f"{origin}: model.hidden: {count:,} parameters with {widths[0]:,} inputs"
            f" and {widths[-1]:,} outputs; at most {MAX_PARAMETERS:,} are supported"
        )
        raise UserError(sentence)
    return count
