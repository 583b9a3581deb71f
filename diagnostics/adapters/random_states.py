"""Keeping every random generator as it was while somebody else's data are read."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np
import torch

GENERATORS = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)

MOST_OBJECTS = 2000
"""Objects looked through for generators; those of a data set are attributes of it, or of its transforms."""

MOST_ITEMS = 20
"""Items looked at of a list or a dictionary: lists of samples are long, lists of transforms are not."""


@contextmanager
def kept_states(*holders: object) -> Iterator[None]:
    """Give every random state back as it was: the global ones, and those of generators that the holders hold.

    Global are those of torch (CPU, and every GPU once CUDA is in use), NumPy and `random`.
    """
    torch_state = torch.get_rng_state()
    cuda_states = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    numpy_state = np.random.get_state()  # noqa: NPY002 - the global one is what users draw from
    python_state = random.getstate()
    held = [(generator, _state_of(generator)) for generator in _generators_in(holders)]
    try:
        yield
    finally:
        torch.set_rng_state(torch_state)
        if cuda_states:
            torch.cuda.set_rng_state_all(cuda_states)
        np.random.set_state(numpy_state)  # noqa: NPY002 - as above
        random.setstate(python_state)
        for generator, state in held:
            _set_state(generator, state)


@contextmanager
def kept_attributes(*holders: object) -> Iterator[None]:
    """Give attributes of data sets and samplers back as they were: counters, and files opened by the first look.

    A file opened here would be shared by the worker processes that a training starts later.
    """
    before = [(each, vars(each).copy()) for each in _reachable(holders) if isinstance(each, torch.utils.data.Dataset)]
    before += [(each, vars(each).copy()) for each in holders if hasattr(each, "__dict__")]
    try:
        yield
    finally:
        for each, attributes in before:
            for name in vars(each).keys() - attributes.keys():
                del vars(each)[name]
            vars(each).update(attributes)


def _generators_in(holders: tuple[object, ...]) -> list[Any]:
    return [each for each in _reachable(holders) if isinstance(each, GENERATORS)]


def _reachable(holders: tuple[object, ...]) -> list[object]:
    """List the objects reachable through attributes and short collections, nearest first."""
    found: list[object] = []
    waiting, seen = list(holders), set()
    while waiting and len(found) < MOST_OBJECTS:
        each = waiting.pop(0)
        if id(each) in seen or isinstance(each, str | bytes | int | float | type | np.ndarray | torch.Tensor):
            continue
        seen.add(id(each))
        found.append(each)
        if isinstance(each, dict):
            waiting += islice(each.values(), MOST_ITEMS)
        elif isinstance(each, list | tuple | set):
            waiting += islice(each, MOST_ITEMS)
        else:
            waiting += getattr(each, "__dict__", {}).values()
    return found


def _state_of(generator: Any) -> Any:  # noqa: ANN401 - of four kinds
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    return generator.getstate() if isinstance(generator, random.Random) else generator.get_state()


def _set_state(generator: Any, state: Any) -> None:  # noqa: ANN401 - of four kinds
    if isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    elif isinstance(generator, random.Random):
        generator.setstate(state)
    else:
        generator.set_state(state)
