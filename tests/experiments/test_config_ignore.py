"""How `[check.ignore]` is written: what it takes, what it refuses, and that a run's files keep it."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from gradvitals.diagnostics.tensorboard.run_record import read_record
from gradvitals.experiments.config.check import LIMITS, CheckConfig, Ignore
from gradvitals.experiments.config.diagnostics import DIAGNOSIS_IDS
from gradvitals.experiments.config.dump import as_plain, config_hash, dump
from gradvitals.experiments.config.load import loads, parse_config
from gradvitals.experiments.config.root import Config
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.plan import expand

DATA = '[data]\nsource = "digits"\n'
LAST = date(2027, 3, 1)


def table(key: str, until: str = "2027-03-01", why: str = "sparse codes\\nare intended") -> str:
    return f'[check.ignore."{key}"]\nwhy = "{why}"\nuntil = {until}\n'


def test_every_limit_can_be_ignored() -> None:
    assert set(LIMITS) == CheckConfig.model_fields.keys() - {"fail_on", "ignore"}


@pytest.mark.parametrize("key", [*DIAGNOSIS_IDS, *LIMITS, "dead_units@hidden_2", "dead_units@encoder.0.mlp"])
def test_what_can_be_found_can_be_ignored_and_survives_a_dump(key: str) -> None:
    config = loads(DATA + table(key))
    assert config.check.ignore == {key: Ignore(why="sparse codes\nare intended", until=LAST)}
    again = loads(dump(config))
    assert again == config
    assert dump(again) == dump(config)
    assert config_hash(again) == config_hash(config)
    assert Config.model_validate(as_plain(config)) == config
    assert [run.config for run in expand(config)] == [config]


def test_the_hash_covers_every_part_of_an_exception_and_not_an_empty_table() -> None:
    texts = [
        "",
        "[check.ignore]",
        table("dead_units"),
        table("no_learning"),
        table("dead_units", "2027-03-02"),
        table("dead_units", why="else"),
        table("dead_units") + table("no_learning"),
        table("no_learning") + table("dead_units"),
    ]
    hashes = [config_hash(loads(DATA + text)) for text in texts]
    assert hashes[0] == hashes[1]
    assert hashes[6] == hashes[7]
    assert len(set(hashes)) == 6
    assert "ignore" not in dump(loads(DATA + "[check.ignore]"))


def test_what_a_run_records_of_its_config_has_dates_as_text(trained: Callable[..., Path]) -> None:
    folder = trained("", "check.ignore.dead_units.until=2027-03-01", "check.ignore.dead_units.why=known")
    context = read_record(folder).record.context
    assert context is not None
    assert context.config is not None
    assert context.config["check.ignore.dead_units.until"] == "2027-03-01"
    assert "until = 2027-03-01" in (folder / "config.toml").read_text(encoding="utf-8")


MISSING = (
    'missing: an exception needs a reason and an end, such as why = "sparse codes are intended" and until = 2027-03-01'
)
UNTIL = '[check.ignore.dead_units]\nwhy = "known"\nuntil = '

MALFORMED = {
    "no reason": ("[check.ignore.dead_units]\nuntil = 2027-03-01", f"dead_units.why: {MISSING}"),
    "no end": ('[check.ignore.dead_units]\nwhy = "known"', f"dead_units.until: {MISSING}"),
    "neither": ("[check.ignore.dead_units]", f"dead_units.why: {MISSING}"),
    "an empty reason": (table("dead_units", why=""), "dead_units.why: must not be empty: an exception needs a reason"),
    "a blank reason": (
        table("dead_units", why=" \\n"),
        "dead_units.why: must not be empty: an exception needs a reason",
    ),
    "a number for a reason": (
        "[check.ignore.dead_units]\nwhy = 3\nuntil = 2027-03-01",
        "dead_units.why: 3 is not text in quotes",
    ),
    "a date in quotes": (UNTIL + '"2027-03-01"', "dead_units.until: '2027-03-01' is not a date — remove the quotes"),
    "a word": (UNTIL + '"soon"', "dead_units.until: 'soon' is not a date — write it as in until = 2027-03-01"),
    "no such day": (
        UNTIL + '"2027-02-30"',
        "dead_units.until: '2027-02-30' is not a date — write it as in until = 2027-03-01",
    ),
    "a number": (UNTIL + "20270301", "dead_units.until: 20270301 is not a date — write it as in until = 2027-03-01"),
    "a time": (UNTIL + "10:00:00", "dead_units.until: 10:00:00 is not a date — write it as in until = 2027-03-01"),
    "a date with a time": (
        UNTIL + "2027-03-01T10:00:00Z",
        "dead_units.until: 2027-03-01 10:00:00+00:00 is a date with a time; it takes a date alone, as in until = 2027",
    ),
    "a misspelt diagnosis": (
        table("dead_unit"),
        "dead_unit: no diagnosis and no limit has the id 'dead_unit' — did you mean 'dead_units'?",
    ),
    "a misspelt diagnosis of a layer": (
        table("ded_units@hidden_1"),
        "ded_units@hidden_1: no diagnosis and no limit has the id 'ded_units' — did you mean 'dead_units'?",
    ),
    "a misspelt limit": (table("max_ded"), "did you mean 'max_dead'?"),
    "an id like no other": (
        table("zyxw"),
        "has the id 'zyxw'; `gradvitals explain` lists the diagnoses, the limits are max_dead,",
    ),
    "a layer alone": (table("@hidden_1"), "no diagnosis and no limit has the id ''"),
    "no layer": (
        table("dead_units@"),
        "the layer is missing — write dead_units@hidden_1, or dead_units for all layers",
    ),
    "a limit of a layer": (
        table("max_dead@hidden_1"),
        "a limit holds for the worst layer, whichever it is — write max_dead without a layer",
    ),
    "a misspelt key": (UNTIL.replace("until", "untill") + "2027-03-01", "untill: no such key — did you mean 'until'?"),
    "a key like no other": (table("dead_units") + "zyxw = 1", "zyxw: no such key; an exception has why and until"),
    "no table": ("[check.ignore]\ndead_units = true", "dead_units: true is not a table"),
    "no tables": ("[check]\nignore = 3", "check.ignore: 3 is not a table"),
    "a list": ('[check]\nignore = ["dead_units"]', "check.ignore: ['dead_units'] is not a table"),
    "the terms without an id": (
        '[check.ignore]\nwhy = "x"\nuntil = 2027-03-01',
        "check.ignore.why: stands below the id of what is ignored, as in [check.ignore.dead_units]",
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_exception_is_told_in_one_sentence(name: str) -> None:
    text, wanted = MALFORMED[name]
    with pytest.raises(UserError) as raised:
        loads(DATA + text, "my.toml")
    (sentence,) = raised.value.sentences
    assert sentence.startswith("my.toml: check.ignore")
    assert wanted in sentence
    assert "\n" not in sentence
    assert len(sentence) < 300


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["check.ignore.dead_units.until=2027-03-01", "check.ignore.dead_units.why=is known"], "dead_units"),
        (["check.ignore.dead_units={why = 'is known', until = 2027-03-01}"], "dead_units"),
        (["check.ignore.dead_units@hidden_1={why = 'is known', until = 2027-03-01}"], "dead_units@hidden_1"),
        (["check.ignore={'dead_units@a.0' = {why = 'is known', until = 2027-03-01}}"], "dead_units@a.0"),
    ],
    ids=["key by key", "a table", "of a layer", "of a layer with dots"],
)
def test_an_exception_can_be_set_from_the_command_line(overrides: list[str], expected: str) -> None:
    config = parse_config({"data": {"source": "digits"}}, "my.toml", overrides)
    assert config.check.ignore == {expected: Ignore(why="is known", until=LAST)}


def test_an_override_can_move_the_end(gradvitals: Callable[..., Any], config: Callable[..., str]) -> None:
    name = config(table("dead_units"))
    said = gradvitals("check", name, "--set", "check.ignore.dead_units.until=2027-3-1")
    assert said.code == 2
    assert said.sentences == [
        "gradvitals: --set: check.ignore.dead_units.until: '2027-3-1' is not a date — write it as in until = 2027-03-01"
    ]
    assert gradvitals("check", name, "--workers", "1", "--set", "check.ignore.dead_units.until=2027-03-02").code == 0
