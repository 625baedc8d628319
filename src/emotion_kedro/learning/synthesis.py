"""Drawing candidates from a generator until a label has as many synthetic records as it needs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import pandas as pd

from emotion_kedro.learning.checkpoints import TableParts
from emotion_kedro.learning.classifiers import Classifier
from emotion_kedro.learning.device import Device
from emotion_kedro.learning.generators import Generator
from emotion_kedro.options import SynthesisOptions
from emotion_kedro.text.filters import KEPT, TextFilter, mark_disagreement, mark_duplicates, mark_surplus

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sieve:
    """All checks a candidate passes through: those on its text, then the classifier's."""

    text_filter: TextFilter
    classifier: Classifier
    options: SynthesisOptions
    device: Device

    def __call__(self, texts: Sequence[str], label: str, earlier: Sequence[str]) -> pd.DataFrame:
        """Return the candidates with their measured figures and ``reason``."""
        table = self.text_filter.measure(texts)
        probabilities = self.classifier.probabilities(table["text"].tolist(), device=self.device)
        table = mark_disagreement(table, probabilities, self.classifier.labels.index(label), self.options.filter)
        return mark_duplicates(table, earlier, self.options.filter)


def draw_candidates(
    generator: Generator, sieve: Sieve, options: SynthesisOptions, *, device: Device, parts: TableParts
) -> pd.DataFrame:
    """Draw batches until ``options.quota`` candidates are kept, or ``options.max_draws`` batches are drawn.

    Every batch is saved as it comes; a killed run goes on with the next one. A batch depends on the seed and its own
    number alone.

    Returns:
        All candidates, schema :class:`emotion_kedro.schemas.Candidates`.
    """
    tables = parts.load()
    kept = [text for table in tables for text in table.loc[table["reason"] == KEPT, "text"]]
    while len(kept) < options.quota and len(tables) < options.max_draws:
        number = len(tables)
        seed = int(np.random.SeedSequence([options.seed, number]).generate_state(1)[0])
        texts = generator.sample(options.decoding.batch_size, options.decoding, device=device, seed=seed)
        table = sieve(texts, generator.label, kept)
        parts.save(number, table)
        tables.append(table)
        kept += table.loc[table["reason"] == KEPT, "text"].tolist()
        drawn = sum(map(len, tables))
        logger.info(
            "generator.%s: %d of %d drawn are kept, %d wanted", generator.label, len(kept), drawn, options.quota
        )
    if len(kept) < options.quota:
        logger.warning(
            "generator.%s: only %d of %d wanted after %d batches; raise synthesis.max_draws, train it longer, or ask "
            "less of synthesis.filter",
            *(generator.label, len(kept), options.quota, len(tables)),
        )
    return _table(pd.concat(tables, ignore_index=True), generator, options)


def _table(table: pd.DataFrame, generator: Generator, options: SynthesisOptions) -> pd.DataFrame:
    table = mark_surplus(table, options.quota)
    return pd.DataFrame(
        {
            # With a check sum of the text, so that a judgement of one run's candidates never fits another's.
            "candidate_id": [
                f"{generator.label}:{row}:{crc32(text.encode()):08x}" for row, text in enumerate(table["text"], start=1)
            ],
            "text": table["text"],
            "label": generator.label,
            "generator": generator.notes["base"],
            "seed": options.seed,
            "kept": table["reason"] == KEPT,
            "reason": table["reason"],
            "words": table["words"],
            "repetition": table["repetition"],
            "train_similarity": table["train_similarity"],
            "probability": table["probability"],
        }
    )
