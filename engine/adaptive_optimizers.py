"""The further adaptive optimizers: Adagrad, Adadelta, and Adam's relatives AdamW, Adamax and Nadam.

As in `optimizers`, PyTorch's update rules and defaults are the definition.
"""

import math
from collections.abc import Mapping

import numpy as np

from gradvitals.engine.events import Array
from gradvitals.engine.optimizers import Adam, Stateful, add_to_mean, add_to_mean_square, as_rate


class Adagrad(Stateful):
    """s ← s + g²; p ← p − learning_rate / (1 + (t − 1) · learning_rate_decay) · g / (√s + epsilon).

    References:
        Duchi, Hazan & Singer 2011, "Adaptive subgradient methods"; `torch.optim.Adagrad`.
    """

    def __init__(
        self,
        learning_rate: float = 1e-2,
        *,
        learning_rate_decay: float = 0.0,
        initial_accumulator: float = 0.0,
        epsilon: float = 1e-10,
    ) -> None:
        super().__init__("squares", initial=initial_accumulator)
        self.learning_rate, self.learning_rate_decay = learning_rate, learning_rate_decay
        self.initial_accumulator, self.epsilon = initial_accumulator, epsilon

    def _update(self, parameters: Array, gradients: Array, *arrays: Array) -> None:
        squares, scratch = arrays
        np.multiply(gradients, gradients, out=scratch)
        squares += scratch
        np.sqrt(squares, out=scratch)
        scratch += self.epsilon
        np.divide(gradients, scratch, out=scratch)
        rate = self.learning_rate / (1.0 + (self._steps - 1) * self.learning_rate_decay)
        scratch *= as_rate(rate, scratch)
        parameters -= scratch


class Adadelta(Stateful):
    """Δ = g · √(u + epsilon) / √(s + epsilon); p ← p − learning_rate · Δ; s and u are running means of g² and Δ².

    References:
        Zeiler 2012, "Adadelta: an adaptive learning rate method", algorithm 1; `torch.optim.Adadelta`.
    """

    def __init__(self, learning_rate: float = 1.0, *, rho: float = 0.9, epsilon: float = 1e-6) -> None:
        super().__init__("squares", "squared_updates", scratch=2)
        self.learning_rate, self.rho, self.epsilon = learning_rate, rho, epsilon

    def _update(self, parameters: Array, gradients: Array, *arrays: Array) -> None:
        squares, squared_updates, update, scratch = arrays
        add_to_mean_square(squares, self.rho, gradients, scratch)
        np.add(squares, self.epsilon, out=scratch)
        np.add(squared_updates, self.epsilon, out=update)
        np.divide(update, scratch, out=update)
        np.sqrt(update, out=update)
        update *= gradients
        add_to_mean_square(squared_updates, self.rho, update, scratch)
        np.multiply(update, as_rate(self.learning_rate, scratch), out=scratch)
        parameters -= scratch


class AdamW(Adam):
    """Adam after p ← (1 − learning_rate · weight_decay) · p, on every parameter, biases too, as PyTorch does.

    References:
        Loshchilov & Hutter 2019, "Decoupled weight decay regularization", algorithm 2; `torch.optim.AdamW`.
    """

    def __init__(
        self,
        learning_rate: float = 1e-3,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(learning_rate, beta1=beta1, beta2=beta2, epsilon=epsilon)
        self.weight_decay = weight_decay

    def _update(self, parameters: Array, gradients: Array, *arrays: Array) -> None:
        parameters *= as_rate(1.0 - self.learning_rate * self.weight_decay, parameters)
        super()._update(parameters, gradients, *arrays)


class Adamax(Stateful):
    """p ← p − learning_rate / (1 − beta1ᵗ) · m / u, m the running mean of g, u ← max(beta2 · u, |g| + epsilon).

    References:
        Kingma & Ba 2015, algorithm 2; `torch.optim.Adamax`.
    """

    def __init__(
        self, learning_rate: float = 2e-3, *, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
    ) -> None:
        super().__init__("mean", "largest")
        self.learning_rate, self.beta1, self.beta2, self.epsilon = learning_rate, beta1, beta2, epsilon

    def _update(self, parameters: Array, gradients: Array, *arrays: Array) -> None:
        mean, largest, scratch = arrays
        add_to_mean(mean, self.beta1, gradients, scratch)
        np.abs(gradients, out=scratch)
        scratch += self.epsilon
        largest *= self.beta2
        np.maximum(largest, scratch, out=largest)
        np.divide(mean, largest, out=scratch)
        scratch *= as_rate(self.learning_rate / (1.0 - self.beta1**self._steps), scratch)
        parameters -= scratch


class Nadam(Stateful):
    """Adam with Nesterov momentum: the mean of the gradients is looked at one step ahead.

    p ← p − learning_rate · (g · (1 − μₜ) / (1 − Πₜ) + m · μₜ₊₁ / (1 − Πₜ · μₜ₊₁)) / (√v̂ + epsilon), where
    μₜ = beta1 · (1 − ½ · .96^(t · momentum_decay)) and Πₜ is the product of μ₁ … μₜ.

    References:
        Dozat 2016, "Incorporating Nesterov momentum into Adam"; `torch.optim.NAdam`.
    """

    def __init__(
        self,
        learning_rate: float = 2e-3,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        momentum_decay: float = 4e-3,
    ) -> None:
        super().__init__("mean", "squares", scratch=2)
        self.learning_rate, self.beta1, self.beta2, self.epsilon = learning_rate, beta1, beta2, epsilon
        self.momentum_decay = momentum_decay
        self._product = 1.0

    def step(self, parameters: Array, gradients: Array) -> None:
        """Change the parameters in place."""
        self._product *= self._momentum(self._steps + 1)
        super().step(parameters, gradients)

    def _update(self, parameters: Array, gradients: Array, *arrays: Array) -> None:
        mean, squares, denominator, scratch = arrays
        add_to_mean(mean, self.beta1, gradients, scratch)
        add_to_mean_square(squares, self.beta2, gradients, scratch)
        np.sqrt(squares, out=denominator)
        denominator *= 1.0 / math.sqrt(1.0 - self.beta2**self._steps)
        denominator += self.epsilon
        now, ahead, product = self._momentum(self._steps), self._momentum(self._steps + 1), self._product
        shares = (gradients, (1.0 - now) / (1.0 - product)), (mean, ahead / (1.0 - product * ahead))
        for values, share in shares:
            np.divide(values, denominator, out=scratch)
            scratch *= as_rate(self.learning_rate * share, scratch)
            parameters -= scratch

    def restore(self, arrays: Mapping[str, Array], parameters: Array) -> None:
        """Continue, to the bit, from the `state_arrays` of an optimizer with the same settings.

        Raises:
            ValueError: If these are not the arrays that belong to this optimizer and these parameters.
        """
        super().restore(arrays, parameters)
        self._product = math.prod(map(self._momentum, range(1, self._steps + 1)), start=1.0)

    def _momentum(self, step: int) -> float:
        """Give the momentum of a step, from beta1 / 2 at the start towards beta1."""
        return float(self.beta1 * (1.0 - 0.5 * 0.96 ** (step * self.momentum_decay)))
