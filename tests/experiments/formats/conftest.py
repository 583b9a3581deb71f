"""Outcomes of checks to be reported: healthy, sick, ignored, not judged and refused, without a training."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from gradvitals.diagnostics.findings import Finding, Harm, Judgement, Prescription, Severity, Verdict
from gradvitals.experiments.checking import CheckedPath, CheckedRun
from gradvitals.experiments.exits import Exit
from gradvitals.experiments.formats.outcome import CheckOutcome, Refused
from gradvitals.experiments.ignoring import Exemption

MakeOutcome: TypeAlias = Callable[..., CheckOutcome]

HOSTILE = "a\x00b\x1b[31m\ud800 <b>&\"']]> %25 | `x` ::error::no\r\n::stop, a: b"
"""What no format may be broken by."""

CONFIG = """\
name = "x"

[model]
hidden = [8]
bias_init = {kind = "constant", value = -20.0}

[training]
optimizer = {kind = "sgd", learning_rate = 0.1}
"""


def finding(id_: str = "dead_units", layer: str | None = "hidden_1", **values: Any) -> Finding:
    plain = Finding(id_, "fact", Severity.ERROR, layer, 3, 900, 1.0, 0.5, f"{id_} is seen", "It hurts. Much.")
    return replace(plain, **values)


ROOT = finding(
    defect="the layer is silent",
    harm=Harm(0.98, float("nan"), "the loss is 98 % of the best constant output's"),
    prescriptions=(
        Prescription("start from zero biases", {"model.bias_init": "zeros"}),
        Prescription("try something"),
    ),
)
CONSEQUENCE = finding("no_learning", None, explained_by=ROOT.key)
MILD = finding("saturated_units", "hidden_2", severity=Severity.WARNING)
INFO = finding("data_faults", None, severity=Severity.INFO)
EXEMPTION = Exemption(ROOT.key, "sparse codes\nare meant", date(2030, 1, 2), "active")


def run(name: str, *findings: Finding, judgements: tuple[Judgement, ...] = (), **values: Any) -> CheckedRun:
    """Make a run; its errors fail the check, unless they are ignored."""
    fired = [Judgement(id_, "fired") for id_ in dict.fromkeys(each.id for each in findings)]
    excused = values.get("ignored", {})
    failing = {each.key for each in findings if each.severity is Severity.ERROR} - set(excused)
    verdict = Verdict((Judgement("numerics", "clear"), *fired, *judgements), findings)
    code = Exit.FAILED if failing else Exit.DONE
    plain = CheckedRun(name, Path("logs") / "x", verdict, code, failing=frozenset(failing))
    return replace(plain, **values)


@pytest.fixture
def runs() -> dict[str, CheckedRun]:
    """Give a run of every kind."""
    reasons = (
        Judgement("memorising", "not_judged", "no validation set"),
        Judgement("clipped_delta", "not_applicable", "no residual"),
        Judgement("symmetric_units", "switched_off", "meant\nso"),
    )
    lost = (Judgement("record", "not_judged", "corrupt at byte 3"), Judgement("record", "not_judged", "cut short"))
    return {
        "healthy": run("healthy", INFO, judgements=reasons),
        "sick": run("sick", ROOT, CONSEQUENCE, MILD, INFO, warnings=("truncated at byte 5",)),
        "ignored": run("ignored", ROOT, ignored={ROOT.key: EXEMPTION}, exemptions=(EXEMPTION,)),
        "lost": run("lost", judgements=lost, exit=Exit.NOT_JUDGED, demanded=frozenset({"record"})),
        "silent": run("silent", judgements=reasons[:1], exit=Exit.NOT_JUDGED),
        "hostile": run(HOSTILE, finding("dead_units", HOSTILE, evidence=HOSTILE, explanation=HOSTILE, defect=HOSTILE)),
    }


@pytest.fixture
def make_outcome(runs: dict[str, CheckedRun], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeOutcome:
    """Make the outcome of a check of runs, from one config in the working directory unless told."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    source = tmp_path / "con figs" / "ä.toml"
    source.parent.mkdir()
    source.write_text(CONFIG, encoding="utf-8")

    def make(*names: str, refused: bool = False, verbose: bool = False, **values: Any) -> CheckOutcome:
        paths = []
        for name in names:
            own = (runs[name],)
            paths.append(replace(CheckedPath(Path(name), own, own[0].exit, own, source=source), **values))
        bad = (Refused("no<where", (f"no\x00where: {HOSTILE}",)),) if refused else ()
        return CheckOutcome(tuple(paths), bad, "of a sweep the best counts", verbose=verbose)

    return make


@pytest.fixture
def sweep(make_outcome: MakeOutcome, runs: dict[str, CheckedRun]) -> CheckOutcome:
    """Give the outcome of a sweep whose best run is healthy and another is not."""
    two = (runs["healthy"], runs["sick"])
    return make_outcome("healthy", runs=two, counting=two[:1], exit=Exit.DONE)
