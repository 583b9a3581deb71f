"""Faults that a config can express, injected into healthy bases at five doses each, and two at a time.

What is demanded of a tool is fixed in `fault_kinds.py`, before anything is run: the diagnosis, the right roots, and the
layer. Whether a fault does harm is measured later; one that does none counts as healthy.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal, TypeAlias

from fault_bases import BASES, Base
from fault_kinds import FAULTS, PAIRS, Fault, Keys

from gradvitals.experiments.config.override import set_key

Half: TypeAlias = Literal["tuning", "held_out"]
HALVES: tuple[Half, ...] = ("tuning", "held_out")

SALT = 76
"""The first whole number with which every fault has at least a third of its bases, rounded down but not to 0, in either
half."""

SEEDS = (100, 101, 102)
"""Others than those that the rules' own tests use."""


@dataclass(frozen=True, slots=True)
class Injection:
    """One sick config, or the healthy base itself.

    Attributes:
        base: What it is injected into.
        faults: None for the healthy twin, one, or two.
        dose: 1 to 5; 0 for the twin.
        seed: Of weights, batches and split.
        keys: What is set on top of the base.
    """

    base: Base
    faults: tuple[Fault, ...]
    dose: int
    seed: int
    keys: Keys

    @property
    def config(self) -> dict[str, Any]:
        """The plain config."""
        raw: dict[str, Any] = json.loads(json.dumps({**self.base.config, "seed": self.seed}))
        for key, value in self.keys.items():
            raw = set_key(raw, key, value)
        return raw

    @property
    def name(self) -> str:
        """Base, faults, dose and seed in words."""
        faults = " + ".join(fault.name for fault in self.faults) or "healthy"
        return f"{self.base.name}: {faults}, dose {self.dose}, seed {self.seed}"

    @property
    def key(self) -> str:
        """Sixteen hexadecimal digits of the config: what its run is known by."""
        return hashlib.sha256(json.dumps(self.config, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def half(self) -> Half:
        """Its half, by the first byte of the SHA-256 of base and faults: all doses and seeds are in one."""
        text = "\n".join([str(SALT), self.base.name, *(fault.name for fault in self.faults)])
        return HALVES[hashlib.sha256(text.encode()).digest()[0] % 2]

    @property
    def twin(self) -> "Injection":
        """The same without any fault."""
        return self._twin(self.seed)

    @property
    def twins(self) -> tuple["Injection", ...]:
        """The same without any fault, of every seed: what harm is measured against."""
        return tuple(self._twin(seed) for seed in SEEDS)

    def _twin(self, seed: int) -> "Injection":
        shared = {key for fault in self.faults for key in fault.shared} if self.faults else set(self.keys)
        return Injection(self.base, (), 0, seed, {key: value for key, value in self.keys.items() if key in shared})


def injections(half: Half) -> Iterator[Injection]:
    """Yield every injection of a half: single faults at five doses, pairs of faults at their middle dose."""
    for base in BASES:
        fitting = [fault for fault in FAULTS if fault.fits(base)]
        for fault in fitting:
            for dose, keys in enumerate(fault.doses(base), start=1):
                yield from _of_half(half, base, (fault,), dose, keys)
        for pair in _pairs(fitting):
            middle = [fault.doses(base)[2] for fault in pair]
            yield from _of_half(half, base, pair, 3, {**middle[0], **middle[1]})


def _of_half(half: Half, base: Base, faults: tuple[Fault, ...], dose: int, keys: Keys) -> Iterator[Injection]:
    every = (Injection(base, faults, dose, seed, keys) for seed in SEEDS)
    yield from (one for one in every if one.half == half)


def _pairs(fitting: Sequence[Fault]) -> Iterator[tuple[Fault, Fault]]:
    """Yield the pairs that PAIRS names; their keys do not touch."""
    for one, other in combinations(fitting, 2):
        if {one.name, other.name} in PAIRS:
            yield one, other
