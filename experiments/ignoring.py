"""What `[check.ignore]` lets pass: findings that are known and accepted until a day, and what becomes of exceptions."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal, TypeAlias

from gradvitals.diagnostics.findings import Finding
from gradvitals.diagnostics.markdown import one_line
from gradvitals.experiments.config.check import Ignore

State: TypeAlias = Literal["active", "expired", "unused", "not_judged"]


@dataclass(frozen=True, slots=True)
class Exemption:
    """An entry of `[check.ignore]` and what became of it in one run.

    Attributes:
        key: What it ignores: the `id` or the `id@layer` of findings.
        why: Why that is accepted.
        until: The last day on which it is.
        state: `active` if a finding is ignored for it, `expired` if one is not any more, `unused` if there is nothing
            to ignore, `not_judged` if nobody can tell.
    """

    key: str
    why: str
    until: date
    state: State

    @property
    def same(self) -> tuple[str, str, date]:
        """What it shares with the exceptions of other runs that came from the same config."""
        return self.key, self.why, self.until

    @property
    def reason(self) -> str:
        """Why, in one line."""
        return one_line(self.why)

    @property
    def text(self) -> str:
        """Until when and why, in one line."""
        return f"until {self.until}: {self.reason}"

    @property
    def terms(self) -> dict[str, str]:
        """Why, and until when."""
        return {"why": self.why, "until": self.until.isoformat()}

    def to_json(self) -> dict[str, Any]:
        """Give it as the JSON contract words it."""
        return {"key": self.key, **self.terms, "state": self.state}


def today_utc() -> date:
    """Give today's date where it is the same for everyone."""
    return datetime.now(UTC).date()


def apply_ignores(
    ignores: Mapping[str, Ignore], findings: Sequence[Finding], judged: Collection[str], today: date
) -> tuple[dict[str, Exemption], tuple[Exemption, ...]]:
    """Say which findings are ignored, and what became of every exception.

    An exception for one layer goes before one for all of them; only what matches is ignored, not what it explains.

    Args:
        ignores: The exceptions, by `id` or `id@layer`.
        findings: Those that count for the check.
        judged: The ids of which it is known whether there are findings.
        today: The day of the check.

    Returns:
        The exception of every finding that is ignored, by the finding's key; and all exceptions, in their order.
    """
    live = {key for key, ignore in ignores.items() if today <= ignore.until}
    covered = {
        finding.key: next(key for key in (finding.key, finding.id) if key in live)
        for finding in findings
        if live.intersection((finding.key, finding.id))
    }

    def state(key: str) -> State:
        matching = [finding for finding in findings if key in {finding.key, finding.id}]
        if key in live and matching:
            return "active"
        if any(finding.key not in covered for finding in matching):
            return "expired"
        return "unused" if matching or key.partition("@")[0] in judged else "not_judged"

    exemptions = {key: Exemption(key, ignore.why, ignore.until, state(key)) for key, ignore in ignores.items()}
    return {finding: exemptions[key] for finding, key in covered.items()}, tuple(exemptions.values())
