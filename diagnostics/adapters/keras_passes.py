"""Frozen passes through a Keras model: what its layers read and give, its losses, and the gradients behind them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import keras
import numpy as np

from gradvitals.diagnostics.adapters.keras_backend import Tensor, as_array, frozen
from gradvitals.diagnostics.adapters.keras_gradients import (
    CompiledPasses,
    Meet,
    is_compiled,
    run_pass,
    without_computing,
)
from gradvitals.diagnostics.adapters.keras_loss import KerasLoss
from gradvitals.diagnostics.adapters.keras_trace import Call, Trace, layers_of
from gradvitals.engine.events import Array

Plan: TypeAlias = tuple[Sequence[Call], Sequence[int]]
"""The calls of a pass, and for every tensor met its place among all that was seen."""


@dataclass(frozen=True, slots=True)
class Pass:
    """A frozen pass.

    Attributes:
        calls: Of layers with a weight, in order.
        arrays: All that was seen; calls have places in it.
        outputs: Of the model.
        losses: Of every sample, `(samples,)`; None without targets.
        gradients: By place.
        grad_outputs: On the outputs; None without gradients.
    """

    calls: Sequence[Call]
    arrays: Sequence[Array]
    outputs: Array
    losses: Array | None = None
    gradients: Mapping[int, Array] = field(default_factory=dict)
    grad_outputs: Array | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What a model is seen to do with a few examples; on JAX there are shapes only.

    Attributes:
        trace: The calls and tensors.
        outputs: What it gave: several, where it is no tensor.
        read: The identities of the variables that it read.
    """

    trace: Trace
    outputs: Any
    read: frozenset[int]


class FrozenPasses:
    """Runs a model without leaving a trace in it.

    Attributes:
        loss: What the model is trained with; None where nobody says.
    """

    def __init__(self, model: Any, names: Mapping[int, str]) -> None:  # noqa: ANN401 - Keras has no types for us
        """Take a model, and the names of its layers with a weight, by identity."""
        self.loss: KerasLoss | None = None
        self._model, self._names = model, names
        self._is_half = any(each.compute_dtype == "float16" for each in [model, *layers_of(model)])
        self._compiled: CompiledPasses[Plan] | None = CompiledPasses(model, self._run) if is_compiled(model) else None

    def look(self, examples: Array, *, training: bool = False) -> Look:
        """Run a few examples to see what is called."""

        def run(inputs: Tensor) -> tuple[Trace, Any]:
            return self._trace(lambda tensor: tensor, inputs, training=training)

        with frozen(self._model) as scope:
            tensor = _as_tensor(examples)
            trace, outputs = run(tensor) if self._compiled is None else without_computing(run, tensor)
            return Look(trace, outputs, frozenset(scope.read))

    def check(self, examples: Array, rows: Array) -> None:
        """Run a few examples with their loss, for the error where they do not fit."""
        with frozen(self._model):
            given = self._given(examples, rows)
            if self._compiled is None:
                run_pass(self._run, given, gradients=False)
            else:
                without_computing(lambda *tensors: run_pass(self._run, tensors, gradients=False)[2], *given)

    def take(self, inputs: Array, rows: Array | None, *, gradients: bool) -> Pass:
        """Run the model; also the loss if there is one and targets are given, and then backward if it is asked for."""
        with_loss = self.loss is not None and rows is not None
        with frozen(self._model):
            given = self._given(inputs, rows)
            further, found, (calls, met) = self._passes(given, gradients=gradients and with_loss)
            arrays = [as_array(each) for each in further]
            own = [None if each is None else as_array(each) / self._scale(len(inputs)) for each in found]
        losses = arrays.pop() if with_loss else None
        outputs = arrays.pop()
        by_place = dict(zip(met, own, strict=False))
        known = {place: np.zeros_like(arrays[place]) if each is None else each for place, each in by_place.items()}
        return Pass(calls, arrays, outputs, losses, known, own[-1] if own else None)

    def _passes(self, given: Sequence[Tensor], *, gradients: bool) -> Any:  # noqa: ANN401 - see `run_pass`
        if self._compiled is None:
            return run_pass(self._run, given, gradients=gradients)
        return self._compiled(given, gradients=gradients)

    def _given(self, inputs: Array, rows: Array | None) -> list[Tensor]:
        """Give inputs, and what the loss needs, as tensors."""
        of_loss = () if self.loss is None or rows is None else self.loss.prepare(rows)
        return [_as_tensor(inputs), *(keras.ops.convert_to_tensor(each) for each in of_loss)]

    def _run(self, meet: Meet, inputs: Tensor, *of_loss: Tensor) -> tuple[Tensor, Sequence[Tensor], Plan]:
        trace, outputs = self._trace(meet, inputs)
        outputs = meet(outputs)
        if self.loss is None or not of_loss:
            return None, [*trace.tensors, outputs], (trace.calls, trace.met)
        losses = self.loss.sample_losses(outputs, *of_loss)
        scalar = self.loss.total(losses) * self._scale(len(losses))
        return scalar, [*trace.tensors, outputs, losses], (trace.calls, trace.met)

    def _scale(self, samples: int) -> float:
        """Give what gradients are multiplied with on their way, so that in half precision small ones are not lost."""
        return 2.0 ** math.ceil(math.log2(max(samples, 1))) if self._is_half else 1.0

    def _trace(self, meet: Meet, inputs: Tensor, *, training: bool = False) -> tuple[Trace, Any]:
        trace = Trace(self._names, meet)
        trace.keep(inputs)
        with trace.watching(self._model):
            given = {"training": training} if getattr(self._model, "_call_has_training_arg", True) else {}
            outputs = self._model(inputs, **given)
        return trace, outputs[0] if isinstance(outputs, tuple | list) and len(outputs) == 1 else outputs


def _as_tensor(inputs: Array) -> Tensor:
    """Give inputs as `fit` does: floats in the precision of Keras, whole numbers as they are."""
    dtype = keras.config.floatx() if inputs.dtype.kind == "f" else None
    return keras.ops.convert_to_tensor(np.array(inputs), dtype=dtype)
