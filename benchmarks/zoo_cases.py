"""The named cases of the zoo: healthy trainings that look sick to a careless rule."""

from collections.abc import Iterator, Mapping
from itertools import product

from zoo_data import DataSet
from zoo_grid import FULL, Candidate, candidate

DataSets = Mapping[str, DataSet]
SEEDS = range(3)
ZERO_HEAD = "zeros"


def cases(sets: DataSets) -> Iterator[Candidate]:
    """Yield the candidates of every named case."""
    for case in (_xor, _linear, _converged, _raw, _large_steps, _single_examples, _deep, _zero_heads):
        yield from case(sets)
    for case in (_regularised, _other_losses, _rare_classes, _flipped_labels, _recurrent, _regression):
        yield from case(sets)


def _xor(sets: DataSets) -> Iterator[Candidate]:
    """XOR in its solved forms, few units and many: many of these networks are saturated or half dead."""
    widths = {"relu": ("relu-8", "relu-32", "relu-256"), "tanh": ("tanh-16", "tanh-64"), "sigmoid": ("sigmoid-16",)}
    for seed, (activation, names) in product(SEEDS, widths.items()):
        for name in names:
            for optimizer, rate in (("sgd", 0.5), ("momentum", 0.1), ("adam", 0.01)):
                yield candidate(sets["xor"], name, optimizer, rate=rate, updates=1500, case="xor", seed=seed)
        for width in (2, 3, 4):
            small = {"hidden": [width], "activation": activation}
            name = {"relu": "relu-8", "tanh": "tanh-16", "sigmoid": "sigmoid-16"}[activation]
            for optimizer, rate in (("sgd", 0.5), ("adam", 0.03)):
                yield candidate(
                    sets["xor"], name, optimizer, rate=rate, updates=2000, case=f"xor of {width}", seed=seed, model=small
                )


def _linear(sets: DataSets) -> Iterator[Candidate]:
    """No hidden layer, also from zero weights: one affine layer has no symmetry to break."""
    for seed, name in product(SEEDS, ("digits", "iris", "blobs", "breast_cancer", "diabetes")):
        for optimizer, rate in (("sgd", 0.1), ("momentum", 0.01), ("adam", 0.01)):
            for init in ("zeros", "glorot_uniform"):
                targets = {"scale_targets": "standard"} if name == "diabetes" else {}
                yield candidate(
                    sets[name],
                    "linear",
                    optimizer,
                    rate=rate,
                    updates=600,
                    case="no hidden layer",
                    seed=seed,
                    data=targets,
                    model={"init": init},
                )


def _converged(sets: DataSets) -> Iterator[Candidate]:
    """Sigmoid and tanh networks trained long past 97 %: saturated, because they have learned."""
    for seed, name, data in product(
        SEEDS, ("sigmoid-16", "sigmoid-32x2", "tanh-16", "tanh-64", "tanh-32x2"), ("digits", "breast_cancer", "moons")
    ):
        for optimizer, rate in (("momentum", 0.1), ("adam", 0.01)):
            yield candidate(sets[data], name, optimizer, rate=rate, updates=2000, case="converged", seed=seed)


def _raw(sets: DataSets) -> Iterator[Candidate]:
    """Inputs as they come, and between 0 and 1."""
    for seed, name, scale in product(SEEDS, ("digits", "wine", "iris", "breast_cancer"), ("none", "minmax")):
        for architecture, optimizer, rate in (
            ("relu-64-32", "adam", 0.001),
            ("relu-32", "sgd", 0.01),
            ("tanh-32x2", "adam", 0.003),
            ("linear", "adam", 0.03),
        ):
            yield candidate(
                sets[name],
                architecture,
                optimizer,
                rate=rate,
                updates=1200,
                case=f"scale {scale}",
                seed=seed,
                data={"scale": scale},
            )


def _large_steps(sets: DataSets) -> Iterator[Candidate]:
    """Full batches near the edge of stability or with momentum, and Adam at ten times its usual rate."""
    for name, architecture in product(("digits", "moons", "breast_cancer", "spiral"), ("relu-32", "tanh-32x2")):
        for optimizer, rate in (("sgd", 0.5), ("sgd", 1.0), ("sgd", 2.0), ("momentum", 0.05), ("momentum", 0.2)):
            yield candidate(
                sets[name], architecture, optimizer, rate=rate, updates=400, batch_size=FULL, case=f"full batch at {rate}"
            )
        for architecture_, seed in product(("relu-64-32", "relu-32x4", architecture), (0, 1)):
            yield candidate(
                sets[name], architecture_, "adam", rate=0.01, updates=1000, case="adam at ten times its rate", seed=seed
            )


def _single_examples(sets: DataSets) -> Iterator[Candidate]:
    """One example per update."""
    for name, architecture in product(("iris", "moons", "wine", "digits"), ("relu-32", "tanh-16", "linear")):
        for optimizer, rate in (("sgd", 0.01), ("adam", 0.001)):
            yield candidate(
                sets[name], architecture, optimizer, rate=rate, updates=2000, batch_size=1, case="batch of 1"
            )


def _deep(sets: DataSets) -> Iterator[Candidate]:
    """Deep stacks, also of sigmoids under Adam, which learn although their gradients fade a thousandfold."""
    for seed, name in product(SEEDS, ("digits", "iris", "wine", "moons", "breast_cancer")):
        for rate in (0.003, 0.01):
            yield candidate(
                sets[name], "sigmoid-24x4", "adam", rate=rate, updates=2000, case="deep sigmoids", seed=seed
            )
        six = {"hidden": [32] * 6}
        yield candidate(
            sets[name], "sigmoid-24x4", "nadam", rate=0.01, updates=2000, case="deep sigmoids", seed=seed, model=six
        )
        for architecture in ("relu-32x7", "tanh-32x5", "gelu-24x6", "leaky_relu-24x5"):
            yield candidate(sets[name], architecture, "adam", rate=0.003, updates=800, case="deep", seed=seed)


def _zero_heads(sets: DataSets) -> Iterator[Candidate]:
    """An output layer that starts at zero."""
    for seed, name in product(SEEDS, ("digits", "wine", "moons", "diabetes", "ISLR/Auto")):
        for architecture, hidden in (("relu-32", 1), ("relu-64-32", 2), ("tanh-32x2", 2)):
            for optimizer, rate in (("momentum", 0.03), ("adam", 0.003)):
                first = "he_normal" if "relu" in architecture else "glorot_uniform"
                targets = {"scale_targets": "standard"} if sets[name].task == "regression" else {}
                yield candidate(
                    sets[name],
                    architecture,
                    optimizer,
                    rate=rate,
                    updates=600,
                    case="zero head",
                    seed=seed,
                    data=targets,
                    model={"init": [*[first] * hidden, ZERO_HEAD]},
                )


def _regularised(sets: DataSets) -> Iterator[Candidate]:
    """Strong dropout and L2."""
    for seed, name in product(SEEDS, ("digits", "breast_cancer", "moons")):
        for architecture, optimizer, rate in (("relu-64-32", "adam", 0.003), ("relu-256", "momentum", 0.03)):
            yield candidate(
                sets[name],
                architecture,
                optimizer,
                rate=rate,
                updates=1000,
                case="dropout of half",
                seed=seed,
                model={"dropout": 0.5},
            )
            for strength in (0.001, 0.01):
                yield candidate(
                    sets[name],
                    architecture,
                    optimizer,
                    rate=rate,
                    updates=1000,
                    case=f"l2 of {strength}",
                    seed=seed,
                    training={"l2": strength},
                )


def _other_losses(sets: DataSets) -> Iterator[Candidate]:
    """Hinges and binary losses, and double precision."""
    losses = {"digits": ("hinge",), "moons": ("hinge", "binary_hinge", "binary_cross_entropy")}
    losses["breast_cancer"] = losses["moons"]
    for seed, (name, choices) in product(SEEDS, losses.items()):
        for loss in choices:
            for architecture, optimizer, rate in (("relu-32", "momentum", 0.03), ("tanh-32x2", "adam", 0.003)):
                yield candidate(
                    sets[name],
                    architecture,
                    optimizer,
                    rate=rate,
                    updates=1000,
                    case=loss,
                    seed=seed,
                    training={"loss": loss},
                )
        for architecture in ("relu-64-32", "sigmoid-32x2"):
            yield candidate(
                sets[name],
                architecture,
                "adam",
                rate=0.003,
                updates=800,
                case="float64",
                seed=seed,
                training={"dtype": "float64"},
            )


def _rare_classes(sets: DataSets) -> Iterator[Candidate]:
    """Classes of 1 and 5 in a hundred, with and without a head that starts at their shares."""
    for seed, name, bias in product(
        SEEDS, ("rare_1_in_100", "rare_1_in_20", "rare_eight", "ISLR/Default"), ("zeros", "prior")
    ):
        for architecture, optimizer, rate in (
            ("linear", "adam", 0.01),
            ("relu-32", "adam", 0.003),
            ("tanh-32x2", "momentum", 0.03),
        ):
            for loss in ("cross_entropy", "binary_cross_entropy"):
                yield candidate(
                    sets[name],
                    architecture,
                    optimizer,
                    rate=rate,
                    updates=1000,
                    case=f"rare class, {bias} bias",
                    seed=seed,
                    model={"output_bias": bias},
                    training={"loss": loss},
                )


def _flipped_labels(sets: DataSets) -> Iterator[Candidate]:
    """One label in ten to one in three is wrong."""
    names = [name for name in sets if name.endswith("_flipped")]
    for seed, name, updates in product(SEEDS, names, (150, 600)):
        for architecture, optimizer, rate in (
            ("linear", "sgd", 0.1),
            ("relu-32", "adam", 0.003),
            ("tanh-32x2", "momentum", 0.03),
        ):
            yield candidate(
                sets[name], architecture, optimizer, rate=rate, updates=updates, case="flipped labels", seed=seed
            )


def _recurrent(sets: DataSets) -> Iterator[Candidate]:
    """Networks unrolled through time."""
    for seed, name in product(SEEDS, ("delayed_copy", "adding")):
        for architecture, optimizer, rate in (
            ("rnn-tanh-16", "adam", 0.01),
            ("rnn-tanh-32", "adam", 0.003),
            ("rnn-relu-24", "adam", 0.003),
            ("rnn-tanh-32", "rmsprop", 0.003),
        ):
            yield candidate(sets[name], architecture, optimizer, rate=rate, updates=1200, case="recurrent", seed=seed)
    rows = {"sequence_length": 8}
    for seed, architecture in product(SEEDS, ("rnn-tanh-32", "rnn-relu-24")):
        yield candidate(
            sets["digits"], architecture, "adam", rate=0.003, updates=1000, case="recurrent", seed=seed, model=rows
        )


def _regression(sets: DataSets) -> Iterator[Candidate]:
    """Quantities as they come and standardised, with three losses."""
    names = ("diabetes", "ISLR/Auto", "MASS/Boston", "modeldata/concrete", "HistData/GaltonFamilies")
    for name, loss, scale in product(names, ("mse", "mae", "huber"), ("none", "standard")):
        for architecture, optimizer, rate in (
            ("relu-64-32", "adam", 0.003),
            ("relu-32", "adam", 0.03),
            ("tanh-32x2", "momentum", 0.003),
        ):
            yield candidate(
                sets[name],
                architecture,
                optimizer,
                rate=rate,
                updates=1500,
                case=f"{loss}, targets {scale}",
                data={"scale_targets": scale},
                training={"loss": loss},
            )
