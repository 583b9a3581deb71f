"""The named cases of the zoo: healthy trainings that look sick to a careless rule."""

from collections.abc import Iterator, Mapping
from itertools import product

from zoo_data import DataSet
from zoo_grid import FULL, Candidate, candidate

DataSets = Mapping[str, DataSet]
SEEDS = range(3)
STANDARD = {"scale_targets": "standard"}


def cases(sets: DataSets) -> Iterator[Candidate]:
    """Yield the candidates of every named case."""
    for case in (_xor, _linear, _converged, _raw, _large_steps, _single_examples, _deep, _zero_heads):
        yield from case(sets)
    for case in (_regularised, _other_losses, _spelt_out, _rare_classes, _flipped_labels, _recurrent, _regression):
        yield from case(sets)
    yield from _squared_errors(sets)


def _targets(data_set: DataSet) -> dict[str, str]:
    """Standardise the targets of a regression."""
    return STANDARD if data_set.task == "regression" else {}


def _xor(sets: DataSets) -> Iterator[Candidate]:
    """XOR in its solved forms, few units and many: many of these networks are saturated or half dead."""
    names = ("relu-8", "relu-32", "relu-256", "tanh-16", "tanh-64", "sigmoid-16")
    for seed, name, way in product(SEEDS, names, (("sgd", 0.5), ("momentum", 0.1), ("adam", 0.01))):
        yield candidate(sets["xor"], name, *way, updates=1500, case="xor", seed=seed)
    small = product(("relu", "tanh", "sigmoid"), (2, 3, 4))
    for seed, (activation, width), way in product(SEEDS, small, (("sgd", 0.5), ("adam", 0.03))):
        yield candidate(sets["xor"], f"{activation}-{width}", *way, updates=2000, case="small xor", seed=seed)


def _linear(sets: DataSets) -> Iterator[Candidate]:
    """No hidden layer, also from zero weights: one affine layer has no symmetry to break."""
    names, ways = ("digits", "iris", "blobs", "breast_cancer", "diabetes"), (("sgd", 0.1), ("adam", 0.01))
    for seed, name, way, init in product(SEEDS, names, (*ways, ("momentum", 0.01)), ("zeros", "glorot_uniform")):
        yield candidate(
            sets[name],
            "linear",
            *way,
            updates=600,
            case="no hidden layer",
            seed=seed,
            data=_targets(sets[name]),
            model={"init": init},
        )


def _converged(sets: DataSets) -> Iterator[Candidate]:
    """Sigmoid and tanh networks trained long past 97 %: saturated, because they have learned."""
    names = ("sigmoid-16", "sigmoid-32x2", "tanh-16", "tanh-64", "tanh-32x2")
    data, ways = ("digits", "breast_cancer", "moons"), (("momentum", 0.1), ("adam", 0.01))
    for seed, name, data_set, way in product(SEEDS, names, data, ways):
        yield candidate(sets[data_set], name, *way, updates=2000, case="converged", seed=seed)


def _raw(sets: DataSets) -> Iterator[Candidate]:
    """Inputs as they come, and between 0 and 1."""
    ways = (("relu-64-32", "adam", 0.001), ("relu-32", "sgd", 0.01), ("tanh-32x2", "adam", 0.003))
    minmax = {"scale": "minmax"}
    for seed, name, way in product(
        SEEDS, ("digits", "wine", "iris", "breast_cancer"), (*ways, ("linear", "adam", 0.03))
    ):
        yield candidate(sets[name], *way, updates=1200, case="min-max scaling", seed=seed, data=minmax)
    patient = (("relu-64-32", "adam", 0.001), ("relu-32", "momentum", 0.002), ("linear", "adam", 0.03))
    quick = (("relu-64-32", "adam", 0.003), ("tanh-64", "adam", 0.003), ("linear", "adam", 0.03))
    few = ("iris", "MASS/crabs", "DAAG/ais", "modeldata/two_class_example", "modeldata/biomass", "diabetes")
    for seed, name in product(SEEDS, ("digits", *few)):
        for way in patient if name == "digits" else quick:
            raw = {"scale": "none"}
            yield candidate(sets[name], *way, updates=2500, batch_size=32, case="raw inputs", seed=seed, data=raw)


def _large_steps(sets: DataSets) -> Iterator[Candidate]:
    """Full batches near the edge of stability or with momentum, and Adam at ten times its usual rate."""
    ways = (("sgd", 0.5), ("sgd", 1.0), ("sgd", 2.0), ("momentum", 0.05), ("momentum", 0.2))
    names = ("digits", "moons", "breast_cancer", "spiral")
    for name, architecture, way in product(names, ("relu-32", "tanh-32x2"), ways):
        yield candidate(sets[name], architecture, *way, updates=400, batch_size=FULL, case="full batch")
    architectures = ("relu-32", "tanh-32x2", "relu-64-32", "relu-32x4")
    for name, architecture, seed in product(names, architectures, (0, 1)):
        ten_times = "adam at ten times its rate"
        yield candidate(sets[name], architecture, "adam", 0.01, updates=1000, case=ten_times, seed=seed)


def _single_examples(sets: DataSets) -> Iterator[Candidate]:
    """One example per update."""
    names = ("moons", "xor", "blobs", "breast_cancer", "wine", "MASS/Boston", "ISLR/Auto")
    for seed, name, architecture in product((0, 1), names, ("relu-32", "relu-64-32", "tanh-16", "linear")):
        targets = _targets(sets[name])
        for way in (("sgd", 0.003), ("adam", 0.001)) if targets else (("sgd", 0.03), ("adam", 0.003)):
            yield candidate(
                sets[name], architecture, *way, updates=4000, batch_size=1, case="batch of 1", seed=seed, data=targets
            )
    for architecture, way in product(("relu-32", "relu-64-32"), (("sgd", 0.02), ("adam", 0.0005))):
        yield candidate(sets["digits"], architecture, *way, updates=8000, batch_size=1, case="batch of 1")


def _deep(sets: DataSets) -> Iterator[Candidate]:
    """Deep stacks, also of sigmoids under Adam, which learn although their gradients fade a thousandfold."""
    sigmoids = (("sigmoid-24x4", "adam", 0.003), ("sigmoid-24x4", "adam", 0.01), ("sigmoid-32x6", "adam", 0.01))
    for seed, name in product(SEEDS, ("digits", "iris", "wine", "moons", "breast_cancer")):
        for way in sigmoids:
            yield candidate(sets[name], *way, updates=2000, case="deep sigmoids", seed=seed)
        for architecture in ("relu-32x7", "tanh-32x5", "gelu-24x6", "leaky_relu-24x5"):
            yield candidate(sets[name], architecture, "adam", 0.003, updates=800, case="deep", seed=seed)


def _zero_heads(sets: DataSets) -> Iterator[Candidate]:
    """An output layer that starts at zero."""
    shapes = (("relu-32", ["he_normal"]), ("relu-64-32", ["he_normal"] * 2), ("tanh-32x2", ["glorot_uniform"] * 2))
    names, ways = ("digits", "wine", "moons", "diabetes", "ISLR/Auto"), (("momentum", 0.03), ("adam", 0.003))
    for seed, name, (architecture, hidden), way in product(SEEDS, names, shapes, ways):
        yield candidate(
            sets[name],
            architecture,
            *way,
            updates=600,
            case="zero head",
            seed=seed,
            data=_targets(sets[name]),
            model={"init": [*hidden, "zeros"]},
        )


def _regularised(sets: DataSets) -> Iterator[Candidate]:
    """Strong dropout and L2."""
    ways = (("relu-64-32", "adam", 0.003), ("relu-256", "momentum", 0.03))
    for seed, name, way in product(SEEDS, ("digits", "breast_cancer", "moons"), ways):
        half = {"dropout": 0.5}
        yield candidate(sets[name], *way, updates=1000, case="dropout of half", seed=seed, model=half)
        for strength in (0.001, 0.01):
            yield candidate(sets[name], *way, updates=1000, case="l2", seed=seed, training={"l2": strength})


def _other_losses(sets: DataSets) -> Iterator[Candidate]:
    """Hinges and binary losses, and double precision."""
    of_two = ("hinge", "binary_hinge", "binary_cross_entropy")
    pairs = [("digits", "hinge"), *product(("moons", "breast_cancer"), of_two)]
    for seed, (name, loss), way in product(SEEDS, pairs, (("relu-32", "momentum", 0.03), ("tanh-32x2", "adam", 0.003))):
        yield candidate(sets[name], *way, updates=1000, case=loss, seed=seed, training={"loss": loss})
    for seed, name, architecture in product(
        SEEDS, ("digits", "moons", "breast_cancer"), ("relu-64-32", "sigmoid-32x2")
    ):
        double = {"dtype": "float64"}
        yield candidate(
            sets[name], architecture, "adam", 0.003, updates=800, case="float64", seed=seed, training=double
        )


def _spelt_out(sets: DataSets) -> Iterator[Candidate]:
    """A softmax or a sigmoid that ends the network, with the loss on probabilities; and balanced class weights."""
    outputs = [("softmax", "cross_entropy", name) for name in ("digits", "iris", "blobs", "palmerpenguins/penguins")]
    outputs += [("sigmoid", "binary_cross_entropy", name) for name in ("moons", "breast_cancer", "MASS/crabs")]
    ways = (("relu-32", "adam", 0.003), ("tanh-32x2", "momentum", 0.03))
    for seed, (output, loss, name), way in product(SEEDS, outputs, ways):
        model, training = {"output": output}, {"loss": loss}
        yield candidate(sets[name], *way, updates=1000, case=output, seed=seed, model=model, training=training)
    names = ("palmerpenguins/penguins", "Stat2Data/Hawks", "MASS/biopsy", "dslabs/olive")
    for seed, name, way in product(SEEDS, names, ways):
        weights = {"class_weight": "balanced"}
        yield candidate(sets[name], *way, updates=1000, case="class weights", seed=seed, training=weights)


def _rare_classes(sets: DataSets) -> Iterator[Candidate]:
    """Classes of 1 and 5 in a hundred, with and without a head that starts at their shares."""
    names = ("rare_1_in_100", "rare_1_in_20", "rare_eight", "ISLR/Default")
    ways = (("relu-32", "adam", 0.003), ("relu-64-32", "adam", 0.003), ("tanh-32x2", "momentum", 0.03))
    losses = ("cross_entropy", "binary_cross_entropy")
    for seed, name, bias, way, loss in product(
        SEEDS, names, ("zeros", "prior"), (*ways, ("linear", "adam", 0.01)), losses
    ):
        yield candidate(
            sets[name],
            *way,
            updates=1000,
            case=f"rare class, {bias} bias",
            seed=seed,
            model={"output_bias": bias},
            training={"loss": loss},
        )


def _flipped_labels(sets: DataSets) -> Iterator[Candidate]:
    """One label in ten to one in three is wrong."""
    names = [name for name in sets if name.endswith("_flipped")]
    ways = (("linear", "sgd", 0.1), ("relu-32", "adam", 0.003), ("tanh-32x2", "momentum", 0.03))
    for seed, name, updates, way in product(SEEDS, names, (150, 600), ways):
        yield candidate(sets[name], *way, updates=updates, case="flipped labels", seed=seed)


def _recurrent(sets: DataSets) -> Iterator[Candidate]:
    """Networks unrolled through time."""
    ways = (("rnn-tanh-16", "adam", 0.01), ("rnn-tanh-32", "adam", 0.003), ("rnn-relu-24", "adam", 0.003))
    for seed, name, way in product(SEEDS, ("delayed_copy", "adding"), (*ways, ("rnn-tanh-32", "rmsprop", 0.003))):
        yield candidate(sets[name], *way, updates=1200, case="recurrent", seed=seed)
    for seed, architecture in product(SEEDS, ("rnn-tanh-32", "rnn-relu-24")):
        rows = {"sequence_length": 8}
        yield candidate(
            sets["digits"], architecture, "adam", 0.003, updates=1000, case="recurrent", seed=seed, model=rows
        )


def _regression(sets: DataSets) -> Iterator[Candidate]:
    """Quantities as they come and standardised, with three losses."""
    names = ("diabetes", "ISLR/Auto", "MASS/Boston", "modeldata/concrete", "HistData/GaltonFamilies")
    ways = (("relu-64-32", "adam", 0.003), ("relu-32", "adam", 0.03), ("tanh-32x2", "momentum", 0.003))
    for name, loss, scale, way in product(names, ("mse", "mae", "huber"), ("none", "standard"), ways):
        data, training = {"scale_targets": scale}, {"loss": loss}
        yield candidate(sets[name], *way, updates=1500, case=f"{loss}, targets {scale}", data=data, training=training)


def _squared_errors(sets: DataSets) -> Iterator[Candidate]:
    """Squared errors behind a sigmoid or a softmax, which is no good idea and often works, also with labels flipped."""
    names = ("digits", "iris", "blobs", "moons", *(name for name in sets if name.endswith("_flipped")))
    ways = (("relu-32", "adam", 0.003), ("tanh-32x2", "momentum", 0.1))
    for seed, name, output, way in product(SEEDS, names, ("sigmoid", "softmax"), ways):
        model, training = {"output": output}, {"loss": "mse"}
        yield candidate(sets[name], *way, updates=1500, case="squared", seed=seed, model=model, training=training)
