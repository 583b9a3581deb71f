"""From the [data] table to a data set: found, read, checked, split and scaled."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from gradvitals.diagnostics.suggest import did_you_mean
from gradvitals.experiments.config.data import BUNDLED, MADE, DataConfig
from gradvitals.experiments.data.arrays import read_npy, read_npz
from gradvitals.experiments.data.bundled import load_bundled
from gradvitals.experiments.data.columns import scales_by_index
from gradvitals.experiments.data.csv_table import read_csv
from gradvitals.experiments.data.dataset import Dataset, Floats, Table, Targets
from gradvitals.experiments.data.idx import read_idx_folder
from gradvitals.experiments.data.mapped import LARGE
from gradvitals.experiments.data.scale import fit_scaler, fit_scaler_by_column, scale_held_out
from gradvitals.experiments.data.sequences import make_sequences
from gradvitals.experiments.data.split import split_rows
from gradvitals.experiments.data.tasks import Encoded, encode
from gradvitals.experiments.data.toys import make_toy
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.paths import is_file, is_folder

LEAST_ROWS = 10


def load_data(
    data: DataConfig, seed: int, base_dir: Path, *, origin: str = "config", sequence_length: int | None = None
) -> Dataset:
    """Return the data set that a config asks for.

    The same config and seed give the same arrays. Making toy data and splitting draw from separate streams.

    Args:
        data: The [data] table.
        seed: Seeds toy data and the split.
        base_dir: What a relative path is relative to; if nothing is there, the working directory is tried.
        origin: The config's file, for errors.
        sequence_length: Time steps of a sequence task.

    Raises:
        UserError: If the source does not exist or cannot be trained on.
    """
    making, splitting = (np.random.default_rng(stream) for stream in np.random.SeedSequence(seed).spawn(2))
    where, table = _read(data, base_dir, origin, making, sequence_length)
    if len(table.inputs) < LEAST_ROWS:
        sentence = f"{where}: {len(table.inputs)} rows of data; at least {LEAST_ROWS} are needed"
        raise UserError(sentence)
    encoded = encode(table, data.task, where)
    if data.scale_targets != "none" and encoded.task != "regression":
        sentence = f"{origin}: data.scale_targets: {data.scale_targets!r} needs a regression, not a {encoded.task}"
        raise UserError(sentence)
    parts = _split(table, encoded, data.validation, splitting, origin)
    return _scaled(table, encoded, parts, data, where=where, origin=origin)


_Parts = tuple[tuple[Floats, Targets], tuple[Floats, Targets]]
"""Inputs and targets for training, and for validation."""


def _read(
    data: DataConfig, base_dir: Path, origin: str, rng: np.random.Generator, sequence_length: int | None
) -> tuple[str, Table]:
    """Return what to call the source in errors, and its examples. A name is never taken for a path."""
    match data.source:
        case "digits" | "iris" | "wine" | "breast_cancer" | "diabetes" as name:
            return name, load_bundled(name)
        case "moons" | "circles" | "spiral" | "xor" | "blobs" as toy:
            return toy, make_toy(toy, data.n, data.noise, rng)
        case "delayed_copy" | "adding" as task:
            if sequence_length is None:
                sentence = f"{origin}: model.sequence_length: missing; {task} needs the number of its time steps"
                raise UserError(sentence)
            return task, make_sequences(task, data.n, data.noise, sequence_length, rng)
        case source:
            path = _find(source, base_dir, origin)
    try:
        return str(path), _read_once(path, data.target, origin)
    except OSError as error:
        sentence = f"{path}: cannot be read: {error.strerror}"
        raise UserError(sentence) from error


def _find(source: str, base_dir: Path, origin: str) -> Path:
    """Return the path of a file or folder, relative to the config first."""
    wanted = Path(source).expanduser()
    for path in (base_dir / wanted, wanted):
        if is_file(path) or is_folder(path):
            return path
    meant = did_you_mean(source, (*BUNDLED, *MADE))
    known = "" if wanted.suffix else f", and no data set of that name ({', '.join((*BUNDLED, *MADE))})"
    sentence = f"{origin}: data.source: {source!r}: no such file{known}{meant}"
    raise UserError(sentence)


def _read_once(path: Path, target: str | None, origin: str) -> Table:
    """Read a file again only where it has changed, or is large: memory would have to hold it twice."""
    if is_folder(path):
        return read_idx_folder(path)
    about = path.stat()
    table = _remembered(path, target, origin, (about.st_ino, about.st_mtime_ns, about.st_size))
    if table.inputs.size >= LARGE:
        _remembered.cache_clear()
    return table


@lru_cache(maxsize=1)
def _remembered(path: Path, target: str | None, origin: str, version: tuple[int, ...]) -> Table:  # noqa: ARG001
    return _read_path(path, target, origin).freeze()


def _read_path(path: Path, target: str | None, origin: str) -> Table:
    match path.suffix.lower():
        case ".csv":
            return read_csv(path, target)
        case ".npz":
            return read_npz(path)
        case ".npy":
            return read_npy(path)
        case suffix:
            sentence = (
                f"{origin}: data.source: {path.name!r}: {suffix or 'no suffix'} is not one of .csv, .npz, .npy"
                " or a folder of IDX files"
            )
            raise UserError(sentence)


def _split(table: Table, encoded: Encoded, share: float, rng: np.random.Generator, origin: str) -> _Parts:
    """Return the parts as the source fixes them, or split at random; stratified where there are classes."""
    if table.validation is not None and encoded.validation_targets is not None:
        return (table.inputs, encoded.targets), (table.validation[0], encoded.validation_targets)
    classes = encoded.targets.astype(np.int64) if encoded.task == "classification" else None
    try:
        training, held_out = split_rows(len(table.inputs), share, classes, rng)
    except UserError as error:
        sentence = f"{origin}: {error}"
        raise UserError(sentence) from error
    return (table.inputs[training], encoded.targets[training]), (table.inputs[held_out], encoded.targets[held_out])


def _scaled(table: Table, encoded: Encoded, parts: _Parts, data: DataConfig, *, where: str, origin: str) -> Dataset:
    """Return the data set, scaled with statistics of its training part."""
    (inputs, targets), (held_out_inputs, held_out_targets) = parts
    scaler = fit_scaler_by_column(data.scale, scales_by_index(data.columns or {}, table, origin), inputs)
    if data.scale_targets != "none":
        target_scaler = fit_scaler(data.scale_targets, targets.astype(np.float64))
        targets = target_scaler(targets.astype(np.float64))
        held_out_targets = scale_held_out(target_scaler, held_out_targets.astype(np.float64), f"{where}: targets")
    return Dataset(
        name=Path(data.source).name,
        task=encoded.task,
        inputs=scaler(inputs),
        targets=targets,
        validation_inputs=scale_held_out(scaler, held_out_inputs, f"{where}: inputs"),
        validation_targets=held_out_targets,
        feature_names=table.feature_names,
        class_names=encoded.class_names,
        description=table.description,
    )
