"""What all config models share: strict numbers, no unknown keys, and values given once or per layer."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

MAX_UNITS = 65_536
MAX_LAYERS = 1_000
MAX_PARAMETERS = 100_000_000  # 0.4 GB in float32, and the optimizer keeps up to two more of the size


class Model(BaseModel):
    """A table of the config: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Count = Annotated[int, Field(strict=True, ge=1, le=1_000_000_000)]
Number = Annotated[float, Field(strict=True, ge=-1e30, le=1e30, allow_inf_nan=False)]  # float32 holds it
Positive = Annotated[float, Field(strict=True, gt=0.0, le=1e30, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(strict=True, ge=0.0, le=1e30, allow_inf_nan=False)]
Fraction = Annotated[float, Field(strict=True, ge=0.0, le=1.0, allow_inf_nan=False)]
BelowOne = Annotated[float, Field(strict=True, ge=0.0, lt=1.0, allow_inf_nan=False)]
Flag = Annotated[bool, Field(strict=True)]


def one_or_each(value: object) -> str:
    """Tell a list, one value per layer, from a value for all layers (a union's discriminator)."""
    return "each" if isinstance(value, list | tuple) else "one"


def word_or_number(value: object) -> str:
    """Tell a word such as "auto" from a number (a union's discriminator)."""
    return "word" if isinstance(value, str) else "number"


def fault(text: str, key: str = "") -> PydanticCustomError:
    """Return the error for a model's validator to raise.

    Args:
        text: What is wrong and what would be right, to follow ``file: section.key: ``.
        key: The key at fault, within the model; empty in the validator of a single value.
    """
    return PydanticCustomError("fault", "{text}", {"key": key, "text": text})
