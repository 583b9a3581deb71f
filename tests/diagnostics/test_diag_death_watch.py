"""Deaths as a monitor records them, against parameters saved after every update and every row of the training set."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics import death_sample, death_watch
from gradvitals.diagnostics.dead_unit_scan import DeadUnitScanner
from gradvitals.diagnostics.death_watch import FEWEST_ROWS, MOST_UNITS, DeathWatcher
from gradvitals.diagnostics.judge import judge
from gradvitals.diagnostics.monitor import Monitor
from gradvitals.diagnostics.notes import Probe, Scan
from gradvitals.diagnostics.probing import Prober
from gradvitals.diagnostics.tensorboard.run_record import read_record
from gradvitals.diagnostics.tensorboard.run_writer import RunWriter
from gradvitals.diagnostics.unit_death import UnitDeath
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.events import StepEnded
from gradvitals.engine.initializers import glorot_uniform, orthogonal
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Sgd
from gradvitals.engine.recurrent import recurrent
from gradvitals.engine.stack import Training
from gradvitals.engine.train_many import train_many
from gradvitals.engine.training import Samples, train

MakeNetwork = Callable[..., Network]
History = Mapping[int, Mapping[str, Mapping[str, Any]]]

KILLING = 3.0
"""A rate at which ReLUs of the digits' network die within its first updates."""


def train_and_save(
    network: Network,
    data: WatchedData,
    *,
    rate: float = KILLING,
    epochs: int = 3,
    strike: tuple[int, str, Sequence[int]] | None = None,
    **watching: Any,
) -> tuple[Monitor, History]:
    """Train under a monitor, and save the parameters after every update; `strike` some units after one of them."""

    def sabotage(event: StepEnded) -> None:
        if strike is not None and event.step == strike[0]:
            network.views(network.parameters)[strike[1]]["bias"][strike[2]] = -90.0

    network.hooks.on(StepEnded, sabotage)
    saved: dict[int, Mapping[str, Mapping[str, Any]]] = {}

    def save(step: int) -> None:
        arrays = network.parameters_by_layer()
        saved[step] = {name: {key: each.copy() for key, each in own.items()} for name, own in arrays.items()}

    save(0)
    samples = Samples(data.inputs, data.targets)
    with Monitor(network, data, **watching) as monitor:
        network.hooks.on(StepEnded, lambda event: save(event.step))
        train(network, samples, Sgd(rate), epochs=epochs, batch_size=64, generator=np.random.default_rng(0))
    return monitor, saved


def force(network: Network, parameters: Mapping[str, Mapping[str, Any]], inputs: Any, layer: str) -> tuple[Any, Any]:
    """Compute a layer's inputs and pre-activations by hand."""
    hidden = np.asarray(inputs, network.dtype)
    for info in network.layers:
        own = parameters[info.name]
        before = hidden @ own["weight"] + own["bias"]
        if info.name == layer:
            break
        hidden = {"relu": np.maximum(before, 0.0), "tanh": np.tanh(before), "linear": before}[info.activation]
    return hidden, before


def assert_as_by_force(note: UnitDeath, network: Network, saved: History, inputs: Any) -> None:
    assert note.fired_after is not None
    old, new = saved[note.fired_after], saved[note.silent_after]
    (seen, before), (_, after) = (force(network, each, inputs, note.layer) for each in (old, new))
    before, after = before[:, note.unit], after[:, note.unit]
    (w, b), (u, c) = (
        (own[note.layer]["weight"][:, note.unit], own[note.layer]["bias"][note.unit]) for own in (old, new)
    )
    assert note.rows == len(inputs)
    assert note.fired_rows == pytest.approx((before > 0).sum(), abs=1 + 0.002 * len(inputs))
    assert (sum(note.before), sum(note.after)) == (len(inputs), len(inputs))
    by_force = {
        "largest_before": before.max(),
        "largest_with_new_bias": (seen @ w + c).max(),
        "largest_with_new_weights": (seen @ u + b).max(),
        "largest_with_both": (seen @ u + c).max(),
        "largest_after": after.max(),
        "weight_norm_before": np.linalg.norm(w),
        "weight_norm_after": np.linalg.norm(u),
        "weight_change": np.linalg.norm(u - w),
    }
    told = {name: getattr(note, name) for name in by_force if getattr(note, name) is not None}
    for name, value in told.items():
        assert value == pytest.approx(by_force[name], rel=1e-3, abs=1e-3 * float(np.abs(before).max())), name
    assert told.keys() >= {"largest_before", "largest_with_new_bias", "largest_after", "weight_change"}
    assert told["largest_before"] > 0.0 >= told["largest_after"]
    assert (note.bias_before, note.bias_after) == (float(b), float(c))


def assert_complete(monitor: Monitor) -> None:
    """Every unit that a scan finds newly dead is described, or counted."""
    scans, deaths = monitor.record.notes(Scan), monitor.record.notes(UnitDeath)
    expected = {}
    for before, scan in [(None, scans[0]), *pairwise(scans)]:
        for layer, dead in scan.dead.items():
            fresh = set(dead) - set(() if before is None else before.dead[layer])
            if fresh:
                expected[scan.step, layer] = fresh
    found: dict[tuple[int, str], list[UnitDeath]] = {}
    for note in deaths:
        found.setdefault((note.step, note.layer), []).append(note)
    assert found.keys() == expected.keys()
    for key, fresh in expected.items():
        units = [note.unit for note in found[key]]
        assert len(set(units)) == len(units) == min(len(fresh), MOST_UNITS)
        assert set(units) <= fresh
        assert {note.found for note in found[key]} == {len(fresh)}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("activations", "rate", "struck"),
    [(("relu", "relu"), KILLING, "hidden_1"), (("relu", "linear", "relu"), 0.3, "hidden_3")],
    ids=["relu", "linear between"],
)
def test_deaths_are_those_that_brute_force_finds(
    activations: Sequence[str], rate: float, struck: str, *, seed: int, digits: WatchedData, make_network: MakeNetwork
) -> None:
    network = make_network(digits, [48, 24, 16][: len(activations)], activations, seed=seed)
    monitor, saved = train_and_save(network, digits, rate=rate, strike=(41, struck, [2, 5]))
    deaths = monitor.record.notes(UnitDeath)
    assert {(note.unit, note.killed_by) for note in deaths if note.layer == struck} >= {(2, 41), (5, 41)}
    assert rate < KILLING or "hidden_2" in {note.layer for note in deaths}
    assert_complete(monitor)
    scans = [scan.step for scan in monitor.record.notes(Scan)]
    for note in deaths:
        assert_as_by_force(note, network, saved, digits.inputs)
        assert note.certain
        assert max(step for step in scans if step < note.step) <= (note.fired_after or 0) < note.silent_after
        assert note.silent_after <= note.step


def test_those_are_described_that_fired_on_most_rows(digits: WatchedData, make_network: MakeNetwork) -> None:
    network = make_network(digits)
    monitor, saved = train_and_save(network, digits)
    deaths = monitor.record.notes(UnitDeath)
    first = [note for note in deaths if (note.step, note.layer) == (deaths[0].step, deaths[0].layer)]
    assert first[0].found > MOST_UNITS
    since = [scan for scan in monitor.record.notes(Scan) if scan.step < first[0].step][-1]
    (scan,) = (scan for scan in monitor.record.notes(Scan) if scan.step == first[0].step)
    fired = (force(network, saved[since.step], digits.inputs, first[0].layer)[1] > 0.0).sum(axis=0)
    fresh = set(scan.dead[first[0].layer]) - set(since.dead[first[0].layer])
    left_out = fresh - {note.unit for note in first}
    assert min(fired[note.unit] for note in first) >= max(fired[unit] for unit in left_out) - 1


def test_layers_behind_another_activation_are_described_by_the_probe(
    digits: WatchedData, make_network: MakeNetwork
) -> None:
    network = make_network(digits, (32, 16), ("tanh", "relu"))
    monitor, saved = train_and_save(network, digits, rate=0.1, strike=(20, "hidden_2", [3, 7, 12]))
    deaths = monitor.record.notes(UnitDeath)
    assert {note.unit for note in deaths} == {3, 7, 12}
    assert_complete(monitor)
    sample = Prober(network, digits).sample[0]
    scans = [0, *(scan.step for scan in monitor.record.notes(Scan))]
    for note in deaths:
        assert_as_by_force(note, network, saved, sample)
        assert note.fired_after == max(step for step in scans if step < note.step)
        assert (note.certain, note.silent_after) == (True, note.step)
        assert note.largest_with_new_bias is not None
        assert note.largest_with_new_weights is None


def test_units_of_a_relu_rnn_are_described_over_all_time_steps() -> None:
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(200, 12)).astype(np.float32)
    data = WatchedData(inputs, np.eye(2, dtype=np.float32)[(inputs.sum(axis=1) > 0).astype(int)])
    network = recurrent(
        [3, 8, 2],
        "relu",
        "cross_entropy",
        sequence_length=4,
        initializers=[glorot_uniform] * 2,
        recurrent_initializers=[orthogonal],
        generator=generator,
        dtype=np.float32,
    )
    monitor, saved = train_and_save(network, data, rate=0.05, epochs=12, strike=(20, "hidden_1", [5]))
    assert_complete(monitor)
    (note,) = monitor.record.notes(UnitDeath)
    assert (note.unit, note.of, note.rows, note.certain) == (5, "pre_activations", 800, True)
    own = saved[note.fired_after or 0]["hidden_1"]
    state, values = np.zeros((200, 8)), []
    for step in inputs.reshape(200, 4, 3).swapaxes(0, 1):
        values.append(step @ own["weight"] + state @ own["recurrent_weight"] + own["bias"])
        state = np.maximum(values[-1], 0.0)
    fired = np.concatenate(values)[:, 5]
    assert note.fired_rows == (fired > 0.0).sum()
    assert note.largest_before == pytest.approx(fired.max(), rel=1e-4)
    assert note.largest_with_new_bias is None  # what a bias does goes on through time
    incoming = np.concatenate([own["weight"][:, 5], own["recurrent_weight"][:, 5]])
    assert note.weight_norm_before == pytest.approx(np.linalg.norm(incoming), rel=1e-4)


def test_units_dead_at_the_start_are_said_to_be_so(digits: WatchedData, make_network: MakeNetwork) -> None:
    bias = np.where(np.arange(16) < 12, -50.0 - np.arange(16), 0.0)
    network = make_network(digits, hidden=(16,), bias=bias)
    monitor, saved = train_and_save(network, digits, rate=0.1)
    deaths = monitor.record.notes(UnitDeath)
    assert_complete(monitor)
    assert len(deaths) == MOST_UNITS
    largest = force(network, saved[0], digits.inputs, "hidden_1")[1].max(axis=0)
    assert {note.unit for note in deaths} == set(sorted(range(12), key=lambda unit: -largest[unit])[:MOST_UNITS])
    for note in deaths:
        assert (note.step, note.fired_after, note.silent_after, note.found) == (0, None, 0, 12)
        assert note.largest_after == pytest.approx(largest[note.unit], rel=1e-4)
        assert (note.before, sum(note.after), note.bias_after) == ((), len(digits.inputs), float(bias[note.unit]))


@pytest.mark.parametrize("exact", [1, "epoch"])
def test_with_a_scan_after_every_update_every_death_is_known_to_the_update(
    exact: Any, digits: WatchedData, make_network: MakeNetwork
) -> None:
    monitor, _ = train_and_save(make_network(digits), digits, epochs=2, exact=exact)
    assert_complete(monitor)
    known = [note.killed_by for note in monitor.record.notes(UnitDeath)]
    assert known
    if exact == 1:
        assert None not in known


def test_a_network_that_stays_well_has_no_deaths(digits: WatchedData, make_network: MakeNetwork) -> None:
    monitor, _ = train_and_save(make_network(digits), digits, rate=0.05)
    assert not any(scan.dead["hidden_1"] or scan.dead["hidden_2"] for scan in monitor.record.notes(Scan))
    assert monitor.record.notes(UnitDeath) == []


@pytest.mark.parametrize(("exact", "passes"), [("auto", 0), (7, 8)])
def test_the_sample_is_run_for_it_only_where_the_probe_did_not(
    exact: Any, passes: int, digits: WatchedData, make_network: MakeNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = make_network(digits, (16, 8), ("tanh", "relu"))
    observe, seen = network.observe, list[int]()

    def count(inputs: Any, observer: Any, *, step: int = 0) -> None:
        seen.append(step)
        observe(inputs, observer, step=step)

    monkeypatch.setattr(network, "observe", count)
    monitor, _ = train_and_save(network, digits, rate=0.1, strike=(20, "hidden_2", [3]), exact=exact)
    looks = {probe.step for probe in monitor.record.notes(Probe)}
    scans = [scan.step for scan in monitor.record.notes(Scan)]
    assert seen == [step for step in scans if step not in looks]
    assert len(seen) == passes
    assert [note.unit for note in monitor.record.notes(UnitDeath)] == [3]


def test_of_too_many_weights_nothing_is_said(
    digits: WatchedData, make_network: MakeNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(death_sample, "MOST_WEIGHTS", 100)
    network = make_network(digits, (16, 8), ("tanh", "relu"))
    monitor, _ = train_and_save(network, digits, rate=0.1, strike=(20, "hidden_2", [3]))
    (note,) = monitor.record.notes(UnitDeath)
    assert (note.weight_norm_before, note.weight_norm_after, note.weight_change) == (None, None, None)
    assert note.bias_after is not None
    assert note.bias_after < -80.0
    assert (note.largest_before or 0.0) > 0.0 > (note.largest_with_new_bias or 0.0)


class Puppet:
    """A network whose units are killed and revived by hand, and a watcher of it."""

    def __init__(self, network: Network, data: WatchedData) -> None:
        self.bias = network.views(network.parameters)["hidden_1"]["bias"]
        self._network, self._data = network, data
        self.watcher = DeathWatcher(network, data.inputs, data.inputs[:256])

    def scan(self, step: int) -> list[UnitDeath]:
        """Scan it, and give the deaths found."""
        result = DeadUnitScanner(self._network, self._data.inputs).scan()
        return list(self.watcher.describe(Scan(step, result.rows, result.dead), 0.0))


@pytest.fixture
def puppet(digits: WatchedData, make_network: MakeNetwork) -> Puppet:
    return Puppet(make_network(digits), digits)


def test_a_watcher_that_comes_later_does_not_say_when_a_unit_died(puppet: Puppet) -> None:
    puppet.bias[3] = -90.0
    (note,) = puppet.scan(50)
    assert (note.step, note.fired_after, note.silent_after, note.certain, note.killed_by) == (50, None, 50, True, None)
    assert puppet.scan(60) == []


def test_a_unit_that_comes_back_and_dies_again_has_a_note_of_each_death(puppet: Puppet) -> None:
    assert puppet.scan(0) == []
    found = []
    for step in range(1, 41):
        puppet.bias[3] = -90.0 if 5 <= step < 15 or step >= 33 else 0.0
        puppet.watcher.keep(step, 0.0)
        if step % 10 == 0:
            found += puppet.scan(step)
    assert [(note.step, note.layer, note.unit, note.killed_by) for note in found] == [
        (10, "hidden_1", 3, 5),
        (40, "hidden_1", 3, 33),
    ]
    assert (found[0].bias_before, found[0].bias_after, found[0].weight_change) == (0.0, -90.0, 0.0)
    assert found[0].largest_with_new_weights == pytest.approx(found[0].largest_before)
    assert found[0].largest_with_new_bias == pytest.approx(found[0].largest_after)


@pytest.mark.parametrize("back", range(2, 18))
def test_of_a_unit_that_came_back_between_two_scans_the_last_death_is_told(back: int, puppet: Puppet) -> None:
    puppet.scan(0)
    for step in range(1, 21):
        puppet.bias[3] = 0.0 if step in {1, back} else -90.0
        puppet.watcher.keep(step, 0.0)
    (note,) = puppet.scan(20)
    assert note.killed_by == back + 1


def test_without_looks_left_it_is_not_certain_that_a_unit_did_not_come_back(
    puppet: Puppet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(death_watch, "LEAST_WORK", 0.0)
    monkeypatch.setattr(death_watch, "FEWEST_ROWS", 10**6)  # all of them, and the fewest looks
    puppet.scan(0)
    for step in range(1, 31):
        puppet.bias[3] = 0.0 if step < 3 else -90.0
        puppet.watcher.keep(step, 0.0)
    (note,) = puppet.scan(30)
    assert (note.fired_after, note.silent_after, note.certain, note.killed_by) == (2, 3, False, None)


@pytest.mark.parametrize("killed", range(1, 31))
def test_every_update_that_kills_is_found_where_all_are_looked_at(killed: int, puppet: Puppet) -> None:
    puppet.scan(0)
    for step in range(1, 31):
        puppet.bias[3] = -90.0 if step >= killed else 0.0
        puppet.bias[9] = -90.0 if step >= 31 - killed else 0.0
        puppet.watcher.keep(step, 0.0)
    assert {note.unit: note.killed_by for note in puppet.scan(30)} == {3: killed, 9: 31 - killed}


def test_steps_not_looked_at_leave_it_open_which_update_it_was(puppet: Puppet) -> None:
    puppet.scan(0)
    for step in (1, 2, 5):
        puppet.bias[3] = -90.0 if step == 5 else 0.0
        puppet.watcher.keep(step, 0.0)
    (note,) = puppet.scan(9)
    assert (note.fired_after, note.silent_after, note.certain, note.killed_by) == (2, 5, True, None)


def test_on_a_part_of_the_rows_nothing_is_certain_before_the_scan(
    digits: WatchedData, make_network: MakeNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(death_watch, "LEAST_WORK", 0.0)
    puppet = Puppet(make_network(digits), digits)
    puppet.scan(0)
    for step in (1, 2, 3):
        puppet.bias[3] = -90.0 if step >= 2 else 0.0
        puppet.bias[5] = -90.0 if step >= 3 else 0.0
        puppet.watcher.keep(step, 0.0)
    first, second = sorted(puppet.scan(3), key=lambda note: note.unit)
    assert (first.rows, first.fired_after, first.silent_after, first.certain) == (FEWEST_ROWS, 1, 2, False)
    assert first.killed_by is None
    assert (second.fired_after, second.silent_after, second.killed_by) == (2, 3, 3)


def test_a_unit_that_fires_on_no_row_looked_at_is_not_narrowed_down(
    digits: WatchedData, make_network: MakeNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(death_watch, "LEAST_WORK", 0.0)
    network = make_network(digits)
    inputs = digits.inputs.copy()
    weight = network.views(network.parameters)["hidden_1"]["weight"]
    weight[:, 3] = 0.0
    weight[10, 3] = 1.0
    inputs[:, 10] = -1.0
    inputs[1, 10] = 1.0  # the only row it fires on is none of those evenly spread
    puppet = Puppet(network, WatchedData(inputs, digits.targets))
    assert puppet.scan(0) == []
    for step in (1, 2, 3):
        puppet.bias[3] = -90.0 if step >= 2 else 0.0
        puppet.watcher.keep(step, 0.0)
    (note,) = puppet.scan(3)
    assert (note.fired_after, note.silent_after, note.fired_rows, note.certain) == (0, 3, 0, True)


def test_with_more_trained_more_rows_are_looked_at(digits: WatchedData, make_network: MakeNetwork) -> None:
    many = WatchedData(np.tile(digits.inputs, (60, 1)), np.tile(digits.targets, (60, 1)))
    rows = []
    for trained in (0.0, 1e12):
        network = make_network(digits)
        network.views(network.parameters)["hidden_2"]["bias"][4] = -900.0
        watcher = DeathWatcher(network, many.inputs, many.inputs[:256])
        (note,) = watcher.describe(Scan(0, len(many.inputs), {"hidden_1": (), "hidden_2": (4,)}), trained)
        rows.append((note.rows, note.certain))
    assert FEWEST_ROWS < rows[0][0] < rows[1][0] == len(many.inputs)
    assert rows[1] == (len(many.inputs), True)


def test_with_more_trained_more_steps_are_kept(digits: WatchedData, make_network: MakeNetwork) -> None:
    narrow: list[tuple[int, int]] = []
    for work in (0.0, 1e10):
        puppet = Puppet(make_network(digits, hidden=(1000,)), digits)
        puppet.scan(0)
        for step in range(1, 101):
            puppet.bias[3] = -90.0 if step >= 60 else 0.0
            puppet.watcher.keep(step, step * work)
        (note,) = puppet.scan(100)
        narrow.append((note.fired_after or 0, note.silent_after))
    assert narrow[0] == (30, 100)
    assert narrow[1][0] < 60 <= narrow[1][1] <= narrow[1][0] + 20


def test_a_large_network_is_described_from_scan_to_scan(digits: WatchedData, make_network: MakeNetwork) -> None:
    network = make_network(digits, hidden=(1000, 1000))
    monitor, saved = train_and_save(network, digits, rate=2.0, epochs=1)
    deaths = monitor.record.notes(UnitDeath)
    assert_complete(monitor)
    scans = [scan.step for scan in monitor.record.notes(Scan)]
    assert deaths
    for note in deaths:
        assert note.fired_after in scans
        assert note.silent_after in scans
        assert np.array_equal(np.float32(note.bias_after or 0.0), saved[note.step][note.layer]["bias"][note.unit])


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_training_whose_units_die_is_bit_identical_with_and_without_a_monitor(
    momentum: float, digits: WatchedData, make_network: MakeNetwork
) -> None:
    results = []
    for watched in (False, True):
        network = make_network(digits)
        monitor = Monitor(network, digits) if watched else None
        generator = np.random.default_rng(0)
        samples, optimizer = Samples(digits.inputs, digits.targets), Sgd(KILLING, momentum=momentum)
        train(network, samples, optimizer, epochs=2, batch_size=64, generator=generator)
        results.append((network.parameters.tobytes(), generator.bit_generator.state["state"]))
        assert monitor is None or monitor.record.notes(UnitDeath)
    assert results[0] == results[1]


def test_every_run_of_a_stack_has_the_deaths_it_has_alone(digits: WatchedData, make_network: MakeNetwork) -> None:
    samples = Samples(digits.inputs, digits.targets)

    def prepare() -> tuple[list[Training], list[Monitor]]:
        networks = [make_network(digits, seed=seed) for seed in range(3)]
        rates = (KILLING, 0.1, 2.0)
        trainings = [
            Training(network, samples, Sgd(rate), epochs=3, batch_size=64, generator=np.random.default_rng(seed))
            for seed, (network, rate) in enumerate(zip(networks, rates, strict=True))
        ]
        return trainings, [Monitor(network, digits) for network in networks]

    trainings, stacked = prepare()
    train_many(trainings)
    trainings, alone = prepare()
    for training in trainings:
        train_many([training])
    deaths = [[monitor.record.notes(UnitDeath) for monitor in monitors] for monitors in (stacked, alone)]
    assert deaths[0] == deaths[1]
    assert deaths[0][0]
    assert not deaths[0][1]


def test_deaths_and_verdict_are_the_same_read_back(
    digits: WatchedData, make_network: MakeNetwork, tmp_path: Path
) -> None:
    monitor, _ = train_and_save(make_network(digits), digits, sinks=[RunWriter(tmp_path)])
    record = read_record(tmp_path).record
    assert record.notes(UnitDeath) == monitor.record.notes(UnitDeath)
    assert judge(record) == monitor.verdict
    evidence = "".join(finding.evidence for finding in monitor.verdict.findings if finding.id == "dead_units")
    assert " killed unit " in evidence


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38], ids=str)
@pytest.mark.parametrize("where", ["inputs", "weight", "bias"])
def test_nothing_that_is_not_finite_stops_the_watcher(
    where: str, value: float, digits: WatchedData, make_network: MakeNetwork
) -> None:
    network, inputs = make_network(digits), digits.inputs.copy()
    arrays = network.views(network.parameters)["hidden_1"]
    if where == "inputs":
        inputs[::3, 5] = value
    puppet = Puppet(network, WatchedData(inputs, digits.targets))
    puppet.scan(0)
    for step in (1, 2, 3):
        if where != "inputs":
            arrays[where][..., 3] = value if step == 2 else -1.0
        puppet.bias[4] = -1e4 if step >= 2 else 0.0
        puppet.watcher.keep(step, 0.0)
    dead = {"hidden_1": (3, 4), "hidden_2": ()}
    notes = list(puppet.watcher.describe(Scan(3, len(inputs), dead), 0.0))
    assert {note.unit for note in notes} == {3, 4}
    assert all(np.isfinite(note.edges).all() for note in notes)


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_tiny_sets_stop_nothing(rows: int, digits: WatchedData, make_network: MakeNetwork) -> None:
    few = WatchedData(digits.inputs[:rows], digits.targets[:rows])
    monitor, _ = train_and_save(make_network(few), few, rate=20.0)
    assert_complete(monitor)
    assert monitor.record.notes(UnitDeath)
