"""A diagnosis as plain data: every part of its docstring, and every field with its value."""

from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import pytest

from gradvitals.diagnostics.diagnoses.base import Diagnosis
from gradvitals.diagnostics.diagnoses.catalogue import CATALOGUE
from gradvitals.diagnostics.diagnoses.dead_units import DeadUnits
from gradvitals.diagnostics.explain import PARTS, TIERS, Explanation, Threshold, explain
from gradvitals.diagnostics.findings import Tier


@dataclass(frozen=True, slots=True)
class Judgeless:
    """Stands for a diagnosis whose docstring is under test."""

    id: ClassVar[str] = "judgeless"
    tier: ClassVar[Tier] = "hint"
    events: ClassVar[tuple[str, ...]] = ()
    limit: float = 2.0


def documented(doc: str | None) -> Any:
    return type("Documented", (Judgeless,), {"__doc__": doc})()


WHOLE = """Symptom: q falls, and
    falls: to 0. Then it stays.

    Cause: a cause: with a colon.
    Cure: wait.
    Info: any.
    Warning: much.
    Error: q below 1.
    Clear: none.
    Needs: a record.
    Source: nobody.

    Attributes:
        limit: Above which
            it is: much.
    """


@pytest.mark.parametrize("diagnosis", CATALOGUE, ids=lambda diagnosis: str(diagnosis.id))
def test_every_diagnosis_has_all_parts(diagnosis: Any) -> None:
    explained = explain(diagnosis)
    assert (explained.id, explained.tier) == (diagnosis.id, diagnosis.tier)
    assert explained.tier in TIERS
    for text in explained.parts.values():
        assert text.endswith((".", ".)"))
        assert "\n" not in text
        assert "  " not in text
    assert [(limit.name, limit.value) for limit in explained.thresholds] == [
        (field.name, field.default) for field in fields(diagnosis)
    ]
    assert all(limit.meaning.endswith(".") for limit in explained.thresholds)


def test_parts_and_meanings_are_read_over_several_lines_and_colons() -> None:
    explained = explain(documented(WHOLE))
    assert explained == Explanation(
        "judgeless",
        "hint",
        {
            "Symptom": "q falls, and falls: to 0. Then it stays.",
            "Cause": "A cause: with a colon.",
            "Cure": "Wait.",
            "Info": "Any.",
            "Warning": "Much.",
            "Error": "q below 1.",
            "Clear": "None.",
            "Needs": "A record.",
            "Source": "Nobody.",
        },
        (Threshold("limit", 2.0, "Above which it is: much."),),
    )
    assert tuple(explained.parts) == PARTS
    assert explained.headline == "q falls, and falls: to 0."


def test_the_values_are_those_of_the_diagnosis_given() -> None:
    configured: Diagnosis = replace(DeadUnits(), warn=0.75)
    assert explain(configured).thresholds[0].value == 0.75


@pytest.mark.parametrize(
    ("doc", "sentence"),
    [
        (None, "Documented: its docstring has no Symptom, Cause, Cure, Info, Warning, Error, Clear, Needs, Source;"),
        (WHOLE.replace("Cure:", "Remedy:"), "Documented: its docstring has no Cure;"),
        (WHOLE.replace("Clear: none.", "").replace("Needs:", "Need:"), "its docstring has no Clear, Needs;"),
        (WHOLE.replace("nobody.", ""), "Documented: its docstring has no Source;"),
        (WHOLE.replace("limit:", "limits:"), "Attributes explains limits, but its fields are limit"),
        (WHOLE.partition("Attributes")[0], "Attributes explains none, but its fields are limit"),
    ],
    ids=["no docstring", "a part of another name", "two parts", "an empty part", "another field", "no fields"],
)
def test_an_incomplete_docstring_is_told(doc: str | None, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        explain(documented(doc))
