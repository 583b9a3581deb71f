"""What of a run is reported, in which order: the same in all formats."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from gradvitals.diagnostics.findings import Finding, Severity
from gradvitals.experiments.checking import CheckedRun
from gradvitals.experiments.ignoring import Exemption


def keys(shown: tuple[Finding, ...]) -> list[str]:
    return [finding.key for finding in shown]


def test_info_is_shown_to_those_who_ask_and_where_it_fails_or_is_ignored(
    make_outcome: Any, runs: dict[str, CheckedRun]
) -> None:
    healthy = runs["healthy"]
    (info,) = healthy.verdict.findings
    exemption = Exemption(info.key, "known", date(2030, 1, 2), "active")
    assert keys(make_outcome().shown(healthy)) == []
    assert keys(make_outcome(verbose=True).shown(healthy)) == [info.key]
    assert keys(make_outcome().shown(replace(healthy, failing=frozenset({info.key})))) == [info.key]
    assert keys(make_outcome().shown(replace(healthy, ignored={info.key: exemption}))) == [info.key]
    cleared = replace(healthy.verdict, findings=(replace(info, severity=Severity.ERROR, cleared=True),))
    assert keys(make_outcome(verbose=True).shown(replace(healthy, verdict=cleared))) == []


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (2, 1, 0)], ids=str)
def test_a_root_is_followed_by_what_it_explains(
    order: tuple[int, ...], make_outcome: Any, runs: dict[str, CheckedRun]
) -> None:
    root, consequence, other, _ = runs["sick"].verdict.findings
    findings = tuple((root, consequence, other)[place] for place in order)
    shown = make_outcome().shown(replace(runs["sick"], verdict=replace(runs["sick"].verdict, findings=findings)))
    assert keys(shown).index(consequence.key) == keys(shown).index(root.key) + 1
    assert sorted(keys(shown)) == sorted(keys(findings))
