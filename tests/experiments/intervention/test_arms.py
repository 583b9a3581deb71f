"""What is tried: valid changes of one thing each, the smaller first."""

from pathlib import Path
from typing import Any

import pytest

from gradvitals.diagnostics.findings import Finding, Prescription, Severity
from gradvitals.experiments.config.dump import training_hash
from gradvitals.experiments.config.load import parse_config
from gradvitals.experiments.config.root import Config
from gradvitals.experiments.data.dataset import Dataset
from gradvitals.experiments.intervention.arms import RATE, Arm, combine, make_arm
from gradvitals.experiments.intervention.catalogue import list_arms, make_sane_defaults, rates_besides, rates_near
from gradvitals.experiments.plan import PlannedRun
from gradvitals.experiments.runner import Place, load_dataset

SANE = {
    "iris": (),
    "diabetes": ("data.scale_targets=standard",),
}


def sick(source: str, *overrides: str) -> tuple[Config, Dataset]:
    config = parse_config({"data": {"source": source}}, "test", overrides)
    return config, load_dataset(PlannedRun(config, {}, "test"), Place(Path(), "test", Path(), {}))


def finding(*cures: dict[str, Any]) -> Finding:
    prescriptions = tuple(Prescription("try it", cure) for cure in cures)
    return Finding("dead_units", "fact", Severity.ERROR, "hidden_1", 0, 9, 1.0, 0.5, "dead", "Dead.", prescriptions)


CONFIGS = {
    "biased": ("iris", ['model.bias_init={kind="constant", value=-9.0}']),
    "unscaled": ("diabetes", ["data.scale=1000.0", "training.optimizer=sgd", "training.optimizer.learning_rate=0.1"]),
    "wrong output": ("diabetes", ["model.output=softmax", "training.loss=mse"]),
    "double softmax": ("iris", ["model.output=softmax", "training.from_logits=true"]),
    "squared error of classes": ("iris", ["model.output=sigmoid", "training.loss=mse"]),
    "too few outputs": ("digits", ["model.output_units=8"]),
    "frozen": ("iris", ['training.frozen=["hidden_1"]', "training.l2=0.1", "model.dropout=0.5"]),
    "recurrent": ("digits", ["model.kind=rnn", "model.sequence_length=8", "model.hidden=[16]", "model.cell=relu"]),
    "clipped": ("diabetes", ["training.loss=clipped_delta", "model.output=linear"]),
}


@pytest.mark.parametrize(("source", "overrides"), CONFIGS.values(), ids=CONFIGS.keys())
def test_every_arm_changes_something_and_can_be_trained(source: str, overrides: list[str]) -> None:
    config, dataset = sick(source, *overrides)
    arms = list_arms(config, dataset, ())
    hashes = [training_hash(arm.config) for arm in arms]
    assert 8 <= len(arms) <= 20
    assert len({*hashes, training_hash(config)}) == len(arms) + 1
    assert [arm.size for arm in arms] == sorted(arm.size for arm in arms)


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("biased", "model.bias_init"),
        ("unscaled", "data.scale"),
        ("unscaled", "data.scale_targets"),
        ("wrong output", "model.output"),
        ("double softmax", "training.from_logits"),
        ("too few outputs", "model.output_units"),
        ("frozen", "training.frozen"),
        ("recurrent", "model.cell"),
        ("clipped", "training.loss"),
    ],
)
def test_what_is_wrong_can_be_put_right_with_one_key(name: str, cure: str) -> None:
    source, overrides = CONFIGS[name]
    arms = list_arms(*sick(source, *overrides), ())
    assert any(arm.keys == 1 and cure in arm.changes for arm in arms)


@pytest.mark.parametrize(("rate", "tried"), [(1e-7, {0.001, 0.01}), (2e-6, {0.001, 0.01}), (2e-5, {0.001, 0.002})])
def test_ten_times_what_is_usual_is_tried_of_a_rate_far_below_it(rate: float, tried: set[float]) -> None:
    config, dataset = sick("iris", f'training.optimizer={{kind="adam", learning_rate={rate}}}')
    rates = {arm.changes[RATE] for arm in list_arms(config, dataset, ()) if RATE in arm.changes}
    assert {each for each in rates if each >= 0.001} == tried


@pytest.mark.parametrize(("cell", "tried"), [("relu", {"identity"}), ("tanh", set())])
def test_a_rectified_cell_may_begin_with_the_identity(cell: str, tried: set[str]) -> None:
    config, dataset = sick(
        "digits", "model.kind=rnn", "model.sequence_length=8", "model.hidden=[16]", f"model.cell={cell}"
    )
    values = [
        arm.changes["model.recurrent_init"]
        for arm in list_arms(config, dataset, ())
        if len(arm.changes) == 1 and "model.recurrent_init" in arm.changes
    ]
    assert set(values) == tried  # it begins orthogonal already


def test_what_findings_prescribe_is_tried_and_known_by_who_prescribes_it() -> None:
    config, dataset = sick("iris")
    arms = list_arms(
        config, dataset, [finding({"training.clip_norm": 1.0}, {"training.l2": 0.25}, {"training.l2": -1.0})]
    )
    by_change = {tuple(arm.changes.items()): arm.prescribed_by for arm in arms}
    assert by_change[("training.clip_norm", 1.0),] == ("dead_units@hidden_1",)
    assert by_change[("training.l2", 0.25),] == ("dead_units@hidden_1",)
    assert (("training.l2", -1.0),) not in by_change
    assert by_change[("training.batch_size", 32),] == ()


def test_a_program_put_right_is_a_smaller_change_than_another_optimizer() -> None:
    config, dataset = sick(
        "iris", 'training.frozen=["hidden_1"]', "training.optimizer=sgd", "training.optimizer.learning_rate=9.0"
    )
    names = [arm.name for arm in list_arms(config, dataset, ())]
    order = [
        "training.frozen = []",
        'model.init = "glorot_uniform"',
        "training.optimizer.learning_rate = 0.1",
        "training.clip_norm = 1.0",
        'training.optimizer = {kind = "adam", learning_rate = 0.001}',
        'model.activation = "leaky_relu"',
    ]
    assert [names.index(name) for name in order] == sorted(names.index(name) for name in order)


def test_another_rate_of_the_same_optimizer_is_a_change_of_the_rate_alone() -> None:
    config, dataset = sick("iris", "training.optimizer=adam", "training.optimizer.learning_rate=1.0")
    arm = make_arm(config, {"training.optimizer": {"kind": "adam", "learning_rate": 0.001}}, dataset)
    assert arm is not None
    assert dict(arm.changes) == {"training.optimizer.learning_rate": 0.001}


@pytest.mark.parametrize("source", SANE)
def test_sane_defaults_have_nothing_to_change_in_themselves(source: str) -> None:
    assert make_sane_defaults(*sick(source, *SANE[source])) is None


@pytest.mark.parametrize(("source", "overrides"), CONFIGS.values(), ids=CONFIGS.keys())
def test_sane_defaults_are_reached_from_anywhere(source: str, overrides: list[str]) -> None:
    config, dataset = sick(source, *overrides)
    sane = make_sane_defaults(config, dataset)
    assert sane is not None
    assert sane.role == "sane_defaults"
    assert make_sane_defaults(sane.config, dataset) is None


def test_another_rate_is_near_where_the_rate_or_the_optimizer_is_changed_and_beside_where_neither_is() -> None:
    config, dataset = sick("iris", "training.optimizer=sgd", "training.optimizer.learning_rate=0.1")
    adam, rate, init = (
        make_arm(config, changes, dataset)
        for changes in (
            {"training.optimizer": {"kind": "adam", "learning_rate": 0.001}},
            {"training.optimizer.learning_rate": 0.01},
            {"model.init": "glorot_uniform"},
        )
    )
    assert isinstance(adam, Arm)
    assert isinstance(rate, Arm)
    assert isinstance(init, Arm)

    def rates(arms: list[Arm]) -> list[float]:
        return [arm.config.training.optimizer.learning_rate for arm in arms]

    near = rates_near(config, dataset, adam)
    assert rates(near) == [0.0003, 0.003, 0.01]
    assert {arm.config.training.optimizer.kind for arm in near} == {"adam"}
    assert rates(rates_near(config, dataset, rate)) == [0.003, 0.03]  # tenfold is what there was
    assert rates_near(config, dataset, init) == []
    besides = rates_besides(config, dataset, init)
    assert rates(besides) == [0.01, 0.03, 0.3, 1.0]
    assert {arm.keys for arm in besides} == {2}
    assert rates_besides(config, dataset, adam) == rates_besides(config, dataset, rate) == []


def test_two_changes_make_a_pair_unless_they_are_of_one_key() -> None:
    config, dataset = sick("iris")
    init, clip, adam, rate = (
        make_arm(config, changes, dataset)
        for changes in (
            {"model.init": "glorot_uniform"},
            {"training.clip_norm": 1.0},
            {"training.optimizer": {"kind": "sgd", "learning_rate": 0.1}},
            {"training.optimizer.learning_rate": 0.01},
        )
    )
    assert isinstance(init, Arm)
    assert isinstance(clip, Arm)
    assert isinstance(adam, Arm)
    assert isinstance(rate, Arm)
    both = combine(init, clip, config, dataset)
    assert both is not None
    assert (both.keys, both.size) == (2, (2, (5, 3)))
    assert combine(adam, rate, config, dataset) is None
