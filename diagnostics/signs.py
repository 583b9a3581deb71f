"""Signs and colours of verdicts and diagnoses, the same on every map and page: colour alone is not enough."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from gradvitals.diagnostics.findings import Judged
from gradvitals.diagnostics.ink import ink_on, mix
from gradvitals.diagnostics.report import SYMBOLS as OF_VERDICTS

Word = TypeVar("Word", bound=str)

SYMBOLS = {
    "": "·",
    "non_finite": "∞",
    "dead_units": "†",
    "saturated_units": "⊓",
    "vanishing_gradient": "↓",
    "exploding_gradient": "↑",
    "no_learning": "○",
    "memorising": "≡",
    "loss_mismatch": "≠",
    "clipped_delta": "⌐",
    "numerics": "ε",
    "frozen_parameters": "□",
    "data_faults": "?",
    "unscaled_inputs": "x",
    "unscaled_targets": "y",
    "symmetric_units": "=",
    "initialization_scale": "σ",
    "saturated_output": "⊔",
    "collapsed_output": "_",
    "learning_rate_too_high": "△",
    "learning_rate_too_low": "▽",
    "overfitting": "∨",
    "underfitting": "/",
    "update_ratio": "~",
    "recurrent_gain": "↺",
    "failed": "!",
    "running": "…",
}
"""A symbol per root diagnosis: colour alone is not enough."""

COLOURS = {
    "": "#2f9e63",
    "non_finite": "#1b1b1e",
    "dead_units": "#6b4c9a",
    "saturated_units": "#d9822b",
    "vanishing_gradient": "#3b7dd8",
    "exploding_gradient": "#c0392b",
    "no_learning": "#8a8f98",
    "memorising": "#a8457c",
    "loss_mismatch": "#7a1f1f",
    "clipped_delta": "#b5651d",
    "numerics": "#33475b",
    "frozen_parameters": "#4aa3b8",
    "data_faults": "#5b4a1f",
    "unscaled_inputs": "#8c7a2b",
    "unscaled_targets": "#a3872f",
    "symmetric_units": "#1f6f6b",
    "initialization_scale": "#c46a8b",
    "saturated_output": "#b8860b",
    "collapsed_output": "#5f6b73",
    "learning_rate_too_high": "#e0592a",
    "learning_rate_too_low": "#7fb2e5",
    "overfitting": "#d46fb0",
    "underfitting": "#9c8cc9",
    "update_ratio": "#94a63c",
    "recurrent_gain": "#4f6d2f",
    "failed": "#d6d9de",
    "running": "#cfe0ee",
}
"""A colour per root diagnosis; each cell also carries its symbol."""

UNKNOWN = "#444444"
"""The colour of a root that has none of its own."""

NOT_JUDGED = "#e4dff0"
"""The colour of a cell that nobody could judge."""

PAPER, FAINTEST = "#ffffff", 0.35
"""A healthy cell is the fainter the worse it trained."""

VERDICTS: tuple[Judged, ...] = ("error", "warning", "not_judged", "healthy")
"""The worst first; what nobody knows comes before what is known to be well."""

OTHER = "◆"
"""A limit, which is no diagnosis."""

UNJUDGED = "∅"
"""A place of the map whose runs nobody could judge."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a cell of a map looks.

    Attributes:
        symbol: Of what broke there.
        name: What that is.
        colour: Its own.
        ink: What is read on it.
    """

    symbol: str
    name: str
    colour: str
    ink: str


def what_stands_for(runs: Sequence[tuple[str, Word]]) -> tuple[str, Word]:
    """Give the root and the verdict that stand for runs in one place, of which these are the roots and verdicts.

    It is the commonest root, of several as common the one with the worse verdict, and the worst verdict that it has.
    """
    counts = Counter(root for root, _ in runs)
    worst = {root: min((each for other, each in runs if other == root), key=VERDICTS.index) for root in counts}
    root = min(counts, key=lambda each: (-counts[each], VERDICTS.index(worst[each])))
    return root, worst[root]


def look_of(root: str, verdict: str) -> Look:
    """Give the look of a root diagnosis, or of the verdict where there is none."""
    if not root and verdict == "not_judged":
        return Look(UNJUDGED, "not judged", NOT_JUDGED, ink_on(NOT_JUDGED))
    colour = COLOURS.get(root, UNKNOWN)
    return Look(symbol_of(root), root or "no finding", colour, ink_on(colour))


def faded(look: Look, accuracy: float) -> Look:
    """Make a healthy cell's look the fainter the worse it trained."""
    colour = mix(look.colour, PAPER, FAINTEST + (1.0 - FAINTEST) * min(max(accuracy, 0.0), 1.0))
    return Look(look.symbol, look.name, colour, ink_on(colour))


def score_text(score: float) -> str:
    """Write a score in five characters or less.

    >>> score_text(0.975), score_text(1.0), score_text(12345.0)
    ('.97', '1', '1.23e+04')
    """
    if score != score:  # noqa: PLR0124 - NaN
        return "nan"
    return f"{score:.2f}".lstrip("0") if 0.0 <= score < 1.0 else f"{score:.3g}"


def symbol_of(id_: str) -> str:
    """Give the sign of a diagnosis, the same as on the map."""
    return SYMBOLS.get(id_, OTHER)


def sign_of(verdict: Judged) -> str:
    """Give the sign of a verdict, the same as in the terminal."""
    return OF_VERDICTS[verdict]
