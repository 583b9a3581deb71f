"""The text of a first config, with comments on what to change."""

from pathlib import Path
from string import Template

import tomlkit

from gradvitals.experiments.config.data import Task
from gradvitals.experiments.data.csv_table import read_csv, target_name
from gradvitals.experiments.data.tasks import infer_task
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.fit import LOSS_OF_TASK
from gradvitals.experiments.paths import is_file

_STARTER = Template("""\
# $about
# Run it with `gradvitals run`; every key that is left out has a default.
name = $name
seed = 0

[data]
source = $source  # digits iris wine breast_cancer diabetes, moons circles spiral xor blobs, or a .csv .npz .npy
$task
validation = 0.2    # share held out
scale = "standard"  # with statistics of the training set; or "center", "minmax", "none", a factor
# columns = {$column = "none"}  # columns that are scaled in their own way, by name or by index from 0
$extra
[model]
hidden = [64, 32]    # units of each hidden layer
activation = "relu"  # sigmoid tanh relu leaky_relu prelu elu gelu maxout linear
init = "he_normal"   # suits relu; "glorot_uniform" suits sigmoid and tanh; or {kind = "normal", std = 0.01}

[training]
# loss = $loss  # the task's own
optimizer = {kind = "adam", learning_rate = 0.001}  # or {kind = "sgd", learning_rate = 0.1, momentum = 0.9}
batch_size = 64
epochs = 20

[check]  # what `gradvitals check` fails on, in CI
fail_on = "error"
# max_dead = 0.5       # share of dead ReLU units in the worst layer
# min_accuracy = 0.9   # on the validation set

# [sweep]  # `gradvitals sweep` runs every combination; the outer list is the axis
# "training.optimizer.learning_rate" = {log = [1e-4, 1e-1], n = 4}
# "model.init" = ["he_normal", "glorot_uniform"]
""")


def starter_config(csv: Path | None = None) -> str:
    """Return a commented config to start from.

    Args:
        csv: The user's data, which is read to note the target and the task; the digits without it. The path is
            written as it is given.

    Raises:
        UserError: If the file does not exist or cannot be read.
    """
    if csv is None:
        about = "A first config, on a data set that needs no download."
        return _fill(about, "digits", "digits", "classification", column="pixel_3_4")
    if not is_file(csv):
        sentence = f"{csv}: no such file"
        raise UserError(sentence)
    if csv.suffix.lower() != ".csv":
        sentence = f"{csv}: not a .csv file; name the columns in its first line"
        raise UserError(sentence)
    table = read_csv(csv)
    task = infer_task(table.labels)
    target = target_name(csv)
    about = f"A first config for {csv.name}: {len(table.inputs)} rows, {len(table.feature_names)} inputs."
    name = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in csv.stem).strip("_") or "run"
    first = table.feature_names[0]
    column = first if target is not None and table.feature_names.count(first) == 1 else "0"
    return _fill(about, name, csv.as_posix(), task, target=target, column=column)


def _fill(about: str, name: str, source: str, task: Task | None, *, column: str, target: str | None = None) -> str:
    """Return the text with the values set in."""
    known: Task = task or "regression"
    note = "as the labels say" if task else 'a guess: whole numbers could be classes too, "classification"'
    lines = [] if target is None else [f"target = {_quoted(target)}  # the column to predict"]
    return _STARTER.substitute(
        about=about,
        name=_quoted(name),
        source=_quoted(source),
        column=tomlkit.key(column).as_string(),
        task="\n".join([*lines, f"task = {_quoted(known)}  # {note}"]),
        extra='scale_targets = "standard"  # a regression learns sooner so\n' if known == "regression" else "",
        loss=_quoted(LOSS_OF_TASK[known]),
    )


def _quoted(text: str) -> str:
    return tomlkit.string(text).as_string()
