"""The sets of a stack's runs: every run gets the rows of its own, whether the sets are joined or not."""

import numpy as np
import pytest

from gradvitals.engine import stack_samples
from gradvitals.engine.circuit import Circuit, ConnectedCircuit
from gradvitals.engine.logit_losses import SoftmaxCrossEntropy
from gradvitals.engine.stack_samples import StackSamples
from gradvitals.engine.training import Samples


@pytest.mark.parametrize("most_joined", [0, 10**6], ids=["apart", "joined"])
def test_every_run_is_fed_rows_of_its_own_set(monkeypatch: pytest.MonkeyPatch, most_joined: int) -> None:
    monkeypatch.setattr(stack_samples, "MOST_JOINED", most_joined)
    rng = np.random.default_rng(0)
    one, other = (Samples(rng.normal(size=(9, 3)), np.eye(3)[rng.integers(0, 3, 9)]) for _ in range(2))
    relabelled = Samples(one.inputs, other.targets)
    sets, rows = [one, one, other, one, relabelled, other], rng.integers(0, 9, (6, 5))
    circuit = Circuit()
    circuit.gate("loss", SoftmaxCrossEntropy(), circuit.input("inputs", None, 3), circuit.input("targets", None, 3))
    connected = ConnectedCircuit(circuit, {}, {}, batch=5, dtype=np.float64, runs=(6,))
    likeliest = StackSamples(sets).feed(connected, rows)
    for run, (own, wanted) in enumerate(zip(sets, rows, strict=True)):
        np.testing.assert_array_equal(connected.values["inputs"][run], own.inputs[wanted])
        np.testing.assert_array_equal(connected.values["targets"][run], own.targets[wanted])
        np.testing.assert_array_equal(likeliest[run], own.targets[wanted].argmax(axis=1))
