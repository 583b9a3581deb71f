"""What is asked at the end of a training: what simple models make of the same data, and whether it is one itself."""

from dataclasses import replace

import numpy as np

from gradvitals.diagnostics.behind import LEAST_TO_CATCH_UP, has_room, least_lag
from gradvitals.diagnostics.data_signal import MOST_ROWS, measure_signal
from gradvitals.diagnostics.gate import WARM_UP_STEPS, Arm, gains_little, judge_gate
from gradvitals.diagnostics.notes import Ending, Generalisation, Probe, Signal
from gradvitals.diagnostics.probing import SEED, Prober
from gradvitals.diagnostics.recorder import Recorder
from gradvitals.diagnostics.scoring import SURE
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.diagnostics.word_counts import count_words


def ask_simple_models(recorder: Recorder, data: WatchedData, prober: Prober, ending: Ending) -> None:
    """Record whether there is any signal, if little was learned, and how simple models do, if they may do better.

    Args:
        recorder: Of the training; its last probe was taken.
        data: What it was trained on.
        prober: Its prober.
        ending: How it ended.
    """
    checks, probes = judge_gate(recorder.record).checks, recorder.record.notes(Probe)
    is_over = not ending.cut_short
    found_little = (
        data.comparable and is_over and ending.step >= LEAST_TO_CATCH_UP and bool(probes) and gains_little(probes[-1])
    )
    if found_little or (data.comparable and checks and Arm.NOT_LEARNING in checks[-1].arms):
        recorder.add(replace(data.known.get("signal", lambda: signal_of(data)), step=ending.step))
    recorder.add_once(prober.straightness(ending.step))
    if data.comparable and probes and is_over and ending.step >= WARM_UP_STEPS:
        _compare(recorder, prober, probes[-1])


def _compare(recorder: Recorder, prober: Prober, probe: Probe) -> None:
    """Hold the network against simple models wherever its own scores leave them room to be clearly better."""
    if has_room(probe):
        recorder.add_once(prober.shortfall(probe.step))
    for note in recorder.record.notes(Generalisation)[-1:]:
        is_worse = note.training_score - note.score >= least_lag(probe)
        more = prober.generalisation(note.step) if is_worse else None
        if more is not None:
            recorder.add(more)


def signal_of(data: WatchedData) -> Signal:
    """Measure the signal in inputs as they are and, of token ids, in how often each comes: the surer of the two."""
    rows = np.sort(np.random.default_rng(SEED).permutation(len(data.inputs))[:MOST_ROWS])
    readings = (
        (data.inputs, data.targets),
        (count_words(data.inputs[rows]) if data.discrete else None, data.targets[rows]),
    )
    signals = [
        measure_signal(inputs, targets, np.random.default_rng(SEED), step=0)
        for inputs, targets in readings
        if inputs is not None
    ]
    return max(signals, key=lambda signal: signal.gain - SURE * signal.gain_se)
