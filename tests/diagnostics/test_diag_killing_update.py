"""What the finding of dead units says of the update that killed one: only what is known to the update."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from gradvitals.diagnostics.diagnoses.dead_units import DeadUnits
from gradvitals.diagnostics.judge import judge
from gradvitals.diagnostics.markdown import verdict_markdown
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.notes import Ending, Probe, Scan
from gradvitals.diagnostics.unit_death import UnitDeath

DEATH = UnitDeath(
    step=100,
    layer="hidden_1",
    unit=2,
    found=3,
    fired_after=20,
    silent_after=21,
    certain=True,
    of="pre_activations",
    rows=100,
    fired_rows=40,
    edges=(-2.0, 0.0, 1.5),
    before=(60, 40),
    after=(100, 0),
    largest_before=1.5,
    largest_with_new_bias=-1.6,
    largest_with_new_weights=1.25,
    largest_with_both=-1.85,
    largest_after=-1.85,
    bias_before=0.1,
    bias_after=-3.0,
    weight_norm_before=1.25,
    weight_norm_after=1.5,
    weight_change=0.5,
)
SENTENCE = (
    "; update 21 killed unit 2: its bias went from 0.1 to -3, its weights changed by 0.5 (their norm was 1.25), its"
    " largest pre-activation fell from 1.5 to -1.85"
)


@pytest.fixture
def judged(make_context: Callable[..., Context], make_probe: Callable[..., Probe]) -> Callable[..., Record]:
    def make(*deaths: UnitDeath, later: tuple[int, ...] = (1, 2, 5)) -> Record:
        record = Record(make_context())
        for step, dead in ((0, ()), (100, (1, 2, 5)), (200, later)):
            record.add(make_probe(step, loss_ratio=0.5, gain=0.5, gain_se=0.01))
            record.add(Scan(step, 100, {"hidden_1": dead}))
        for death in deaths:
            record.add(death)
        record.add(Ending(300, "completed"))
        return record

    return make


def evidence(record: Record) -> str:
    (finding,) = judge(record, [DeadUnits()]).findings
    return finding.evidence


def test_the_update_that_killed_a_unit_is_told_with_what_it_did(judged: Callable[..., Record]) -> None:
    record = judged(DEATH)
    assert evidence(record).endswith(SENTENCE)
    assert SENTENCE in verdict_markdown(judge(record, [DeadUnits()]))


def test_of_several_the_one_is_told_that_fired_on_most_rows(judged: Callable[..., Record]) -> None:
    assert "killed unit 5" in evidence(judged(DEATH, replace(DEATH, unit=5, fired_rows=60)))
    assert "killed unit 2" in evidence(judged(replace(DEATH, unit=5, fired_rows=20), DEATH))


@pytest.mark.parametrize(
    "changes",
    [
        {"fired_after": 15},
        {"certain": False},
        {"fired_after": None, "silent_after": 0},
        {"fired_rows": 0},
        {"fired_rows": None},
        {"layer": "hidden_2"},
        {"step": 250},
        {"unit": 7},
    ],
    ids=str,
)
def test_what_is_not_known_to_the_update_is_not_told(changes: dict[str, int], judged: Callable[..., Record]) -> None:
    assert "killed" not in evidence(judged(replace(DEATH, **changes)))  # type: ignore[arg-type]


def test_a_unit_that_fires_again_is_not_told_of(judged: Callable[..., Record]) -> None:
    assert "killed" not in evidence(judged(DEATH, later=(1, 5)))


def test_only_the_last_death_of_a_unit_counts(judged: Callable[..., Record]) -> None:
    again = replace(DEATH, step=200, fired_after=130, silent_after=150)
    assert "killed" not in evidence(judged(DEATH, again))


def test_a_unit_without_a_bias_has_none_told(judged: Callable[..., Record]) -> None:
    note = replace(DEATH, bias_before=None, bias_after=None, largest_with_new_bias=None)
    assert "killed unit 2: its weights changed by 0.5" in evidence(judged(note))


def test_layers_below_are_named_where_the_unit_alone_would_still_fire(judged: Callable[..., Record]) -> None:
    assert "what it gets from the layers below changed" in evidence(judged(replace(DEATH, largest_with_both=0.4)))


def test_a_unit_of_which_only_outputs_are_seen_is_told_without_pre_activations(judged: Callable[..., Record]) -> None:
    names = [name for name in UnitDeath.__dataclass_fields__ if name.startswith("largest")]
    note = replace(DEATH, of="outputs", **dict.fromkeys(names))  # type: ignore[arg-type]
    assert evidence(judged(note)).endswith(SENTENCE.partition(", its largest")[0])
    without = replace(note, weight_norm_before=None, weight_change=None, bias_before=None)
    assert evidence(judged(without)).endswith("; update 21 killed unit 2")
