"""Figures on texts without labels of the taxonomy, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from emotion_kedro.analyses import out_of_domain
from emotion_kedro.analyses.out_of_domain import ReadSet, analyse, auc, entropy, extremes, label_shares, typical_words
from emotion_kedro.config.analyses import OutOfDomainConfig
from emotion_kedro.config.evaluation import EvaluationConfig
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.datasets import TableFolder
from emotion_kedro.models.device import Device

LABELS = ("fear", "joy", "love")
REAL = [[0.6, 0.3, 0.1], [0.5, 0.4, 0.1], [0.1, 0.1, 0.8], [0.2, 0.7, 0.1]]
WIDENED = [[0.1, 0.1, 0.8], [0.1, 0.3, 0.6], [0.1, 0.1, 0.8], [0.2, 0.7, 0.1]]
TEXTS = ("afraid of the dark", "afraid of dogs", "my dear love", "what a happy day")


def unlabelled(classes: tuple[str, ...] = ("1", "1", "0", "0")) -> pd.DataFrame:
    held_out = pd.DataFrame(
        {
            "record_id": [f"posts:{row}" for row in range(4)],
            "text": TEXTS,
            "other_label": classes,
            "group": list("aabc"),
            "split": "test",
        }
    )
    seen = held_out.assign(split="train", text="SEEN BY A GENERATOR", record_id="posts:seen")
    return pd.concat([held_out, seen.head(1)], ignore_index=True).assign(source="posts")


@pytest.fixture
def read(cpu: Device, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the analysis with two classifiers that know the four texts, and find nothing in test rows."""

    class Fake:
        def __init__(self, directory: Path, device: Device) -> None:
            self.given = dict(zip(TEXTS, REAL if directory.name == "real" else WIDENED, strict=True))

        def probabilities(self, texts: list[str], *, device: Device) -> np.ndarray:
            return np.array([self.given.get(text, [0.2, 0.2, 0.6]) for text in texts])

    monkeypatch.setattr(out_of_domain, "load_classifier", Fake)
    records = pd.DataFrame({"record_id": ["t:0", "t:1"], "text": ["one", "two"], "group": [-1, 4], "split": "test"})

    def run(other_labels: tuple[str, ...] = ("1", "1", "0", "0"), **changes: Any) -> dict[str, pd.DataFrame]:
        parameters = {
            "arms": ("real", "widened"),
            "expected": {"posts": ("love",)},
            "classes": {"posts": {"positive": "1", "against": ("joy", "love")}},
            "least_count": 2,
            **changes,
        }
        return analyse(
            OutOfDomainConfig.model_validate(parameters),
            taxonomy=TaxonomyConfig.from_labels(LABELS),
            device=cpu,
            evaluation=EvaluationConfig(bootstrap_samples=100),
            split_records=records,
            unlabelled_texts=unlabelled(other_labels),
            models={"real": Path("real"), "widened": Path("widened")},
        )

    return run


def test_the_figures_of_a_set(read: Any, tmp_path: Path) -> None:
    tables = read()
    TableFolder(filepath=str(tmp_path / "tables")).save(tables)
    table = tables["figures"].query("set == 'posts'")
    values = table.set_index(["metric", "arm"])["value"]
    assert set(table["texts"]) == {4}
    assert set(table["groups"]) == {3}
    assert values["expected", "real"] == 0.25
    assert values["expected", "widened"] == 0.75
    assert values["expected", "widened - real"] == 0.5
    assert values["confidence", "real"] == pytest.approx((0.6 + 0.5 + 0.8 + 0.7) / 4)
    assert values["confidence", "widened - real"] == pytest.approx((0.8 + 0.6 - 0.6 - 0.5) / 4)
    assert values["confidence, less in-domain", "real"] == pytest.approx(0.65 - 0.6)
    assert values["expected, less in-domain", "real"] == 0.25 - 1
    # 1 - joy - love is the probability of fear: .6 and .5 under stress, .1 and .2 without; then .1, .1 and .1, .2.
    assert values["auc", "real"] == 1.0
    assert values["auc", "widened"] == pytest.approx(0.25)
    assert values["auc", "widened - real"] == pytest.approx(0.25 - 1.0)
    # Two of four read as fear, one each as the others.
    shares = np.array([0.5, 0.25, 0.25])
    assert values["entropy", "real"] == pytest.approx(-(shares * np.log(shares)).sum() / np.log(3))


def test_what_the_parameters_do_not_name_has_no_figure(read: Any) -> None:
    metrics = set(read(expected={}, classes={})["figures"]["metric"])
    assert metrics == {"confidence", "confidence, less in-domain", "entropy"}


def test_a_set_of_one_class_has_no_auc(read: Any) -> None:
    assert read(other_labels=("1", "1", "1", "1"))["figures"].query("metric == 'auc'")["value"].isna().all()


def test_names_that_fit_nothing_are_refused(read: Any) -> None:
    with pytest.raises(ValueError, match="names letters; there are held-out texts of posts"):
        read(expected={"letters": ("love",)})
    with pytest.raises(ValidationError, match="names real twice"):
        read(arms=("real", "real"))


def test_shares_words_and_extremes() -> None:
    part = ReadSet("posts", unlabelled().head(4), {"real": np.array(REAL), "widened": np.array(WIDENED)})
    shares = label_shares([part], LABELS)
    assert shares[shares["arm"] == "real"]["share"].tolist() == [0.5, 0.25, 0.25]
    assert shares[shares["arm"] == "widened"]["probability"].tolist() == pytest.approx([0.125, 0.3, 0.575])
    words = typical_words([part], LABELS, per_label=1, least_count=2)
    assert words[words["arm"] == "real"][["label", "word"]].to_numpy().tolist() == [["fear", "afraid"]]
    table = extremes([part], LABELS, count=1)
    assert table[table["arm"] == "real"][["which", "text", "predicted"]].to_numpy().tolist() == [
        ["most", "my dear love", "love"],
        ["least", "afraid of dogs", "fear"],
    ]


def test_auc_is_that_of_scikit_learn_and_unknown_for_one_class() -> None:
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(0)
    truth, scores = random.integers(2, size=200), random.integers(20, size=200)
    assert auc(truth, scores) == pytest.approx(roc_auc_score(truth, scores))
    assert np.isnan(auc([1, 1], [0.1, 0.2]))


def test_entropy_runs_from_one_label_to_all() -> None:
    assert [entropy(shares) for shares in ([1, 0, 0, 0], [3, 3, 3, 3], [0.5, 0.5, 0, 0])] == pytest.approx([0, 1, 0.5])
