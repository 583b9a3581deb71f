"""What is remembered of a loop whose data nobody gave: the module's states at some steps, and what the loop showed."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace

import torch

from gradvitals.diagnostics.adapters.random_states import kept_states
from gradvitals.diagnostics.adapters.torch_network import TorchNetwork
from gradvitals.diagnostics.adapters.torch_states import can_be_set, in_state, state_of, tensors_of
from gradvitals.diagnostics.adapters.torch_told_data import ToldData
from gradvitals.diagnostics.adapters.torch_watched import prepare
from gradvitals.diagnostics.notes import Note
from gradvitals.diagnostics.watched_data import WatchedData

MOST_BYTES = 2**28
"""Memory for states: where it is used up, every second one after the first is let go."""

FEWEST = 4
"""States that must have room."""


class TorchHindsight:
    """Remembers the states of a module, and takes from its loop what it was trained on."""

    def __init__(self, network: TorchNetwork, told: ToldData) -> None:
        """Take what is trained, and what listens to the loop.

        Args:
            network: As the diagnostics see the module.
            told: Listens.
        """
        self._network, self._told = network, told
        self._states: list[tuple[int, list[torch.Tensor]]] = []

    def keep(self, step: int) -> None:
        """Keep the module's parameters and buffers as they are after so many updates."""
        tensors = tensors_of(self._network.module)
        size = sum(each.nbytes for each in tensors)
        if size * FEWEST > MOST_BYTES or not can_be_set(tensors):
            self._told.give_up()  # to look back means to write into them for a moment, which others must not see
        if not self._told.is_hopeful:
            self._states = []
            return
        self._states.append((step, state_of(tensors)))
        if size * len(self._states) > MOST_BYTES:
            del self._states[1::2]

    def tell(self) -> tuple[WatchedData, tuple[Note, ...]] | None:
        """Give what the loop has shown to be its data; None if nothing is sure, or it cannot be run alone."""
        told, network = self._told.take(), self._network
        shapes = [each.shape for each in tensors_of(self._network.module)]
        if told is None or not self._states or any([each.shape for each in kept] != shapes for _, kept in self._states):
            return None
        inputs, targets, loss = told
        try:
            data, network.loss = prepare((inputs, targets), loss, network.look)
            with kept_states():
                network.probe(data.inputs[:1], data.targets[:1])
        except Exception:  # noqa: BLE001 - whatever a module raises that runs in its loop only
            network.loss = None
            return None
        mixing = network.mixing(data.inputs)
        return replace(data, complete=False), () if mixing is None else (mixing,)

    def states(self) -> Iterator[tuple[int, AbstractContextManager[None]]]:
        """Give the steps kept, in order, each with a context in which the module is as it was then."""
        for step, state in self._states:
            yield step, in_state(tensors_of(self._network.module), state)
