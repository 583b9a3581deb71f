"""What is remembered of a loop whose data nobody gave: the module's states at some steps, and what the loop showed."""

from collections.abc import Container, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

import torch

from gradvitals.diagnostics.adapters.random_states import kept_states
from gradvitals.diagnostics.adapters.torch_network import UNWARNED, TorchNetwork
from gradvitals.diagnostics.adapters.torch_states import can_be_set, in_state, state_of, tensors_of
from gradvitals.diagnostics.adapters.torch_told_data import ToldData
from gradvitals.diagnostics.adapters.torch_told_loss import UNLABELLED
from gradvitals.diagnostics.adapters.torch_watched import FEW, prepare
from gradvitals.diagnostics.batch_labels import BatchWatcher
from gradvitals.diagnostics.notes import Note
from gradvitals.diagnostics.watched_data import WatchedData

MOST_BYTES = 2**28
"""Memory for states: where it is used up, every second one after the first is let go."""

FEWEST = 4
"""States that must have room."""


class TorchHindsight:
    """Remembers the states of a module, and takes from its loop what it was trained on."""

    def __init__(self, network: TorchNetwork, told: ToldData | None) -> None:
        """Take what is trained, and what listens to the loop.

        Args:
            network: As the diagnostics see the module.
            told: Listens; None where the data were given.
        """
        self._network, self._told = network, told
        self._states: list[tuple[int, list[torch.Tensor]]] = []
        tensors = tensors_of(network.module)
        size = sum(each.nbytes for each in tensors)
        self._most = MOST_BYTES // max(size, 1) if can_be_set(tensors) else 0  # others must not see another state
        if told is not None and not self.keeps:
            told.give_up()

    @property
    def keeps(self) -> bool:
        """Whether states are kept."""
        return self._most >= FEWEST and (self._told is None or self._told.is_hopeful)

    def keep(self, step: int) -> None:
        """Keep the module's parameters and buffers as they are after so many updates."""
        if not self.keeps:
            self._states = []
            return
        self._states.append((step, state_of(tensors_of(self._network.module))))
        if len(self._states) > self._most:
            del self._states[1::2]

    @UNWARNED
    def tell(self, step: int) -> tuple[WatchedData | None, tuple[Note, ...]]:
        """Give what the loop has shown to be its data, if it is sure and the module can be run by itself."""
        if self._told is None:
            return None, ()
        pull, told, network = self._told.pull.note(step), self._told.take(), self._network
        shown: tuple[Note, ...] = () if pull is None else (pull,)
        if told is None or not self._fits():
            return None, shown
        inputs, form, targets, loss = told
        try:
            data, adapted = prepare((inputs, targets), loss, network.look, form=form)
            network.loss = adapted
            with kept_states():
                network.probe(data.inputs[:FEW], data.targets[:FEW], lambda _: None)  # backward, too
        except Exception:  # noqa: BLE001 - whatever a module raises that runs in its loop only
            network.loss = None
            return None, shown
        mixing = network.mixing(data.inputs)
        if mixing is not None and not self._told.are_shuffled:  # the first axis may be time, and the second samples
            network.loss = None
            return None, shown
        batches = BatchWatcher(data.targets)
        for labels in self._told.labels:
            if adapted is not None and labels.ndim == 1:
                batches.see(adapted.coding.encode(labels[labels != UNLABELLED]), 0)
        further = mixing, batches.take(ended=True)
        return replace(data, complete=self._told.are_few), (*shown, *(note for note in further if note is not None))

    @property
    def steps(self) -> Sequence[int]:
        """The steps kept, in order."""
        return [step for step, _ in self._states]

    def take_states(self, wanted: Container[int]) -> Iterator[tuple[int, AbstractContextManager[None]]]:
        """Give, once, those of the steps kept that are wanted, each with a context in which the module is as then."""
        states, self._states = self._states if self._fits() else [], []
        for step, state in states:
            if step in wanted:
                yield step, in_state(tensors_of(self._network.module), state)

    def _fits(self) -> bool:
        """Tell whether there are states, and the module still has such parameters."""
        shapes = [each.shape for each in tensors_of(self._network.module)]
        return bool(self._states) and all([each.shape for each in kept] == shapes for _, kept in self._states)
