"""The signs of verdicts and diagnoses: colour alone is not enough."""

from gradvitals.diagnostics.findings import Judged
from gradvitals.diagnostics.report import SYMBOLS as OF_VERDICTS
from gradvitals.experiments.sweep_map import SYMBOLS as OF_DIAGNOSES

VERDICTS: tuple[Judged, ...] = ("error", "warning", "not_judged", "healthy")
"""The worst first; what nobody knows comes before what is known to be well."""

OTHER = "◆"
"""A limit, which is no diagnosis."""

UNJUDGED = "∅"
"""A place of the map whose runs nobody could judge."""


def symbol_of(id_: str) -> str:
    """Give the sign of a diagnosis, the same as on the map."""
    return OF_DIAGNOSES.get(id_, OTHER)


def sign_of(verdict: Judged) -> str:
    """Give the sign of a verdict, the same as in the terminal."""
    return OF_VERDICTS[verdict]
