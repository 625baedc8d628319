"""Training a masked language model on the raw texts."""

from __future__ import annotations

from typing import Any

import pandas as pd

from emotion_kedro.learning.checkpoints import Checkpoints, contents_of, fingerprint
from emotion_kedro.learning.device import choose_device
from emotion_kedro.options import MaskedLanguageModelOptions


def prepare_masked_base(
    split_records: pd.DataFrame, options: MaskedLanguageModelOptions, device: str, checkpoints: str
) -> tuple[Any, dict[str, Any]]:
    """Make the model from the texts of the train and validation sides; return it and its training log."""
    from emotion_kedro.learning import masked_language_models
    from emotion_kedro.learning.generators import Texts

    train = split_records.loc[split_records["split"] == "train", "text"]
    validation = split_records.loc[split_records["split"] == "validation", "text"]
    if len(validation) > options.validation_texts:
        validation = validation.sample(options.validation_texts, random_state=options.seed)
    texts = Texts(train.tolist(), validation.tolist())
    chosen = choose_device(device)
    identity = fingerprint(options, contents_of(options.base), texts.train, texts.validation, chosen.kind)
    store = Checkpoints(checkpoints, "masked_base", identity)
    model, log = masked_language_models.prepare_masked_base(texts, options, device=chosen, checkpoints=store)
    return model, {"texts": len(texts.train), **log.as_dict()}
