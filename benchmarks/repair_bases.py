"""Healthy configs for `benchmarks/repairs.py` to inject faults into: those it was tuned on, and those set aside.

A `data.source` that names a table of the zoo, such as MASS/biopsy, becomes the path of an .npz file of it.
"""

import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from zoo_tables import TABLES, read_table
from zoo_tables import Table as TableOfTheZoo

FOLDER = Path(tempfile.gettempdir()) / "gradvitals-tables"
"""Where the files of tables are."""

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
    for name, table in _read(part).items():
        data = table["data"]
        source = data["source"] if _table_of(data) is None else str(_file_of(data["source"]))
        yield Base(name, {"name": "base", **table, "data": {**data, "source": source}})


def write_tables(part: Part) -> None:
    """Write the files of the tables that the bases of a part want, where they are not there."""
    for each in _read(part).values():
        table = _table_of(each["data"])
        if table is None or _file_of(table.name).exists():
            continue
        FOLDER.mkdir(exist_ok=True)
        inputs, labels = read_table(table, np.random.default_rng(0))
        with tempfile.NamedTemporaryFile(dir=FOLDER, suffix=".npz", delete=False) as file:
            np.savez_compressed(file, allow_pickle=False, x=inputs, y=labels)
        Path(file.name).replace(_file_of(table.name))


def _read(part: Part) -> dict[str, Table]:
    path = Path(__file__).with_name(f"repair_bases_{part}.toml")
    return tomllib.loads(path.read_text()) if path.exists() else {}


def _table_of(data: Table) -> TableOfTheZoo | None:
    return next((each for each in TABLES if each.name == data["source"]), None)


def _file_of(name: str) -> Path:
    return FOLDER / f"{name.replace('/', '__')}.npz"
