from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from emotion_kedro.analyses import attributions, word_weights
from emotion_kedro.analyses.attributions import analyse, completeness, concentration, heaviest_words
from emotion_kedro.analyses.word_weights import attribute_words, merge_to_words, roll_out, words_of_tokens
from emotion_kedro.config.analyses import AttributionsConfig
from emotion_kedro.config.evaluation import EvaluationConfig
from emotion_kedro.config.models import learner_config
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.data.lexicon import word_spans
from emotion_kedro.datasets import TableFolder
from emotion_kedro.models.classifiers import TrainingSet, fit_classifier, load_classifier
from emotion_kedro.models.device import Device
from emotion_kedro.storage.cache import Cache

TEXTS = [
    "all day we were crying and lonely again",
    "Laughing, dancing: all day!",
    ":)",
]


@pytest.fixture(scope="module")
def model(
    records: pd.DataFrame,
    taxonomy: TaxonomyConfig,
    tiny_encoder: Path,
    cpu: Device,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    training = {"steps": 150, "batch_size": 16, "learning_rate": 3e-3, "evaluate_every": 150}
    learner = learner_config({"kind": "encoder", "base": str(tiny_encoder), "max_tokens": 32, "training": training})
    training_set = TrainingSet(records, records.iloc[:0], taxonomy, "arm", 0)
    fitted, _ = fit_classifier(training_set, learner, cpu, Cache(tmp_path_factory.mktemp("cache")))
    directory = tmp_path_factory.mktemp("classifier")
    fitted.save(directory)
    return directory


@pytest.fixture(scope="module")
def classifier(model: Path, cpu: Device) -> Any:
    return load_classifier(model, cpu)


def test_tokens_belong_to_the_word_they_start_in() -> None:
    text = "so glad, isn't it"
    spans = word_spans(text)
    # [CLS] so gl ##ad , isn ' t it [SEP]
    offsets = [(0, 0), (0, 2), (3, 5), (5, 7), (7, 8), (9, 12), (12, 13), (13, 14), (15, 17), (0, 0)]
    special = [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    assert words_of_tokens(offsets, special, spans).tolist() == [-1, 0, 1, 1, -1, 2, 2, 2, 3, -1]


def test_pieces_are_added_up_to_words() -> None:
    values = np.array([9.0, 1.0, 2.0, 3.0, 7.0, -1.0])
    assert merge_to_words(values, np.array([-1, 0, 1, 1, -1, 3]), 4).tolist() == [1.0, 5.0, 0.0, -1.0]
    assert merge_to_words(values[:1], np.array([-1]), 0).tolist() == []


def test_rollout_counts_the_residual_connection_as_half() -> None:
    first = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])
    second = torch.tensor([[[1.0, 0.0], [0.5, 0.5]]])
    # First layer with residual: all .5. Second: [[1, 0], [.25, .75]]. Their product again has rows of .5.
    assert roll_out([first, second]).tolist() == [[[0.5, 0.5], [0.5, 0.5]]]
    assert roll_out([second]).tolist() == [[[1.0, 0.0], [0.25, 0.75]]]


@pytest.mark.slow
def test_attributions_add_up_to_the_change_in_log_odds(classifier: Any, cpu: Device) -> None:
    for weights in attribute_words(classifier, TEXTS, device=cpu, steps=200):
        assert weights.gap == pytest.approx(0.0, abs=0.02 * max(1.0, abs(weights.change)))
    probabilities = classifier.probabilities(TEXTS, device=cpu)
    weights_of_all = attribute_words(classifier, TEXTS, device=cpu, steps=4)
    assert [weights.predicted for weights in weights_of_all] == probabilities.argmax(axis=1).tolist()
    assert [weights.probability for weights in weights_of_all] == pytest.approx(
        probabilities.max(axis=1).tolist(), abs=1e-5
    )


@pytest.mark.slow
def test_the_change_is_that_from_the_masked_text(classifier: Any, cpu: Device) -> None:
    def log_odds(text: str, label: int) -> float:
        given = classifier.probabilities([text], device=cpu)[0, label]
        return float(np.log(given / (1 - given)))

    (weights,) = attribute_words(classifier, TEXTS[:1], device=cpu, steps=4)
    masked = " ".join(["[MASK]"] * len(TEXTS[0].split()))
    expected = log_odds(TEXTS[0], weights.predicted) - log_odds(masked, weights.predicted)
    assert weights.change == pytest.approx(expected, abs=1e-3)


@pytest.mark.slow
def test_the_words_that_give_the_label_away_weigh_most(classifier: Any, cpu: Device, labels: tuple[str, ...]) -> None:
    (weights,) = attribute_words(classifier, TEXTS[:1], device=cpu, steps=50)
    words = [TEXTS[0][start:end] for start, end in weights.spans]
    assert words == TEXTS[0].split()
    assert labels[weights.predicted] == "sadness"
    assert {words[place] for place in np.argsort(-weights.attribution)[:2]} == {"crying", "lonely"}


@pytest.mark.slow
def test_texts_are_weighed_alike_where_batches_are_filled_up_as_for_a_gpu(
    classifier: Any, cpu: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = attribute_words(classifier, TEXTS, device=cpu, steps=4)
    monkeypatch.setattr("emotion_kedro.models.classifiers.encoder.multiple_for", lambda _: 8)
    for filled, weights in zip(attribute_words(classifier, TEXTS, device=cpu, steps=4), plain, strict=True):
        assert filled.attribution == pytest.approx(weights.attribution, abs=1e-4)
        assert filled.rollout == pytest.approx(weights.rollout, abs=1e-4)


@pytest.mark.slow
def test_texts_are_weighed_alike_alone_and_in_a_batch(classifier: Any, cpu: Device) -> None:
    together = attribute_words(classifier, TEXTS, device=cpu, steps=8)
    for text, weights in zip(TEXTS, together, strict=True):
        (alone,) = attribute_words(classifier, [text], device=cpu, steps=8)
        for name in ("attribution", "attention", "rollout"):
            assert getattr(weights, name) == pytest.approx(getattr(alone, name), abs=1e-4), name
    assert [len(text.spans) for text in together] == [8, 4, 0]
    # Attention to special tokens and punctuation is nobody's.
    assert all(0 < text.attention.sum() < 1 for text in together[:2])
    assert classifier.model.config._attn_implementation != "eager"


@pytest.mark.slow
def test_words_behind_the_cut_are_left_out(classifier: Any, cpu: Device) -> None:
    (weights,) = attribute_words(classifier, ["crying " * 40], device=cpu, steps=2)
    assert len(weights.spans) == classifier.max_tokens - 2


def test_a_tokenizer_without_a_mask_is_refused(cpu: Device) -> None:
    class Tokenizer:
        mask_token_id, pad_token_id, is_fast = None, 0, True

    class Fitted:
        tokenizer = Tokenizer()

    classifier: Any = Fitted()
    with pytest.raises(ValueError, match="mask token"):
        attribute_words(classifier, ["text"], device=cpu, steps=2)


# --- the whole analysis -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def split_records(records: pd.DataFrame) -> pd.DataFrame:
    splits = ["train", "train", "test", "validation"]
    return records.assign(group=range(len(records)), split=[splits[row % 4] for row in range(len(records))])


@pytest.mark.slow
def test_the_tables_hold_together_and_a_killed_run_goes_on_with_the_next_part(
    model: Path,
    split_records: pd.DataFrame,
    taxonomy: TaxonomyConfig,
    cpu: Device,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = AttributionsConfig(
        rows=12, steps=4, word_counts=(1, 2), draws=2, least_count=1, rows_at_once=5, examples=("i was crying", ":)")
    )
    arguments = {
        "taxonomy": taxonomy,
        "device": cpu,
        "cache": Cache(tmp_path / "cache"),
        "evaluation": EvaluationConfig(bootstrap_samples=100),
        "split_records": split_records,
        "models": {"real": model},
    }
    sizes: list[int] = []
    attribute = word_weights.attribute_words

    def counted(classifier: Any, texts: list[str], **keywords: Any) -> Any:
        sizes.append(len(texts))
        if len(sizes) == 2:
            raise KeyboardInterrupt
        return attribute(classifier, texts, **keywords)

    monkeypatch.setattr(attributions, "attribute_words", counted)
    with pytest.raises(KeyboardInterrupt):
        analyse(config, **arguments)
    tables = analyse(config, **arguments)
    assert sizes == [5, 5, 5, 4]
    again = analyse(config, **arguments)
    assert all(table.equals(again[name]) for name, table in tables.items())
    assert len(sizes) == 4

    TableFolder(filepath=str(tmp_path / "tables")).save(tables)
    texts, accuracy = tables["texts"], tables["accuracy"].set_index(["chooser", "way", "words"])["value"]
    assert texts["source"].value_counts().to_dict() == {"invented": 12, "example": 2}
    assert set(tables["words"].columns) >= {"record_id", "place", "word", "attribution", "attention", "rollout"}
    right = texts[texts["source"] == "invented"].eval("label == predicted").mean()
    assert accuracy["all words"].tolist() == [pytest.approx(right)]
    # Two words of a text give its label away: without them less is read than without as many others.
    lost = tables["differences"].query("chooser == 'attribution' and way == 'masked' and second == 'random/masked/2'")
    assert lost["difference"].iloc[0] < 0
    assert len(accuracy) == 1 + 5 * 2 * 2
    assert tables["completeness"]["texts"].item() == 12


def test_another_kind_of_classifier_is_refused(cpu: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    class Linear:
        def __init__(self) -> None:
            self.notes = {"kind": "linear"}

    monkeypatch.setattr(attributions, "load_classifier", lambda *_: Linear())
    with pytest.raises(ValueError, match=r"attributions\.arm is real, which is no encoder but linear"):
        analyse(
            AttributionsConfig(),
            taxonomy=TaxonomyConfig.from_labels(["a", "b"]),
            device=cpu,
            cache=Cache("."),
            evaluation=EvaluationConfig(),
            split_records=pd.DataFrame(),
            models={"real": Path()},
        )


def test_figures_of_weights() -> None:
    words = pd.DataFrame({"record_id": list("aabb"), "word": ["sad", "day", "sad", "joy"]})
    for name in ("attribution", "attention", "rollout"):
        words[name] = [3.0, -1.0, 1.0, 0.0]
    share = concentration(words).query("measure == 'attribution'")
    assert share[["share", "even"]].to_numpy().tolist() == [[0.875, 0.5], [1.0, 1.0], [1.0, 1.0]]
    heaviest = heaviest_words(words, pd.Series({"a": "sadness", "b": "sadness"}))
    assert heaviest.to_dict("records") == [{"label": "sadness", "word": "sad", "mean": 2.0, "texts": 2}]
    table = completeness(pd.DataFrame({"gap": [0.1, -0.3], "change": [2.0, -2.0]}))
    assert table["ratio"].item() == pytest.approx(0.1)
