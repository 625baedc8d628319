"""Parameters of the data stages: what is wrong in them is said before anything is read."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from emotion_kedro.config.data import IngestionConfig, SamplingConfig, SourceConfig, UnlabelledConfig

ROOT = Path(__file__).parents[2]
LABELLED = {"file": "a.csv", "text_column": "text", "label_column": "label"}


def test_the_ending_says_the_format_unless_the_source_does() -> None:
    assert SourceConfig(**LABELLED).format_of("x/A.NDJSON") == "jsonl"
    assert SourceConfig(**LABELLED | {"format": "tsv"}).format_of("a.csv") == "tsv"
    assert SourceConfig(**LABELLED | {"file": "a.txt"}).format_of("a.txt") == "csv"
    assert SourceConfig(file="letters/*.txt").format_of("letters/1.txt") == "text"


KNOWN = frozenset({"joy", "fear", "anger"})


def test_the_sources_of_the_project_are_sound_and_survive_being_saved() -> None:
    raw = yaml.safe_load((ROOT / "conf/base/parameters/ingestion.yml").read_text(encoding="utf-8"))["ingestion"]
    sources = {name: SourceConfig.model_validate(source) for name, source in raw["sources"].items()}
    labelled = {name: source for name, source in sources.items() if source.label_column}
    bare = {name: source for name, source in sources.items() if not source.label_column}
    assert set(bare) == {"love_letters", "reddit_titles", "twitter", "dreaddit", "jokes"}
    ingestion = IngestionConfig(cleaning=raw["cleaning"], sources=labelled, known_labels=KNOWN)
    assert IngestionConfig.model_validate_json(ingestion.model_dump_json()) == ingestion
    assert ingestion.model_dump(mode="json")["known_labels"] == sorted(KNOWN)
    unlabelled = UnlabelledConfig(cleaning=raw["cleaning"], sources=bare)
    assert UnlabelledConfig.model_validate(unlabelled.model_dump(mode="json")) == unlabelled
    with pytest.raises(ValidationError, match="the source jokes has no label_column"):
        IngestionConfig(cleaning=raw["cleaning"], sources={"jokes": bare["jokes"]})


def test_named_rows_survive_being_saved() -> None:
    sampling = SamplingConfig(split={"strategy": "rows", "file": "train", "train": [1, 100], "test": [101, 140]})
    assert SamplingConfig.model_validate_json(sampling.model_dump_json()) == sampling
    assert (sampling.split.train, sampling.split.test) == ((1, 100), (101, 140))
