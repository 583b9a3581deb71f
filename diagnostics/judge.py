"""Judgement: a record in, a verdict out; the same function live, at the end of a run, and on a log read back."""

from collections.abc import Sequence

from gradvitals.diagnostics.diagnoses.base import Diagnosis
from gradvitals.diagnostics.diagnoses.catalogue import CATALOGUE
from gradvitals.diagnostics.findings import Verdict
from gradvitals.diagnostics.gate import judge_gate
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.roots import explain


def judge(record: Record, diagnoses: Sequence[Diagnosis] = CATALOGUE) -> Verdict:
    """Let every diagnosis judge the record, and order what they find by cause."""
    gate = judge_gate(record)
    judgements = tuple(diagnosis.judge(record, gate) for diagnosis in diagnoses)
    findings = [finding for judgement in judgements for finding in judgement.findings]
    return Verdict(judgements, explain(findings, record.context))
