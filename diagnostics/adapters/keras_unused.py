"""Parts of a Keras model that no forward pass comes by: told by the variables that nobody reads."""

from typing import Any

import keras

from gradvitals.diagnostics.adapters import keras_kinds as kinds
from gradvitals.diagnostics.adapters.keras_trace import parts_of

OVERRIDABLE = ("train_step", "compute_loss")
"""What a step consists of besides the model's `call`, and may call parts of it by itself."""


def is_trained_by_keras(model: Any) -> bool:  # noqa: ANN401 - Keras has no types for us
    """Tell whether a training step is Keras's own, so that it calls nothing but the model."""
    return all(getattr(type(model), name).__module__.split(".")[0] == "keras" for name in OVERRIDABLE)


def unused_parts(model: Any, read: frozenset[int]) -> tuple[str, ...]:  # noqa: ANN401 - as above
    """Name the parts with weights of their own of which none was read, and those that still have none to be built.

    Args:
        model: The model.
        read: The identities of the variables that were read.
    """
    unused: list[str] = []
    seen: set[int] = set()

    def visit(layer: Any, path: str) -> None:  # noqa: ANN401 - as above
        for part in parts_of(layer):
            if not isinstance(part, keras.Layer) or id(part) in seen:
                continue
            seen.add(id(part))
            own = _own_weights(part)
            if _is_unbuilt(part) or (own and read.isdisjoint(map(id, own))):
                unused.append(f"{path}{part.name}")
            if not kinds.hides_its_parts(part):
                visit(part, f"{path}{part.name}/")

    visit(model, "")
    return tuple(unused)


def _own_weights(layer: Any) -> list[Any]:  # noqa: ANN401 - as above
    """Give the weights to be trained that are no part's; all of a layer that hides its parts."""
    if kinds.hides_its_parts(layer):
        return list(layer.weights)
    return list(layer._trainable_variables)  # noqa: SLF001 - there is no public list without those of parts


def _is_unbuilt(layer: Any) -> bool:  # noqa: ANN401 - as above
    """Tell a layer that makes weights as it is called, and has none yet."""
    makes_weights = type(layer).build is not keras.Layer.build and not layer._layers  # noqa: SLF001 - as above
    return makes_weights and not layer.built
