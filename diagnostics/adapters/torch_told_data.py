"""What a loop trains on, where nobody says: examples that come again and again, with the same targets each time.

A forward shows the inputs, the gradient on its outputs the targets and the loss (see `torch_told_loss`). Of the first
epoch a sample is kept, drawn while it goes by; when the next one brings its examples back, all that was told of them
must be so again, to the end of the training. What never comes back, as of a stream, what comes back with another
target, as that of a Q-network, and what has another loss each time, is believed to be nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from gradvitals.diagnostics.adapters.torch_arrays import as_array
from gradvitals.diagnostics.adapters.torch_module_hooks import ModuleHook, is_transforming
from gradvitals.diagnostics.adapters.torch_ops import tensors_in
from gradvitals.diagnostics.adapters.torch_outputs import main_tensor
from gradvitals.diagnostics.adapters.torch_told_loss import KINDS, UNLABELLED, SquareFit, Told, loss_of, read
from gradvitals.diagnostics.guard import Guard
from gradvitals.engine.events import Array

MOST_ROWS, FEWEST_ROWS, MOST_BYTES = 1024, 4, 2**26
"""Examples kept, by number and by the memory of their inputs; and the fewest that anything is said of."""

MOST_BATCHES = 5000
"""Batches without anything that comes again, after which nothing is expected to."""

CAME_AGAIN = 0.8
"""Share of the examples kept that must have been seen twice."""

WINDOW, BACK = 16.0, 0.5
"""Examples kept that a new epoch would have brought back, after which it is asked whether one has begun: if so many of
them have come. Equal examples within an epoch are fewer."""

OFTEN = 16
"""Of the batches after that, one in so many is looked at."""

MOST_TWINS = 0.05
"""Share of examples that are equal to another of their batch, up to which equal ones are taken for the same."""

SPOTS = 256
"""Numbers of an example by which it is known again; then it is compared whole."""

SAME_FACTOR, MOST_OTHERS = 1e-2, 0.1
"""Relative difference of two batches' factors that counts as none, and the share of batches that may have another."""

WHOLE = 1e-4
"""Distance from whole numbers, as a share of them, that targets told by floats of 32 bits may have by rounding."""

UNWARNED = np.errstate(over="ignore", invalid="ignore", divide="ignore")
"""What diverges overflows."""

TOLD = 0.9
"""Share of the examples kept that must have a target."""


@dataclass(slots=True, eq=False)
class _Example:
    """One example that is kept.

    Attributes:
        inputs: As the module was given them.
        targets: By kind of loss, what the last look told.
        outputs: What the module gave at the last look; None before the first.
        gradient: On these.
        count: Outputs of that batch.
        again: Looks after the first.
    """

    inputs: Array
    targets: dict[str, Array] = field(default_factory=dict)
    outputs: Array | None = None
    gradient: Array | None = None
    count: int = 0
    again: int = 0


class ToldData:
    """Watches all training forwards of a module for what they are trained on."""

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
        self._examples: list[_Example] = []
        self._keys: list[int] = []
        self._by_key: dict[int, _Example] = {}
        self._spots, self._weights = np.empty(0, np.int64), np.empty(0, np.uint64)
        self._width, self._mixer = 0, np.random.default_rng(0)
        self._seen = self._batches = self._twins = self._matches = self._came = 0
        self._expected = 0.0
        self._gathers = True
        self._handle: Any = module.register_forward_hook(ModuleHook(guard.around(self._after)), with_kwargs=True)

    @property
    def is_hopeful(self) -> bool:
        """Whether anything may still be told."""
        return self._handle is not None

    def stop(self) -> None:
        """Unhook the module."""
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    def give_up(self, _gradient: Any = None) -> None:  # noqa: ANN401 - what a tensor's hook is given
        """Believe nothing, and keep nothing."""
        self.stop()
        self._kinds, self._squares = set(), SquareFit()
        self._examples, self._keys, self._by_key = [], [], {}

    @UNWARNED
    def take(self) -> tuple[Array, Array, Any] | None:
        """Give inputs and targets `(samples, …)` as a user would, and the loss as a module; None if nothing is sure."""
        self.stop()
        examples = self._examples
        came_again = sum(example.again > 0 for example in examples)
        if len(examples) < FEWEST_ROWS or came_again < CAME_AGAIN * len(examples):
            return None
        kind = next((each for each in KINDS if each in self._kinds), "squares")
        found = self._squared_targets() if kind == "squares" else self._told_targets(kind)
        if found is None:
            return None
        chosen, targets, is_sum = found
        if (targets == targets[0]).all():
            return None  # as of the real half of what a discriminator sees
        return np.stack([each.inputs for each in chosen]), targets, loss_of(kind, is_sum=is_sum)

    def _told_targets(self, kind: str) -> tuple[Sequence[_Example], Array, bool] | None:
        factors = np.array(self._factors.get(kind, [(np.nan, np.nan)]))
        means, sums = factors[:, 0] * factors[:, 1], factors[:, 0]
        if not (_is_one(means) or _is_one(sums)):
            return None
        chosen = [each for each in self._examples if kind in each.targets and (each.targets[kind] != UNLABELLED).any()]
        if len(chosen) < TOLD * len(self._examples):
            return None
        is_sum = bool(abs(np.median(sums) - 1.0) <= SAME_FACTOR < abs(np.median(means) - 1.0))
        return chosen, np.stack([each.targets[kind] for each in chosen]), is_sum

    def _squared_targets(self) -> tuple[Sequence[_Example], Array, bool] | None:
        factors = self._squares.factors()
        chosen = [each for each in self._examples if each.outputs is not None and each.gradient is not None]
        if factors is None or len(chosen) < TOLD * len(self._examples):
            return None
        if len(self._squares.outputs) < CAME_AGAIN * len(self._examples):
            return None
        factor, is_sum = factors
        targets = np.stack(
            [
                each.outputs - factor * each.gradient * (1 if is_sum else each.count) / 2.0
                for each in chosen
                if each.outputs is not None and each.gradient is not None
            ]
        )
        whole = np.rint(targets)
        if (np.abs(targets - whole) <= WHOLE * np.maximum(np.abs(whole), 1.0)).all():
            targets = whole
        return chosen, targets.astype(np.float32), is_sum

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
        outputs = _outputs_in(returned)
        if len(args) != 1 or kwargs or not _has_rows(args[0]) or outputs is None or len(outputs) % len(args[0]):
            self.give_up()
            return
        if not outputs.requires_grad:
            return
        for other in tensors_in(returned):
            if other is not outputs and other.requires_grad:
                other.register_hook(self._guard.around(self.give_up))
        batch, values = as_array(args[0]).copy(), outputs.detach().clone()
        samples, positions = len(batch), len(outputs) // len(batch)
        folded = () if positions == 1 else (samples, positions, *outputs.shape[1:])

        def told(gradient: torch.Tensor) -> None:
            with torch.no_grad():
                o, g = (each.reshape(folded) if folded else each for each in (values, gradient.detach()))
                self._told(batch, o, g)

        outputs.register_hook(self._guard.around(told))

    @property
    def _is_content(self) -> bool:
        """Whether as many examples have come again as must."""
        return not self._gathers and self._matches >= CAME_AGAIN * len(self._examples)

    def _find(self, batch: Array) -> dict[int, _Example]:
        """Give the examples of a batch that are kept, by their places in it; while gathering, new ones are."""
        keys = self._keys_of(np.ascontiguousarray(batch).reshape(len(batch), -1))
        self._expected += len(keys) * len(self._examples) / max(self._seen, 1)
        self._twins += len(keys) - len(set(keys))
        self._seen += len(keys)
        if self._twins > max(MOST_TWINS * self._seen, 1.0):
            self.give_up()
            return {}
        found: dict[int, _Example] = {}
        for key, place in dict(zip(keys, range(len(keys)), strict=True)).items():
            known = self._by_key.get(key)
            if known is None and self._gathers:
                known = self._gather(key, batch[place], self._seen - len(keys) + place + 1)
            elif known is not None and not np.array_equal(known.inputs, batch[place]):
                known = None
            if known is not None:
                found[place] = known
        before = [each for each in found.values() if each.outputs is not None]
        self._came += len(before)
        self._matches += sum(not each.again for each in before)
        if self._gathers and self._expected >= WINDOW:
            self._gathers = self._came < BACK * self._expected
            self._expected, self._came = 0.0, 0
        return found

    def _gather(self, key: int, inputs: Array, seen: int) -> _Example | None:
        """Keep an example, so that all that have gone by, this one included, have the same chance to be among those."""
        most = max(min(MOST_ROWS, MOST_BYTES // max(inputs.nbytes, 1)), FEWEST_ROWS)
        new = _Example(inputs.copy())
        if len(self._examples) < most:
            self._examples.append(new)
            self._keys.append(key)
        else:
            drawn = int(self._mixer.integers(seen))
            if drawn >= most:
                return None
            del self._by_key[self._keys[drawn]]
            self._examples[drawn], self._keys[drawn] = new, key
        self._by_key[key] = new
        return new

    def _keys_of(self, rows: Array) -> list[int]:
        """Give a number for every row of a batch, by the bits at some of its places."""
        bits = rows.view(f"u{rows.dtype.itemsize}") if rows.dtype != bool else rows.astype("u1")
        if self._width != bits.shape[1]:
            self._width, chosen = bits.shape[1], np.random.default_rng(0)
            self._spots = chosen.permutation(self._width)[:SPOTS]
            self._weights = chosen.integers(1, 2**62, len(self._spots), dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        keys: list[int] = (bits[:, self._spots].astype(np.uint64) * self._weights).sum(axis=1).tolist()
        return keys

    @UNWARNED
    def _told(self, batch: Array, outputs: torch.Tensor, gradient: torch.Tensor) -> None:
        """Take what the gradient tells of the examples, and hold it against what it told before."""
        told = read(outputs, gradient) if self._kinds else {}
        if self._handle is None or told is None or not batch.size:
            return
        self._kinds &= told.keys()
        for kind in self._kinds:
            if told[kind].is_clear:
                self._factors.setdefault(kind, []).append((told[kind].factor, told[kind].count))
        values, pulls = outputs.double().cpu().numpy(), gradient.detach().double().cpu().numpy()
        for place, example in self._find(batch).items():
            self._compare(example, place, told)
            if example.outputs is not None and example.gradient is not None:
                if not self._kinds:
                    self._squares.add(
                        (example.outputs, values[place]), (example.gradient, pulls[place]), (example.count, values.size)
                    )
                example.again += 1
            example.outputs, example.gradient, example.count = values[place].copy(), pulls[place].copy(), values.size

    def _compare(self, example: _Example, place: int, told: Mapping[str, Told]) -> None:
        """Take the targets of an example; no loss of a kind that tells others of it than before is believed."""
        for kind in tuple(self._kinds):
            now, before = told[kind].targets[place], example.targets.get(kind)
            if before is None:
                example.targets[kind] = now
            elif now.shape != before.shape or ((now != before) & (now != UNLABELLED) & (before != UNLABELLED)).any():
                self._kinds.discard(kind)
            else:
                example.targets[kind] = np.where(before == UNLABELLED, now, before)


def _has_rows(given: Any) -> bool:  # noqa: ANN401 - whatever a module is given
    """Tell whether it is a tensor with a row per sample, and with values."""
    is_plain = isinstance(given, torch.Tensor) and given.layout is torch.strided and not given.is_nested
    return is_plain and given.ndim > 0 and len(given) > 0 and not given.is_meta


def _outputs_in(returned: Any) -> torch.Tensor | None:  # noqa: ANN401 - whatever a module returns
    """Give the outputs, or the first tensor of floats among them, where it has values in full precision."""
    try:
        outputs = main_tensor(returned)
    except ValueError:
        return None
    return outputs if _has_rows(outputs) and outputs.dtype in {torch.float32, torch.float64} else None


def _is_one(factors: Array) -> bool:
    """Tell whether nearly all batches have one factor."""
    middle = np.median(factors)
    return bool(np.isfinite(middle) and (np.abs(factors / middle - 1.0) > SAME_FACTOR).mean() <= MOST_OTHERS)
