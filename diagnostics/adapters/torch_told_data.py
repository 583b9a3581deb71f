"""What a loop trains on, where nobody says: examples that come again and again, with the same targets each time.

A forward shows the inputs, the gradient on its outputs the targets and the loss (see `torch_told_loss`). Of the first
epoch a sample is kept, drawn while it goes by; when the next one brings its examples back, all that was told of them
must be so again, to the end of the training. What never comes back, as of a stream, what comes back with another
target, as that of a Q-network, and what has another loss each time, is believed to be nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from gradvitals.diagnostics.adapters.row_sample import FEWEST_ROWS, Batch, KeptRow, RowSample
from gradvitals.diagnostics.adapters.torch_arrays import as_array
from gradvitals.diagnostics.adapters.torch_data import TARGET_KEYS
from gradvitals.diagnostics.adapters.torch_given import InputForm, has_rows, read_call
from gradvitals.diagnostics.adapters.torch_module_hooks import ModuleHook, is_transforming
from gradvitals.diagnostics.adapters.torch_network import UNWARNED
from gradvitals.diagnostics.adapters.torch_ops import tensors_in
from gradvitals.diagnostics.adapters.torch_outputs import main_tensor
from gradvitals.diagnostics.adapters.torch_told_loss import KINDS, UNLABELLED, SquareFit, Told, count_of, loss_of, read
from gradvitals.diagnostics.adapters.torch_told_pull import ToldPull
from gradvitals.diagnostics.batch_labels import BATCHES
from gradvitals.diagnostics.guard import Guard
from gradvitals.diagnostics.scoring import SMALL_SAMPLE
from gradvitals.engine.events import Array

MOST_BATCHES = 5000
"""Batches without anything that comes again, after which nothing is expected to."""

CAME_AGAIN = 0.8
"""Share of the examples kept that must have been seen twice."""

OFTEN = 16
"""Of the batches after that, one in so many is looked at."""

SAME_FACTOR, MOST_OTHERS = 1e-2, 0.1
"""Relative difference of two batches' factors that counts as none, and the share of batches that may have another."""

WHOLE = 1e-4
"""Distance from whole numbers, as a share of them, that targets told by floats of 32 bits may have by rounding."""

SAME_TARGETS = 1e-4
"""Range of told targets, as a share of their size and of the outputs' range, that is no more than rounding."""

ANSWERS = 0.9
"""Share of an input's numbers that are the targets' from which on it is the answer."""

TOLD = 0.9
"""Share of the examples kept that must have a target."""


class ToldData:
    """Watches all training forwards of a module for what they are trained on.

    Attributes:
        pull: Is asked where outputs are pulled.
        labels: The class indices of the first batches, where the loss is one of classes.
        are_shuffled: Whether any example came again at another place of its batch: positions in time do not.
    """

    def __init__(self, module: nn.Module, guard: Guard) -> None:
        """Hook the module.

        Args:
            module: What the user calls.
            guard: Is around what the hooks do.
        """
        self._guard = guard
        self._kinds = set(KINDS)
        self._factors: dict[str, list[tuple[float, int]]] = {}
        self._squares = SquareFit()
        self._form: InputForm | None = None
        self._sample = RowSample()
        self.pull = ToldPull()
        self.labels: list[Array] = []
        self.are_shuffled = False
        self._batches = self._matches = 0
        self._handle: Any = module.register_forward_hook(ModuleHook(guard.around(self._after)), with_kwargs=True)

    @property
    def is_hopeful(self) -> bool:
        """Whether anything may still be told."""
        return self._handle is not None

    @property
    def are_few(self) -> bool:
        """Whether the examples kept are all that there are, and so few that a mean of them says it all."""
        return self._sample.is_whole and len(self._sample.rows) < SMALL_SAMPLE

    def stop(self) -> None:
        """Unhook the module."""
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    def give_up(self, _gradient: Any = None) -> None:  # noqa: ANN401 - what a tensor's hook is given
        """Believe nothing, and keep nothing."""
        self.stop()
        self._kinds, self._squares = set(), SquareFit()
        self._sample, self.pull = RowSample(), ToldPull()

    @UNWARNED
    def take(self) -> tuple[Array, InputForm | None, Array, Any] | None:
        """Give inputs, their form if several, targets `(samples, …)`, and the loss; None if nothing is sure."""
        self.stop()
        examples = self._sample.rows
        came_again = sum(example.looks > 1 for example in examples)
        if len(examples) < FEWEST_ROWS or came_again < CAME_AGAIN * len(examples):
            return None
        kind = next((each for each in KINDS if each in self._kinds), "squares")
        found = self._squared_targets() if kind == "squares" else self._told_targets(kind)
        if found is None:
            return None
        chosen, told, is_sum = found
        if len({each.inputs.shape for each in chosen}) > 1 or len({each.shape for each in told}) > 1:
            return None  # as of sequences padded with others of their batch
        targets = np.stack(told)
        if kind == "squares":
            whole = np.rint(targets)
            if (np.abs(targets - whole) <= WHOLE * np.maximum(np.abs(whole), 1.0)).all():
                targets = whole
            targets = targets.astype(np.float32)
        size = np.abs(targets).max() + np.ptp([each.outputs for each in chosen if each.outputs is not None] or 0.0)
        if np.ptp(targets, axis=0).max() <= (SAME_TARGETS * size if kind == "squares" else 0.0):
            return None  # as of the real half of what a discriminator sees, and of outputs pulled to the mean of all
        inputs, form = np.stack([each.inputs for each in chosen]), self._form
        if form is not None:
            answers = TARGET_KEYS.intersection(form.names)  # the module itself computes its loss of them
            if len(answers) < len(form.names):
                form, inputs = form.without(answers, inputs)
            if any(_are_answers(inputs[:, columns], targets) for columns in form.columns().values()):
                return None
        return inputs, form, targets, loss_of(kind, is_sum=is_sum)

    def _told_targets(self, kind: str) -> tuple[Sequence[KeptRow], Sequence[Array], bool] | None:
        factors = np.array(self._factors.get(kind, [(np.nan, np.nan)]))
        means, sums = factors[:, 0] * factors[:, 1], factors[:, 0]
        if not (_is_one(means) or _is_one(sums)):
            return None
        chosen = [
            each for each in self._sample.rows if kind in each.targets and (each.targets[kind] != UNLABELLED).any()
        ]
        if len(chosen) < TOLD * len(self._sample.rows):
            return None
        is_sum = bool(abs(np.median(sums) - 1.0) <= SAME_FACTOR < abs(np.median(means) - 1.0))
        return chosen, [each.targets[kind] for each in chosen], is_sum

    def _squared_targets(self) -> tuple[Sequence[KeptRow], Sequence[Array], bool] | None:
        factors = self._squares.factors()
        chosen = [each for each in self._sample.rows if each.outputs is not None and each.gradient is not None]
        if factors is None or len(chosen) < TOLD * len(self._sample.rows):
            return None
        if self._squares.taken < CAME_AGAIN * len(self._sample.rows):
            return None
        factor, is_sum = factors
        targets = [
            each.outputs - factor * each.gradient * (1 if is_sum else each.count) / 2.0
            for each in chosen
            if each.outputs is not None and each.gradient is not None
        ]
        return chosen, targets, is_sum

    def _after(self, module: nn.Module, args: Any, kwargs: Any, returned: Any) -> None:  # noqa: ANN401 - torch's own
        """Look which examples a training forward had, and wait for the gradient on what it gave of them."""
        if not (module.training and torch.is_grad_enabled()) or is_transforming():
            return
        self._batches += 1
        if self._is_content:
            if self._batches % OFTEN:
                return
        elif self._batches > MOST_BATCHES:
            self.give_up()
            return
        with torch.no_grad(), torch._C.DisableTorchFunction():  # noqa: SLF001 - a trace under way must not see this
            self._listen(args, kwargs, returned)

    def _listen(self, args: Any, kwargs: Any, returned: Any) -> None:  # noqa: ANN401 - as above
        """Wait for the gradient on what a forward gave."""
        outputs, inputs = _outputs_in(returned), self._inputs_in(args, kwargs)
        if inputs is None or outputs is None or len(outputs) % len(inputs):
            self.give_up()
            return
        if not outputs.requires_grad:
            return
        for other in tensors_in(returned):
            if other is not outputs and other.requires_grad and other.ndim:  # what is a loss comes of these outputs
                other.register_hook(self._guard.around(self.give_up))
        per_row = outputs.numel() // len(inputs)
        batch = self._sample.meet(inputs, besides=2 * np.dtype(np.float64).itemsize * per_row)
        rows = {place: inputs[place].copy() for place in batch.drawn}
        values = _by_sample(as_array(outputs), len(inputs))[batch.places].astype(np.float64)
        epsilon = torch.finfo(outputs.dtype).eps

        def told(gradient: torch.Tensor) -> None:
            self._told(batch, rows, values, _by_sample(as_array(gradient), len(inputs)), epsilon)

        outputs.register_hook(self._guard.around(told))

    def _inputs_in(self, args: Any, kwargs: Any) -> Array | None:  # noqa: ANN401 - as above
        """Give what the module was given `(samples, …)`; None where it is not told by sample, or not as before."""
        if len(args) == 1 and not kwargs:
            return as_array(args[0]) if has_rows(args[0]) and self._form is None else None
        read = read_call(args, kwargs)
        if read is None or (self._form is None and self._batches > 1) or not (self._form or read[1]).is_like(read[1]):
            return None
        self._form = read[1]
        return read[0]

    @property
    def _is_content(self) -> bool:
        """Whether as many examples have come again as must."""
        return not self._sample.gathers and self._matches >= CAME_AGAIN * len(self._sample.rows)

    @UNWARNED
    def _told(self, batch: Batch, rows: Mapping[int, Array], outputs: Array, gradient: Array, epsilon: float) -> None:
        """Take what the gradient on a batch tells of the rows wanted, and hold it against what it told before.

        Args:
            batch: The batch.
            rows: The inputs of those that are to be kept, by their places.
            outputs: Of the rows wanted.
            gradient: On all outputs of the batch.
            epsilon: Of their precision.
        """
        if not self.is_hopeful:
            return
        self._sample.pass_by(batch)
        if self._sample.repeats_itself:
            self.give_up()
            return
        pulls = gradient[batch.places].astype(np.float64)
        told = read(outputs, pulls, epsilon, self._kinds) if self._kinds and len(pulls) else {}
        if told is None or not len(pulls):
            return
        self._kinds &= told.keys()
        for kind in self._kinds:
            if kind == "classes" and len(self.labels) < BATCHES:
                self.labels.append(told[kind].targets)
            if told[kind].is_clear:
                self._factors.setdefault(kind, []).append((told[kind].factor, count_of(kind, gradient)))
        seen = [batch.known.get(place) or self._sample.keep(batch, place, rows[place]) for place in batch.places]
        if gradient.size == len(gradient):
            self.pull.see(seen, outputs, pulls, len(gradient))
        for index, row in enumerate(seen):
            if row is not None:
                self.are_shuffled |= row.looks > 0 and row.place != batch.places[index]
                row.place = batch.places[index]
                self._compare(row, index, told)
                self._look(row, outputs[index], pulls[index], gradient.size)

    def _look(self, row: KeptRow, outputs: Array, gradient: Array, count: int) -> None:
        """Take what the module gave of a row, and the gradient on it, in a batch of so many outputs."""
        self._matches += row.looks == 1
        row.looks += 1
        if self._kinds:
            return
        if row.outputs is not None and row.gradient is not None and row.outputs.shape == outputs.shape:
            self._squares.add((row.outputs, outputs), (row.gradient, gradient), (row.count, count))
        row.outputs, row.gradient, row.count = outputs, gradient, count

    def _compare(self, row: KeptRow, index: int, told: Mapping[str, Told]) -> None:
        """Take the targets of a row; no loss of a kind that tells others of it than before is believed."""
        for kind in tuple(self._kinds):
            now, before = told[kind].targets[index], row.targets.get(kind)
            if before is None:
                row.targets[kind] = now
            elif now.shape != before.shape or ((now != before) & (now != UNLABELLED) & (before != UNLABELLED)).any():
                self._kinds.discard(kind)
            else:
                row.targets[kind] = np.where(before == UNLABELLED, now, before)


def _by_sample(outputs: Array, samples: int) -> Array:
    """Give outputs with an entry per sample, where positions were folded into the batch."""
    positions = len(outputs) // samples
    return outputs if positions == 1 else outputs.reshape(samples, positions, *outputs.shape[1:])


def _are_answers(inputs: Array, targets: Array) -> bool:
    """Tell whether what a module is given are the targets."""
    return inputs.size == targets.size and bool((inputs.reshape(-1) == targets.reshape(-1)).mean() > ANSWERS)


def _outputs_in(returned: Any) -> torch.Tensor | None:  # noqa: ANN401 - whatever a module returns
    """Give the outputs, or the first tensor of floats among them, where it has values in full precision."""
    try:
        outputs = main_tensor(returned)
    except ValueError:
        return None
    return outputs if has_rows(outputs) and outputs.dtype in {torch.float32, torch.float64} else None


def _is_one(factors: Array) -> bool:
    """Tell whether nearly all batches have one factor."""
    middle = np.median(factors)
    return bool(np.isfinite(middle) and (np.abs(factors / middle - 1.0) > SAME_FACTOR).mean() <= MOST_OTHERS)
