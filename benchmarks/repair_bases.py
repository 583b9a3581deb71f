"""Healthy configs for `benchmarks/repairs.py` to inject faults into.

Those of `tuning` were looked at while `repair` was written; those of `held_out` are set aside, and go to `tuning` once
they have been looked at.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Part: TypeAlias = Literal["bundled", "tuning", "held_out"]


@dataclass(frozen=True, slots=True)
class Base:
    """A healthy config to inject faults into.

    Attributes:
        name: Of the base.
        part: Whether it was looked at.
        toml: The config.
        rate: Its learning rate.
        rectified: Whether its hidden layers are ReLUs, which a bias can kill.
        regression: Whether its targets are quantities.
    """

    name: str
    part: Part
    toml: str
    rate: float
    rectified: bool = False
    regression: bool = False


def _toml(data: str, model: str, training: str) -> str:
    return f'name = "base"\n[data]\n{data}\n[model]\n{model}\n[training]\n{training}\n'


BASES: tuple[Base, ...] = (
    Base(
        "moons_relu_adam",
        "tuning",
        _toml(
            'source = "moons"\nn = 800',
            'hidden = [16, 16]\nactivation = "relu"\ninit = "he_normal"',
            'optimizer = {kind = "adam", learning_rate = 0.01}\nbatch_size = 32\nepochs = 30',
        ),
        0.01,
        rectified=True,
    ),
    Base(
        "breast_cancer_relu_momentum",
        "tuning",
        _toml(
            'source = "breast_cancer"',
            'hidden = [32, 16]\nactivation = "relu"\ninit = "he_normal"',
            'optimizer = {kind = "sgd", learning_rate = 0.02, momentum = 0.9}\nbatch_size = 32\nepochs = 15',
        ),
        0.02,
        rectified=True,
    ),
    Base(
        "diabetes_tanh_sgd",
        "tuning",
        _toml(
            'source = "diabetes"\nscale_targets = "standard"',
            'hidden = [32]\nactivation = "tanh"\ninit = "glorot_uniform"',
            'optimizer = {kind = "sgd", learning_rate = 0.05}\nbatch_size = 32\nepochs = 30',
        ),
        0.05,
        regression=True,
    ),
    Base(
        "wine_tanh_adam",
        "tuning",
        _toml(
            'source = "wine"',
            'hidden = [24]\nactivation = "tanh"\ninit = "glorot_uniform"',
            'optimizer = {kind = "adam", learning_rate = 0.005}\nbatch_size = 16\nepochs = 40',
        ),
        0.005,
    ),
    Base(
        "digits_wide_relu_sgd",
        "tuning",
        _toml(
            'source = "digits"',
            'hidden = [128]\nactivation = "relu"\ninit = "he_normal"',
            'optimizer = {kind = "sgd", learning_rate = 0.05, momentum = 0.9}\nbatch_size = 32\nepochs = 8',
        ),
        0.05,
        rectified=True,
    ),
    Base(
        "digits_deep_tanh_rmsprop",
        "tuning",
        _toml(
            'source = "digits"',
            'hidden = [48, 48, 48, 48]\nactivation = "tanh"\ninit = "glorot_normal"',
            'optimizer = {kind = "rmsprop", learning_rate = 0.001}\nbatch_size = 64\nepochs = 15',
        ),
        0.001,
    ),
    Base(
        "circles_gelu_adamw",
        "tuning",
        _toml(
            'source = "circles"\nn = 1000',
            'hidden = [24, 24]\nactivation = "gelu"\ninit = "he_normal"',
            'optimizer = {kind = "adamw", learning_rate = 0.005}\nbatch_size = 32\nepochs = 25',
        ),
        0.005,
    ),
    Base(
        "diabetes_relu_adam",
        "tuning",
        _toml(
            'source = "diabetes"\nscale_targets = "standard"',
            'hidden = [24, 12]\nactivation = "relu"\ninit = "he_uniform"',
            'optimizer = {kind = "adam", learning_rate = 0.003}\nbatch_size = 32\nepochs = 20',
        ),
        0.003,
        rectified=True,
        regression=True,
    ),
    Base(
        "iris_tanh_sgd",
        "tuning",
        _toml(
            'source = "iris"',
            'hidden = [16]\nactivation = "tanh"\ninit = "glorot_uniform"',
            'optimizer = {kind = "sgd", learning_rate = 0.1}\nbatch_size = 8\nepochs = 30',
        ),
        0.1,
    ),
    Base(
        "moons_leaky_nadam",
        "tuning",
        _toml(
            'source = "moons"\nn = 1500\nnoise = 0.15',
            'hidden = [32, 16]\nactivation = "leaky_relu"\ninit = "he_uniform"',
            'optimizer = {kind = "nadam", learning_rate = 0.005}\nbatch_size = 64\nepochs = 25',
        ),
        0.005,
    ),
    Base(
        "digits_relu_adagrad",
        "tuning",
        _toml(
            'source = "digits"',
            'hidden = [64]\nactivation = "relu"\ninit = "he_normal"',
            'optimizer = {kind = "adagrad", learning_rate = 0.03}\nbatch_size = 64\nepochs = 12',
        ),
        0.03,
        rectified=True,
    ),
    Base(
        "diabetes_elu_adamax",
        "tuning",
        _toml(
            'source = "diabetes"\nscale_targets = "standard"',
            'hidden = [24]\nactivation = "elu"\ninit = "lecun_normal"',
            'loss = "huber"\noptimizer = {kind = "adamax", learning_rate = 0.005}\nbatch_size = 16\nepochs = 20',
        ),
        0.005,
        regression=True,
    ),
    Base(
        "spiral_tanh_adam",
        "tuning",
        _toml(
            'source = "spiral"\nn = 900',
            'hidden = [32, 32]\nactivation = "tanh"\ninit = "glorot_uniform"',
            'optimizer = {kind = "adam", learning_rate = 0.01}\nbatch_size = 32\nepochs = 40',
        ),
        0.01,
    ),
    Base(
        "blobs_relu_sgd",
        "tuning",
        _toml(
            'source = "blobs"\nn = 600',
            'hidden = [16]\nactivation = "relu"\ninit = "he_normal"',
            'optimizer = {kind = "sgd", learning_rate = 0.05}\nbatch_size = 16\nepochs = 20',
        ),
        0.05,
        rectified=True,
    ),
    Base(
        "breast_cancer_sigmoid_adam",
        "tuning",
        _toml(
            'source = "breast_cancer"',
            'hidden = [24]\nactivation = "sigmoid"\ninit = "glorot_uniform"',
            'optimizer = {kind = "adam", learning_rate = 0.01}\nbatch_size = 32\nepochs = 20',
        ),
        0.01,
    ),
    Base(
        "wine_relu_adamw",
        "tuning",
        _toml(
            'source = "wine"',
            'hidden = [32, 16]\nactivation = "relu"\ninit = "he_uniform"',
            'optimizer = {kind = "adamw", learning_rate = 0.003}\nbatch_size = 16\nepochs = 40',
        ),
        0.003,
        rectified=True,
    ),
    Base(
        "digits_tanh_momentum",
        "tuning",
        _toml(
            'source = "digits"',
            'hidden = [64, 32]\nactivation = "tanh"\ninit = "glorot_uniform"',
            'optimizer = {kind = "sgd", learning_rate = 0.05, momentum = 0.9}\nbatch_size = 64\nepochs = 12',
        ),
        0.05,
    ),
    Base(
        "digits_leaky_adam",
        "tuning",
        _toml(
            'source = "digits"',
            'hidden = [96, 48]\nactivation = "leaky_relu"\ninit = "he_normal"',
            'optimizer = {kind = "adam", learning_rate = 0.001}\nbatch_size = 32\nepochs = 10',
        ),
        0.001,
    ),
    Base(
        "diabetes_tanh_rmsprop",
        "tuning",
        _toml(
            'source = "diabetes"\nscale_targets = "standard"',
            'hidden = [16, 8]\nactivation = "tanh"\ninit = "glorot_uniform"',
            'optimizer = {kind = "rmsprop", learning_rate = 0.003}\nbatch_size = 32\nepochs = 25',
        ),
        0.003,
        regression=True,
    ),
    Base(
        "circles_relu_momentum",
        "tuning",
        _toml(
            'source = "circles"\nn = 1200',
            'hidden = [16, 16]\nactivation = "relu"\ninit = "he_normal"',
            'optimizer = {kind = "sgd", learning_rate = 0.05, momentum = 0.9}\nbatch_size = 32\nepochs = 30',
        ),
        0.05,
        rectified=True,
    ),
    Base(
        "iris_relu_adam",
        "tuning",
        _toml(
            'source = "iris"',
            'hidden = [24]\nactivation = "relu"\ninit = "he_normal"',
            'optimizer = {kind = "adam", learning_rate = 0.01}\nbatch_size = 16\nepochs = 40',
        ),
        0.01,
        rectified=True,
    ),
    Base(
        "moons_tanh_rmsprop",
        "tuning",
        _toml(
            'source = "moons"\nn = 1000',
            'hidden = [16, 16]\nactivation = "tanh"\ninit = "glorot_uniform"',
            'optimizer = {kind = "rmsprop", learning_rate = 0.005}\nbatch_size = 32\nepochs = 25',
        ),
        0.005,
    ),
    Base(
        "spiral_relu_adamw",
        "tuning",
        _toml(
            'source = "spiral"\nn = 1200',
            'hidden = [64, 64]\nactivation = "relu"\ninit = "he_normal"',
            'optimizer = {kind = "adamw", learning_rate = 0.005}\nbatch_size = 32\nepochs = 30',
        ),
        0.005,
        rectified=True,
    ),
    Base(
        "xor_relu_momentum",
        "tuning",
        _toml(
            'source = "xor"\nn = 600',
            'hidden = [16]\nactivation = "relu"\ninit = "he_uniform"',
            'optimizer = {kind = "sgd", learning_rate = 0.1, momentum = 0.9}\nbatch_size = 16\nepochs = 25',
        ),
        0.1,
        rectified=True,
    ),
    Base(
        "breast_cancer_leaky_adam",
        "tuning",
        _toml(
            'source = "breast_cancer"',
            'hidden = [32]\nactivation = "leaky_relu"\ninit = "he_normal"',
            'optimizer = {kind = "adam", learning_rate = 0.003}\nbatch_size = 32\nepochs = 20',
        ),
        0.003,
    ),
    Base(
        "wine_tanh_sgd",
        "tuning",
        _toml(
            'source = "wine"',
            'hidden = [16]\nactivation = "tanh"\ninit = "glorot_normal"',
            'optimizer = {kind = "sgd", learning_rate = 0.1}\nbatch_size = 16\nepochs = 40',
        ),
        0.1,
    ),
    Base(
        "digits_relu_rmsprop",
        "tuning",
        _toml(
            'source = "digits"',
            'hidden = [64, 64]\nactivation = "relu"\ninit = "he_normal"',
            'optimizer = {kind = "rmsprop", learning_rate = 0.001}\nbatch_size = 32\nepochs = 8',
        ),
        0.001,
        rectified=True,
    ),
    Base(
        "digits_sigmoid_adam",
        "tuning",
        _toml(
            'source = "digits"',
            'hidden = [64]\nactivation = "sigmoid"\ninit = "glorot_uniform"',
            'optimizer = {kind = "adam", learning_rate = 0.005}\nbatch_size = 64\nepochs = 15',
        ),
        0.005,
    ),
    Base(
        "diabetes_relu_nadam",
        "tuning",
        _toml(
            'source = "diabetes"\nscale_targets = "standard"',
            'hidden = [32]\nactivation = "relu"\ninit = "he_normal"',
            'optimizer = {kind = "nadam", learning_rate = 0.003}\nbatch_size = 16\nepochs = 20',
        ),
        0.003,
        rectified=True,
        regression=True,
    ),
    Base(
        "iris_elu_adamw",
        "tuning",
        _toml(
            'source = "iris"',
            'hidden = [16, 16]\nactivation = "elu"\ninit = "lecun_normal"',
            'optimizer = {kind = "adamw", learning_rate = 0.005}\nbatch_size = 8\nepochs = 30',
        ),
        0.005,
    ),
    Base(
        "digits_relu_adamax",
        "tuning",
        _toml(
            'source = "digits"',
            'hidden = [80, 40]\nactivation = "relu"\ninit = "he_uniform"',
            'optimizer = {kind = "adamax", learning_rate = 0.004}\nbatch_size = 64\nepochs = 12',
        ),
        0.004,
        rectified=True,
    ),
    Base(
        "digits_gelu_momentum",
        "tuning",
        _toml(
            'source = "digits"',
            'hidden = [96]\nactivation = "gelu"\ninit = "he_normal"',
            'optimizer = {kind = "sgd", learning_rate = 0.03, momentum = 0.9}\nbatch_size = 32\nepochs = 8',
        ),
        0.03,
    ),
    Base(
        "wine_leaky_rmsprop",
        "tuning",
        _toml(
            'source = "wine"',
            'hidden = [24, 12]\nactivation = "leaky_relu"\ninit = "he_normal"',
            'optimizer = {kind = "rmsprop", learning_rate = 0.002}\nbatch_size = 16\nepochs = 30',
        ),
        0.002,
    ),
    Base(
        "breast_cancer_tanh_adamax",
        "tuning",
        _toml(
            'source = "breast_cancer"',
            'hidden = [16, 16]\nactivation = "tanh"\ninit = "glorot_normal"',
            'optimizer = {kind = "adamax", learning_rate = 0.005}\nbatch_size = 32\nepochs = 20',
        ),
        0.005,
    ),
    Base(
        "diabetes_leaky_adamw",
        "tuning",
        _toml(
            'source = "diabetes"\nscale_targets = "standard"',
            'hidden = [32, 16]\nactivation = "leaky_relu"\ninit = "he_uniform"',
            'loss = "mae"\noptimizer = {kind = "adamw", learning_rate = 0.001}\nbatch_size = 16\nepochs = 20',
        ),
        0.001,
        regression=True,
    ),
    Base(
        "xor_tanh_adam",
        "tuning",
        _toml(
            'source = "xor"\nn = 900',
            'hidden = [12, 12]\nactivation = "tanh"\ninit = "glorot_uniform"',
            'optimizer = {kind = "adam", learning_rate = 0.01}\nbatch_size = 32\nepochs = 25',
        ),
        0.01,
    ),
    Base(
        "spiral_relu_momentum",
        "tuning",
        _toml(
            'source = "spiral"\nn = 1000',
            'hidden = [64, 32]\nactivation = "relu"\ninit = "he_normal"',
            'optimizer = {kind = "sgd", learning_rate = 0.02, momentum = 0.9}\nbatch_size = 32\nepochs = 40',
        ),
        0.02,
        rectified=True,
    ),
    Base(
        "moons_relu_sgd",
        "tuning",
        _toml(
            'source = "moons"\nn = 700',
            'hidden = [32]\nactivation = "relu"\ninit = "he_normal"',
            'optimizer = {kind = "sgd", learning_rate = 0.3}\nbatch_size = 16\nepochs = 30',
        ),
        0.3,
        rectified=True,
    ),
    Base(
        "iris_relu_rmsprop",
        "tuning",
        _toml(
            'source = "iris"',
            'hidden = [16]\nactivation = "relu"\ninit = "he_uniform"',
            'optimizer = {kind = "rmsprop", learning_rate = 0.005}\nbatch_size = 16\nepochs = 40',
        ),
        0.005,
        rectified=True,
    ),
)
"""Healthy configs; those of `held_out` were chosen before anything was run on them but their healthy training."""
