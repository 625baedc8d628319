"""One generator for all labels: a causal language model tuned on texts that are headed by their label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotion_kedro.augmentation.generators.answers import answers_to, collapsed
from emotion_kedro.augmentation.generators.tuning import (
    ALL_LABELS,
    BASE,
    Tuner,
    copy_base_for,
    merged,
    open_generator,
    prepare_base,
    read_notes,
)
from emotion_kedro.config.augmentation import ConditionalConfig
from emotion_kedro.models.decoding import Request
from emotion_kedro.models.device import Device
from emotion_kedro.models.language_models import LanguageModel
from emotion_kedro.storage.cache import copy_kept
from emotion_kedro.storage.identity import fingerprint

if TYPE_CHECKING:
    import pandas as pd

    from emotion_kedro.augmentation.generators import GenerationContext
    from emotion_kedro.config.taxonomy import TaxonomyConfig

MODEL = "model"


class Conditional(Tuner):
    """Tunes one model on the rows of all labels."""

    def rows_of(self, part: str, rows: pd.DataFrame, taxonomy: TaxonomyConfig) -> pd.DataFrame:
        """Return all rows, each with the word that stands for its label."""
        return rows.assign(label=rows["label"].map(taxonomy.spoken))

    def encode(self, model: LanguageModel, rows: pd.DataFrame) -> list[list[int]]:
        """Return the token ids of each text behind its heading; it begins with a space, as in running text."""
        longest = self.config.max_tokens
        encoded = model.encode([f" {text}" for text in rows["text"]], max_tokens=longest)
        headed = zip(rows["label"], encoded, strict=True)
        return [[*heading(model, word), *ids[1:]][:longest] for word, ids in headed]

    def fit(self, context: GenerationContext) -> ConditionalModel:
        """Return the tuned generator; it is not kept."""
        model, _ = self.tune(ALL_LABELS, prepare_base(self.config, context), context)
        return ConditionalModel(self.config, context.device, merged(model), _words_of(context))

    def train(self, context: GenerationContext) -> tuple[ConditionalModel, list[dict[str, Any]]]:
        """Tune the generator, keep it in the cache, and return it with the logs of its base and of itself."""
        base = prepare_base(self.config, context)
        directory = self.kept(ALL_LABELS, base, context)
        return self._open(directory, base.directory, context), [*base.log, read_notes(directory)["log"]]

    def load(self, directory: Path, context: GenerationContext) -> ConditionalModel:
        """Open what :meth:`ConditionalModel.save` wrote."""
        return self._open(directory / MODEL, directory / BASE, context)

    def _open(self, directory: Path, base: Path, context: GenerationContext) -> ConditionalModel:
        model = open_generator(directory, base, context.device)
        return ConditionalModel(self.config, context.device, model, _words_of(context), directory, base)


def _words_of(context: GenerationContext) -> dict[str, str | None]:
    present, taxonomy = set(context.rows["label"]), context.taxonomy
    return {label: taxonomy.spoken(label) if label in present else None for label in taxonomy.names}


def heading(model: LanguageModel, word: str) -> list[int]:
    """Return the tokens that stand before a text, of the word for its label."""
    return [model.boundary, *model.tokenizer(f"{word}:", add_special_tokens=False)["input_ids"]]


@dataclass(frozen=True)
class ConditionalModel:
    """A tuned generator of all labels."""

    config: ConditionalConfig
    device: Device
    language_model: LanguageModel
    words: Mapping[str, str | None]
    """Label of the taxonomy, in their order -> the word that stands for it; None: it has no train texts."""
    directory: Path | None = None
    base: Path | None = None

    @property
    def identity(self) -> str | None:
        """What stands for the kept model in a fingerprint."""
        return None if self.directory is None else fingerprint(self.directory)

    def sample(self, label: str, count: int, seed: int) -> list[str]:
        """Return ``count`` texts of a label; none where the label has no train texts."""
        word = self.words.get(label)
        if word is None:
            return []
        requests = [Request(tuple(heading(self.language_model, word)))] * count
        seeds = (seed, list(self.words).index(label))
        texts = answers_to(self.language_model, requests, self.config.decoding, device=self.device, seed=seeds)
        return [collapsed(text) for text in texts]

    def save(self, directory: Path) -> None:
        """Write the model, and the base where the model is adapters that need it.

        Raises:
            ValueError: if the model was not kept as it was trained.
        """
        if self.directory is None or self.base is None:
            raise ValueError("this generator was not kept as it was tuned; train it to have a model to save")
        copy_kept(self.directory, directory / MODEL)
        copy_base_for(self.directory, self.base, directory)
