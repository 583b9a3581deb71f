"""The self-test: every fault injected, every diagnosis demanded of it, and silence of every healthy twin."""

from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, assert_never

from gradvitals.diagnostics.findings import Severity, Verdict
from gradvitals.experiments import wrong_gate
from gradvitals.experiments.config.load import bundled_configs, load_config
from gradvitals.experiments.diagnosis_guide import DIAGNOSES
from gradvitals.experiments.executor import limited_blas, run_many
from gradvitals.experiments.fault_cases import FAULT_CASES, FaultCase, Means
from gradvitals.experiments.files import read_json
from gradvitals.experiments.plan import PlannedRun, expand
from gradvitals.experiments.preflight import preflight
from gradvitals.experiments.run_folder import FINDINGS_FILE
from gradvitals.experiments.runner import Place
from gradvitals.experiments.sweep import make_plan, place_runs

Doses: TypeAlias = Literal["first", "all"]


@dataclass(frozen=True, slots=True)
class Source:
    """Something that gets a verdict: a bundled config with overrides, or the network with a wrong gate.

    Attributes:
        config: Its name.
        overrides: Keys set on top, as `key=value`.
        means: What judges it.
        slip: The factor on a gate's gradient; None for right ones.
    """

    config: str
    overrides: tuple[str, ...] = ()
    means: Means | Literal["gate"] = "run"
    slip: float | None = None


@dataclass(frozen=True, slots=True)
class Injection:
    """A fault, and what must be said of it.

    Attributes:
        id: The diagnosis that is demanded.
        layer: Where; None for the whole run.
        severity: What it must at least be.
        dose: 0 for the first, as bundled.
        sick: With the fault.
        twin: Without it; nothing but info may be said of it.
    """

    id: str
    layer: str | None
    severity: Literal["warning", "error"]
    dose: int
    sick: Source
    twin: Source


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said of a source: its standing findings as the JSON contract words them, or why there are none."""

    findings: tuple[Mapping[str, Any], ...] = ()
    error: str = ""

    @property
    def alarms(self) -> tuple[str, ...]:
        """The warnings and errors, as `severity key`."""
        return tuple(f"{each['severity']} {each['key']}" for each in self.findings if each["severity"] != "info")


@dataclass(frozen=True, slots=True)
class Result:
    """An injection and what became of it.

    Attributes:
        injection: What was demanded.
        found: The finding that answers the demand; None where there is none.
        twin_alarms: What was said of the healthy twin, as `severity key`.
        reasons: Why it is no match, a sentence each; empty for a match.
    """

    injection: Injection
    found: Mapping[str, Any] | None
    twin_alarms: tuple[str, ...]
    reasons: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Give it as plain data."""
        demanded, found = self.injection, self.found
        keys = ("key", "layer", "severity", "first_step", "evidence")
        return {
            "id": demanded.id,
            "config": demanded.sick.config,
            "set": list(demanded.sick.overrides),
            "dose": demanded.dose,
            "demanded": {"layer": demanded.layer, "severity": demanded.severity},
            "found": None if found is None else {key: found[key] for key in keys},
            "twin": demanded.twin.config,
            "twin_alarms": list(self.twin_alarms),
            "passed": not self.reasons,
            "reasons": list(self.reasons),
        }


def injections(doses: Doses = "first", only: Collection[str] = ()) -> list[Injection]:
    """List what is injected, in the order of the catalogue.

    Args:
        doses: The faults as bundled, or those and the further doses of each.
        only: Ids of diagnoses; all by default.
    """
    every = [*(one for case in FAULT_CASES for one in _of_case(case)), *_of_gradient_check()]
    order = [diagnosis.id for diagnosis in DIAGNOSES]
    wanted = [one for one in every if (doses == "all" or one.dose == 0) and (not only or one.id in only)]
    return sorted(wanted, key=lambda one: order.index(one.id))


def _of_case(case: FaultCase) -> Iterator[Injection]:
    twin = Source(case.twin, means=case.means)
    for dose, overrides in enumerate(((), *case.doses)):
        yield Injection(case.id, case.layer, case.severity, dose, Source(case.config, overrides, case.means), twin)


def _of_gradient_check() -> Iterator[Injection]:
    name = str(wrong_gate.CONFIG["name"])
    for dose, slip in enumerate(wrong_gate.SLIPS):
        sick = Source(name, (f"gradient × {slip:g}",), "gate", slip)
        yield Injection("gradient_check", wrong_gate.LAYER, "error", dose, sick, Source("right_gates", means="gate"))


def run_selftest(
    wanted: Sequence[Injection], root: Path, workers: int, on_answer: Callable[[], None], *, pin: bool = True
) -> list[Result]:
    """Inject the faults, run their twins, and hold what is said against what is demanded.

    Args:
        wanted: What to inject.
        root: An empty folder for the runs.
        workers: Processes.
        on_answer: Is called whenever a source has its verdict.
        pin: Whether each worker keeps to a core.
    """
    answers: dict[Source, Answer] = {}
    with closing(_answers(sources_of(wanted), root, workers, pin=pin)) as coming:
        for source, answer in coming:
            answers[source] = answer
            on_answer()
    return [_hold(one, answers[one.sick], answers[one.twin]) for one in wanted]


def sources_of(wanted: Sequence[Injection]) -> list[Source]:
    """List what must get a verdict, each once: doses share their twin."""
    return list(dict.fromkeys(source for one in wanted for source in (one.sick, one.twin)))


def _answers(
    sources: Sequence[Source], root: Path, workers: int, *, pin: bool
) -> Generator[tuple[Source, Answer], None, None]:
    """Yield what is said of each source, as it comes: first of what is judged here, then of the runs."""
    runs: dict[str, tuple[PlannedRun, Place]] = {}
    running: dict[str, Source] = {}
    for source in sources:
        match source.means:
            case "run":
                planned, place = _planned(source, root / str(len(runs)))
                runs[planned.name], running[planned.name] = (planned, place), source
            case "preflight":
                yield source, _of_verdict(_preflight(source))
            case "gate":
                yield source, _of_verdict(wrong_gate.check_with_gate(source.slip))
            case _:
                assert_never(source.means)
    with closing(run_many(list(runs.values()), workers, pin=pin)) as outcomes:
        for outcome in outcomes:
            name = outcome.planned.name
            done = outcome.summary is not None
            yield running[name], _of_folder(runs[name][1].folder) if done else Answer(error=outcome.error)


def _planned(source: Source, folder: Path) -> tuple[PlannedRun, Place]:
    """Plan a run; it is named as its folder, which tells it from all others."""
    plan = make_plan(load_config(bundled_configs()[source.config], source.overrides), folder)
    ((planned, place),), _ = place_runs(plan, "refuse")
    return replace(planned, name=folder.name), place


def _preflight(source: Source) -> Verdict:
    loaded = load_config(bundled_configs()[source.config], source.overrides)
    (planned,) = expand(loaded.config, origin=loaded.origin)
    with limited_blas(None):
        return preflight(planned, Place(Path(), loaded.origin, loaded.base_dir, {}))


def _of_verdict(verdict: Verdict) -> Answer:
    return Answer(tuple(finding.to_json() for finding in verdict.standing))


def _of_folder(folder: Path) -> Answer:
    written = read_json(folder / FINDINGS_FILE)
    if not isinstance(written, dict) or "findings" not in written:
        return Answer(error="the run left no findings")
    return Answer(tuple(each for each in written["findings"] if not each["cleared"]))


def _hold(demanded: Injection, sick: Answer, twin: Answer) -> Result:
    """Hold what was said against what is demanded."""
    of_it = [each for each in sick.findings if each["id"] == demanded.id]
    in_place = [each for each in of_it if each["layer"] == demanded.layer]
    least = Severity[demanded.severity.upper()]
    found = next((each for each in in_place if Severity[str(each["severity"]).upper()] >= least), None)
    reasons = []
    if sick.error:
        reasons.append(f"{demanded.sick.config} could not be run: {sick.error}")
    elif not of_it:
        said = ", ".join(sick.alarms) or "nothing"
        reasons.append(f"{demanded.id} is missing on {demanded.sick.config}; said was {said}")
    elif not in_place:
        places = ", ".join(sorted({str(each["key"]) for each in of_it}))
        reasons.append(f"{demanded.id} is found at {places}, not at {demanded.layer or 'the whole run'}")
    elif found is None:
        reasons.append(f"{in_place[0]['key']} is only {in_place[0]['severity']}, not {demanded.severity}")
    if twin.error:
        reasons.append(f"{demanded.twin.config} could not be run: {twin.error}")
    if twin.alarms:
        reasons.append(f"{demanded.twin.config} is healthy, and said was {', '.join(twin.alarms)}")
    return Result(demanded, found, twin.alarms, tuple(reasons))
