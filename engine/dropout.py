"""Dropout: a gate that, in training, sets a random share of its inputs to zero and scales up the rest."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from gradvitals.engine.circuit import ConnectedCircuit
from gradvitals.engine.events import Array
from gradvitals.engine.gates import Gate, Shape


class Dropout(Gate):
    """inputs · mask, where the mask is 0 with probability `rate` and else 1 / (1 − rate), so that the mean stays.

    Only where `training` is set does it draw, a new mask at every forward pass; elsewhere (evaluation, probes) it
    passes inputs and gradients on, so that looking at a network moves no generator. A gate that is connected several
    times, as for a smaller last batch, always draws from the same generator. In a stack each run has a generator of
    its own, and so the masks that it has alone.

    Attributes:
        training: Whether to drop at all; off until somebody sets it on the connected gate.
        held: Whether to keep the mask of the last forward pass instead of drawing another.

    References:
        Srivastava et al. 2014, "Dropout"; cs231n, "Setting up the data and the loss" (neural-networks-2), section
        "Regularization", for the inverted form; `torch.nn.Dropout`.
    """

    def __init__(self, rate: float, generators: Sequence[np.random.Generator]) -> None:
        """Keep the settings.

        Args:
            rate: Probability of being dropped, in [0, 1); at 0 nothing is drawn.
            generators: One, or in a stack of runs one per run.

        Raises:
            ValueError: If the rate is not in [0, 1).
        """
        if not 0.0 <= rate < 1.0:
            msg = f"the rate of dropout must be in [0, 1), got {rate}"
            raise ValueError(msg)
        self.rate, self.generators = rate, generators
        self.training = False
        self.held = False

    def output_shape(self, *shapes: Shape) -> Shape:
        """Give the input's shape."""
        return shapes[0]

    def prepare(self) -> None:
        """Forget the mask of the place copied from; the first one drawn makes its own array."""
        self._mask: Array | None = None
        self._rate = np.array(self.rate, np.float32)
        self._scale = np.array(1.0 / (1.0 - self.rate), self.output.dtype)

    def forward(self) -> None:
        """Write inputs · mask, or the inputs where nothing is dropped."""
        if not (self.training and self.rate):
            np.copyto(self.output, self.inputs[0])
            return
        if self._mask is None:
            runs = math.prod(self.output.shape[:-2])
            self._mask = np.empty_like(self.output, order="C")
            self._draws = np.empty((runs, self.output.size // max(runs, 1)), np.float32)
            self._draw(self._mask)
        elif not self.held:
            self._draw(self._mask)
        np.multiply(self.inputs[0], self._mask, out=self.output)

    def backward(self) -> None:
        """Write gradient · mask, the mask being that of the forward pass."""
        grad_input = self.grad_inputs[0]
        if grad_input is None:
            return
        if self.training and self.rate and self._mask is not None:
            np.multiply(self.grad_output, self._mask, out=grad_input)
        else:
            np.copyto(grad_input, self.grad_output)

    def _draw(self, mask: Array) -> None:
        """Draw a mask, run by run; float32 numbers, for both dtypes, are multiples of 2⁻²⁴ below 1.

        Raises:
            ValueError: If there are not as many generators as runs.
        """
        if len(self.generators) != len(self._draws):
            msg = f"dropout in a stack of {len(self._draws)} runs needs a generator each, got {len(self.generators)}"
            raise ValueError(msg)
        for generator, draws in zip(self.generators, self._draws, strict=True):
            generator.random(out=draws, dtype=np.float32)
        np.greater_equal(self._draws.reshape(mask.shape), self._rate, out=mask)
        np.multiply(mask, self._scale, out=mask)


@contextmanager
def held_masks(circuit: ConnectedCircuit) -> Iterator[None]:
    """Let forward passes in a `with` block use the masks of the last one before it: one function, many points."""
    gates = [gate for gate in circuit.gates.values() if isinstance(gate, Dropout)]
    for gate in gates:
        gate.held = True
    try:
        yield
    finally:
        for gate in gates:
            gate.held = False
