"""What rules that ask the gate have in common: shares of samples, and whether the data are to blame."""

from collections.abc import Mapping

from gradvitals.diagnostics.behind import COMPARISONS
from gradvitals.diagnostics.error_budget import LEVEL
from gradvitals.diagnostics.findings import Severity
from gradvitals.diagnostics.gate import Gate
from gradvitals.diagnostics.lag import Lag
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.notes import Signal
from gradvitals.diagnostics.persistence import Check
from gradvitals.diagnostics.shortfall import Shortfall

NO_SIGNAL = "no signal that a linear model or nearest neighbours can detect"
"""Why a network that learned nothing is not blamed for it."""

WAY_BACK = 2.0 / 3.0
"""Of the share from which it warns: what a standing finding clears at, a third of the way back to none."""


def check_share(gate: Gate, step: int, share: float, *, warn: float, error: float) -> Check:
    """Give one look's check: a warning from the one share on, an error from the other on if the network is impaired."""
    gated = gate.at(step)
    impaired = gated is not None and gated.impaired
    severity = Severity.WARNING if share >= warn else None
    if impaired and share >= error:
        severity = Severity.ERROR
    held = None
    if share >= WAY_BACK * warn:
        held = Severity.ERROR if impaired else Severity.WARNING
    return Check(step, severity, share, held=held, final=gated is not None and gated.final)


def check_shares(gate: Gate, shares: Mapping[int, float | None], *, warn: float, error: float) -> list[Check]:
    """Give the checks of shares by step; where there is none, nothing could be measured."""
    return [
        check_share(gate, step, share, warn=warn, error=error) for step, share in shares.items() if share is not None
    ]


def shows_no_signal(record: Record, errors: float) -> bool:
    """Tell whether simple models were tried on the data, and none beat the constant by so many standard errors.

    They were tried on squared error. Where many labels are wrong, more of their answers may be right nevertheless.
    """
    signals = record.notes(Signal)
    if not signals or signals[-1].gain > errors * signals[-1].gain_se:
        return False
    return not any(Lag.of_constant(note).is_sure(LEVEL / COMPARISONS) for note in record.notes(Shortfall)[-1:])
