"""The training loop: batches, generator, scores, early stopping, reasons to end."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradvitals
from gradvitals.engine.events import Array, LayerForward, Scores
from gradvitals.engine.history import EarlyStopping, History
from gradvitals.engine.initializers import he_normal
from gradvitals.engine.logit_losses import SoftmaxCrossEntropy
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Sgd
from gradvitals.engine.perceptron import perceptron
from gradvitals.engine.regression_losses import MeanSquaredError
from gradvitals.engine.training import Samples, Trainer, train


def batches_of(network: Network, samples: Samples, **options: Any) -> list[Array]:
    """Train and give the inputs of every batch."""
    seen: list[Array] = []
    with network.hooks.on(LayerForward, lambda event: seen.append(event.inputs.copy())):
        train(network, samples, Sgd(0.1), **options)
    return seen[:: len(network.layers)]


@pytest.mark.parametrize(
    ("count", "batch_size", "expected"),
    [(10, 4, [4, 4, 2]), (8, 4, [4, 4]), (3, 8, [3]), (5, 1, [1] * 5)],
    ids=["last batch smaller", "fits", "batch larger than the set", "single samples"],
)
def test_an_epoch_sees_every_sample_once_and_the_last_batch_may_be_smaller(
    count: int,
    batch_size: int,
    expected: list[int],
    make_network: Callable[..., Network],
    make_samples: Callable[..., Samples],
) -> None:
    samples = make_samples("cross_entropy", 3, 4, count)
    batches = batches_of(make_network(), samples, epochs=2, batch_size=batch_size, generator=np.random.default_rng(0))
    assert [len(batch) for batch in batches] == expected * 2
    for epoch in (batches[: len(expected)], batches[len(expected) :]):
        np.testing.assert_array_equal(np.sort(np.concatenate(epoch), axis=0), np.sort(samples.inputs, axis=0))


def test_the_order_is_the_generators_permutation_and_nothing_else_is_drawn(
    make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    samples = make_samples("cross_entropy", 3, 4, 10)
    generator, twin = np.random.default_rng(5), np.random.default_rng(5)
    batches = batches_of(make_network(), samples, epochs=3, batch_size=4, generator=generator, validation=samples)
    for epoch in range(3):
        order = twin.permutation(10)
        np.testing.assert_array_equal(np.concatenate(batches[3 * epoch : 3 * epoch + 3]), samples.inputs[order])
    assert generator.bit_generator.state == twin.bit_generator.state


def test_training_is_a_function_of_its_seeds(
    make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    def run(seed: int) -> bytes:
        network, samples = make_network(seed=1), make_samples("cross_entropy", 3, 4, 10)
        train(network, samples, Sgd(0.1), epochs=2, batch_size=4, generator=np.random.default_rng(seed))
        return network.parameters.tobytes()

    assert run(0) == run(0)
    assert run(0) != run(1)


def textbook_scores(network: Network, samples: Samples) -> Scores:
    """Score a cross-entropy network sample by sample."""
    losses, right = [], 0
    for inputs, targets in zip(samples.inputs, samples.targets, strict=True):
        logits = network.predict(inputs[np.newaxis])[0]
        losses.append(math.log(math.fsum(np.exp(logits))) - float(logits[targets.argmax()]))
        right += int(logits.argmax() == targets.argmax())
    return Scores(math.fsum(losses) / len(losses), right / len(losses))


def test_validation_scores_are_those_of_the_network_at_the_epochs_end(
    make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    network = make_network()
    samples, validation = make_samples("cross_entropy", 3, 4, 10), make_samples("cross_entropy", 3, 4, 1031, seed=2)
    history = train(
        network,
        samples,
        Sgd(0.1),
        epochs=1,
        batch_size=4,
        generator=np.random.default_rng(0),
        validation=validation,
    )
    expected = textbook_scores(network, validation)
    assert history.validation[0].loss == pytest.approx(expected.loss, rel=1e-12)
    assert history.validation[0].accuracy == expected.accuracy


def test_training_scores_weigh_each_batch_by_its_samples(
    make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    network, samples = make_network(), make_samples("cross_entropy", 3, 4, 10)
    expected = textbook_scores(network, samples)
    # A learning rate of 0 leaves the network as it is, so that all batches together are the whole set.
    history = train(network, samples, Sgd(0.0), epochs=2, batch_size=4, generator=np.random.default_rng(0))
    for scores in history.training:
        assert scores.loss == pytest.approx(expected.loss, rel=1e-13)
        assert scores.accuracy == expected.accuracy
    assert history.validation == []


def test_a_batch_is_scored_before_its_update(
    make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    network, samples = make_network(), make_samples("cross_entropy", 3, 4, 10)
    expected = textbook_scores(network, samples)
    history = train(network, samples, Sgd(0.5), epochs=1, batch_size=10, generator=np.random.default_rng(0))
    assert history.training[0].loss == pytest.approx(expected.loss, rel=1e-13)
    assert history.training[0].accuracy == expected.accuracy


def test_accuracy_of_a_multilabel_network_counts_labels(
    make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    network, samples = make_network("tanh", "binary_cross_entropy"), make_samples("binary_cross_entropy", 3, 4, 10)
    right = int(((network.predict(samples.inputs) > 0) == (samples.targets > 0.5)).sum())
    assert 0 < right < 40
    history = train(
        network,
        samples,
        Sgd(0.0),
        epochs=1,
        batch_size=4,
        generator=np.random.default_rng(0),
        validation=samples,
    )
    assert history.training[0].accuracy == history.validation[0].accuracy == right / 40


def test_accuracy_of_a_regression_is_none(
    make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    network, samples = make_network("tanh", "mse"), make_samples("mse", 3, 4, 10)
    history = train(
        network,
        samples,
        Sgd(0.1),
        epochs=1,
        batch_size=4,
        generator=np.random.default_rng(0),
        validation=samples,
    )
    assert history.training[0].accuracy is None
    assert history.validation[0].accuracy is None


def test_samples_of_another_dtype_and_layout_are_converted(
    make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    samples = make_samples("cross_entropy", 3, 4, 10)
    single = Samples(samples.inputs.astype(np.float32), samples.targets.astype(np.float32))
    results = []
    for given in (Samples(np.asfortranarray(single.inputs.astype(np.float64)), samples.targets), single):
        network = make_network(dtype=np.float32)
        train(network, given, Sgd(0.1), epochs=1, batch_size=4, generator=np.random.default_rng(0))
        assert network.parameters.dtype == np.float32
        results.append(network.parameters.tobytes())
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("losses", "rule", "stops_after"),
    [
        ([5, 4, 3, 2, 1], EarlyStopping(1), None),
        ([5, 4, 4, 3, 2], EarlyStopping(1), 3),
        ([5, 4, 4, 3, 3, 3], EarlyStopping(2), 6),
        ([5, 6, 7, 8], EarlyStopping(3), 4),
        ([5, 4.9, 4.8, 4.7], EarlyStopping(1, min_delta=0.5), 2),
        ([5, 4.8, 4.4, 4.3, 4.2], EarlyStopping(2, min_delta=0.5), 4),
        ([5, math.nan, math.nan], EarlyStopping(2), 3),
        ([5, 5, 5, 5], None, None),
    ],
    ids=["falling", "pause", "two pauses", "rising", "too little", "little by little", "not a number", "no rule"],
)
def test_early_stopping_waits_for_its_patience_and_wants_its_delta(
    losses: list[float], rule: EarlyStopping | None, stops_after: int | None
) -> None:
    history = History(training=[Scores(1.0 / (1 + epoch), None) for epoch in range(len(losses))])
    stopped = None
    for epoch, loss in enumerate(losses, 1):
        history.validation.append(Scores(loss, None))
        if stopped is None and history.should_stop(rule):
            stopped = epoch
    assert stopped == stops_after


def test_early_stopping_without_validation_goes_by_the_training_loss() -> None:
    history = History(training=[Scores(1.0, None), Scores(1.0, None)])
    assert history.should_stop(EarlyStopping(1))


@pytest.mark.parametrize("patience", [0, -1])
def test_early_stopping_without_patience_is_refused(patience: int) -> None:
    with pytest.raises(ValueError, match=f"must be a positive number of epochs, got {patience}"):
        EarlyStopping(patience)


def test_a_training_that_early_stopping_ends_says_so(
    make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    network, samples = make_network(), make_samples("cross_entropy", 3, 4, 10)
    history = train(
        network,
        samples,
        Sgd(0.0),
        epochs=50,
        batch_size=10,
        generator=np.random.default_rng(0),
        validation=samples,
        early_stopping=EarlyStopping(3),
    )
    assert (history.reason, history.steps, len(history.validation)) == ("early_stopping", 4, 4)


def test_training_ends_after_the_first_step_whose_loss_is_not_finite(make_samples: Callable[..., Samples]) -> None:
    network = perceptron(
        (3, 8, 8, 2), ["relu"] * 2, "mse", initializers=[he_normal] * 3, generator=np.random.default_rng(0)
    )
    samples = make_samples("mse", 3, 2, 16)
    single = Samples(samples.inputs.astype(np.float32), samples.targets.astype(np.float32))
    losses: list[float] = []
    trainer = Trainer(network, Sgd(1e6))
    with np.errstate(all="ignore"):
        while not losses or math.isfinite(losses[-1]):
            losses.append(trainer.step(single, np.arange(16)))
    assert 1 < len(losses) < 20

    twin = perceptron(
        (3, 8, 8, 2), ["relu"] * 2, "mse", initializers=[he_normal] * 3, generator=np.random.default_rng(0)
    )
    history = train(twin, samples, Sgd(1e6), epochs=1000, batch_size=16, generator=np.random.default_rng(0))
    assert history.reason == "non_finite"
    assert history.steps == len(history.training) < 20
    assert all(math.isfinite(scores.loss) for scores in history.training[:-1])
    assert not math.isfinite(history.training[-1].loss)


@pytest.mark.parametrize(
    ("inputs", "targets"),
    [((4, 3), (5, 2)), ((4,), (4, 2)), ((4, 3), (4,))],
    ids=["rows differ", "flat inputs", "flat targets"],
)
def test_samples_that_are_not_two_matrices_of_equal_length_are_refused(
    inputs: tuple[int, ...], targets: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="two matrices with a row per sample"):
        Samples(np.zeros(inputs), np.zeros(targets))


@pytest.mark.parametrize(
    ("sizes", "batch_size", "sentence"),
    [
        ((0, 5), 4, "no sample in the training set"),
        ((5, 0), 4, "no sample in the validation set"),
        ((5, 5), 0, "the batch size must be a positive number of samples, got 0"),
    ],
    ids=["no samples", "no validation samples", "no batch"],
)
def test_a_training_on_nothing_is_refused(
    sizes: tuple[int, int],
    batch_size: int,
    sentence: str,
    make_network: Callable[..., Network],
    make_samples: Callable[..., Samples],
) -> None:
    samples, validation = (make_samples("cross_entropy", 3, 4, size) for size in sizes)
    plan: dict[str, Any] = {"epochs": 1, "batch_size": batch_size, "generator": np.random.default_rng(0)}
    with pytest.raises(ValueError, match=sentence):
        train(make_network(), samples, Sgd(0.1), validation=validation, **plan)


def test_a_pair_of_arrays_is_refused_with_what_is_wanted(make_network: Callable[..., Network]) -> None:
    pair: Any = (np.zeros((5, 3)), np.zeros((5, 4)))
    with pytest.raises(TypeError, match=r"the training set must be gradvitals.Samples\(inputs, targets\), got a tuple"):
        train(make_network(), pair, Sgd(0.1), epochs=1, batch_size=3, generator=np.random.default_rng(0))
    assert gradvitals.Samples is Samples


@pytest.mark.parametrize(("features", "outputs"), [(2, 4), (3, 5)], ids=["inputs", "targets"])
def test_samples_of_another_width_are_refused(
    features: int, outputs: int, make_network: Callable[..., Network], make_samples: Callable[..., Samples]
) -> None:
    samples = make_samples("cross_entropy", features, outputs, 6)
    with pytest.raises(ValueError, match="the circuit takes"):
        train(make_network(), samples, Sgd(0.1), epochs=1, batch_size=3, generator=np.random.default_rng(0))


@pytest.mark.parametrize("loss", [MeanSquaredError, SoftmaxCrossEntropy], ids=lambda loss: loss.name)
def test_a_summed_loss_is_reported_as_the_mean_of_its_samples(loss: Any) -> None:
    generator = np.random.default_rng(0)
    samples = Samples(generator.normal(size=(12, 3)), np.eye(4)[generator.integers(0, 4, 12)])
    reported = []
    for reduction in ("mean", "sum"):
        network = perceptron(
            (3, 4),
            [],
            loss(reduction=reduction),
            initializers=[he_normal],
            generator=np.random.default_rng(1),
            dtype=np.float64,
        )
        history = train(network, samples, Sgd(0.0), epochs=1, batch_size=5, generator=np.random.default_rng(2))
        reported.append(history.training[0].loss)
        assert history.training[0].loss == pytest.approx(
            network.evaluate(samples.inputs, samples.targets)[0].mean(), rel=1e-12
        )
    assert reported[0] == pytest.approx(reported[1], rel=1e-12)
