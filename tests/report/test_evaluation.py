"""The evaluation stage on invented tables: its wiring, and what its nodes hand on."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from emotion_kedro.config.data import IngestionConfig, SourceConfig
from emotion_kedro.config.evaluation import EvaluationConfig
from emotion_kedro.config.experiment import EvaluatorConfig
from emotion_kedro.pipelines.evaluation import create_overview_pipeline, create_pipeline, create_reference_pipeline
from emotion_kedro.pipelines.evaluation.nodes import (
    compare_runs,
    data_note,
    measure_text_quality,
    score_predictions,
    write_overview_page,
    write_reference_page,
    write_report,
)
from emotion_kedro.pipelines.evaluation.pictures import collect_curves, draw_plots
from emotion_kedro.report.alt_texts import of_curves
from emotion_kedro.report.curves import curves_plot
from emotion_kedro.report.plots import confusion_plot
from emotion_kedro.schemas.figures import Comparisons, LabelGains, Scores, TextQuality
from emotion_kedro.schemas.runs import TrainingCurves

EVALUATION = EvaluationConfig(bootstrap_samples=100, examples=2)
SAMPLE = Path(__file__).parents[2] / "data/01_raw/sample"
LABELS = ("anger", "joy")


def experiment(**changes: Any) -> Any:
    real, mixed = SimpleNamespace(add=()), SimpleNamespace(add=("g",))
    fields: dict[str, Any] = {
        **{"arms": {"real": real, "mixed": mixed}, "analyses": {}, "reference": ("S1",), "from_experiment": None},
        "recommend": (),
        **{"evaluator": SimpleNamespace(arm="real"), "design": SimpleNamespace(sizes=(0,))},
    }
    return SimpleNamespace(**{**fields, **changes})


@pytest.fixture
def split_records() -> pd.DataFrame:
    rows = [
        (f"eit:{n}", f"invented text number {n} of {LABELS[n % 2]}.", LABELS[n % 2], "eit", n, split)
        for n, split in enumerate(["train"] * 40 + ["test"] * 20)
    ]
    return pd.DataFrame(rows, columns=["record_id", "text", "label", "source", "group", "split"])


def predictions(arm: str, split_records: pd.DataFrame) -> pd.DataFrame:
    test = split_records[split_records["split"] == "test"][["record_id", "source", "label"]]
    likely = np.random.default_rng(len(arm)).uniform(size=len(test))
    names = {"experiment": "invented", "arm": arm, "learner": "encoder", "size": 0, "data_seed": 0, "seed": 0}
    guesses = np.where(likely > 0.5, *LABELS)
    return test.assign(**names, predicted=guesses, p_anger=likely, p_joy=1 - likely).reset_index(drop=True)


def test_wiring() -> None:
    pipeline = create_pipeline(experiment())
    assert pipeline.outputs() >= {"report_page", "results_page", "summary"}
    assert {"predictions", "decisions", "candidate_predictions"} <= pipeline.inputs()
    curve = create_pipeline(experiment(design=SimpleNamespace(sizes=(10, 20))))
    assert "equivalent_rows" in curve.all_outputs() - pipeline.all_outputs()
    recommending = create_pipeline(experiment(recommend=("real", "mixed")))
    assert {"recommendation", "recommended_model"} <= recommending.all_outputs() - pipeline.all_outputs()
    assert {"classifier.real.model", "classifier.mixed.rows", "validation_predictions"} <= recommending.inputs()
    plain = create_pipeline(experiment(arms={"real": SimpleNamespace(add=())}))
    assert "candidates" not in plain.inputs()
    single = create_pipeline(experiment(arms={}, analyses={"label_noise": {}}))
    assert [node.name for node in single.nodes] == ["evaluation.write_report"]
    assert "label_noise_tables" in single.inputs()
    rounds = create_pipeline(experiment(arms={}, analyses={"rounds": {}}))
    assert {"rounds_predictions", "rounds_runs"} <= rounds.inputs()
    assert "augment_scores" in create_reference_pipeline(["augment"]).inputs()
    assert "augment_comparisons" in create_overview_pipeline(["augment"]).inputs()


def test_scores_differences_plots_and_pages(split_records: pd.DataFrame) -> None:
    tables = {f"predictions_{n}": predictions(arm, split_records) for n, arm in enumerate(("real", "mixed"))}
    scores, labels, confusion = score_predictions(split_records, EVALUATION, [], **tables)
    pairs = [["mixed", "real"]]
    comparisons, gains = compare_runs(split_records, EVALUATION, pairs, [], **tables)
    LabelGains.validate(gains)
    curves = collect_curves(arms=[], generators=[])
    Scores.validate(scores)
    Comparisons.validate(comparisons)
    assert len(labels) == 4
    drawn = draw_plots(scores, comparisons, confusion, gains, curves, pairs)
    assert all(picture[1:4] == b"PNG" for picture in drawn)
    choices = confusion[["arm", "learner"]].drop_duplicates().assign(chosen=lambda table: table["arm"] == "mixed")
    mixed = confusion[confusion["arm"] == "mixed"]
    assert draw_plots(scores, comparisons, confusion, gains, curves, pairs, choices)[2] == confusion_plot(mixed)
    page = write_overview_page(scores_0=scores, comparisons_0=comparisons, scores_1=None)
    assert "invented: differences" in page
    page, figures = write_reference_page({"S1": {"title": "one"}}, scores_0=scores, quality_0=None)
    assert "S1" in page
    assert figures["ours"].isna().all()


def test_report_of_an_experiment(split_records: pd.DataFrame) -> None:
    tables = {f"predictions_{n}": predictions(arm, split_records) for n, arm in enumerate(("real", "mixed"))}
    scores, labels, confusion = score_predictions(split_records, EVALUATION, [], **tables)
    facts = {
        **{"scores": scores, "label_scores": labels, "confusion": confusion, "comparisons": pd.DataFrame()},
        **{"learners": {"tfidf": {"kind": "linear", "features": {"kind": "tfidf"}}}, "generators": {}, "filters": {}},
        **{"arms": {"real": {}, "mixed": {"rows": {"source": "eit"}}}, "design": {"seeds": [0, 1]}},
        **{"tables_0": {"a_title": pd.DataFrame({"x": [0.25]})}, "accuracy_plot": b"PNG"},
        "reference_report": {"S1": {"title": "one", "figures": []}},
    }
    page, short, summary = write_report(
        "invented", "Why?", "", ["S1"], EVALUATION, None, None, SAMPLE, split_records, **facts
    )
    for text in ("a title", "0.250", "design.seeds", "arms.mixed.rows.source", "hand-written sample"):
        assert text in page
    assert "invented.png)" in short
    assert "mixed, encoder" in summary


def test_pairs_may_be_none(split_records: pd.DataFrame) -> None:
    tables = compare_runs(split_records, EVALUATION, [], [], predictions_0=predictions("real", split_records))
    assert Comparisons.validate(tables[0]).empty
    assert LabelGains.validate(tables[1]).empty


def test_curves_are_those_of_the_kept_classifiers_and_generators(tmp_path: Path) -> None:
    looks = [{"step": 5.0, "train": 2.0, "validation": 1.9}, {"step": 10.0, "train": 1.0}]
    for arm, losses in (("real", looks), ("linear", looks[:1])):
        (tmp_path / arm).mkdir()
        (tmp_path / arm / "classifier.json").write_text(json.dumps({"log": {"losses": losses}}))
    parts = {"model_0": tmp_path / "real", "model_1": tmp_path / "linear", "log_0": [{"label": "joy", "losses": looks}]}
    curves = TrainingCurves.validate(collect_curves(arms=["real", "linear"], generators=["g"], **parts))
    # A model with a single look at its losses has no curve.
    assert set(zip(curves["model"], curves["part"], strict=True)) == {("generator g", "joy"), ("classifier real", "")}
    assert len(curves_plot(curves)) > len(curves_plot(curves.iloc[:0]))
    assert of_curves(curves).startswith("Losses by step: generator g from 1.90 to 1.90 (validation);")


def test_quality_of_what_the_arms_kept(split_records: pd.DataFrame, tmp_path: Path) -> None:
    ids = [f"c{n}" for n in range(8)]
    candidates = pd.DataFrame({"candidate_id": ids, "text": [f"happy words {n}" for n in range(8)], "label": "joy"})
    read = candidates[["candidate_id", "label"]].assign(predicted=["joy"] * 6 + ["anger"] * 2)
    reasons = [""] * 6 + ["length", "novel"]
    kept = [not reason for reason in reasons]
    draw = {"size": 0, "data_seed": 0}
    decisions = pd.DataFrame({"arm": "mixed", **draw, "candidate_id": ids, "kept": kept, "reason": reasons})
    evaluator = EvaluatorConfig(arm="real")
    real = predictions("real", split_records)
    quality, counts = measure_text_quality(
        candidates, read, real, decisions, split_records, evaluator, "invented", EVALUATION, "cpu", str(tmp_path)
    )
    fidelity = TextQuality.validate(quality).set_index(["label", "metric"]).loc[("all", "fidelity")]
    assert fidelity["value"] == 1
    assert 0 < fidelity["real"] < 1
    assert fidelity["texts"] == 6
    assert counts.set_index("reason")["candidates"].to_dict() == {"": 6, "length": 1, "novel": 1}


def test_the_sample_is_named(split_records: pd.DataFrame) -> None:
    assert "hand-written sample" in data_note(SAMPLE, split_records)
    assert "sample" not in data_note(Path("data/01_raw/real"), split_records)
    # Rows of another experiment, whose sources are not the sample's.
    assert "sample" not in data_note(SAMPLE, split_records.assign(source="mails"))
    outside = SourceConfig(file="/mine.csv", text_column="a", label_column="b")
    ingestion = IngestionConfig(cleaning=(), sources={"mine": outside})
    assert "sample" not in data_note(Path("data/01_raw/sample"), split_records, ingestion)


def test_a_split_that_keeps_nothing_together_is_named(split_records: pd.DataFrame) -> None:
    assert "near-duplicates" not in data_note(Path("data"), split_records)
    assert "near-duplicates were not kept together" in data_note(Path("data"), split_records.assign(group=-1))
