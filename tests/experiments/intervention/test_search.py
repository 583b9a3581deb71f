"""The steps of a search, one by one: what each trains, and what it leaves alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gradvitals.experiments.config.load import LoadedConfig, loads
from gradvitals.experiments.intervention.arms import Arm, Changes, make_arm
from gradvitals.experiments.intervention.choice import Choice
from gradvitals.experiments.intervention.effects import Effect
from gradvitals.experiments.intervention.evidence import Intervention
from gradvitals.experiments.intervention.prices import prices_of
from gradvitals.experiments.intervention.search import OUTCOMES, Search
from gradvitals.experiments.intervention.trials import Laboratory
from gradvitals.experiments.intervention.tried import Tried
from gradvitals.experiments.plan import PlannedRun
from gradvitals.experiments.runner import Place, load_dataset

CONFIG = loads(
    "data = {source = 'moons', n = 300}\n"
    "model = {hidden = [12], bias_init = {kind = 'constant', value = -100.0}}\n"
    "training = {optimizer = {kind = 'sgd', learning_rate = 0.3}, batch_size = 32, epochs = 20}"
)
PLACE = Place(Path(), "test", Path(), {})
DATASET = load_dataset(PlannedRun(CONFIG, {}, "test"), PLACE)
CURE = {"model.bias_init": "zeros"}


def begun(folder: Path) -> Search:
    """Begin a search: the sick run is judged, and the control scored."""
    lab = Laboratory(LoadedConfig(CONFIG, "test", Path()), folder, prices_of(CONFIG, DATASET, PLACE))
    control = Arm(CONFIG, {}, "control")
    (sick,) = lab.run([(control, CONFIG.seed)], watched=[control])
    found = Intervention(sick, DATASET.task, Tried(control), None, [], (1, 2, 3, 4, 5), 1.0)
    search = Search(lab, CONFIG, DATASET, found, 20.0)
    search.rounds.score([found.control])
    return search


def scored(search: Search, together: int) -> float:
    return search.lab.prices.scored(CONFIG, together)


def arm(changes: Changes, *prescribed_by: str) -> Tried:
    made = make_arm(CONFIG, changes, DATASET, prescribed_by=prescribed_by)
    assert made is not None
    return Tried(made)


def test_what_is_watched_to_tell_the_root_is_scored_with_every_seed(tmp_path: Path) -> None:
    search, helps = begun(tmp_path), arm(CURE)
    search.found.tried = [helps]
    search.rounds.score([helps], (1, 2))
    search.watch_best()
    assert sorted(helps.scores) == [1, 2, 3, 4, 5]
    assert helps.effect is not None
    assert helps.effect.seeds == 5
    assert sorted(helps.trials) == [3, 4, 5]


@pytest.mark.parametrize(("odd", "watched"), [((), [3, 4, 5]), ((3,), [1, 3, 4, 5]), ((3, 4), [1, 2, 3, 4, 5])])
def test_seeds_are_watched_until_the_others_cannot_change_what_most_say(
    odd: tuple[int, ...], watched: list[int], tmp_path: Path
) -> None:
    search, helps = begun(tmp_path), arm(CURE)
    search.rounds.score([helps])
    search.rounds.watch(helps, odd)
    helps.trials = {seed: replace(trial, impaired=True) for seed, trial in helps.trials.items()}
    search.rounds.watch_most(helps)
    assert sorted(helps.trials) == watched
    assert helps.impaired == len(odd)


def test_rivals_are_probed_in_full_and_what_is_behind_on_the_first_seed_on_no_other(tmp_path: Path) -> None:
    search, best = begun(tmp_path), arm(CURE)
    same, dead = arm({**CURE, "training.clip_norm": 100.0}), arm({"training.clip_norm": 1.0})
    assert search.rounds.probe(best, [dead, same]) == [same]
    assert sorted(best.probed) == sorted(same.probed) == [0, 6]  # neither is among the fresh seeds
    assert sorted(dead.probed) == [0]
    assert search.lab.cost == pytest.approx(1.0 + sum(count * scored(search, count) for count in (5, 3, 2)))


@pytest.mark.parametrize(("paid", "blocks"), [(9.0, 2), (1.01, 1), (0.99, 0)])
def test_what_is_unsure_is_scored_on_more_seeds_twice_at_most(paid: float, blocks: int, tmp_path: Path) -> None:
    search, unsure = begun(tmp_path), arm({"training.clip_norm": 100.0})  # which changes nothing
    found, rounds = search.found, search.rounds
    rounds.budget = search.lab.cost + rounds.costs(watched=1) + paid * 2 * rounds.costs(scored=1)
    for seed, scores in found.control.scores.items():  # by luck better with two of the five
        rows = np.ones_like(scores.rows) if seed < 3 else scores.rows
        unsure.scores[seed] = replace(scores, rows=rows)
    done = 0
    while rounds.be_surer([unsure], found.control):
        done += 1
    assert done == blocks
    assert len(unsure.scores) == len(found.control.scores) == 5 + 5 * blocks
    assert found.more_seeds == (7, 8, 9, 10, 11, 12, 13, 14, 15, 16)[: 5 * blocks]
    assert not found.more_seeds or not found.may_lift(unsure)


def test_what_may_cure_by_the_first_seeds_is_scored_by_being_watched_on_the_others(tmp_path: Path) -> None:
    search, helps = begun(tmp_path), arm(CURE)
    helps.screening = Effect(0.4, 0.01, 0.01, 1, 1)
    helps.screened = {0: search.found.control.scores[1]}
    search.found.tried = [helps]
    cost = search.lab.cost
    assert search.cure_with([helps])
    assert sorted(helps.scores) == [1, 2, 3, 4, 5]
    assert sorted(helps.trials) == [3, 4, 5]
    assert search.lab.cost - cost == pytest.approx(2 * scored(search, 2) + 3.0)
    assert search.rounds.costs(scored=1, watched=1) == pytest.approx(2 * search.rounds.scored() + 3.0)
    alone = arm(CURE)
    search.rounds.score([alone])
    for seed in (3, 4, 5):  # to be watched changes no training
        np.testing.assert_array_equal(alone.scores[seed].rows, helps.scores[seed].rows)


@pytest.mark.parametrize(("pairs", "scored"), [(0, [5, 5]), (1, [5, 0])])
def test_what_is_tried_alone_leaves_the_budget_for_a_pair(pairs: int, scored: list[int], tmp_path: Path) -> None:
    search = begun(tmp_path)
    fails, cures = (search.rounds.costs(scored=1, watched=watched) for watched in (0, 1))
    search.rounds.budget = search.lab.cost + 1.5 * fails + cures
    choice = [arm({"model.init": "glorot_uniform"}), arm({"training.clip_norm": 1.0})]  # units stay dead
    for each in choice:
        each.screened = dict(search.found.control.scores)
        each.screening = Effect(0.4, 0.01, 0.01, 5, 5)
    search.found.tried = choice
    assert not search.cure_with(choice, pairs=pairs)
    assert [len(each.scores) for each in choice] == scored


def test_of_several_keys_the_best_that_may_cure_and_was_not_watched_is_kept(tmp_path: Path) -> None:
    search = begun(tmp_path)
    single = arm(CURE)
    pairs = [arm({**CURE, "training.clip_norm": norm}) for norm in (50.0, 100.0)]
    fails = arm({"model.init": "glorot_uniform", "training.clip_norm": 1.0})
    search.rounds.score([single, *pairs, fails], (1, 2))
    search.found.tried = [single, *pairs, fails]
    kept = search.kept_pair()
    assert kept in pairs
    search.rounds.watch(kept, (3,))
    assert search.kept_pair() is (pairs[1] if kept is pairs[0] else pairs[0])
    search.found.tried = [single, fails]
    assert search.kept_pair() is None


def test_where_no_pair_cures_one_that_works_with_some_seeds_is_tried_with_other_values(tmp_path: Path) -> None:
    search = begun(tmp_path)
    rates = [arm({"training.optimizer.learning_rate": rate}) for rate in (30.0, 0.1)]
    split = arm({**CURE, **rates[0].arm.changes})
    split.scores, split.effect = dict(search.found.control.scores), Effect(0.2, 0.2, 0.02, 5, 2)
    search.found.tried = [*rates, split]
    search.rounds.screen([search.found.control])
    assert search.cure_with_pairs(Choice(search.found, CONFIG, DATASET, rates))
    assert search.found.cure is not None
    assert search.found.cure.keys == split.keys
    assert search.found.cure.arm.config.training.optimizer.learning_rate in {0.1, 1.0}


@pytest.mark.parametrize(("paid", "scored", "watched"), [(20.0, 5, 3), (1.01, 5, 0), (0.99, 0, 0)])
def test_what_errors_prescribe_has_its_outcome_while_a_part_of_the_budget_is_left(
    paid: float, scored: int, watched: int, tmp_path: Path
) -> None:
    search = begun(tmp_path)
    search.rounds.budget = (search.lab.cost + paid * search.rounds.costs(scored=1)) / OUTCOMES
    error, other = arm(CURE, "dead_units@hidden_1"), arm({"model.init": "glorot_uniform"}, "another_finding")
    assert "dead_units@hidden_1" in {each.key for each in search.found.standing}
    search.found.tried = [error, other]
    search.try_prescribed([error, other])
    assert (len(error.scores), len(error.trials)) == (scored, watched)
    assert other.scores == {}


def test_the_rate_is_followed_only_as_long_as_a_cure_can_be_paid_for(tmp_path: Path) -> None:
    search = begun(tmp_path)
    slow = [arm({"training.optimizer.learning_rate": 1.0})]
    rounds = search.rounds
    rounds.screen([search.found.control, *slow])
    rows = np.ones_like(slow[0].screened[0].rows)
    slow[0].screened = {seed: replace(scores, rows=rows) for seed, scores in slow[0].screened.items()}
    rounds.budget = search.lab.cost + rounds.costs(scored=1, watched=1) + 1.5 * search.screened_cost
    search.climb(slow)
    assert len(slow) == 1
    rounds.budget += search.screened_cost
    search.climb(slow)
    assert len(slow) == 3


def test_parts_of_the_sane_defaults_are_tried_on_though_the_first_seeds_are_behind(tmp_path: Path) -> None:
    search = begun(tmp_path)
    part, other = arm({**CURE, "training.clip_norm": 1.0}), arm({**CURE, "model.init": "glorot_uniform"})
    search.found.sane = arm({**CURE, "training.clip_norm": 100.0})
    assert search.is_of_defaults(part)
    assert not search.is_of_defaults(other)


def test_what_gains_nothing_on_two_seeds_is_tried_on_no_more(tmp_path: Path) -> None:
    search, dead = begun(tmp_path), arm({"training.clip_norm": 1.0})
    search.found.sane = arm(CURE)
    search.rounds.score([search.found.sane])
    dead.screened, dead.screening = dict(search.found.control.scores), Effect(0.4, 0.01, 0.01, 5, 5)
    search.found.tried = [dead]
    assert not search.cure_with([dead])
    assert sorted(dead.scores) == [1, 2]
    assert search.found.is_hopeless(dead)


@pytest.mark.parametrize(("sane_helps", "seeds"), [(True, [0]), (False, [0, 6])])
def test_another_seed_is_asked_where_not_even_the_sane_defaults_help_with_the_first(
    *, sane_helps: bool, seeds: list[int], tmp_path: Path
) -> None:
    search, dead, sane = begun(tmp_path), arm({"training.clip_norm": 1.0}), arm(CURE)
    found, rounds = search.found, search.rounds
    found.sane, rounds.screening_seeds = sane, (CONFIG.seed,)
    rounds.score([sane])
    rounds.screen([found.control, sane])
    if not sane_helps:
        found.control.screened, sane.screened = {0: sane.screened[0]}, {0: sane.screened[0]}
    rounds.screening_seeds = (CONFIG.seed,)
    rounds.screen([dead])
    assert sorted(dead.screened) == seeds


def test_what_takes_too_many_updates_to_be_paid_for_is_left_out_and_what_comes_next_is_tried(tmp_path: Path) -> None:
    search = begun(tmp_path)
    often, helps = arm({"training.batch_size": 1}), arm({**CURE, "training.clip_norm": 1.0})
    for each in (often, helps):
        each.screening = Effect(0.4, 0.01, 0.01, 1, 1)
        each.screened = {0: search.found.control.scores[1]}
    search.found.tried = [often, helps]
    assert search.cure_with([often, helps])
    assert often.scores == {}
    assert sorted(helps.trials) == [3, 4, 5]
