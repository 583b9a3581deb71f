"""What an exact scan for dead units costs, against an epoch of training and against passing every row.

    python benchmarks/scans.py [--quick] [--json FILE]

784-256-128-10, relu, 60,000 standardised rows, batches of 128, SGD with momentum, float32, one BLAS thread, one core.
Each network is scanned as a monitor does, with the units that a probe of 256 rows saw silent as suspects and the box of
the inputs known since the last scan, and as from nothing; the verdicts are compared with a pass of every row. Medians
of five rounds in turns; shares of an epoch round by round.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from machine import describe_machine, pin_to_one_core
from threadpoolctl import threadpool_limits

from gradvitals.diagnostics.dead_unit_scan import CHUNK, DeadUnitScanner
from gradvitals.diagnostics.probing import Prober
from gradvitals.diagnostics.watched_data import WatchedData
from gradvitals.engine.events import Array
from gradvitals.engine.initializers import he_normal
from gradvitals.engine.network import Network
from gradvitals.engine.optimizers import Sgd
from gradvitals.engine.perceptron import perceptron
from gradvitals.engine.training import Samples, Trainer

SIZES, ROWS, BATCH = (784, 256, 128, 10), 60_000, 128
RARE = 76
"""Units of the first layer that are silent on every row, and fire elsewhere in the box that the rows span."""

LIMIT = 0.03
"""What a scan of a healthy network may cost, as a share of an epoch."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Time of one way to find the dead units of one network.

    Attributes:
        network: What ails it.
        way: How they are found.
        dead: How many there are, by layer.
        milliseconds: Median.
        of_an_epoch: Median of the rounds' shares.
        limit: What the share must not exceed.
    """

    network: str
    way: str
    dead: tuple[int, ...]
    milliseconds: float
    of_an_epoch: float
    limit: float | None


def make_samples() -> Samples:
    """Draw standardised rows around one centre for each class."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, SIZES[-1], ROWS)
    centres = generator.standard_normal((SIZES[-1], SIZES[0]), np.float32)
    inputs = generator.standard_normal((ROWS, SIZES[0]), np.float32)
    inputs += centres[labels]
    inputs *= np.float32(0.5**0.5)
    return Samples(inputs, np.eye(SIZES[-1], dtype=np.float32)[labels])


def make_network() -> Network:
    """Build the network, he_normal."""
    layers = len(SIZES) - 1
    return perceptron(
        SIZES,
        ["relu"] * (layers - 1),
        "cross_entropy",
        initializers=[he_normal] * layers,
        generator=np.random.default_rng(1),
    )


def highest_outputs(network: Network, inputs: Array, layers: int) -> list[Array]:
    """Pass every row through the first layers, whatever is known; the largest output of every unit, by layer."""
    highest = [np.full(size, -np.inf, np.float32) for size in SIZES[1 : 1 + layers]]
    for start in range(0, len(inputs), CHUNK):
        hidden = inputs[start : start + CHUNK]
        for index, known in enumerate(highest):
            hidden = network.layer_outputs(index, hidden)
            np.maximum(known, hidden.max(axis=0), out=known)
    return highest


def silence(network: Network, inputs: Array, layer: int, count: int) -> None:
    """Lower the biases of the first units until no row makes them fire, and hardly further."""
    bias = network.views(network.parameters)[network.layers[layer].name]["bias"]
    bias[:count] -= np.float32(1.01) * highest_outputs(network, inputs, layer + 1)[layer][:count]


def certify_dead(network: Network, count: int) -> None:
    """Lower the biases of the first units beyond any input."""
    network.views(network.parameters)["hidden_1"]["bias"][:count] = -1e4


def make_networks(samples: Samples) -> dict[str, Network]:
    """Build one network for each state of health."""
    healthy, first, both, certain = (make_network() for _ in range(4))
    silence(first, samples.inputs, 0, RARE)
    silence(both, samples.inputs, 0, RARE)
    silence(both, samples.inputs, 1, RARE // 2)
    certify_dead(certain, RARE)
    return {
        "healthy": healthy,
        "76 of 256 dead, by the bound": certain,
        "76 of 256 dead, by no bound": first,
        "and 38 of 128 behind them": both,
    }


def pass_every_row(network: Network, inputs: Array) -> dict[str, tuple[int, ...]]:
    """Find the dead units without a shortcut."""
    highest = highest_outputs(network, inputs, len(SIZES) - 2)
    return {
        info.name: tuple(np.flatnonzero(values <= 0.0).tolist())
        for info, values in zip(network.layers, highest, strict=False)
    }


def train_epoch(trainer: Trainer, samples: Samples, order: Array) -> None:
    """Train on every row once."""
    for start in range(0, ROWS, BATCH):
        trainer.step(samples, order[start : start + BATCH])


def seconds(act: Callable[[], object]) -> float:
    """Time one call in CPU seconds."""
    started = time.process_time()
    act()
    return time.process_time() - started


def ways(network: Network, samples: Samples) -> dict[str, Callable[[], Mapping[str, tuple[int, ...]]]]:
    """Name the ways to find a network's dead units; a scanner of a monitor's lives as long as the training."""
    inputs = samples.inputs
    silent = Prober(network, WatchedData(inputs, samples.targets)).take(0).silent
    watching = DeadUnitScanner(network, inputs)
    return {
        "scan after a probe": lambda: watching.scan(silent).dead,
        "scan from nothing": lambda: DeadUnitScanner(network, inputs).scan().dead,
        "every row passed": lambda: pass_every_row(network, inputs),
    }


def measure(rounds: int) -> tuple[list[Cost], float]:
    """Time every way on every network; and an epoch, in seconds."""
    samples = make_samples()
    trainer, order = Trainer(make_network(), Sgd(0.01, momentum=0.9)), np.random.default_rng(2).permutation(ROWS)
    networks = {name: ways(network, samples) for name, network in make_networks(samples).items()}
    dead: dict[str, Mapping[str, tuple[int, ...]]] = {}
    for name, acts in networks.items():
        dead[name], *others = (dict(act()) for act in acts.values())
        for other in others:
            np.testing.assert_equal(other, dead[name], name)
    epochs: list[float] = []
    times: dict[tuple[str, str], list[float]] = {}
    for _ in range(rounds):
        epochs.append(seconds(partial(train_epoch, trainer, samples, order)))
        for name, acts in networks.items():
            for way, act in acts.items():
                times.setdefault((name, way), []).append(seconds(act))
    costs = [
        Cost(
            name,
            way,
            tuple(map(len, dead[name].values())),
            1e3 * statistics.median(found),
            statistics.median(one / epoch for one, epoch in zip(found, epochs, strict=True)),
            LIMIT if name == "healthy" and way.startswith("scan") else None,
        )
        for (name, way), found in times.items()
    ]
    return costs, statistics.median(epochs)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round instead of five")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here too")
    options = parser.parse_args()
    machine = describe_machine()
    for key, value in machine.items():
        print(f"{key}: {value}")
    print(f"core: {pin_to_one_core()}")
    with threadpool_limits(1):
        costs, epoch = measure(1 if options.quick else 5)
    print(f"an epoch: {1e3 * epoch:,.0f} ms\n")
    print(f"{'network':<32}{'dead':>9}  {'way':<20}{'ms':>9}{'of an epoch':>13}{'limit':>8}")
    for cost in costs:
        dead, limit = "+".join(map(str, cost.dead)), "" if cost.limit is None else f"{cost.limit:.0%}"
        print(
            f"{cost.network:<32}{dead:>9}  {cost.way:<20}{cost.milliseconds:>9.2f}{cost.of_an_epoch:>13.2%}{limit:>8}"
        )
    if options.json is not None:
        record = {"machine": machine, "epoch": epoch, "costs": [asdict(cost) for cost in costs]}
        options.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
