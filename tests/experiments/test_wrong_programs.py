"""Wrong programs: what is written is what is computed, as PyTorch or Keras would compute it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradvitals.engine.events import LayerBackward, LayerForward
from gradvitals.experiments.assemble import Experiment, assemble
from gradvitals.experiments.config.load import loads
from gradvitals.experiments.data.load import load_data
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.fit import Fit, check_fit

torch: Any = pytest.importorskip("torch")
functional: Any = pytest.importorskip("torch.nn.functional")


def build(source: str, model: str, training: str = "") -> tuple[Experiment, Fit]:
    text = f'[data]\nsource = "{source}"\n[model]\nhidden = [8]\nactivation = "tanh"\n{model}\n'
    config = loads(f'{text}[training]\ndtype = "float64"\n{training}\n')
    dataset = load_data(config.data, 0, Path())
    fit = check_fit(config, dataset)
    return assemble(config, dataset, fit), fit


def keras_categorical(probs: Any, targets: Any) -> Any:
    """Write out `keras.losses.CategoricalCrossentropy(from_logits=False)`."""
    clipped = (probs / probs.sum(1, keepdim=True)).clamp(1e-7, 1 - 1e-7)
    return -(targets * clipped.log()).sum(1).mean()


def keras_binary(probs: Any, targets: Any) -> Any:
    """Write out `keras.losses.BinaryCrossentropy(from_logits=False)`."""
    clipped = probs.clamp(1e-7, 1 - 1e-7)
    return -(targets * clipped.log() + (1 - targets) * (1 - clipped).log()).mean()


PROGRAMS: dict[str, tuple[str, str, str, Callable[[Any, Any], Any]]] = {
    "softmax, on probabilities": (
        "iris",
        'output = "softmax"',
        "",
        lambda z, t: keras_categorical(z.softmax(1), t),
    ),
    "double softmax": (
        "iris",
        'output = "softmax"',
        "from_logits = true",
        lambda z, t: functional.cross_entropy(z.softmax(1), t),
    ),
    "relu on the logits": ("iris", 'output = "relu"', "", lambda z, t: functional.cross_entropy(z.relu(), t)),
    "sigmoid per class, softmax loss": (
        "iris",
        'output = "sigmoid"',
        "from_logits = true",
        lambda z, t: functional.cross_entropy(z.sigmoid(), t),
    ),
    "binary loss on probabilities": (
        "moons",
        'output = "sigmoid"',
        'loss = "binary_cross_entropy"',
        lambda z, t: keras_binary(z.sigmoid(), t),
    ),
    "double sigmoid": (
        "moons",
        'output = "sigmoid"',
        'loss = "binary_cross_entropy"\nfrom_logits = true',
        lambda z, t: functional.binary_cross_entropy_with_logits(z.sigmoid(), t),
    ),
    "a softmax over one unit": (
        "moons",
        'output = "softmax"\noutput_units = 1',
        'loss = "binary_cross_entropy"',
        lambda z, t: keras_binary(z.softmax(1), t),
    ),
    "binary loss of one-hot classes": (
        "iris",
        'output = "sigmoid"\noutput_units = 3',
        'loss = "binary_cross_entropy"',
        lambda z, t: keras_binary(z.sigmoid(), t),
    ),
    "squared error of one-hot classes": (
        "iris",
        'output = "softmax"',
        'loss = "mse"',
        lambda z, t: functional.mse_loss(z.softmax(1), t),
    ),
    "squared error of class numbers": (
        "iris",
        'output = "linear"\noutput_units = 1',
        'loss = "mse"',
        functional.mse_loss,
    ),
    "absolute error behind a relu": (
        "diabetes",
        'output = "relu"',
        'loss = "mae"',
        lambda z, t: functional.l1_loss(z.relu(), t),
    ),
    "outputs cut off by a tanh": ("diabetes", 'output = "tanh"', "", lambda z, t: functional.mse_loss(z.tanh(), t)),
    "one target for several outputs": (
        "diabetes",
        'output = "linear"\noutput_units = 3',
        "",
        lambda z, t: functional.mse_loss(z, t.expand(-1, 3)),
    ),
    "probabilities for log-probabilities": (
        "iris",
        'output = "softmax"',
        'loss = "nll"',
        lambda z, t: functional.nll_loss(z.softmax(1), t.argmax(1)),
    ),
    "sum for mean": ("iris", "", 'reduction = "sum"', lambda z, t: functional.cross_entropy(z, t, reduction="sum")),
    "sum of squares for their mean": (
        "diabetes",
        "",
        'reduction = "sum"',
        lambda z, t: functional.mse_loss(z, t, reduction="sum"),
    ),
    "a residual clipped before it is squared": (
        "diabetes",
        'output = "linear"',
        'loss = "clipped_delta"',
        lambda z, t: (z - t).clamp(-1.0, 1.0).square().mean(),
    ),
    "more outputs than classes": (
        "iris",
        "output_units = 5",
        "",
        lambda z, t: functional.cross_entropy(z, t.argmax(1)),
    ),
}


@pytest.mark.parametrize(("source", "model", "training", "reference"), PROGRAMS.values(), ids=PROGRAMS.keys())
def test_a_program_computes_what_it_says(
    source: str, model: str, training: str, reference: Callable[[Any, Any], Any]
) -> None:
    experiment, _ = build(source, model, training)
    network, samples = experiment.network, experiment.samples
    seen: dict[type, Any] = {}

    def keep_output(event: LayerForward | LayerBackward) -> None:
        if event.layer == "output":
            array = event.pre_activations if isinstance(event, LayerForward) else event.grad_pre_activations
            assert array is not None
            seen[type(event)] = array.copy()

    rows = slice(0, 40)
    circuit = network.training_circuit(40)
    circuit.values["inputs"][...] = samples.inputs[rows]
    circuit.values["targets"][...] = samples.targets[rows]
    circuit.forward()
    circuit.backward()
    network.emit_forward(circuit, keep_output, 1, "training")
    network.emit_backward(circuit, keep_output, 1, "training")
    logits = torch.tensor(seen[LayerForward], requires_grad=True)
    loss = reference(logits, torch.tensor(samples.targets[rows]))
    loss.backward()
    assert float(circuit.values["loss"]) == pytest.approx(loss.item(), rel=1e-10)
    np.testing.assert_allclose(seen[LayerBackward], logits.grad.numpy(), rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("units", [1, 2], ids=str)
def test_a_label_beyond_the_outputs_gives_nan_from_the_first_step(units: int) -> None:
    experiment, fit = build("iris", f"output_units = {units}")
    assert fit.widths[-1] == units
    losses, _ = experiment.network.evaluate(experiment.samples.inputs, experiment.samples.targets)
    beyond = experiment.samples.targets.argmax(axis=1) >= units
    np.testing.assert_array_equal(np.isnan(losses), beyond)


@pytest.mark.parametrize(
    ("source", "model", "training", "wanted"),
    [
        ("iris", "", "from_logits = false", "training.from_logits: it says how the loss takes model.output"),
        ("iris", 'output = "linear"', 'loss = "mse"\nfrom_logits = true', "have it, not 'mse' — remove it"),
        ("iris", "", 'loss = "mse"', "'mse' does not suit a classification — use 'cross_entropy' or 'hinge'"),
        (
            "diabetes",
            "",
            'loss = "clipped_delta"',
            "'clipped_delta' does not suit a regression — use 'mse' or 'mae' or",
        ),
        (
            "iris",
            "output_units = 2",
            'loss = "mse"',
            "model.output_units: 'mse' cannot compare 2 outputs with 3 classes",
        ),
        ("iris", "output_units = 2", 'loss = "hinge"', "'hinge' cannot compare 2 outputs with 3 classes"),
        ("diabetes", "", 'class_weight = "balanced"', "training.class_weight: only a classification by classes has it"),
        ("iris", "", "class_weight = [1.0, 2.0]", "training.class_weight: 2 weights for 3 classes (setosa, versicolor"),
        ("iris", 'output_bias = "prior"', 'loss = "hinge"', "model.output_bias: 'prior' is the best constant's"),
        (
            "diabetes",
            'output = "linear"\noutput_bias = "prior"',
            'loss = "clipped_delta"',
            "model.output_bias: 'prior' is the best constant's",
        ),
    ],
    ids=[
        "auto output",
        "no logits",
        "unsuitable",
        "clipped delta",
        "widths",
        "hinge widths",
        "regression",
        "count",
        "prior",
        "prior of a clipped delta",
    ],
)
def test_what_nothing_could_compute_is_refused(source: str, model: str, training: str, wanted: str) -> None:
    with pytest.raises(UserError, match=r"^config: ") as caught:
        build(source, model, training)
    assert wanted in str(caught.value)


def test_balanced_class_weights_are_those_of_scikit_learn() -> None:
    experiment, _ = build("breast_cancer", "", 'class_weight = "balanced"')
    from sklearn.utils.class_weight import compute_class_weight

    labels = experiment.samples.targets.argmax(axis=1)
    expected = compute_class_weight("balanced", classes=np.array([0, 1]), y=labels)
    np.testing.assert_allclose(experiment.network.class_weight, expected, rtol=1e-12)  # type: ignore[arg-type]


def test_one_neuron_is_logistic_regression_and_finds_its_optimum() -> None:
    text = '[data]\nsource = "moons"\n[model]\nhidden = []\n[training]\nloss = "binary_cross_entropy"\nl2 = 0.01\n'
    config = loads(
        text + 'dtype = "float64"\nepochs = 400\nbatch_size = 2000\noptimizer = {kind = "sgd", learning_rate = 1.0}'
    )
    dataset = load_data(config.data, 0, Path())
    experiment = assemble(config, dataset, check_fit(config, dataset))
    from sklearn.linear_model import LogisticRegression

    from gradvitals.engine.training import train

    train(
        experiment.network,
        experiment.samples,
        experiment.optimizer,
        epochs=400,
        batch_size=2000,
        generator=experiment.generator,
        penalty=experiment.penalty,
    )
    # scikit-learn minimises C Σ loss + ½ w²: C = 1 / (n l2)
    reference = LogisticRegression(C=1.0 / (len(dataset.inputs) * 0.01), tol=1e-10, max_iter=1000)
    reference.fit(dataset.inputs, dataset.targets)
    weight = experiment.network.parameters_by_layer()["output"]["weight"][:, 0]
    np.testing.assert_allclose(weight, reference.coef_[0], rtol=1e-4)
