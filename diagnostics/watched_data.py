"""The data a training is watched on, and what was measured of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from gradvitals.diagnostics.constant_predictor import ConstantPredictor
from gradvitals.engine.events import Array

T = TypeVar("T")


class Known:
    """What follows from data alone, measured when it is first asked for."""

    def __init__(self) -> None:
        self._found: dict[str, Any] = {}

    def get(self, name: str, measure: Callable[[], T]) -> T:
        """Give what has this name, measured now if it was not before."""
        if name not in self._found:
            self._found[name] = measure()
        found: T = self._found[name]
        return found


@dataclass(frozen=True, slots=True)
class WatchedData:
    """The training set and perhaps the validation set; the arrays stay as they are while anyone watches.

    Attributes:
        inputs: `(samples, features)`; another framework's may have more axes, `(samples, …)`.
        targets: `(samples, outputs)`.
        validation_inputs: As the inputs; None without a validation set.
        validation_targets: As the targets.
        complete: Whether it is the whole training set and not a sample of it.
        total: Samples of the whole training set; None where that is what is here.
        discrete: Whether inputs are no quantities but, as token ids are, names: they cannot be rescaled.
        constant: The best constant output, where it is known otherwise than by the loss's name.
        several: Whether the network takes several inputs, whose columns are side by side here.
        comparable: Whether simple models may be fitted to the inputs; not so where these may hold the answers.
        overhead: Factor by which a look takes longer than training on as many rows, where the network is run for it.
        known: What was measured of it; monitors that are given one `WatchedData` measure it once.
    """

    inputs: Array
    targets: Array
    validation_inputs: Array | None = None
    validation_targets: Array | None = None
    complete: bool = True
    total: int | None = None
    discrete: bool = False
    several: bool = False
    comparable: bool = True
    constant: ConstantPredictor | None = None
    overhead: float = 1.0
    known: Known = field(default_factory=Known, init=False, repr=False, compare=False)
