from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from emotion_kedro.config.evaluation import EvaluationConfig
from emotion_kedro.config.models import learner_config
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.experiments.run import prediction_columns
from emotion_kedro.metrics.calibration import choose_arm, measure_choices
from emotion_kedro.models.classifiers import Classifier, TrainingSet, fit_classifier
from emotion_kedro.models.device import Device
from emotion_kedro.report import words
from emotion_kedro.report.page import Report, html_page, markdown_page, terminal_summary
from emotion_kedro.report.recommended import (
    Learned,
    RecommendedModel,
    _scores,
    answers,
    describe,
    example_of,
    reason,
    write_card,
)
from emotion_kedro.storage.cache import Cache

EVALUATION = EvaluationConfig(bootstrap_samples=100)
RUN = {"experiment": "x", "arm": "mixed", "learner": "words", "size": 0, "data_seed": 0, "seed": 0}


@pytest.fixture(scope="module")
def classifier(records: pd.DataFrame, taxonomy: TaxonomyConfig, cpu: Device, tmp_path_factory: Any) -> Classifier:
    learner = learner_config({"kind": "linear", "features": {"kind": "tfidf"}, "temperature": True})
    training_set = TrainingSet(records.iloc[::3], records.iloc[1::6], taxonomy, "x.mixed.words", 0)
    return fit_classifier(training_set, learner, cpu, Cache(tmp_path_factory.mktemp("cache")))[0]


@pytest.fixture(scope="module")
def split_records(records: pd.DataFrame) -> pd.DataFrame:
    split = np.array(["train", "validation", "test"])[np.arange(len(records)) % 3]
    return records.assign(split=split, group=np.arange(len(records)))


def read(classifier: Classifier, rows: pd.DataFrame, cpu: Device) -> pd.DataFrame:
    given = prediction_columns(classifier.probabilities(rows["text"].tolist(), device=cpu), classifier.labels)
    return pd.concat([rows[["record_id", "source", "label"]].reset_index(drop=True).assign(**RUN), given], axis=1)


@pytest.fixture(scope="module")
def tested(classifier: Classifier, split_records: pd.DataFrame, cpu: Device) -> pd.DataFrame:
    return read(classifier, split_records[split_records["split"] == "test"], cpu)


@pytest.fixture(scope="module")
def recommendation(
    classifier: Classifier, split_records: pd.DataFrame, tested: pd.DataFrame, cpu: Device
) -> pd.DataFrame:
    validated = read(classifier, split_records[split_records["split"] == "validation"], cpu)
    runs = pd.DataFrame([{**RUN, "validation_loss": 0.4, "temperature": 0.5}] * 2).assign(seed=[0, 1])
    table = pd.concat([runs.assign(arm="real", validation_loss=0.5), runs], ignore_index=True)
    # Less sure than the other in every row, and so worse by more than chance.
    given = [name for name in validated if name.startswith("p_")]
    duller = validated.assign(arm="real", **{name: (validated[name] + 1 / len(given)) / 2 for name in given})
    both = pd.concat([validated, duller])
    choices = choose_arm(table, both, ["real", "mixed"], EVALUATION)
    return measure_choices(choices, pd.concat([tested, tested.assign(arm="real")]), None, EVALUATION)


@pytest.fixture
def saved(
    recommendation: pd.DataFrame,
    classifier: Classifier,
    split_records: pd.DataFrame,
    tested: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """The recommended model, saved in a project that is the working directory."""
    train = split_records[split_records["split"] == "train"]
    rows = train[["record_id", "text", "label"]].assign(size=0, data_seed=0, origin="real", generator="")
    rows.loc[rows.index[:5], ["origin", "generator"]] = ["added", "per_label"]
    source, folder = tmp_path / "source", tmp_path / "models/recommended"
    source.mkdir()
    classifier.save(source)
    card = write_card(
        *("x", recommendation, tested, Learned(rows, split_records, ["novel"]), EVALUATION),
        directory=source,
        path="models/recommended",
    )
    folder.mkdir(parents=True)
    RecommendedModel(source, card).save(folder)
    monkeypatch.chdir(tmp_path)
    return folder


def test_the_reason_names_the_rows_the_losses_and_the_rule(recommendation: pd.DataFrame) -> None:
    assert reason(recommendation).startswith(
        "mixed, words: chosen by 64 validation rows (log loss mixed 0.400, real 0.500"
    )
    assert "mean of 2 runs" in reason(recommendation)
    none = recommendation.assign(validation_loss=float("nan"), validation_rows=0, chosen=[True, False])
    assert reason(none) == "real, words: the first arm named, since there are no validation rows to choose by."
    assert "there are no validation rows" in answers(none, EVALUATION)
    near = recommendation.assign(validation_loss=[0.41, 0.4], chosen=[True, False])
    assert "mixed is not better by more than a standard error" in reason(near)
    assert "; real, named first, is worse by more than a standard error)." in reason(recommendation)
    assert reason(recommendation[recommendation["chosen"]]) == "mixed, words: the only arm that may be recommended."
    sure = recommendation.assign(threshold=0.8)
    assert answers(sure, EVALUATION).startswith("On the 64 validation rows at least 90 % of the answers are right from")
    assert "on, which are few to set it by." in answers(sure.assign(validation_rows=9), EVALUATION)
    assert "fewer than 90 % of its answers" in answers(recommendation.assign(threshold=float("nan")), EVALUATION)
    never = recommendation.assign(threshold=0.99, answered=0.0, answered_accuracy=float("nan"))
    assert answers(never, EVALUATION).endswith(
        "reach it, which is 0 of 64: too few to tell how many such answers are right."
    )


def test_a_metric_without_a_name_for_pages_keeps_its_own() -> None:
    scores = pd.DataFrame({"metric": ["macro_f1", "brier"], "value": 0.5, "low": 0.4, "high": 0.6})
    assert _scores(scores)["metric"].tolist() == ["macro-F1", "brier"]


def test_the_card_is_one_that_a_hub_reads_with_the_figures_of_this_very_model(
    saved: Path, tested: pd.DataFrame, taxonomy: TaxonomyConfig
) -> None:
    from huggingface_hub import ModelCard

    card = ModelCard.load(saved / "README.md")
    figures = {each.metric_type: each.metric_value for each in card.data.eval_results}
    assert figures["accuracy"] == pytest.approx((tested["predicted"] == tested["label"]).mean(), abs=1e-4)
    assert set(figures) == {"accuracy", "f1"}
    assert card.data.library_name == "emotion-kedro"
    text = card.text
    for said in (
        *(
            "temperature of",
            "no label for anything else",
            "Negation",
            "irony",
            "see the data sets",
            "Apache-2.0",
            "per_label",
        ),
        *("chosen by 64 validation rows", "The test rows had no part in the choice", "MB on the disk"),
        *(f"| {label}" for label in taxonomy.names),
        *("macro-F1", "precision", "expected calibration error", "passed the filters novel"),
    ):
        assert said in text, said


def test_no_card_takes_labels_for_emotions(saved: Path) -> None:
    templates = Path(words.__file__).parent.glob("*.j2")
    texts = [path.read_text(encoding="utf-8") for path in [saved / "README.md", *templates]]
    named = [line for text in texts for line in re.findall(r".*emotion(?![-_]).*", text, re.IGNORECASE)]
    assert named == []


def test_the_code_on_the_card_of_a_linear_model_runs_from_the_project(saved: Path) -> None:
    card = (saved / "README.md").read_text(encoding="utf-8")
    code = re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)[0].strip()
    *before, last = code.splitlines()
    printed = io.StringIO()
    names: dict[str, Any] = {}
    exec("\n".join(before), names)
    with contextlib.redirect_stdout(printed):
        given = eval(last, names)
    assert f"the answer is right: {given[0].label} ({given[0].probability:.2f})" in card


def test_the_example_is_right_and_sure_where_one_is(tested: pd.DataFrame, split_records: pd.DataFrame) -> None:
    shares = {"p_anger": [0.95, 0.6, 0.99], "p_fear": [0.05, 0.4, 0.01], "p_joy": 0.0, "p_sadness": 0.0}
    rows = tested.head(3).assign(**shares, predicted="anger", label=["fear", "anger", "anger"])
    example = example_of(rows, split_records)
    text = split_records.set_index("record_id").loc[rows["record_id"].iloc[2], "text"]
    assert example == {"text": text, "answer": "anger (0.99)", "how": "the first that is read right with at least 0.9"}
    surest = example_of(rows.head(2), split_records)
    assert surest is not None
    assert surest["answer"] == "anger (0.60)"
    assert example_of(rows.head(1), split_records) is None


def test_pages_and_summary_have_the_model_the_reason_and_the_line(
    recommendation: pd.DataFrame, saved: Path, tested: pd.DataFrame, split_records: pd.DataFrame
) -> None:
    empty = pd.DataFrame()
    told = describe(recommendation, EVALUATION, saved, "models/recommended")
    report = Report("x", "Why?", "note", "date", "", {}, empty, empty, empty, recommended=told)
    for page in (html_page(report), markdown_page(report), terminal_summary(report)):
        assert "mixed, words: chosen by 64 validation rows" in page
        assert "models/recommended" in page
    assert 'load_model("models/recommended").predict(' in terminal_summary(report)
    # Texts of others stay in the data folder.
    texts = split_records.loc[split_records["split"] == "test", "text"]
    assert not [text for text in texts if text in markdown_page(report)]
