"""What does not change a training does not change its verdict: the unit of the loss or the targets, the units' order.

Every diagnosis's sick config and its twin are trained as they are and in another guise.
"""

from pathlib import Path

import numpy as np
import pytest

from gradvitals.diagnostics.findings import Severity, Verdict
from gradvitals.engine.network import Network
from gradvitals.experiments.assemble import assemble
from gradvitals.experiments.config.load import LoadedConfig, load_config, loads
from gradvitals.experiments.data.load import load_data
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.fault_cases import FAULT_CASES
from gradvitals.experiments.fit import check_fit
from gradvitals.experiments.watched_training import train_experiment, watch_experiment

FACTOR = 1000.0
ABOUT_SCALE = frozenset({"unscaled_targets", "initialization_scale", "numerics"})
"""Rules about scale itself."""

ABOUT_LENGTHS = ABOUT_SCALE | {"learning_rate_too_low"}
"""And one that measures steps by weights of the usual size: large targets ask for larger ones, which it cannot know."""

CONFIGS = [name for case in FAULT_CASES if case.means == "run" for name in (case.config, case.twin)]


def verdict_of(loaded: LoadedConfig, permutation: np.random.Generator | None = None) -> Verdict:
    """Train a config as `run` does, perhaps with the units of its hidden layers in another order."""
    config = loaded.config
    dataset = load_data(config.data, config.seed, loaded.base_dir, sequence_length=config.model.sequence_length)
    experiment = assemble(config, dataset, check_fit(config, dataset))
    if permutation is not None:
        permute_units(experiment.network, permutation)
    with watch_experiment(config, experiment) as monitor:
        train_experiment(config, experiment)
    return monitor.verdict


def permute_units(network: Network, generator: np.random.Generator) -> None:
    """Put the hidden units in another order: the columns of the weights into them, the rows of those out of them."""
    arrays = network.views(network.parameters)
    for info, following in zip(network.layers, network.layers[1:], strict=False):
        order = generator.permutation(info.fan_out)
        into, out = arrays[info.name], arrays[following.name]
        into["weight"][:] = into["weight"][:, order]
        into["bias"][:] = into["bias"][order]
        out["weight"][:] = out["weight"][order]


def said(verdict: Verdict, about_scale: frozenset[str] = ABOUT_SCALE) -> set[tuple[str, Severity]]:
    """Give the warnings and errors that stand, but for those about scale."""
    return {
        (finding.key, finding.severity)
        for finding in verdict.standing
        if finding.severity > Severity.INFO and finding.id not in about_scale
    }


@pytest.mark.parametrize("name", CONFIGS)
def test_a_loss_in_another_unit_changes_no_verdict(name: str) -> None:
    """A thousand times the loss with a thousandth of the learning rate is the same training."""
    loaded = load_config(name)
    config = loaded.config
    optimizer = config.training.optimizer
    if optimizer.kind != "sgd" or config.training.clip_norm or config.training.l2:
        pytest.skip("its steps are not proportional to the gradient")
    classes = {"digits": 10, "iris": 3, "wine": 3}.get(config.data.source, 2)
    overrides = [
        f"training.optimizer.learning_rate={optimizer.learning_rate / FACTOR}",
        f"training.class_weight={[FACTOR] * classes}",
    ]
    try:
        other = load_config(name, overrides)
        scaled = verdict_of(other)
    except UserError as error:
        pytest.skip(f"its loss has no weights: {error}")
    assert said(scaled) == said(verdict_of(loaded))


@pytest.mark.parametrize("name", CONFIGS)
def test_the_order_of_the_units_changes_no_verdict(name: str) -> None:
    loaded = load_config(name)
    if loaded.config.model.kind == "rnn" or not loaded.config.model.hidden:
        pytest.skip("no hidden layer of a perceptron")
    assert said(verdict_of(loaded, np.random.default_rng(7))) == said(verdict_of(loaded))


@pytest.mark.parametrize("rate", [0.05, 1e-9, 10.0], ids=["healthy", "too low", "too high"])
@pytest.mark.parametrize("scale", ["none", "standard"])
def test_targets_in_another_unit_change_no_verdict(scale: str, rate: float, tmp_path: Path) -> None:
    """A linear network on targets a thousand times larger takes steps a thousand times larger."""
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(400, 5))
    targets = inputs @ [[1.0], [-2.0], [0.5], [0.0], [3.0]] + generator.normal(size=(400, 1))
    verdicts = []
    for factor in (1.0, FACTOR):
        np.savez(tmp_path / f"{factor}.npz", x=inputs, y=factor * targets)
        text = f"""
            data = {{source = "{tmp_path / f"{factor}.npz"}", task = "regression", scale_targets = "{scale}"}}
            model = {{hidden = [], init = "zeros"}}
            training = {{optimizer = {{kind = "sgd", learning_rate = {rate}}}, batch_size = 32, epochs = 20}}
        """
        verdicts.append(verdict_of(LoadedConfig(loads(text), "config", tmp_path)))
    assert said(verdicts[0], ABOUT_LENGTHS) == said(verdicts[1], ABOUT_LENGTHS)
    assert verdicts[0].outcome == ("healthy" if rate == 0.05 else "error")
