"""Malformed configs: one clear sentence each, that names the file, the key and the right thing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gradvitals.experiments.config.load import load_config
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.plan import expand

DATA = '[data]\nsource = "digits"\n'

MALFORMED = {
    "a number in quotes": (
        DATA + '[training]\nepochs = "20"',
        "training.epochs: '20' is not a whole number — remove the quotes",
    ),
    "true for a number": (DATA + "[training]\nepochs = true", "training.epochs: true is not a whole number"),
    "true for a float": (
        DATA + '[training]\noptimizer = {kind = "adam", learning_rate = true}',
        "training.optimizer.learning_rate: true is not a number",
    ),
    "a fraction of epochs": (DATA + "[training]\nepochs = 2.5", "training.epochs: 2.5 is not a whole number"),
    "no epochs": (DATA + "[training]\nepochs = 0", "training.epochs: 0 must be at least 1"),
    "negative batch size": (DATA + "[training]\nbatch_size = -64", "training.batch_size: -64 must be at least 1"),
    "negative units": (DATA + "[model]\nhidden = [64, -32]", "model.hidden[1]: -32 must be at least 1"),
    "a number for a list": (DATA + "[model]\nhidden = 64", "model.hidden: 64 is not a list"),
    "a layer too large for any memory": (
        DATA + "[model]\nhidden = [1000000000]",
        "model.hidden[0]: 1000000000 must be at most 65,536",
    ),
    "layers too large together": (
        DATA + "[model]\nhidden = [60000, 60000]",
        "model.hidden: 3,600,000,000 weights between hidden units",
    ),
    "an integer of a thousand digits": (
        DATA + f"[training]\nepochs = 0x{'f' * 5000}",
        "training.epochs: an integer of more than 64 bits, which TOML does not have",
    ),
    "an integer of a thousand digits for a kind": (
        DATA + f"[model]\ninit = [{{kind = 0x{'f' * 5000}}}]",
        "model.init[0].kind: an integer of more than 64 bits",
    ),
    "learning rate at the top": (
        "learning_rate = 0.1\n" + DATA,
        "learning_rate: no such key — did you mean 'training.optimizer.learning_rate'?",
    ),
    "another library's short name": (
        DATA + '[training]\noptimizer = {kind = "sgd", lr = 0.1}',
        "training.optimizer.lr: no such key — did you mean 'training.optimizer.learning_rate'?",
    ),
    "a misspelt section": (DATA + "[modle]\nhidden = [3]", "modle: no such key — did you mean 'model'?"),
    "a misspelt key": (DATA + "[model]\nactivaton = 'relu'", "did you mean 'model.activation'?"),
    "a section's key in another section": (
        DATA + "batch_size = 3",
        "data.batch_size: no such key — did you mean 'training.batch_size'?",
    ),
    "a key like no other": (DATA + "[check]\nzyxw = 1", "check.zyxw: no such key; [check] has fail_on, max_dead"),
    "a key of another optimizer": (
        DATA + '[training]\noptimizer = {kind = "adam", momentum = 0.9}',
        "training.optimizer.momentum: adam has no 'momentum'; sgd and rmsprop have it",
    ),
    "a misspelt optimizer": (
        DATA + '[training]\noptimizer = {kind = "sdg", learning_rate = 0.1}',
        "adagrad, adadelta, rmsprop, adam, adamw, adamax, nadam — did you mean 'sgd'?",
    ),
    "sgd without a learning rate": (
        DATA + '[training]\noptimizer = {kind = "sgd"}',
        "training.optimizer.learning_rate: missing, and it has no default",
    ),
    "negative learning rate": (
        DATA + '[training]\noptimizer = {kind = "adam", learning_rate = -0.1}',
        "training.optimizer.learning_rate: -0.1 must be greater than 0",
    ),
    "infinite learning rate": (
        DATA + '[training]\noptimizer = {kind = "adam", learning_rate = inf}',
        "training.optimizer.learning_rate: inf is not a finite number",
    ),
    "nan for a limit": (DATA + "[check]\nmax_loss_ratio = nan", "check.max_loss_ratio: nan is not a finite number"),
    "momentum of one": (
        DATA + '[training]\noptimizer = {kind = "sgd", learning_rate = 0.1, momentum = 1.0}',
        "training.optimizer.momentum: 1.0 must be less than 1",
    ),
    "nesterov without momentum": (
        DATA + '[training]\noptimizer = {kind = "sgd", learning_rate = 0.1, nesterov = true}',
        "training.optimizer.nesterov: true needs a momentum above 0",
    ),
    "xavier": (DATA + '[model]\ninit = "xavier_uniform"', "— did you mean 'glorot_uniform'?"),
    "kaiming in a list": (
        DATA + '[model]\nhidden = [3]\ninit = ["kaiming_normal", "zeros"]',
        "model.init[0]: 'kaiming_normal' is not one of",
    ),
    "normal without its deviation": (
        DATA + '[model]\ninit = "normal"',
        "model.init.std: missing, and it has no default",
    ),
    "an initialisation without a kind": (DATA + "[model]\ninit = {std = 0.1}", "model.init.kind: missing"),
    "an initialisation that is a number": (DATA + "[model]\ninit = 0.1", "model.init: 0.1 is not a table or a name"),
    "random biases": (DATA + '[model]\nbias_init = "he_normal"', "model.bias_init: 'he_normal' is not one of zeros"),
    "too few initialisations": (
        DATA + '[model]\nhidden = [3]\ninit = ["zeros"]',
        "model.init: a list of 1 for 2 layers (1 hidden and the output)",
    ),
    "too few activations": (
        DATA + '[model]\nhidden = [3, 3]\nactivation = ["relu"]',
        "model.activation: a list of 1 for 2 hidden layers",
    ),
    "an unknown activation": (
        DATA + '[model]\nactivation = "LeakyReLU6"',
        "leaky_relu, prelu, elu, maxout — did you mean 'leaky_relu'?",
    ),
    "another family of networks": (DATA + '[model]\nkind = "cnn"', "model.kind: 'cnn' is not one of mlp, rnn"),
    "a loss by another name": (DATA + '[training]\nloss = "CrossEntropyLoss"', "did you mean 'cross_entropy'?"),
    "half precision": (DATA + '[training]\ndtype = "float16"', "training.dtype: 'float16' is not one of float32"),
    "a negative clip": (DATA + "[training]\nclip_norm = -1", "training.clip_norm: -1 must be greater than 0"),
    "patience as a number": (
        DATA + "[training]\nearly_stopping = 5",
        "training.early_stopping: 5 is not a table",
    ),
    "no data": ("[model]\nhidden = [3]", "data: missing"),
    "data without a source": ("[data]\nvalidation = 0.2", "data.source: missing"),
    "everything held out": (DATA + "validation = 1.0", "data.validation: 1.0 must be less than 1"),
    "an unknown scale": (
        DATA + 'scale = "z-score"',
        "data.scale: 'z-score' is not one of none, standard, center, minmax",
    ),
    "a factor in quotes": (DATA + 'scale = "1000"', "data.scale: '1000' is not one of"),
    "a scale of a column that is unknown": (
        DATA + 'columns = {age = "max"}',
        "data.columns.age: 'max' is not one of none, standard, center, minmax — did you mean 'minmax'?",
    ),
    "a factor of a column in quotes": (
        DATA + 'columns = {3 = "1000"}',
        "data.columns.3: '1000' is not one of none, standard, center, minmax — remove the quotes",
    ),
    "a negative factor of a column": (DATA + "columns = {3 = -1}", "data.columns.3: -1 must be greater than 0"),
    "true for a column": (DATA + "columns = {age = true}", "data.columns.age: true is not a number"),
    "a factor of a column with a dot in its name": (
        DATA + 'columns = {"a.b" = 1e7}',
        'data.columns."a.b": 10000000.0 must be at most 1e+06',
    ),
    "columns without scales": (
        DATA + 'columns = ["age"]',
        "data.columns: ['age'] is not a table of scales by column, such as {age = ",
    ),
    "an empty table for a scale": (DATA + "columns = {age = {}}", "data.columns.age: {} is not a number"),
    "centering by a key of its own": (
        DATA + "center = true",
        "data.center: no such key — did you mean 'data.scale'?",
    ),
    "centering by another name": (DATA + 'scale = "mean"', "center, minmax — did you mean 'center'?"),
    "a swept scale of a column that is unknown": (
        DATA + '[sweep]\n"data.columns.age" = ["minmax", "max"]',
        "sweep.\"data.columns.age\": 'max' is not one of none, standard, center, minmax",
    ),
    "noise on real data": (DATA + "noise = 0.1", "data.noise: only toy data has it"),
    "a column of no table": (DATA + 'target = "y"', "data.target: only a .csv source has named columns"),
    "three toy points": ('[data]\nsource = "moons"\nn = 3', "data.n: 3 must be at least 10"),
    "a silent diagnosis without a reason": (
        DATA + "[diagnostics.dead_units]\nenabled = false",
        "diagnostics.dead_units.why: missing",
    ),
    "a misspelt diagnosis": (
        DATA + "[diagnostics.dead_unit]\nwarn = 0.5",
        "diagnostics.dead_unit: no such key — did you mean 'diagnostics.dead_units'?",
    ),
    "a rhythm of nothing": (DATA + "[diagnostics]\nevery = 0", "diagnostics.every: 0 must be at least 1"),
    "a rhythm in words": (DATA + '[diagnostics]\nevery = "often"', "diagnostics.every: 'often' is not 'auto'"),
    "a share above one": (DATA + "[check]\nmax_dead = 50", "check.max_dead: 50 must be at most 1"),
    "a severity in the plural": (DATA + '[check]\nfail_on = "errors"', "did you mean 'error'?"),
    "no diagnosis to fail on": (DATA + "[check]\nfail_on = []", "check.fail_on: must not be empty"),
    "a name with a slash": ('name = "../x"\n' + DATA, "name: '../x' is the name of a folder"),
    "a negative seed": ("seed = -1\n" + DATA, "seed: -1 must be at least 0"),
    "a sweep over nothing": (DATA + '[sweep]\n"seed" = []', "sweep.seed: must not be empty"),
    "a sweep over an unknown key": (
        DATA + "[sweep]\nlearning_rate = [1]",
        "sweep.learning_rate: no such key — did you mean 'training.optimizer.learning_rate'?",
    ),
    "a sweep over the name": (DATA + '[sweep]\nname = ["a", "b"]', "sweep.name: all runs of a sweep share it"),
    "an axis that is a value": (DATA + "[sweep]\nseed = 3", "sweep.seed: 3 is not an axis; an axis is a list"),
    "an axis with an odd key": (
        DATA + '[sweep]\n"training.epochs" = {log = [1, 10], steps = 3}',
        'sweep."training.epochs": no axis has these keys: log, steps; an axis is a list, {log',
    ),
    "an axis without its count": (
        DATA + '[sweep]\n"training.epochs" = {log = [1, 10]}',
        'sweep."training.epochs".n: missing',
    ),
    "a logarithmic axis from zero": (
        DATA + '[sweep]\n"training.epochs" = {log = [0, 10], n = 3}',
        'sweep."training.epochs".log: a logarithmic scale needs ends above 0',
    ),
    "an axis with one end": (
        DATA + '[sweep]\n"training.epochs" = {linear = [5], n = 3}',
        'sweep."training.epochs".linear: needs two different ends',
    ),
    "a swept value out of bounds": (
        DATA + '[sweep]\n"training.optimizer.learning_rate" = [0.1, -1]',
        'sweep."training.optimizer.learning_rate": -1 must be greater than 0',
    ),
    "a swept value that is unknown": (
        DATA + '[sweep]\n"model.init" = ["he_normal", "xavier_uniform"]',
        "sweep.\"model.init\": 'xavier_uniform' is not one of",
    ),
    "layers instead of lists of layers": (
        DATA + '[sweep]\n"model.hidden" = [64, 32]',
        'sweep."model.hidden" (the outer list is the axis, so a list of lists): 64 is not a list',
    ),
    "a swept key of another kind": (
        DATA + '[sweep]\n"model.init.std" = [0.1]',
        "sweep.\"model.init.std\": he_normal has no 'std'; normal has it",
    ),
    "the same run twice": (DATA + "[sweep]\nseed = [1, 1]", "sweep: seed = 1 is there twice"),
    "the same run twice in other words": (
        DATA + '[sweep]\n"model.init" = ["zeros", {kind = "zeros"}]',
        "sweep: model.init = 'zeros' is there twice, also as model.init = {kind = 'zeros'}",
    ),
    "a grid of millions": (
        DATA + '[sweep]\n"training.epochs" = {linear = [1, 2000], n = 2000}\n"seed" = {linear = [1, 2000], n = 2000}',
        "sweep: 2000 × 2000 = 4,000,000 runs; at most 10,000 are supported",
    ),
    "no equals sign": ("[data]\nsource", "not valid TOML: Expected '=' after a key in a key/value pair (at"),
    "a key twice": ("seed = 1\nseed = 2\n" + DATA, "not valid TOML: Cannot overwrite a value"),
    "lists without end": ("seed = " + "[" * 5000 + "]" * 5000, "not valid TOML"),
    "a date for a number": (DATA + "[training]\nepochs = 2024-01-01", "training.epochs: 2024-01-01 is not a whole"),
}


def is_one_sentence(sentence: str) -> bool:
    """Tell whether a person can read it: one line, no traces of the libraries below."""
    foreign = ("Traceback", "pydantic", "Error(", "<class", "ctx", "validation error", "JsonValue")
    return "\n" not in sentence and len(sentence) < 420 and not any(word in sentence for word in foreign)


@pytest.mark.parametrize(("text", "wanted"), MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_config_is_one_sentence(text: str, wanted: str, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(UserError) as caught:
        expand(load_config(path).config, origin=str(path))

    assert len(caught.value.sentences) == 1
    sentence = str(caught.value)
    assert sentence.startswith(f"{path}: ")
    assert wanted in sentence
    assert is_one_sentence(sentence)
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.toml"]


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize("text", [text for text, _ in MALFORMED.values()], ids=MALFORMED.keys())
def test_a_malformed_config_ends_every_command_with_2(
    text: str, command: str, gradvitals: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "x.toml").write_text(text, encoding="utf-8")
    said = gradvitals(command, "x.toml")
    assert (said.code, said.out, len(said.sentences)) == (2, "", 1)
    assert said.err.startswith("gradvitals: x.toml: ")
    assert is_one_sentence(said.err.strip())
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.toml"]


def test_several_faults_of_a_file_are_told_together(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(
        DATA + '[model]\ninit = "xavier_uniform"\n[training]\nepochs = 0\nbatch_size = "8"', encoding="utf-8"
    )

    with pytest.raises(UserError) as caught:
        load_config(path)

    keys = [sentence.split(": ")[1] for sentence in caught.value.sentences]
    assert sorted(keys) == ["model.init", "training.batch_size", "training.epochs"]


def test_bytes_that_are_no_text_are_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(b"seed = 1 # \xff\xfe")
    with pytest.raises(UserError, match=r"x\.toml: not UTF-8 text \(byte 11\)"):
        load_config(path)


def test_a_folder_is_no_config(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a folder; a config is a TOML file or one of dying_relu"):
        load_config(tmp_path)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("dying_rleu", "did you mean 'dying_relu'?"),
        ("elsewhere/saturated_sigmoid.toml", "did you mean 'saturated_sigmoid'?"),
        ("a\0b", "no such file"),
        ("x" * 5000, "no such file"),
    ],
    ids=["misspelt", "in a folder that is not there", "impossible", "too long"],
)
def test_a_config_that_is_not_there_is_one_sentence(name: str, wanted: str) -> None:
    with pytest.raises(UserError) as caught:
        load_config(name)
    assert wanted in str(caught.value)


@pytest.mark.parametrize(
    ("override", "wanted"),
    [
        ("training.epochs", "--set training.epochs: not of the form key=value, such as training.epochs=5"),
        ("training.epochs=", "--set training.epochs=: not of the form key=value"),
        ("=3", "--set =3: not of the form key=value"),
        ("training..epochs=3", "not of the form key=value"),
        ("model.hidden=[64, 32", "--set model.hidden=[64, 32: the value is not valid TOML"),
        ("training.epochs=many", "--set: training.epochs: 'many' is not a whole number"),
        ("training.epoch=3", "--set: training.epoch: no such key — did you mean 'training.epochs'?"),
        ("model=3", "--set: model: 3 is not a table"),
        ("sweep.seed=3", "--set: sweep.seed: 3 is not an axis"),
        ("training.optimizer.std=3", "--set: training.optimizer.std: no such key"),
    ],
)
def test_a_malformed_override_is_one_sentence(override: str, wanted: str) -> None:
    with pytest.raises(UserError) as caught:
        load_config("dying_relu", [override])
    assert wanted in str(caught.value)
    assert is_one_sentence(str(caught.value))
