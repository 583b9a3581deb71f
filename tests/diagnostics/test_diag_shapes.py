"""Data that are no matrices: images are measured as the matrices they can be laid out as, names are not rescaled."""

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics import column_scales, data_signal, dead_unit_scan, probing
from gradvitals.diagnostics.column_scales import measure_columns
from gradvitals.diagnostics.constant_predictor import fit_constant
from gradvitals.diagnostics.data_signal import measure_signal, predict_simply
from gradvitals.diagnostics.dead_unit_scan import DeadUnitScanner
from gradvitals.diagnostics.diagnoses.dead_units import DeadUnits
from gradvitals.diagnostics.gate import judge_gate
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.notes import Generalisation, Scan
from gradvitals.diagnostics.probing import Prober
from gradvitals.diagnostics.start_notes import DataFacts, Propagation
from gradvitals.diagnostics.starting_point import measure_start
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.events import Array, LayerInfo, Observable, Observer, ProbeResult
from gradvitals.engine.network import Network

MakeNetwork = Callable[..., Network]


class OnImages:
    """A network whose inputs are images, which it lays out as rows itself; the rest of it is the network's."""

    def __init__(self, network: Network, *, layerwise: bool = False) -> None:
        self.network, self.layerwise = network, layerwise
        self.chunks: list[tuple[int, ...]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.network, name)

    def probe(self, inputs: Array, targets: Array, observer: Observer | None = None, *, step: int = 0) -> ProbeResult:
        """Probe the network."""
        assert inputs.ndim == 3
        return self.network.probe(inputs.reshape(len(inputs), -1), targets, observer, step=step)

    def observe(self, inputs: Array, observer: Observer, *, step: int = 0) -> None:
        """Observe the network."""
        assert inputs.ndim == 3
        self.chunks.append(inputs.shape)
        self.network.observe(inputs.reshape(len(inputs), -1), observer, step=step)


@pytest.fixture
def raw(digits: WatchedData) -> WatchedData:
    """Digits that are not standardised, with a missing number."""
    assert digits.validation_inputs is not None
    inputs = digits.inputs * np.linspace(1.0, 3.0, 64, dtype=np.float32) + 1.0
    inputs[7, 20] = np.nan
    return replace(digits, inputs=inputs, validation_inputs=np.concatenate([inputs[30:40], digits.validation_inputs]),
                   validation_targets=np.concatenate([digits.targets[30:40], digits.validation_targets]))  # fmt: skip


def as_images(data: WatchedData) -> WatchedData:
    assert data.validation_inputs is not None
    unseen = data.validation_inputs.reshape(-1, 8, 8)
    return replace(data, inputs=data.inputs.reshape(-1, 8, 8), validation_inputs=unseen)


def measured(network: Observable, data: WatchedData) -> list[Any]:
    prober = Prober(network, data)
    look = prober.take(0, closely=True)
    return [look.probe, *look.notes, *measure_start(network, data, prober.sample, step=0)]


def test_images_are_measured_as_the_rows_they_can_be_laid_out_as(raw: WatchedData, make_network: MakeNetwork) -> None:
    network = make_network(raw)
    flat, images = measured(network, raw), measured(OnImages(network), as_images(raw))
    assert [type(note) for note in flat].count(Generalisation) == 1
    for one, other in zip(flat, images, strict=True):
        np.testing.assert_equal(asdict(one), asdict(other))
    facts = next(note for note in images if isinstance(note, DataFacts))
    assert facts.columns == 64
    assert facts.not_finite == {"training inputs": (1, 7, 20)}
    assert facts.shared_rows == 10


def test_names_are_not_rescaled_and_have_no_columns(digits: WatchedData, make_network: MakeNetwork) -> None:
    network = make_network(digits)
    indices = np.round(digits.inputs * 3.0 + 20.0).astype(np.int64)
    names = replace(digits, inputs=indices, validation_inputs=None, discrete=True)
    *_, facts, start = measured(network, names)
    assert isinstance(facts, DataFacts)
    assert isinstance(start, Propagation)
    assert (facts.rows, facts.columns, facts.constant_count, facts.rms, facts.widest) == (1300, 64, 0, None, None)
    assert (start.standardised_loss, start.standardised_deviations) == (None, None)
    *_, facts, start = measured(network, replace(names, discrete=False))
    assert facts.rms > 10.0
    assert start.standardised_loss is not None


@pytest.mark.parametrize("layerwise", [True, False], ids=["layer by layer", "whole"])
def test_dead_units_of_images_are_those_of_rows(
    digits: WatchedData, make_network: MakeNetwork, *, layerwise: bool
) -> None:
    network = make_network(digits)
    network.views(network.parameters)["hidden_1"]["bias"][[3, 5]] = -40.0
    network.views(network.parameters)["hidden_2"]["bias"][:9] -= 1.5
    expected = DeadUnitScanner(network, digits.inputs).scan().dead
    assert {3, 5} <= set(expected["hidden_1"])
    images = OnImages(network, layerwise=layerwise)
    assert DeadUnitScanner(images, digits.inputs.reshape(-1, 8, 8)).scan().dead == expected


def test_large_images_are_scanned_and_probed_few_at_a_time(
    digits: WatchedData, make_network: MakeNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_unit_scan, "MOST_NUMBERS", 64 * 100)
    monkeypatch.setattr(probing, "MOST_NUMBERS", 64 * 50)
    network = OnImages(make_network(digits))
    network.network.views(network.network.parameters)["hidden_1"]["bias"][3] = -40.0
    DeadUnitScanner(network, digits.inputs.reshape(-1, 8, 8)).scan()
    assert network.chunks == [(100, 8, 8)] * 13
    assert Prober(network, replace(as_images(digits), validation_inputs=None)).take(0).probe.samples == 50
    monkeypatch.setattr(probing, "MOST_NUMBERS", 1)
    assert Prober(network, as_images(digits)).take(0).probe.samples == 32


def test_ordinary_rows_are_probed_as_many_as_ever(digits: WatchedData, make_network: MakeNetwork) -> None:
    assert Prober(make_network(digits), digits).take(0).probe.samples == 256


def test_simple_models_see_images_as_rows(digits: WatchedData) -> None:
    images = digits.inputs.reshape(-1, 8, 8)
    flat = measure_signal(digits.inputs, digits.targets, np.random.default_rng(0), step=0)
    assert measure_signal(images, digits.targets, np.random.default_rng(0), step=0) == flat
    ours, theirs = (
        predict_simply(inputs, digits.targets, inputs[:50], np.random.default_rng(0))
        for inputs in (digits.inputs, images)
    )
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


def test_simple_models_are_fitted_to_fewer_of_large_images(
    digits: WatchedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_signal, "MOST_NUMBERS", 64 * 100)
    few = measure_signal(digits.inputs, digits.targets, np.random.default_rng(0), step=0)
    order = np.random.default_rng(0).permutation(1300)[:100]
    assert few.gain_se > 0.0
    monkeypatch.undo()
    by_hand = measure_signal(digits.inputs[order], digits.targets[order], _Unshuffled(), step=0)  # type: ignore[arg-type]
    assert few == by_hand


class _Unshuffled:
    def permutation(self, count: int) -> Array:
        return np.arange(count)


def test_columns_of_large_images_are_told_from_fewer_rows(digits: WatchedData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(column_scales, "MOST_NUMBERS", 64 * 100)
    columns = measure_columns(digits.inputs)
    np.testing.assert_allclose(columns.mean, digits.inputs[::13].mean(axis=0, dtype=np.float64), atol=1e-12)


def scanned(*, complete: bool) -> Record:
    record = Record(Context((LayerInfo("hidden_1", "relu", 4, 4),), "mse", 100, 10, 500, 1.0, None, None))
    record.add(Scan(0, 500, {"hidden_1": (0, 1, 2)}))
    record.add(Scan(100, 500, {"hidden_1": (0, 1, 2)}))
    nothing: dict[str, Any] = dict.fromkeys(DataFacts.__dataclass_fields__)
    record.add(DataFacts(**{**nothing, "step": 0, "rows": 500, "columns": 4, "complete": complete}))
    return record


@pytest.mark.parametrize("complete", [True, False], ids=["all", "a sample"])
def test_a_scan_of_a_sample_is_said_to_be_one(*, complete: bool) -> None:
    record = scanned(complete=complete)
    finding = DeadUnits().judge(record, judge_gate(record)).findings[0]
    assert "silent on all 500 training examples" in finding.evidence
    assert ("a sample of the training set" in finding.evidence) != complete


def test_a_sample_is_never_the_whole_set(digits: WatchedData, make_network: MakeNetwork) -> None:
    few = replace(digits, inputs=digits.inputs[:20], targets=digits.targets[:20])
    network = make_network(digits)
    assert Prober(network, few).take(0).probe.whole_set
    assert not Prober(network, replace(few, complete=False)).take(0).probe.whole_set


def test_a_known_constant_is_taken_as_it_is_and_its_floor_is_no_loss(
    digits: WatchedData, make_network: MakeNetwork
) -> None:
    network = make_network(digits)
    plain = Prober(network, digits).take(0).probe
    fitted = fit_constant("cross_entropy", digits.targets)
    assert fitted is not None
    assert Prober(network, replace(digits, constant=fitted)).take(0).probe == plain
    floor = 0.5
    probe = Prober(network, replace(digits, constant=replace(fitted, floor=floor))).take(0).probe
    reducible = fitted.mean_loss - floor
    assert probe.loss_ratio == pytest.approx((plain.loss - floor) / reducible)
    assert plain.gain is not None
    assert probe.gain == pytest.approx(plain.gain * fitted.mean_loss / reducible)
    soft = replace(digits, targets=0.9 * digits.targets + 0.01)
    least = -(0.91 * np.log(0.91) + 9 * 0.01 * np.log(0.01))
    prober = Prober(network, soft)
    assert prober.constant is not None
    assert prober.constant.floor == pytest.approx(least, rel=1e-6)
    doubled = replace(fitted, losses_of=lambda best, targets: np.full(len(targets), 2.0 * len(best)))
    gain = Prober(network, replace(digits, constant=doubled)).take(0).probe.gain
    assert gain == pytest.approx((20.0 - plain.loss) / fitted.mean_loss)
