"""Attributions and masked texts, end to end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from project_folder import Project

from emotion_kedro.learning import attributions
from emotion_kedro.options import AttributionOptions, UnificationOptions
from emotion_kedro.pipelines.attributions.nodes import attribute_words

pytestmark = pytest.mark.slow

TRAINING = {"steps": 12, "batch_size": 8, "learning_rate": 1.0e-3, "evaluate_every": 12}
SENTENCE = "I could not stop *smiling* today."


@pytest.fixture(scope="module")
def project(new_project: Callable[..., Project], tiny_encoder: Path) -> Project:
    made = new_project(
        attributions={
            "classification": {"classifier": {"base": str(tiny_encoder), "training": TRAINING}},
            "attributions": {"rows": 12, "steps": 4, "draws": 2, "rows_at_once": 5, "examples": [SENTENCE]},
        }
    )
    assert "Where the feeling sits" in made.kedro("run", "--pipeline=attributions")
    return made


def test_every_version_of_every_row_was_read(project: Project) -> None:
    texts = project.table("08_reporting/attributions/text_attributions.parquet")
    assert len(texts) == 13
    assert texts["source"].eq("example").sum() == 1
    predictions = project.table("08_reporting/attributions/predictions/masked.parquet")
    assert predictions["record_id"].nunique() == 12
    # All words; four ways of choosing and two draws, times four numbers of words, masked and alone.
    assert len(predictions) == 12 * (1 + (4 + 2) * 4 * 2)
    whole = predictions[predictions["arm"] == "all words"].set_index("record_id")
    real = project.table("08_reporting/attributions/predictions/real.parquet").set_index("record_id")
    columns = [name for name in real.columns if name.startswith("p_")]
    assert whole[columns].to_numpy() == pytest.approx(real.loc[whole.index, columns].to_numpy(), abs=1e-5)


def test_findings_have_their_names(project: Project) -> None:
    findings = json.loads((project.path / "data/08_reporting/attributions/findings.json").read_text())
    assert [(finding["name"], finding["rows"]) for finding in findings] == [
        ("accuracy, all words", 12),
        ("top 1 words masked", 12),
        ("top 3 words masked", 12),
        ("3 random words masked", 12),
        ("top 3 minus 3 random", 12),
        ("top 3 words alone", 12),
    ]
    assert findings[4]["metric"] == "difference in accuracy"
    assert findings[4]["figure"]["estimate"] == pytest.approx(
        findings[2]["figure"]["estimate"] - findings[3]["figure"]["estimate"]
    )


def test_texts_of_the_data_stand_in_the_html_page_alone(project: Project) -> None:
    folder = project.path / "data/08_reporting/attributions"
    page, markdown = (folder / "report.html").read_text(), (folder / "report.md").read_text()
    assert "Sentences written for this page" in page
    assert "Sentences written for this page" in markdown
    assert "smiling" in markdown
    assert "Test rows, read rightly" not in markdown
    records = project.table("05_model_input/attributions/split_records.parquet")
    assert not any(text in markdown for text in records["text"])


def test_a_run_that_was_cut_off_goes_on_after_the_last_whole_part(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (model,) = (project.path / "data/06_models/attributions/classifier/real").glob("*/real")
    records = project.table("05_model_input/attributions/split_records.parquet")
    options = AttributionOptions(rows=12, steps=4, rows_at_once=5, examples=(SENTENCE,))
    weigh, seen = attributions.weigh_words, []

    def weigh_until(last: int) -> Callable[..., object]:
        def cut_off(classifier: object, texts: list[str], **rest: object) -> object:
            if len(seen) == last:
                raise KeyboardInterrupt
            seen.append(len(texts))
            return weigh(classifier, texts, **rest)

        return cut_off

    def run() -> tuple[pd.DataFrame, pd.DataFrame]:
        unification = UnificationOptions(taxonomy="six")
        return attribute_words(model, records, unification, options, "cpu", str(tmp_path))

    monkeypatch.setattr(attributions, "weigh_words", weigh_until(2))
    with pytest.raises(KeyboardInterrupt):
        run()
    assert seen == [5, 5]
    monkeypatch.setattr(attributions, "weigh_words", weigh_until(9))
    words, texts = run()
    assert seen == [5, 5, 3]
    saved = project.table("08_reporting/attributions/word_attributions.parquet")
    pd.testing.assert_frame_equal(words, saved, rtol=1e-4, atol=1e-5)
    assert len(texts) == 13
