"""An optimizer that holds some of a network's layers: the others have gradients, and stay as they are.

So it is in a program whose optimizer was not given every parameter, by intent or by mistake.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from gradvitals.engine.events import Array
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Optimizer


class PartialOptimizer:
    """Shows another optimizer the parameters that it holds, as if there were no others.

    Attributes:
        unheld: The layers it does not hold, in the network's order.
    """

    def __init__(self, optimizer: Optimizer, network: Network, unheld: Sequence[str]) -> None:
        """Find out where the parameters lie that it holds.

        Args:
            optimizer: Changes those it holds; what it remembers has their shape.
            network: Whose layers they are.
            unheld: Names of layers.

        Raises:
            ValueError: If there is no layer of a name, or none is left to hold.
        """
        names = [info.name for info in network.layers]
        unknown = [name for name in unheld if name not in names]
        if unknown or not set(names) - set(unheld):
            wrong = f"no layer is called {unknown[0]!r}" if unknown else "the optimizer would hold no layer at all"
            msg = f"{wrong}: the layers are {', '.join(names)}"
            raise ValueError(msg)
        self.unheld = tuple(name for name in names if name in unheld)
        self._optimizer = optimizer
        marks = np.ones(network.parameters.size, np.bool_)
        for name in self.unheld:
            for array in network.views(marks)[name].values():
                array[...] = False
        self._held = np.flatnonzero(marks)

    @property
    def learning_rate(self) -> float:
        """That of the optimizer."""
        return self._optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        self._optimizer.learning_rate = rate

    def step(self, parameters: Array, gradients: Array) -> None:
        """Change the parameters that it holds, in place."""
        held = parameters[..., self._held]
        self._optimizer.step(held, gradients[..., self._held])
        parameters[..., self._held] = held

    def state_arrays(self) -> dict[str, Array]:
        """Copy what the optimizer remembers of the parameters that it holds."""
        return self._optimizer.state_arrays()

    def restore(self, arrays: Mapping[str, Array], parameters: Array) -> None:
        """Continue, to the bit, from such arrays.

        Raises:
            ValueError: If these are not the arrays that belong to this optimizer and the parameters that it holds.
        """
        self._optimizer.restore(arrays, parameters[..., self._held])
