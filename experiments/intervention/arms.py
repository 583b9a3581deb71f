"""Ways to change a config: what each changes, how large a change it is, and which go together."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from pydantic import ValidationError

from gradvitals.experiments.config.dump import as_plain, inline, training_hash
from gradvitals.experiments.config.override import set_key
from gradvitals.experiments.config.root import Config
from gradvitals.experiments.data.dataset import Dataset
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.fit import check_fit

Role: TypeAlias = Literal["control", "sane_defaults", "change"]
Changes: TypeAlias = Mapping[str, Any]
"""New values by dotted key; None where the key goes."""

RATE = "training.optimizer.learning_rate"
ORDER: tuple[tuple[str, ...], ...] = (
    ("training.frozen", "training.gradient", "model.output_units", "training.from_logits", "training.reduction"),
    ("model.output", "training.loss"),
    ("data.scale", "data.columns", "data.scale_targets"),
    ("model.init", "model.bias_init", "model.output_bias", "model.recurrent_init"),
    (RATE,),
    ("training.clip_norm", "training.clip_value", "training.l2", "training.schedule"),
    ("training.batch_size", "model.dropout", "training.class_weight", "training.early_stopping"),
    ("training.optimizer",),
    ("model.activation", "model.cell"),
)
"""Kinds of change, the smaller first; the order in which causes are believed, too.

What puts a wrong program right comes before what prepares the data, that before the initial weights, and these before
the learning rate. A value beside the others comes before another algorithm, and that before another network.
"""

IMPLIED = frozenset({"training.from_logits"})
"""Says how `model.output` is taken, and so changes with it: no change of its own beside it."""


@dataclass(frozen=True, slots=True, eq=False)
class Arm:
    """One way to change a config.

    Attributes:
        config: With the changes made.
        changes: What it changes; empty for the control.
        role: What it is there for.
        prescribed_by: Keys of the standing findings that prescribe it.
    """

    config: Config
    changes: Changes
    role: Role = "change"
    prescribed_by: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its name in reports: what it changes."""
        if self.role == "change":
            return describe(self.changes)
        return "control" if self.role == "control" else "sane defaults"

    @property
    def keys(self) -> int:
        """How many things a user has to change; what follows from another change does not count."""
        return max(len(self.changes.keys() - IMPLIED), min(len(self.changes), 1))

    def extends(self, other: "Arm") -> bool:
        """Tell whether it makes all changes of another arm."""
        return all(key in self.changes and self.changes[key] == value for key, value in other.changes.items())

    @property
    def size(self) -> tuple[int, tuple[int, ...]]:
        """How large a change it is: how many keys, then the kinds of change by `ORDER`, the largest first."""
        return self.keys, tuple(sorted((_kind(key) for key in self.changes), reverse=True))


def describe(changes: Changes) -> str:
    """Write changes as a config would have them.

    >>> describe({"model.init": "he_normal", "training.clip_norm": None})
    'model.init = "he_normal", without training.clip_norm'
    """
    set_to = {key: inline(value).as_string() for key, value in changes.items() if value is not None}
    return ", ".join(f"{key} = {set_to[key]}" if key in set_to else f"without {key}" for key in changes)


def _kind(key: str) -> int:
    ranks = (rank for rank, keys in enumerate(ORDER) if any(key == one or key.startswith(f"{one}.") for one in keys))
    return next(ranks, len(ORDER))


def changed(config: Config, changes: Changes) -> Config | None:
    """Make the changes; None where the outcome is no valid config."""
    raw: dict[str, Any] = as_plain(config)
    for key, value in changes.items():
        raw = set_key(raw, key, value)
    try:
        return Config.model_validate(raw)
    except ValidationError:
        return None


def make_arm(
    config: Config, changes: Changes, dataset: Dataset, *, role: Role = "change", prescribed_by: tuple[str, ...] = ()
) -> Arm | None:
    """Make an arm; None where it changes nothing, or cannot be trained on these data."""
    wanted = {key: value for key, value in changes.items() if not _has(config, key, value)}
    wanted = _as_rate(config, wanted)
    other = changed(config, wanted)
    if other is None or training_hash(other) == training_hash(config):
        return None
    if other.data.scale_targets != "none" and dataset.task != "regression":
        return None
    try:
        check_fit(other, dataset)
    except UserError:
        return None
    return Arm(other, wanted, role, prescribed_by)


def _as_rate(config: Config, changes: dict[str, Any]) -> dict[str, Any]:
    """Write another optimizer as another learning rate where that is all that is other."""
    optimizer = changes.get("training.optimizer")
    if not isinstance(optimizer, Mapping) or "learning_rate" not in optimizer:
        return changes
    small = {RATE: optimizer["learning_rate"]}
    one, other = changed(config, small), changed(config, {"training.optimizer": optimizer})
    if one is None or other is None or training_hash(one) != training_hash(other):
        return changes
    return {**{key: value for key, value in changes.items() if key != "training.optimizer"}, **small}


def _has(config: Config, key: str, value: object) -> bool:
    """Tell whether a config has a value already."""
    other = changed(config, {key: value})
    return other is not None and training_hash(other) == training_hash(config)


def combine(first: Arm, second: Arm, config: Config, dataset: Dataset) -> Arm | None:
    """Make both changes; None where they are of the same key, or do not go together."""
    if any(touches(one, other) for one in first.changes for other in second.changes):
        return None
    by = tuple(dict.fromkeys((*first.prescribed_by, *second.prescribed_by)))
    both = make_arm(config, {**first.changes, **second.changes}, dataset, prescribed_by=by)
    return both if both is not None and both.keys == first.keys + second.keys else None


def touches(one: str, other: str) -> bool:
    """Tell whether two keys are the same, or one is in the other's table."""
    return one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")


def unique(arms: Iterable[Arm], known: Iterable[Arm]) -> list[Arm]:
    """Leave out arms that are known, and those that come twice."""
    seen = {training_hash(arm.config) for arm in known}
    found: dict[str, Arm] = {}
    for arm in arms:
        key = training_hash(arm.config)
        if key not in seen:
            found.setdefault(key, arm)
    return list(found.values())
