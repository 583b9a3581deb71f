"""The whole config of a run or a sweep."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from gradvitals.experiments.config.base import Model, fault
from gradvitals.experiments.config.check import CheckConfig
from gradvitals.experiments.config.data import SEQUENCES, DataConfig
from gradvitals.experiments.config.diagnostics import DiagnosticsConfig
from gradvitals.experiments.config.keys import OPEN_TABLES, is_key, known_keys, wrong_key
from gradvitals.experiments.config.model import ModelConfig
from gradvitals.experiments.config.sweep import Axis
from gradvitals.experiments.config.training import TrainingConfig
from gradvitals.experiments.show import show

MOST_SEED = 2**32 - 1
"""The largest seed."""


def _folder_name(name: str) -> str:
    """Refuse a name that could not be a folder's."""
    allowed = all(letter.isascii() and (letter.isalnum() or letter in "._-") for letter in name)
    if not allowed or not name[:1].isalnum():
        text = f"{name!r} is the name of a folder: letters, digits, '.', '_' and '-', beginning with a letter or digit"
        raise fault(text)
    return name


def _sweepable(key: str) -> str:
    """Refuse to sweep over a key that does not exist or that all runs share."""
    if key in {"name", "sweep"}:
        text = "all runs of a sweep share it — remove it from [sweep]"
        raise fault(text)
    if not is_key(key, Config):
        raise fault(wrong_key(key, Config))
    return key


def dotted_keys(sweep: Any) -> Any:  # noqa: ANN401 - whatever the file holds; validated afterwards
    """Return a sweep's table with dotted keys, also where its author left out the quotes.

    Without quotes, TOML takes ``training.epochs = [1, 2]`` for a table in a table.
    """
    if not isinstance(sweep, dict):
        return sweep
    flat: dict[str, Any] = {}
    sections = {*(key.rpartition(".")[0] for key in known_keys(Config)), *OPEN_TABLES}
    for key, value in sweep.items():
        if isinstance(value, dict) and key in sections and not {"log", "linear", "n"} & value.keys():
            flat |= dotted_keys({f"{key}.{inner}": axis for inner, axis in value.items()})
        else:
            flat[key] = value
    return flat


SweepKey = Annotated[str, AfterValidator(_sweepable)]


class Config(Model):
    """A run, or with [sweep] a grid of runs.

    Attributes:
        name: Names the folder of the runs; by default the name of the config's file.
        seed: Seeds the data's split, the initial weights and the order of examples.
        data: Where the examples come from.
        model: The network.
        training: How it is trained.
        diagnostics: How it is observed and judged.
        check: What makes a check fail.
        sweep: The values that keys take, by dotted key.
    """

    name: Annotated[str, Field(min_length=1, max_length=80), AfterValidator(_folder_name)] = "run"
    seed: Annotated[int, Field(strict=True, ge=0, le=MOST_SEED)] = 0
    data: DataConfig
    model: ModelConfig = Field(default_factory=ModelConfig)
    training: TrainingConfig = Field(default_factory=TrainingConfig)
    diagnostics: DiagnosticsConfig = Field(default_factory=DiagnosticsConfig)
    check: CheckConfig = Field(default_factory=CheckConfig)
    sweep: Annotated[dict[SweepKey, Axis], BeforeValidator(dotted_keys)] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _frozen_layers_exist(self) -> "Config":
        """Refuse a layer that is none, and a network of which nothing is left to train."""
        layers = [*(f"hidden_{n}" for n in range(1, len(self.model.hidden) + 1)), "output"]
        frozen = self.training.frozen
        unknown = next((name for name in frozen if name not in layers), None)
        if unknown is not None:
            listed = ", ".join(layers if len(layers) < 5 else [*layers[:2], "…", *layers[-2:]])
            text = f"{show(unknown)} is no layer; the layers are {listed}"
            raise fault(text, "training.frozen")
        if set(frozen) == set(layers):
            text = "no layer is left to train — leave one out"
            raise fault(text, "training.frozen")
        return self

    @model_validator(mode="after")
    def _sequences_have_a_length(self) -> "Config":
        """Ask for a sequence's length where there is one, and nowhere else."""
        is_task = self.data.source in SEQUENCES
        if is_task and self.model.sequence_length is None:
            text = f"missing; {self.data.source} needs the number of its time steps"
            raise fault(text, "model.sequence_length")
        if self.model.sequence_length is not None and self.model.kind == "mlp" and not is_task:
            text = f'only a recurrent network or a sequence task ({", ".join(SEQUENCES)}) has it — set kind = "rnn"'
            raise fault(text, "model.sequence_length")
        return self
