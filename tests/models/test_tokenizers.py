"""Words that the tokenizer keeps whole: in the tokenizer, in the model, and on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
)

from emotion_kedro.config.models import EncoderConfig, LexiconConfig
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.config.training import TrainingConfig
from emotion_kedro.models.classifiers import TrainingSet, fit_classifier
from emotion_kedro.models.device import Device
from emotion_kedro.models.tokenizers import keep_whole, pieces_of_new
from emotion_kedro.storage.cache import Cache

# "crying" is a word of the tiny vocabulary; the others fall into letters.
WORDS = ("crying", "gutted", "don't")


@pytest.fixture
def tokenizer(tiny_encoder: Path) -> Any:
    return AutoTokenizer.from_pretrained(tiny_encoder)


@pytest.fixture
def model(tiny_encoder: Path) -> Any:
    return AutoModelForSequenceClassification.from_pretrained(tiny_encoder, num_labels=2)


def test_words_that_are_cut_or_not_known_at_all_are_new(tokenizer: Any) -> None:
    new = pieces_of_new(tokenizer, [*WORDS, "жар"])
    assert tokenizer.convert_ids_to_tokens(new.pop("gutted")) == ["g", "##u", "##t", "##t", "##e", "##d"]
    assert tokenizer.convert_ids_to_tokens(new.pop("don't")) == ["d", "##o", "##n", "'", "t"]
    assert new == {"жар": [tokenizer.unk_token_id]}


def test_new_words_are_tokens_and_longer_ones_that_hold_them_are_cut_as_before(tokenizer: Any, model: Any) -> None:
    texts = ("degutted", "guttedly", "gutte", "this morning")
    before = [tokenizer.tokenize(text) for text in texts]
    counts = keep_whole(model, tokenizer, WORDS)
    assert counts == {"words": 3, "new": 2}
    assert [tokenizer.tokenize(text) for text in texts] == before
    assert tokenizer.tokenize("Gutted, GUTTED! Don't") == ["gutted", ",", "gutted", "!", "don't"]


def test_each_new_row_starts_as_the_mean_of_the_pieces(tokenizer: Any, model: Any) -> None:
    before = model.get_input_embeddings().weight.detach().clone()
    pieces = {word: tokenizer(word, add_special_tokens=False)["input_ids"] for word in WORDS}
    keep_whole(model, tokenizer, WORDS)
    after = model.get_input_embeddings().weight.detach()
    assert after.shape[0] == before.shape[0] + 2 == len(tokenizer) == model.config.vocab_size
    assert torch.equal(after[: len(before)], before)
    for word in ("gutted", "don't"):
        row = after[tokenizer.get_vocab()[word]]
        assert torch.allclose(row, before[pieces[word]].mean(dim=0))


def test_a_head_over_the_vocabulary_starts_the_same_way(tokenizer: Any) -> None:
    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    model: Any = BertForMaskedLM(BertConfig(vocab_size=len(tokenizer), **size))
    torch.nn.init.normal_(model.cls.predictions.decoder.bias)
    pieces = tokenizer("gutted", add_special_tokens=False)["input_ids"]
    bias = model.cls.predictions.decoder.bias.detach().clone()
    keep_whole(model, tokenizer, ["gutted"])
    head, token = model.get_output_embeddings(), tokenizer.get_vocab()["gutted"]
    assert head.bias[token].item() == pytest.approx(bias[pieces].mean().item())
    assert torch.allclose(head.weight[token], head.weight[pieces].mean(dim=0))
    assert torch.equal(head.weight, model.get_input_embeddings().weight)


def test_a_lexicon_without_new_words_touches_nothing(tokenizer: Any, model: Any) -> None:
    embeddings, size = model.get_input_embeddings(), len(tokenizer)
    assert keep_whole(model, tokenizer, ["crying", "crying"])["new"] == 0
    assert model.get_input_embeddings() is embeddings
    assert len(tokenizer) == size


def fit(records: pd.DataFrame, taxonomy: TaxonomyConfig, base: Path, cache: Cache, **change: Any) -> Any:
    training_set = TrainingSet(records.iloc[::4], records.iloc[:0], taxonomy, "classifier.arm", 0)
    training = TrainingConfig(steps=3, batch_size=8, learning_rate=1e-2, evaluate_every=3)
    learner = EncoderConfig(base=str(base), max_tokens=32, training=training, **change)
    return fit_classifier(training_set, learner, Device("cpu", "test", half=False), cache)[0]


LISTED = LexiconConfig(words="listed", listed=WORDS)


@pytest.mark.slow
def test_a_fitted_classifier_with_new_words_opens_in_plain_transformers(
    records: pd.DataFrame, taxonomy: TaxonomyConfig, tiny_encoder: Path, cache: Cache, cpu: Device, tmp_path: Path
) -> None:
    classifier = fit(records, taxonomy, tiny_encoder, cache, lexicon=LISTED)
    assert classifier.notes["lexicon"] == {"words": 3, "new": 2}
    classifier.save(tmp_path / "saved")
    tokenizer: Any = AutoTokenizer.from_pretrained(tmp_path / "saved")
    model: Any = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved")
    assert tokenizer.tokenize("so Gutted, guttedly") == classifier.tokenizer.tokenize("so Gutted, guttedly")
    text = "all day we were gutted and don't know"
    with torch.no_grad():
        given = model(**tokenizer(text, return_tensors="pt")).logits.softmax(dim=-1).numpy()
    assert given == pytest.approx(classifier.probabilities([text], device=cpu), abs=1e-6)


@pytest.mark.slow
def test_new_words_learn_unless_the_embeddings_are_frozen(
    records: pd.DataFrame, taxonomy: TaxonomyConfig, tiny_encoder: Path, cache: Cache
) -> None:
    records_with_the_word = records.assign(text=records["text"] + " gutted")

    def moved(**change: Any) -> bool:
        classifier = fit(records_with_the_word, taxonomy, tiny_encoder, cache, lexicon=LISTED, **change)
        base: Any = AutoModelForSequenceClassification.from_pretrained(tiny_encoder)
        pieces = AutoTokenizer.from_pretrained(tiny_encoder)("gutted", add_special_tokens=False)["input_ids"]
        mean = base.get_input_embeddings().weight[pieces].mean(dim=0)
        row = classifier.model.get_input_embeddings().weight[classifier.tokenizer.get_vocab()["gutted"]]
        return not torch.allclose(row, mean)

    assert moved()
    assert not moved(frozen_layers=1)
