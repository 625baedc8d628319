"""The reference report takes 800 rows per label of three sets and splits 13,710 rows into 10,968 and 2,742."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from emotion_kedro.config.data import IngestionConfig, SamplingConfig, SourceConfig, UnificationConfig
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.data.readers import read_sources
from emotion_kedro.data.sampling import sample_and_split
from emotion_kedro.data.unification import unify_labels

SIX = ("anger", "fear", "joy", "love", "sadness", "surprise")
REPORT = SamplingConfig(
    cap=800,
    repeats="keep",
    conflicts="keep",
    split={"strategy": "plain", "validation": 0.0, "test": 0.2},
)
SOURCES = {
    "eit": SourceConfig(
        file="eit/Emotion_final.csv", text_column="Text", label_column="Emotion", label_map={"happy": "joy"}
    ),
    "edft": SourceConfig(
        file="edft/tweet_emotions.csv",
        text_column="content",
        label_column="sentiment",
        label_map={
            "happiness": "joy",
            "worry": "fear",
            "fun": "amusement",
            "hate": "annoyance",
            "enthusiasm": "excitement",
        },
    ),
}
STEPS = ("unescape_html", "drop_broken_characters", "drop_links", "mask_mentions", "collapse_space")


def made_up(source: str, **rows: int) -> pd.DataFrame:
    labels = pd.Series([label for label, number in rows.items() for _ in range(number)], dtype="str")
    texts = [f"{source} says {label} for the {row}th time" for row, label in enumerate(labels)]
    ids = [f"{source}:{row}" for row in range(1, len(labels) + 1)]
    table = pd.DataFrame({"record_id": ids, "text": texts, "label": labels, "source": source})
    return table.astype("str")


def assert_sizes_of_the_report(records: pd.DataFrame) -> None:
    sample, report = sample_and_split(records, REPORT)
    assert len(sample) == 13_710
    assert sample["split"].value_counts().to_dict() == {"train": 10_968, "test": 2_742}
    assert sample[sample["source"] == "edft"]["label"].value_counts()["anger"] == 110
    assert report["conflicts"]["rows"] == report["repeats"]["rows"] == 0
    sizes = sample.groupby(["source", "label"]).size().drop(("edft", "anger"))
    assert len(sizes) == 17
    assert (sizes == 800).all()


def test_with_made_up_rows() -> None:
    full = dict.fromkeys(SIX, 900)
    tables = [
        made_up("eit", **full).assign(split=""),  # the others have none
        made_up("edft", **full | {"anger": 110}),
        made_up("eabot", **dict.fromkeys(SIX, 800)),
    ]
    assert_sizes_of_the_report(pd.concat(tables, ignore_index=True))


def test_with_the_real_files() -> None:
    root = Path(os.environ.get("EMOTION_RAW_ROOT", "nowhere"))
    missing = [source.file for source in SOURCES.values() if not (root / str(source.file)).is_file()]
    if missing:
        pytest.skip(f"EMOTION_RAW_ROOT names no folder with {', '.join(map(str, missing))}")
    real, _ = read_sources(root, IngestionConfig(cleaning=STEPS, sources=SOURCES))
    records = pd.concat([real.frame(), made_up("eabot", **dict.fromkeys(SIX, 800))], ignore_index=True)
    unification = UnificationConfig(taxonomy=TaxonomyConfig.from_labels(SIX), max_lost=0.5)
    assert_sizes_of_the_report(unify_labels(records, unification)[0])
