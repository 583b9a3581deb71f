"""A config survives being written, and its hash depends on what it says alone."""

import subprocess
import sys
import tomllib

import pytest
import tomlkit

from gradvitals.experiments.config.dump import as_plain, config_hash, dump
from gradvitals.experiments.config.initialization import Normal, Scheme
from gradvitals.experiments.config.load import bundled_configs, load_config, loads
from gradvitals.experiments.config.root import Config

EVERYTHING = """
name = "everything"
seed = 7
[data]
source = "moons"
n = 50
noise = 0.25
task = "classification"
validation = 0.3
scale = 1000
columns = {x2 = "center", 0 = 10, "odd \\"name\\", with a.dot" = 0.5}
[model]
hidden = [5, 4]
activation = ["tanh", "leaky_relu"]
init = ["he_normal", {kind = "normal", std = 0.01}, {kind = "uniform", limit = 1e-05}]
bias_init = {kind = "constant", value = -1}
output_bias = "prior"
[training]
loss = "cross_entropy"
optimizer = {kind = "sgd", learning_rate = 1, momentum = 0.9, nesterov = true}
batch_size = 10
epochs = 3
dtype = "float64"
clip_norm = 5
clip_value = 0.5
early_stopping = {patience = 3}
[diagnostics]
every = 5
exact = "epoch"
[diagnostics.dead_units]
enabled = false
why = "they are \\"meant\\" to be"
[diagnostics.vanishing_gradient]
warn = 0.001
[check]
fail_on = "dead_units"
max_dead = 1
max_saturated = 0.5
max_update_ratio = 0.1
min_accuracy = 0.9
max_loss_ratio = 0.5
[sweep]
seed = [0, 1]
"training.optimizer.learning_rate" = {log = [1e-3, 1], n = 4}
"training.epochs" = {linear = [1, 3], n = 3}
"model.hidden" = [[], [5, 4]]
"data.columns" = [{}, {x1 = 1000}]
"model.init" = [["zeros", "zeros", {kind = "normal", std = 1}], "orthogonal"]
"""


@pytest.mark.parametrize(
    "text",
    [
        '[data]\nsource = "digits"',
        EVERYTHING,
        '[data]\nsource = "a b.csv"\ntarget = "wei\\"rd\\nname"',
        '[data]\nsource="digits"\n[model]\nhidden=[]\n[check]\nfail_on=["dead_units", "no_learning"]',
    ],
    ids=["minimal", "everything", "odd text", "empty lists"],
)
def test_a_dumped_config_reads_as_the_same(text: str) -> None:
    config = loads(text)
    again = loads(dump(config))
    assert again == config
    assert dump(again) == dump(config)
    assert config_hash(again) == config_hash(config)


@pytest.mark.parametrize("name", bundled_configs())
def test_a_bundled_config_reads_as_the_same_after_a_dump(name: str) -> None:
    config = load_config(name).config
    assert loads(dump(config)) == config


def test_a_dump_is_resolved_and_leaves_out_what_is_unset() -> None:
    plain = tomllib.loads(dump(loads('[data]\nsource = "digits"')))
    assert plain["training"]["optimizer"]["learning_rate"] == 0.001
    assert plain["model"]["hidden"] == [64, 32]
    assert "clip_norm" not in plain["training"]
    assert "sweep" not in plain


def test_the_hash_ignores_order_comments_defaults_and_notation() -> None:
    one = loads('seed = 0\n[data]\nsource = "digits"\n[model]\ninit = "he_normal"\n[training]\nclip_norm = 1')
    other = loads(
        '# x\n[training]\nclip_norm = 1.0\nepochs = 20\n[model]\ninit = {kind = "he_normal"}\n[data]\nsource="digits"'
    )
    assert one == other
    assert config_hash(one) == config_hash(other)


@pytest.mark.parametrize(
    "change", ["seed = 1", "[model]\nhidden = [64]", "[training]\nclip_norm = 1", "[check]\nmax_dead=0"]
)
def test_the_hash_changes_with_every_key(change: str) -> None:
    base = '[data]\nsource = "digits"\n'
    changed = loads(f"{change}\n{base}")
    assert config_hash(changed) != config_hash(loads(base))


def test_the_hash_changes_with_the_scale_of_a_column_and_not_with_their_order() -> None:
    texts = ["", "columns = {}", "columns = {a = 2, b = 3}", "columns = {b = 3.0, a = 2}", "columns = {a = 2, b = 4}"]
    configs = [loads(f'[data]\nsource = "digits"\n{text}') for text in texts]
    none, empty, one, turned, other = (config_hash(config) for config in configs)
    assert none == empty
    assert one == turned
    assert len({none, one, other}) == 3
    assert [hash(config.data) == hash(configs[0].data) for config in configs] == [True, True, False, False, False]
    assert hash(configs[2].data) == hash(configs[3].data)


def test_the_hash_is_the_same_in_another_process() -> None:
    code = (
        "from gradvitals.experiments.config.load import load_config\n"
        "from gradvitals.experiments.config.dump import config_hash\n"
        "print(config_hash(load_config('learning_rate_x_initialization').config))"
    )
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "5"}
    )
    assert other.stdout.strip() == config_hash(load_config("learning_rate_x_initialization").config)


def test_the_hash_is_six_hexadecimal_digits_and_longer_on_request() -> None:
    config = loads('[data]\nsource = "digits"')
    assert len(config_hash(config)) == 6
    assert config_hash(config, 12).startswith(config_hash(config))
    assert int(config_hash(config), 16) >= 0


def test_a_config_is_frozen() -> None:
    config = loads('[data]\nsource = "digits"')
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 3


def test_values_for_all_layers_are_given_to_each() -> None:
    model = loads('[data]\nsource = "digits"\n[model]\nhidden = [3, 2]\nactivation = "tanh"').model
    assert [one.kind for one in model.activation_per_layer] == ["tanh", "tanh"]
    assert model.init_per_layer == (Scheme(kind="he_normal"),) * 3


def test_values_per_layer_stay_in_order() -> None:
    model = loads(EVERYTHING).model
    assert [one.kind for one in model.activation_per_layer] == ["tanh", "leaky_relu"]
    assert model.init_per_layer[:2] == (Scheme(kind="he_normal"), Normal(std=0.01))


def test_a_single_affine_layer_has_one_initialisation_and_no_activation() -> None:
    model = loads('[data]\nsource = "digits"\n[model]\nhidden = []').model
    assert model.activation_per_layer == ()
    assert len(model.init_per_layer) == 1


def test_a_whole_number_may_stand_for_a_float_and_becomes_one() -> None:
    clip_norm = loads('[data]\nsource = "digits"\n[training]\nclip_norm = 5').training.clip_norm
    assert isinstance(clip_norm, float)


def test_an_optimizer_without_a_kind_is_the_default_one() -> None:
    config = loads('[data]\nsource = "digits"\n[training.optimizer]\nlearning_rate = 0.01')
    assert config.training.optimizer.kind == "adam"
    assert config.training.optimizer.learning_rate == 0.01


def test_one_diagnosis_to_fail_on_is_a_list_of_one() -> None:
    check = loads('[data]\nsource = "digits"\n[check]\nfail_on = "dead_units"').check
    assert check.fail_on == ("dead_units",)


def test_only_the_tables_given_are_rules() -> None:
    assert set(loads(EVERYTHING).diagnostics.rules) == {"dead_units", "vanishing_gradient"}


def test_the_models_load_no_numpy() -> None:
    code = "import sys, gradvitals.experiments.config.load; print('numpy' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_plain_data_validates_as_the_config_it_came_from() -> None:
    config = loads(EVERYTHING)
    assert Config.model_validate(as_plain(config)) == config


def test_keys_and_words_are_quoted_where_toml_wants_it() -> None:
    config = loads(EVERYTHING)
    assert tomlkit.parse(dump(config)).unwrap() == as_plain(config)
    assert [line for line in dump(config).splitlines() if "odd" in line or "meant" in line] == [
        'columns = {x2 = "center", 0 = 10.0, "odd \\"name\\", with a.dot" = 0.5}',
        'dead_units = {enabled = false, why = "they are \\"meant\\" to be"}',
    ]
