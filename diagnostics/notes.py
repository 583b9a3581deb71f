"""Notes: what is recorded and is no scalar, as plain data that survives JSON. Each kind is a frozen dataclass.

Their fields are numbers, text, None, and tuples and mappings of these; every note has the `step` it was taken at.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import UnionType
from typing import Any, Protocol, TypeVar, get_args, get_origin, get_type_hints

from gradvitals.diagnostics.trial_notes import GradientComparison, OverfitTrial


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
        loss_ratio: Loss / H; None without H.
        gain: Mean of (constant's loss − network's loss, floored at −10 H) / H, paired by sample; None without H.
        gain_se: Its standard error.
        accuracy_excess: Accuracy minus that of the majority class, paired by sample; None for a regression.
        accuracy_excess_se: Its standard error.
        majority_accuracy: That of the majority class; None for a regression.
        preactivation_gradients: q of every layer: rms of the gradient on its pre-activations.
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
        what: `inputs` (the data), `parameters`, `outputs`, `loss`, `gradients` or `update`.
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
        gain: Out-of-sample gain of the better model over the best constant, in squared error, relative.
        gain_se: Its standard error.
    """

    step: int
    gain: float
    gain_se: float


@dataclass(frozen=True, slots=True)
class DataFacts:
    """What is known of the data before the first update; the note `data_facts`.

    Columns are those of the training inputs, counted from 0. Means and deviations are of a sample of rows; what is
    constant, not finite or shared is told by all of them.

    Attributes:
        step: Updates made so far.
        rows: Of the training set.
        columns: Of its inputs.
        validation_rows: Of the validation set; None without one.
        not_finite: By part of the data (`training inputs` and so on) that holds NaN or infinity: how many rows do, then
            row and column of the first.
        spoils: Whether the loss of the first such training row is not finite either; None without one.
        constant_count: Columns with one value in all rows.
        constant_columns: The first of them.
        rms: Root of the mean square of the columns compared: not constant, of more than two values, not mostly 0.
        widest_column: Of the columns compared, the one with the largest standard deviation; None where there is none.
        widest: That deviation.
        widest_mean: And its mean.
        narrowest_column: The one with the smallest.
        narrowest: That deviation.
        narrowest_mean: And its mean.
        runs: Stretches of equal labels, or of targets above and below their median; None where they are not finite.
        runs_expected: How many a random order has on average.
        runs_deviation: Standard deviation of that.
        shared_rows: Validation examples that are training examples too; None without a validation set.
        shared_expected: How many a random split of the same examples would have on average.
        shared_chance: Upper bound of the probability that such a split has as many.
        target_means: Of the first targets.
        target_deviations: Their standard deviations.
    """

    step: int
    rows: int
    columns: int
    validation_rows: int | None
    not_finite: Mapping[str, tuple[int, int, int]]
    spoils: bool | None
    constant_count: int
    constant_columns: tuple[int, ...]
    rms: float | None
    widest_column: int | None
    widest: float | None
    widest_mean: float | None
    narrowest_column: int | None
    narrowest: float | None
    narrowest_mean: float | None
    runs: int | None
    runs_expected: float | None
    runs_deviation: float | None
    shared_rows: int | None
    shared_expected: float | None
    shared_chance: float | None
    target_means: tuple[float, ...]
    target_deviations: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class BatchLabels:
    """Whether training batches held examples of one class only; the note `batch_labels`.

    Attributes:
        step: Of the last batch looked at.
        batches: How many were.
        one_class: Those of one class only.
        chance: Upper bound of the probability of as many, had their examples been drawn at random.
    """

    step: int
    batches: int
    one_class: int
    chance: float


@dataclass(frozen=True, slots=True)
class Propagation:
    """How large signals are before the first update, on a sample of the training set; the note `propagation`.

    Attributes:
        step: Updates made so far.
        samples: Rows of the sample.
        loss: Mean loss.
        deviations: Standard deviation of every layer's pre-activations, over samples and units.
        output_means: Of every output.
        output_deviations: Standard deviation of every output.
        curvature: λmax of the first layer's Gauss-Newton block; None for a loss that has none we know.
        curvature_column: The input that has the largest share in it; the number of inputs stands for the bias.
        curvature_share: That share.
        standardised_loss: Mean loss with the inputs standardised; None where they are already.
        standardised_deviations: As `deviations`, with the inputs standardised.
        standardised_curvature: As `curvature`, with the inputs standardised.
    """

    step: int
    samples: int
    loss: float
    deviations: Mapping[str, float]
    output_means: tuple[float, ...]
    output_deviations: tuple[float, ...]
    curvature: float | None
    curvature_column: int | None
    curvature_share: float | None
    standardised_loss: float | None
    standardised_deviations: Mapping[str, float] | None
    standardised_curvature: float | None


@dataclass(frozen=True, slots=True)
class LossFit:
    """What the loss is given and what it takes it for, before the first step; the note `loss_fit`.

    Attributes:
        step: When it was taken.
        takes: What the loss takes the outputs for (`Takes`); None for a loss that is not known.
        reduction: `mean` or `sum`, of the losses of a batch's samples.
        across_samples: Whether every output meets the targets of all samples.
        activation: What the outputs come from.
        outputs: How many the loss gets for a sample.
        is_classification: Whether answers are right or wrong.
        floor: The least mean loss that outputs of this activation can have; None where it is not known.
        forced: By how much that is more than of outputs that may lie anywhere.
    """

    step: int
    takes: str | None
    reduction: str
    across_samples: bool
    activation: str
    outputs: int
    is_classification: bool
    floor: float | None
    forced: float | None


@dataclass(frozen=True, slots=True)
class TargetFacts:
    """All targets of the training set as the loss meets them, where all are finite; the note `targets`.

    Attributes:
        step: When it was taken.
        columns: How many a sample has.
        lowest: The least of them.
        highest: The largest.
        levels: How many different values the first 1,000 samples have.
        whole: Whether all are whole numbers.
        unshared: Share of samples whose targets do not sum to 1.
        beyond: Share of samples with a label that no output stands for.
        unused: Outputs that no label stands for.
    """

    step: int
    columns: int
    lowest: float
    highest: float
    levels: int
    whole: bool
    unshared: float
    beyond: float
    unused: int

    @property
    def are_labels(self) -> bool:
        """Whether they are 0 and 1."""
        return self.levels == 2 and (self.lowest, self.highest) == (0.0, 1.0)


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
class Ending:
    """How the training ended; the note `ending`."""

    step: int
    reason: str


NOTES: dict[str, type[Any]] = {
    "probe": Probe,
    "scan": Scan,
    "incident": Incident,
    "signal": Signal,
    "data_facts": DataFacts,
    "batch_labels": BatchLabels,
    "propagation": Propagation,
    "loss_fit": LossFit,
    "targets": TargetFacts,
    "outputs": Outputs,
    "rounding": Rounding,
    "activity": Activity,
    "generalisation": Generalisation,
    "symmetry": Symmetry,
    "movement": Movement,
    "ending": Ending,
    "gradient_comparison": GradientComparison,
    "overfit_trial": OverfitTrial,
}
"""Every kind of note, by its name in a record."""

_KINDS = {cls: kind for kind, cls in NOTES.items()}
_TYPES = {kind: get_type_hints(cls) for kind, cls in NOTES.items()}
N = TypeVar("N", bound=Note)


def kind_of(note: type[Note]) -> str:
    """Name a kind of note."""
    return _KINDS[note]


def note_to_json(note: Any) -> dict[str, Any]:  # noqa: ANN401 - any note dataclass, and the context
    """Give a note as plain data."""
    return asdict(note)


def note_from_json(kind: str, data: Mapping[str, Any]) -> Note:
    """Make a note from plain data; keys that this version does not know are passed over.

    Raises:
        KeyError: If the kind is unknown.
        TypeError: If a field is missing, or is not of its type.
    """
    types = _TYPES[kind]
    fields = {name: _with_tuples(data[name]) for name in types if name in data}
    for name, value in fields.items():
        if not _fits(value, types[name]):
            msg = f"{kind}.{name}: {value!r:.60} is not {types[name]}"
            raise TypeError(msg)
    note: Note = NOTES[kind](**fields)
    return note


def _fits(value: Any, kind: Any) -> bool:  # noqa: ANN401 - any plain data, and any of the types that notes have
    """Tell whether plain data are of a type: a number, text, None, or a tuple or mapping of these."""
    if isinstance(kind, type):
        return isinstance(value, (int, float) if kind is float else kind)
    origin, kinds = get_origin(kind), get_args(kind)
    if origin is UnionType:
        return any(_fits(value, each) for each in kinds)
    if origin is tuple:
        count = len(value) if isinstance(value, tuple) else -1
        kinds = kinds[:1] * count if kinds[-1] is ... else kinds
        return count == len(kinds) and all(map(_fits, value, kinds))
    return isinstance(value, Mapping) and all(_fits(item, kinds[1]) for item in value.values())


def _with_tuples(value: Any) -> Any:  # noqa: ANN401 - any plain data
    """Turn the lists that JSON makes of tuples into tuples again."""
    if isinstance(value, list):
        return tuple(map(_with_tuples, value))
    return {key: _with_tuples(item) for key, item in value.items()} if isinstance(value, dict) else value
