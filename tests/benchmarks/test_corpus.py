"""The open trace corpus: written without pickle, read back as it was measured, and scored for any tool."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from campaign import Job, run_jobs
from corpus import our_answers, read_run, write_corpus
from corpus_score import AnswersError, read_answers, score
from fault_bases import BASES
from fault_injections import SEEDS, Injection
from fault_kinds import FAULTS
from zoo_training import load_record, record_path

from gradvitals.diagnostics.judge import judge

SHORT = next(base for base in BASES if base.name.startswith("blobs"))
BLOBS = replace(SHORT, config={**SHORT.config, "training": {**SHORT.config["training"], "epochs": 8}})
DEAD = next(fault for fault in FAULTS if fault.name == "dead biases")
SICK = Injection(BLOBS, (DEAD,), 5, SEEDS[0], DEAD.doses(BLOBS)[4])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a corpus of one sick run and its twins, twice."""
    folder = tmp_path_factory.mktemp("corpus")
    jobs = [Job(one.key, one.config) for one in (SICK, *SICK.twins)]
    for name in ("once", "again"):
        lines = run_jobs(jobs, folder / f"runs {name}", 1)
        assert write_corpus(folder / name, [SICK], lines, folder / f"runs {name}", about={}) == 4
    return folder


def test_a_run_says_what_was_injected_and_what_it_cost(corpus: Path) -> None:
    index = json.loads((corpus / "once" / "index.json").read_text(encoding="utf-8"))
    entries = {entry["run"]: entry for entry in index["runs"]}
    sick, twin = entries[SICK.key], entries[SICK.twin.key]
    assert (sick["healthy_twin"], sick["dose"], sick["set"]) == (SICK.twin.key, 5, dict(SICK.keys))
    assert (sick["harm"]["harmful"], sick["faults"][0]["diagnosis"]) == (True, "dead_units")
    assert sick["harm"]["value"] > 0.4
    assert (twin["faults"], twin["healthy_twin"], twin["harm"]["harmful"]) == ([], None, False)
    data, _ = read_run(corpus / "once", SICK.key)
    assert data["config"]["model"]["bias_init"] == {"kind": "constant", "value": -100.0}
    assert (len(data["history"]), data["scores"]["updates"]) == (8, 120.0)


def test_what_was_measured_is_read_back_and_judged_as_before(corpus: Path) -> None:
    answers = {answer["run"]: answer for answer in our_answers(corpus / "once")}
    for one in (SICK, *SICK.twins):
        kept = load_record(record_path(corpus / "runs once", one.key))
        _, record = read_run(corpus / "once", one.key)
        assert record.tags() == kept.tags()
        for tag in kept.tags():
            np.testing.assert_array_equal(record.series(tag).values, kept.series(tag).values)
            np.testing.assert_array_equal(record.series(tag).steps, kept.series(tag).steps)
        assert judge(record) == judge(kept)
        assert answers[one.key]["verdict"] == judge(kept).outcome
    assert answers[SICK.key]["findings"][0]["key"] == "dead_units@hidden_1"


def test_a_corpus_is_the_same_to_the_byte_when_built_again_and_has_no_pickle(corpus: Path) -> None:
    once, again = (sorted((corpus / name).rglob("*.*")) for name in ("once", "again"))
    assert [path.name for path in once] == [path.name for path in again]
    assert all(one.read_bytes() == other.read_bytes() for one, other in zip(once, again, strict=True))
    for path in once:
        if path.suffix == ".npz":
            with zipfile.ZipFile(path) as packed:
                assert all(b"'descr': '<" in packed.read(name)[:40] for name in packed.namelist())


# scoring


def entry(run: str, *faults: dict[str, Any], harmful: bool = True) -> dict[str, Any]:
    harm = {"harmful": harmful and bool(faults)}
    return {"run": run, "faults": list(faults), "set": {"a.key": 1} if faults else {}, "harm": harm}


DEAD_FAULT = {"diagnosis": "dead_units", "roots": ["dead_units", "initialization_scale"], "layer": "hidden_1"}
ELSEWHERE = {"diagnosis": "loss_mismatch", "roots": ["loss_mismatch"], "layer": None}
ENTRIES = [
    entry("twin"),
    {**entry("narrow twin"), "set": {"model.hidden": [2]}},
    entry("harmless", DEAD_FAULT, harmful=False),
    entry("dead", DEAD_FAULT),
    entry("mismatch", ELSEWHERE),
    entry("both", DEAD_FAULT, ELSEWHERE),
]


def hits(scored: dict[str, Any], part: str) -> tuple[int, int]:
    share = scored["harmful"][part]
    return share["hits"], share["total"]


def answered(**findings: list[dict[str, Any]]) -> dict[str, Any]:
    data = {"version": 1, "runs": [{"run": run, "findings": said} for run, said in findings.items()]}
    return score(ENTRIES, read_answers(data, {"DeadRelu": "dead_units"}, "warning"))


def test_a_perfect_tool_scores_everything() -> None:
    dead = {"id": "dead_units", "layer": "hidden_1", "severity": "error", "root": True}
    mismatch = {"id": "loss_mismatch", "layer": None, "severity": "warning", "root": True}
    scored = answered(dead=[dead], mismatch=[mismatch], both=[dead, mismatch], twin=[], harmless=[])
    assert [hits(scored, part) for part in ("alarm", "named", "own diagnosis", "root first")] == [(3, 3)] * 4
    assert hits(scored, "layer") == (2, 2)
    assert [share["hits"] for share in scored["false alarms"].values()] == [0, 0]
    assert scored["by diagnosis"]["dead_units"]["named"]["interval_95"] == pytest.approx([0.025, 1.0])


def test_what_is_wrong_elsewhere_unknown_or_mild_does_not_count() -> None:
    astray = {"id": "DeadRelu", "layer": "output", "severity": "error"}
    unknown = {"id": "SomethingElse", "severity": "error"}
    mild = {"id": "loss_mismatch", "severity": "info"}
    gone = {"id": "loss_mismatch", "severity": "error", "cleared": True}
    consequence = {"id": "dead_units", "layer": "hidden_1", "severity": "error", "root": False}
    scored = answered(dead=[astray], mismatch=[mild, gone], both=[consequence, unknown], twin=[unknown], other=[])
    assert (hits(scored, "alarm"), hits(scored, "named")) == ((2, 3), (2, 3))
    assert (hits(scored, "own diagnosis"), hits(scored, "root first"), hits(scored, "layer")) == (
        *((1, 3), (1, 3), (1, 2)),
    )
    assert [share["hits"] for share in scored["false alarms"].values()] == [1, 0]
    assert scored["unanswered"] == 2


def test_an_earlier_root_names_the_fault_and_twins_that_share_what_was_set_are_no_healthy_bases() -> None:
    earlier = {"id": "initialization_scale"}  # what a tool does not tell is a root and an error
    scored = answered(dead=[earlier], **{"narrow twin": [earlier]})
    assert [hits(scored, part) for part in ("alarm", "named", "own diagnosis", "root first")] == [
        *((1, 3), (1, 3), (0, 3), (1, 3)),
    ]
    assert [(share["hits"], share["total"]) for share in scored["false alarms"].values()] == [(0, 1), (0, 1)]


@pytest.mark.parametrize(
    ("data", "where"),
    [
        ([], 'a list "runs"'),
        ({"runs": [{}]}, "runs[0]"),
        ({"runs": [{"run": "a", "findings": None}]}, 'a list "findings"'),
        ({"runs": [{"run": "a", "findings": [{"layer": "x"}]}]}, "runs[0].findings[0]"),
        ({"runs": [{"run": "a", "findings": [{"id": "x", "severity": "fatal"}]}]}, "'fatal' is not one of"),
    ],
)
def test_answers_of_another_form_are_refused_with_their_place(data: Any, where: str) -> None:
    with pytest.raises(AnswersError) as refused:
        read_answers(data, {}, "warning")
    assert where in str(refused.value)
