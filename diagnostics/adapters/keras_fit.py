"""What a running `fit` was told: Keras hands callbacks epochs and steps, but neither data, weights nor the batch size.

It is read, and nothing else, from the call under way; where there is none, as in a loop of the user's own, it is not
known.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np


@dataclass(frozen=True, slots=True)
class FitSettings:
    """Arguments of `fit`.

    Attributes:
        batch_size: As Keras tells it of the data; None where nobody knows, as of batches from a generator.
        class_weight: By class index; None without one.
        has_sample_weight: Whether samples are weighted one by one.
        data: Inputs, targets and weights of samples, without what is split off for validation; None where they are not
            held as arrays: to read a data set may move it on.
        validation: The validation set likewise.
    """

    batch_size: int | None = None
    class_weight: Mapping[int, float] | None = None
    has_sample_weight: bool = False
    data: tuple[Any, ...] | None = None
    validation: tuple[Any, ...] | None = None


def settings_of_fit(model: Any) -> FitSettings:  # noqa: ANN401 - Keras has no types for us
    """Read the arguments of the `fit` of this model that is under way."""
    frame = sys._getframe()  # noqa: SLF001 - the documented way to the calls under way
    while frame is not None:
        known = frame.f_locals if frame.f_code.co_name == "fit" else {}
        if known.get("self") is model and "class_weight" in known:
            adapter = getattr(known.get("epoch_iterator"), "data_adapter", None)
            size, weight = getattr(adapter, "batch_size", None), known["class_weight"]
            validation = known.get("validation_data")
            return FitSettings(
                int(size) if size is not None else None,
                dict(weight) if weight else None,
                has_sample_weight=known.get("sample_weight") is not None,
                data=_arrays(known.get("x"), known.get("y"), known.get("sample_weight")),
                validation=_arrays(*validation) if isinstance(validation, tuple) else None,
            )
        frame = frame.f_back  # type: ignore[assignment]
    return FitSettings()


def _arrays(*parts: Any) -> tuple[Any, ...] | None:  # noqa: ANN401 - whatever `fit` takes
    """Give inputs and targets, and weights if there are any; None where inputs or targets are no arrays or tensors."""
    held = [isinstance(part, np.ndarray) or keras.ops.is_tensor(part) for part in parts[:2]]
    return parts if len(held) == 2 and all(held) else None
