"""What a diagnosis prescribes can be done: every key and value is one that a config may have."""

from pathlib import Path

import pytest

from gradvitals.experiments.config.dump import as_plain
from gradvitals.experiments.config.load import load_config
from gradvitals.experiments.config.override import set_key
from gradvitals.experiments.config.root import Config
from gradvitals.experiments.runner import run_one
from gradvitals.experiments.sweep import make_plan, place_runs

SICK = {
    "born dead": ("dying_relu", []),
    "saturated": ("saturated_sigmoid", []),
    "vanishing": ("vanishing_sigmoid_stack", []),
    "exploding": ("exploding_initialization", []),
    "overflowing at the first step": ("exploding_initialization", ["model.init={kind='normal', std=1e10}"]),
    "diverging": ("dying_relu_healthy", ["training.optimizer.learning_rate=1e20"]),
    "killed by its steps": ("dying_relu_healthy", ["training.optimizer.learning_rate=50"]),
    "hardly moving": ("dying_relu_healthy", ["training.optimizer.learning_rate=1e-12"]),
    "unscaled": ("dying_relu_healthy", ["data.source=diabetes", "data.scale=none"]),
    "saturated by its data": (
        "dying_relu_healthy",
        ["model.activation=tanh", "data.scale=1000", "training.optimizer.learning_rate=5"],
    ),
    "with settings per layer": (
        "dying_relu_healthy",
        [
            'model.activation=["relu", "sigmoid"]',
            'model.init=[{kind="normal", std=5}, {kind="normal", std=30}, {kind="normal", std=9}]',
            'model.bias_init={kind="constant", value=-200}',
        ],
    ),
    "a recurrent network born dead": (
        "dying_relu_healthy",
        [
            "data.source=delayed_copy",
            "model.kind=rnn",
            "model.cell=relu",
            "model.sequence_length=5",
            'model.bias_init={kind="constant", value=-200}',
        ],
    ),
    "a relu for an output": ("dying_relu_healthy", ["model.output=relu", "training.optimizer.learning_rate=5"]),
    "a column too large": ("unscaled_inputs", ["data.source=wine", "data.scale=none"]),
    "targets far off": ("unscaled_targets", []),
    "weights too large": ("initialization_scale", []),
    "labels beyond the outputs": ("dying_relu_healthy", ["model.output_units=5"]),
    "with another optimizer": (
        "dying_relu_healthy",
        ['training.optimizer={kind="rmsprop", learning_rate=10, momentum=0.9}'],
    ),
}


@pytest.mark.parametrize(("base", "overrides"), SICK.values(), ids=SICK.keys())
def test_every_prescription_can_be_set(base: str, overrides: list[str], tmp_path: Path) -> None:
    plan = make_plan(load_config(base, overrides), tmp_path)
    ((planned, place),), _ = place_runs(plan, "refuse")
    _, verdict = run_one(planned, place)
    prescribed = [prescription.set for finding in verdict.findings for prescription in finding.prescriptions]
    assert any(prescribed)
    for settings in prescribed:
        raw = as_plain(planned.config)
        for key, value in (settings or {}).items():
            raw = set_key(raw, key, value)
        Config.model_validate(raw)


@pytest.mark.parametrize(
    ("base", "id_", "rates"),
    [
        ("no_learning", "no_learning", [0.01]),  # to where updates are a thousandth of the weights
        ("dying_relu", "no_learning", []),  # no rate moves what has no gradient
        ("dying_relu", "collapsed_output", []),  # nor undoes a step that was never made
    ],
)
def test_another_rate_is_prescribed_only_where_it_can_help(
    base: str, id_: str, rates: list[float], tmp_path: Path
) -> None:
    ((planned, place),), _ = place_runs(make_plan(load_config(base), tmp_path), "refuse")
    _, verdict = run_one(planned, place)
    (finding,) = (finding for finding in verdict.standing if finding.id == id_ and finding.severity == "error")
    key = "training.optimizer.learning_rate"
    assert [cure.set[key] for cure in finding.prescriptions if cure.set and key in cure.set] == rates
