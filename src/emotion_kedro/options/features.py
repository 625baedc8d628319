"""How a text becomes numbers that no training changes."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from emotion_kedro.options.base import Options, Positive


class FeatureOptions(Options):
    """Frozen features: an encoder's mean vector, or counts of the characters' n-grams."""

    kind: Literal["encoder", "characters"] = "encoder"
    base: str = "package:minilm"
    """``encoder``: ``package:minilm``, a model name on a hub, or a directory."""
    max_tokens: Positive = 64
    """``encoder``: tokens of a text, at most, with the special ones."""
    width: Positive = 4096
    """``characters``: numbers that stand for a text."""
    ngrams: tuple[Positive, Positive] = (1, 3)
    """``characters``: shortest and longest n-grams."""

    @model_validator(mode="after")
    def _shortest_first(self) -> FeatureOptions:
        if self.ngrams[0] > self.ngrams[1]:
            raise ValueError(f"ngrams goes from {self.ngrams[0]} to {self.ngrams[1]}; give the shortest first")
        return self

    def models(self) -> tuple[str, ...]:
        """Return the pretrained models that have to be at hand."""
        return (self.base,) if self.kind == "encoder" else ()
