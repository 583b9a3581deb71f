"""An intervention for people: every sentence with its number, its seeds and its standard error."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gradvitals.diagnostics.findings import Finding
from gradvitals.experiments.intervention.arms import describe
from gradvitals.experiments.intervention.conclusion import Conclusion, arm_of, prescribed_keys, speaks_of
from gradvitals.experiments.intervention.effects import ENOUGH_SEEDS, Effect
from gradvitals.experiments.intervention.evidence import Intervention
from gradvitals.experiments.intervention.tried import Tried
from gradvitals.experiments.intervention.yardstick import YARDSTICK


def effect_text(effect: Effect, score: str) -> str:
    """Say what a change does to the yardstick.

    >>> effect_text(Effect(0.861, 0.0087, 0.008, 5, 5), "accuracy")
    'accuracy +0.861 ± 0.009, better in 5 of 5 seeds'
    """
    digits = 3 if effect.se >= 0.0005 else 4
    counted = f"better in {effect.better} of {effect.seeds} seeds"
    return f"{score} {effect.mean:+.{digits}f} ± {effect.se:.{digits}f}, {counted}"


def intervention_lines(found: Intervention, concluded: Conclusion) -> Iterator[str]:
    """Say what was found: the root, what vanishes with it, and what speaks against the others."""
    score, seeds = YARDSTICK[found.task], len(found.seeds)
    sure = seeds >= ENOUGH_SEEDS
    provisional, root, lifting = concluded.provisional, concluded.root, concluded.lifting
    if provisional is not None:
        yield f"provisional root: {provisional.key}"
    if not found.standing and not found.is_harmed:
        yield _no_better(found, score)
        return
    if not found.standing:
        yield "nothing stands against it, and yet it could be better: that is what the trials show"
    if lifting is None or lifting.effect is None:
        yield from _nothing_lifts(found, score)
        return
    by = f"{lifting.arm.name} {_lifted(found, lifting.effect)} ({effect_text(lifting.effect, score)}"
    by += f"; impaired at the end in {lifting.impaired} of {len(lifting.trials)})" if found.is_impaired else ")"
    if root is None:
        yield f"no finding speaks of it, but {by}"
    else:
        certain = "confirmed root" if concluded.speaks else "likely root"
        spoken = "" if concluded.speaks else ", though it prescribes nothing of the kind"
        yield f"{certain if sure else 'root so far'}: {root.key}{spoken}: {by}"
    if concluded.vanished:
        yield f"with it vanish: {', '.join(each.key for each in concluded.vanished)}"
    for each in concluded.seconds:
        keys = ", ".join(sorted(prescribed_keys(each) & lifting.arm.changes.keys()))
        yield f"a second cause: {each.key}, which speaks of {keys}{_tests(_tried_for(found, each), score)}"
    left = found.left(lifting)
    if left:
        yield f"what still stands in most of the {seeds} seeds: {', '.join(each.key for each in left)}"
    if not sure:
        yield f"{seeds} seeds confirm nothing: from {ENOUGH_SEEDS} on it is called confirmed (--seeds {ENOUGH_SEEDS})"
    yield from _against(found, concluded, score)


def _no_better(found: Intervention, score: str) -> str:
    """Say of a run that nothing stands against how it does beside the sane defaults."""
    effect = None if found.sane is None else found.sane.effect
    if effect is None:
        return "it has the sane defaults already"
    return f"the sane defaults would gain {'little' if effect.mean > 0.0 else 'nothing'}: {effect_text(effect, score)}"


def _lifted(found: Intervention, effect: Effect) -> str:
    if not found.standing:
        return "is better"
    if found.is_impaired:
        return "lifts the impairment"
    return "clears it and is better" if effect.is_better else "clears it and does no harm"


def _nothing_lifts(found: Intervention, score: str) -> Iterator[str]:
    tried = [each for each in found.tried if each.effect is not None]
    singles, pairs = (sum((each.arm.keys > 1) == several for each in found.tried) for several in (False, True))
    what = "the impairment" if found.is_impaired else "what was found"
    more = f", {pairs} of two or more" if pairs else ""
    full = f"{len(tried)} of them" if tried else "none of them"
    yield f"nothing of what was tried lifts {what}: {singles} changes of one key{more}, {full} in full"
    promising = [each for each in found.tried if each.effect is None and each.screening and each.screening.is_better]
    best = max(promising, key=lambda each: each.mean_screened, default=None)
    if best is not None and best.screening is not None:
        yield f"the best by the screening alone: {best.arm.name} ({effect_text(best.screening, score)})"
    for each in tried:
        if each.effect is not None:
            yield f"  {each.arm.name}: {effect_text(each.effect, score)}{_why_not(found, each)}"


def _why_not(found: Intervention, tried: Tried) -> str:
    reasons = []
    if found.is_impaired and tried.trials and 2 * tried.impaired >= len(tried.trials):
        reasons.append(f"impaired at the end in {tried.impaired} of {len(tried.trials)}")
    left = found.left(tried)
    reasons += [f"still {', '.join(each.key for each in left)}"] if left else []
    return f"; {'; '.join(reasons)}" if reasons else ""


def _against(found: Intervention, concluded: Conclusion, score: str) -> Iterator[str]:
    """Say what speaks against the other roots: what they prescribe does not help, or they outlive the cure."""
    lifting = concluded.lifting
    gone = {each.key for each in concluded.vanished}
    known = {each.key for each in (concluded.root, *concluded.seconds) if each is not None}
    others = [each for each in found.standing if each.explained_by is None and each.key not in known]
    same = [each for each in others if each.key in gone and lifting is not None and speaks_of(found, each, lifting)]
    if same:
        yield f"mended by the same change, which they speak of, too: {', '.join(each.key for each in same)}"
    for finding in others:
        if finding in same:
            continue
        if finding.key in gone:
            said = "vanishes, though nothing that it prescribes was changed"
            yield f"not the root: {finding.key} {said}{_tests(_tried_for(found, finding), score)}"
        else:
            yield f"not the root: {finding.key} stays while the network is no longer impaired"


def _tried_for(found: Intervention, finding: Finding) -> list[Tried]:
    tries = [arm_of(found, prescription) for prescription in finding.prescriptions]
    return [each for each in tries if each is not None and (each.effect or each.screening)]


def _tests(tested: list[Tried], score: str) -> str:
    said = [
        f"{each.arm.name} alone: {effect_text(effect, score)}"
        for each in tested
        if (effect := each.effect or each.screening)
    ]
    return f" ({'; '.join(said)})" if said else ""


def table_of(found: Intervention, concluded: Conclusion) -> Table:
    """Tabulate the control, the sane defaults, what was tried on fresh seeds, and what gained in the screening."""
    score = YARDSTICK[found.task]
    table = Table(pad_edge=False, box=None)
    for name, justify in (
        ("arm", "left"),
        ("keys", "right"),
        (score, "right"),
        ("against the control", "left"),
        ("", "left"),
    ):
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for each in rows_of(found):
        if _gained_nothing(each):
            continue
        keys = "" if each.arm.role == "control" else str(each.arm.keys)
        against = "" if each.arm.role == "control" else _against_whom(found, concluded, each)
        table.add_row(each.arm.name, keys, f"{each.mean:.3f}", against, _mark(found, concluded, each))
    return table


def rows_of(found: Intervention) -> list[Tried]:
    """Give what has scores: the control, the sane defaults, then the others, what was tried on fresh seeds first."""
    tried = sorted(found.tried, key=lambda each: (each.effect is None, -each.mean))
    fixed = [found.control, *([found.sane] if found.sane is not None else [])]
    return [each for each in (*fixed, *tried) if each.scores or each.probed or each.screened]


def _gained_nothing(tried: Tried) -> bool:
    """Tell whether an arm was only screened, and was no better there than the control by 1 SE of the rows."""
    if tried.effect is not None or tried.probed or tried.screening is None:
        return False
    return tried.screening.mean <= tried.screening.row_se


def _against_whom(found: Intervention, concluded: Conclusion, tried: Tried) -> str:
    """Give an arm's effect against the control; of what was only probed, that against what lifts the impairment."""
    effect = tried.effect or (None if tried.probed else tried.screening)
    if effect is not None:
        return _short(effect)
    lifting = concluded.lifting
    beside = None if lifting is None else found.compare(tried.probed, lifting.probed)
    if lifting is None or beside is None:
        return ""
    return f"{_short(beside)}, beside what {_mark(found, concluded, lifting)}"


def _short(effect: Effect) -> str:
    return f"{effect.mean:+.3f} ± {effect.se:.3f}, {effect.better} of {effect.seeds}"


def _mark(found: Intervention, concluded: Conclusion, tried: Tried) -> str:
    """Say in a few words what became of an arm."""
    if tried is concluded.cure:
        return "cures"
    if found.lifts(tried):
        return "lifts it"
    if tried.arm.role != "change":
        return ""
    if found.may_lift(tried) and not found.is_watched(tried):
        return "helps"
    if tried.effect is not None:
        return "does not lift it"
    return "probed only" if tried.probed else "screened only"


def render(found: Intervention, concluded: Conclusion) -> RenderableType:
    """Render what an intervention showed, for the terminal."""
    parts: list[RenderableType] = [Text(line) for line in intervention_lines(found, concluded)]
    parts += [Padding(table_of(found, concluded), (1, 0, 1, 2))] if found.tried else []
    parts += [Text(line, "dim") for line in how_lines(found)]
    return Group(*parts)


def how_lines(found: Intervention) -> Iterator[str]:
    """Say how it was done and what it took."""
    if found.tried:
        nothing = [each.arm.name for each in rows_of(found) if _gained_nothing(each)]
        if nothing:
            yield f"screened without a gain: {'; '.join(nothing)}"
        if found.sane is not None:
            yield f"sane defaults: {describe(found.sane.arm.changes)}"
        yield from _stage_lines(found)
        yield "effects are mean differences over the seeds ± standard error"
    times = found.spent / found.unit if found.unit else 0.0
    yield f"{found.runs} trainings in {found.spent:.1f} s, {times:.1f} times {found.unit_text}"
    yield from found.notes


def _stage_lines(found: Intervention) -> Iterator[str]:
    """Say with which seeds arms were screened, probed and tried in full."""
    most = max(len(each.screened) for each in found.tried)
    if not most:
        return
    part = f"{found.screened:.0%} of the epochs, " if found.screened < 1.0 else "all epochs, "
    part += "with backpropagation, " if found.sick.arm.config.training.gradient == "numeric" else ""
    first = "2 seeds, or with 1 where that shows no gain" if most > 1 else "1 seed"
    yield f"screened only: {part}with {first}"
    if any(each.probed and each.effect is None for each in found.tried):
        yield "probed only: in full, with the seeds of the screening, beside the best so far"
    few = any(each.effect is not None and each.effect.seeds < len(found.seeds) for each in found.tried)
    fewer = ", or two where these gain too little" if few else ""
    yield f"all others: in full, with the fresh seeds {_span(found.seeds)}{fewer}"


def _span(seeds: Sequence[int]) -> str:
    """Write seeds as ranges.

    >>> _span((1, 2, 3, 7, 8)), _span((5,))
    ('1 to 3 and 7 to 8', '5')
    """
    ranges: list[list[int]] = []
    for seed in seeds:
        if ranges and seed == ranges[-1][-1] + 1:
            ranges[-1].append(seed)
        else:
            ranges.append([seed])
    return " and ".join(f"{each[0]} to {each[-1]}" if len(each) > 1 else f"{each[0]}" for each in ranges)
