"""The provisional root order: which finding explains which, by time and kind.

A cause is of no later group than its consequence, was seen no later, and touches the same layer or one upstream of it
in the direction of its effect. Only an intervention can confirm it.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

from gradvitals.diagnostics.findings import Finding, Severity
from gradvitals.diagnostics.measurements import Context

PROGRAM = ("loss_mismatch", "gradient_check", "frozen_parameters", "clipped_delta")
"""Faults of the program itself: causes whenever they show."""

SCALES = ("unscaled_inputs", "unscaled_targets")

DATA = ("data_faults", *SCALES)
"""Faults of the data, which are there before the first update."""

NUMBERS = ("numerics",)
"""Behind the inputs: raw ones make logits whose probabilities round to 0, and a loss on logits mends none of that."""

RECURRENCE = ("recurrent_gain",)
"""A symptom, but of weights that have a scale of their own, and are behind signals and gradients that grow over depth:
these are measured over all time steps together."""

WEIGHTS = ("symmetric_units", "initialization_scale")
"""Faults of the weights before the first update."""

RATES = ("learning_rate_too_high", "learning_rate_too_low")
"""Of the learning rate."""

TOO_HIGH, TOO_LOW = RATES

AT_START = ("saturated_output", "saturated_units", "dead_units", "exploding_gradient", "vanishing_gradient")
"""Symptoms that are causes when present before the first update, the more specific first."""

CLOSED = ("symmetric_units", "dead_units")
"""What lets nothing pass, where a whole layer is so from the start: no scale of the data made it, or would mend it."""

CONSEQUENCES = (
    "non_finite",
    "collapsed_output",
    "no_learning",
    "memorising",
    "underfitting",
    "overfitting",
    "cannot_overfit",
    "update_ratio",
)
"""Symptoms that always have a cause if any other finding stands."""

ALONG_THE_WAY = frozenset({"vanishing_gradient", "exploding_gradient", "non_finite", "update_ratio"})
"""Symptoms of all layers together, named by the one where they show."""

AT_THE_LOSS = frozenset({"loss_mismatch", "clipped_delta", "numerics", "saturated_output"})
"""What spoils the gradient where it begins, and so in every layer."""

KINDS = (
    *PROGRAM,
    "data_faults",
    "unscaled_inputs",
    *NUMBERS,
    *RECURRENCE,
    *WEIGHTS,
    *AT_START,
    "unscaled_targets",
    *RATES,
    *CONSEQUENCES,
)
"""All of them, in the order in which they are believed.

Targets are the last of the data: no hidden layer has seen them before the first update, and raw ones are common and
harmless.
"""


def explain(
    findings: Sequence[Finding], context: Context | None, dead_at_start: Collection[str] = ()
) -> tuple[Finding, ...]:
    """Set `explained_by` and sort: roots first, each followed by what it explains.

    Args:
        findings: Of all diagnoses.
        context: Of the training.
        dead_at_start: Layers of which no unit was alive before the first update.
    """
    thrown = any(finding.id == TOO_HIGH and finding.standing for finding in findings)
    closed = {finding.id for finding in findings if _is_closed(finding, dead_at_start)}
    standing = sorted(
        (finding for finding in findings if finding.standing),
        key=lambda finding: _order(finding, context, closed, thrown=thrown),
    )
    causes: dict[str, str | None] = {}
    for position, finding in enumerate(standing):
        cause = _cause(finding, standing[:position], context)
        causes[finding.key] = causes[cause] or cause if cause else None  # the root, not a link of the chain
    explained = [replace(finding, explained_by=causes[finding.key]) for finding in standing]
    explained.sort(key=lambda finding: (finding.explained_by is not None, -_weight(finding)))  # stable: else in order
    return (*explained, *(finding for finding in findings if not finding.standing))


def _cause(finding: Finding, earlier: Sequence[Finding], context: Context | None) -> str | None:
    """Give the key of the first of those earlier in the order that can explain the finding; None for a root."""
    for candidate in earlier:
        strong = _weight(candidate) >= _least_weight(candidate, finding)
        thrown_by = candidate.id == TOO_HIGH and finding.id in {*NUMBERS, *RECURRENCE, *AT_START}
        in_time = candidate.first_step <= finding.first_step or thrown_by
        if strong and in_time and _reaches(candidate, finding, context):
            return candidate.key
    return None


def _reaches(cause: Finding, finding: Finding, context: Context | None) -> bool:
    """Tell whether the cause touches the finding's layer or one upstream of it.

    Inputs that are but a warning make no steps so small: where they might, nothing is said of the rate. What concerns
    the whole network, as a gradient's way through it does, every layer touches.
    """
    if finding.id == TOO_LOW and cause.id == SCALES[0] and cause.severity is Severity.WARNING:
        return False
    if context is None or cause.layer is None or finding.layer is None:
        return True
    if cause.id in AT_THE_LOSS or finding.id in ALONG_THE_WAY:
        return True
    return context.depth(cause.layer) <= context.depth(finding.layer)


def _least_weight(cause: Finding, finding: Finding) -> Severity:
    """Give the severity that a cause must have: the finding's own, or a warning.

    A fault of the program is known for sure, however mild it may be without the consequence.
    """
    of_program = cause.id in {*PROGRAM, *NUMBERS} and finding.id in CONSEQUENCES and finding.id != "non_finite"
    return Severity.WARNING if of_program else max(finding.severity, Severity.WARNING)


def _order(finding: Finding, context: Context | None, closed: set[str], *, thrown: bool) -> tuple[int, ...]:
    """Sort key: the group, then errors first, then what was seen first, then the kind, then depth."""
    kind = KINDS.index(finding.id) if finding.id in KINDS else len(KINDS)
    is_closed = finding.id in closed and finding.first_step == 0
    believed = KINDS.index(SCALES[0]) if is_closed else kind
    depth = context.depth(finding.layer) if context is not None else 0
    first = 0 if finding.id == "non_finite" else finding.first_step  # no other consequence makes numbers infinite
    return (_group(finding, thrown=thrown), -_weight(finding), first, believed, not is_closed, kind, depth)


def _is_closed(finding: Finding, dead_at_start: Collection[str]) -> bool:
    """Tell whether a layer was one unit, or none, from the start."""
    exact = finding.layer in dead_at_start if finding.id == "dead_units" else finding.severity is Severity.ERROR
    return finding.id in CLOSED and finding.standing and finding.first_step == 0 and exact


def _weight(finding: Finding) -> Severity:
    """Give the severity up to which it explains.

    A rate too low, no error untried, explains what it left undone, and one that is too high what it threw out.
    """
    return Severity.ERROR if finding.id in {TOO_LOW, TOO_HIGH} else finding.severity


def _group(finding: Finding, *, thrown: bool) -> int:
    """Give the group: 1 the program, 2 data and the state at step 0, 3 the rate, 4 what came later, 5 a consequence.

    Where updates have thrown a network out that was sound before them, what it had of a symptom then was harmless.
    """
    if finding.id in PROGRAM:
        return 1
    if finding.id in CONSEQUENCES:
        return 5
    if finding.id in RATES:
        return 3
    at_start = finding.first_step == 0 and not (thrown and finding.id in {*NUMBERS, *RECURRENCE, *AT_START})
    return 2 if finding.id in {*DATA, *WEIGHTS} or at_start else 4
