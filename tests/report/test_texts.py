"""The list of all that was written, its sample for the page, and its card."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from huggingface_hub import DatasetCard

from emotion_kedro.config.evaluation import EvaluationConfig
from emotion_kedro.config.models import FeatureConfig
from emotion_kedro.datasets import CSVDataset
from emotion_kedro.pipelines.evaluation.nodes import list_texts
from emotion_kedro.report.dataset_card import dataset_card
from emotion_kedro.report.texts import as_written, safe_table, sampled_texts, samples_by_label, texts_table
from emotion_kedro.schemas.candidates import Texts

TEXTS = ["=SUM(A1)", "@you made my day", "so glad today", "the", "'tis fine", "'=x"]
IDS = [f"g:{number}" for number in range(6)]
REASONS = {"mixed": ["kept", "kept", "kept", "cut off", "kept", "kept"], "strict": ["kept", "novel"]}
TRAIN = pd.DataFrame({"record_id": ["a", "b"], "text": ["glad all day", "nothing of it"], "group": [0, 1]})


def embed(texts: Sequence[str]) -> np.ndarray:
    return np.array([[1.0, 0.0] if "glad" in text else [0.6, 0.8] for text in texts], dtype=np.float32)


@pytest.fixture
def candidates() -> pd.DataFrame:
    fixed = {"label": "joy", "generator": "g", "size": 0, "data_seed": 0, "probability": 0.9}
    return pd.DataFrame({"candidate_id": IDS, "text": TEXTS, **fixed})


@pytest.fixture
def decisions() -> pd.DataFrame:
    rows = [
        (arm, IDS[place], 0, 0, reason == "kept", reason)
        for arm, reasons in REASONS.items()
        for place, reason in enumerate(reasons)
    ]
    return pd.DataFrame(rows, columns=["arm", "candidate_id", "size", "data_seed", "kept", "reason"])


@pytest.fixture
def read() -> pd.DataFrame:
    # In another order than the candidates.
    likely = [0.1 * number for number in range(6)]
    table = pd.DataFrame({"candidate_id": IDS, "label": "joy", "predicted": "anger", "p_anger": 0.5, "p_joy": likely})
    return table.iloc[::-1].reset_index(drop=True)


@pytest.fixture
def texts(candidates: pd.DataFrame, decisions: pd.DataFrame, read: pd.DataFrame) -> pd.DataFrame:
    return Texts.validate(texts_table(candidates, read, decisions, TRAIN, EvaluationConfig(), embed))


def test_every_candidate_has_its_outcomes_probabilities_and_nearest_text(texts: pd.DataFrame) -> None:
    assert texts["candidate_id"].tolist() == IDS
    assert texts["arm_strict"].tolist() == ["kept", "novel", "", "", "", ""]
    assert texts["evaluator_probability"].tolist() == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert texts.loc[2, ["nearest_train_text", "nearest_train_similarity"]].tolist() == ["glad all day", 1]
    assert texts.loc[3, "nearest_train_text"] == "nothing of it"


def test_copies_of_train_texts_are_known_whatever_filters_looked_for(
    candidates: pd.DataFrame, decisions: pd.DataFrame, read: pd.DataFrame
) -> None:
    candidates = candidates.assign(text=["Glad, all day!", "nothing of", *TEXTS[2:]])
    written = texts_table(candidates, read, decisions, TRAIN, EvaluationConfig(), None)
    assert written["copies_train_text"].tolist() == [True, False, False, False, False, False]


def test_no_cell_of_the_csv_file_is_a_formula_and_each_text_comes_back(texts: pd.DataFrame) -> None:
    written = io.StringIO(safe_table(texts).to_csv(index=False))
    cells = pd.read_csv(written)["text"]
    assert cells.tolist() == ["'=SUM(A1)", "'@you made my day", "so glad today", "the", "'tis fine", "''=x"]
    assert [as_written(cell) for cell in cells] == TEXTS


def test_what_any_spreadsheet_takes_for_a_formula_is_none_and_comes_back(tmp_path: Path) -> None:
    signs = ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"]
    texts = [f"{before}{sign}cmd|' /C calc'!A0" for sign in signs for before in ("", "'", "''", " ", "a", 'a "b",\r')]
    file = tmp_path / "texts.csv"
    catalog = yaml.safe_load(
        (Path(__file__).parents[2] / "conf/base/catalog/reporting.yml").read_text(encoding="utf-8")
    )
    settings = catalog["{experiment}.texts"]["save_args"]
    CSVDataset(filepath=str(file), save_args=settings).save(safe_table(pd.DataFrame({"text": texts}, dtype="str")))
    cells = pd.read_csv(file)["text"].tolist()
    assert [as_written(cell) for cell in cells] == texts
    assert not [cell for cell in cells if cell[0] in signs]


def test_a_sample_of_each_label_kept_first_then_refused_with_the_reason(texts: pd.DataFrame) -> None:
    sample = sampled_texts(texts, EvaluationConfig(examples=2))
    assert sample["outcome"].iloc[-1] == "refused: cut off"
    assert len(sample) == 3
    assert sample["outcome"].iloc[:2].str.startswith("kept: mixed").all()
    shown = samples_by_label(sample)["joy"]
    assert shown.iloc[-1][["evaluator reads", "its probability of the label"]].tolist() == ["anger", "0.30"]
    assert shown["nearest real train text"].iloc[-1] == "nothing of it"


def test_of_no_text_there_is_no_sample(texts: pd.DataFrame) -> None:
    assert sampled_texts(texts.iloc[:0], EvaluationConfig()).empty


def test_without_embeddings_nothing_is_near(
    candidates: pd.DataFrame, decisions: pd.DataFrame, read: pd.DataFrame, tmp_path: Path
) -> None:
    records = TRAIN.assign(split="train")
    parameters = EvaluationConfig()
    table, sample = list_texts(candidates, read, decisions, records, parameters, "cpu", str(tmp_path))
    assert table["nearest_train_similarity"].isna().all()
    assert "nearest real train text" not in samples_by_label(sample)["joy"]
    near = EvaluationConfig(embeddings=FeatureConfig(kind="characters"))
    table, _ = list_texts(candidates, read, decisions, records, near, "cpu", str(tmp_path))
    assert Texts.validate(table)["nearest_train_text"].iloc[2] == "glad all day"
    with pytest.raises(ValueError, match="encoder"):
        EvaluationConfig(embeddings=FeatureConfig(kind="tfidf"))


def test_the_card_has_a_head_that_hubs_read_and_counts_by_reason(
    candidates: pd.DataFrame, decisions: pd.DataFrame
) -> None:
    generators = {
        "g": {
            "kind": "fine_tuned",
            "base": "/some/where/small-model",
            "training": {"steps": 2, "learning_rate": 0.001},
        },
        "found": {"kind": "self_training", "learner": {"kind": "linear", "features": {"kind": "tfidf"}}},
        "moved": {"kind": "eda"},
    }
    arms = {"real": {}, "mixed": {"add": ["g"], "filters": ["length"]}}
    filters = {"length": {"min_words": 7}}
    card = dataset_card(
        "x", "Why?", "eit 3 rows", ["eit"], generators, arms, filters, candidates, decisions, pd.DataFrame()
    )
    head = yaml.safe_load(card.split("---")[1])
    assert DatasetCard(card, ignore_metadata_errors=False).data.to_dict().items() == head.items()
    assert (head["sources"], head["real_text"]) == (["eit"], ["found", "moved"])
    assert "The texts of `found`, `moved` are real**, or nearly" in card
    assert head["configs"][0]["data_files"] == "texts.csv"
    assert head["size_categories"] == ["n<1K"]
    assert "min_words 7" in card
    assert "small-model" in card
    assert "/some/where" not in card
    odd = candidates.assign(label="reason")  # a label may be called as a column is
    assert "| reason" in dataset_card("x", "", "", [], generators, arms, filters, odd, decisions, pd.DataFrame())
    counts = [line.split("|")[1:-1] for line in card.splitlines() if line.startswith("| mixed") and "cut off" in line]
    assert [cell.strip() for cell in counts[0]] == ["mixed", "cut off", "1", "1"]
