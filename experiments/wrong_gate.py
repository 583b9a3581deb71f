"""A network whose backward pass is wrong: the one fault that no config can express, for the self-test."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from gradvitals.diagnostics.findings import Verdict
from gradvitals.diagnostics.judge import judge
from gradvitals.diagnostics.measurements import Record
from gradvitals.engine.activations import Tanh
from gradvitals.engine.circuit import Circuit
from gradvitals.experiments.assemble import assemble
from gradvitals.experiments.config.load import parse_config
from gradvitals.experiments.data.load import load_data
from gradvitals.experiments.fit import check_fit
from gradvitals.experiments.trials.gradient_check import GradientCheck
from gradvitals.experiments.trials.gradients import compare_gradients

CONFIG = {
    "name": "wrong_gate",
    "data": {"source": "iris"},
    "model": {"hidden": [8, 8], "activation": "tanh", "init": "glorot_uniform"},
    "training": {"dtype": "float64"},
}
LAYER = "hidden_2"
"""The last layer before the wrong gate's successor: everything behind it agrees."""

ROWS = 8
SLIPS = (1.001, 0.5, -1.0)
"""Factors on a gradient, a dose each: a part in a thousand, half of it, the wrong sign."""


class SlippedTanh(Tanh):
    """A tanh whose gradient is multiplied by a factor that has no place there."""

    def __init__(self, slip: float) -> None:
        super().__init__()
        self._slip = slip

    def backward(self) -> None:
        """Write a wrong gradient."""
        super().backward()
        (gradient,) = self.grad_inputs
        if gradient is not None:
            gradient *= self._slip


def check_with_gate(slip: float | None) -> Verdict:
    """Compare the gradients of a small network, and judge the comparison.

    Args:
        slip: Factor on the gradient of its last tanh; None leaves every gate right.
    """
    config = parse_config(CONFIG)
    dataset = load_data(config.data, config.seed, Path(), origin="selftest")
    experiment = assemble(config, dataset, check_fit(config, dataset))
    if slip is not None:
        _replace_last_tanh(experiment.network.circuit, SlippedTanh(slip))
    check, record = GradientCheck(), Record()
    record.add(
        compare_gradients(
            experiment.network,
            experiment.samples.inputs[:ROWS],
            experiment.samples.targets[:ROWS],
            limit=check.error,
            generator=np.random.default_rng(config.seed),
        )
    )
    return judge(record, [check])


def _replace_last_tanh(circuit: Circuit, gate: Tanh) -> None:
    """Put a gate in the place of the last tanh, before the circuit gets its arrays."""
    last = max(place for place, placed in enumerate(circuit.gates) if isinstance(placed.gate, Tanh))
    circuit.gates[last] = replace(circuit.gates[last], gate=gate)
