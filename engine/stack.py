"""A stack: networks that differ in their numbers only, stepped at once, each to the bit as it would be alone.

Every array has the runs first: parameters `(R, P)`, values `(R, batch, units)`. What Python costs a step is then paid
once for all of them, which is most of it where networks are small. The networks stay what they are: each one's
parameters are a row of the stack's, and it can be watched, probed and evaluated by itself.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from gradvitals.engine.circuit import ConnectedCircuit
from gradvitals.engine.clipping import Clip
from gradvitals.engine.dropout import Dropout
from gradvitals.engine.events import Array, Scores
from gradvitals.engine.gates import Gate
from gradvitals.engine.history import EarlyStopping, History
from gradvitals.engine.network import Network, Purpose, loss_gate
from gradvitals.engine.optimizers import Optimizer
from gradvitals.engine.regularizers import Penalty
from gradvitals.engine.schedules import Schedule
from gradvitals.engine.stack_samples import StackSamples
from gradvitals.engine.stack_show import StackShow
from gradvitals.engine.stacked_optimizer import NotStackableError, StackedOptimizer
from gradvitals.engine.training import Samples, score, scores_over


@dataclass(frozen=True, slots=True, eq=False)
class Training:
    """One of many trainings: what `train` is given, and the history that it fills."""

    network: Network
    samples: Samples
    optimizer: Optimizer
    epochs: int
    batch_size: int
    generator: np.random.Generator
    validation: Samples | None = None
    early_stopping: EarlyStopping | None = None
    clip: Clip | None = None
    schedule: Schedule | None = None
    penalty: Penalty | None = None
    history: History = field(default_factory=History)
    accuracy: bool = True


@dataclass(frozen=True, slots=True)
class StackStep:
    """What a step gave each run, in the stack's order.

    Attributes:
        losses: Of the batch, before the update, `(R,)`.
        mean_losses: The same as a mean over the samples, also where their sum is minimised, `(R,)` float64.
        correct: Samples (or labels) that were right before the update, `(R,)`; None for a regression, or where nobody
            wants to know.
        errors: What an observer of a run raised, by its place in the stack.
        finite: Whether so is the sum of the losses, and with it every one.
    """

    losses: Array
    mean_losses: Array
    correct: Array | None
    errors: dict[int, Exception]
    finite: bool


class Stack:
    """Takes training steps of several networks at once.

    Attributes:
        networks: Those still in it.
        steps: Steps taken.
    """

    def __init__(self, trainings: Sequence[Training], rate_factors: Sequence[Callable[[int], float] | None]) -> None:
        """Pile up the networks' parameters.

        Args:
            trainings: With sets of the networks' dtype and of one size, and one batch size.
            rate_factors: For each, gives a step's learning rate in units of its optimizer's; None is 1.

        Raises:
            NotStackableError: If circuits or optimizers are not alike.
        """
        self.networks = [training.network for training in trainings]
        if any(_drawn(network) != _drawn(self.networks[0]) for network in self.networks):
            msg = "networks can be stacked where they have one circuit, one dtype, and differ in their numbers only"
            raise NotStackableError(msg)
        self._trainings, self._schedules = list(trainings), list(rate_factors)
        self._optimizer = StackedOptimizer([training.optimizer for training in trainings])
        self._accuracy = any(training.accuracy for training in trainings)
        self.steps = 0
        self._pile()

    def step(self, rows: Array) -> StackStep:
        """Train every network on its batch, the rows `(R, batch)` of its samples."""
        circuit = self._circuit(rows.shape[1], "training")
        likeliest = self._samples.feed(circuit, rows)
        circuit.forward()
        losses = circuit.values["loss"].astype(np.float64)
        gate = loss_gate(circuit)
        correct = gate.count_correct(likeliest) if self._accuracy else None
        mean = losses if gate.reduction == "mean" else gate.sample_losses.mean(axis=-1).astype(np.float64)
        circuit.backward()
        for run, penalty in self._penalties:
            penalty.add_gradient(self._parameters[run], self._gradients[run])
        self.steps += 1
        finite = math.isfinite(losses.sum())
        audience = self._show.audience(self.steps, losses, finite=finite)
        if audience is not None:
            self._show.before_update(self.steps, audience, circuit)
        factors = self._clip()
        rates = self._optimizer.step(self._parameters, self._gradients, self._rate_factors())
        if audience is not None:
            targets = circuit.readonly_values["targets"]
            self._show.after_update(
                self.steps, audience, targets, losses=losses, clip_factors=factors, rates=rates[:, 0]
            )
        errors = {} if audience is None else self._show.errors
        return StackStep(losses, mean, None if correct is None else np.asarray(correct), errors, finite)

    def _clip(self) -> Array:
        """Clip the gradients of those that want it; give the factors, `(R,)`."""
        if not self._clips:
            return self._unclipped
        factors = np.ones(len(self.networks))
        for run, clip in self._clips:
            factors[run] = clip(self._gradients[run])
        return factors

    def validate(self) -> list[Scores | None]:
        """Score every network on its validation set, as `score` does, all at once where the sets are of one size."""
        self._show.ask_anew()  # an epoch ends: whoever is told may want something else from now on
        if self._validation is None:
            pairs = zip(self.networks, (training.validation for training in self._trainings), strict=True)
            return [None if one is None else score(network, one) for network, one in pairs]
        losses, correct = self._evaluate(self._validation)
        counts: Sequence[int | None] = [None] * len(losses) if correct is None else correct.tolist()
        sums = [float(own.sum(dtype=np.float64)) for own in losses]
        return [
            scores_over(network, loss_sum, count, len(self._validation))
            for network, loss_sum, count in zip(self.networks, sums, counts, strict=True)
        ]

    def _evaluate(self, samples: StackSamples) -> tuple[Array, Array | None]:
        """Give the loss of every sample, `(R, samples)`, and the number classified rightly, `(R,)`."""
        runs, total, most = len(self.networks), len(samples), self.networks[0].evaluation_rows
        losses = np.empty((runs, total), self.networks[0].dtype)
        counts: list[Array] = []
        for start in range(0, total, most):
            rows = np.arange(start, min(start + most, total))
            circuit = self._circuit(len(rows), "evaluation")
            likeliest = samples.feed(circuit, np.broadcast_to(rows, (runs, len(rows))))
            circuit.forward()
            gate = loss_gate(circuit)
            losses[:, rows] = gate.sample_losses
            counts += [] if (correct := gate.count_correct(likeliest)) is None else [np.asarray(correct)]
        return losses, np.sum(counts, axis=0) if counts else None

    def leave(self, runs: Sequence[int]) -> None:
        """Let some networks go, with arrays of their own, and go on with the others."""
        for run in runs:
            network = self.networks[run]
            network.move_to(network.parameters.copy(), network.gradients.copy())
            self._optimizer.leave(run, network.parameters)
        stay = [run for run in range(len(self.networks)) if run not in runs]
        self.networks = [self.networks[run] for run in stay]
        self._trainings, self._schedules = (
            [self._trainings[run] for run in stay],
            [self._schedules[run] for run in stay],
        )
        if stay:
            self._pile()
            self._optimizer.keep(stay, self._parameters)

    def _pile(self) -> None:
        """Allocate what has a row per run, and move the networks there."""
        first, shape = self.networks[0], (len(self.networks), self.networks[0].parameters.size)
        self._parameters, self._gradients = np.zeros((2, *shape), first.dtype)
        for network, parameters, gradients in zip(self.networks, self._parameters, self._gradients, strict=True):
            network.move_to(parameters, gradients)
        self._show = StackShow(self.networks, self._parameters, self._gradients)
        self._samples = StackSamples([training.samples for training in self._trainings])
        held_out = [one for one in (training.validation for training in self._trainings) if one is not None]
        alike = len(held_out) == len(self.networks) and len({len(one) for one in held_out}) == 1
        self._validation = StackSamples(held_out) if alike else None
        self._penalties = [(run, own.penalty) for run, own in enumerate(self._trainings) if own.penalty is not None]
        self._unclipped = np.ones(len(self.networks))
        self._unclipped.flags.writeable = False  # observers are handed it
        self._clips = [(run, own.clip) for run, own in enumerate(self._trainings) if own.clip is not None]
        self._circuits: dict[tuple[int, Purpose], ConnectedCircuit] = {}

    def _circuit(self, batch: int, purpose: Purpose) -> ConnectedCircuit:
        """Connect the circuit for a batch size and a purpose, once."""
        if (batch, purpose) not in self._circuits:
            first = self.networks[0]
            circuit = ConnectedCircuit(
                first.circuit,
                first.circuit_parameters(self._parameters),
                first.circuit_parameters(self._gradients) if purpose == "training" else {},
                batch=batch,
                dtype=first.dtype,
                runs=(len(self.networks),),
            )
            for name, gate in circuit.gates.items():
                if isinstance(gate, Dropout):
                    gate.training = purpose == "training"
                    gate.generators = [_generator_of(network, name) for network in self.networks]
            self._circuits[batch, purpose] = circuit
        return self._circuits[batch, purpose]

    def _rate_factors(self) -> float | Array:
        """Give this step's learning rates in units of the optimizers', `(R, 1)`, or 1."""
        if not any(self._schedules):
            return 1.0
        return np.array([[1.0 if schedule is None else schedule(self.steps)] for schedule in self._schedules])


def _drawn(network: Network) -> list[object]:
    """Give what networks of one stack have in common: all but the numbers in their arrays."""
    gates = network.circuit.gates
    return [network.dtype, [(type(one.gate), _settings(one.gate), one.inputs, one.output) for one in gates]]


def _settings(gate: Gate) -> dict[str, object]:
    """Give a gate's settings as they were drawn; each run's dropout draws from its own generator."""
    settings = {name: value for name, value in vars(gate).items() if name != "generators"}
    return {name: value.tobytes() if isinstance(value, np.ndarray) else value for name, value in settings.items()}


def _generator_of(network: Network, name: str) -> np.random.Generator:
    """Give the generator of a network's dropout, by the name of its output."""
    gate = next(placed.gate for placed in network.circuit.gates if placed.output.name == name)
    assert isinstance(gate, Dropout)  # noqa: S101 - for the type checker: it is so in every network of the stack
    return gate.generators[0]
