"""What trainings are reckoned to cost: as much more as they are longer, larger, or cannot be stacked."""

from typing import Any

import pytest

from gradvitals.experiments.config.load import parse_config
from gradvitals.experiments.config.root import Config
from gradvitals.experiments.intervention.prices import MARGIN, NUMERIC_LESS, Prices

ROWS = 640


def config(hidden: int = 8, **training: Any) -> Config:
    raw = {
        "data": {"source": "moons", "n": 800},
        "model": {"hidden": [hidden, hidden]},
        "training": {"batch_size": 32, "epochs": 20, "optimizer": {"kind": "sgd", "learning_rate": 0.1}, **training},
    }
    return parse_config(raw, "test", [])


WIDE = {"data": {"source": "moons", "n": 800}, "training": {"batch_size": 32, "epochs": 20}}


def prices(sick: Config, *, most: int = 100) -> Prices:
    return Prices(sick, 2, 2, ROWS, most)


def test_the_sick_run_watched_is_the_unit() -> None:
    for sick in (config(), config(500), config(epochs=1000)):
        assert prices(sick).watched(sick) == 1.0


def test_a_small_network_that_is_only_scored_costs_little() -> None:
    assert 0.05 < prices(config()).scored(config()) < 0.25


def test_to_be_watched_costs_the_more_the_more_layers_there_are_to_look_at_but_not_time_steps() -> None:
    shallow, deep = (parse_config({**WIDE, "model": {"hidden": [8] * layers}}, "test", []) for layers in (2, 8))
    assert prices(deep).scored(deep) < 1.3 * prices(shallow).scored(shallow)
    recurrent = {"kind": "rnn", "hidden": [8], "sequence_length": 10}
    short, long = (
        parse_config({**WIDE, "model": {**recurrent, "sequence_length": length}}, "test", []) for length in (2, 10)
    )
    assert prices(long).scored(long) > 1.5 * prices(short).scored(short)


def test_what_is_only_scored_costs_the_less_the_more_there_are_in_its_stack() -> None:
    costs = [prices(config()).scored(config(), together) for together in (1, 2, 5, 20)]
    assert costs == sorted(costs, reverse=True)
    assert 2.0 < costs[0] / costs[2] < 5.0


def test_no_more_make_a_stack_than_fit_into_the_cache() -> None:
    few = prices(config(), most=2)
    assert few.scored(config(), 20) == few.scored(config(), 2)


@pytest.mark.parametrize("sick", [config(epochs=1000), config(1000)], ids=["long", "large"])
def test_where_training_outweighs_watching_to_be_only_scored_costs_more(sick: Config) -> None:
    alone = prices(sick, most=1)
    assert 0.25 < prices(sick).scored(sick) <= alone.scored(sick) < MARGIN
    assert alone.scored(sick) > 0.6


def test_smaller_batches_cost_as_many_more_updates_as_they_make() -> None:
    sick, often = config(batch_size=ROWS, epochs=200), config(batch_size=32, epochs=200)
    whole = prices(sick)
    assert 3.0 < whole.scored(often) / whole.scored(sick) < ROWS / 32
    assert 2.0 < whole.watched(often) < ROWS / 32
    assert whole.scored(config(batch_size=10 * ROWS, epochs=200)) == whole.scored(sick)  # there are no more rows


def test_twice_the_epochs_cost_nearly_twice_as_much() -> None:
    sick = config(epochs=500)
    assert prices(sick).scored(config(epochs=1000)) == pytest.approx(2.0 * prices(sick).scored(sick), rel=0.02)


def test_what_cannot_be_stacked_costs_what_it_costs_alone() -> None:
    sick, frozen = config(epochs=500), config(epochs=500, frozen=["hidden_1"])
    assert prices(sick).scored(frozen) == pytest.approx(prices(sick, most=1).scored(sick))
    assert prices(sick).scored(frozen) > prices(sick).scored(sick)


def test_without_backpropagation_what_is_scored_costs_as_much_as_what_is_watched() -> None:
    slow = config(gradient="numeric")
    assert prices(slow).scored(slow) == prices(slow).watched(slow) == 1.0
    assert prices(slow).scored(config(gradient="numeric", epochs=5)) == pytest.approx(0.25)
    assert prices(slow).choosing == 0.0


def test_backpropagation_costs_a_part_of_numeric_gradients_but_not_of_random_search() -> None:
    slow, search = config(gradient="numeric"), config(gradient="random_search")
    assert prices(slow).scored(config()) == pytest.approx(NUMERIC_LESS)
    assert prices(slow).watched(config()) == pytest.approx(NUMERIC_LESS)
    assert prices(search).scored(config()) == 1.0
