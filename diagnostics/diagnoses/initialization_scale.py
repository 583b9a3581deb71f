"""Diagnosis 16: initial weights that make signals far too large or too small."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from gradvitals.diagnostics.diagnoses.base import (
    change_initialization,
    config_value,
    finding_of,
    judged,
    not_judged,
    set_key,
)
from gradvitals.diagnostics.diagnoses.start import (
    USUAL,
    beats_constant,
    first_loss,
    is_half_done,
    loss_of_zeros,
    milder_signals,
    settle_start,
)
from gradvitals.diagnostics.findings import NOT_RECORDED, Finding, Judgement, Prescription, Severity, Tier
from gradvitals.diagnostics.gate import Arm, Gate
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.notes import Probe
from gradvitals.diagnostics.start_notes import DataFacts, Propagation
from gradvitals.diagnostics.wording import times

GROWN = 2.0
"""Factor by which the first layer to blame for large signals makes them larger; of he_normal it is 1.4 at most."""

EXTREME = 10.0
"""Factor beyond the usual sizes from which signals are an error where the network is impaired."""


@dataclass(frozen=True, slots=True)
class _Sign:
    """Something to be said of the signals.

    Attributes:
        evidence: In words.
        layer: Where.
        value: What was measured.
        threshold: What it was held against.
        grave: Whether it is an error where the network is impaired.
        over: Whether a probe shows that it is history; None for what is only info.
    """

    evidence: str
    layer: str
    value: float
    threshold: float
    grave: bool
    over: Callable[[Probe], bool] | None = None


@dataclass(frozen=True, slots=True)
class InitializationScale:
    """Symptom: before the first update, pre-activations are far from 1 in size, or shrink or grow from layer to layer.

    Cause: weights drawn with a deviation of somebody's choice instead of one that the layer's width asks for.
    Cure: rescale a layer's weights by the gain measured there; he_normal for ReLU, glorot_uniform for sigmoid and tanh.
    Info: pre-activations with a standard deviation outside [.1, 10], or 100 times larger or smaller in the last layer
    than in the first. An output layer that starts at 0 is healthy; a hidden one is symmetric, or reads dead units.
    Where they are too large, the layer named is the first that makes them more than twice as large.
    Warning: a first loss above 3 times that of the best constant output, and of outputs that are all 0; of a
    regression, outputs with 3 times the targets' deviation, and above 3: he_normal alone gives 1.4.
    Also signals that are too small, if the network ended behind simple models; what is too large shows as saturated or
    dead units. Where they are 10 times smaller than those of info, 100 updates are enough to be behind.
    Error: the warning, or sizes 10 times beyond these, if the network is impaired.
    Clear: half of the best constant's loss is gone; of a regression, the network is surely better than a constant.
    Healthy networks started from hundreds of times that loss. Not if the network is likely to have ended behind simple
    models: what starts from confident errors may learn its samples by heart.
    Needs: data. It goes by the inputs as they are and standardised, whichever is milder: what the data's scale does is
    no fault of the weights.
    Source: Glorot & Bengio 2010; He et al. 2015; Mishkin & Matas 2016, "All you need is a good init", which rescales
    every layer by the deviation measured there.

    Attributes:
        smallest: Standard deviation of pre-activations below which it is said of a hidden layer.
        largest: Standard deviation above which it is said of any layer.
        growth: Factor between first and last layer, either way, beyond which it is said.
        warn: First loss, or deviation of the outputs, in the units above, from which it warns.
    """

    id: ClassVar[str] = "initialization_scale"
    tier: ClassVar[Tier] = "test"
    events: ClassVar[tuple[str, ...]] = ()
    smallest: float = USUAL[0]
    largest: float = USUAL[1]
    growth: float = 100.0
    warn: float = 3.0

    def judge(self, record: Record, gate: Gate) -> Judgement:
        """Judge the signals before the first update."""
        context, facts, starts = record.context, record.notes(DataFacts), record.notes(Propagation)
        if context is None or not facts or not starts or not starts[0].deviations:
            return not_judged(self, NOT_RECORDED)
        signals = milder_signals(starts[0])
        if not signals:
            return judged(self, [])  # nothing is a number, which is another diagnosis
        odd = next((name for name in signals if self._is_odd(signals, name)), None)
        signs = [
            *self._in_outputs(context, facts[0], starts[0], signals, odd),
            *self._in_layers(signals, odd),
            *self._over_depth(signals),
        ]
        return judged(self, [self._finding(record, gate, signals, signs)] if signs else [])

    def _in_outputs(
        self, context: Context, facts: DataFacts, start: Propagation, signals: Mapping[str, float], odd: str | None
    ) -> Iterator[_Sign]:
        """Say whether the outputs are so large that the network starts from far behind a constant."""
        layer = _first_growth(signals) or odd or list(signals)[-1]
        loss = first_loss(context, start)
        spread = _spread(context, facts, signals) if loss is None else None
        if loss is not None and loss > self.warn:
            evidence = f"the first loss is {times(loss, 'that of a constant output')}"
            yield _Sign(evidence, layer, loss, self.warn, grave=True, over=is_half_done)
        if spread is not None and spread > self.warn:
            evidence = f"the outputs vary {spread:,.3g} times as much as the targets"
            yield _Sign(evidence, layer, spread, self.warn, grave=True, over=beats_constant)

    def _in_layers(self, signals: Mapping[str, float], odd: str | None) -> Iterator[_Sign]:
        """Say which layer is the first with signals of an unusual size."""
        if odd is not None:
            threshold = self.largest if signals[odd] > self.largest else self.smallest
            grave = any(self._is_odd(signals, name, EXTREME) for name in signals)
            evidence = f"that of {odd} is outside {self.smallest:g} to {self.largest:g}"
            grown = _first_growth(signals) if signals[odd] > self.largest else None
            yield _Sign(evidence, grown or odd, signals[odd], threshold, grave)

    def _over_depth(self, signals: Mapping[str, float]) -> Iterator[_Sign]:
        """Say whether signals grow or shrink on their way through the layers."""
        gain = _gain(signals)
        if not 1.0 / self.growth <= gain <= self.growth:
            threshold = self.growth if gain > 1.0 else 1.0 / self.growth
            last = list(signals)[-1]
            yield _Sign(f"they change {gain:.3g}-fold over the layers", last, gain, threshold, grave=True)

    def _is_odd(self, signals: Mapping[str, float], layer: str, factor: float = 1.0) -> bool:
        """Tell whether a layer's signals are beyond the usual sizes by a factor; outputs may be small."""
        is_output = layer == list(signals)[-1]
        too_small = not is_output and 0.0 < signals[layer] * factor < self.smallest
        return too_small or signals[layer] > self.largest * factor

    def _finding(self, record: Record, gate: Gate, signals: Mapping[str, float], signs: list[_Sign]) -> Finding:
        worst = signs[0]
        mild = Severity.INFO if worst.over is None else Severity.WARNING
        grave = any(sign.grave for sign in signs)
        costly = any(sign.value < sign.threshold or (sign.grave and sign.over is not None) for sign in signs)
        lost = any(0.0 < size * EXTREME < self.smallest for size in list(signals.values())[:-1])
        standing = settle_start(
            record,
            gate,
            mild,
            grave=grave,
            harms=frozenset(Arm),
            over=worst.over,
            costly=costly,
            too_large=worst.over is not None,
            lost=lost,
        )
        sizes = ", ".join(f"{name} {size:.3g}" for name, size in signals.items())
        told = "; ".join(sign.evidence for sign in signs)
        is_first = worst.layer == _first_growth(signals) and f"that of {worst.layer} is" not in told
        grown = f"; {worst.layer} is the first that makes them more than twice as large" if is_first else ""
        return finding_of(
            self,
            standing,
            layer=worst.layer,
            value=worst.value,
            threshold=worst.threshold,
            evidence=f"before the first update the pre-activations have standard deviations of {sizes}; {told}{grown}",
            explanation=(
                "Signals that are too large drive activations to their ends and the outputs to confident errors, which"
                " the first updates must undo; those that are too small leave no gradient to the layers below."
                " Every layer should keep the size of what it reads."
            ),
            prescriptions=self._cures(record, worst.layer, signals[worst.layer]),
        )

    def _cures(self, record: Record, layer: str, size: float) -> tuple[Prescription, ...]:
        activation = "" if record.context is None else record.context.layers[0].activation
        why = f"divide the weights of {layer} by {size:.3g}, the deviation measured there, or draw all anew"
        cures = [change_initialization(record, why, activation)]
        init, hidden = config_value(record, "model.init"), config_value(record, "model.hidden")
        if size > 1.0 and isinstance(init, str) and isinstance(hidden, list | tuple):
            each = [*[init] * len(hidden), "zeros"]
            cures.append(set_key(record, "start the output layer from zeros, as many do", "model.init", each))
        return tuple(cures)


def _first_growth(signals: Mapping[str, float]) -> str | None:
    """Name the first layer whose signals are more than twice as large as those before it, and than 1."""
    before = 1.0  # the size of standardised inputs
    for name, size in signals.items():
        if size > GROWN * before:
            return name
        before = max(size, 1.0)
    return None


def _gain(signals: Mapping[str, float]) -> float:
    """Give the factor from the first layer's signals to the last ones': growth to the outputs, or loss before them."""
    sizes = list(signals.values())
    if len(sizes) < 3 or not sizes[0] > 0.0:
        return 1.0
    growth, loss = sizes[-1] / sizes[0], sizes[-2] / sizes[0]
    return growth if growth > 1.0 else min(loss, 1.0) or 1.0


def _spread(context: Context, facts: DataFacts, signals: Mapping[str, float]) -> float | None:
    """Give the outputs' deviation in units of the targets' and of 1; None where outputs are no quantities.

    A loss would also tell of their means.
    """
    if context.classes is not None or loss_of_zeros(context) is not None or not facts.target_deviations:
        return None
    return list(signals.values())[-1] / max(*facts.target_deviations, 1.0)
