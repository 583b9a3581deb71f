"""Many trainings at once: each to the bit what it is alone, whatever becomes of the others."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import pytest

from gradvitals.engine import events, initializers
from gradvitals.engine.adaptive_optimizers import Adadelta, Adagrad, Adamax, AdamW, Nadam
from gradvitals.engine.catalogue import find_loss
from gradvitals.engine.clipping import clip_norm, clip_value
from gradvitals.engine.dropout import Dropout
from gradvitals.engine.history import EarlyStopping
from gradvitals.engine.optimizers import Adam, Optimizer, RmsProp, Sgd
from gradvitals.engine.partial_optimizer import PartialOptimizer
from gradvitals.engine.perceptron import perceptron
from gradvitals.engine.recurrent import recurrent
from gradvitals.engine.regularizers import L2, mark_weights
from gradvitals.engine.schedules import Cosine, StepDecay
from gradvitals.engine.stack import Training
from gradvitals.engine.train_many import train_many
from gradvitals.engine.training import Samples, train

RATES = (0.03, 0.1, 0.003, 0.3)
INITIALIZERS = (initializers.he_normal, initializers.glorot_uniform, initializers.he_normal, initializers.lecun_normal)

OPTIMIZERS: dict[str, Callable[[float], Optimizer]] = {
    "sgd": Sgd,
    "momentum": lambda rate: Sgd(rate, momentum=0.9),
    "nesterov": lambda rate: Sgd(rate, momentum=0.9, nesterov=True),
    "rmsprop": lambda rate: RmsProp(rate / 10, momentum=0.5),
    "adam": lambda rate: Adam(rate / 10),
    "adamw": lambda rate: AdamW(rate / 10, weight_decay=0.1),
    "adamax": lambda rate: Adamax(rate / 10),
    "nadam": lambda rate: Nadam(rate / 10),
    "adagrad": lambda rate: Adagrad(rate / 10, learning_rate_decay=0.01, initial_accumulator=0.1),
    "adadelta": Adadelta,
}


@dataclass
class Case:
    """How the trainings of a test differ from plain ones."""

    dtype: Any = np.float32
    loss: str = "cross_entropy"
    activation: str = "relu"
    optimizer: Callable[[float], Optimizer] = Sgd
    rates: tuple[float, ...] = RATES
    dropout: float | None = None
    cell: str | None = None
    own_data: bool = False
    rows: int = 50
    options: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    """Further arguments, by run."""


def samples_for(loss: str, seed: int, rows: int, dtype: Any) -> Samples:
    generator = np.random.default_rng(seed)
    inputs = generator.normal(size=(rows, 6)).astype(dtype)
    if loss in {"cross_entropy", "hinge"}:
        targets = np.eye(3)[generator.integers(0, 3, rows)]
    elif loss in {"binary_cross_entropy", "binary_hinge"}:
        targets = generator.integers(0, 2, (rows, 3)).astype(float)
    else:
        targets = generator.normal(size=(rows, 3))
    return Samples(inputs, targets.astype(dtype))


def make_training(case: Case, run: int) -> Training:
    """Make one of the trainings, always the same for one number."""
    weights, batches, drops = (np.random.default_rng([run, part]) for part in range(3))
    drawn = INITIALIZERS[run % len(INITIALIZERS)]
    if case.cell:
        network = recurrent(
            (2, 5, 3), case.cell, case.loss, sequence_length=3, initializers=[drawn] * 2,
            recurrent_initializers=[initializers.orthogonal], generator=weights, dtype=case.dtype,
        )  # fmt: skip
    else:
        network = perceptron(
            (6, 8, 7, 3),
            [case.activation] * 2,
            find_loss(case.loss),
            initializers=[drawn] * 3,
            generator=weights,
            dropout=None if case.dropout is None else [Dropout(case.dropout, [drops]), None],
            dtype=case.dtype,
        )
    seed = run if case.own_data else 0
    samples, validation = DATA[case.loss, seed, case.rows, case.dtype]
    options: dict[str, Any] = {"epochs": 3, "validation": validation, **case.options.get(run, {})}
    if "l2" in options:
        options["penalty"] = L2(options.pop("l2"), mark_weights(network))
    return Training(
        network,
        samples,
        case.optimizer(case.rates[run]),
        batch_size=16,
        generator=batches,
        **options,
    )


class Data(dict[Any, tuple[Samples, Samples]]):
    """Training and validation sets, made once, so that runs share the very arrays."""

    def __missing__(self, key: tuple[str, int, int, Any]) -> tuple[Samples, Samples]:
        loss, seed, rows, dtype = key
        self[key] = samples_for(loss, seed, rows, dtype), samples_for(loss, 100 + seed, 20, dtype)
        return self[key]


DATA = Data()


def plain(value: Any) -> Any:
    """Make what an event has comparable: arrays as bytes."""
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.str, value.tobytes()
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return repr(value)  # in which NaN equals NaN


def listen(training: Training, every: int) -> list[Any]:
    """Keep everything that a training tells."""
    seen: list[Any] = []
    kinds = (events.TrainingStarted, events.LayerForward, events.LayerBackward, events.RecurrentBackward)
    for kind in (*kinds, events.GradientsReady, events.StepEnded, events.EpochEnded, events.TrainingEnded):
        training.network.hooks.on(
            kind,
            lambda event: seen.append(
                (type(event).__name__, {one.name: plain(getattr(event, one.name)) for one in fields(event)})
            ),
            every=every,
        )
    return seen


def alone(training: Training) -> None:
    """Train it by itself."""
    arguments = {one.name: getattr(training, one.name) for one in fields(training)}
    train(arguments.pop("network"), arguments.pop("samples"), arguments.pop("optimizer"), **arguments)


def compare(case: Case, *, every: int = 1) -> list[Training]:
    """Demand that every training be the same in the stack and alone: parameters, state, generators, history, events."""
    stacked = [make_training(case, run) for run in range(len(case.rates))]
    told = [listen(training, every) for training in stacked]
    assert train_many(stacked) == [training.history for training in stacked]
    for run, training in enumerate(stacked):
        twin = make_training(case, run)
        expected = listen(twin, every)
        alone(twin)
        assert training.network.parameters.tobytes() == twin.network.parameters.tobytes()
        assert training.network.parameters.flags.owndata
        assert plain(training.optimizer.state_arrays()) == plain(twin.optimizer.state_arrays())
        assert training.optimizer.learning_rate == twin.optimizer.learning_rate
        assert training.generator.bit_generator.state == twin.generator.bit_generator.state
        assert repr(training.history) == repr(twin.history)  # NaN equals NaN in it
        assert told[run] == expected
    return stacked


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_steps_each_run_as_alone(optimizer: str, dtype: Any) -> None:
    compare(Case(dtype=dtype, optimizer=OPTIMIZERS[optimizer]), every=3)


@pytest.mark.parametrize(
    "loss", ["cross_entropy", "binary_cross_entropy", "hinge", "binary_hinge", "mse", "mae", "huber"]
)
def test_every_loss_is_that_of_each_run_alone(loss: str) -> None:
    compare(Case(loss=loss))


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "leaky_relu", "elu", "gelu", "prelu", "softmax", "maxout"])
def test_every_activation_is_that_of_each_run_alone(activation: str) -> None:
    compare(Case(activation=activation), every=5)


@pytest.mark.parametrize("cell", ["tanh", "relu"])
def test_recurrent_networks_too(cell: str) -> None:
    compare(Case(cell=cell))


@pytest.mark.parametrize(
    "case",
    [
        Case(dropout=0.3),
        Case(own_data=True),
        Case(rows=10),
        Case(options={1: {"clip": clip_norm(0.5)}, 2: {"clip": clip_value(0.01)}}),
        Case(options={0: {"schedule": Cosine()}, 3: {"schedule": StepDecay(4, 0.5)}}),
        Case(options={1: {"l2": 0.1}, 2: {"l2": 0.01}}),
        Case(options={0: {"epochs": 1}, 2: {"epochs": 5}, 3: {"epochs": 0}}),
        Case(options={0: {"epochs": 30, "early_stopping": EarlyStopping(2)}, 3: {"early_stopping": EarlyStopping(1)}}),
        Case(rates=(0.1,)),
    ],
    ids=["dropout", "own data", "one batch", "clips", "schedules", "penalties", "lengths", "early stopping", "one run"],
)
def test_what_runs_have_of_their_own_stays_theirs(case: Case) -> None:
    compare(case)


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
@pytest.mark.parametrize("rates", [(0.1, 1e30, 0.03, 1e9), (1e30,) * 4, (1e30, 1e30, 1e30, 0.1)])
def test_a_run_that_diverges_leaves_and_the_others_are_as_alone(rates: tuple[float, ...], loss: str) -> None:
    """Its last step is shown, wanted or not, to whoever listens at every seventh."""
    case = Case(rates=rates, loss=loss, optimizer=OPTIMIZERS["momentum"], dropout=0.2, rows=500)
    stacked = compare(case, every=7)
    ended = [training.history.steps for training in stacked if training.history.reason == "non_finite"]
    assert len(ended) >= sum(rate == 1e30 for rate in rates)
    assert any(steps % 7 for steps in ended)


def test_validation_sets_may_differ_in_size_and_be_left_out() -> None:
    smaller = samples_for("cross_entropy", 5, 9, np.float32)
    compare(Case(options={1: {"validation": smaller}}))
    compare(Case(options={1: {"validation": smaller}, 2: {"validation": None}}))


@pytest.mark.parametrize("wanting", [(), (1,)])
def test_right_answers_are_counted_for_those_that_want_them_and_change_no_training(wanting: tuple[int, ...]) -> None:
    quiet = Case(options={run: {"accuracy": run in wanting} for run in range(len(RATES))})
    trained = compare(quiet)
    for training, counted in zip(trained, compare(Case()), strict=True):
        accuracies = [scores.accuracy for scores in training.history.training]
        expected = [scores.accuracy for scores in counted.history.training]
        assert accuracies == (expected if training.accuracy else [None] * 3)
        assert None not in expected
        assert training.network.parameters.tobytes() == counted.network.parameters.tobytes()


def test_who_subscribes_at_the_end_of_an_epoch_is_told_from_then_on() -> None:
    stacked = [make_training(Case(), run) for run in range(3)]
    hooks = stacked[1].network.hooks
    seen: list[int] = []

    def join(event: events.EpochEnded) -> None:
        if event.epoch == 1:
            hooks.on(events.StepEnded, lambda later: seen.append(later.step))

    hooks.on(events.StepEnded, lambda _: None, every=1000)
    hooks.on(events.EpochEnded, join)
    train_many(stacked)
    assert seen == list(range(5, 13))


def test_what_an_observer_raises_ends_its_own_training_alone() -> None:
    case = Case()
    stacked = [make_training(case, run) for run in range(4)]
    ended = listen(stacked[1], every=1)

    def fail(event: events.StepEnded) -> None:
        if event.step == 5:
            msg = "the observer's own fault"
            raise RuntimeError(msg)

    stacked[1].network.hooks.on(events.StepEnded, fail)
    histories = train_many(stacked)
    assert [history.reason for history in histories] == ["completed", "failed", "completed", "completed"]
    assert [history.steps for history in histories] == [12, 5, 12, 12]
    assert str(histories[1].error) == "the observer's own fault"
    assert ended[-1] == ("TrainingEnded", {"step": "5", "reason": "'failed'"})
    for run in (0, 2, 3):
        twin = make_training(case, run)
        alone(twin)
        assert stacked[run].network.parameters.tobytes() == twin.network.parameters.tobytes()


@pytest.mark.parametrize("kind", [events.TrainingStarted, events.EpochEnded, events.TrainingEnded])
def test_so_does_what_is_raised_between_the_steps(kind: type[Any]) -> None:
    stacked = [make_training(Case(), run) for run in range(3)]

    def fail(_: object) -> None:
        msg = "no"
        raise RuntimeError(msg)

    stacked[0].network.hooks.on(kind, fail)
    histories = train_many(stacked)
    assert [history.reason for history in histories] == ["failed", "completed", "completed"]
    assert isinstance(histories[0].error, RuntimeError)


class Together:
    """An observer that takes an event of all runs apart, and counts those."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.at_once = 0

    def __call__(self, event: Any) -> None:
        """Keep an event of the run."""
        self.seen.append((type(event).__name__, {one.name: plain(getattr(event, one.name)) for one in fields(event)}))

    def see_stack(self, event: Any, observers: Sequence["Together"]) -> None:
        """Hand out what is each run's own."""
        for run, observer in enumerate(observers):
            observer.at_once += 1
            observer(replace(event, **{one.name: of_run(getattr(event, one.name), run) for one in fields(event)}))


def of_run(value: Any, run: int) -> Any:
    """Take what is one run's: of arrays a row, numbers of which there is one for each as numbers."""
    if isinstance(value, Mapping):
        return {key: of_run(item, run) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return value[run].item() if value.ndim == 1 else value[run]
    return value


STEP_EVENTS = (events.LayerForward, events.LayerBackward, events.GradientsReady, events.StepEnded)


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(Case(), id="all"),
        pytest.param(Case(cell="tanh"), id="through time"),
        pytest.param(Case(rates=(0.1, 1e30, 0.03, 0.1), loss="mse"), id="one diverges"),
        pytest.param(Case(options={0: {"clip": clip_norm(0.1)}, 1: {"schedule": Cosine()}}), id="own numbers"),
    ],
)
def test_who_can_is_shown_all_runs_at_once_and_sees_what_each_shows_alone(case: Case) -> None:
    stacked = [make_training(case, run) for run in range(len(case.rates))]
    told = [Together() for _ in stacked]
    for training, observer in zip(stacked, told, strict=True):
        for kind in STEP_EVENTS:
            training.network.hooks.on(kind, observer, every=3)
    train_many(stacked)
    for run, observer in enumerate(told):
        twin, expected = make_training(case, run), Together()
        for kind in STEP_EVENTS:
            twin.network.hooks.on(kind, expected, every=3)
        alone(twin)
        assert observer.seen == expected.seen
    assert any(observer.at_once for observer in told)


def test_runs_that_are_watched_at_other_steps_are_shown_theirs_alone() -> None:
    stacked = [make_training(Case(), run) for run in range(4)]
    told = [Together() for _ in stacked]
    for run, (training, observer) in enumerate(zip(stacked, told, strict=True)):
        training.network.hooks.on(events.StepEnded, observer, every=2 + run % 2)
    train_many(stacked)
    steps = stacked[0].history.steps
    assert [len(observer.seen) for observer in told] == [steps // 2, steps // 3] * 2
    assert {observer.at_once for observer in told} == {steps // 6}


def test_runs_are_shown_alone_where_not_every_one_has_somebody_who_sees_all() -> None:
    stacked, told = [make_training(Case(), run) for run in range(3)], [Together(), Together()]
    for training, observer in zip(stacked, told, strict=False):
        training.network.hooks.on(events.StepEnded, observer, every=2)
    seen: list[int] = []
    stacked[2].network.hooks.on(events.StepEnded, lambda event: seen.append(event.step), every=2)
    train_many(stacked)
    steps = list(range(2, stacked[0].history.steps + 1, 2))
    assert [len(observer.seen) for observer in told] == [len(steps)] * 2
    assert [observer.at_once for observer in told] == [0, 0]
    assert seen == steps


def test_a_run_that_fails_before_its_update_is_not_shown_it() -> None:
    stacked, seen = [make_training(Case(), run) for run in range(2)], []

    def fail(event: events.GradientsReady) -> None:
        raise ZeroDivisionError(event.step)

    stacked[1].network.hooks.on(events.GradientsReady, fail, every=3)
    stacked[1].network.hooks.on(events.StepEnded, lambda event: seen.append(event.step))
    train_many(stacked)
    assert (stacked[1].history.reason, stacked[1].history.steps) == ("failed", 3)
    assert seen == [1, 2]


def test_what_is_raised_where_all_are_shown_ends_all() -> None:
    class Failing(Together):
        def see_stack(self, event: Any, observers: Sequence[Together]) -> None:  # noqa: ARG002 - as the protocol has it
            raise ZeroDivisionError

    stacked = [make_training(Case(), run) for run in range(4)]
    for training in stacked:
        training.network.hooks.on(events.GradientsReady, Failing(), every=4)
    assert [(one.reason, one.steps, type(one.error)) for one in train_many(stacked)] == [
        ("failed", 4, ZeroDivisionError)
    ] * 4


def test_ctrl_c_ends_all_of_them() -> None:
    stacked = [make_training(Case(), run) for run in range(3)]
    told = [listen(training, every=1) for training in stacked]

    def interrupt(event: events.StepEnded) -> None:
        if event.step == 6:
            raise KeyboardInterrupt

    stacked[2].network.hooks.on(events.StepEnded, interrupt)
    with pytest.raises(KeyboardInterrupt):
        train_many(stacked)
    assert [training.history.reason for training in stacked] == ["interrupted"] * 3
    assert [seen[-1] for seen in told] == [("TrainingEnded", {"step": "6", "reason": "'interrupted'"})] * 3


def test_a_network_can_be_looked_at_and_trained_on_after_the_stack() -> None:
    case = Case(optimizer=OPTIMIZERS["adam"])
    stacked = [make_training(case, run) for run in range(2)]
    train_many(stacked)
    twin = make_training(case, 0)
    alone(twin)
    for training in (stacked[0], twin):
        alone(training)
    assert stacked[0].network.parameters.tobytes() == twin.network.parameters.tobytes()
    assert stacked[0].network.evaluate(*_set(twin))[0].tobytes() == twin.network.evaluate(*_set(twin))[0].tobytes()


def _set(training: Training) -> tuple[Any, Any]:
    return training.samples.inputs, training.samples.targets


def make_unlike(what: str) -> list[Training]:
    first, second = make_training(Case(), 0), make_training(Case(), 1)
    match what:
        case "circuits":
            second = make_training(Case(activation="tanh"), 1)
        case "dtypes":
            second = make_training(Case(dtype=np.float64), 1)
        case "losses":
            second = make_training(Case(loss="mse"), 1)
        case "sizes":
            second = make_training(Case(rows=51), 1)
        case "optimizers":
            second = make_training(Case(optimizer=Adam), 1)
        case "settings":
            second = make_training(Case(optimizer=OPTIMIZERS["momentum"]), 1)
        case "slopes":
            second = make_training(Case(activation="leaky_relu"), 1)
            first = make_training(Case(activation="leaky_relu"), 0)
            gate: Any = second.network.circuit.gates[1].gate
            gate.slope = 0.3
        case "held":
            first = Training(
                first.network, first.samples, PartialOptimizer(Sgd(0.1), first.network, ["hidden_1"]),
                1, 16, np.random.default_rng(0),
            )  # fmt: skip
        case "steps":
            alone(first)
            alone(second)
    return [first, second]


@pytest.mark.parametrize(
    "what", ["circuits", "dtypes", "losses", "sizes", "optimizers", "settings", "slopes", "held", "steps"]
)
def test_what_cannot_be_stacked_is_refused_before_anything_changes(what: str) -> None:
    trainings = make_unlike(what)
    before = [training.network.parameters.tobytes() for training in trainings]
    with pytest.raises(ValueError, match="can be stacked"):
        train_many(trainings)
    assert [training.network.parameters.tobytes() for training in trainings] == before


def test_no_training_at_all_is_nothing() -> None:
    assert train_many([]) == []
