"""GoEmotions as the project's own parameters read it: the numbers of its labels, and the maps into other taxonomies."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml

from emotion_kedro.config.data import SourceConfig
from emotion_kedro.config.taxonomy import TaxonomyConfig

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "data" / "01_raw" / "sample"
INGESTION = yaml.safe_load((ROOT / "conf/base/parameters/ingestion.yml").read_text(encoding="utf-8"))["ingestion"]
SOURCES = {
    name: SourceConfig.model_validate(source)
    for name, source in INGESTION["sources"].items()
    if name.startswith("goemotions")
}
TAXONOMIES = {
    name: TaxonomyConfig.model_validate(taxonomy)
    for name, taxonomy in yaml.safe_load((ROOT / "conf/base/taxonomies.yml").read_text(encoding="utf-8")).items()
}
SIX, ELEVEN, EKMAN, GOEMOTIONS = (TAXONOMIES[name].names for name in ("six", "eleven", "ekman", "goemotions"))
FILES = ("train.tsv", "dev.tsv", "test.tsv")


@pytest.fixture(scope="module")
def real() -> Path:
    root = Path(os.environ.get("EMOTION_RAW_ROOT", "nowhere"))
    if not all((root / "goemotions" / file).is_file() for file in FILES):
        pytest.skip("EMOTION_RAW_ROOT names no folder with goemotions/train.tsv, dev.tsv and test.tsv")
    return root


def test_numbers_have_the_names_of_the_labels_file() -> None:
    listed = tuple((SAMPLE / "goemotions" / "labels.txt").read_text(encoding="utf-8").split())
    assert SOURCES["goemotions"].label_names == listed
    assert sorted(listed) == list(GOEMOTIONS)


def test_all_sources_of_goemotions_read_the_same_fields() -> None:
    fields = {"label_map", "several_labels"}
    first, *others = (
        SOURCES[name].model_dump(exclude=fields) for name in ("goemotions", "goemotions_thirteen", "goemotions_ekman")
    )
    assert all(other == first for other in others)


def test_ekmans_map_covers_all_labels() -> None:
    label_map = SOURCES["goemotions_ekman"].label_map
    assert {label_map.get(label, label) for label in GOEMOTIONS} == set(EKMAN)


def test_the_map_into_eleven_moves_two_labels() -> None:
    label_map = SOURCES["goemotions_thirteen"].label_map
    assert {label for label in GOEMOTIONS if label_map.get(label, label) in ELEVEN} == {
        *ELEVEN,
        "nervousness",
        "grief",
    }
    assert set(SIX) < set(ELEVEN)


def test_the_real_map_of_ekman_is_the_published_one(real: Path) -> None:
    published = json.loads((real / "goemotions" / "ekman_mapping.json").read_text(encoding="utf-8"))
    label_map = SOURCES["goemotions_ekman"].label_map
    ours = {target: {label for label in GOEMOTIONS if label_map.get(label, label) == target} for target in EKMAN}
    assert ours == {target: set(labels) for target, labels in published.items()} | {"neutral": {"neutral"}}
