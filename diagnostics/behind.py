"""Whether a network ended behind simple models, on the samples that it was trained on or on new ones.

That is no impairment, as a training may be stopped early on purpose: it makes a warning of a symptom, and no error.
"""

from collections.abc import Iterator

from gradvitals.diagnostics.error_budget import LEVEL
from gradvitals.diagnostics.lag import Lag
from gradvitals.diagnostics.learned import has_learned
from gradvitals.diagnostics.measurements import Record
from gradvitals.diagnostics.notes import Ending, Generalisation, Probe
from gradvitals.diagnostics.scoring import SMALL_SAMPLE, SURE
from gradvitals.diagnostics.shortfall import Shortfall

LEAST_LAG, LEAST_LAG_OF_GAIN = 0.05, 0.1
"""Share of right answers, and for a regression of H, that simple models must have more, for it to be behind them."""

COMPARISONS = 4
"""Two simple models, of which the better one counts, on two samples: each has a quarter of the level."""

LIKELY = 0.01
"""Chance of a lag that is only likely. Of 1,064 healthy networks (tuning half) at most one in a hundred had what may be
a warning with it: so it, too, is spoken of by chance no oftener than a rule may."""

LEAST_TO_CATCH_UP = 200
"""Updates below which a network has had no time to catch up with simple models, as in a short test."""


def find_lag(probe: Probe, record: Record, least_steps: int = LEAST_TO_CATCH_UP) -> Lag | None:
    """Say by how much simple models do surely and clearly better; None where they do not.

    They are a ridge regression and nearest neighbours, none fitted to what it is asked about. The network is held
    against them on samples that it was trained on, which is hard on them, and else on new ones. Surely is by Student's
    t of the paired scores, within the budget of one rule. It must have had 200 updates, or as many as are given. Of
    1,064 healthy networks of the tuning half none was behind.
    """
    lags = [*_on_own(probe, record)]
    if not has_learned(probe):  # what has learned its samples and not what is in them memorises
        lags += [Lag.of_new(note) for note in record.notes(Generalisation)[-1:] if note.step == probe.step]
    return next((lag for lag in lags if _counts(lag, probe, LEVEL / COMPARISONS, least_steps)), None)


def find_own_lag(probe: Probe, record: Record) -> Lag | None:
    """Say by how much simple models surely and clearly do better on the samples that the network was trained on.

    It may have had no time to catch up yet.
    """
    return next((lag for lag in _on_own(probe, record) if _counts(lag, probe, LEVEL / COMPARISONS, 0)), None)


def find_likely_lag(probe: Probe, record: Record) -> Lag | None:
    """Say by how much simple models do clearly better at the end, if it is no more than likely that they do.

    That is enough for a warning of what is known to have been wrong with the network, and hardly any healthy one has.
    """
    if not is_done(record):
        return None
    lags = [*_on_own(probe, record), *_on_new(probe, record)]
    return next((lag for lag in lags if _counts(lag, probe, LIKELY / COMPARISONS)), None)


def find_any_lag(probe: Probe, record: Record) -> Lag | None:
    """Say by how much simple models surely do better at the end of a training that was done, however little it is."""
    if not _was_done(record):
        return None
    own = (Lag.of_own(note) for note in record.notes(Shortfall)[-1:] if note.step == probe.step)
    new = (Lag.of_new(note) for note in record.notes(Generalisation)[-1:] if note.step == probe.step)
    return next((lag for lag in (*own, *new) if lag.is_sure(LEVEL / COMPARISONS)), None)


def least_lag(probe: Probe) -> float:
    """Give the score that simple models must have more for a network to be clearly behind them."""
    return LEAST_LAG_OF_GAIN if probe.majority_accuracy is None else LEAST_LAG


def has_room(probe: Probe) -> bool:
    """Tell whether simple models can be clearly better on a network's own samples.

    That most of the loss is gone says it of quantities; of answers it does not, of which one in ten may be wrong.
    """
    excess, majority = probe.accuracy_excess, probe.majority_accuracy
    many_wrong = excess is not None and majority is not None and majority + excess <= 1.0 - LEAST_LAG
    return many_wrong or not has_learned(probe)


def simple_models_learn(note: Generalisation) -> bool:
    """Tell whether simple models were asked about new samples, enough of them, and surely know more than a constant."""
    excess, error = note.simple_excess, note.simple_excess_se
    return note.samples >= SMALL_SAMPLE and excess is not None and error is not None and excess > SURE * error


def is_done(record: Record) -> bool:
    """Tell whether a training of some length was done, so that what is left is left for good."""
    return _was_done(record) and record.last_step >= LEAST_TO_CATCH_UP


def _was_done(record: Record) -> bool:
    endings = record.notes(Ending)
    return bool(endings) and not endings[-1].cut_short


def _on_own(probe: Probe, record: Record) -> Iterator[Lag]:
    notes = record.notes(Shortfall)[-1:] if has_room(probe) else []
    return (Lag.of_own(note) for note in notes if note.step == probe.step)


def _on_new(probe: Probe, record: Record) -> Iterator[Lag]:
    """Give the lag on new samples, if the network does worse there than on its own, and there is a signal in them."""
    notes = [note for note in record.notes(Generalisation)[-1:] if note.step == probe.step]
    worse = (note for note in notes if note.training_score - note.score >= least_lag(probe))
    return (Lag.of_new(note) for note in worse if simple_models_learn(note))


def _counts(lag: Lag, probe: Probe, level: float, least_steps: int = LEAST_TO_CATCH_UP) -> bool:
    """Tell whether a lag is clear and sure, and the network has had the time to make it up."""
    return probe.step >= least_steps and lag.value >= least_lag(probe) and lag.is_sure(level)
