"""Drawing and filtering candidates."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from emotion_kedro.learning.checkpoints import TableParts, fingerprint
from emotion_kedro.learning.device import choose_device
from emotion_kedro.options import SynthesisOptions


def draw_candidates(
    model: Path,
    generator_base: Path,
    filter_model: Path,
    generator_records: pd.DataFrame,
    options: SynthesisOptions,
    device: str,
    checkpoints: str,
) -> pd.DataFrame:
    """Draw candidates from one generator until its quota of kept ones is met; return all of them."""
    from emotion_kedro.learning.classifiers import load_classifier
    from emotion_kedro.learning.generators import load_generator
    from emotion_kedro.learning.synthesis import Sieve, draw_candidates
    from emotion_kedro.text.filters import TextFilter

    chosen = choose_device(device)
    generator = load_generator(model, generator_base, chosen)
    train = generator_records.loc[generator_records["split"] == "train", "text"]
    sieve = Sieve(
        TextFilter.build(train.tolist(), options.filter), load_classifier(filter_model, chosen), options, chosen
    )
    identity = fingerprint(model, generator_base, filter_model, options, generator_records, chosen.kind)
    parts = TableParts(checkpoints, f"candidates.{generator.label}", identity)
    return draw_candidates(generator, sieve, options, device=chosen, parts=parts)


def pool_candidates(*tables: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Put the candidates of all labels together; return all of them, and those kept as synthetic records.

    A text that two generators wrote is kept for the first label alone.

    Raises:
        ValueError: if no candidate of any label was kept.
    """
    from emotion_kedro.text.filters import mark_pooled_duplicates

    candidates = mark_pooled_duplicates(pd.concat(tables, ignore_index=True))
    kept = candidates[candidates["kept"]]
    if kept.empty:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in candidates["reason"].value_counts().items())
        raise ValueError(
            f"none of {len(candidates)} candidates was kept ({reasons}); train the generators longer "
            "(generation.training.steps), or ask less of synthesis.filter"
        )
    synthetic_records = pd.DataFrame(
        {
            "record_id": "synthetic:" + kept["candidate_id"],
            "text": kept["text"],
            "label": kept["label"],
            "source": "synthetic",
        }
    )
    return candidates, synthetic_records.reset_index(drop=True)
