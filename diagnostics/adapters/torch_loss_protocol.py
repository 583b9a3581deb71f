"""What a watched PyTorch module must be told of its loss."""

from typing import Any, Protocol

from gradvitals.engine.events import Array, LossInfo


class LossAdapter(Protocol):
    """A loss on what a module gives for a batch, and on targets as the watcher holds them, a row per sample."""

    @property
    def name(self) -> str:
        """The name in configs (`cross_entropy`, `mse`, …); any other for a loss that is none of them."""
        ...

    @property
    def info(self) -> LossInfo | None:
        """What it takes; None where that is not known."""
        ...

    @property
    def class_weight(self) -> Array | None:
        """Its factor for each class, `(classes,)`, or for the labels 0 and 1, `(2,)`; None where it has none."""
        ...

    def sample_losses(self, outputs: Any, targets: Array) -> Any:  # noqa: ANN401 - a tensor, or several
        """Give the loss of every sample as a tensor `(samples,)`.

        Args:
            outputs: What the module returned.
            targets: `(samples, columns)`; of one class out of several, one-hot rows.
        """
        ...

    def mean(self, outputs: Any, targets: Array) -> Any:  # noqa: ANN401 - as above
        """Give the scalar that is minimised: the mean over the samples, or the sum if that is what is minimised."""
        ...

    def rows(self, outputs: Any) -> Any:  # noqa: ANN401 - as above
        """Give the tensor among the outputs that the loss reads, as `(samples, outputs)`."""
        ...

    def scores(self, outputs: Any, targets: Array) -> Array | None:  # noqa: ANN401 - as above
        """Give the share of each sample's answers that are right, `(samples,)`; None for a regression."""
        ...
