"""The candidates of the zoo: families of data set × architecture × optimizer, each in one half for ever.

Nothing here looks at a result: a candidate that does not train well is dropped later, by its scores alone.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from zoo_data import DataSet

Half: TypeAlias = Literal["tuning", "test"]
HALVES: tuple[Half, ...] = ("tuning", "test")

LEAST_UPDATES = 100
MOST_ROWS_TRAINED = 200_000
FULL = 1_000_000
"""A batch size that no data set fills: full batches."""

FAMILIES, VARIANTS = 12, 2
"""Families per data set, and candidates per family, of the drawn part of the grid."""

SMOOTH = ("glorot_uniform", "glorot_normal", "lecun_normal", "orthogonal")
RECTIFIED = ("he_normal", "he_uniform", "glorot_uniform", "orthogonal")


def _mlp(activation: Any, *hidden: int, init: Sequence[str] = RECTIFIED) -> tuple[dict[str, Any], Sequence[str]]:  # noqa: ANN401 - as in a config
    return {"hidden": list(hidden), "activation": activation}, init


ARCHITECTURES: dict[str, tuple[dict[str, Any], Sequence[str]]] = {
    "linear": _mlp("relu", init=(*SMOOTH, "zeros")),
    "relu-8": _mlp("relu", 8),
    "relu-32": _mlp("relu", 32),
    "relu-256": _mlp("relu", 256),
    "relu-64-32": _mlp("relu", 64, 32),
    "relu-32x4": _mlp("relu", *[32] * 4),
    "relu-32x7": _mlp("relu", *[32] * 7),
    "tanh-16": _mlp("tanh", 16, init=SMOOTH),
    "tanh-64": _mlp("tanh", 64, init=SMOOTH),
    "tanh-32x2": _mlp("tanh", 32, 32, init=SMOOTH),
    "tanh-32x5": _mlp("tanh", *[32] * 5, init=SMOOTH),
    "sigmoid-16": _mlp("sigmoid", 16, init=SMOOTH),
    "sigmoid-32x2": _mlp("sigmoid", 32, 32, init=SMOOTH),
    "sigmoid-24x4": _mlp("sigmoid", *[24] * 4, init=SMOOTH),
    "leaky_relu-32x2": _mlp("leaky_relu", 32, 32),
    "leaky_relu-24x5": _mlp("leaky_relu", *[24] * 5),
    "elu-32x2": _mlp("elu", 32, 32),
    "elu-24x4": _mlp("elu", *[24] * 4),
    "gelu-32x2": _mlp("gelu", 32, 32),
    "gelu-24x6": _mlp("gelu", *[24] * 6),
    "prelu-32": _mlp("prelu", 32),
    "maxout-16": _mlp("maxout", 16),
    "tanh-relu-32": _mlp(["tanh", "relu"], 32, 32),
}
RECURRENT: dict[str, tuple[dict[str, Any], Sequence[str]]] = {
    "rnn-tanh-16": ({"kind": "rnn", "cell": "tanh", "hidden": [16]}, SMOOTH),
    "rnn-tanh-32": ({"kind": "rnn", "cell": "tanh", "hidden": [32]}, SMOOTH),
    "rnn-relu-24": ({"kind": "rnn", "cell": "relu", "hidden": [24]}, RECTIFIED),
}
FOR_CASES: dict[str, tuple[dict[str, Any], Sequence[str]]] = {
    **{f"{name}-{width}": _mlp(name, width) for name in ("relu", "tanh", "sigmoid") for width in (2, 3, 4)},
    "sigmoid-32x6": _mlp("sigmoid", *[32] * 6, init=SMOOTH),
}
OPTIMIZERS: dict[str, tuple[dict[str, Any], tuple[float, ...]]] = {
    "sgd": ({"kind": "sgd"}, (0.03, 0.1, 0.3, 1.0)),
    "momentum": ({"kind": "sgd", "momentum": 0.9}, (0.003, 0.01, 0.03, 0.1)),
    "nesterov": ({"kind": "sgd", "momentum": 0.9, "nesterov": True}, (0.003, 0.01, 0.03, 0.1)),
    "rmsprop": ({"kind": "rmsprop"}, (0.0003, 0.001, 0.003, 0.01)),
    "adam": ({"kind": "adam"}, (0.001, 0.003, 0.01, 0.03)),
    "adamw": ({"kind": "adamw"}, (0.001, 0.003, 0.01)),
    "adamax": ({"kind": "adamax"}, (0.002, 0.006, 0.02)),
    "nadam": ({"kind": "nadam"}, (0.001, 0.003, 0.01)),
    "adagrad": ({"kind": "adagrad"}, (0.01, 0.03, 0.1, 0.3)),
    "adadelta": ({"kind": "adadelta"}, (1.0, 3.0)),
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A training that may turn out healthy.

    Attributes:
        data_set: Its data set's name.
        architecture: Its architecture's name.
        optimizer: Its optimizer's name.
        case: Why it is here: `drawn`, or the named case it is one of.
        config: The plain config, with paths relative to the zoo's folder.
        digest: Of the data set's file.
    """

    data_set: str
    architecture: str
    optimizer: str
    case: str
    config: Mapping[str, Any]
    digest: str

    @property
    def family(self) -> str:
        """What decides the half."""
        return f"{self.data_set} × {self.architecture} × {self.optimizer}"

    @property
    def half(self) -> Half:
        """The half it belongs to."""
        return half_of(self.data_set, self.architecture, self.optimizer)

    @property
    def key(self) -> str:
        """Sixteen hexadecimal digits for config and data: what a finished run is known by."""
        text = json.dumps([self.config, self.digest], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def half_of(data_set: str, architecture: str, optimizer: str) -> Half:
    """Give a family's half: tuning where the first byte of the SHA-256 of its three names is even."""
    first = hashlib.sha256(f"{data_set}\n{architecture}\n{optimizer}".encode()).digest()[0]
    return HALVES[first % 2]


def candidate(
    data_set: DataSet,
    architecture: str,
    optimizer: str,
    rate: float,
    *,
    updates: int,
    batch_size: int = 64,
    case: str = "drawn",
    seed: int = 0,
    data: Mapping[str, Any] | None = None,
    model: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
) -> Candidate:
    """Put a candidate together.

    Args:
        data_set: What to train on.
        architecture: A name in ARCHITECTURES, RECURRENT or FOR_CASES.
        optimizer: A name in OPTIMIZERS.
        rate: Learning rate.
        updates: Planned updates, rounded up to whole epochs.
        batch_size: Examples per update.
        case: What it is called in the report.
        seed: Of weights and batches, and of the data where they are made or split by it.
        data: Further keys of [data].
        model: Further keys of [model].
        training: Further keys of [training].
    """
    shape = {**ARCHITECTURES, **RECURRENT, **FOR_CASES}[architecture][0]
    sequence = {"sequence_length": data_set.sequence_length} if data_set.sequence_length else {}
    steps_per_epoch = math.ceil(data_set.rows / min(batch_size, data_set.rows))
    config = {
        "seed": seed,
        "data": {**data_set.settings, **(data or {})},
        "model": {**shape, **sequence, **(model or {})},
        "training": {
            "optimizer": {**OPTIMIZERS[optimizer][0], "learning_rate": rate},
            "batch_size": batch_size,
            "epochs": math.ceil(updates / steps_per_epoch),
            **(training or {}),
        },
    }
    return Candidate(data_set.name, architecture, optimizer, case, config, data_set.digest)


def drawn(data_set: DataSet) -> Iterator[Candidate]:
    """Draw families for a data set, and candidates of each, seeded by the data set's name."""
    seed = int.from_bytes(hashlib.sha256(f"grid {data_set.name}".encode()).digest()[:8])
    generator = np.random.default_rng(seed)
    architectures = [*(RECURRENT if data_set.sequence_length else ARCHITECTURES)]
    optimizers = [*OPTIMIZERS]
    families = [(architecture, optimizer) for architecture in architectures for optimizer in optimizers]
    for index in generator.permutation(len(families))[:FAMILIES]:
        architecture, optimizer = families[index]
        for _ in range(VARIANTS):
            yield _draw(data_set, architecture, optimizer, generator)


def _draw(data_set: DataSet, architecture: str, optimizer: str, generator: np.random.Generator) -> Candidate:
    """Draw a variant: rate, length, batch size, seed, scaling, initialisation, loss, regularisation."""

    def one_of(*choices: Any) -> Any:  # noqa: ANN401 - keeps the choices' types, unlike an array of them
        return choices[int(generator.integers(len(choices)))]

    shape, initializations = {**ARCHITECTURES, **RECURRENT}[architecture]
    batch_size = one_of(16, 32, 32, 64, 64, 128, FULL)
    longest = MOST_ROWS_TRAINED // min(batch_size, data_set.rows)
    updates = min(max(one_of(120, 250, 500, 500, 1000, 1000, 2000), LEAST_UPDATES), max(longest, LEAST_UPDATES))
    rate = one_of(*OPTIMIZERS[optimizer][1])
    data: dict[str, Any] = {"scale": one_of("standard", "standard", "standard", "minmax", "minmax", "none")}
    model: dict[str, Any] = {"init": one_of(*initializations)}
    training: dict[str, Any] = {}
    if data_set.task == "regression":
        data["scale_targets"] = one_of("standard", "standard", "standard", "none")
        training["loss"] = one_of("mse", "mse", "mse", "mae", "huber")
    elif data_set.classes == 2:
        training["loss"] = one_of("cross_entropy", "cross_entropy", "binary_cross_entropy", "hinge", "binary_hinge")
    else:
        training["loss"] = one_of("cross_entropy", "cross_entropy", "cross_entropy", "hinge")
    if data_set.yardstick == "skill" and "hinge" in training["loss"]:
        training["loss"] = "binary_cross_entropy"  # a hinge has no probabilities to measure
    if training["loss"] in {"cross_entropy", "binary_cross_entropy", "mse", "mae", "huber"}:
        model["output_bias"] = one_of("zeros", "zeros", "zeros", "prior")
    if shape["hidden"] and shape.get("kind") != "rnn":
        model["dropout"] = one_of(0.0, 0.0, 0.0, 0.1, 0.3)
        model["init"] = one_of(*3 * [model["init"]], [*[model["init"]] * len(shape["hidden"]), "zeros"])
    training |= one_of(*10 * [{}], {"l2": 1e-4}, {"l2": 1e-3}, {"l2": 1e-2}, {"clip_norm": 1.0}, {"clip_value": 0.1})
    training |= one_of(*7 * [{}], {"schedule": "cosine"}, {"schedule": {"kind": "cosine", "warm_up": 50}})
    training |= one_of(*9 * [{}], {"dtype": "float64"})
    return candidate(
        data_set,
        architecture,
        optimizer,
        rate,
        updates=updates,
        batch_size=batch_size,
        seed=int(generator.integers(5)),
        data=data,
        model=model,
        training=training,
    )
