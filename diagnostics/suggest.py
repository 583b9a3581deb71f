"""What was probably meant: the nearest right name."""

from collections.abc import Iterable

SYNONYMS = {
    "xavier": "glorot_uniform",
    "xavier_uniform": "glorot_uniform",
    "xavier_normal": "glorot_normal",
    "glorot": "glorot_uniform",
    "kaiming": "he_normal",
    "kaiming_normal": "he_normal",
    "kaiming_uniform": "he_uniform",
    "he": "he_normal",
    "lecun": "lecun_normal",
    "gaussian": "normal",
    "random_normal": "normal",
    "random_uniform": "uniform",
    "zero": "zeros",
    "logistic": "sigmoid",
    "identity": "linear",
    "lrelu": "leaky_relu",
    "categorical_crossentropy": "cross_entropy",
    "sparse_categorical_crossentropy": "cross_entropy",
    "softmax": "cross_entropy",
    "bce": "binary_cross_entropy",
    "log_loss": "binary_cross_entropy",
    "mean_squared_error": "mse",
    "squared_error": "mse",
    "l2": "mse",
    "nesterov": "sgd",
    "zscore": "standard",
    "standardize": "standard",
    "standardise": "standard",
    "fp32": "float32",
    "single": "float32",
    "float": "float32",
    "fp64": "float64",
    "double": "float64",
    "classify": "classification",
    "errors": "error",
    "warn": "warning",
    "cancer": "breast_cancer",
    "lr": "learning_rate",
    "eta": "learning_rate",
    "layers": "hidden",
    "hidden_layers": "hidden",
    "hidden_sizes": "hidden",
    "hidden_units": "hidden",
    "units": "hidden",
    "initialization": "init",
    "initializer": "init",
    "weight_init": "init",
    "optim": "optimizer",
    "n_epochs": "epochs",
    "num_epochs": "epochs",
    "max_epochs": "epochs",
    "criterion": "loss",
    "gradient_clip": "clip_norm",
    "betas": "beta1",
    "eps": "epsilon",
    "rho": "alpha",
    "type": "kind",
    "dataset": "source",
    "path": "source",
    "file": "source",
    "label": "target",
    "test_size": "validation",
    "validation_split": "validation",
    "normalize": "scale",
    "center": "scale",
    "centre": "scale",
    "mean": "center",
    "random_state": "seed",
}
"""Names other libraries use, and ours."""


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate most probably meant, or None if none is near.

    Spelling first (case, hyphens and underscores aside), then other libraries' names, then typing errors.

    >>> nearest("ReLU", ["tanh", "relu"])
    'relu'
    >>> nearest("xavier_uniform", ["he_normal", "glorot_uniform"])
    'glorot_uniform'
    """
    from difflib import get_close_matches  # for those who have made a mistake

    plain = {_plain(candidate): candidate for candidate in candidates}
    synonyms = {_plain(name): _plain(ours) for name, ours in SYNONYMS.items()}
    wanted = _plain(word)
    for spelling in (wanted, synonyms.get(wanted, "")):
        if spelling in plain:
            return plain[spelling]
    close = get_close_matches(wanted, plain, n=1, cutoff=0.6)
    return plain[close[0]] if close else None


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """Return `` — did you mean 'x'?``, or nothing if no candidate is near."""
    found = nearest(word, candidates)
    return f" — did you mean {found!r}?" if found else ""


def _plain(word: str) -> str:
    return "".join(letter for letter in word.casefold() if letter not in " _-")
