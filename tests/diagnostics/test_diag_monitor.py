"""The monitor: it changes nothing, survives everything, and leaves nothing behind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.notes import Ending, Incident, Probe, Scan
from gradvitals.diagnostics.tensorboard.run_writer import RunWriter
from gradvitals.diagnostics.watch import watch
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.clipping import clip_norm
from gradvitals.engine.events import EpochEnded, StepEnded
from gradvitals.engine.history import EarlyStopping
from gradvitals.engine.initializers import he_normal, normal
from gradvitals.engine.logit_losses import SoftmaxCrossEntropy
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Adam, RmsProp, Sgd
from gradvitals.engine.perceptron import perceptron
from gradvitals.engine.training import Samples, train

MakeNetwork = Callable[..., Network]
OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "momentum": lambda: Sgd(0.05, momentum=0.9),
    "adam": lambda: Adam(1e-3),
    "rmsprop": lambda: RmsProp(1e-3),
    "diverging": lambda: Sgd(1e4),
}


def run(network: Network, data: WatchedData, optimizer: Any, **options: Any) -> np.random.Generator:
    generator = np.random.default_rng(1)
    plan: dict[str, Any] = {"epochs": 4, "batch_size": 64, "generator": generator}
    train(network, Samples(data.inputs, data.targets), optimizer, **(plan | options))
    return generator


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_training_is_bit_identical_with_and_without_a_monitor(
    kind: str, activation: str, *, dtype: Any, digits: WatchedData, make_network: MakeNetwork, tmp_path: Path
) -> None:
    plain, watched = (make_network(digits, activation=activation, dtype=dtype) for _ in range(2))
    assert digits.validation_inputs is not None
    assert digits.validation_targets is not None
    options = {
        "validation": Samples(digits.validation_inputs, digits.validation_targets),
        "clip": clip_norm(5.0),
        "early_stopping": EarlyStopping(2),
    }
    alone = run(plain, digits, OPTIMIZERS[kind](), **options)
    before = digits.inputs.tobytes(), digits.targets.tobytes()
    state = np.random.get_state()  # noqa: NPY002 - the global generator must stay untouched
    with Monitor(watched, digits, every=1, exact=7, sinks=[RunWriter(tmp_path)]):
        accompanied = run(watched, digits, OPTIMIZERS[kind](), **options)
    assert watched.parameters.tobytes() == plain.parameters.tobytes()
    assert watched.gradients.tobytes() == plain.gradients.tobytes()
    assert accompanied.bit_generator.state == alone.bit_generator.state
    assert (digits.inputs.tobytes(), digits.targets.tobytes()) == before
    assert str(np.random.get_state()) == str(state)  # noqa: NPY002


def test_two_monitors_see_the_same(digits: WatchedData, make_network: MakeNetwork) -> None:
    network = make_network(digits)
    with Monitor(network, digits) as first, Monitor(network, digits) as second:
        run(network, digits, Sgd(0.1))
    assert first.verdict.to_json() == second.verdict.to_json()
    assert first.record.notes(Probe) == second.record.notes(Probe)
    assert first.record.tags() == second.record.tags()


def test_start_end_and_the_schedule_between_are_recorded(digits: WatchedData, make_network: MakeNetwork) -> None:
    network = make_network(digits)
    with Monitor(network, digits, exact="epoch") as monitor:
        run(network, digits, Sgd(0.1))
    probes = [probe.step for probe in monitor.record.notes(Probe)]
    assert len(probes) == 5
    assert (probes[0], probes[-1]) == (0, 84)
    assert [scan.step for scan in monitor.record.notes(Scan)] == [0, 21, 42, 63, 84]
    assert monitor.record.notes(Ending) == [Ending(84, "completed")]
    steps = monitor.record.series("gradient_norm/global").steps.tolist()
    assert steps == list(range(1, 85))


def test_recorded_scalars_are_those_of_the_training(digits: WatchedData, make_network: MakeNetwork) -> None:
    network = make_network(digits)
    norms: dict[int, float] = {}

    def look(event: StepEnded) -> None:
        before = event.parameters["hidden_1"]["weight"]
        norms[event.step] = float(np.linalg.norm(before.astype(np.float64)))

    network.hooks.on(StepEnded, look)
    with Monitor(network, digits) as monitor:
        run(network, digits, Sgd(0.1))
    series = monitor.record.series("weight_norm/hidden_1")
    assert [norms[step] for step in series.steps.tolist()] == pytest.approx(series.values.tolist(), rel=1e-5)
    expected = {
        f"{metric}/{layer}"
        for metric in ("gradient_norm", "weight_norm", "update_ratio")
        for layer in ("hidden_1", "hidden_2", "output")
    }
    expected |= {f"{metric}/hidden_{n}" for metric in ("inactive_fraction", "dead_fraction") for n in (1, 2)}
    assert set(monitor.record.tags()) == expected | {"gradient_norm/global", "loss_ratio"}


@pytest.mark.parametrize("epochs", [3, 6])
def test_a_training_cut_short_is_looked_at_once_at_its_end(
    epochs: int, digits: WatchedData, make_network: MakeNetwork
) -> None:
    """It may end exactly where the plan had a probe; that look must not count twice."""
    network = make_network(digits)
    with Monitor(network, digits, exact="epoch") as monitor:
        run(network, digits, Sgd(1e-12), epochs=12, early_stopping=EarlyStopping(epochs - 1, min_delta=10.0))
    end = epochs * 21
    assert monitor.record.notes(Ending)[-1].step == end
    probes = [probe.step for probe in monitor.record.notes(Probe)]
    assert probes[-1] == end
    assert len(set(probes)) == len(probes)
    scans = [scan.step for scan in monitor.record.notes(Scan)]
    assert scans[-1] == end
    assert len(set(scans)) == len(scans)


def test_without_data_nothing_is_judged_that_needs_them(digits: WatchedData, make_network: MakeNetwork) -> None:
    network = make_network(digits)
    with Monitor(network) as monitor:
        run(network, digits, Sgd(0.1), epochs=8)
    statuses = {judgement.id: judgement.status for judgement in monitor.verdict.judgements}
    assert statuses.pop("non_finite") == "clear"
    assert statuses.pop("symmetric_units") == statuses.pop("frozen_parameters") == "clear"  # they ask the weights
    assert statuses.pop("saturated_units") in {"not_applicable", "not_judged"}
    assert statuses.pop("loss_mismatch") == "clear"  # the program alone
    assert {statuses.pop(rule) for rule in ("clipped_delta", "saturated_output", "unscaled_targets")} == {
        "not_applicable"
    }
    assert set(statuses.values()) == {"not_judged"}
    assert monitor.record.tags()


def test_without_data_a_divergence_is_seen_all_the_same(digits: WatchedData, make_network: MakeNetwork) -> None:
    network = make_network(digits)
    with Monitor(network) as monitor:
        run(network, digits, Sgd(1e4))
    assert monitor.verdict.outcome == "error"
    assert monitor.record.notes(Incident)


def test_a_scan_does_not_look_again_at_what_the_probe_has_seen_fire(
    digits: WatchedData, make_network: MakeNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, computed = make_network(digits), []
    own = network.layer_outputs

    def compute(index: int, *arguments: Any) -> Any:
        computed.append(index)
        return own(index, *arguments)

    monkeypatch.setattr(network, "layer_outputs", compute)
    with Monitor(network, digits) as monitor:
        run(network, digits, Sgd(0.01), epochs=2)
    scans = monitor.record.notes(Scan)
    assert len(scans) >= 2
    assert all(units == () for scan in scans for units in scan.dead.values())
    assert computed == []


def test_detaching_leaves_no_hook(digits: WatchedData, make_network: MakeNetwork) -> None:
    network = make_network(digits)
    with Monitor(network, digits) as monitor:
        run(network, digits, Sgd(0.1))
        assert network.hooks._handles
    assert network.hooks._handles == []
    assert network.hooks.due(1, 0.5) is None
    probes = len(monitor.record.notes(Probe))
    run(network, digits, Sgd(0.1))
    assert len(monitor.record.notes(Probe)) == probes
    monitor.detach()


class LostPowerError(Exception):
    """What a training raises in the next test."""


def test_an_exception_in_the_training_leaves_no_hook_and_a_verdict(
    digits: WatchedData, make_network: MakeNetwork, tmp_path: Path
) -> None:
    network = make_network(digits, bias=-50.0)

    def stop(_: EpochEnded) -> None:
        raise LostPowerError

    handle = network.hooks.on(EpochEnded, stop)
    with pytest.raises(LostPowerError), Monitor(network, digits, sinks=[RunWriter(tmp_path)]) as monitor:
        run(network, digits, Sgd(0.1))
    handle.remove()
    assert network.hooks._handles == []
    assert monitor.record.notes(Ending) == [Ending(21, "failed")]
    assert monitor.verdict.standing[0].key == "dead_units@hidden_1"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, 1e-45], ids=str)
@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "sigmoid", "tanh", "linear"])
@pytest.mark.parametrize("where", ["inputs", "targets", "weights"])
def test_nothing_that_is_not_finite_stops_the_monitor(
    value: float, activation: str, where: str, *, digits: WatchedData, make_network: MakeNetwork
) -> None:
    data = WatchedData(
        digits.inputs[:300].copy(), digits.targets[:300].copy(), digits.inputs[300:], digits.targets[300:]
    )
    network = make_network(data, [16, 16], activation)
    if where == "weights":
        network.parameters[::3] = value
    else:
        getattr(data, where)[::50] = value
    with Monitor(network, data) as monitor:
        run(network, data, Sgd(0.1), epochs=2)
    assert monitor.record.notes(Probe)[0].step == 0
    if not np.isfinite(value):
        assert monitor.verdict.outcome == "error"
        assert "non_finite" in {finding.id for finding in monitor.verdict.standing}


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy", "mse"])
@pytest.mark.parametrize("rows", [1, 2, 3, 12])
@pytest.mark.parametrize("kind", ["plain", "constant inputs", "duplicates", "one target", "huge"])
def test_tiny_and_odd_data_stop_nothing(loss: str, rows: int, kind: str, make_network: MakeNetwork) -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(rows, 1 if kind == "duplicates" else 3))
    targets = np.eye(2)[rng.integers(0, 2, rows)]
    if loss == "mse":
        targets = rng.normal(size=(rows, 1)) * 1e6
    elif loss == "binary_cross_entropy":
        targets = targets[:, :1]
    match kind:
        case "constant inputs":
            inputs[:] = 3.0
        case "duplicates":
            inputs[:] = inputs[0]
        case "one target":
            targets[:] = targets[0]
        case "huge":
            inputs *= 1e30
    data = WatchedData(inputs, targets)
    network = make_network(data, hidden=[4, 1], loss=loss)
    with Monitor(network, data) as monitor:
        run(network, data, Sgd(0.1), epochs=120, batch_size=1000)
    assert len(monitor.verdict.judgements) == len(monitor.verdict.to_json()["not_judged"]) + sum(
        judgement.status != "not_judged" for judgement in monitor.verdict.judgements
    )


@pytest.mark.parametrize("epochs", [1, 2, 19])
def test_trainings_of_a_few_steps_are_watched(epochs: int, digits: WatchedData, make_network: MakeNetwork) -> None:
    network = make_network(digits)
    with Monitor(network, digits) as monitor:
        run(network, digits, Sgd(0.1), epochs=epochs, batch_size=10**6)
    assert monitor.record.notes(Ending)[-1].step == epochs
    assert monitor.verdict.outcome in {"healthy", "not_judged"}


def test_a_network_of_six_single_units_is_watched(digits: WatchedData, make_network: MakeNetwork) -> None:
    network = make_network(digits, hidden=[1] * 6, activation="tanh", init=normal(1.0))
    with Monitor(network, digits) as monitor:
        run(network, digits, Sgd(0.1))
    assert [len(probe.relative_slopes) for probe in monitor.record.notes(Probe)] == [6] * 5


def test_histograms_are_drawn_at_start_and_end(digits: WatchedData, make_network: MakeNetwork, tmp_path: Path) -> None:
    class Recorder(RunWriter):
        drawn: list[tuple[int, set[str]]]

        def histograms(self, step: int, histograms: Any) -> None:
            self.drawn.append((step, set(histograms)))

    recorder = Recorder(tmp_path)
    recorder.drawn = []
    network = make_network(digits)
    with Monitor(network, digits, sinks=[recorder]):
        run(network, digits, Sgd(0.1))
    tags = {
        f"{kind}/{layer}"
        for kind in ("activations", "gradients", "weights")
        for layer in ("hidden_1", "hidden_2", "output")
    }
    assert recorder.drawn[0] == (0, tags)
    assert recorder.drawn[-1] == (84, tags)


class NoNetwork:
    """Something that cannot be watched."""


def test_watch_says_what_it_cannot_watch() -> None:
    with pytest.raises(TypeError, match="cannot watch a NoNetwork"):
        watch(NoNetwork())


@pytest.mark.parametrize("extra", [{"loss": abs}, {"optimizer": object()}], ids=["loss", "optimizer"])
def test_watch_refuses_what_a_network_has_already(
    extra: dict[str, Any], digits: WatchedData, make_network: MakeNetwork
) -> None:
    with pytest.raises(ValueError, match="leave out loss and optimizer"):
        watch(make_network(digits), **extra)


@pytest.mark.parametrize(
    ("inputs", "targets", "message"),
    [
        (np.zeros(64), np.zeros((1, 10)), r"a row per sample, got shapes \(64,\) and \(1, 10\)"),
        (np.zeros((3, 64)), np.zeros((4, 10)), "a row per sample"),
        (np.zeros((0, 64)), np.zeros((0, 10)), "a row per sample"),
        (
            np.zeros((3, 63)),
            np.zeros((3, 10)),
            "63 features and 10 targets per sample, the model takes 64 and gives 10",
        ),
        (np.zeros((3, 64)), np.zeros((3, 9)), "64 features and 9 targets"),
        (np.zeros((3, 64)), np.array([0, 1, 10]), "whole numbers from 0 to 9, got 0 to 10"),
        (np.zeros((3, 64)), np.array([0, -1, 1]), "whole numbers from 0 to 9"),
        (np.zeros((3, 64)), np.array([0.5, 1, 1]), "whole numbers from 0 to 9"),
    ],
    ids=["no matrix", "rows", "empty", "features", "outputs", "class too large", "class below 0", "half a class"],
)
def test_watch_says_how_data_do_not_fit(
    inputs: Any, targets: Any, message: str, digits: WatchedData, make_network: MakeNetwork
) -> None:
    network = make_network(digits)
    of_validation = f"^the validation set does not fit: .*{message}"
    for given, said in (
        ({"data": (inputs, targets)}, f"^(?!.*validation).*{message}"),
        ({"data": digits, "validation": (inputs, targets)}, of_validation),
    ):
        with pytest.raises(ValueError, match=said):
            watch(network, **given)
        assert network.hooks._handles == []


def test_watch_takes_labels_that_are_wider_than_the_outputs() -> None:
    generator = np.random.default_rng(0)
    network = perceptron(
        [2, 3],
        [],
        SoftmaxCrossEntropy(labels_beyond="ignore", class_weight=[1.0, 2.0, 3.0]),
        initializers=[he_normal],
        generator=generator,
        target_width=5,
    )
    data = WatchedData(generator.normal(size=(40, 2)), np.eye(5)[generator.integers(0, 5, 40)])
    with watch(network, data=data) as monitor:
        run(network, data, Sgd(0.1))
    assert len(monitor.record.notes(Probe)) == 5


def test_watch_takes_class_indices_and_lists(digits: WatchedData, make_network: MakeNetwork, tmp_path: Path) -> None:
    by_index, by_row = make_network(digits), make_network(digits)
    labels = digits.targets.argmax(axis=1)
    with watch(by_index, data=(digits.inputs.tolist(), labels.tolist()), logdir=tmp_path / "run") as first:
        run(by_index, digits, Sgd(0.1))
    with watch(by_row, data=digits) as second:
        run(by_row, digits, Sgd(0.1))
    ours, theirs = first.record.notes(Probe)[-1], second.record.notes(Probe)[-1]
    assert ours.loss == theirs.loss
    assert list((tmp_path / "run").glob("events.out.tfevents.*"))


def test_watch_turns_a_column_of_numbers_into_a_matrix(make_network: MakeNetwork) -> None:
    inputs = np.random.default_rng(0).normal(size=(100, 2))
    data = WatchedData(inputs, inputs[:, :1] * 2.0)
    network = make_network(data, loss="mse")
    with watch(network, data=(inputs, inputs[:, 0] * 2.0)) as monitor:
        run(network, data, Sgd(0.1))
    context = monitor.record.context
    assert context is not None
    assert context.constant_loss == pytest.approx(float(data.targets.var()))


def test_with_a_validation_set_memorising_is_judged(digits: WatchedData, make_network: MakeNetwork) -> None:
    statuses = {}
    for name, validation in (("without", None), ("with", (digits.validation_inputs, digits.validation_targets))):
        network, samples = make_network(digits), Samples(digits.inputs, digits.targets)
        with watch(network, data=(digits.inputs, digits.targets), validation=validation) as monitor:
            train(network, samples, Sgd(0.1), epochs=8, batch_size=64, generator=np.random.default_rng(1))
        statuses[name] = {each.id: each.status for each in monitor.verdict.judgements}["memorising"]
    assert statuses == {"without": "not_judged", "with": "clear"}


def test_a_validation_set_alone_is_refused(digits: WatchedData, make_network: MakeNetwork) -> None:
    with pytest.raises(ValueError, match=r"the validation set .*: give that too, as watch"):
        watch(make_network(digits), validation=(digits.inputs, digits.targets))


def test_an_epoch_is_of_the_whole_training_set_where_only_a_part_of_it_is_watched(
    digits: WatchedData, make_network: MakeNetwork
) -> None:
    part = WatchedData(digits.inputs[:320], digits.targets[:320], complete=False, total=len(digits.inputs))
    network = make_network(digits)
    with Monitor(network, part, exact="epoch") as monitor:
        run(network, digits, Sgd(0.1))
    context = monitor.record.context
    assert context is not None
    assert (context.samples, context.steps_per_epoch) == (1300, 21)
    assert {scan.step % 21 for scan in monitor.record.notes(Scan)} == {0}
