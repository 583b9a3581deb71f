"""The repaired config: the user's own text with the cure in it, whole or not at all."""

from pathlib import Path
from typing import Any

import pytest

from gradvitals.experiments.config.dump import training_hash
from gradvitals.experiments.config.load import load_config
from gradvitals.experiments.errors import UserError
from gradvitals.experiments.intervention.arms import make_arm
from gradvitals.experiments.intervention.rewrite import refuse_existing, write_repaired
from gradvitals.experiments.plan import PlannedRun, expand
from gradvitals.experiments.runner import Place, load_dataset

TEXT = """\
# What this is for.
name = "mine"

[data]
source = "iris"  # flowers

[model]
hidden = [8]            # small
bias_init = {kind = "constant", value = -50.0}  # on purpose?

[training]
optimizer = {kind = "sgd", learning_rate = 0.1}
batch_size = 16  # kept
"""


def repaired(text: str, changes: dict[str, Any], folder: Path, *overrides: str) -> str:
    """Write a config with some changes; it must be what the changes make of the loaded one."""
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    loaded = load_config(path, overrides)
    dataset = load_dataset(PlannedRun(loaded.config, {}, "test"), Place(Path(), "test", folder, {}))
    arm = make_arm(loaded.config, changes, dataset)
    assert arm is not None
    out = folder / "out.toml"
    write_repaired(out, loaded, arm, overrides, "changed")
    assert training_hash(load_config(out).config) == training_hash(arm.config)
    return out.read_text(encoding="utf-8")


def test_one_value_is_replaced_and_all_else_stays(tmp_path: Path) -> None:
    lines = repaired(TEXT, {"model.bias_init": "zeros"}, tmp_path).splitlines()
    before = ["# gradvitals repair: changed", *TEXT.splitlines()]
    different = [pair for pair in zip(before, lines, strict=True) if pair[0] != pair[1]]
    assert len(different) == 1
    assert different[0][1].startswith('bias_init = "zeros"')
    assert different[0][1].endswith('# was {kind = "constant", value = -50.0}; on purpose?')


@pytest.mark.parametrize(
    "changes",
    [
        {"training.optimizer.learning_rate": 0.01},
        {"training.optimizer": {"kind": "adam", "learning_rate": 0.001}},
        {"training.clip_norm": 1.0},
        {"data.scale": "minmax"},
        {"model.init": "glorot_uniform", "model.bias_init": "zeros", "training.epochs": 3},
    ],
    ids="+".join,
)
def test_any_change_can_be_written(changes: dict[str, Any], tmp_path: Path) -> None:
    text = repaired(TEXT, changes, tmp_path)
    assert "# What this is for." in text
    assert "# kept" in text


def test_a_table_that_is_missing_is_made(tmp_path: Path) -> None:
    assert "clip_norm = 1.0" in repaired('[data]\nsource = "iris"\n', {"training.clip_norm": 1.0}, tmp_path)


def test_a_key_is_removed(tmp_path: Path) -> None:
    text = TEXT.replace("hidden = [8]", 'output = "softmax"\nhidden = [8]') + "from_logits = true\n"
    changes = {"model.output": "auto", "training.from_logits": None}
    assert "from_logits" not in repaired(text, changes, tmp_path)


def test_what_the_command_line_had_set_stays_set(tmp_path: Path) -> None:
    text = repaired(TEXT, {"model.bias_init": "zeros"}, tmp_path, "training.epochs=7", "seed=3")
    assert "epochs = 7" in text
    assert load_config(tmp_path / "out.toml").config.seed == 3


def test_data_beside_the_config_are_found_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b,label\n" + "1,2,0\n2,1,1\n" * 20, encoding="utf-8")
    path = tmp_path / "mine.toml"
    path.write_text('[data]\nsource = "rows.csv"\n', encoding="utf-8")
    loaded = load_config(path)
    dataset = load_dataset(PlannedRun(loaded.config, {}, "test"), Place(Path(), "test", tmp_path, {}))
    arm = make_arm(loaded.config, {"training.clip_norm": 1.0}, dataset)
    assert arm is not None
    (tmp_path / "below").mkdir()
    out = tmp_path / "below" / "out.toml"
    write_repaired(out, loaded, arm, (), "changed")
    again = load_config(out)
    assert again.config.data.source == "../rows.csv"
    planned = PlannedRun(again.config, {}, "test")
    assert len(load_dataset(planned, Place(Path(), "test", again.base_dir, {})).inputs) == len(dataset.inputs)


def test_nothing_is_overwritten_unless_asked(tmp_path: Path) -> None:
    path = tmp_path / "out.toml"
    refuse_existing(path, force=False)
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match="exists — name another file with --output, or replace it with --force"):
        refuse_existing(path, force=False)
    refuse_existing(path, force=True)
    with pytest.raises(UserError, match="a folder"):
        refuse_existing(tmp_path, force=True)
    with pytest.raises(UserError, match="no such folder"):
        refuse_existing(tmp_path / "none" / "out.toml", force=False)


def test_a_sweep_of_one_run_becomes_that_run(tmp_path: Path) -> None:
    """Its axes would otherwise be set over the cure again."""
    path = tmp_path / "mine.toml"
    axes = '[sweep]\nseed = [7]\n"training.optimizer.learning_rate" = [0.5]\n"model.bias_init" = ["zeros"]\n'
    path.write_text(TEXT + axes, encoding="utf-8")
    loaded = load_config(path)
    (planned,) = expand(loaded.config)
    dataset = load_dataset(planned, Place(Path(), "test", tmp_path, {}))
    arm = make_arm(planned.config, {"training.optimizer.learning_rate": 0.01}, dataset)
    assert arm is not None
    out = tmp_path / "out.toml"
    write_repaired(out, loaded, arm, (), "changed")
    again = load_config(out).config
    assert training_hash(again) == training_hash(arm.config)
    assert (again.seed, dict(again.sweep)) == (7, {})
    assert "# kept" in out.read_text(encoding="utf-8")


def test_data_beside_where_the_command_was_typed_are_found_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of a run's folder, whose config names them as the first config did."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("a,b,label\n" + "1,2,0\n2,1,1\n" * 20, encoding="utf-8")
    for name in ("run", "below"):
        (tmp_path / name).mkdir()
    path = tmp_path / "run" / "config.toml"
    path.write_text('[data]\nsource = "rows.csv"\n', encoding="utf-8")
    loaded = load_config(path)
    dataset = load_dataset(PlannedRun(loaded.config, {}, "test"), Place(Path(), "test", path.parent, {}))
    arm = make_arm(loaded.config, {"training.clip_norm": 1.0}, dataset)
    assert arm is not None
    write_repaired(tmp_path / "below" / "out.toml", loaded, arm, (), "changed")
    assert load_config(tmp_path / "below" / "out.toml").config.data.source == "../rows.csv"


def test_a_data_set_of_ours_is_no_path_though_a_folder_has_its_name(tmp_path: Path) -> None:
    for name in ("iris", "below"):
        (tmp_path / name).mkdir()
    path = tmp_path / "mine.toml"
    path.write_text(TEXT, encoding="utf-8")
    loaded = load_config(path)
    dataset = load_dataset(PlannedRun(loaded.config, {}, "test"), Place(Path(), "test", tmp_path, {}))
    arm = make_arm(loaded.config, {"model.bias_init": "zeros"}, dataset)
    assert arm is not None
    write_repaired(tmp_path / "below" / "out.toml", loaded, arm, (), "changed")
    assert load_config(tmp_path / "below" / "out.toml").config.data.source == "iris"
