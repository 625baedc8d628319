"""One generator per label: a causal language model tuned on the bare texts of that label, and sampled.

The report trains one GPT-2 per label on texts alone, without a prompt; so does this. What is tuned is a parameter: the
whole model, its top blocks, or low-rank adapters on them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from emotion_kedro.augmentation.generators.answers import answers_to, collapsed
from emotion_kedro.augmentation.generators.tuning import (
    BASE,
    Base,
    Tuner,
    copy_base_for,
    has_dropout,
    merged,
    open_generator,
    prepare_base,
    read_notes,
)
from emotion_kedro.augmentation.generators.vllm_sampler import VLLMSampler
from emotion_kedro.config.augmentation import FineTunedConfig
from emotion_kedro.models.decoding import Request
from emotion_kedro.models.device import OPENING, Device, side_by_side
from emotion_kedro.models.language_models import LanguageModel
from emotion_kedro.runtime.elsewhere import elsewhere
from emotion_kedro.storage.cache import copy_kept
from emotion_kedro.storage.identity import fingerprint

if TYPE_CHECKING:
    import pandas as pd

    from emotion_kedro.augmentation.generators import GenerationContext
    from emotion_kedro.config.taxonomy import TaxonomyConfig

LABELS = "labels"


class FineTuned(Tuner):
    """Tunes a copy of the base for each label."""

    def rows_of(self, part: str, rows: pd.DataFrame, taxonomy: TaxonomyConfig) -> pd.DataFrame:
        """Return the rows of the label."""
        return rows[rows["label"] == part]

    def encode(self, model: LanguageModel, rows: pd.DataFrame) -> list[list[int]]:
        """Return the token ids of the bare texts."""
        return model.encode(rows["text"].tolist(), max_tokens=self.config.max_tokens)

    def fit(self, context: GenerationContext) -> LabelModels:
        """Return generators of which each is tuned when its label is sampled, and none is kept afterwards.

        vLLM opens files: for it all are tuned at once, and kept in the cache.
        """
        base = prepare_base(self.config, context)
        if self.config.draws_together:
            return self._kept_models(
                [label for label in context.taxonomy.names if context.texts_of(label)], base, context
            )

        def tuned(label: str) -> LanguageModel | None:
            return merged(self.tune(label, base, context)[0]) if context.texts_of(label) else None

        return LabelModels(self.config, context.device, tuned)

    def train(self, context: GenerationContext) -> tuple[LabelModels, list[dict[str, Any]]]:
        """Tune the generators of all labels, keep each in the cache, and return them with their logs.

        Raises:
            ValueError: if a label has no train texts.
        """
        base, names = prepare_base(self.config, context), context.taxonomy.names
        for label in names:
            if not context.texts_of(label):
                raise ValueError(
                    f"the label {label!r} has no train texts; raise records.cap or add a source that has it"
                )
        models = self._kept_models(names, base, context)
        return models, [*base.log, *(read_notes(directory)["log"] for directory in (models.directories or {}).values())]

    def _kept_models(self, labels: Sequence[str], base: Base, context: GenerationContext) -> LabelModels:
        keep = partial(self.kept, base=base, context=context)
        # Dropout draws from the random state that threads share.
        at_once = not (self.config.lora.dropout or has_dropout(base.directory))
        with elsewhere(keep, labels):
            pass  # and here, what was not done there
        kept = side_by_side(keep, labels, context.device) if at_once else list(map(keep, labels))
        return _opened(self.config, dict(zip(labels, kept, strict=True)), base.directory, context.device)

    def load(self, directory: Path, context: GenerationContext) -> LabelModels:
        """Open what :meth:`LabelModels.save` wrote."""
        directories = {unquote(path.name): path for path in sorted((directory / LABELS).iterdir())}
        return _opened(self.config, directories, directory / BASE, context.device)


@dataclass(frozen=True)
class LabelModels:
    """The generators of a draw."""

    config: FineTunedConfig
    device: Device
    open_model: Callable[[str], LanguageModel | None]
    """The tuned model of a label; None where it has no texts."""
    directories: Mapping[str, Path] | None = None
    """Where the models lie, if they are kept."""
    base: Path | None = None

    @property
    def identity(self) -> str | None:
        """What stands for the kept models in a fingerprint."""
        if self.directories is None:
            return None
        return fingerprint(*(part for label in sorted(self.directories) for part in (label, self.directories[label])))

    def sample(self, label: str, count: int, seed: int) -> list[str]:
        """Return ``count`` texts of a label; none where the label has no train texts."""
        return self.sample_all([label], count, seed)[0]

    def sample_all(self, labels: Sequence[str], count: int, seed: int) -> list[list[str]]:
        """Return ``count`` texts of each label; none where a label has no train texts."""
        if self.config.draws_together:
            drawn = VLLMSampler(self.config, self.device, self.directories or {}).draw(labels, count, seed)
        else:
            drawn = [self._draw(label, count, seed) for label in labels]
        return [[collapsed(text) for text in texts] for texts in drawn]

    def _draw(self, label: str, count: int, seed: int) -> list[str]:
        model = self.open_model(label)
        if model is None:
            return []
        requests = [Request((model.boundary,))] * count
        return answers_to(model, requests, self.config.decoding, device=self.device, seed=(seed,))

    def save(self, directory: Path) -> None:
        """Write a folder for each label, and the base where the models are adapters that need it.

        Raises:
            ValueError: if the models were not kept as they were trained.
        """
        if self.directories is None or self.base is None:
            raise ValueError("these generators are tuned as they are sampled; train them to have models to save")
        for label, source in self.directories.items():
            copy_kept(source, directory / LABELS / quote(label, safe=""))
            copy_base_for(source, self.base, directory)


def _opened(config: FineTunedConfig, directories: Mapping[str, Path], base: Path, device: Device) -> LabelModels:
    # No function within this one: it would be sent to other workers with the lock.
    return LabelModels(config, device, partial(_open_kept, directories, base, device), directories, base)


def _open_kept(directories: Mapping[str, Path], base: Path, device: Device, label: str) -> LanguageModel | None:
    directory = directories.get(label)
    with OPENING:
        return None if directory is None else open_generator(directory, base, device)
