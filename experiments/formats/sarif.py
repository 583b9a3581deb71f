"""A check as SARIF 2.1.0, for code scanning: a rule per diagnosis, a result per finding at the config's line.

Where a training was watched in a loop of the user's own, the line is that of the call.

References:
    OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0 Plus Errata 01", 2023.
"""

import hashlib
import os
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote_from_bytes

from gradvitals import __version__
from gradvitals.diagnostics.diagnoses.catalogue import CATALOGUE
from gradvitals.diagnostics.explain import LEVELS, PARTS, Explanation, explain
from gradvitals.diagnostics.findings import Finding, Severity
from gradvitals.diagnostics.markdown import one_line
from gradvitals.experiments.checking import CheckedRun
from gradvitals.experiments.config.check import LIMITS
from gradvitals.experiments.config.dump import training_hash
from gradvitals.experiments.exits import Exit
from gradvitals.experiments.files import json_text
from gradvitals.experiments.formats.outcome import CheckOutcome, finding_lines, path_gaps, run_gaps
from gradvitals.experiments.formats.places import Source, find_source, project_root, relative_path
from gradvitals.experiments.trials.catalogue import TRIALS

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
FINGERPRINT = "gradvitals/v1"
"""Name of our partial fingerprint; the number changes with what goes into it."""

LEVEL = {Severity.INFO: "note", Severity.WARNING: "warning", Severity.ERROR: "error"}

BASELINE_STATES = {"new": "new", "worse": "updated", "known": "unchanged"}
"""SARIF's words for what became of a finding since a baseline."""

Json: TypeAlias = dict[str, Any]


def sarif_report(outcome: CheckOutcome) -> str:
    """Write the findings of all runs that count into one log."""
    rules = _rules()
    index = {rule["id"]: position for position, rule in enumerate(rules)}
    root = project_root()
    results = []
    for found, run in outcome.counting:
        source = find_source(found, run)
        for finding in outcome.shown(run):
            place = _place(run, finding, source, root)
            results.append({"ruleIndex": index[finding.id], **_result(run, finding), "locations": [place]})
    log = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "gradvitals", "version": __version__, "rules": rules}},
                "invocations": [_invocation(outcome)],
                "automationDetails": {"id": "gradvitals/"},
                "columnKind": "unicodeCodePoints",
                "results": results,
            }
        ],
    }
    return json_text(log)


def _rules() -> list[Json]:
    """Describe every diagnosis by its own words, and every limit."""
    base = documentation(metadata.metadata("gradvitals").get_all("Project-URL") or ())
    return [*(_rule(explain(diagnosis), base) for diagnosis in (*CATALOGUE, *TRIALS)), *map(_limit_rule, LIMITS)]


def documentation(urls: Sequence[str]) -> str | None:
    """Find where the docs are, in the package's own metadata; None where it names no such place."""
    named = dict(url.split(", ", 1) for url in urls if ", " in url)
    return named["Documentation"].rstrip("/") if "Documentation" in named else None


def _rule(explanation: Explanation, base: str | None) -> Json:
    parts = explanation.parts
    levels = [level for level in LEVELS[:3] if not parts[level].lower().startswith("never")]
    written = "\n\n".join(f"**{part}:** {parts[part]}" for part in PARTS)
    return {
        "id": explanation.id,
        "shortDescription": {"text": explanation.headline},
        "fullDescription": {"text": f"{parts['Symptom']} {parts['Cause']}"},
        "help": {"text": "\n".join(f"{part}: {parts[part]}" for part in PARTS), "markdown": written},
        **({} if base is None else {"helpUri": f"{base}/diagnoses/{explanation.id}.md"}),
        "defaultConfiguration": {"level": LEVEL[Severity[levels[-1].upper()]] if levels else "note"},
        "properties": {"tier": explanation.tier, "tags": [explanation.tier]},
    }


def _limit_rule(name: str) -> Json:
    text = f"The limit {name} of [check] is exceeded."
    return {
        "id": name,
        "shortDescription": {"text": text},
        "fullDescription": {"text": f"{text} It is a limit of your own, not a diagnosis."},
        "help": {"text": "Loosen the limit, or mend the run."},
        "defaultConfiguration": {"level": "error"},
        "properties": {"tier": "fact", "tags": ["limit"]},
    }


def _result(run: CheckedRun, finding: Finding) -> Json:
    """Write a finding, with what is measured of it as properties."""
    exemption = run.ignored.get(finding.key)
    suppression = {} if exemption is None else {"justification": exemption.text, "status": "accepted"}
    state = None if run.baseline is None else run.baseline.states.get(finding.key)
    return {
        "ruleId": finding.id,
        "level": LEVEL[finding.severity],
        "message": {"text": f"{run.name}: " + "\n".join(finding_lines(finding))},
        "partialFingerprints": {FINGERPRINT: fingerprint(run, finding)},
        **({} if state is None else {"baselineState": BASELINE_STATES[state]}),
        "suppressions": [{"kind": "inSource", **suppression}] if suppression else [],
        "properties": {
            "run": run.name,
            "layer": finding.layer,
            "tier": finding.tier,
            "failsCheck": finding.key in run.failing,
            "explainedBy": finding.explained_by,
            "firstStep": finding.first_step,
            "lastStep": finding.last_step,
            "value": finding.value,
            "threshold": finding.threshold,
            "margin": finding.margin,
            "harm": None if finding.harm is None else {"value": finding.harm.value, "se": finding.harm.se},
        },
    }


def fingerprint(run: CheckedRun, finding: Finding) -> str:
    """Tell what is the same finding in another run of the same config: neither its seed nor its limits matter.

    A run without a config is known by its name.
    """
    origin = run.name if run.config is None else training_hash(run.config, 64)
    return hashlib.sha256(f"{origin}\0{finding.key}".encode(errors="replace")).hexdigest()


def _place(run: CheckedRun, finding: Finding, source: Source | None, root: Path) -> Json:
    """Say where to look: in the config or the code, in the run, in the layer."""
    region = {} if source is None else {"region": {"startLine": source.line_of(finding)}}
    uri = _uri(run.folder if source is None else source.path, root)
    name = run.name if finding.layer is None else f"{run.name}/{finding.layer}"
    return {
        "physicalLocation": {"artifactLocation": {"uri": uri}, **region},
        "logicalLocations": [
            {
                "name": finding.layer or run.name,
                "fullyQualifiedName": name,
                "kind": "object" if finding.layer is None else "member",
            }
        ],
    }


def _uri(path: Path, root: Path) -> str:
    below = relative_path(path, root)
    return path.resolve().as_uri() if below is None else quote_from_bytes(os.fsencode(below))


def _invocation(outcome: CheckOutcome) -> Json:
    """Say whether the check could do its work, and of what it could not judge."""
    told = [sentence for refused in outcome.refused for sentence in refused.sentences]
    told += [f"{found.path}: {gap}" for found in outcome.checked for gap in path_gaps(found)]
    told += [f"{run.name}: {id_}: {gap}" for _, run in outcome.counting for id_, gap in run_gaps(run).items()]
    warned = [f"{run.name}: {text}" for _, run in outcome.counting for text in (*run.notes, *run.warnings)]
    return {
        "executionSuccessful": outcome.exit in {Exit.DONE, Exit.FAILED},
        "exitCode": int(outcome.exit),
        "toolExecutionNotifications": [
            *({"level": "error", "message": {"text": one_line(text)}} for text in told),
            *({"level": "warning", "message": {"text": one_line(text)}} for text in warned),
        ],
    }
