"""What the sinks are told of a training's verdict: at some of its looks, at its end, and in between."""

from collections.abc import Callable, Mapping, Sequence

from gradvitals.diagnostics.findings import Severity, Verdict
from gradvitals.diagnostics.live_pace import LivePace, LiveTurn
from gradvitals.diagnostics.sink import Sink

GROWTH = 1.25
"""By what factor a training must have gone on for the same findings to be told again, with new figures."""

State = tuple[object, ...]


class Reporter:
    """Hands one training's verdicts to its sinks when they say something new."""

    def __init__(self, sinks: Sequence[Sink], pace: LivePace) -> None:
        """Take who wants to know, and how much time there is for it; without anyone nothing is told."""
        self._sinks, self._turn = sinks, LiveTurn(pace)
        self._reported: State = ()
        self._told: tuple[str, State] | None = None
        self._told_at = 0

    def begin(self) -> None:
        """Note that the training has begun."""
        self._turn.begin()

    def report(
        self, step: int, judge: Callable[[], Verdict], dead_shares: Mapping[str, float] | None, *, ended: bool = False
    ) -> None:
        """Tell the verdict at a look that every machine takes at this step, with its numbers as scalars.

        Args:
            step: Updates so far.
            judge: Gives the verdict.
            dead_shares: Share of dead units by layer; None where nobody has looked.
            ended: Whether it is the last one.
        """
        if ended:
            self._turn.end()
        if not self._sinks:
            return
        with self._turn.taken(step):
            verdict = judge()
            state = _state_of(verdict)
            if ended or not state or state != self._reported:
                self._reported = state
                summary = _summarise(verdict, dead_shares)
                for sink in self._sinks:
                    sink.scalars(step, summary)
            self._tell(step, verdict, anew=ended)

    def tell_meanwhile(self, step: int, total_steps: int | None, judge: Callable[[], Verdict]) -> None:
        """Tell the verdict so far if it is time; what depends on the clock leaves no scalars in the record."""
        if not self._sinks or not self._turn.is_due(step, total_steps):
            return
        with self._turn.taken(step):
            try:
                verdict = judge()
            except Exception:  # noqa: BLE001 - it only looks on, by the clock; at the end it is judged again, and raises
                return
            self._tell(step, verdict, anew=step >= GROWTH * self._told_at)

    def _tell(self, step: int, verdict: Verdict, *, anew: bool) -> None:
        """Tell a verdict that says something else than the last one; one that says the same only if asked to."""
        said = verdict.outcome, _state_of(verdict)
        if anew or said != self._told:
            self._told, self._told_at = said, step
            for sink in self._sinks:
                sink.verdict(step, verdict)


def _state_of(verdict: Verdict) -> State:
    return tuple((finding.key, finding.severity, finding.cleared) for finding in verdict.findings)


def _summarise(verdict: Verdict, dead_shares: Mapping[str, float] | None) -> dict[str, float]:
    standing = [finding.severity for finding in verdict.standing]
    summary = {
        "verdict/errors": float(standing.count(Severity.ERROR)),
        "verdict/warnings": float(standing.count(Severity.WARNING)),
    }
    if dead_shares:
        summary["verdict/worst_dead_fraction"] = max(dead_shares.values())
    return summary
