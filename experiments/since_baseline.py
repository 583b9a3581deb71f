"""What became of a run's findings since a baseline: new, worse, known, or mended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

State: TypeAlias = Literal["new", "worse", "known"]


@dataclass(frozen=True, slots=True)
class SinceBaseline:
    """A run held against the runs of its config in a baseline.

    Attributes:
        seeds: How many runs of its config the baseline has; 0 where it has none.
        states: What each standing finding is, by its key.
        texts: Why, in words, by key.
        mended: What stood there in most seeds and stands no more, by `id@layer`.
    """

    seeds: int
    states: Mapping[str, State] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    mended: tuple[str, ...] = ()

    @property
    def known(self) -> dict[str, str]:
        """Why findings are known, by their keys."""
        return {key: self.texts[key] for key, state in self.states.items() if state == "known"}

    def to_json(self) -> dict[str, Any]:
        """Give what the contract says of the run as a whole; the states are its findings'."""
        return {"seeds": self.seeds, "mended": list(self.mended)}
