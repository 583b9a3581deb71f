"""What the engine exposes: the events of a training, and what a watched network must offer.

This module is the whole of what `gradvitals.diagnostics` knows of any training framework. Arrays in events are
read-only views, valid until the handler returns: an observer that writes gets an error, one that keeps must copy.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Source: TypeAlias = Literal["training", "probe"]
Takes: TypeAlias = Literal["logits", "probabilities", "log_probabilities", "scores", "values"]
"""What a loss takes outputs for: numbers that a softmax or a sigmoid of its own makes probabilities; probabilities, or
their logarithms, already; scores that only their order and margins matter of; or values in the unit of the targets."""

LayerArrays: TypeAlias = Mapping[str, Mapping[str, Array]]
"""Arrays by layer and parameter: `{"hidden_1": {"weight": (fan_in, fan_out), "bias": (fan_out,)}, …}`."""


@dataclass(frozen=True, slots=True)
class LayerInfo:
    """A layer: a parameterised op and the activation that consumes it, named by the op."""

    name: str
    activation: str
    fan_in: int
    fan_out: int


@dataclass(frozen=True, slots=True)
class LossInfo:
    """What a loss takes, and how it makes one number of a batch.

    Attributes:
        takes: What it takes the outputs for.
        reduction: Whether a batch's loss is the mean or the sum of those of its samples.
        clip: ε of probabilities that are clipped to [ε, 1 − ε]; None where none are.
        across_samples: Whether every output meets the targets of all samples, as `(batch, 1)` against `(batch,)` does.
        cut_labels: Share of class labels that are no whole numbers, and are cut to such.
        squashed: An activation that outputs go through on their way to it, behind the network.
    """

    takes: Takes
    reduction: Literal["mean", "sum"] = "mean"
    clip: float | None = None
    across_samples: bool = False
    cut_labels: float = 0.0
    squashed: str | None = None


@dataclass(frozen=True, slots=True)
class OptimizerInfo:
    """What makes steps of gradients.

    Attributes:
        kind: Named as in configs: `sgd`, `adam`, `adamw`, `rmsprop` …
        learning_rate: Of the first step.
        momentum: β of one that has it.
        nesterov: Whether that is Nesterov's.
        clips: Whether it is known to clip its gradients; of a loop that does so itself, nobody knows.
    """

    kind: str
    learning_rate: float
    momentum: float = 0.0
    nesterov: bool = False
    clips: bool = False


@dataclass(frozen=True, slots=True)
class TrainingStarted:
    """A training is about to take its first step.

    Attributes:
        step: The steps taken before.
        total_steps: The plan; None where nobody knows.
        batch_size: Samples per step.
        by_layer: Whether it computes gradients layer by layer, as backpropagation does.
        unheld: Layers that have gradients, and whose parameters no optimizer holds.
        unobserved: Which of a step's events nobody can see (`gradients`), and why, as a reason to be shown.
        never_called: Parts with parameters that a forward pass does not come by.
        optimizer: What takes the steps; None where nobody knows, or there are several, or one of several rates.
    """

    step: int
    total_steps: int | None
    batch_size: int
    by_layer: bool = True
    unheld: tuple[str, ...] = ()
    unobserved: Mapping[str, str] = field(default_factory=dict)
    never_called: tuple[str, ...] = ()
    optimizer: OptimizerInfo | None = None


@dataclass(frozen=True, slots=True)
class LayerForward:
    """A layer has computed its outputs; all arrays are `(samples, units)`, samples being batch × time steps."""

    layer: str
    step: int
    inputs: Array
    pre_activations: Array | None
    outputs: Array
    activation: str
    source: Source


@dataclass(frozen=True, slots=True)
class LayerBackward:
    """The gradient has passed a layer; both arrays are `(samples, units)` as forward, and of the *mean* loss."""

    layer: str
    step: int
    grad_pre_activations: Array
    grad_outputs: Array
    source: Source


@dataclass(frozen=True, slots=True)
class RecurrentBackward:
    """The gradient of the mean loss has gone back through time in a layer of T > 1 steps; norms are over the batch.

    Attributes:
        layer: The recurrent layer.
        step: The training step.
        gains: γ of every step back, `(T − 1,)`, from the earliest on: by what factor the recurrence alone changes the
            gradient's norm on its way from the outputs of one time step to those of the step before; NaN at 0 / 0.
        norms: ‖∂L/∂h_t‖ on the outputs of every time step, `(T,)`.
        source: Whether it belongs to a training step or a probe.
    """

    layer: str
    step: int
    gains: Array
    norms: Array
    source: Source


@dataclass(frozen=True, slots=True)
class GradientsReady:
    """The gradients of a step, averaged over workers and not yet clipped."""

    step: int
    gradients: LayerArrays


@dataclass(frozen=True, slots=True)
class StepEnded:
    """A step is done: its loss, the factor by which clipping shrank the gradient, and the update really taken.

    In the user's own loop of another framework, nobody may see the loss (None) nor the clipping (the factor is 1, and
    gradients come clipped). `targets` are those of its batch, `(samples, outputs)`; None where nobody sees them.
    """

    step: int
    loss: float | None
    clip_factor: float
    learning_rate: float
    updates: LayerArrays
    parameters: LayerArrays
    targets: Array | None = None


@dataclass(frozen=True, slots=True)
class Scores:
    """Mean loss over a set of samples and, for classification, the share that was right."""

    loss: float
    accuracy: float | None


@dataclass(frozen=True, slots=True)
class EpochEnded:
    """An epoch is done. `training` is the running mean over its batches, `validation` the score at its end."""

    epoch: int
    step: int
    learning_rate: float
    training: Scores
    validation: Scores | None


@dataclass(frozen=True, slots=True)
class TrainingEnded:
    """The training is over: by plan, early, as the loss is not finite, or cut short from outside or by an error."""

    step: int
    reason: Literal["completed", "early_stopping", "non_finite", "interrupted", "failed"]


Event: TypeAlias = (
    TrainingStarted
    | LayerForward
    | LayerBackward
    | RecurrentBackward
    | GradientsReady
    | StepEnded
    | EpochEnded
    | TrainingEnded
)
Observer: TypeAlias = Callable[[Any], None]


@runtime_checkable
class StackObserver(Protocol):
    """An observer of one run that can be shown a step of many runs at once, where they are trained as a stack."""

    def __call__(self, event: Any, /) -> None:  # noqa: ANN401 - one of any step
        """See an event of its own run."""
        ...

    def see_stack(self, event: Any, observers: Sequence[Any], /) -> None:  # noqa: ANN401 - likewise
        """See an event of many runs: arrays `(R, …)`, loss, clip factor and rate `(R,)`.

        Args:
            event: As one run's, but for the axis that leads.
            observers: Those of the runs, of this one's type and in the event's order; this is the first of them.
        """
        ...


class Rhythm(Protocol):
    """Which steps an observer wants to see."""

    def next_after(self, step: int, /) -> float:
        """Give the next step wanted after this one (the first step is 1), infinity if there is none."""
        ...


class Removable(Protocol):
    """What subscribing returns."""

    def remove(self) -> None:
        """End the subscription; a second call does nothing."""
        ...


class Subscribable(Protocol):
    """Where observers subscribe."""

    def on(self, event_type: type[Any], observer: Observer, *, every: int | Rhythm = 1) -> Removable:
        """Send events of this type, on the steps wanted, to the observer."""
        ...


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a frozen pass over some samples gave.

    Attributes:
        losses: The loss of each, `(samples,)`.
        outputs: The network's outputs, `(samples, outputs)`.
        scores: The share of each sample's answers that are right, `(samples,)`; None for a regression.
        grad_outputs: The gradient of the mean loss (or of the sum, if that is what is minimised) on the outputs,
            `(samples, outputs)`; None where it was not computed.
    """

    losses: Array
    outputs: Array
    scores: Array | None = None
    grad_outputs: Array | None = None


@runtime_checkable
class Observable(Protocol):
    """A network that can be watched: it has layers and hooks, and can be run frozen on samples of the watcher's choice.

    No method changes the training: parameters, gradients, optimizer state and random generators stay as they are.
    """

    @property
    def hooks(self) -> Subscribable:
        """Where the training's events are subscribed to."""
        ...

    @property
    def layers(self) -> Sequence[LayerInfo]:
        """The layers in the order of the forward pass."""
        ...

    @property
    def layerwise(self) -> bool:
        """Whether the first layer reads the inputs and every other the outputs of the one before, row by row."""
        ...

    @property
    def loss_name(self) -> str:
        """The loss, named as in configs: `cross_entropy`, `mse` and so on."""
        ...

    @property
    def loss_info(self) -> LossInfo | None:
        """What the loss takes; None for one that is not known."""
        ...

    @property
    def class_weight(self) -> Array | None:
        """The loss's factor for each class, `(classes,)`, or for the labels 0 and 1, `(2,)`; None where it has none."""
        ...

    def parameters_by_layer(self) -> LayerArrays:
        """Give read-only views of the parameters as they are now."""
        ...

    def probe(self, inputs: Array, targets: Array, observer: Observer | None = None, *, step: int = 0) -> ProbeResult:
        """Run forward and, for an observer, backward; its events carry `source="probe"`."""
        ...

    def observe(self, inputs: Array, observer: Observer, *, step: int = 0) -> None:
        """Run forward only: the observer gets a LayerForward per layer, with `source="probe"`."""
        ...

    def layer_outputs(self, index: int, inputs: Array, units: Array | None = None) -> Array:
        """Compute the outputs of one layer, or of some of its units only, from its inputs; for `layerwise` networks."""
        ...
