"""An experiment small enough to run in a second: invented rows, counted words, and text that nobody had to write."""

from __future__ import annotations

from typing import Any

import pandas as pd

from emotion_kedro.config.experiment import ArmConfig, DesignConfig

ARMS: dict[str, ArmConfig] = {
    "real": ArmConfig(),
    "template": ArmConfig(add=("template",), augmentation_weight=5.0),
    "prompted": ArmConfig(add=("prompted",), filters=("novel",), augmentation_weight=5.0),
    "agreed": ArmConfig(add=("prompted",), filters=("label_agreement",)),
    "weighted": ArmConfig(add=("prompted",), weights="agreement", augmentation_weight=5.0),
    "late": ArmConfig(sizes=(6,)),
}
LINEAR: dict[str, Any] = {"kind": "linear", "features": {"kind": "tfidf"}}


def design_of(**changes: Any) -> DesignConfig:
    """Return a design of two sizes and two data seeds."""
    values: dict[str, Any] = {"sizes": (3, 6), "data_seeds": (0, 1), "added_rows": 4, "validation_rows": 4, **changes}
    return DesignConfig.model_validate(values)


def split_of(records: pd.DataFrame) -> pd.DataFrame:
    """Return the records with 24 train, 8 validation and 16 test rows of each label, each a group of its own."""
    splits = ["train", "test", "train", "validation", "test", "train"]
    turn = records.groupby("label").cumcount()
    return records.assign(group=range(len(records)), split=[splits[place % 6] for place in turn]).reset_index(drop=True)


def scored(labels: tuple[str, ...], design: DesignConfig, *, texts: int = 6) -> pd.DataFrame:
    """Return what a prompted generator could have written for every draw, as the filters measured it.

    The second text of a label repeats the first; the third is read as another label.
    """
    rows = []
    for size in design.sizes:
        for data_seed in design.data_seeds:
            for place, label in enumerate(labels):
                for number in range(texts):
                    start = 100 * data_seed + size + 31 * place + 7 * (0 if number == 1 else number)
                    words = " ".join(chr(97 + (start + 3 * word) % 26) * 4 for word in range(4))
                    rows.append(
                        {
                            "candidate_id": f"prompted:{label}:{size}:{data_seed}:{number}:0",
                            "text": f"{label} {words}",
                            "label": label,
                            "generator": "prompted",
                            "size": size,
                            "data_seed": data_seed,
                            "words": 5,
                            "ended": True,
                            "repetition": 0.0,
                            "train_similarity": 0.0,
                            "predicted": labels[place - 1] if number == 2 else label,
                            "probability": 0.2 if number == 2 else 0.9,
                        }
                    )
    templates = [
        {
            **row,
            "candidate_id": row["candidate_id"].replace("prompted", "template"),
            "generator": "template",
            "text": f"this text expresses {row['label']}",
        }
        for row in rows
        if row["candidate_id"].split(":")[4] == "0"
    ]
    return pd.DataFrame([*rows, *templates])
