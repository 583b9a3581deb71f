"""What trainings cost, in units of the sick run: reckoned from their sizes, and so the same on every machine."""

import math
from dataclasses import dataclass
from itertools import pairwise

from gradvitals.experiments.blocks import most_at_once
from gradvitals.experiments.config.root import Config
from gradvitals.experiments.data.dataset import Dataset
from gradvitals.experiments.plan import PlannedRun
from gradvitals.experiments.runner import Place

TOGETHER = 3
"""Trainings taken to make a stack where that is not known yet: an arm is scored on two seeds, and then on three."""

MARGIN = 1.1
"""By what the price of what is only scored is above the mean that was measured: activations and optimizers differ."""

NUMERIC_LESS = 0.1
"""Share of a training by numeric gradients, of two forward passes a parameter, that one by backpropagation takes."""

CHOOSING = 20.0
"""Milliseconds of listing and choosing arms, once."""

SET_UP = 2.6
ALONE, ALONE_PER_LAYER = 0.016, 0.005
STACKED, STACKED_PER_LAYER = 0.025, 0.0075
PER_PRODUCT, PER_PARAMETER, PER_VALUE = 5e-8, 6.5e-7, 1.6e-6
"""Milliseconds of a training and of a step, alone or stacked, by `benchmarks/repair_prices.py`; their ratios count."""

WATCHING_PER_PARAMETER, WATCHING_PER_CHECK, WATCHING_PER_LAYER = 4e-4, 0.18, 0.1
"""Milliseconds of being watched and judged: of a weight, of a check, and of a layer at each check."""

LEAST_CHECKS, STEPS_PER_CHECK = 100, 50
"""Checks of a training, and steps between two of a long one (`diagnostics.every`)."""


@dataclass(frozen=True, slots=True)
class Prices:
    """What trainings on one data set cost.

    Attributes:
        sick: The config whose run, watched, costs 1.
        features: Columns of the inputs.
        outputs: Columns of the outputs.
        rows: Of the training set.
        most: Trainings that make a stack.
    """

    sick: Config
    features: int
    outputs: int
    rows: int
    most: int

    def scored(self, config: Config, together: int = TOGETHER) -> float:
        """Give what a training costs that is only scored: as much as one that is watched where nothing is stacked.

        Args:
            config: Of the training.
            together: Trainings in its stack.
        """
        if self.sick.training.gradient != "backprop":
            share = NUMERIC_LESS if self._is_freed_of_numeric(config) else 1.0
            return share * self.steps(config) / max(self.steps(self.sick), 1)
        return MARGIN * self._training(config, self._together(config, together)) / self._watched(self.sick)

    def watched(self, config: Config) -> float:
        """Give what one costs that is watched."""
        share = NUMERIC_LESS if self._is_freed_of_numeric(config) else 1.0
        return share * self._watched(config) / self._watched(self.sick)

    @property
    def choosing(self) -> float:
        """What it costs to list and choose arms; nothing beside trainings without backpropagation."""
        if self.sick.training.gradient != "backprop":
            return 0.0
        return CHOOSING / self._watched(self.sick)

    def steps(self, config: Config) -> int:
        """Give the updates of a training."""
        return config.training.epochs * math.ceil(self.rows / min(config.training.batch_size, self.rows))

    def checks(self, config: Config) -> float:
        """Give how often a training is looked at that is watched."""
        return min(self.steps(config), max(LEAST_CHECKS, self.steps(config) / STEPS_PER_CHECK))

    @staticmethod
    def layers(config: Config) -> int:
        """Give the layers, that of the outputs included."""
        return len(config.model.hidden) + 1

    def size(self, config: Config) -> tuple[int, int, int]:
        """Give layers, weights and values of a sample; of a recurrent network those of all time steps together."""
        model = config.model
        widths = (self.features, *model.hidden, self.outputs)
        times = model.sequence_length or 1 if model.kind == "rnn" else 1
        parameters = sum(fan_in * fan_out for fan_in, fan_out in pairwise(widths))
        return times * self.layers(config), times * parameters, times * sum(widths)

    def _together(self, config: Config, wanted: int) -> int:
        return 1 if config.training.frozen else min(wanted, self.most)  # what is partly frozen makes no stack

    def _is_freed_of_numeric(self, config: Config) -> bool:
        return (self.sick.training.gradient, config.training.gradient) == ("numeric", "backprop")

    def _watched(self, config: Config) -> float:
        _, parameters, _ = self.size(config)
        check = WATCHING_PER_CHECK + WATCHING_PER_LAYER * self.layers(config)
        return self._training(config, 1) + WATCHING_PER_PARAMETER * parameters + check * self.checks(config)

    def _training(self, config: Config, together: int) -> float:
        """Give the milliseconds of each of so many trainings that are stacked."""
        layers, parameters, values = self.size(config)
        batch = min(config.training.batch_size, self.rows)
        calls = ALONE + ALONE_PER_LAYER * layers if together == 1 else STACKED + STACKED_PER_LAYER * layers
        sums = batch * (PER_PRODUCT * parameters + PER_VALUE * values) + PER_PARAMETER * parameters
        return SET_UP + self.steps(config) * (calls / together + sums)


def prices_of(sick: Config, dataset: Dataset, place: Place) -> Prices:
    """Give what trainings cost on a data set."""
    most = most_at_once(PlannedRun(sick, {}, "sick"), place)
    return Prices(sick, dataset.inputs.shape[1], dataset.outputs, len(dataset.inputs), most)
