"""The pictures of one training: whichever of them its network and its data allow."""

from gradvitals.diagnostics.pictures.boundary import TAG, Boundary
from gradvitals.diagnostics.pictures.filters import Filters
from gradvitals.diagnostics.pictures.picture import Picture
from gradvitals.engine.events import Array, Observable


class Painter:
    """Paints what can be painted of a network; of most nothing can, and then it does nothing."""

    def __init__(self, network: Observable, inputs: Array, sample: tuple[Array, Array]) -> None:
        """See what there is to paint.

        Args:
            network: What is watched.
            inputs: The training set's.
            sample: Inputs and targets of some of it.
        """
        self._network = network
        self._boundary, self._filters = Boundary.of(network, inputs, sample), Filters.of(network, inputs)

    def paint(self) -> dict[str, Picture]:
        """Give the pictures of the network as it is now, by tag."""
        pictures: dict[str, Picture | None] = {}
        if self._boundary is not None:
            pictures[TAG] = self._boundary.paint(self._network)
        if self._filters is not None:
            pictures[self._filters.tag] = self._filters.paint(self._network)
        return {tag: picture for tag, picture in pictures.items() if picture is not None}
