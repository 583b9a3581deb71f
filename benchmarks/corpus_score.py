"""Scores what any tool says of the open trace corpus: false alarms, recall, root first, layer, with intervals.

    python benchmarks/corpus_score.py FOLDER ANSWERS.json [--ids IDS.json] [--at warning] [--json FILE]

ANSWERS.json is `{"version": 1, "runs": [{"run": KEY, "findings": [{"id", "layer", "severity", "root"}, …]}]}`, as
`gradvitals check --format json` writes it; of the rest of a finding only `cleared` is looked at. A run without an
answer counts as silence, and is counted. IDS.json translates a tool's own names: `{"DeadRelu": "dead_units", …}`; a
name that it has not stays an alarm that names nothing.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intervals import Share

SEVERITIES = ("info", "warning", "error")
INDEX = "index.json"


class AnswersError(Exception):
    """The answers are not of the form that can be scored; says where."""


@dataclass(frozen=True, slots=True)
class Said:
    """A finding that counts.

    Attributes:
        id: The diagnosis, in the corpus's words where it could be translated.
        layer: Where; None for the whole run.
        root: Whether the tool calls it a cause; a tool that does not tell calls everything one.
    """

    id: str
    layer: str | None
    root: bool


def read_answers(data: Any, ids: Mapping[str, str], at: str) -> dict[str, list[Said]]:  # noqa: ANN401 - any JSON
    """Read a tool's answers by run, findings in its order.

    Args:
        data: The content of ANSWERS.json.
        ids: Translations of the tool's names.
        at: The least severity that counts.

    Raises:
        AnswersError: If it is of another form.
    """
    if not isinstance(data, dict) or not isinstance(data.get("runs"), list):
        msg = 'answers: an object with a list "runs" is wanted'
        raise AnswersError(msg)
    answers: dict[str, list[Said]] = {}
    for place, run in enumerate(data["runs"]):
        if not isinstance(run, dict) or not isinstance(run.get("run"), str):
            msg = f'answers: runs[{place}]: an object with a text "run" is wanted'
            raise AnswersError(msg)
        findings = run.get("findings", [])
        if not isinstance(findings, list):
            msg = f'answers: runs[{place}]: a list "findings" is wanted'
            raise AnswersError(msg)
        answers[run["run"]] = [
            said
            for number, finding in enumerate(findings)
            if (said := _read_finding(finding, ids, at, f"runs[{place}].findings[{number}]")) is not None
        ]
    return answers


def _read_finding(finding: Any, ids: Mapping[str, str], at: str, where: str) -> Said | None:  # noqa: ANN401 - any JSON
    if not isinstance(finding, dict) or not isinstance(finding.get("id"), str):
        msg = f'answers: {where}: an object with a text "id" is wanted'
        raise AnswersError(msg)
    severity = finding.get("severity", "error")
    if severity not in SEVERITIES:
        msg = f"answers: {where}.severity: {severity!r} is not one of {', '.join(SEVERITIES)}"
        raise AnswersError(msg)
    if finding.get("cleared") or SEVERITIES.index(severity) < SEVERITIES.index(at):
        return None
    return Said(ids.get(finding["id"], finding["id"]), finding.get("layer"), bool(finding.get("root", True)))


def score(entries: Sequence[Mapping[str, Any]], answers: Mapping[str, Sequence[Said]]) -> dict[str, Any]:
    """Score answers against what the corpus's index says of its runs.

    Returns:
        Shares as plain data: `false alarms` on the healthy bases, and on injections without harm; of harmful injections
        `alarm`, `named` (a right root's id is among the findings), `own diagnosis` (of two faults, both), `root first`
        (the first finding called a root is a right one) and `layer` (of the diagnoses found that have one); the same by
        diagnosis; and the runs without an answer.
    """
    healthy = [entry for entry in entries if not entry["faults"] and not entry["set"]]
    harmless = [entry for entry in entries if entry["faults"] and not entry["harm"]["harmful"]]
    harmful = [entry for entry in entries if entry["harm"]["harmful"]]
    single = [entry for entry in harmful if len(entry["faults"]) == 1]
    names = dict.fromkeys(entry["faults"][0]["diagnosis"] for entry in single)
    return {
        "runs": len(entries),
        "unanswered": sum(entry["run"] not in answers for entry in entries),
        "false alarms": {
            "healthy twins": _share([bool(answers.get(entry["run"])) for entry in healthy]),
            "injections without harm": _share([bool(answers.get(entry["run"])) for entry in harmless]),
        },
        "harmful": _of_harmful(harmful, answers),
        "by diagnosis": {
            name: _of_harmful([entry for entry in single if entry["faults"][0]["diagnosis"] == name], answers)
            for name in names
        },
    }


def _of_harmful(entries: Sequence[Mapping[str, Any]], answers: Mapping[str, Sequence[Said]]) -> dict[str, Any]:
    alarm, named, own, root, layer = [], [], [], [], []
    for entry in entries:
        said = answers.get(entry["run"], ())
        right = {name for fault in entry["faults"] for name in fault["roots"]}
        wanted = {fault["diagnosis"]: fault["layer"] for fault in entry["faults"]}
        first = next((each for each in said if each.root), None)
        alarm.append(bool(said))
        named.append(any(each.id in right for each in said))
        own.append({each.id for each in said} >= wanted.keys())
        root.append(first is not None and first.id in right)
        placed = [each.layer == wanted[each.id] for each in said if wanted.get(each.id) is not None]
        layer += [any(placed)] if placed else []
    parts = {"alarm": alarm, "named": named, "own diagnosis": own, "root first": root, "layer": layer}
    return {name: _share(values) for name, values in parts.items()}


def _share(values: Sequence[bool]) -> dict[str, Any]:
    return Share(sum(values), len(values)).to_json()


def print_scores(scored: Mapping[str, Any]) -> None:
    """Print the shares with their two-sided 95 % Clopper–Pearson intervals."""
    print(f"{scored['runs']} runs, {scored['unanswered']} without an answer")
    for part, share in scored["false alarms"].items():
        print(f"  alarms on {part}: {Share.from_json(share)}")
    for name, parts in {"harmful injections": scored["harmful"], **scored["by diagnosis"]}.items():
        print(name)
        for part, share in parts.items():
            print(f"  {part}: {Share.from_json(share)}")


def main() -> int:
    """Read, score, print."""
    options = _options()
    entries = json.loads((options.folder / INDEX).read_text(encoding="utf-8"))["runs"]
    ids = {} if options.ids is None else json.loads(options.ids.read_text(encoding="utf-8"))
    try:
        answers = read_answers(json.loads(options.answers.read_text(encoding="utf-8")), ids, options.at)
    except AnswersError as error:
        print(error, file=sys.stderr)
        return 2
    scored = score(entries, answers)
    print_scores(scored)
    if options.json is not None:
        options.json.write_text(json.dumps(scored, indent=1) + "\n", encoding="utf-8")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of the corpus")
    parser.add_argument("answers", type=Path, metavar="ANSWERS.json", help="what the tool says")
    parser.add_argument("--ids", type=Path, metavar="IDS.json", help="the tool's names in the corpus's words")
    parser.add_argument("--at", choices=SEVERITIES, default="warning", help="the least severity that counts")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the scores here too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
