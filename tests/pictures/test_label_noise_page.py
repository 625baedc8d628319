"""What the page on two labellings of the same texts claims, and what it leaves open."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from emotion_kedro.options.label_noise import LabelNoiseOptions
from emotion_kedro.pictures.document import document_html, document_markdown
from emotion_kedro.pictures.label_noise import NoiseResults, noise_document

OPTIONS = LabelNoiseOptions.model_validate(
    {"trusted": "eit", "doubted": "eabot", "keywords": {"patterns": {"joy": ["happy"]}}}
)


def interval(estimate: float, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    return {"estimate": estimate, "low": low, "high": high, "level": 0.95, "samples": 100}


def results(*, texts: int = 90, kappa_high: float = 0.1, gains: tuple[float, ...] = (0.2, 0.3)) -> NoiseResults:
    shared = {
        "texts": texts,
        "agreement": interval(0.05, 0.0, 0.1) if texts else None,
        "by_chance": 0.04 if texts else None,
        "kappa": interval(0.02, 0.0, kappa_high) if texts else None,
    }
    counts = {"trusted": 200, "doubted": 100, "shared": texts, "several_labels": 0}
    share = interval(0.9, 0.8, 1.0)
    written = {"labels_of": "eabot", "rows": 100, "explained": 90, "share": share, "beyond_chance": 0.8}
    written |= {"by_chance": interval(0.5, 0.4, 0.6), "with_keyword": {"rows": 10, "share": share}}
    rules = [
        {"pieces": "words", "leaves": leaves, "labels_of": side, "rows": 90, "accuracy": share, "commonest": 0.8}
        | {"skill": interval(0.5, 0.3, 0.7)}
        for leaves in (4, 8)
        for side in ("doubted", "trusted")
    ]
    learned = {
        "compared": bool(gains),
        "rules": rules,
        "differences": [
            {"pieces": "words", "leaves": 4 * place, "skill": interval(low + 0.1, low, low + 0.2)}
            for place, low in enumerate(gains, start=1)
        ],
        "asked_for": [{"pieces": "words", "leaves": 8, "labels_of": "doubted", "asked_for": [" happ", "sad"]}],
    }
    arms, sets = ("commonest label", "eit", "eit + eabot", "eabot"), ("eit", "eabot")
    told = [{"split_strategy": split, "tested": tested} for split in ("plain", "grouped") for tested in sets]
    merging = {
        "merged": "eit + eabot",
        "commonest": "commonest label",
        "scores": [
            {**one, "arm": arm, "rows": 40, "accuracy": interval(0.6, 0.5, 0.7)} for one in told for arm in arms
        ],
        "differences": [
            {**one, "arm": "eit + eabot", "against": "eit", "accuracy": interval(-0.015, -0.02, -0.01)} for one in told
        ],
    }
    leakage = pd.DataFrame([{"tested": "eit", "split_strategy": "plain", "arm": "eit", "rows": 8.5, "same": 1.0}])
    leakage = leakage.assign(other=2.0, near=3.0, near_share=0.353)
    confusion = pd.DataFrame({"trusted": ["joy", "joy"], "doubted": ["neutral", "joy"], "texts": [80, 10]})
    explained = pd.DataFrame([{"labels_of": "eabot", "label": "joy", "rows": 10, "explained": 9, "share": 0.9}])
    return NoiseResults(
        {"counts": counts, "all": shared, "comparable": shared},
        confusion if texts else confusion.iloc[:0],
        {"written": [written], "learned": learned},
        explained,
        merging,
        leakage,
    )


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({}, "The two hardly agree; a few words read EABOT's labels better than EIT's."),
        ({"gains": (0.2, -0.1)}, "The two hardly agree."),
        ({"kappa_high": 0.3, "gains": (-0.1, -0.1)}, "The two agree in part."),
        ({"gains": ()}, "On 90 shared texts too little to tell."),
        ({"texts": 0, "gains": ()}, "The two tables share no text under one label each: labels cannot be compared."),
    ],
)
def test_the_answer_claims_no_more_than_every_size_of_the_rule_shows(changes: dict[str, Any], answer: str) -> None:
    assert noise_document(results(**changes), OPTIONS).answer == answer


def test_the_page_says_that_the_patterns_are_a_fit_and_sets_scores_beside_the_commonest_label() -> None:
    page = document_markdown(noise_document(results(), OPTIONS))
    assert "that they fit is no test of the idea" in page
    assert "Plain split: .600 [.500, .700]; trained on eabot .600" in page
    assert "under the grouped split by −.015 [−.020, −.010]" in page
    assert "| joy | 80 | 10 | 90 |" in page
    assert "does not prove how they were made" in page
    assert "happ" in page


def test_without_a_shared_text_the_page_is_still_written_and_drawn() -> None:
    document = noise_document(results(texts=0, gains=()), OPTIONS)
    page = document_html(document)
    assert "there is nothing to compare it with" in page
    assert page.count("data:image/png;base64,") == 2
    assert "share no text" in page
