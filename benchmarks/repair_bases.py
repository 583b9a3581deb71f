"""Healthy configs for `benchmarks/repairs.py` to inject faults into: those it was tuned on, and those set aside."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

Part: TypeAlias = Literal["bundled", "tuning", "held_out"]
Table: TypeAlias = dict[str, Any]
"""A config, read but not yet judged."""


@dataclass(frozen=True, slots=True)
class Base:
    """A healthy config to inject faults into.

    Attributes:
        name: Of the base.
        table: The config.
    """

    name: str
    table: Table

    @property
    def rate(self) -> float:
        """Its learning rate."""
        return float(self.table["training"]["optimizer"]["learning_rate"])

    @property
    def is_rectified(self) -> bool:
        """Whether its hidden layers are ReLUs, which a bias can kill."""
        return bool(self.table["model"].get("activation") == "relu")

    @property
    def is_regression(self) -> bool:
        """Whether its targets are quantities that were scaled."""
        return "scale_targets" in self.table["data"]


def bases(part: Part) -> Iterator[Base]:
    """Yield the bases of a part; of the bundled configs, which are sick themselves, there are none."""
    path = Path(__file__).with_name(f"repair_bases_{part}.toml")
    if path.exists():
        for name, table in tomllib.loads(path.read_text()).items():
            yield Base(name, {"name": "base", **table})
