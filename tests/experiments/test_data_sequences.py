"""Sequences: what they hold, that their answers follow from it, and that a recurrent network learns them."""

from typing import Any

import numpy as np
import pytest

from gradvitals.engine.clipping import clip_norm
from gradvitals.engine.initializers import glorot_uniform, identity, normal, orthogonal
from gradvitals.engine.optimizers import Adam
from gradvitals.engine.recurrent import recurrent
from gradvitals.engine.training import Samples, train
from gradvitals.experiments.config.data import SequenceTask
from gradvitals.experiments.data.sequences import SYMBOLS, make_sequences
from gradvitals.experiments.data.tasks import encode
from gradvitals.experiments.errors import UserError

TASKS: list[SequenceTask] = ["delayed_copy", "adding"]
EVERY_TASK = pytest.mark.parametrize("kind", TASKS)


def make(kind: SequenceTask, n: int | None = None, noise: float | None = None, length: int = 10, seed: int = 0) -> Any:
    return make_sequences(kind, n, noise, length, np.random.default_rng(seed))


@pytest.mark.parametrize("length", [2, 7, 20])
@EVERY_TASK
def test_a_sample_is_a_row_of_time_steps(kind: SequenceTask, length: int) -> None:
    table = make(kind, length=length)
    features = {"delayed_copy": 4, "adding": 2}[kind]
    assert table.inputs.shape == (1000, length * features)
    assert table.inputs.dtype == np.float64
    assert len(set(table.feature_names)) == length * features
    assert table.feature_names[features].startswith("t2_")
    encoded = encode(table, None, kind)
    assert encoded.task == table.task == {"delayed_copy": "classification", "adding": "regression"}[kind]
    assert encoded.class_names == (SYMBOLS if kind == "delayed_copy" else ())


@EVERY_TASK
def test_the_same_generator_makes_the_same_sequences(kind: SequenceTask) -> None:
    one, again, other = (make(kind, 50, 0.3, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.inputs, again.inputs)
    np.testing.assert_array_equal(one.labels, again.labels)
    assert not np.array_equal(one.inputs, other.inputs)


@pytest.mark.parametrize("noise", [0.0, 0.1, 2.0], ids=str)
def test_delayed_copy_shows_its_symbol_at_the_first_step_and_noise_elsewhere(noise: float) -> None:
    table = make("delayed_copy", 4_000, noise, length=6)
    steps = table.inputs.reshape(4_000, 6, 4)
    steps[:, 0] -= np.eye(4)[table.labels]
    error = 5.0 * noise / np.sqrt(steps.size)
    assert abs(steps.mean()) <= error
    assert abs(steps.std() - noise) <= error
    for symbol in range(4):  # nothing after the first step, and nothing but the symbol there, tells the classes apart
        mine = steps[table.labels == symbol]
        assert np.abs(mine.mean(axis=0)).max() <= 5.0 * noise / np.sqrt(len(mine))
    assert np.bincount(table.labels).tolist() == [1000] * 4


def test_delayed_copy_comes_in_no_order() -> None:
    labels = make("delayed_copy", 4_000).labels
    assert abs(float((labels[1:] == labels[:-1]).mean()) - 0.25) < 0.04


@pytest.mark.parametrize("length", [2, 3, 9, 20])
def test_adding_sums_the_two_marked_numbers(length: int) -> None:
    table = make("adding", 500, length=length)
    places = set()
    for row, label in zip(table.inputs, table.labels, strict=True):
        numbers, marks = row[0::2], row[1::2]
        marked = [t for t in range(length) if marks[t] == 1.0]
        assert sorted(set(marks)) == ([0.0, 1.0] if length > 2 else [1.0])
        assert len(marked) == 2
        assert marked[0] < length // 2 <= marked[1]
        assert label == pytest.approx(numbers[marked[0]] + numbers[marked[1]], abs=1e-15)
        assert ((numbers >= 0.0) & (numbers < 1.0)).all()
        places.update(marked)
    assert places == set(range(length))  # every step is marked now and then


def test_always_answering_one_has_the_error_it_says() -> None:
    labels = make("adding", 100_000, length=2).labels
    assert float(((labels - 1.0) ** 2).mean()) == pytest.approx(1.0 / 6.0, rel=0.02)


def test_noise_blurs_the_numbers_that_adding_shows_and_not_their_sum() -> None:
    clean, noisy = make("adding", 3_000), make("adding", 3_000, 0.5)
    np.testing.assert_array_equal(clean.labels, noisy.labels)
    difference = (noisy.inputs - clean.inputs).reshape(3_000, 10, 2)
    assert not difference[..., 1].any()
    assert float(difference[..., 0].std()) == pytest.approx(0.5, rel=0.03)


@pytest.mark.parametrize(("kind", "length"), [("delayed_copy", 0), ("adding", 1), ("adding", -3)])
def test_sequences_too_short_for_the_task_are_refused(kind: SequenceTask, length: int) -> None:
    with pytest.raises(UserError, match=rf"{kind}: sequences need at least [12] time steps, got {length}"):
        make(kind, length=length)


@EVERY_TASK
def test_more_numbers_than_fit_into_memory_are_refused(kind: SequenceTask) -> None:
    with pytest.raises(UserError, match=rf"{kind}: 1,000,000 sequences of 1,000 time steps hold .* at most 100"):
        make(kind, 1_000_000, length=1000)


def split(kind: SequenceTask, length: int, count: int, held_out: int, seed: int) -> tuple[Samples, Samples]:
    table = make(kind, count + held_out, length=length, seed=seed)
    targets = np.eye(4)[table.labels] if kind == "delayed_copy" else table.labels[:, np.newaxis]
    return Samples(table.inputs[:count], targets[:count]), Samples(table.inputs[count:], targets[count:])


@pytest.mark.parametrize("seed", [0, 1])
def test_tanh_cells_learn_to_copy_over_ten_steps(seed: int) -> None:
    samples, held_out = split("delayed_copy", 10, 800, 400, seed)
    network = recurrent(
        (4, 24, 4),
        "tanh",
        "cross_entropy",
        sequence_length=10,
        initializers=[glorot_uniform] * 2,
        recurrent_initializers=[orthogonal],
        generator=np.random.default_rng(seed),
    )
    before = network.evaluate(held_out.inputs, held_out.targets)[1]
    train(network, samples, Adam(0.003), epochs=10, batch_size=32, generator=np.random.default_rng(seed))
    after = network.evaluate(held_out.inputs, held_out.targets)[1]
    assert before is not None
    assert after is not None
    assert before / 400 < 0.5
    assert after / 400 >= 0.97


@pytest.mark.parametrize("seed", [0, 1])
def test_relu_cells_that_start_as_the_identity_learn_to_add_over_twenty_steps(seed: int) -> None:
    samples, held_out = split("adding", 20, 2_000, 500, seed)
    network = recurrent(
        (2, 32, 1),
        "relu",
        "mse",
        sequence_length=20,
        initializers=[normal(0.1), glorot_uniform],
        recurrent_initializers=[identity()],
        generator=np.random.default_rng(seed),
    )
    train(
        network,
        samples,
        Adam(0.003),
        epochs=15,
        batch_size=32,
        generator=np.random.default_rng(seed),
        clip=clip_norm(1.0),
    )
    error = float(network.evaluate(held_out.inputs, held_out.targets)[0].mean())
    assert error < 0.2 * float(held_out.targets.var())  # of the constant's; it comes to less than .04
