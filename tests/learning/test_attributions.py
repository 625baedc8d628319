from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from emotion_kedro.learning.attributions import merge_to_words, roll_out, weigh_words, words_of_tokens
from emotion_kedro.learning.checkpoints import Checkpoints
from emotion_kedro.learning.classifiers import Lesson, fit_classifier, load_classifier
from emotion_kedro.learning.device import Device
from emotion_kedro.learning.mixes import compose_mix
from emotion_kedro.options import AugmentationOptions, ClassifierOptions, TrainingOptions
from emotion_kedro.text.lexicon import word_spans

TEXTS = [
    "all day we were crying and lonely again",
    "Laughing, dancing: all day!",
    ":)",
]


@pytest.fixture(scope="module")
def classifier(
    records: pd.DataFrame, labels: tuple[str, ...], tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    mix = compose_mix("arm", real=records, synthetic=None, augmentation=AugmentationOptions())
    lesson = Lesson(mix, records.iloc[:0], labels, "classifier.arm", 0, AugmentationOptions())
    training = TrainingOptions(steps=60, batch_size=16, learning_rate=3e-3, evaluate_every=60)
    options = ClassifierOptions(base=str(tiny_encoder), max_tokens=32, training=training)
    store = Checkpoints(tmp_path_factory.mktemp("checkpoints"), "work", "a1")
    fitted, _ = fit_classifier(lesson, options, device=Device("cpu", "test", half=False), checkpoints=store)
    directory = tmp_path_factory.mktemp("classifier")
    fitted.save(directory)
    return load_classifier(directory, Device("cpu", "test", half=False))


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
@pytest.mark.parametrize("baseline", ["mask", "pad"])
def test_attributions_add_up_to_the_change_in_log_odds(classifier: Any, cpu: Device, baseline: Any) -> None:
    for weights in weigh_words(classifier, TEXTS, device=cpu, steps=200, baseline=baseline):
        assert weights.gap == pytest.approx(0.0, abs=0.02 * max(1.0, abs(weights.change)))
    probabilities = classifier.probabilities(TEXTS, device=cpu)
    found = weigh_words(classifier, TEXTS, device=cpu, steps=4, baseline=baseline)
    assert [weights.predicted for weights in found] == probabilities.argmax(axis=1).tolist()
    assert [weights.probability for weights in found] == pytest.approx(probabilities.max(axis=1).tolist(), abs=1e-5)


@pytest.mark.slow
def test_the_change_is_that_from_the_masked_text(classifier: Any, cpu: Device) -> None:
    def log_odds(text: str, label: int) -> float:
        given = classifier.probabilities([text], device=cpu)[0, label]
        return float(np.log(given / (1 - given)))

    (weights,) = weigh_words(classifier, TEXTS[:1], device=cpu, steps=4)
    masked = " ".join(["[MASK]"] * len(TEXTS[0].split()))
    expected = log_odds(TEXTS[0], weights.predicted) - log_odds(masked, weights.predicted)
    assert weights.change == pytest.approx(expected, abs=1e-3)


@pytest.mark.slow
def test_the_words_that_give_the_label_away_weigh_most(classifier: Any, cpu: Device, labels: tuple[str, ...]) -> None:
    (weights,) = weigh_words(classifier, TEXTS[:1], device=cpu, steps=50)
    words = [TEXTS[0][start:end] for start, end in weights.spans]
    assert words == TEXTS[0].split()
    assert labels[weights.predicted] == "sadness"
    assert {words[place] for place in np.argsort(-weights.attribution)[:2]} == {"crying", "lonely"}


@pytest.mark.slow
def test_texts_are_weighed_alike_alone_and_in_a_batch(classifier: Any, cpu: Device) -> None:
    together = weigh_words(classifier, TEXTS, device=cpu, steps=8)
    for text, one in zip(TEXTS, together, strict=True):
        (alone,) = weigh_words(classifier, [text], device=cpu, steps=8)
        for name in ("attribution", "attention", "rollout"):
            assert getattr(one, name) == pytest.approx(getattr(alone, name), abs=1e-4), name
    assert [len(one.spans) for one in together] == [8, 4, 0]
    # Attention to special tokens and punctuation is nobody's.
    assert all(0 < one.attention.sum() < 1 for one in together[:2])
    assert classifier.model.config._attn_implementation != "eager"


@pytest.mark.slow
def test_words_behind_the_cut_are_left_out(classifier: Any, cpu: Device) -> None:
    (weights,) = weigh_words(classifier, ["crying " * 40], device=cpu, steps=2)
    assert len(weights.spans) == classifier.max_tokens - 2


def test_a_tokenizer_without_a_mask_is_refused(cpu: Device) -> None:
    class Tokenizer:
        mask_token_id, pad_token_id, is_fast = None, 0, True

    class Fitted:
        tokenizer = Tokenizer()

    classifier: Any = Fitted()
    with pytest.raises(ValueError, match="mask token"):
        weigh_words(classifier, ["text"], device=cpu, steps=2)
