"""Programs whose loss does not fit are told so, what they cost and what would be right; others are left alone."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradvitals.diagnostics.findings import Finding, Prescription, Severity, Verdict
from gradvitals.diagnostics.judge import judge
from gradvitals.diagnostics.tensorboard.run_record import read_record
from gradvitals.diagnostics.tensorboard.strict_json import encode_json
from gradvitals.experiments.config.dump import as_plain, dump
from gradvitals.experiments.config.load import load_config, loads
from gradvitals.experiments.config.override import set_key
from gradvitals.experiments.config.root import Config
from gradvitals.experiments.runner import run_one
from gradvitals.experiments.sweep import make_plan, place_runs

ADAM = 'optimizer = {kind = "adam", learning_rate = 0.01}'
OURS = {"loss_mismatch", "saturated_output", "clipped_delta", "numerics", "collapsed_output"}


def program(
    data: str, model: str = "", training: str = "", *, optimizer: str = ADAM, epochs: int = 20, hidden: int = 16
) -> Config:
    model = f"hidden = [{hidden}]\n{model}"
    return loads(f"[data]\n{data}\n[model]\n{model}\n[training]\n{optimizer}\nepochs = {epochs}\n{training}\n")


def run(config: Config, folder: Path) -> Verdict:
    """Run a config, and make sure that its record, read back, is judged alike."""
    path = folder / "config.toml"
    path.write_text(dump(config), encoding="utf-8")
    plan = make_plan(load_config(path), folder)
    ((planned, place),), _ = place_runs(plan, "new")
    _, verdict = run_one(planned, place)
    assert encode_json(judge(read_record(place.folder).record).to_json()) == encode_json(verdict.to_json())
    return verdict


def said(verdict: Verdict, diagnosis: str = "loss_mismatch") -> Finding | None:
    return next((finding for finding in verdict.standing if finding.id == diagnosis), None)


IRIS, MOONS, DIABETES = 'source = "iris"', 'source = "moons"', 'source = "diabetes"'
SCALED = f'{DIABETES}\nscale_targets = "standard"'

WRONG: dict[str, tuple[tuple[str, str, str], str, str]] = {
    "a softmax of one output, of quantities": (
        (DIABETES, 'output = "softmax"', 'loss = "cross_entropy"'),
        "error",
        "nothing to choose from",
    ),
    "a cross-entropy of one output": (
        (DIABETES, 'output = "linear"', 'loss = "cross_entropy"'),
        "error",
        "nothing to choose from",
    ),
    "a softmax of one output, of labels": (
        (MOONS, 'output = "softmax"\noutput_units = 1', 'loss = "binary_cross_entropy"'),
        "error",
        "nothing to choose from",
    ),
    "a sigmoid under a binary hinge": (
        (MOONS, 'output = "sigmoid"', 'loss = "binary_hinge"'),
        "error",
        "scores of either sign",
    ),
    "class numbers for yes and no": (
        (IRIS, 'output = "sigmoid"\noutput_units = 1', 'loss = "binary_cross_entropy"'),
        "error",
        "defined for labels 0 and 1",
    ),
    "class numbers for a binary hinge": (
        (IRIS, 'output = "linear"\noutput_units = 1', 'loss = "binary_hinge"'),
        "error",
        "defined for labels 0 and 1",
    ),
    "quantities for yes and no": (
        (DIABETES, 'output = "sigmoid"', 'loss = "binary_cross_entropy"'),
        "error",
        "defined for labels 0 and 1",
    ),
    "logits for log-probabilities": ((IRIS, 'output = "linear"', 'loss = "nll"'), "error", "falls for ever"),
    "probabilities for log-probabilities": ((IRIS, 'output = "softmax"', 'loss = "nll"'), "error", "−p, not −log p"),
    "softmax twice": ((IRIS, 'output = "softmax"', "from_logits = true"), "error", "applies its own softmax"),
    "sigmoid twice": (
        (MOONS, 'output = "sigmoid"', 'loss = "binary_cross_entropy"\nfrom_logits = true'),
        "error",
        "applies its own sigmoid",
    ),
    "softmax of sigmoids": ((IRIS, 'output = "sigmoid"', "from_logits = true"), "error", "applies its own softmax"),
    "logits for probabilities": ((IRIS, 'output = "linear"', "from_logits = false"), "error", "the outputs are none"),
    "labels beyond the outputs": ((IRIS, "output_units = 2", ""), "error", "no output for some labels"),
    "quantities beyond a tanh": ((DIABETES, 'output = "tanh"', ""), "error", "where no tanh can go"),
    "quantities below a relu": ((SCALED, 'output = "relu"', ""), "error", "where no relu can go"),
    "quantities for a softmax": ((DIABETES, 'output = "softmax"', ""), "error", "nothing to choose from"),
    "logits within a tanh": ((IRIS, 'output = "tanh"', ""), "warning", "within bounds"),
    "logits of yes above 0": (
        ('source = "breast_cancer"', 'output = "relu"', 'loss = "binary_cross_entropy"'),
        "warning",
        "within bounds",
    ),
    "one target for several outputs": (
        (SCALED, 'output = "linear"\noutput_units = 3', ""),
        "warning",
        "do not pair up",
    ),
    "a squared error of a softmax": ((IRIS, 'output = "softmax"', 'loss = "mse"'), "info", "factor of the gradient"),
    "a sum for a mean": ((IRIS, "", 'reduction = "sum"'), "info", "size of the batch"),
    "class numbers for quantities": ((IRIS, 'output = "linear"\noutput_units = 1', 'loss = "mse"'), "info", ""),
    "more outputs than classes": ((IRIS, "output_units = 5", ""), "info", ""),
    "logits above 0": ((MOONS, 'output = "relu"', ""), "info", ""),
}


@pytest.mark.parametrize(("written", "severity", "defect"), WRONG.values(), ids=WRONG)
def test_a_wrong_program_is_told_what_is_wrong_with_it(
    written: tuple[str, str, str], severity: str, defect: str, tmp_path: Path
) -> None:
    finding = said(run(program(*written), tmp_path))
    assert finding is not None
    assert str(finding.severity) == severity
    assert defect in finding.defect
    assert bool(finding.defect) == bool(defect)
    assert (finding.first_step, finding.layer, finding.explained_by) == (0, None, None)


@pytest.mark.parametrize(("written", "severity", "_"), WRONG.values(), ids=WRONG)
def test_what_is_prescribed_heals_it(written: tuple[str, str, str], severity: str, _: str, tmp_path: Path) -> None:
    config = program(*written)
    finding = said(run(config, tmp_path))
    assert finding is not None
    cure = finding.prescriptions[0]
    assert cure.set
    verdict = run(changed(config, cure), tmp_path)
    healed = said(verdict)
    assert healed is None or healed.severity < Severity.WARNING, (severity, cure.set, healed)
    if written[0] != DIABETES:  # unscaled targets are another fault
        assert verdict.outcome == "healthy", [found.key for found in verdict.standing]


def changed(config: Config, cure: Prescription) -> Config:
    raw: dict[str, Any] = as_plain(config)
    for key, value in (cure.set or {}).items():
        raw = set_key(raw, key, value)
    return Config.model_validate(raw)


@pytest.mark.parametrize(
    ("classes", "floor"), [(2, 0.313), (3, math.log(1 + 2 / math.e)), (10, 1.461)], ids=["2", "3", "10"]
)
def test_the_evidence_of_a_double_softmax_is_its_floor(classes: int, floor: float, tmp_path: Path) -> None:
    source = {2: "breast_cancer", 3: "iris", 10: "digits"}[classes]
    config = program(f'source = "{source}"', 'output = "softmax"', "from_logits = true", epochs=4)
    finding = said(run(config, tmp_path))
    assert finding is not None
    words = finding.evidence.split("the loss cannot go below ")[1].split()
    assert float(words[0]) == pytest.approx(floor, abs=6e-4)


RIGHT: dict[str, tuple[str, str, str]] = {
    "cross-entropy": (IRIS, "", ""),
    "cross-entropy on probabilities": (IRIS, 'output = "softmax"', ""),
    "cross-entropy of linear outputs": (IRIS, 'output = "linear"', ""),
    "weighted": (IRIS, 'output = "softmax"', "class_weight = [1.0, 2.0, 0.5]"),
    "hinge": (IRIS, "", 'loss = "hinge"'),
    "hinge within a tanh": (IRIS, 'output = "tanh"', 'loss = "hinge"'),
    "a sigmoid per class": (IRIS, 'output = "sigmoid"\noutput_units = 3', 'loss = "binary_cross_entropy"'),
    "least squares on one-hot classes": (IRIS, 'output = "linear"', 'loss = "mse"'),
    "binary cross-entropy": (MOONS, "", 'loss = "binary_cross_entropy"'),
    "binary cross-entropy on probabilities": (MOONS, 'output = "sigmoid"', 'loss = "binary_cross_entropy"'),
    "two classes of a softmax, one by one": (
        MOONS,
        'output = "softmax"\noutput_units = 2',
        'loss = "binary_cross_entropy"',
    ),
    "binary hinge": (MOONS, "", 'loss = "binary_hinge"'),
    "binary hinge within a tanh": (MOONS, 'output = "tanh"', 'loss = "binary_hinge"'),
    "squared error of a tanh": (MOONS, 'output = "tanh"\noutput_units = 1', 'loss = "mse"'),
    "squared error": (SCALED, "", ""),
    "absolute error": (SCALED, "", 'loss = "mae"'),
    "huber": (SCALED, "", 'loss = "huber"'),
    "leaky outputs": (SCALED, 'output = "leaky_relu"', ""),
    "quantities above 0 behind a relu": (DIABETES, 'output = "relu"\noutput_bias = "prior"', ""),
}


@pytest.mark.parametrize("written", RIGHT.values(), ids=RIGHT)
def test_a_right_program_is_left_alone(written: tuple[str, str, str], tmp_path: Path) -> None:
    verdict = run(program(*written), tmp_path)
    assert said(verdict) is None
    assert not [finding.key for finding in verdict.standing if finding.id in OURS and finding.severity > Severity.INFO]


@pytest.mark.parametrize(
    ("output", "low", "high"),
    [("tanh", -1.0, 1.0), ("sigmoid", 0.0, 1.0), ("relu", 0.0, 40.0)],
    ids=["tanh", "sigmoid", "relu"],
)
@pytest.mark.parametrize("loss", ["mse", "mae", "huber"])
def test_targets_that_fill_an_activations_range_are_right(
    loss: str, output: str, low: float, high: float, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    y = x @ [1.0, -0.5, 0.2]
    y = low + (high - low) * (y - y.min()) / (y.max() - y.min())
    np.savez(tmp_path / "data.npz", x=x, y=y.astype(np.float32))
    config = program(f'source = "{tmp_path}/data.npz"\ntask = "regression"', f'output = "{output}"', f'loss = "{loss}"')
    assert said(run(config, tmp_path)) is None


def test_a_sum_under_sgd_that_is_too_much_is_an_error_and_the_root(tmp_path: Path) -> None:
    sgd = 'optimizer = {kind = "sgd", learning_rate = 1.0}'
    verdict = run(program('source = "digits"', "", 'reduction = "sum"', optimizer=sgd), tmp_path)
    finding = said(verdict)
    assert finding is not None
    assert finding.severity is Severity.ERROR
    assert finding.prescriptions[0].set == {"training.reduction": "mean"}
    assert all(other.explained_by in {None, "loss_mismatch"} for other in verdict.standing)
    healed = run(program('source = "digits"', "", "", optimizer=sgd), tmp_path)
    assert healed.outcome == "healthy"


def test_a_squared_error_that_learns_nothing_is_an_error(tmp_path: Path) -> None:
    slow = 'optimizer = {kind = "sgd", learning_rate = 0.01}'
    squared, right = (
        run(program('source = "digits"', 'output = "softmax"', training, optimizer=slow), tmp_path)
        for training in ('loss = "mse"', "")
    )
    finding = said(squared)
    assert finding is not None
    assert finding.severity is Severity.ERROR
    assert finding.prescriptions[0].set == {"training.loss": "cross_entropy"}
    assert right.outcome == "healthy"


def test_classes_that_a_relu_has_silenced_are_counted(tmp_path: Path) -> None:
    config = program('source = "wine"', 'output = "relu"', "batch_size = 32", epochs=30, hidden=32)
    finding = said(run(config, tmp_path))
    assert finding is not None
    assert finding.severity is Severity.WARNING
    assert "that of 1 of 3 is 0 on every training example" in finding.evidence
