"""GoEmotions as the project's own parameters read it: the numbers of its labels, and the maps into other taxonomies."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from reading import read_source

from emotion_kedro.config.data import SourceConfig, UnificationConfig
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.data.unification import unify_labels

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
KNOWN = {label for taxonomy in TAXONOMIES.values() for label in taxonomy.names}
FILES = ("train.tsv", "dev.tsv", "test.tsv")


def read(root: Path, name: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    return read_source(root, name, SOURCES[name], INGESTION["cleaning"], KNOWN)


def unified(records: pd.DataFrame, taxonomy: str, outside: Any) -> pd.DataFrame:
    config = UnificationConfig(taxonomy=TAXONOMIES[taxonomy], outside_taxonomy=outside, max_lost=0.9)
    return unify_labels(records, config)[0].frame()


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


def test_the_real_rows_with_one_label(real: Path) -> None:
    records, report = read(real, "goemotions")
    assert (report["rows"], report["kept"]) == (54_263, 45_446)
    assert report["several_labels"] == {"rule": "drop", "rows": 8_817, "kept": 0}
    assert report["dropped"] == {"empty text": 0, "unknown label": {}, "several labels": 8_817}
    assert records["record_id"].str.split(":").str[1].value_counts().to_dict() == {
        name: rows for name, rows in _rows_with_one_label(real).items()
    }
    assert len(unified(records, "goemotions", "error")) == 45_446


def _rows_with_one_label(real: Path) -> dict[str, int]:
    """Count by hand: no comma in the second field."""
    return {
        Path(file).stem: sum(
            "," not in line.split("\t")[1]
            for line in (real / "goemotions" / file).read_text(encoding="utf-8").splitlines()
        )
        for file in FILES
    }


def test_the_real_map_of_ekman_is_the_published_one(real: Path) -> None:
    published = json.loads((real / "goemotions" / "ekman_mapping.json").read_text(encoding="utf-8"))
    label_map = SOURCES["goemotions_ekman"].label_map
    ours = {target: {label for label in GOEMOTIONS if label_map.get(label, label) == target} for target in EKMAN}
    assert ours == {target: set(labels) for target, labels in published.items()} | {"neutral": {"neutral"}}


def test_the_real_rows_that_agree_on_one_label(real: Path) -> None:
    for name, taxonomy in (("goemotions_ekman", "ekman"), ("goemotions_thirteen", "six")):
        records, report = read(real, name)
        expected = _agreeing(real, SOURCES[name].label_map)
        assert report["kept"] == len(records) == expected
        assert 45_446 < report["kept"] < 54_263
        kept = unified(records, taxonomy, "drop")
        assert set(kept["label"]) == set(EKMAN if taxonomy == "ekman" else SIX)


def _agreeing(real: Path, label_map: dict[str, str]) -> int:
    names = (real / "goemotions" / "labels.txt").read_text(encoding="utf-8").split()
    targets = [label_map.get(name, name) for name in names]
    lines = [line for file in FILES for line in (real / "goemotions" / file).read_text(encoding="utf-8").splitlines()]
    return sum(len({targets[int(number)] for number in line.split("\t")[1].split(",")}) == 1 for line in lines)
