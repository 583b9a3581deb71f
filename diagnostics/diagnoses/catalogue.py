"""The catalogue: every diagnosis, by hand, in the order reports list them."""

from gradvitals.diagnostics.diagnoses.base import Diagnosis
from gradvitals.diagnostics.diagnoses.dead_units import DeadUnits
from gradvitals.diagnostics.diagnoses.exploding_gradient import ExplodingGradient
from gradvitals.diagnostics.diagnoses.no_learning import NoLearning
from gradvitals.diagnostics.diagnoses.non_finite import NonFinite
from gradvitals.diagnostics.diagnoses.saturated_units import SaturatedUnits
from gradvitals.diagnostics.diagnoses.vanishing_gradient import VanishingGradient

CATALOGUE: tuple[Diagnosis, ...] = (
    NonFinite(),
    DeadUnits(),
    SaturatedUnits(),
    VanishingGradient(),
    ExplodingGradient(),
    NoLearning(),
)
