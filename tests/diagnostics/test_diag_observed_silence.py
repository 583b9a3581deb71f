"""Units silent on all inputs observed: what is said of dead units where no training set was given."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gradvitals.diagnostics.findings import Severity
from gradvitals.diagnostics.health import NotJudged
from gradvitals.diagnostics.judge import judge
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.observed_silence import ObservedSilence, SilenceWatcher
from gradvitals.diagnostics.tensorboard.run_record import read_record
from gradvitals.diagnostics.tensorboard.run_writer import RunWriter
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.events import LayerForward
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Sgd
from gradvitals.engine.training import Samples, train


@pytest.mark.parametrize("looks", [1, 2, 3, 10])
def test_it_is_what_a_look_at_all_outputs_of_the_later_half_gives(looks: int) -> None:
    generator = np.random.default_rng(looks)
    outputs = generator.random((looks, 2, 5, 30)) * (generator.random((looks, 2, 1, 30)) < 0.5 / looks)
    watcher = SilenceWatcher()
    for look, batches in enumerate(outputs):
        for batch in batches:  # of one step, as where gradients are accumulated
            watcher.see("a", 10 * look, batch.sum(axis=0), len(batch))
    late = outputs[looks // 2 :]
    silent = tuple(np.flatnonzero((late == 0.0).all(axis=(0, 1, 2))).tolist())
    assert 0 < len(silent) < 30
    assert watcher.take(99) == ObservedSilence(
        99, {"a": silent}, {"a": 10 * (looks // 2)}, {"a": len(late)}, {"a": 10 * len(late)}
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, 5e-324])
def test_whatever_is_not_zero_is_not_silent(value: float) -> None:
    watcher = SilenceWatcher()
    watcher.see("a", 1, np.array([0.0, value]), 3)
    note = watcher.take(1)
    assert note is not None
    assert note.silent == {"a": (0,)}


def test_a_layer_that_is_given_more_units_is_watched_anew() -> None:
    watcher = SilenceWatcher()
    watcher.see("a", 1, np.zeros(2), 3)
    watcher.see("a", 2, np.array([0.0, 0.0, 1.0]), 5)
    assert watcher.take(2) == ObservedSilence(2, {"a": (0, 1)}, {"a": 2}, {"a": 1}, {"a": 5})


def test_where_no_layer_was_seen_nothing_is_noted() -> None:
    assert SilenceWatcher().take(1) is None


def train_digits(digits: WatchedData, network: Network) -> None:
    samples = Samples(digits.inputs, digits.targets)
    train(network, samples, Sgd(0.1), epochs=5, batch_size=64, generator=np.random.default_rng(0))


def test_without_data_silent_units_are_info_that_names_the_inputs(
    digits: WatchedData, make_network: Callable[..., Network], tmp_path: Path
) -> None:
    network = make_network(digits, hidden=(16,), bias=np.where(np.arange(16) < 12, -50.0, 0.0))
    fired: dict[int, set[int]] = {}
    rows: dict[int, int] = {}

    def look(event: LayerForward) -> None:
        if event.layer == "hidden_1":
            rows[event.step] = len(event.outputs)
            fired[event.step] = set(np.flatnonzero(event.outputs.max(axis=0) > 0.0).tolist())

    with Monitor(network, every=7, sinks=[RunWriter(tmp_path)]) as monitor:
        handle = network.hooks.on(LayerForward, look)
        train_digits(digits, network)
        handle.remove()
    steps = sorted(step for step in fired if step % 7 == 0)
    late = steps[len(steps) // 2 :]
    silent = sorted(set(range(16)).difference(*(fired[step] for step in late)))
    finding = next(each for each in monitor.verdict.findings if each.key == "dead_units@hidden_1")
    assert silent[:12] == list(range(12))
    assert finding.evidence == (
        f"{len(silent)} of 16 units of hidden_1 were silent on all {sum(rows[step] for step in late)} observed"
        f" inputs to them, at the {len(late)} steps looked at from step {late[0]} on (units 0, 1, 2, 3, 4, 5, 6, 7, …)"
    )
    assert (finding.severity, finding.first_step, finding.value) == (Severity.INFO, late[0], len(silent) / 16)
    judgement = next(each for each in monitor.verdict.judgements if each.id == "dead_units")
    assert judgement.status == "not_judged"
    with pytest.raises(NotJudged, match=r"max_dead: no training set was given: add data=\(inputs, targets\)"):
        monitor.assert_healthy(max_dead=0.1)
    assert judge(read_record(tmp_path).record) == monitor.verdict


def test_where_all_units_fire_nothing_is_found(digits: WatchedData, make_network: Callable[..., Network]) -> None:
    network = make_network(digits, hidden=(16,))
    with Monitor(network) as monitor:
        train_digits(digits, network)
    (note,) = monitor.record.notes(ObservedSilence)
    assert note.silent == {"hidden_1": ()}
    assert not [each for each in monitor.verdict.findings if each.id == "dead_units"]


def test_with_data_the_exact_scan_speaks_alone(digits: WatchedData, make_network: Callable[..., Network]) -> None:
    network = make_network(digits, hidden=(16,), bias=-50.0)
    with Monitor(network, digits) as monitor:
        train_digits(digits, network)
    assert monitor.record.notes(ObservedSilence) == []
    (finding,) = (each for each in monitor.verdict.findings if each.id == "dead_units")
    assert finding.evidence.startswith("16 of 16 units of hidden_1 are silent on all 1300 training examples")
