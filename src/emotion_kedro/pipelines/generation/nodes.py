"""Training the generators."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from emotion_kedro.learning.checkpoints import Checkpoints, contents_of, fingerprint
from emotion_kedro.learning.device import choose_device
from emotion_kedro.options import GenerationOptions

if TYPE_CHECKING:
    from emotion_kedro.learning.generators import Texts


def select_training_texts(split_records: pd.DataFrame) -> pd.DataFrame:
    """Return the train and validation records: all that a generator may ever see."""
    return split_records[split_records["split"] != "test"].reset_index(drop=True)


def select_label(generator_records: pd.DataFrame, label: str) -> pd.DataFrame:
    """Return the records of one label.

    Raises:
        ValueError: if none of them is a train record.
    """
    records = generator_records[generator_records["label"] == label].reset_index(drop=True)
    if not (records["split"] == "train").any():
        raise ValueError(f"the label {label!r} has no train texts; raise sampling.cap or add a source that has it")
    return records


def prepare_base(
    generator_records: pd.DataFrame, options: GenerationOptions, device: str, checkpoints: str
) -> tuple[Any, dict[str, Any]]:
    """Make the model that every generator starts from; return it and its training log."""
    from emotion_kedro.learning import generators

    # Only what the base depends on: another rate for the labels leaves its checkpoints good.
    relevant = options.model_copy(update={"training": options.warm_up or options.scratch.training})
    chosen = choose_device(device)
    identity = fingerprint(relevant, contents_of(options.base), generator_records, chosen.kind)
    store = Checkpoints(checkpoints, "generator_base", identity)
    model, log = generators.prepare_base(
        texts_of(generator_records, options), options, device=chosen, checkpoints=store
    )
    return model, {"label": "all labels", "texts": _train_rows(generator_records), **log.as_dict()}


def train_generator(
    base: Path, label_records: pd.DataFrame, options: GenerationOptions, device: str, checkpoints: str
) -> tuple[Any, dict[str, Any]]:
    """Tune the base on the texts of one label; return the generator and its training log."""
    from emotion_kedro.learning import generators

    label = str(label_records["label"].iloc[0])
    chosen = choose_device(device)
    identity = fingerprint(base, contents_of(options.base), options, label_records, chosen.kind)
    store = Checkpoints(checkpoints, f"generator.{label}", identity)
    generator, log = generators.train_generator(
        base,
        texts_of(label_records, options),
        label=label,
        options=options,
        device=chosen,
        checkpoints=store,
    )
    return generator, {"label": label, "texts": _train_rows(label_records), **log.as_dict()}


def _train_rows(records: pd.DataFrame) -> int:
    return int((records["split"] == "train").sum())


def texts_of(records: pd.DataFrame, options: GenerationOptions) -> Texts:
    """Return the train texts of records, and the validation texts on which the loss is watched."""
    from emotion_kedro.learning.generators import Texts

    validation = records.loc[records["split"] == "validation", "text"]
    if len(validation) > options.validation_texts:
        validation = validation.sample(options.validation_texts, random_state=options.seed)

    return Texts(
        train=records.loc[records["split"] == "train", "text"].tolist(),
        validation=validation.tolist(),
    )
