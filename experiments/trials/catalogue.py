"""The trials: every diagnosis that computes or trains something of its own, in the order reports list them."""

from gradvitals.diagnostics.diagnoses.base import Diagnosis
from gradvitals.experiments.trials.cannot_overfit import CannotOverfit
from gradvitals.experiments.trials.gradient_check import GradientCheck

TRIALS: tuple[Diagnosis, ...] = (GradientCheck(), CannotOverfit())
