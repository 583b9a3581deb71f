"""The cases that the benchmark of repairs is made of."""

import pytest
from repair_bases import Part, bases
from repair_cases import cases
from repairs import load_case

from gradvitals.experiments.config.dump import training_hash


@pytest.mark.parametrize("part", ["bundled", "tuning", "held_out"])
def test_every_case_differs_from_its_twin_and_has_a_name_of_its_own(part: Part) -> None:
    found = list(cases(part))
    assert len({case.name for case in found}) == len(found) > 50
    for case in found:
        sick, twin = load_case(case.config, case.sick).config, load_case(case.twin, case.twin_sick).config
        assert training_hash(sick) != training_hash(twin), case.name


def test_what_is_held_out_is_not_what_was_tuned_on() -> None:
    tuning, held_out = (
        {training_hash(load_case(base.table, ()).config) for base in bases(part)} for part in ("tuning", "held_out")
    )
    assert len(tuning) > 50
    assert len(held_out) >= 9
    assert not tuning & held_out


def test_every_base_can_have_one_fault_and_two() -> None:
    counts = {(case.name.split(":")[0], case.count) for case in cases("tuning")}
    assert counts == {(base.name, count) for base in bases("tuning") for count in (1, 2)}
