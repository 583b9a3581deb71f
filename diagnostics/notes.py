"""Notes: what is recorded and is no scalar, as plain data that survives JSON. Each kind is a frozen dataclass.

Their fields are numbers, text, None, and tuples and mappings of these; every note has the `step` it was taken at.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class Note(Protocol):
    """What all notes have."""

    @property
    def step(self) -> int:
        """Updates made before it was taken."""
        ...


@dataclass(frozen=True, slots=True)
class Probe:
    """A frozen look at a fixed sample of the training set; the note `probe`.

    Attributes:
        step: Updates made so far.
        samples: Rows of the sample.
        whole_set: Whether the sample is the whole training set.
        loss: Mean loss.
        loss_ratio: Loss / H, both less the least loss there can be, if that is known not to be 0; None without H.
        gain: Mean of (constant's loss − network's loss, floored at −10 H) / H, paired by sample; None without H. The
            constant of a hinge may be the network's own mean output, where that leaves less doubt.
        gain_se: Its standard error.
        accuracy_excess: Accuracy minus that of the majority class, paired by sample; None for a regression.
        accuracy_excess_se: Its standard error.
        majority_accuracy: That of the majority class; None for a regression.
        preactivation_gradients: q of every layer that has it: rms of the gradient on its pre-activations.
        relative_slopes: S of every sigmoid and tanh layer: mean of φ′/φ′max.
    """

    step: int
    samples: int
    whole_set: bool
    loss: float
    loss_ratio: float | None
    gain: float | None
    gain_se: float | None
    accuracy_excess: float | None
    accuracy_excess_se: float | None
    majority_accuracy: float | None
    preactivation_gradients: Mapping[str, float]
    relative_slopes: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Scan:
    """An exact scan of the training set; the note `scan`: dead ReLU units by layer, as indices."""

    step: int
    rows: int
    dead: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Incident:
    """The first number that was not finite; the note `incident`.

    Attributes:
        step: The step it was seen at.
        last_finite_step: The last step at which everything looked at was finite.
        what: `inputs` (the data), `read` (what a later layer reads), `parameters`, `outputs`, `loss`, `gradients` or
            `update`.
        layer: Where; None for the data and the loss.
    """

    step: int
    last_finite_step: int
    what: str
    layer: str | None


@dataclass(frozen=True, slots=True)
class Signal:
    """Whether simple models find any signal in the data; the note `signal`, taken when a network learned nothing.

    Attributes:
        step: When it was taken.
        gain: Out-of-sample gain of the better model over the best constant, in squared error, relative. Of fewer than
            ten samples it is that of a table of them.
        gain_se: Its standard error.
        linear_gain: That of the linear one, of fewer than ten samples on themselves; None in early records.
        linear_gain_se: Its standard error.
    """

    step: int
    gain: float
    gain_se: float
    linear_gain: float | None = None
    linear_gain_se: float | None = None


@dataclass(frozen=True, slots=True)
class Outputs:
    """The outputs that the loss gets on the probe, and what it makes of them; the note `outputs`.

    Everything but the step is None where it has no meaning for the loss, or an output is not finite. Shares are those
    of the worst output where a sample has several targets of its own.

    Attributes:
        step: Of the probe.
        lowest: The least output.
        highest: The largest.
        sum_error: Of outputs taken for probabilities, or for their logarithms: the largest distance of a sample's sum
            of probabilities from 1.
        spread: Largest standard deviation of an output over the samples, in units in which the loss cares: those of the
            targets' own for values; else as it is, scores and logits of one class out of several less their mean.
        stuck: Share of samples with an output that is wrong by more than ½ where its activation is flat.
        untaught: Share of samples with an output whose residual is not 0 while the gradient on it is.
        impossible: Share of samples whose true answer has a probability of 0, or one that is clipped.
        favourite: Share of samples given the commonest answer.
        favourite_label: Share of samples of which that is the label.
    """

    step: int
    lowest: float | None = None
    highest: float | None = None
    sum_error: float | None = None
    spread: float | None = None
    stuck: float | None = None
    untaught: float | None = None
    impossible: float | None = None
    favourite: float | None = None
    favourite_label: float | None = None


@dataclass(frozen=True, slots=True)
class Rounding:
    """How much of one step's update the floats could not hold; the note `rounding`.

    Attributes:
        step: The step.
        learning_rate: Its rate.
        lost: Share, of the parameters with a gradient, of those whose value the update left as it was.
        lost_gradient: Their share of the gradient's sum of squares.
    """

    step: int
    learning_rate: float
    lost: float
    lost_gradient: float


@dataclass(frozen=True, slots=True)
class Activity:
    """How busy the units of the hidden layers are on the probe; the note `activity`.

    Attributes:
        step: Of the probe.
        dormant: Share of every hidden layer's units whose mean |output| is at most .025 of the layer's.
        always_linear: Share of every hidden ReLU layer's units that are active on every sample.
    """

    step: int
    dormant: Mapping[str, float]
    always_linear: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Generalisation:
    """How the network does on a sample of the validation set; the note `generalisation`, taken with every probe.

    At the end of a training it is taken again, on up to 1,024 rows, where the network is clearly worse on new samples.

    A score is the share of answers that are right, weighted as the loss weights classes; for a regression the gain over
    the best constant output, 1 − L/H, every sample's floored at −10.

    Attributes:
        step: Of the probe.
        samples: Rows of the sample.
        training_score: Score on the probe's sample of the training set.
        training_score_se: Its standard error.
        score: Score on the sample of the validation set.
        score_se: Its standard error.
        simple_excess: On the same, the score of simple models fitted to the training set, less the best constant's;
            None where the network does about as well on it as on the training set, so that nothing was asked.
        simple_excess_se: Its standard error.
        shortfall: Score of the simple models less the network's, paired by sample; None as above.
        shortfall_se: Its standard error.
    """

    step: int
    samples: int
    training_score: float
    training_score_se: float
    score: float
    score_se: float
    simple_excess: float | None = None
    simple_excess_se: float | None = None
    shortfall: float | None = None
    shortfall_se: float | None = None


@dataclass(frozen=True, slots=True)
class Symmetry:
    """Hidden units with equal weights; the note `symmetry`, taken at the start and, if there are any, at every look.

    Attributes:
        step: When.
        same: By layer, groups of units, as indices, whose incoming and outgoing weights are equal: at the start bit by
            bit, later up to rounding.
        alike: The same, up to a hundredth.
    """

    step: int
    same: Mapping[str, tuple[tuple[int, ...], ...]]
    alike: Mapping[str, tuple[tuple[int, ...], ...]]


@dataclass(frozen=True, slots=True)
class Movement:
    """Which parameters have not moved by a bit; the note `movement`.

    Attributes:
        step: When.
        since: The first step looked at; they are as they were then, and that step did not change them either.
        looks: Steps looked at from then on.
        unmoved: By layer and array, at how many of these steps its gradient should have moved it; arrays that moved
            are left out.
    """

    step: int
    since: int
    looks: int
    unmoved: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class SkippedSteps:
    """Steps that a loss scaler was asked for, of which it has ever skipped one; the note `skipped_steps`.

    Attributes:
        step: Steps taken so far.
        asked: For how many since the note before; the skips before the first step taken are left out.
        skipped: Of these, how many it skipped, as a gradient was not finite.
        falling: Of these, how many at a lower scale than at the skip before, so that they undo no growth of it.
        unscaled: Of all up to the last one asked for, in a row, how many it skipped at a scale of 1 or less.
        scale: At the last skip.
    """

    step: int
    asked: int
    skipped: int
    falling: int
    unscaled: int
    scale: float


@dataclass(frozen=True, slots=True)
class Ending:
    """How the training ended, or the watching of it; the note `ending`.

    Attributes:
        step: Updates made.
        reason: As of `TrainingEnded`; `unwatched` where watching failed and the training went on.
        why: What went wrong in watching; empty where nothing did.
    """

    step: int
    reason: str
    why: str = ""

    @property
    def cut_short(self) -> bool:
        """Whether it ended before it was done, so that what is not wrong yet may still go wrong."""
        return self.reason in {"interrupted", "failed", "unwatched"}

    @property
    def what(self) -> str:
        """What happened, of a training that was cut short: the beginning of a sentence that says where."""
        said = {"failed": "the training failed", "unwatched": "watching the training failed"}
        return said.get(self.reason, f"the training was {self.reason}")

    @property
    def because(self) -> str:
        """What went wrong, as the end of such a sentence; empty where nobody knows."""
        return f": {self.why}" if self.why else ""
