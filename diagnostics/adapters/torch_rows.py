"""Which rows of its data set a DataLoader draws from, asked of its sampler without drawing from its generators."""

import copy
from collections.abc import Iterable
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch.utils.data import RandomSampler, SequentialSampler

from gradvitals.engine.events import Array

SEED = 20100
"""Of the generator that samples rows."""


def rows_of(loader: Any) -> tuple[Array, bool]:  # noqa: ANN401 - torch has no types for us
    """Give the rows that a loader draws from, in ascending order, and whether these are all of them.

    Args:
        loader: Its data set has a length.
    """
    count = len(loader.dataset)
    sampler = loader.sampler if loader.batch_size is not None else loader.batch_sampler
    sampler = sampler if type(sampler) is not torch.utils.data.BatchSampler else sampler.sampler
    if isinstance(sampler, RandomSampler | SequentialSampler | torch.utils.data.DistributedSampler):
        return np.arange(count), True
    if isinstance(sampler, torch.utils.data.SubsetRandomSampler):
        return np.unique(np.asarray(sampler.indices, np.int64)), True
    if isinstance(sampler, torch.utils.data.WeightedRandomSampler):
        weights = np.asarray(sampler.weights, np.float64)
        generator = np.random.default_rng(SEED)  # the loss to beat is that of the mixture trained on
        return np.sort(generator.choice(len(weights), count, p=weights / weights.sum())), False
    drawn = _one_epoch(sampler, loader.dataset, count)
    return drawn, len(drawn) == count


def _one_epoch(sampler: Any, dataset: object, count: int) -> Array:  # noqa: ANN401 - as above
    """Give the rows that a sampler of an unknown kind, or one of batches, names in an epoch."""
    own = copy.deepcopy(sampler, {id(dataset): dataset})
    rows: list[int] = []
    for drawn in islice(own, 2 * count):
        rows += [int(row) for row in drawn] if isinstance(drawn, Iterable) else [int(drawn)]
        if len(rows) >= 2 * count:
            break
    return np.unique(np.array(rows, np.int64))


def sample_of(rows: Array, count: int) -> Array:
    """Choose so many of the rows, in ascending order."""
    chosen = np.random.default_rng(SEED).choice(len(rows), min(count, len(rows)), replace=False)
    return np.asarray(rows[np.sort(chosen)])
