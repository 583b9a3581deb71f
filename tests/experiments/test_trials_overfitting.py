"""The trial of 20 examples: who learns them by heart, who does not, and what is made of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.findings import Severity
from gradvitals.diagnostics.gate import Gate
from gradvitals.diagnostics.measurements import Context, Record
from gradvitals.diagnostics.trial_notes import OverfitTrial
from gradvitals.experiments.config.dump import as_plain, flatten
from gradvitals.experiments.config.load import parse_config
from gradvitals.experiments.config.override import set_key
from gradvitals.experiments.config.root import Config
from gradvitals.experiments.data.load import load_data
from gradvitals.experiments.trials.cannot_overfit import CannotOverfit
from gradvitals.experiments.trials.overfitting import ordinary, try_overfitting, unregularised

RULE = CannotOverfit()


def config_of(source: str = "iris", **tables: Any) -> Config:
    return parse_config({"data": {"source": source, **tables.pop("data", {})}, **tables})


def tried(config: Config, *, steps: int = RULE.steps, seeds: int = RULE.seeds) -> OverfitTrial:
    dataset = load_data(config.data, config.seed, Path(), origin="test", sequence_length=config.model.sequence_length)
    return try_overfitting(config, dataset, examples=RULE.examples, steps=steps, seeds=seeds, target=RULE.error)


def judged(note: OverfitTrial, config: Config | None = None) -> Any:
    context = Context((), "mse", 10, 1, 10, 1.0, None, None if config is None else flatten(as_plain(config)))
    record = Record(context)
    record.add(note)
    return RULE.judge(record, Gate(()))


def trial(own: tuple[float, ...], adam: float | None = None, control: tuple[float, ...] = ()) -> OverfitTrial:
    """Make a note; every rate of Adam came to the same."""
    rates = {} if adam is None else dict.fromkeys(("0.01", "0.001", "0.1"), (adam, adam))
    return OverfitTrial(0, 20, 2000, 0.1, "sgd at 0.1" if own else "", own, rates, control)


def test_one_success_ends_the_trial() -> None:
    note = tried(config_of("digits"))
    (loss,) = note.own
    assert 0.0 < loss <= 0.1
    assert (note.examples, note.optimizer, note.adam, note.control, note.reason) == (20, "adam at 0.001", {}, (), "")


REGULARISED: dict[str, dict[str, Any]] = {
    "dropout": {"model": {"dropout": 0.9}},
    "l2": {"training": {"l2": 10.0}},
    "weight decay": {"training": {"optimizer": {"kind": "adamw", "weight_decay": 100.0}}},
    "a schedule": {
        "training": {"epochs": 1, "batch_size": 1000, "schedule": {"kind": "step", "every": 1, "factor": 0.01}}
    },
    "early stopping": {"training": {"early_stopping": {"patience": 1}}},
}


@pytest.mark.parametrize("name", REGULARISED)
def test_regularisation_is_left_out(name: str) -> None:
    config = config_of(**REGULARISED[name])
    assert tried(config).own == tried(unregularised(config)).own == tried(config_of()).own


def test_a_rate_too_low_is_told_from_a_broken_program() -> None:
    config = config_of(training={"optimizer": {"kind": "sgd", "learning_rate": 1e-6}})
    note = tried(config)
    assert min(note.own) > 0.5
    assert list(note.adam) == ["0.01"]
    (finding,) = judged(note, config).findings
    assert (finding.severity, finding.threshold) == (Severity.WARNING, RULE.warn)
    assert finding.prescriptions[0].set == {"training.optimizer": {"kind": "adam", "learning_rate": 0.01}}


BROKEN: dict[str, dict[str, Any]] = {
    "a sigmoid for values": {
        "source": "diabetes",
        "data": {"scale_targets": "standard"},
        "model": {"output": "sigmoid"},
        "training": {"loss": "mse"},
    },
    "twice a softmax": {"source": "digits", "model": {"output": "softmax"}, "training": {"from_logits": True}},
    "dead units": {"model": {"bias_init": {"kind": "constant", "value": -1000.0}}},
    "saturated units": {
        "model": {"activation": "sigmoid", "bias_init": {"kind": "constant", "value": -200.0}},
    },
    "all units alike": {"source": "xor", "model": {"hidden": [8], "init": "zeros", "activation": "tanh"}},
    "a loss that overflows": {"model": {"init": {"kind": "normal", "std": 1e25}, "hidden": [8, 8]}},
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_program_that_cannot_learn_is_an_error(name: str) -> None:
    config = config_of(**BROKEN[name])
    (finding,) = judged(tried(config, steps=500), config).findings
    assert (finding.severity, finding.layer) == (Severity.ERROR, None)
    assert finding.value > RULE.error == finding.threshold
    assert "an ordinary network of the same widths gets below 10%" in finding.evidence
    for prescription in finding.prescriptions:
        raw = as_plain(config)
        for key, value in (prescription.set or {}).items():
            raw = set_key(raw, key, value)
        Config.model_validate(raw)


@pytest.mark.parametrize(
    "config",
    [
        config_of("digits", model={"hidden": [1]}),
        config_of("diabetes", data={"scale_targets": "standard"}, model={"hidden": []}),
    ],
    ids=["one unit for ten classes", "ten weights for twenty values"],
)
def test_what_an_ordinary_network_of_its_size_cannot_learn_either_is_not_judged(config: Config) -> None:
    judgement = judged(tried(config, steps=500), config)
    assert (judgement.status, judgement.findings) == ("not_judged", ())
    assert "of its widths does not learn 20 examples by heart either" in judgement.reason


def test_examples_that_all_have_the_same_target_are_not_judged(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    np.savez(tmp_path / "flat.npz", x=generator.random((1000, 3)), y=7.5 + (np.arange(1000) == 500))
    config = config_of(str(tmp_path / "flat.npz"), data={"task": "regression"})
    judgement = judged(tried(config))
    assert (judgement.status, judgement.findings) == ("not_judged", ())
    assert "the best constant's loss on 20 examples is 0" in judgement.reason


def test_labels_of_pure_noise_are_learned_by_heart(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    np.savez(tmp_path / "noise.npz", x=generator.integers(0, 3, (300, 4)), y=generator.integers(0, 2, 300))
    assert min(tried(config_of(str(tmp_path / "noise.npz"))).own) <= 0.1


def test_soft_labels_are_learned_by_heart_when_what_can_be_learned_is(tmp_path: Path) -> None:
    inputs = np.random.default_rng(0).normal(size=(300, 4))
    np.savez(tmp_path / "soft.npz", x=inputs, y=1.0 / (1.0 + np.exp(-0.8 * inputs[:, :1])))
    program = {"model": {"output": "linear"}, "training": {"loss": "binary_cross_entropy", "from_logits": True}}
    note = tried(config_of(str(tmp_path / "soft.npz"), data={"task": "regression"}, **program))
    assert 0.0 <= min(note.own) <= 0.1


def test_a_random_search_has_no_optimizer_to_blame() -> None:
    config = config_of(training={"gradient": "random_search", "optimizer": {"kind": "sgd", "learning_rate": 0.01}})
    note = tried(config)
    assert (note.own, note.optimizer) == ((), "")
    assert judged(note).status == "clear"


def test_a_data_set_of_four_rows_is_enough() -> None:
    note = tried(config_of("xor", data={"n": 10, "noise": 0.0}, model={"hidden": [8]}))
    assert note.examples < 20
    assert min(note.own) <= 0.1


def test_the_ordinary_network_has_the_same_widths_and_nothing_odd() -> None:
    odd = config_of(
        "digits",
        model={"hidden": [7, 5], "activation": "sigmoid", "init": "zeros", "output": "relu", "output_units": 12},
        training={"loss": "cross_entropy", "reduction": "sum", "dtype": "float64", "class_weight": "balanced"},
    )
    sane = ordinary(odd)
    assert sane.model == config_of("digits", model={"hidden": [7, 5]}).model
    assert sane.training == config_of("digits", training={"dtype": "float64"}).training
    assert (sane.data, sane.seed) == (odd.data, odd.seed)


@pytest.mark.parametrize(
    ("note", "status", "severity"),
    [
        (trial((0.05,)), "clear", None),
        (trial((0.9, 0.1)), "clear", None),
        (trial((0.3, 0.2), 0.05), "fired", Severity.INFO),
        (trial((0.7, 0.6), 0.05), "fired", Severity.WARNING),
        (trial((0.7, 0.4), 0.05), "fired", Severity.INFO),
        (trial((0.7, 0.6), 0.2, (0.05, 0.05)), "fired", Severity.ERROR),
        (trial((0.7, 0.3), 0.2, (0.05, 0.05)), "fired", Severity.WARNING),
        (trial((0.7, 0.6), 0.2, (0.05, 0.3)), "not_judged", None),
        (trial((), 0.05), "clear", None),
        (trial((), 0.8, (0.05, 0.05)), "fired", Severity.ERROR),
        (trial((float("inf"),) * 2, float("inf"), (0.05, 0.05)), "fired", Severity.ERROR),
    ],
    ids=[
        "at once",
        "at the second attempt",
        "slow",
        "hopelessly slow",
        "hopeless once",
        "nobody but the ordinary",
        "nobody, but half way",
        "not even the ordinary",
        "only Adam was tried",
        "Adam alone failed",
        "never finite",
    ],
)
def test_the_level_follows_who_learned(note: OverfitTrial, status: str, severity: Severity | None) -> None:
    judgement = judged(note)
    assert judgement.status == status
    assert [finding.severity for finding in judgement.findings] == ([] if severity is None else [severity])
    assert all("inf" not in finding.evidence and "nan" not in finding.evidence for finding in judgement.findings)


def test_without_a_trial_nothing_is_said() -> None:
    assert RULE.judge(Record(), Gate(())).status == "not_judged"
