"""The catalogue: every diagnosis, by hand, in the order reports list them."""

from gradvitals.diagnostics.diagnoses.base import Diagnosis
from gradvitals.diagnostics.diagnoses.clipped_delta import ClippedDelta
from gradvitals.diagnostics.diagnoses.collapsed_output import CollapsedOutput
from gradvitals.diagnostics.diagnoses.data_faults import DataFaults
from gradvitals.diagnostics.diagnoses.dead_units import DeadUnits
from gradvitals.diagnostics.diagnoses.exploding_gradient import ExplodingGradient
from gradvitals.diagnostics.diagnoses.frozen_parameters import FrozenParameters
from gradvitals.diagnostics.diagnoses.initialization_scale import InitializationScale
from gradvitals.diagnostics.diagnoses.learning_rate_too_high import LearningRateTooHigh
from gradvitals.diagnostics.diagnoses.learning_rate_too_low import LearningRateTooLow
from gradvitals.diagnostics.diagnoses.loss_mismatch import LossMismatch
from gradvitals.diagnostics.diagnoses.memorising import Memorising
from gradvitals.diagnostics.diagnoses.no_learning import NoLearning
from gradvitals.diagnostics.diagnoses.non_finite import NonFinite
from gradvitals.diagnostics.diagnoses.numerics import Numerics
from gradvitals.diagnostics.diagnoses.overfitting import Overfitting
from gradvitals.diagnostics.diagnoses.recurrent_gain import RecurrentGain
from gradvitals.diagnostics.diagnoses.saturated_output import SaturatedOutput
from gradvitals.diagnostics.diagnoses.saturated_units import SaturatedUnits
from gradvitals.diagnostics.diagnoses.symmetric_units import SymmetricUnits
from gradvitals.diagnostics.diagnoses.underfitting import Underfitting
from gradvitals.diagnostics.diagnoses.unscaled_inputs import UnscaledInputs
from gradvitals.diagnostics.diagnoses.unscaled_targets import UnscaledTargets
from gradvitals.diagnostics.diagnoses.update_ratio import UpdateRatio
from gradvitals.diagnostics.diagnoses.vanishing_gradient import VanishingGradient

CATALOGUE: tuple[Diagnosis, ...] = (
    NonFinite(),
    DeadUnits(),
    SaturatedUnits(),
    VanishingGradient(),
    ExplodingGradient(),
    RecurrentGain(),
    LearningRateTooHigh(),
    LearningRateTooLow(),
    UpdateRatio(),
    NoLearning(),
    Memorising(),
    Underfitting(),
    Overfitting(),
    SymmetricUnits(),
    FrozenParameters(),
    ClippedDelta(),
    CollapsedOutput(),
    LossMismatch(),
    Numerics(),
    SaturatedOutput(),
    DataFaults(),
    UnscaledInputs(),
    UnscaledTargets(),
    InitializationScale(),
)
