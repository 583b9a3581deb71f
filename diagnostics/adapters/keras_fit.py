"""What a running `fit` was told: Keras hands callbacks the epochs and steps, but neither weights nor the batch size.

It is read, and nothing else, from the call under way; where there is none, as in a loop of the user's own, it is not
known.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FitSettings:
    """Arguments of `fit`.

    Attributes:
        batch_size: As Keras tells it of the data; None where nobody knows, as of batches from a generator.
        class_weight: By class index; None without one.
        has_sample_weight: Whether samples are weighted one by one.
    """

    batch_size: int | None = None
    class_weight: Mapping[int, float] | None = None
    has_sample_weight: bool = False


def settings_of_fit(model: Any) -> FitSettings:  # noqa: ANN401 - Keras has no types for us
    """Read the arguments of the `fit` of this model that is under way."""
    frame = sys._getframe()  # noqa: SLF001 - the documented way to the calls under way
    while frame is not None:
        known = frame.f_locals if frame.f_code.co_name == "fit" else {}
        if known.get("self") is model and "class_weight" in known:
            adapter = getattr(known.get("epoch_iterator"), "data_adapter", None)
            size, weight = getattr(adapter, "batch_size", None), known["class_weight"]
            return FitSettings(
                int(size) if size is not None else None,
                dict(weight) if weight else None,
                has_sample_weight=known.get("sample_weight") is not None,
            )
        frame = frame.f_back  # type: ignore[assignment]
    return FitSettings()
