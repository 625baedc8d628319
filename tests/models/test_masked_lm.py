from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import forked
import numpy as np
import pandas as pd
import pytest
import torch
from asking import asked

from emotion_kedro.config.models import MaskedLMConfig
from emotion_kedro.config.taxonomy import PromptConfig, TaxonomyConfig
from emotion_kedro.config.training import TrainingConfig
from emotion_kedro.models.classifiers import TrainingSet, fit_classifier, load_classifier
from emotion_kedro.models.classifiers.fitting import targets_of, trained_parameters
from emotion_kedro.models.classifiers.masked_lm import MaskedLMClassifier, loss_of, with_masks
from emotion_kedro.models.classifiers.verbalisers import Verbalisers
from emotion_kedro.models.device import Device
from emotion_kedro.models.masked_lms import open_masked
from emotion_kedro.models.prompts import Prompt
from emotion_kedro.models.tokenizers import train_wordpiece
from emotion_kedro.storage.cache import Cache

STEPS = TrainingConfig(steps=150, batch_size=16, learning_rate=5e-3, evaluate_every=150)
TAXONOMY = TaxonomyConfig(
    labels=dict.fromkeys(("anger", "fear", "joy", "sadness")),
    prompt=PromptConfig(question="what is it: ", answer="\nanswer:"),
)
SHORT = Prompt.of(TAXONOMY)
LENGTHS = np.array([3, 1, 1, 2])  # with the vocabulary of `uneven`


def _save_bert(directory: Path, tokenizer: Any, *, width: int = 32) -> Path:
    from transformers import BertConfig, BertForMaskedLM

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=2 * width,
        max_position_embeddings=192,
        initializer_range=0.1,
    )
    BertForMaskedLM(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


@pytest.fixture(scope="module")
def tiny_masked(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT with a masked-LM head whose vocabulary has the four labels as words, and ``sadness`` in pieces."""
    from transformers import BertTokenizer

    pieces = (tiny_encoder / "vocab.txt").read_text(encoding="utf-8").split()
    words = ["what", "is", "it", "answer", "anger", "fear", "joy", "sadness"]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys([*pieces, *words]))}
    return _save_bert(tmp_path_factory.mktemp("tiny_masked"), BertTokenizer(vocab=vocabulary))


@pytest.fixture(scope="module")
def uneven(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, but ``anger`` is three tokens and ``sadness`` two."""
    from transformers import BertTokenizer

    pieces = (tiny_encoder / "vocab.txt").read_text(encoding="utf-8").split()
    words = ["what", "is", "it", "answer", "ang", "fear", "joy", "sad", "##ness"]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys([*pieces, *words]))}
    return _save_bert(tmp_path_factory.mktemp("uneven"), BertTokenizer(vocab=vocabulary))


def classifier_of(
    base: Path, device: Device, prompt: Prompt = SHORT, *, max_tokens: int = 24, calibrate: bool = False
) -> MaskedLMClassifier:
    model, tokenizer = open_masked(str(base), device)
    return MaskedLMClassifier(model, tokenizer, prompt, max_tokens, calibrate, {})


def learner_of(base: Path, **change: Any) -> MaskedLMConfig:
    return MaskedLMConfig(**{"base": str(base), "training": STEPS, "head_rate": 1.0, "max_tokens": 24, **change})


def training_set_of(records: pd.DataFrame, *, rows: int = 144) -> TrainingSet:
    shuffled = records.sample(frac=1.0, random_state=0, ignore_index=True)
    return TrainingSet(shuffled.iloc[:rows], shuffled.iloc[rows:], TAXONOMY, "test", 0)


def test_masks_stand_behind_each_row_and_nothing_else_moves() -> None:
    ids = torch.tensor([[2, 7, 8, 9], [2, 7, 0, 0]])
    attention = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    masked, seen, places = with_masks(ids, attention, 2, mask=4, end=3, padding=0)
    assert masked.tolist() == [[2, 7, 8, 9, 4, 4, 3], [2, 7, 4, 4, 3, 0, 0]]
    assert seen.tolist() == [[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0, 0]]
    assert places.tolist() == [[4, 5], [2, 3]]
    assert ids.tolist() == [[2, 7, 8, 9], [2, 7, 0, 0]]


def test_the_text_is_cut_and_never_the_question(tiny_masked: Path, cpu: Device) -> None:
    classifier = classifier_of(tiny_masked, cpu, max_tokens=3)
    row = classifier.encode(["joy fear anger sadness joy"])[0]
    assert classifier.tokenizer.convert_ids_to_tokens(row) == [
        *("[CLS]", "what", "is", "it", ":", "joy", "fear", "anger", "answer", ":")
    ]


def test_a_row_is_the_prompt_as_the_tokenizer_reads_it_in_one_piece(tiny_masked: Path, cpu: Device) -> None:
    classifier = classifier_of(tiny_masked, cpu)
    text = "i was furious, and lonely"
    whole = classifier.tokenizer(asked(SHORT, text) + SHORT.separator + "[MASK]")["input_ids"]
    batch = classifier.batch(classifier.encode([text]))
    ids, _, places = with_masks(batch["input_ids"], batch["attention_mask"], 1, mask=4, end=3, padding=0)
    assert ids[0].tolist() == whole
    assert whole[places[0, 0]] == classifier.tokenizer.mask_token_id


def test_a_label_of_several_tokens_has_as_many_masks(uneven: Path, cpu: Device) -> None:
    classifier = classifier_of(uneven, cpu)
    assert classifier.verbalisers.lengths.tolist() == LENGTHS.tolist()
    texts = ["i was furious", "all day we were crying and lonely again"]
    expected = np.empty((2, 4))
    classifier.model.eval()
    for row, text in enumerate(texts):
        for column, word in enumerate(SHORT.words.values()):
            tokens = classifier.tokenizer(word, add_special_tokens=False)["input_ids"]
            given = classifier.tokenizer(asked(SHORT, text) + "[MASK]" * len(tokens), return_tensors="pt")
            with torch.no_grad():
                said = classifier.model(**given).logits[0].log_softmax(-1)
            places = (given["input_ids"][0] == classifier.tokenizer.mask_token_id).nonzero().squeeze(1).tolist()
            expected[row, column] = sum(float(said[place, token]) for place, token in zip(places, tokens, strict=True))
    np.testing.assert_allclose(classifier.log_likelihoods(texts, device=cpu), expected, rtol=1e-4)
    means = expected / LENGTHS
    shares = np.exp(means) / np.exp(means).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(classifier.probabilities(texts, device=cpu), shares, rtol=1e-4)


@pytest.mark.parametrize("read", ["probabilities", "answered"])
def test_there_is_one_pass_for_each_number_of_masks(read: str, uneven: Path, cpu: Device) -> None:
    classifier = classifier_of(uneven, cpu)
    through_the_head: list[tuple[int, ...]] = []
    classifier.model.cls.register_forward_pre_hook(lambda _, inputs: through_the_head.append(tuple(inputs[0].shape)))
    getattr(classifier, read)(["one", "two", "three"], device=cpu)
    assert through_the_head == [(3, 1, 32), (3, 2, 32), (3, 3, 32)]


def test_calibration_gives_a_text_without_content_even_chances(tiny_masked: Path, cpu: Device) -> None:
    plain, calibrated = (classifier_of(tiny_masked, cpu, calibrate=answer) for answer in (False, True))
    assert np.ptp(plain.probabilities([""], device=cpu)) > 0.02
    empty = calibrated.probabilities(["", "N/A", "[MASK]"], device=cpu)
    np.testing.assert_allclose(empty.mean(axis=0), 0.25, atol=0.05)


def test_the_free_answer_is_the_best_token_of_the_whole_vocabulary(
    tiny_masked: Path, records: pd.DataFrame, cpu: Device
) -> None:
    classifier = classifier_of(tiny_masked, cpu)
    texts = records["text"].tolist()
    classifier.model.eval()
    best = []
    for text in texts:
        prompted = classifier.tokenizer(asked(SHORT, text) + "[MASK]", return_tensors="pt")
        with torch.no_grad():
            best.append(int(classifier.model(**prompted).logits[0, -2].argmax()))
    tokens = classifier.verbalisers.tokens
    # An untuned model answers with the same few tokens: one of them becomes a label's word, and another no label's.
    frequent = max(set(best), key=best.count)
    classifier.verbalisers = Verbalisers((*tokens[:2], (frequent, 1), tokens[3]))
    expected = ["joy" if answer == frequent else "" for answer in best]
    assert classifier.answered(texts, device=cpu)[1] == expected


def test_the_loss_is_that_of_the_own_word_where_all_are_one_token(tiny_masked: Path, cpu: Device) -> None:
    classifier = classifier_of(tiny_masked, cpu)
    texts = ["i was furious", "laughing and dancing"]
    batch = {**classifier.batch(classifier.encode(texts)), "labels": torch.tensor([0, 2])}
    classifier.model.eval()
    likelihoods = classifier.log_likelihoods(texts, device=cpu)
    expected = -(likelihoods[0, 0] + likelihoods[1, 2]) / 2
    assert loss_of(classifier, batch).item() == pytest.approx(expected, rel=1e-4)


def test_where_words_differ_in_length_labels_compete(uneven: Path, cpu: Device) -> None:
    classifier = classifier_of(uneven, cpu)
    texts = ["i was furious", "laughing and dancing"]
    batch = {**classifier.batch(classifier.encode(texts)), "labels": torch.tensor([0, 2])}
    classifier.model.eval()
    likelihoods = classifier.log_likelihoods(texts, device=cpu)
    answer = -(likelihoods[0, 0] + likelihoods[1, 2]) / (3 + 1)
    chances = classifier.probabilities(texts, device=cpu)
    among_labels = -(np.log(chances[0, 0]) + np.log(chances[1, 2])) / 2
    assert loss_of(classifier, batch).item() == pytest.approx(answer + among_labels, rel=1e-4)


@pytest.mark.parametrize("base", ["tiny_masked", "uneven"])
@pytest.mark.slow
def test_it_learns_to_answer(
    base: str,
    records: pd.DataFrame,
    cpu: Device,
    cache: Cache,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    training_set = training_set_of(records)
    classifier, log = fit_classifier(training_set, learner_of(request.getfixturevalue(base)), cpu, cache)
    texts = training_set.validation["text"].tolist()
    chances = classifier.probabilities(texts, device=cpu)
    np.testing.assert_allclose(chances.sum(axis=1), 1.0)
    assert (chances.argmax(axis=1) == targets_of(training_set.validation, TAXONOMY.names)).mean() > 0.9
    assert log.losses[-1]["validation"] < 0.5

    classifier.save(tmp_path)
    opened = load_classifier(tmp_path, cpu)
    assert opened.labels == TAXONOMY.names
    np.testing.assert_allclose(opened.probabilities(texts, device=cpu), chances, rtol=1e-5)
    assert json.loads((tmp_path / "prompt.json").read_text())["words"] == dict(SHORT.words)


def test_untuned_it_is_its_base(tiny_masked: Path, records: pd.DataFrame, cpu: Device, cache: Cache) -> None:
    untuned = learner_of(tiny_masked, training=STEPS.model_copy(update={"steps": 0}))
    classifier, log = fit_classifier(training_set_of(records), untuned, cpu, cache)
    assert log.steps == 0
    texts = records["text"].tolist()[:5]
    expected = classifier_of(tiny_masked, cpu).probabilities(texts, device=cpu)
    np.testing.assert_array_equal(classifier.probabilities(texts, device=cpu), expected)


def test_the_decoder_stays_with_the_embeddings(tiny_masked: Path, cpu: Device) -> None:
    model = classifier_of(tiny_masked, cpu).model
    body, head = trained_parameters(model, learner_of(tiny_masked, frozen_layers=1, head_rate=3.0))
    names = {id(value): name for name, value in model.named_parameters()}
    assert {names[id(value)] for value in head["params"]} == {
        *("cls.predictions.bias", "cls.predictions.transform.dense.weight", "cls.predictions.transform.dense.bias"),
        *("cls.predictions.transform.LayerNorm.weight", "cls.predictions.transform.LayerNorm.bias"),
    }
    assert head["rate"] == 3.0
    assert all(names[id(value)].startswith("bert.encoder.layer.1.") for value in body["params"])
    assert not model.cls.predictions.decoder.weight.requires_grad


def test_an_encoder_without_a_head_is_refused(
    tiny_encoder: Path, records: pd.DataFrame, cpu: Device, cache: Cache
) -> None:
    with pytest.raises(ValueError, match=r"no trained masked-LM head.*base_model"):
        fit_classifier(training_set_of(records), learner_of(tiny_encoder), cpu, cache)


def test_a_text_that_has_no_room_is_refused(tiny_masked: Path, cpu: Device) -> None:
    with pytest.raises(ValueError, match=r"lower max_tokens \(500\) by 317"):
        classifier_of(tiny_masked, cpu, max_tokens=500)


def test_chinese_is_asked_in_chinese(cpu: Device, tmp_path: Path) -> None:
    prompt = Prompt("请选择正或负。\n文本如下：", "\n答案是：", "", {"negative": "负", "positive": "正"})
    texts = ["房间很干净，下次还住这里。", "屏幕坏了，客服不理人。"]
    tokenizer = train_wordpiece(texts, vocabulary=400, required=prompt.texts())
    classifier = classifier_of(_save_bert(tmp_path, tokenizer), cpu, prompt, max_tokens=4)
    tokens = [tokenizer.convert_ids_to_tokens(list(ids)) for ids in classifier.verbalisers.tokens]
    assert tokens == [["负"], ["正"]]
    prompted = tokenizer.convert_ids_to_tokens(classifier.encode(["屏幕坏了，客服不理人。"])[0])
    assert "".join(prompted) == "[CLS]请选择正或负。文本如下：屏幕坏了答案是："
    assert classifier.probabilities(["房间很干净"], device=cpu).shape == (1, 2)


def test_a_lexicon_makes_a_word_of_several_tokens_one(
    uneven: Path, records: pd.DataFrame, cpu: Device, cache: Cache, tmp_path: Path
) -> None:
    short = learner_of(uneven, training=STEPS.model_copy(update={"steps": 2}), lexicon={"words": "labels"})
    classifier, _ = fit_classifier(training_set_of(records), short, cpu, cache)
    assert isinstance(classifier, MaskedLMClassifier)
    assert classifier.verbalisers.lengths.tolist() == [1, 1, 1, 1]
    assert classifier.notes["lexicon"]["new"] == 2
    classifier.save(tmp_path)
    texts = records["text"].tolist()[:4]
    again = load_classifier(tmp_path, cpu).probabilities(texts, device=cpu)
    np.testing.assert_allclose(again, classifier.probabilities(texts, device=cpu), rtol=1e-5)


@pytest.mark.slow
def test_the_card_shows_how_plain_transformers_answers(
    uneven: Path, records: pd.DataFrame, cpu: Device, cache: Cache, tmp_path: Path
) -> None:
    few = learner_of(uneven, training=STEPS.model_copy(update={"steps": 2}))
    classifier, _ = fit_classifier(training_set_of(records), few, cpu, cache)
    classifier.save(tmp_path)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    code = re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)[0]
    long = code.replace("this morning", "this morning " + "and this evening " * 500)
    assert long != code
    script = "\n".join([code, long, "import sys; assert 'emotion_kedro' not in sys.modules"])
    done = forked.python("-c", script, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    printed, _ = (json.loads(line.replace("'", '"')) for line in done.stdout.splitlines() if line.startswith("{"))
    chances = classifier.probabilities(["your letter came this morning"], device=cpu)[0]
    assert printed == pytest.approx(dict(zip(TAXONOMY.names, chances.tolist(), strict=True)), rel=1e-3)
