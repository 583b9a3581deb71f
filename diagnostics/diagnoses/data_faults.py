"""Diagnosis 27: faults of the data themselves."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from gradvitals.diagnostics.data_facts import MOST_NAMED
from gradvitals.diagnostics.diagnoses.base import finding_of, judged, list_indices, not_judged
from gradvitals.diagnostics.diagnoses.start import is_half_done, settle_start
from gradvitals.diagnostics.findings import NOT_RECORDED, Finding, Judgement, Prescription, Severity, Tier
from gradvitals.diagnostics.gate import Gate
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.start_notes import BatchLabels, DataFacts

CUSTOM = "custom"
"""In the name of a loss of the user's own."""

ROUNDING = 1e-9
"""Deviation of a target, in units of its mean, that is nothing but rounding."""


@dataclass(frozen=True, slots=True)
class _Fault:
    """Something to be said of the data.

    Attributes:
        evidence: In words.
        severity: What it is by itself.
        value: What was measured.
        threshold: What it was held against.
        defect: What is provably wrong; empty for what is only worth knowing.
        meaning: What it does to learning.
        cure: What to do about it; empty where nothing need be done.
        gated: Whether it is an error if the network is impaired, and history once half of the loss is gone.
    """

    evidence: str
    severity: Severity
    value: float
    threshold: float
    defect: str = ""
    meaning: str = "This is worth knowing and by itself no harm."
    cure: str = ""
    gated: bool = False


@dataclass(frozen=True, slots=True)
class DataFaults:
    """Symptom: NaN in the data, examples in both training and validation set, batches of one class each.

    Cause: gaps read as NaN; a split made after rows had been doubled, or by position of what is sorted; one set scaled
    and the other not; a table of which the target was never taken out; examples sorted by class and never shuffled.
    Cure: fill or drop what is missing; split first, and by the unit that repeats; scale both alike; shuffle.
    Info: constant columns; labels in an order; examples in both sets that a random split would put there too, as
    data with few different rows have them; NaN that the network can deal with.
    Warning: 1 % of the validation examples, and more than chance explains, are training examples too; NaN in the
    validation set; 1 % of the validation examples are of classes that no training example has, and a random split
    would not have left them out; half of the examples of one set hold a number ten times as large as any of the other;
    an input that is the target, but for scale and shift, or has a value for each class; batches of one class only,
    throughout; one and the same target in the whole training set, which under a loss of one's own is but info, or one
    and the same input for different targets.
    Error: NaN or infinity in training data that makes the loss so; if the network is impaired, one-class batches, or
    inputs that are all the same.
    Clear: one-class batches: half of the best constant's loss is gone. They are seldom as bad as they look: of 90
    networks fed so, 72 came within 2 points of their shuffled twins.
    Needs: data; of one-class batches, the targets of training steps.
    Source: Karpathy 2019, "A recipe for training neural networks" ("become one with the data"); Kapoor & Narayanan
    2023, "Leakage and the reproducibility crisis in machine-learning-based science"; runs test: Barton & David 1957.

    Attributes:
        warn: Share of the validation examples that may be training examples beyond those that chance explains.
        chance: Probability below which chance explains nothing.
        scale: Factor by which half of one set's examples may lie beyond all of the other's.
        batches: Share of the batches from which they count as of one class throughout.
        order: Standard deviations below what a random order has, from which labels count as ordered.
        runs: Share of the runs of a random order from which on they do not.
    """

    id: ClassVar[str] = "data_faults"
    tier: ClassVar[Tier] = "fact"
    events: ClassVar[tuple[str, ...]] = ()
    warn: float = 0.01
    chance: float = 1e-3
    scale: float = 10.0
    batches: float = 0.8
    order: float = 5.0
    runs: float = 0.5

    def judge(self, record: Record, gate: Gate) -> Judgement:
        """Judge what was measured of the data, and of the first batches."""
        facts, batches = record.notes(DataFacts), record.notes(BatchLabels)
        if record.context is None or not facts:
            return not_judged(self, NOT_RECORDED)
        faults = [
            *_not_finite(facts[0]),
            *self._overlap(facts[0]),
            *self._unseen(facts[0]),
            *self._scales(facts[0]),
            *_copied_column(facts[0]),
            *self._batches(batches),
            *_constant_targets(facts[0], record),
            *_constant_columns(facts[0], impaired=gate.impaired_at(record.last_step)),
            *self._order(facts[0], batches),
        ]
        return judged(self, [self._finding(record, gate, faults)] if faults else [])

    def _overlap(self, facts: DataFacts) -> Iterator[_Fault]:
        shared, expected, chance = facts.shared_rows, facts.shared_expected, facts.shared_chance
        if not shared or not facts.validation_rows or expected is None or chance is None:
            return
        share = shared / facts.validation_rows
        evidence = (
            f"{shared} of {facts.validation_rows} validation examples ({100 * share:.3g} %) are training examples too;"
            f" a random split of the same examples has {expected:.3g} of them on average"
        )
        leaked = share - expected / facts.validation_rows
        if leaked < self.warn or chance > self.chance:
            yield _Fault(evidence, Severity.INFO, share, self.warn)
            return
        yield _Fault(
            evidence,
            Severity.WARNING,
            share,
            self.warn,
            defect="The validation set holds examples that the network is trained on.",
            meaning="The validation scores flatter the network: what it knows by heart counts as understood.",
            cure="remove doubled examples before the data are split, or split by what they have in common",
        )

    def _unseen(self, facts: DataFacts) -> Iterator[_Fault]:
        rows, chance = facts.unseen_rows, facts.unseen_chance
        if not rows or not facts.validation_rows or chance is None:
            return
        share, noun = rows / facts.validation_rows, "classes" if len(facts.unseen_labels) > 1 else "class"
        evidence = (
            f"{rows} of {facts.validation_rows} validation examples ({100 * share:.3g} %) are of {noun}"
            f" {list_indices(facts.unseen_labels)}, of which there is no training example"
        )
        if share < self.warn or chance > self.chance:
            yield _Fault(evidence, Severity.INFO, share, self.warn)
            return
        yield _Fault(
            evidence,
            Severity.WARNING,
            share,
            self.warn,
            defect="Classes of the validation set are missing from the training set.",
            meaning="The network is asked for what it was never shown, as where sorted examples are split by position.",
            cure="shuffle the examples before they are split, or split every class alike; validation_split in Keras"
            " takes the last ones as they come",
        )

    def _scales(self, facts: DataFacts) -> Iterator[_Fault]:
        ratio = facts.set_scale
        if not ratio or 1.0 / self.scale < ratio < self.scale:
            return
        large, small, factor = (
            ("validation", "training", ratio) if ratio > 1.0 else ("training", "validation", 1 / ratio)
        )
        yield _Fault(
            f"half of the {large} examples, or more, hold a number {factor:.3g} times as large as any of the {small}"
            " examples",
            Severity.WARNING,
            factor,
            self.scale,
            defect="The inputs of the two sets are not of one scale.",
            meaning="The validation scores are of inputs of a size that the network is not trained on.",
            cure="scale both sets alike, each once, and by the training set's statistics",
        )

    def _batches(self, notes: list[BatchLabels]) -> Iterator[_Fault]:
        if not notes or notes[-1].chance > self.chance or notes[-1].one_class < self.batches * notes[-1].batches:
            return
        note = notes[-1]
        yield _Fault(
            f"{note.one_class} of {note.batches} batches looked at hold examples of one class only",
            Severity.WARNING,
            note.one_class / note.batches,
            self.batches,
            defect="The examples reach the network sorted by class.",
            meaning="Every step pulls all outputs to one class, and the next ones pull them back.",
            cure="shuffle the training examples anew before every epoch",
            gated=True,
        )

    def _order(self, facts: DataFacts, batches: list[BatchLabels]) -> Iterator[_Fault]:
        count, expected, deviation = facts.runs, facts.runs_expected, facts.runs_deviation
        if count is None or not expected or not deviation or count > self.runs * expected:
            return
        if expected - count < self.order * deviation:
            return
        mixed = "; the batches looked at are mixed" if batches and not batches[-1].one_class else ""
        evidence = f"the labels come in {count} stretches, in a random order they would in {expected:.0f}{mixed}"
        yield _Fault(evidence, Severity.INFO, count / expected, self.runs)

    def _finding(self, record: Record, gate: Gate, faults: list[_Fault]) -> Finding:
        """Report all faults together, by the worst of them."""
        worst = max(faults, key=lambda fault: (fault.severity, fault.gated))
        over = is_half_done if all(fault.gated for fault in faults if fault.severity is worst.severity) else None
        standing = settle_start(record, gate, worst.severity, grave=any(fault.gated for fault in faults), over=over)
        serious = [fault for fault in faults if fault.severity > Severity.INFO] or faults
        return finding_of(
            self,
            standing,
            value=worst.value,
            threshold=worst.threshold,
            evidence="; ".join(fault.evidence for fault in faults),
            explanation=" ".join(dict.fromkeys(fault.meaning for fault in serious)),
            defect=" ".join(fault.defect for fault in serious if fault.defect),
            prescriptions=tuple(Prescription(fault.cure) for fault in faults if fault.cure),
        )


def _not_finite(facts: DataFacts) -> Iterator[_Fault]:
    """Report NaN and infinity, the training set's first."""
    for part, (rows, row, column) in facts.not_finite.items():
        is_training = part.startswith("training")
        severity = Severity.WARNING if not is_training else Severity.ERROR if facts.spoils else Severity.INFO
        noun = "row holds" if rows == 1 else "rows hold"
        evidence = f"{rows} {noun} NaN or infinity in the {part} (first: row {row}, column {column}, counted from 0)"
        copes = ", and the loss is finite all the same" if is_training and not facts.spoils else ""
        if severity is Severity.INFO:
            yield _Fault(f"{evidence}{copes}", severity, rows, 0.0)
            continue
        yield _Fault(
            evidence,
            severity,
            rows,
            0.0,
            defect=f"The {part} are not all numbers.",
            meaning=(
                "One such row makes the loss NaN, and the next update every weight."
                if is_training
                else "Every validation score is NaN, and nothing that goes by them can work."
            ),
            cure=f"fill or drop what is missing in the {part}",
        )


def _copied_column(facts: DataFacts) -> Iterator[_Fault]:
    """Report an input that is the answer."""
    if facts.copied_column is not None:
        yield _Fault(
            f"in all {facts.rows} training examples column {facts.copied_column} of the inputs, counted from 0, is the"
            " target, but for how it is written or scaled",
            Severity.WARNING,
            1.0,
            1.0,
            defect="The answer stands among the inputs.",
            meaning="The network need only copy it; its scores say nothing of examples whose answer is not known yet.",
            cure="take that column out of the inputs; of a series, let the target be the value after the window",
        )


def _constant_targets(facts: DataFacts, record: Record) -> Iterator[_Fault]:
    """Report a training set whose examples all have one target, or one class; a loss of one's own may not read them."""
    if not _has_one_target(facts):
        return
    evidence = f"all {facts.rows} training examples have the same target"
    if record.context is not None and CUSTOM in record.context.loss:
        yield _Fault(evidence, Severity.INFO, 1.0, 1.0)
        return
    yield _Fault(
        evidence,
        Severity.WARNING,
        1.0,
        1.0,
        defect="There is nothing to tell apart: a constant output is perfect.",
        meaning="Whatever the network learns of them, it is not what the inputs have to do with the targets.",
        cure="train on examples of every class, or of different values",
    )


def _has_one_target(facts: DataFacts) -> bool | None:
    """Tell whether all examples have the same target; None where nobody knows."""
    values = list(zip(facts.target_means, facts.target_deviations, strict=True))
    if facts.rows < 2 or not values or len(values) == MOST_NAMED:
        return None
    return all(deviation <= ROUNDING * abs(mean) for mean, deviation in values)


def _constant_columns(facts: DataFacts, *, impaired: bool) -> Iterator[_Fault]:
    """Report columns that tell nothing, and inputs of which none does."""
    if not facts.constant_count:
        return
    if facts.constant_count == facts.columns and _has_one_target(facts) is False:
        yield _Fault(
            f"all {facts.rows} training examples have the same input, and different targets",
            Severity.ERROR if impaired else Severity.WARNING,  # that models find no signal either is no excuse here
            1.0,
            1.0,
            defect="There is nothing to tell the examples apart by: no network can do better than a constant output.",
            meaning="Something before the network wipes out what the inputs held, as rounding or casting to integers.",
            cure="print a few inputs as the network gets them, and follow them back to where they still differ",
        )
        return
    noun = "columns never changes" if facts.constant_count == 1 else "columns never change"
    evidence = f"{facts.constant_count} of {facts.columns} {noun} ({list_indices(facts.constant_columns)})"
    yield _Fault(evidence, Severity.INFO, facts.constant_count / facts.columns, 0.0)
