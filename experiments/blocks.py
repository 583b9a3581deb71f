"""Which runs of a sweep are trained at once: those that differ in their numbers only, in blocks that fit the cache.

Stacking pays where Python's share of a step is large, in small networks, and as long as what a step touches stays in
the cache: of 2-16-16-2 any number, of 64-64-32-10 some sixteen, of 64-[64]×10-10 no two (`benchmarks/stacking.py`).
"""

import json
import math
from collections.abc import Sequence
from itertools import pairwise

from gradvitals.experiments.config.dump import as_plain
from gradvitals.experiments.config.root import Config
from gradvitals.experiments.plan import PlannedRun
from gradvitals.experiments.runner import Place, load_dataset

CACHE = 3_000_000
"""Bytes that a step of a block may touch."""

OWN_TABLES = frozenset({"name", "seed", "check", "diagnostics"})
OWN_KEYS = frozenset(
    {"init", "recurrent_init", "bias_init", "output_bias", "learning_rate"}
    | {"l2", "schedule", "epochs", "early_stopping", "clip_norm", "clip_value"}
)
"""What runs of one block may differ in: keys of the model, of the training and of its optimizer."""

Run = tuple[PlannedRun, Place]


def cut_into_blocks(runs: Sequence[Run], workers: int) -> list[list[Run]]:
    """Cut runs into blocks that are each trained at once, of like sizes and as many as keep all workers busy.

    Args:
        runs: All of them.
        workers: Processes that will train them.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(_likeness(run[0].config), []).append(run)
    blocks: list[list[Run]] = []
    for group in groups.values():
        group.sort(key=lambda run: run[0].config.seed)  # those of one seed share their data
        count = math.ceil(len(group) / most_at_once(*group[0]))
        count = min(math.ceil(count / workers) * workers, len(group))
        blocks += [group[i * len(group) // count : (i + 1) * len(group) // count] for i in range(count)]
    return blocks


def most_at_once(planned: PlannedRun, place: Place) -> int:
    """Give how many runs like this one fit into a block."""
    return max(CACHE // _bytes_touched(planned, place), 1)


def _likeness(config: Config) -> str:
    """Give what runs must have in common to be trained at once, as text."""
    plain = {table: value for table, value in as_plain(config).items() if table not in OWN_TABLES}
    optimizer = plain["training"].pop("optimizer")
    for settings in (plain["model"], plain["training"], optimizer):
        for key in OWN_KEYS & settings.keys():
            del settings[key]
    own_seed = config.seed if config.training.class_weight == "balanced" else None  # its weights follow from the data
    return json.dumps([plain, optimizer, own_seed], sort_keys=True)


def _bytes_touched(planned: PlannedRun, place: Place) -> int:
    """Estimate what a step of one run reads and writes: parameters, their gradient and state, values and gradients."""
    config = planned.config
    dataset = load_dataset(planned, place)
    widths = (dataset.inputs.shape[1], *config.model.hidden, dataset.outputs)
    times = config.model.sequence_length or 1 if config.model.kind == "rnn" else 1
    parameters = sum(fan_in * fan_out for fan_in, fan_out in pairwise(widths))
    values = min(config.training.batch_size, len(dataset.inputs)) * sum(widths) * times
    return int(4 * parameters + 3 * values) * (8 if config.training.dtype == "float64" else 4)
