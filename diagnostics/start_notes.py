"""Notes of what is known before the first update, or of the data alone: the data, the loss, the first signals."""

from collections.abc import Mapping
from dataclasses import dataclass


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
        complete: Whether this is the whole training set and not a sample of it.
        unseen_rows: Validation examples whose class no training example has; None where targets are no classes, or not
            all are there, or without a validation set.
        unseen_labels: Those classes.
        unseen_chance: Upper bound of the probability that a random split of the same examples leaves all of one out.
        copied_column: A column that is the target, but for scale and shift, or has a value for each class; or None.
        set_scale: By how much the rows of one set lie beyond those of the other, see `set_scales`; None where that is
            not known.
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
    complete: bool = True
    unseen_rows: int | None = None
    unseen_labels: tuple[int, ...] = ()
    unseen_chance: float | None = None
    copied_column: int | None = None
    set_scale: float | None = None


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
        read_rms: Root of the mean square of what the first layer reads, where the network scales the inputs itself, or
            makes something else of them; None where it reads them as they are.
        read_spread: Ratio of the largest to the smallest standard deviation of its columns; 1 of a convolution.
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
    read_rms: float | None = None
    read_spread: float | None = None


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
        width: Units of the layer that they come from, where it gives some at every position of a sample; else as many
            as there are outputs. None in earlier records.
        cut_labels: Share of class labels that are no whole numbers, and are cut to such.
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
    width: int | None = None
    cut_labels: float = 0.0


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
class MixedRows:
    """The output of a sample depends on the other samples of its batch, in eval mode; the note `mixed_rows`.

    Attributes:
        step: Updates made so far.
        samples: In the batch that was looked at; every other one was replaced.
        change: The largest of an output of those that stayed.
        spread: What outputs differ by at most from sample to sample.
    """

    step: int
    samples: int
    change: float
    spread: float


@dataclass(frozen=True, slots=True)
class ExchangedTargets:
    """The loss is the same however targets are exchanged among samples; the note `exchanged_targets`.

    Attributes:
        step: Updates made so far.
        samples: Of which it was asked.
    """

    step: int
    samples: int


@dataclass(frozen=True, slots=True)
class OddLoss:
    """The loss does not depend on the outputs, is less where they are wrong, or takes them wrongly; note `odd_loss`.

    Attributes:
        step: Updates made so far.
        ignores_outputs: Whether it was the same to the bit whatever the outputs were.
        prefers_wrong: Whether it was larger of right outputs than of wrong ones, at every draw.
        not_logarithms: Range of the probabilities that a divergence in it takes for their logarithms; else None.
    """

    step: int
    ignores_outputs: bool
    prefers_wrong: bool
    not_logarithms: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class AcrossSamples:
    """In batches one after the other all outputs were pulled to one number; the note `across_samples`.

    Attributes:
        step: Of the last of them.
        samples: In its batch.
    """

    step: int
    samples: int
