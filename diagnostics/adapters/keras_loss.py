"""A Keras loss as our diagnostics need it: sample by sample, by name, and on targets a row per sample."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import keras
import numpy as np

from gradvitals.diagnostics.adapters.keras_backend import Tensor, as_array, in_keras_precision
from gradvitals.diagnostics.adapters.keras_seen_loss import see_through, unreduced
from gradvitals.diagnostics.adapters.loss_sense import ignores_outputs, prefers_wrong
from gradvitals.diagnostics.adapters.target_coding import TargetCoding
from gradvitals.diagnostics.constant_predictor import OF_ONE_CLASS, OF_YES_OR_NO
from gradvitals.engine.events import Array, LossInfo, Takes

CUSTOM = "custom"

FAMILIES: Mapping[str, str] = MappingProxyType(
    {
        "SparseCategoricalCrossentropy": "cross_entropy",
        "CategoricalCrossentropy": "cross_entropy",
        "BinaryCrossentropy": "binary_cross_entropy",
        "MeanSquaredError": "mse",
        "MeanAbsoluteError": "mae",
        "Huber": "huber",
        "Hinge": "binary_hinge",
        "sparse_categorical_crossentropy": "cross_entropy",
        "categorical_crossentropy": "cross_entropy",
        "binary_crossentropy": "binary_cross_entropy",
        "mean_squared_error": "mse",
        "mean_absolute_error": "mae",
        "huber": "huber",
        "hinge": "binary_hinge",
    }
)
"""Classes and functions of `keras.losses`, by our names."""

TAKES: Mapping[str, Takes] = MappingProxyType(
    {"mse": "values", "mae": "values", "huber": "values", "binary_hinge": "scores"}
)
"""What losses without probabilities take."""


@dataclass(frozen=True, slots=True)
class SignCoding:
    """Labels −1 and 1 as rows of 0 and 1."""

    shape: tuple[int, ...]

    def encode(self, targets: Array) -> Array:
        """Write targets as rows."""
        return np.asarray(targets.reshape(len(targets), -1) > 0, np.float32)

    def decode(self, rows: Array) -> Array:
        """Give the targets that rows stand for."""
        return (2.0 * rows - 1.0).reshape(len(rows), *self.shape)


class KerasLoss:
    """A loss on the outputs of a model with one output.

    Attributes:
        name: As in configs, where it is one of those and has no settings that make it another.
        info: What it takes; None where that is not known.
        class_weight: Its factor for each class, `(classes,)`, or for the labels 0 and 1, `(2,)`; None without one.
        coding: How targets are written as rows.
        ignores: Whether it is the same whatever the outputs are; asked where nobody knows what it takes.
        prefers_wrong: Whether it is larger of right outputs than of wrong ones; likewise.
    """

    def __init__(self, loss: object, outputs: tuple[int, ...], targets: Array) -> None:
        """Adapt a loss to outputs of this shape and to targets `(samples, …)`, as the data give them.

        Raises:
            ValueError: If it is no loss that Keras knows.
        """
        self._loss = _get(loss, outputs, targets)
        family, setting = _recognise(self._loss)
        seen = see_through(self._loss, outputs, targets[: outputs[0]]) if family == CUSTOM else None
        if seen is not None:
            self._loss = seen
            family, setting = _recognise(seen)
        self.coding: TargetCoding | SignCoding = TargetCoding(targets.shape[1:])
        self.class_weight: Array | None = None
        self.name, self.info = family + setting, _info(self._loss, family)
        if family == "cross_entropy" and len(outputs) != 2:
            self.name, self.info = f"{family} of every position", None
        elif family == "cross_entropy" and _is_sparse(self._loss) and targets.shape[1:] in {(), (1,)}:
            cut = _share_cut(targets)
            self.coding = TargetCoding((), outputs[-1], cuts=cut > 0.0)
            self.info = None if self.info is None else replace(self.info, cut_labels=cut)
        elif family == "binary_hinge" and (targets < 0).any():
            self.coding = SignCoding(targets.shape[1:])
        self.ignores = self.prefers_wrong = False
        if family == CUSTOM:
            self._ask_for_sense(outputs, targets[: outputs[0]])
        self._unweighted = self.name
        self._is_sum = getattr(self._loss, "reduction", "mean") == "sum"

    def _ask_for_sense(self, outputs: tuple[int, ...], targets: Array) -> None:
        """Ask whether it depends on the outputs, and on which side of the targets it is less."""

        def value(numbers: Array) -> float | None:
            try:
                given = (keras.ops.convert_to_tensor(in_keras_precision(each)) for each in (targets, numbers))
                found = float(np.mean(as_array(unreduced(self._loss, *given))))
            except Exception:  # noqa: BLE001 - what a loss cannot take, it is not asked of
                return None
            return found if np.isfinite(found) else None

        drawn = np.random.default_rng(0).standard_normal(outputs)
        self.ignores = ignores_outputs(lambda draw: value(draw(drawn)), targets)
        self.prefers_wrong = prefers_wrong(value, drawn, targets)

    def weigh(self, class_weight: Mapping[int, float] | None, *, by_sample: bool) -> None:
        """Take the weights that a training was given.

        Args:
            class_weight: As `fit` takes it.
            by_sample: Whether samples have weights of their own, which nobody tells us.
        """
        of_classes = self.name in OF_ONE_CLASS or (self.name in OF_YES_OR_NO and self.coding.shape in {(), (1,)})
        if by_sample or (class_weight is not None and not of_classes):
            self.name = f"weighted {self._unweighted}"
        elif class_weight is not None:
            count = getattr(self.coding, "classes", None) or (2 if self.name in OF_YES_OR_NO else self.coding.shape[0])
            self.class_weight = np.array([class_weight.get(index, 1.0) for index in range(count)])

    def mask(self) -> None:
        """Take the loss for one that leaves some positions out, as it does where a mask comes with the outputs."""
        self.name = self._unweighted = f"masked {self.name}"

    def prepare(self, rows: Array) -> tuple[Array, Array, Array]:
        """Give what `sample_losses` takes: targets; which samples have a loss, `(samples,)`; the factor of each.

        A label beyond the classes has none, whatever the backend would make of it.
        """
        targets, known = self.coding.decode(rows), np.ones(len(rows), np.bool_)
        if (classes := getattr(self.coding, "classes", None)) is not None:
            known = targets < classes
            targets = np.where(known, targets, classes - 1)
        factors = np.ones(len(rows)) if self.class_weight is None else self._weights(rows)
        return in_keras_precision(targets), known, in_keras_precision(factors)

    def sample_losses(self, outputs: Tensor, targets: Tensor, known: Tensor, factors: Tensor) -> Tensor:
        """Give the loss of every sample, `(samples,)`: the mean over all that it consists of; NaN where it has none."""
        ops = keras.ops
        outputs = ops.cast(outputs, keras.config.floatx())  # as Keras does with those of half precision
        losses = unreduced(self._loss, ops.cast(targets, outputs.dtype), outputs)
        if not losses.shape:
            return ops.broadcast_to(losses, (len(known),))
        losses = ops.mean(ops.reshape(losses, (len(known), -1)), axis=1)
        return ops.where(known, losses * ops.cast(factors, losses.dtype), np.nan)

    def total(self, losses: Tensor) -> Tensor:
        """Give the scalar that is minimised."""
        return keras.ops.sum(losses) if self._is_sum else keras.ops.mean(losses)

    def scores(self, outputs: Array, rows: Array) -> Array | None:
        """Give the share of each sample's answers that are right, `(samples,)`; None for a regression.

        Args:
            outputs: `(samples, …)`, as the model gives them.
            rows: The targets.
        """
        family, _ = _recognise(self._loss)
        if family == "cross_entropy":
            said = outputs.argmax(axis=-1)
            labels = rows.argmax(axis=-1) if said.ndim == 1 else self._labels(rows, outputs.shape)
            return np.asarray((said == labels).reshape(len(rows), -1).mean(axis=1))
        if family in OF_YES_OR_NO and outputs.size == rows.size:
            limit = 0.5 if self.info is not None and self.info.takes == "probabilities" else 0.0
            return np.asarray(((outputs.reshape(rows.shape) > limit) == (rows > 0.5)).mean(axis=1))
        return None

    def _weights(self, rows: Array) -> Array:
        labels = rows.argmax(axis=1) if self.name in OF_ONE_CLASS else (rows[:, 0] > 0.5).astype(np.int64)
        return np.asarray(np.asarray(self.class_weight)[labels])

    def _labels(self, rows: Array, outputs: tuple[int, ...]) -> Array:
        targets = self.coding.decode(rows)
        if not _is_sparse(self._loss):
            return np.asarray(targets.argmax(axis=-1))
        return np.asarray(targets.reshape(outputs[:-1]))


def _get(loss: object, outputs: tuple[int, ...], targets: Array) -> Any:  # noqa: ANN401 - a loss, or a function
    """Give the loss that a string, a function or an object stands for, as `compile` understands it."""
    if isinstance(loss, list | tuple) and len(loss) == 1:
        loss = loss[0]
    if isinstance(loss, dict) and len(loss) == 1:
        loss = next(iter(loss.values()))
    if isinstance(loss, str) and loss.lower() in {"crossentropy", "ce"}:
        sparse = targets.ndim < len(outputs) or targets.shape[-1] == 1
        loss = "binary_crossentropy" if outputs[-1] == 1 else f"{'sparse_' if sparse else ''}categorical_crossentropy"
    found = keras.losses.get(loss) if isinstance(loss, str) else loss
    if not callable(found):
        msg = f"loss must be a loss of Keras, its name or a function of (targets, outputs), got a {type(loss).__name__}"
        raise ValueError(msg)  # noqa: TRY004 - as Keras does
    return found


def _recognise(loss: Any) -> tuple[str, str]:  # noqa: ANN401 - as above
    """Name a loss, and behind it what makes it another than the one of that name."""
    kind = type(loss) if isinstance(loss, keras.losses.Loss) else loss
    name = getattr(kind, "__name__", "")
    if FAMILIES.get(name) is None or getattr(keras.losses, name, None) is not kind:
        return CUSTOM, ""
    settings = getattr(loss, "_fn_kwargs", {})  # a configuration does not hold all of them
    setting = ""
    if settings.get("label_smoothing"):
        setting = f" with label smoothing {settings['label_smoothing']:g}"
    elif settings.get("ignore_class") is not None:
        setting = " that ignores a class"
    elif settings.get("delta", 1.0) != 1.0:
        setting = f" of delta {settings['delta']:g}"
    elif settings.get("axis", -1) != -1:
        return CUSTOM, ""
    return FAMILIES[name], setting


def _info(loss: Any, family: str) -> LossInfo | None:  # noqa: ANN401 - as above
    if family == CUSTOM:
        return None
    reduction = "sum" if getattr(loss, "reduction", "mean") == "sum" else "mean"
    if family in TAKES:
        return LossInfo(TAKES[family], reduction)  # type: ignore[arg-type]
    if getattr(loss, "from_logits", False):
        return LossInfo("logits", reduction)  # type: ignore[arg-type]
    return LossInfo("probabilities", reduction, clip=float(keras.config.epsilon()))  # type: ignore[arg-type]


def _share_cut(labels: Array) -> float:
    """Give the share of class labels that are no whole numbers."""
    return 0.0 if labels.dtype.kind != "f" else float((labels != np.trunc(labels)).mean())


def _is_sparse(loss: Any) -> bool:  # noqa: ANN401 - as above
    kind: Callable[..., Any] = type(loss) if isinstance(loss, keras.losses.Loss) else loss
    return kind.__name__.lower().startswith("sparse")
