"""The rules of tier `test` on trainings in which nothing is wrong, simulated: how often they speak, and on what not.

    python benchmarks/nulls.py [--runs 100000] [--seed 0]

Each line is one kind of noise: the share of runs in which the rule's statistic speaks, its upper 95 % bound, and the
rule's level beside it. Alternatives follow, with the share that is found. Impairment, symptoms and sizes of updates,
which the rules also ask for, are left out: they can only silence.
"""

import argparse
import math
from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from zoo_verdicts import upper_bound

from gradvitals.diagnostics.behind import COMPARISONS, LEAST_LAG, LIKELY
from gradvitals.diagnostics.decline import PROBES_BACK, lasting_error
from gradvitals.diagnostics.diagnoses.learning_rate_too_low import (
    LASTING,
    LEAST_PROBES,
    LearningRateTooLow,
)
from gradvitals.diagnostics.diagnoses.overfitting import Overfitting
from gradvitals.diagnostics.error_budget import LEVEL, RUN_BUDGET, TEST_RULES, student_tail

Numbers: TypeAlias = NDArray[np.float64]
Draw: TypeAlias = Callable[[np.random.Generator, int], Numbers]

SAMPLES = 64
"""Validation samples per simulated run: fewer than a probe's 256, to have 10⁵ of them."""


PROBED, NEW = 256, 36
"""Rows of a small training set, where there are no 1,024 to compare on, and of a small validation set."""


def critical_t(level: float, freedom: int) -> float:
    """Give the t whose tail is the level, by bisection."""
    low, high = 0.0, 1e6
    while high - low > 1e-9 * high:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if student_tail(middle, freedom) > level else (low, middle)
    return high


def autocorrelated(generator: np.random.Generator, runs: int, length: int, correlation: float) -> Numbers:
    """Draw stationary AR(1) noise `(runs, length)` of variance 1."""
    noise = generator.standard_normal((runs, length))
    for place in range(1, length):
        noise[:, place] = correlation * noise[:, place - 1] + math.sqrt(1.0 - correlation**2) * noise[:, place]
    return noise


def speaks_of_low_rate(losses: Numbers) -> NDArray[np.bool_]:
    """Tell of loss ratios `(runs, probes)`, evenly spaced, whether the falls are even and slow."""
    rule = LearningRateTooLow()
    falls = -np.diff(np.log(losses), axis=1)
    count = falls.shape[1]
    t = falls.mean(axis=1) / (falls.std(axis=1, ddof=1) * lasting_error(count, LASTING))
    slow = falls[:, -1] * count * rule.trainings < math.log(2.0)
    return np.asarray((t > critical_t(rule.level, count - 1)) & slow)


def speaks_of_overfitting(losses: Numbers) -> NDArray[np.bool_]:
    """Tell of losses `(runs, probes, samples)` in units of H whether the last probes are surely above the lowest."""
    rule = Overfitting()
    means = losses.mean(axis=2)
    above = np.empty(means.shape, bool)
    for place in range(means.shape[1]):
        lowest = means[:, : place + 1].argmin(axis=1)
        best = np.take_along_axis(losses, lowest[:, None, None], axis=1)[:, 0]
        difference = losses[:, place] - best
        rise, error = difference.mean(axis=1), difference.std(axis=1, ddof=1) / math.sqrt(losses.shape[2])
        enough = (rise > rule.share * best.mean(axis=1)) & (rise > rule.warn)
        above[:, place] = enough & (rise > rule.errors * error)
    return np.asarray(above[:, -rule.persistence :].all(axis=1))


def speaks_of_being_behind(scores: Numbers, level: float = LEVEL) -> NDArray[np.bool_]:
    """Tell of simple models' scores less the network's `(runs, models, samples)` whether it is behind the best of them.

    The rule takes the model that does best beside the constant, so that this is harder on it. It looks at two samples,
    of which this is one.

    Args:
        scores: The differences.
        level: Of both samples together.
    """
    samples = scores.shape[2]
    best = np.take_along_axis(scores, scores.mean(axis=2).argmax(axis=1)[:, None, None], axis=1)[:, 0]
    mean, error = best.mean(axis=1), best.std(axis=1, ddof=1) / math.sqrt(samples)
    sure = critical_t(level / COMPARISONS, samples - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((mean >= LEAST_LAG) & ((mean - 1.0 / samples) / error > sure))


def speaks_of_being_likely_behind(scores: Numbers) -> NDArray[np.bool_]:
    """Tell the same where what is wrong with the network is known already."""
    return speaks_of_being_behind(scores, LIKELY)


def losses_of(noise: Draw, size: float = 0.02, level: float = 0.9) -> Draw:
    """Draw loss ratios around a level whose logarithms have this noise."""
    return lambda generator, runs: level * np.exp(size * noise(generator, runs))


def walk(correlation: float, probes: int) -> Draw:
    """Draw losses whose logarithm goes on, in part, in the direction of its last step."""
    return losses_of(lambda generator, runs: autocorrelated(generator, runs, probes, correlation).cumsum(axis=1))


def falling(pace: float, noise: float) -> Draw:
    """Draw loss ratios that fall by `pace` from probe to probe in their logarithm, with independent noise on it."""

    def draw(generator: np.random.Generator, runs: int) -> Numbers:
        exact = 1.1 * np.exp(-pace * np.arange(LEAST_PROBES))
        return np.asarray(exact * np.exp(noise * generator.standard_normal((runs, LEAST_PROBES))))

    return draw


def validation(drift: float, wander: float) -> Draw:
    """Draw validation losses at five probes after the lowest point: every sample's wanders, and all drift together."""

    def draw(generator: np.random.Generator, runs: int) -> Numbers:
        start = generator.gamma(0.5, 1.0, (runs, 1, SAMPLES))
        steps = wander * generator.standard_normal((runs, LEAST_PROBES, SAMPLES)).cumsum(axis=1)
        return start + steps + drift * np.arange(LEAST_PROBES)[:, None]

    return draw


def answers(network: float, simple: float, samples: int = PROBED) -> Draw:
    """Draw right and wrong answers of two simple models less those of a network, each right with its probability."""

    def draw(generator: np.random.Generator, runs: int) -> Numbers:
        own = generator.random((runs, 1, samples)) < network
        return (generator.random((runs, 2, samples)) < simple).astype(np.float64) - own

    return draw


def gains(tail: float, samples: int = PROBED) -> Draw:
    """Draw gains of two models less a network's, of equal means, whose losses have a heavy tail (lognormal)."""

    def draw(generator: np.random.Generator, runs: int) -> Numbers:
        losses = generator.lognormal(-0.5 * tail**2, tail, (runs, 3, samples))
        return np.maximum(1.0 - losses[:, 1:], -10.0) - np.maximum(1.0 - losses[:, :1], -10.0)

    return draw


AS_GOOD: Mapping[str, Draw] = {
    "as many answers right, half of them": answers(0.5, 0.5),
    "as many right, nine in ten": answers(0.9, 0.9),
    "as little loss, of a heavy tail": gains(1.0),
    "as many of a few right, half of them": answers(0.5, 0.5, NEW),
    "as many of a few right, nine in ten": answers(0.9, 0.9, NEW),
    "as little loss of a few, of a heavy tail": gains(1.0, NEW),
}
"""Simple models that do as well as the network."""

LEVELS = {"likely behind simple models": LIKELY}
"""Of a statistic that speaks only of what is known otherwise; all others have a rule's."""

NULLS: Mapping[str, tuple[Callable[[Numbers], NDArray[np.bool_]], Mapping[str, Draw]]] = {
    "learning_rate_too_low": (
        speaks_of_low_rate,
        {
            "independent noise around a level": losses_of(lambda g, n: g.standard_normal((n, LEAST_PROBES))),
            "autocorrelated noise around a level (.9)": losses_of(lambda g, n: autocorrelated(g, n, LEAST_PROBES, 0.9)),
            "a random walk": losses_of(lambda g, n: g.standard_normal((n, LEAST_PROBES)).cumsum(axis=1)),
            "a random walk of heavy-tailed steps (t, 3)": losses_of(
                lambda g, n: g.standard_t(3, (n, LEAST_PROBES)).cumsum(axis=1)
            ),
            **{
                f"a random walk of autocorrelated steps ({correlation:g}), {probes} probes": walk(correlation, probes)
                for correlation in (0.3, 0.5, 0.7)
                for probes in (LEAST_PROBES, 7, PROBES_BACK)
            },
        },
    ),
    "overfitting": (
        speaks_of_overfitting,
        {
            "samples that wander by .03 H": validation(0.0, 0.03),
            "samples that wander by .3 H": validation(0.0, 0.3),
            "samples that wander by 1 H": validation(0.0, 1.0),
        },
    ),
    "behind simple models": (speaks_of_being_behind, AS_GOOD),
    "likely behind simple models": (speaks_of_being_likely_behind, AS_GOOD),
}
"""What must be silent: every rule's statistic, and the kinds of noise."""

ALTERNATIVES: Mapping[str, Mapping[str, Draw]] = {
    "learning_rate_too_low": {
        "falls of .01 a probe, noise .0001": falling(0.01, 1e-4),
        "falls of .01 a probe, noise .001": falling(0.01, 1e-3),
        "falls of .05 a probe, noise .001": falling(0.05, 1e-3),
    },
    "overfitting": {
        "a drift of .05 H a probe, samples wander by .1 H": validation(0.05, 0.1),
        "a drift of .15 H a probe, samples wander by .3 H": validation(0.15, 0.3),
    },
    "behind simple models": {
        "eight in ten right, and nine in ten": answers(0.8, 0.9),
        "six in ten right, and nine in ten": answers(0.6, 0.9),
    },
    "likely behind simple models": {
        "eight in ten right, and nine in ten": answers(0.8, 0.9),
        "six in ten of a few right, and nine in ten": answers(0.6, 0.9, NEW),
        "six in ten right, and nine in ten": answers(0.6, 0.9),
    },
}
"""What should be found."""


def count(speaks: Callable[[Numbers], NDArray[np.bool_]], draw: Draw, generator: np.random.Generator, runs: int) -> int:
    """Count the runs in which a statistic speaks, a block at a time."""
    block = 10_000
    return sum(int(speaks(draw(generator, min(block, runs - done))).sum()) for done in range(0, runs, block))


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100_000, help="simulated runs of each kind")
    parser.add_argument("--seed", type=int, default=0, help="of the noise")
    options = parser.parse_args()
    generator = np.random.default_rng(options.seed)
    print(f"{RUN_BUDGET:g} a run over {TEST_RULES} rules: {LEVEL:.2g} a rule; {options.runs:,} runs of each kind\n")
    for rule, (speaks, kinds) in NULLS.items():
        print(rule)
        level = LEVELS.get(rule, LEVEL)
        for kind, draw in kinds.items():
            alarms = count(speaks, draw, generator, options.runs)
            share, most = alarms / options.runs, upper_bound(alarms, options.runs)
            kept = "within" if most <= level else "not shown to be within"
            print(f"  nothing wrong: {kind:<54} {share:.1e}, at most {most:.1e}: {kept} {level:.1e}")
        for kind, draw in ALTERNATIVES[rule].items():
            print(f"  found: {kind:<62} {count(speaks, draw, generator, options.runs) / options.runs:.1%}")


if __name__ == "__main__":
    main()
