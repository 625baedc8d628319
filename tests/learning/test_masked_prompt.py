from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from emotion_kedro.learning.checkpoints import Checkpoints
from emotion_kedro.learning.classifiers import Lesson, fit_classifier, load_classifier
from emotion_kedro.learning.classifiers.lessons import targets_of, trained_parameters
from emotion_kedro.learning.classifiers.masked_prompt import MaskedPromptClassifier, loss_of, with_masks
from emotion_kedro.learning.device import Device
from emotion_kedro.learning.masked_language_models import open_masked
from emotion_kedro.learning.vocabularies import train_wordpiece
from emotion_kedro.options import AugmentationOptions, ClassifierOptions, PromptOptions, TrainingOptions
from emotion_kedro.taxonomy import POLARITY, SEVEN
from emotion_kedro.text.prompts import PROMPTS, Prompt, prompt_for

STEPS = TrainingOptions(steps=150, batch_size=16, learning_rate=5e-3, evaluate_every=150)
SHORT = Prompt("what is it: ", "\nanswer:", {"anger": "anger", "fear": "fear", "joy": "joy", "sadness": "sadness"})
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


@pytest.fixture(scope="module", autouse=True)
def _short_prompt() -> Any:
    PROMPTS["short"] = SHORT
    yield
    del PROMPTS["short"]


def classifier_of(
    base: Path, device: Device, labels: tuple[str, ...], prompt: Prompt = SHORT, *, max_tokens: int = 24, **change: Any
) -> MaskedPromptClassifier:
    model, tokenizer = open_masked(str(base), device)
    given = {"model": model, "tokenizer": tokenizer, "labels": labels, "prompt": prompt, "notes": {}}
    return MaskedPromptClassifier(**{**given, "max_tokens": max_tokens, "calibrate": False, **change})


def options_for(base: Path, **change: Any) -> ClassifierOptions:
    given = {"kind": "masked_prompt", "base": str(base), "training": STEPS, "head_rate": 1.0}
    return ClassifierOptions(**{**given, "prompt": PromptOptions(template="short"), "max_tokens": 24, **change})


def lesson_of(records: pd.DataFrame, labels: tuple[str, ...], *, rows: int = 144) -> Lesson:
    shuffled = records.sample(frac=1.0, random_state=0, ignore_index=True)
    mix = shuffled.iloc[:rows].assign(arm="real", origin="real", phase=0)
    return Lesson(mix, shuffled.iloc[rows:].reset_index(drop=True), labels, "test", 0, AugmentationOptions())


def test_masks_stand_behind_each_row_and_nothing_else_moves() -> None:
    ids = torch.tensor([[2, 7, 8, 9], [2, 7, 0, 0]])
    attention = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    masked, seen, places = with_masks(ids, attention, 2, mask=4, end=3, padding=0)
    assert masked.tolist() == [[2, 7, 8, 9, 4, 4, 3], [2, 7, 4, 4, 3, 0, 0]]
    assert seen.tolist() == [[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0, 0]]
    assert places.tolist() == [[4, 5], [2, 3]]
    assert ids.tolist() == [[2, 7, 8, 9], [2, 7, 0, 0]]


def test_the_text_is_cut_and_never_the_question(tiny_masked: Path, cpu: Device, labels: tuple[str, ...]) -> None:
    classifier = classifier_of(tiny_masked, cpu, labels, max_tokens=3)
    row = classifier.encode(["joy fear anger sadness joy"])[0]
    assert classifier.tokenizer.convert_ids_to_tokens(row) == [
        *("[CLS]", "what", "is", "it", ":", "joy", "fear", "anger", "answer", ":")
    ]


def test_a_row_is_the_prompt_as_the_tokenizer_reads_it_in_one_piece(
    tiny_masked: Path, cpu: Device, labels: tuple[str, ...]
) -> None:
    classifier = classifier_of(tiny_masked, cpu, labels)
    text = "i was furious, and lonely"
    whole = classifier.tokenizer(SHORT.before(text) + SHORT.separator + "[MASK]")["input_ids"]
    batch = classifier.batch(classifier.encode([text]))
    ids, _, places = with_masks(batch["input_ids"], batch["attention_mask"], 1, mask=4, end=3, padding=0)
    assert ids[0].tolist() == whole
    assert whole[places[0, 0]] == classifier.tokenizer.mask_token_id


def test_a_label_of_several_tokens_has_as_many_masks(uneven: Path, cpu: Device, labels: tuple[str, ...]) -> None:
    classifier = classifier_of(uneven, cpu, labels)
    assert classifier.verbalisers.lengths.tolist() == LENGTHS.tolist()
    texts = ["i was furious", "all day we were crying and lonely again"]
    expected = np.empty((2, 4))
    classifier.model.eval()
    for row, text in enumerate(texts):
        for column, word in enumerate(SHORT.words(labels)):
            tokens = classifier.tokenizer(word, add_special_tokens=False)["input_ids"]
            asked = classifier.tokenizer(SHORT.before(text) + "[MASK]" * len(tokens), return_tensors="pt")
            with torch.no_grad():
                said = classifier.model(**asked).logits[0].log_softmax(-1)
            places = (asked["input_ids"][0] == classifier.tokenizer.mask_token_id).nonzero().squeeze(1).tolist()
            expected[row, column] = sum(float(said[place, token]) for place, token in zip(places, tokens, strict=True))
    np.testing.assert_allclose(classifier.log_likelihoods(texts, device=cpu), expected, rtol=1e-4)
    means = expected / LENGTHS
    shares = np.exp(means) / np.exp(means).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(classifier.probabilities(texts, device=cpu), shares, rtol=1e-4)


def test_there_is_one_pass_for_each_number_of_masks(uneven: Path, cpu: Device, labels: tuple[str, ...]) -> None:
    classifier = classifier_of(uneven, cpu, labels)
    through_the_head: list[tuple[int, ...]] = []
    classifier.model.cls.register_forward_pre_hook(lambda _, inputs: through_the_head.append(tuple(inputs[0].shape)))
    classifier.log_likelihoods(["one", "two", "three"], device=cpu)
    assert through_the_head == [(3, 1, 32), (3, 2, 32), (3, 3, 32)]


def test_calibration_gives_a_text_without_content_even_chances(
    tiny_masked: Path, cpu: Device, labels: tuple[str, ...]
) -> None:
    plain, calibrated = (classifier_of(tiny_masked, cpu, labels, calibrate=answer) for answer in (False, True))
    assert np.ptp(plain.probabilities([""], device=cpu)) > 0.02
    empty = calibrated.probabilities(["", "N/A", "[MASK]"], device=cpu)
    np.testing.assert_allclose(empty.mean(axis=0), 0.25, atol=0.05)


def test_the_free_answer_is_the_best_token_of_the_whole_vocabulary(
    tiny_masked: Path, cpu: Device, labels: tuple[str, ...]
) -> None:
    classifier = classifier_of(tiny_masked, cpu, labels)
    texts = ["i was furious", "laughing and dancing until the last bus came", "hiding"]
    asked = [classifier.tokenizer(SHORT.before(text) + "[MASK]", return_tensors="pt") for text in texts]
    classifier.model.eval()
    with torch.no_grad():
        best = [int(classifier.model(**one).logits[0, -2].argmax()) for one in asked]
    assert classifier.free_answers(texts, device=cpu).tolist() == best


def test_the_loss_is_that_of_the_own_word_where_all_are_one_token(
    tiny_masked: Path, cpu: Device, labels: tuple[str, ...]
) -> None:
    classifier = classifier_of(tiny_masked, cpu, labels)
    texts = ["i was furious", "laughing and dancing"]
    batch = {**classifier.batch(classifier.encode(texts)), "labels": torch.tensor([0, 2])}
    classifier.model.eval()
    likelihoods = classifier.log_likelihoods(texts, device=cpu)
    expected = -(likelihoods[0, 0] + likelihoods[1, 2]) / 2
    assert loss_of(classifier, batch).item() == pytest.approx(expected, rel=1e-4)


def test_where_words_differ_in_length_labels_compete(uneven: Path, cpu: Device, labels: tuple[str, ...]) -> None:
    classifier = classifier_of(uneven, cpu, labels)
    texts = ["i was furious", "laughing and dancing"]
    batch = {**classifier.batch(classifier.encode(texts)), "labels": torch.tensor([0, 2])}
    classifier.model.eval()
    likelihoods = classifier.log_likelihoods(texts, device=cpu)
    answer = -(likelihoods[0, 0] + likelihoods[1, 2]) / (3 + 1)
    chances = classifier.probabilities(texts, device=cpu)
    among_labels = -(np.log(chances[0, 0]) + np.log(chances[1, 2])) / 2
    assert loss_of(classifier, batch).item() == pytest.approx(answer + among_labels, rel=1e-4)


@pytest.mark.parametrize("base", ["tiny_masked", "uneven"])
def test_it_learns_to_answer(
    base: str,
    records: pd.DataFrame,
    labels: tuple[str, ...],
    cpu: Device,
    store: Checkpoints,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    lesson = lesson_of(records, labels)
    classifier, log = fit_classifier(lesson, options_for(request.getfixturevalue(base)), device=cpu, checkpoints=store)
    texts = lesson.validation["text"].tolist()
    chances = classifier.probabilities(texts, device=cpu)
    np.testing.assert_allclose(chances.sum(axis=1), 1.0)
    assert (chances.argmax(axis=1) == targets_of(lesson.validation, labels)).mean() > 0.9
    assert log.losses[-1]["validation"] < 0.5

    classifier.save(tmp_path)
    opened = load_classifier(tmp_path, cpu)
    assert opened.labels == labels
    np.testing.assert_allclose(opened.probabilities(texts, device=cpu), chances, rtol=1e-5)
    assert json.loads((tmp_path / "prompt.json").read_text())["words"] == dict(SHORT.verbalisers)


def test_untuned_it_is_its_base(
    tiny_masked: Path, records: pd.DataFrame, labels: tuple[str, ...], cpu: Device, store: Checkpoints
) -> None:
    untuned = options_for(tiny_masked, training=STEPS.model_copy(update={"steps": 0}))
    classifier, log = fit_classifier(lesson_of(records, labels), untuned, device=cpu, checkpoints=store)
    assert log.steps == 0
    texts = records["text"].tolist()[:5]
    expected = classifier_of(tiny_masked, cpu, labels).probabilities(texts, device=cpu)
    np.testing.assert_array_equal(classifier.probabilities(texts, device=cpu), expected)


def test_the_decoder_stays_with_the_embeddings(tiny_masked: Path, cpu: Device, labels: tuple[str, ...]) -> None:
    model = classifier_of(tiny_masked, cpu, labels).model
    body, head = trained_parameters(model, options_for(tiny_masked, frozen_layers=1, head_rate=3.0))
    names = {id(value): name for name, value in model.named_parameters()}
    assert {names[id(value)] for value in head["params"]} == {
        *("cls.predictions.bias", "cls.predictions.transform.dense.weight", "cls.predictions.transform.dense.bias"),
        *("cls.predictions.transform.LayerNorm.weight", "cls.predictions.transform.LayerNorm.bias"),
    }
    assert head["rate"] == 3.0
    assert all(names[id(value)].startswith("bert.encoder.layer.1.") for value in body["params"])
    assert not model.cls.predictions.decoder.weight.requires_grad


def test_an_encoder_without_a_head_is_refused(
    tiny_encoder: Path, records: pd.DataFrame, labels: tuple[str, ...], cpu: Device, store: Checkpoints
) -> None:
    with pytest.raises(ValueError, match=r"no trained masked-LM head.*prepare_masked_base"):
        fit_classifier(lesson_of(records, labels), options_for(tiny_encoder), device=cpu, checkpoints=store)


def test_a_text_that_has_no_room_is_refused(tiny_masked: Path, cpu: Device, labels: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"lower max_tokens \(500\) by 317"):
        classifier_of(tiny_masked, cpu, labels, max_tokens=500)


@pytest.mark.parametrize(
    ("labels", "words"), [(POLARITY, ["负", "正"]), (SEVEN, ["怒", "恶", "惧", "乐", "爱", "哀", "惊"])]
)
def test_chinese_is_asked_in_chinese(labels: tuple[str, ...], words: list[str], cpu: Device, tmp_path: Path) -> None:
    tokenizer = train_wordpiece(["房间很干净，下次还住这里。", "屏幕坏了，客服不理人。"], vocabulary=400)
    prompt = prompt_for(labels)
    classifier = classifier_of(_save_bert(tmp_path, tokenizer), cpu, labels, prompt, max_tokens=4)
    tokens = [tokenizer.convert_ids_to_tokens(list(ids)) for ids in classifier.verbalisers.tokens]
    assert tokens == [[word] for word in words]
    asked = tokenizer.convert_ids_to_tokens(classifier.encode(["屏幕坏了，客服不理人。"])[0])
    assert "".join(asked) == f"[CLS]{''.join(prompt.question.split())}屏幕坏了答案是：".replace("：", "：")
    assert classifier.probabilities(["房间很干净"], device=cpu).shape == (1, len(labels))


def test_a_lexicon_makes_a_word_of_several_tokens_one(
    uneven: Path, records: pd.DataFrame, labels: tuple[str, ...], cpu: Device, store: Checkpoints, tmp_path: Path
) -> None:
    short = options_for(uneven, training=STEPS.model_copy(update={"steps": 2}), lexicon={"words": "labels"})
    classifier, _ = fit_classifier(lesson_of(records, labels), short, device=cpu, checkpoints=store)
    assert isinstance(classifier, MaskedPromptClassifier)
    assert classifier.verbalisers.lengths.tolist() == [1, 1, 1, 1]
    assert classifier.notes["lexicon"]["new"] == 2
    classifier.save(tmp_path)
    texts = records["text"].tolist()[:4]
    again = load_classifier(tmp_path, cpu).probabilities(texts, device=cpu)
    np.testing.assert_allclose(again, classifier.probabilities(texts, device=cpu), rtol=1e-5)


def test_the_card_shows_how_plain_transformers_answers(
    uneven: Path, records: pd.DataFrame, labels: tuple[str, ...], cpu: Device, store: Checkpoints, tmp_path: Path
) -> None:
    few = options_for(uneven, training=STEPS.model_copy(update={"steps": 2}))
    classifier, _ = fit_classifier(lesson_of(records, labels), few, device=cpu, checkpoints=store)
    classifier.save(tmp_path)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    code = re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)[0]
    done = subprocess.run(
        [sys.executable, "-c", code + "\nimport sys; assert 'emotion_kedro' not in sys.modules"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout.strip().splitlines()[-1].replace("'", '"'))
    chances = classifier.probabilities(["what a day, everything went right"], device=cpu)[0]
    assert printed == pytest.approx(dict(zip(labels, chances.tolist(), strict=True)), rel=1e-3)
