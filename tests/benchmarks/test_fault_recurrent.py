"""The fault bench of recurrent networks: its bases, its doses, and what is said of real ones."""

import argparse
from collections import Counter
from pathlib import Path

import pytest
from campaign import Job, run_jobs
from fault_bases import Base
from fault_injections import HALVES, SEEDS, Injection
from fault_judging import judge_fault
from fault_recurrent import sound_bases
from recurrent_kinds import RECURRENT_FAULTS, recurrent_bases
from zoo_training import load_record, record_path

from gradvitals.experiments.config.load import parse_config

BASES = {base.name: base for base in recurrent_bases()}
ADDING = BASES["adding-8 tanh-16 adam"]
KINDS = {fault.name: fault for fault in RECURRENT_FAULTS}


def injected(base: Base, kind: str, dose: int) -> Injection:
    keys = KINDS[kind].doses(base)[dose - 1]
    return Injection(base, (KINDS[kind],), dose, SEEDS[0], keys)


def test_every_injection_is_a_config_and_both_halves_have_every_kind() -> None:
    kinds = {half: Counter[str]() for half in HALVES}
    for base in BASES.values():
        for fault in RECURRENT_FAULTS:
            doses = fault.doses(base) if fault.fits(base) else []
            assert len(doses) in {0, 5}
            for dose in range(1, len(doses) + 1):
                one = injected(base, fault.name, dose)
                parse_config(one.config)
                kinds[one.half][fault.name] += 1
    assert set(kinds["tuning"]) == set(kinds["held_out"]) == set(KINDS)


def test_small_recurrent_weights_are_given_only_where_memory_is_needed() -> None:
    given = {name.split("-")[0] for name, base in BASES.items() if KINDS["small recurrent weights"].fits(base)}
    assert given == {"delayed_copy", "adding"}


@pytest.mark.parametrize(
    ("kind", "dose", "root"),
    [
        ("large recurrent weights", 3, "recurrent_gain@hidden_1"),
        ("rate too high", 3, "learning_rate_too_high"),
        ("rate too low", 3, "learning_rate_too_low"),
        ("large input weights", 4, "initialization_scale@hidden_1"),
    ],
)
def test_near_targets_do_not_hide_what_ails_a_network(kind: str, dose: int, root: str, tmp_path: Path) -> None:
    """The sums of `adding` are 2.4 standard deviations from 0, and as near to it as standardised targets are."""
    one = injected(ADDING, kind, dose)
    run_jobs([Job(one.key, one.config)], tmp_path, workers=1)
    told = judge_fault(one, load_record(record_path(tmp_path, one.key)), harm=1.0, harmful=True)
    assert told.named
    assert told.root_first
    assert told.alarms[0].partition(" ")[2] == root


def test_only_networks_that_train_well_with_every_seed_are_bases(tmp_path: Path) -> None:
    short = {**ADDING.config, "training": {**ADDING.config["training"], "epochs": 1}}
    options = argparse.Namespace(out=tmp_path, rejudge=False, workers=1)
    assert sound_bases([Base("short", short, "r2"), ADDING], options) == [ADDING]
