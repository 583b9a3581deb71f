"""Interventions on small sick networks: what lifts the impairment, what vanishes with it, what is refuted."""

from pathlib import Path

import numpy as np
import pytest

from gradvitals.diagnostics.diagnoses.catalogue import CATALOGUE
from gradvitals.experiments.config.load import LoadedConfig, loads
from gradvitals.experiments.intervention.arms import RATE, touches
from gradvitals.experiments.intervention.as_json import to_json
from gradvitals.experiments.intervention.catalogue import CUSTOMARY_RATES, FACTORS
from gradvitals.experiments.intervention.conclusion import Conclusion, conclude
from gradvitals.experiments.intervention.confirm import try_on
from gradvitals.experiments.intervention.evidence import Intervention
from gradvitals.experiments.intervention.show import how_lines, intervention_lines, table_of

MOONS = """
[data]
source = "moons"
n = 300
[model]
hidden = [12]
{model}
[training]
batch_size = 32
epochs = 30
{training}
"""
SGD = 'optimizer = {kind = "sgd", learning_rate = 0.3}'
DEAD = 'bias_init = {kind = "constant", value = -100.0}'


def intervened(model: str, training: str, *, seeds: int = 5) -> tuple[Intervention, Conclusion]:
    loaded = LoadedConfig(loads(MOONS.format(model=model, training=training)), "test", Path())
    found = try_on(loaded, seeds, 1)
    return found, conclude(found)


@pytest.fixture(scope="module")
def dead() -> tuple[Intervention, Conclusion]:
    return intervened(DEAD, SGD)


@pytest.fixture(scope="module")
def few() -> tuple[Intervention, Conclusion]:
    return intervened(DEAD, SGD, seeds=2)


@pytest.fixture(scope="module")
def dead_and_slow() -> tuple[Intervention, Conclusion]:
    return intervened(DEAD, 'optimizer = {kind = "sgd", learning_rate = 1e-6}')


def test_the_smallest_change_that_lifts_the_impairment_is_the_cure(dead: tuple[Intervention, Conclusion]) -> None:
    found, concluded = dead
    assert concluded.cure is not None
    assert dict(concluded.cure.arm.changes) == {"model.bias_init": "zeros"}
    effect = concluded.cure.effect
    assert effect is not None
    assert (effect.seeds, effect.better) == (5, 5)
    assert effect.is_better
    assert found.seeds == (1, 2, 3, 4, 5)
    assert concluded.cure.impaired == 0


def test_the_root_is_what_prescribed_the_cure_and_the_rest_vanishes_with_it(
    dead: tuple[Intervention, Conclusion],
) -> None:
    found, concluded = dead
    assert concluded.root is not None
    assert concluded.root.key == "dead_units@hidden_1"
    assert {each.key for each in concluded.vanished} == {each.key for each in found.standing} - {"dead_units@hidden_1"}
    explained = {each.key: each.explained_by for each in concluded.verdict.standing if each.severity > 1}
    assert explained.pop("dead_units@hidden_1") is None
    assert set(explained.values()) <= {"dead_units@hidden_1"}


def test_every_prescription_that_was_tried_has_its_outcome(dead: tuple[Intervention, Conclusion]) -> None:
    _, concluded = dead
    root = concluded.verdict.standing[0]
    outcomes = {next(iter(each.set or {}), ""): each.outcome for each in root.prescriptions}
    assert outcomes["model.bias_init"] == "confirmed"
    assert outcomes["model.activation"] == "refuted"  # a leaky unit 100 below zero still hardly moves


def test_the_control_and_the_sane_defaults_are_always_tried(dead: tuple[Intervention, Conclusion]) -> None:
    found, concluded = dead
    arms = to_json(found, concluded)["arms"]
    assert [arm["role"] for arm in arms[:2]] == ["control", "sane_defaults"]
    assert found.sane is not None
    assert sorted(found.control.scores) == sorted(found.sane.scores) == [1, 2, 3, 4, 5]


def test_seeds_that_choose_are_not_those_that_speak(dead: tuple[Intervention, Conclusion]) -> None:
    found, _ = dead
    screened = {seed for each in found.tried for seed in each.screened}
    assert screened
    assert not screened & set(found.seeds)


def test_two_faults_need_two_changes(dead_and_slow: tuple[Intervention, Conclusion]) -> None:
    _, concluded = dead_and_slow
    assert concluded.cure is not None
    assert concluded.cure.arm.keys == 2
    assert "model.bias_init" in concluded.cure.arm.changes


def test_few_seeds_confirm_nothing(few: tuple[Intervention, Conclusion]) -> None:
    found, concluded = few
    said = list(intervention_lines(found, concluded))
    assert not any("confirmed root" in line for line in said)
    assert any(
        line.startswith("root so far: dead_units@hidden_1") and "better in 2 of 2 seeds" in line for line in said
    )
    assert {each.outcome for finding in concluded.verdict.findings for each in finding.prescriptions} == {"untested"}
    assert to_json(found, concluded)["confirmed"] is False


def test_a_healthy_network_is_left_alone() -> None:
    found, concluded = intervened("", SGD)
    assert (found.runs, found.tried, concluded.cure, concluded.root) == (11, [], None, None)
    (said,) = intervention_lines(found, concluded)
    assert said.startswith("the sane defaults would gain nothing: accuracy ")


def test_a_network_that_could_be_better_is_repaired_though_nothing_stands_against_it() -> None:
    ignored = "".join(
        f'[check.ignore.{name}]\nwhy = "known"\nuntil = 2999-01-01\n' for name in (each.id for each in CATALOGUE)
    )
    found, concluded = intervened(DEAD, f"{SGD}\n{ignored}")
    assert found.standing == ()
    assert concluded.cure is not None
    assert concluded.cure.arm.changes == {"model.bias_init": "zeros"}
    assert next(iter(intervention_lines(found, concluded))).startswith("nothing stands against it, and yet")


def test_an_error_that_outlives_a_better_rate_is_cured_with_it() -> None:
    found, concluded = intervened(
        'init = {kind = "constant", value = 0.1}', 'optimizer = {kind = "sgd", learning_rate = 1e-6}'
    )
    assert concluded.cure is not None
    assert concluded.cure.arm.keys == 2
    assert "model.init" in concluded.cure.arm.changes
    assert not found.errors_left(concluded.cure)
    assert concluded.root is not None
    assert concluded.root.id == "symmetric_units"


def test_the_same_intervention_twice_finds_the_same(few: tuple[Intervention, Conclusion]) -> None:
    timed = {"seconds", "times_the_sick_run"}
    first, again = (to_json(*each) for each in (few, intervened(DEAD, SGD, seeds=2)))
    assert first.keys() == again.keys()
    assert all(first[key] == again[key] for key in first.keys() - timed)


@pytest.fixture(scope="module")
def three_faults() -> tuple[Intervention, Conclusion]:
    return intervened(
        f'init = {{kind = "constant", value = 0.1}}\n{DEAD}', 'optimizer = {kind = "sgd", learning_rate = 1e-6}'
    )


def test_where_nothing_cures_the_best_of_what_helps_tells_a_root(
    three_faults: tuple[Intervention, Conclusion],
) -> None:
    found, concluded = three_faults
    assert concluded.cure is None
    assert concluded.lifting is not None
    assert "model.bias_init" in concluded.lifting.keys  # units that fire
    assert any(touches(RATE, key) for key in concluded.lifting.keys)  # and a rate, or an optimizer, that moves them
    assert [each.id for each in found.errors_left(concluded.lifting)] == ["symmetric_units"]
    assert concluded.root is not None
    assert concluded.root.id == "dead_units"


def test_seeds_are_watched_until_the_others_cannot_change_what_most_say(dead: tuple[Intervention, Conclusion]) -> None:
    _, concluded = dead
    assert concluded.cure is not None
    watched = list(concluded.cure.trials.values())
    agree = len({frozenset(trial.alarms) for trial in watched[:3]}) == 1
    assert (len(watched), len(concluded.cure.scores)) == (3 if agree else 4, 5)


def test_a_remark_is_mended_where_nothing_stands_and_that_is_surely_better() -> None:
    config = """
    data = {source = "diabetes", scale_targets = "standard", scale = 1000.0}
    model = {hidden = [16, 8], activation = "tanh", init = "glorot_uniform"}
    training = {optimizer = {kind = "rmsprop", learning_rate = 0.003}, batch_size = 32, epochs = 25}
    """
    found = try_on(LoadedConfig(loads(config), "test", Path()), 5, 1)
    concluded = conclude(found)
    assert found.standing == ()
    assert [each.key for each in found.remarks] == ["unscaled_inputs"]
    assert concluded.cure is not None
    assert concluded.cure.arm.changes == {"data.scale": "standard"}
    assert concluded.root is not None
    assert concluded.root.id == "unscaled_inputs"


def test_seeds_that_leave_it_unsure_are_doubled() -> None:
    config = """
    data = {source = "wine", scale = 1000.0}
    model = {hidden = [32, 16], activation = "relu", init = "he_uniform"}
    training = {optimizer = {kind = "adamw", learning_rate = 0.003}, batch_size = 16, epochs = 40}
    """
    found = try_on(LoadedConfig(loads(config), "test", Path()), 5, 1)
    assert (found.seeds, found.more_seeds) == ((1, 2, 3, 4, 5), (7, 8, 9, 10, 11))  # 6 is the screening's
    assert found.cure is not None
    assert found.cure.arm.changes == {"data.scale": "standard"}
    scored = [each for each in (found.control, found.sane, *found.tried) if each is not None and each.scores]
    assert len(found.control.scores) == len(found.cure.scores) == 10
    assert all(each.scores.keys() <= {*found.seeds} for each in scored[1:] if each is not found.cure)
    assert {each.arm.keys for each in found.tried} == {1}  # no pair is tried for want of seeds
    first = found.compare({seed: found.cure.scores[seed] for seed in found.seeds}, found.control.scores)
    assert first is not None
    assert not first.is_better


def test_a_second_fault_behind_a_cure_is_mended_where_that_is_surely_better() -> None:
    config = """
    data = {source = "moons", n = 800, scale = 1000.0}
    model = {hidden = [16, 16], activation = "relu", init = {kind = "normal", std = 10.0}}
    training = {optimizer = {kind = "adam", learning_rate = 0.01}, batch_size = 32, epochs = 30}
    """
    found = try_on(LoadedConfig(loads(config), "test", Path()), 5, 1)
    (alone,) = [each for each in found.tried if each.arm.changes == {"data.scale": "standard"}]
    assert found.cures(alone)
    assert found.cure is not None
    assert found.cure.arm.changes == {"data.scale": "standard", "model.init": "he_normal"}
    assert found.surpasses(found.cure, alone)


def test_a_fault_of_the_program_behind_a_cure_is_mended_where_that_is_no_worse() -> None:
    config = """
    data = {source = "wine"}
    model = {hidden = [24], activation = "tanh", output = "relu"}
    training = {optimizer = {kind = "adam", learning_rate = 5e-8}, batch_size = 16, epochs = 40}
    """
    found = try_on(LoadedConfig(loads(config), "test", Path()), 5, 1)
    alone = [each for each in found.tried if each.keys == {RATE} and each.trials and found.cures(each)]
    assert alone
    assert found.cure is not None
    assert found.cure.keys == {RATE, "model.output"}
    beyond = found.compare(found.cure.scores, alone[0].scores)
    assert beyond is not None
    assert not beyond.is_better  # so that the scores alone would have left it


def test_the_search_goes_on_from_what_nearly_cures() -> None:
    config = """
    data = {source = "moons", n = 1000}
    model = {hidden = [24], activation = "sigmoid", init = {kind = "normal", std = 1e-7}}
    training = {optimizer = {kind = "adam", learning_rate = 5e-7}, batch_size = 32, epochs = 30}
    """
    found = try_on(LoadedConfig(loads(config), "test", Path()), 5, 1)
    assert found.cure is not None
    assert found.cure.probed
    assert found.cure.keys == {"model.init", RATE}
    near = [each for each in found.tried if not each.probed and len(each.scores) == 5 and each.effect is not None]
    assert near
    assert all(each.effect.is_better for each in near if each.effect is not None)  # as good as a straight line does
    beyond = [found.compare(found.cure.scores, each.scores) for each in near]
    assert all(effect is not None and effect.is_better and effect.mean > 0.05 for effect in beyond)


def test_what_is_unsure_and_mediocre_does_not_spend_what_a_pair_needs(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    income, age, garden = rng.normal(50_000, 15_000, 400), rng.uniform(18, 70, 400), rng.integers(0, 2, 400)
    price = 2.5 * income / 1000 + 30 * garden - 0.8 * age + rng.normal(0, 8, 400)
    np.savez(tmp_path / "houses.npz", x=np.column_stack([income, age, garden]), y=price)
    config = """
    data = {source = "houses.npz", task = "regression", scale = "none"}
    model = {hidden = [32]}
    training = {optimizer = {kind = "adam", learning_rate = 0.001}, epochs = 20}
    """
    found = try_on(LoadedConfig(loads(config), "test", tmp_path), 5, 1)
    assert found.cure is not None
    assert found.cure.arm.changes == {"data.scale": "standard", "data.scale_targets": "standard"}


def test_what_gained_nothing_in_the_screening_is_named_in_one_line(dead: tuple[Intervention, Conclusion]) -> None:
    found, concluded = dead
    start = "screened without a gain: "
    (line,) = [each for each in how_lines(found) if each.startswith(start)]
    folded = line.removeprefix(start).split("; ")
    names = [str(cell) for cell in table_of(found, concluded).columns[0].cells]
    assert 'model.bias_init = "zeros"' in names
    assert "training.clip_norm = 1.0" in folded
    assert sorted([*names[2:], *folded]) == sorted(each.arm.name for each in found.tried)


def test_the_rate_is_followed_as_long_as_it_helps() -> None:
    found, concluded = intervened("", 'optimizer = {kind = "sgd", learning_rate = 1e-6}', seeds=2)
    assert concluded.cure is not None
    rates = {each.arm.changes[RATE] for each in found.tried if each.keys == {RATE}}
    prescribed = {
        cure.set[RATE] for one in found.standing for cure in one.prescriptions if cure.set and RATE in cure.set
    }
    listed = {1e-6 * factor for factor in FACTORS} | {*CUSTOMARY_RATES["sgd"]} | prescribed
    assert any(all(rate != pytest.approx(other) for other in listed) for rate in rates)


def test_what_does_not_help_on_the_first_seed_is_screened_on_no_other(dead: tuple[Intervention, Conclusion]) -> None:
    found, _ = dead
    control = found.control.screened
    first, both = next(iter(control)), len(control)
    assert both == 2  # 60 validation rows
    screened = [each for each in found.tried if each.screened]
    helps = [each for each in screened if each.screened[first].mean > control[first].mean]
    assert 0 < len(helps) < len(screened)
    assert {len(each.screened) for each in helps} == {2}
    assert {len(each.screened) for each in screened if each not in helps} == {1}
