"""One generator for all labels: a causal language model tuned on texts that are headed by their label."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotion_kedro.augmentation.generators.answers import answers_to, collapsed
from emotion_kedro.augmentation.generators.tuning import (
    BASE,
    choose_trained,
    copy_base_for,
    merged,
    open_generator,
    prepare_base,
    read_notes,
    validation_texts,
    write_with_notes,
)
from emotion_kedro.config.augmentation import ConditionalConfig
from emotion_kedro.models.decoding import Request
from emotion_kedro.models.device import Device
from emotion_kedro.models.language_models import LanguageModel, fit_language_model, open_directory
from emotion_kedro.storage.cache import copy_kept
from emotion_kedro.storage.identity import fingerprint

if TYPE_CHECKING:
    import pandas as pd

    from emotion_kedro.augmentation.generators import GenerationContext

MODELS, MODEL = "generators", "model"


@dataclass(frozen=True)
class Conditional:
    """Tunes one model on the rows of all labels."""

    config: ConditionalConfig

    def fit(self, context: GenerationContext) -> ConditionalModel:
        """Return the tuned generator; it is not kept."""
        base = prepare_base(self.config, context)
        model, notes = self._tune(base.directory, base.identity, context)
        return ConditionalModel(self.config, context.device, merged(model), tuple(notes["labels"]))

    def train(self, context: GenerationContext) -> tuple[ConditionalModel, list[dict[str, Any]]]:
        """Tune the generator, keep it in the cache, and return it with the logs of its base and of itself."""
        base = prepare_base(self.config, context)
        identity = self._identity_of(base.identity, context)
        directory = context.cache.directory(MODELS, identity)
        if directory is None:
            inner = replace(context, cache=context.cache.towards(MODELS, identity))
            model, notes = self._tune(base.directory, base.identity, inner)
            directory = context.cache.save_directory(
                MODELS, identity, lambda path: write_with_notes(model, path, notes)
            )
        return self._open(directory, base.directory, context.device), [*base.log, read_notes(directory)["log"]]

    def load(self, directory: Path, device: Device) -> ConditionalModel:
        """Open what :meth:`ConditionalModel.save` wrote."""
        return self._open(directory / MODEL, directory / BASE, device)

    def _open(self, directory: Path, base: Path, device: Device) -> ConditionalModel:
        model = open_generator(directory, base, device)
        return ConditionalModel(self.config, device, model, tuple(read_notes(directory)["labels"]), directory, base)

    def _identity_of(self, base: str, context: GenerationContext) -> str:
        relevant = self.config.model_dump(mode="json", exclude={"decoding", "texts", "rows", "seed", "warm_up"})
        return fingerprint(
            *(context.rows[["text", "label"]], context.validation[["text", "label"]], relevant),
            *(list(context.taxonomy.names), context.seed_of(self.config), base, context.device.kind),
        )

    def _tune(self, base: Path, base_identity: str, context: GenerationContext) -> tuple[LanguageModel, dict[str, Any]]:
        seed = context.seed_of(self.config)
        context.device.seed(seed)
        model = choose_trained(open_directory(base, context.device), self.config)
        work = context.cache.work("generator", self._identity_of(base_identity, context))
        wanted = set(validation_texts(context.validation["text"].tolist(), self.config, context))
        log = fit_language_model(
            model,
            self._encoded(model, context.rows),
            self._encoded(model, context.validation[context.validation["text"].isin(wanted)]),
            training=self.config.training,
            name="generator",
            device=context.device,
            checkpoints=work,
            seed=seed,
        )
        present = set(context.rows["label"])
        entry = {"label": "all labels", "texts": len(context.rows), **log.as_dict()}
        labels = [label if label in present else None for label in context.taxonomy.names]
        return model, {"labels": labels, "base": self.config.base, "tuning": self.config.tuning, "log": entry}

    def _encoded(self, model: LanguageModel, rows: pd.DataFrame) -> list[list[int]]:
        # A text that follows a heading begins with a space, as it would in running text.
        encoded = model.encode([f" {text}" for text in rows["text"]], max_tokens=self.config.max_tokens)
        return [
            [*heading(model, label), *ids[1:]][: self.config.max_tokens]
            for label, ids in zip(rows["label"], encoded, strict=True)
        ]


def heading(model: LanguageModel, label: str) -> list[int]:
    """Return the tokens that stand before a text of a label."""
    return [model.boundary, *model.tokenizer(f"{label}:", add_special_tokens=False)["input_ids"]]


@dataclass(frozen=True)
class ConditionalModel:
    """A tuned generator of all labels."""

    config: ConditionalConfig
    device: Device
    language_model: LanguageModel
    labels: Collection[str | None]
    """The labels of the taxonomy in their order; None in place of one without train texts."""
    directory: Path | None = None
    base: Path | None = None

    @property
    def identity(self) -> str | None:
        """What stands for the kept model in a fingerprint."""
        return None if self.directory is None else fingerprint(self.directory)

    def sample(self, label: str, count: int, seed: int) -> list[str]:
        """Return ``count`` texts of a label; none where the label has no train texts."""
        if label not in self.labels:
            return []
        request = Request(tuple(heading(self.language_model, label)))
        number = list(self.labels).index(label)
        texts = answers_to(
            self.language_model, [request] * count, self.config.decoding, device=self.device, seed=(seed, number)
        )
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
