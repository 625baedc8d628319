"""A study small enough to run in a second: invented rows, hashed characters, and texts that nobody had to write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from emotion_kedro.learning.device import Device
from emotion_kedro.learning.features import open_features
from emotion_kedro.learning.study.cells import Sides, Study, pieces
from emotion_kedro.learning.study.store import Store
from emotion_kedro.options.study import StudyOptions

ARMS: dict[str, Any] = {
    "real": {},
    "oversampled": {"add": ["repeats"]},
    "eda": {"add": ["eda"]},
    "template": {"add": ["template"]},
    "asked": {"add": ["asked"]},
    "asked_agreed": {"add": ["asked"], "keep": ["agreed"]},
    "asked_novel": {"add": ["asked"], "keep": ["novel"]},
    "asked_weighted": {"add": ["asked"], "weigh": "agreement"},
    "asked_template": {"add": ["asked", "template"], "keep": ["novel"]},
    "self_trained": {"add": ["unlabelled"]},
    "more_real": {"add": ["more_real"], "full": True},
}
ASKED: dict[str, Any] = {"kind": "asked", "base": "nobody", "asking": {"request": "Say {label}."}, "texts": 6}


def split_of(records: pd.DataFrame) -> pd.DataFrame:
    """Return the records with 24 train, 8 validation and 16 test rows of each label, each a group of its own."""
    sides = ["train", "test", "train", "validation", "test", "train"]
    turn = records.groupby("label").cumcount()
    return records.assign(group=range(len(records)), split=[sides[place % 6] for place in turn]).reset_index(drop=True)


def options_of(folder: Path, **changes: Any) -> StudyOptions:
    """Return the options of a tiny study that keeps its things in ``folder``."""
    arms = {name: {"says": name, **arm} for name, arm in {**ARMS, **changes.pop("arms", {})}.items()}
    values: dict[str, Any] = {
        "storage": str(folder),
        "sizes": (3, 6),
        "data_seeds": (0, 1),
        "seeds": (0, 1),
        "added_rows": 4,
        "worth": 5.0,
        "validation_rows": 4,
        "unlabelled_rows": 60,
        "features": {"kind": "characters", "width": 256},
        "heads": {"steps": 20, "batch_size": 8, "penalties": (1e-4, 1e-2)},
        "filter": {"min_words": 1, "max_repetition": 1.0, "tau": 0.0},
        "writers": {"asked": ASKED},
        **changes,
    }
    return StudyOptions.model_validate({**values, "arms": arms})


def study_of(split_records: pd.DataFrame, options: StudyOptions, device: Device, **changes: Any) -> Study:
    """Return a study in which every writer has written already."""
    labels = tuple(sorted(split_records["label"].unique()))
    storage = Path(options.storage)
    study = Study(
        options=options,
        labels=labels,
        sides=changes.pop("sides", None) or Sides.of(split_records, options),
        features=open_features(options.features, folder=storage / "features", device=device),
        store=Store(storage),
        device=device,
        checkpoints=str(storage / "checkpoints"),
    )
    study.texts = {
        piece: written(labels, number=piece.data_seed * 100 + piece.size) for piece in pieces(options, study.sizes)
    }
    return study


def written(labels: tuple[str, ...], *, number: int = 0, texts: int = 6) -> pd.DataFrame:
    """Return what a writer could have written: the second text of a label repeats the first, the third names another.

    The others have no word in common but their label's name.
    """
    rows = []
    for place, label in enumerate(labels):
        for row in range(texts):
            said = labels[place - 1] if row == 2 else label
            start = number + 31 * place + 7 * (0 if row == 1 else row)
            rows.append((f"{said} {' '.join(chr(97 + (start + 3 * word) % 26) * 4 for word in range(4))}", label))
    return pd.DataFrame(rows, columns=["text", "label"]).astype("str")
