from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from emotion_kedro.learning.checkpoints import Checkpoints
from emotion_kedro.learning.classifiers import Lesson, causal_prompt, fit_classifier, load_classifier
from emotion_kedro.learning.classifiers.causal_prompt import CausalPromptClassifier, labelled, loss_of
from emotion_kedro.learning.classifiers.lessons import trained_parameters
from emotion_kedro.learning.device import Device
from emotion_kedro.learning.language_models import LanguageModel, train_tokenizer
from emotion_kedro.learning.mixes import compose_mix
from emotion_kedro.learning.training import TrainingLog
from emotion_kedro.options import AugmentationOptions, ClassifierOptions, PromptOptions, TrainingOptions
from emotion_kedro.text.prompts import prompt_for

TEXTS = ["she was crying and lonely again", "", "dancing", 'haunted, hiding; "scared"  and trembling in the kitchen!']


@pytest.fixture(scope="module")
def asked_gpt2(records: pd.DataFrame, labels: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of a GPT-2 that has learned nothing, with room for the question; "sadness" is several tokens long."""
    from transformers import GPT2Config, GPT2LMHeadModel

    directory = tmp_path_factory.mktemp("asked_gpt2")
    prompt = prompt_for(labels, "six")
    asked = [prompt.before(text) for text in records["text"]] + [" anger fear joy"] * 50
    tokenizer = train_tokenizer([text.replace("sadness", "s") for text in asked], vocabulary=460)
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=256,
        n_embd=32,
        n_layer=2,
        n_head=2,
        bos_token_id=0,
        eos_token_id=0,
        # The usual 0.02 is meant for a width of 768; dropout would blur comparisons of losses.
        initializer_range=0.1,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        resid_pdrop=0.0,
    )
    LanguageModel(GPT2LMHeadModel(config), tokenizer).save(directory)
    return directory


def options_of(base: Path, steps: int = 0, **change: Any) -> ClassifierOptions:
    training = TrainingOptions(
        steps=steps, batch_size=16, learning_rate=5e-3, evaluate_every=max(1, steps // 2), checkpoint_every=5
    )
    prompt = PromptOptions(template="six", **change.pop("prompt", {}))
    return ClassifierOptions(
        kind="causal_prompt", base=str(base), prompt=prompt, max_tokens=40, training=training, **change
    )


def fit(
    train: pd.DataFrame, labels: tuple[str, ...], options: ClassifierOptions, device: Device, store: Checkpoints
) -> tuple[CausalPromptClassifier, TrainingLog]:
    mix = compose_mix("arm", real=train, synthetic=None, augmentation=AugmentationOptions())
    lesson = Lesson(mix, train.iloc[::12], labels, "classifier.arm", 0, AugmentationOptions())
    classifier, log = fit_classifier(lesson, options, device=device, checkpoints=store)
    assert isinstance(classifier, CausalPromptClassifier)
    return classifier, log


def state(classifier: CausalPromptClassifier) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in classifier.model.state_dict().items()}


@pytest.fixture(scope="module")
def untuned(
    records: pd.DataFrame,
    labels: tuple[str, ...],
    asked_gpt2: Path,
    cpu: Device,
    tmp_path_factory: pytest.TempPathFactory,
) -> CausalPromptClassifier:
    store = Checkpoints(tmp_path_factory.mktemp("checkpoints"), "work", "a1")
    return fit(records, labels, options_of(asked_gpt2), cpu, store)[0]


@pytest.fixture(scope="module")
def tuned(
    records: pd.DataFrame,
    labels: tuple[str, ...],
    asked_gpt2: Path,
    cpu: Device,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[CausalPromptClassifier, TrainingLog]:
    store = Checkpoints(tmp_path_factory.mktemp("checkpoints"), "work", "a1")
    return fit(records.iloc[::2], labels, options_of(asked_gpt2, 120), cpu, store)


@pytest.fixture(scope="module")
def saved(tuned: tuple[CausalPromptClassifier, TrainingLog], tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("classifier")
    tuned[0].save(directory)
    return directory


def plainly(classifier: CausalPromptClassifier, text: str, word: tuple[int, ...]) -> float:
    """The log-likelihood of a word from one plain pass over the whole text, without padding and without a cache."""
    asked = classifier.tokenizer(classifier.prompt.before(text), add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        logits = classifier.model(input_ids=torch.tensor([[*asked, *word]]), use_cache=False).logits[0]
    said = logits.log_softmax(dim=-1)
    return sum(float(said[len(asked) - 1 + place, token]) for place, token in enumerate(word))


def test_the_pieces_of_a_prompt_are_the_tokens_of_the_whole(untuned: CausalPromptClassifier) -> None:
    for text, rest in zip(TEXTS, untuned.encode(TEXTS), strict=True):
        whole = untuned.tokenizer(untuned.prompt.before(text), add_special_tokens=False)["input_ids"]
        assert untuned.question + rest == whole


def test_a_label_of_several_tokens_is_among_those_that_are_scored(untuned: CausalPromptClassifier) -> None:
    assert untuned.verbalisers.lengths.tolist()[:3] == [1, 1, 1]
    assert untuned.verbalisers.lengths[3] > 2
    assert untuned.tokenizer.convert_ids_to_tokens(untuned.verbalisers.tokens[0][0]) == "Ġanger"


def test_a_question_read_once_gives_what_plain_passes_give(untuned: CausalPromptClassifier, cpu: Device) -> None:
    # 35 rows: one full batch, of texts of different lengths, and one more.
    texts = [*TEXTS, *(f"{'crying ' * (row % 5)}{row}" for row in range(31))]
    found = untuned.log_likelihoods(texts, device=cpu)
    expected = [[plainly(untuned, text, word) for word in untuned.verbalisers.tokens] for text in texts]
    assert found == pytest.approx(np.array(expected), abs=1e-4)


def test_rotary_positions_are_those_of_the_whole_text_too(
    records: pd.DataFrame, labels: tuple[str, ...], asked_gpt2: Path, cpu: Device, store: Checkpoints, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(asked_gpt2)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.2,
        bos_token_id=0,
        eos_token_id=0,
    )
    LanguageModel(LlamaForCausalLM(config), tokenizer).save(tmp_path)
    classifier = fit(records, labels, options_of(tmp_path), cpu, store)[0]
    expected = [[plainly(classifier, text, word) for word in classifier.verbalisers.tokens] for text in TEXTS]
    assert classifier.log_likelihoods(TEXTS, device=cpu) == pytest.approx(np.array(expected), abs=1e-4)


def test_words_of_several_tokens_do_not_see_each_other(untuned: CausalPromptClassifier, cpu: Device) -> None:
    encoded = untuned.encode(TEXTS)
    batch = untuned.batch(encoded)
    words = [untuned.verbalisers.tokens[3], (5, 9, 17), (8, 3), (5, 9, 17)]
    with torch.inference_mode():
        question = causal_prompt.read_question(untuned.model, untuned.question)
        reading = causal_prompt.Reading(untuned.model, question, batch["input_ids"], batch["attention_mask"])
        found = torch.stack([reading.log_likelihood(word) for word in words], dim=1).numpy()
    expected = [[plainly(untuned, text, word) for word in words] for text in TEXTS]
    assert found == pytest.approx(np.array(expected), abs=1e-4)
    assert question.get_seq_length() == len(untuned.question)


def test_probabilities_are_those_of_the_mean_log_likelihoods(untuned: CausalPromptClassifier, cpu: Device) -> None:
    means = untuned.log_likelihoods(TEXTS, device=cpu) / untuned.verbalisers.lengths
    expected = np.exp(means) / np.exp(means).sum(axis=1, keepdims=True)
    assert untuned.probabilities(TEXTS, device=cpu) == pytest.approx(expected)


def test_calibration_divides_by_the_answers_to_texts_without_content(
    records: pd.DataFrame, labels: tuple[str, ...], asked_gpt2: Path, cpu: Device, store: Checkpoints
) -> None:
    options = options_of(asked_gpt2, prompt={"calibrate": True})
    calibrated = fit(records, labels, options, cpu, store)[0]
    plain = CausalPromptClassifier(**{**init_of(calibrated), "calibrate": False})
    mean = plain.probabilities(["", "N/A", "[MASK]"], device=cpu).mean(axis=0)
    weighed = plain.probabilities(TEXTS, device=cpu) / mean
    assert calibrated.probabilities(TEXTS, device=cpu) == pytest.approx(weighed / weighed.sum(axis=1, keepdims=True))


def init_of(classifier: CausalPromptClassifier) -> dict[str, Any]:
    derived = {"verbalisers", "question", "cue", "boundary"}
    return {name: value for name, value in vars(classifier).items() if name not in derived}


def test_the_free_answer_is_the_best_token_of_the_whole_vocabulary(
    untuned: CausalPromptClassifier, cpu: Device
) -> None:
    found = untuned.free_answers(TEXTS, device=cpu)
    for text, answer in zip(TEXTS, found, strict=True):
        asked = untuned.tokenizer(untuned.prompt.before(text), add_special_tokens=False)["input_ids"]
        with torch.inference_mode():
            assert answer == int(untuned.model(input_ids=torch.tensor([asked])).logits[0, -1].argmax())


def test_a_text_is_cut_and_its_question_and_cue_are_not(untuned: CausalPromptClassifier, cpu: Device) -> None:
    ids = untuned.encode(["crying " * 500])[0]
    assert len(ids) == 40 + len(untuned.cue)
    assert untuned.tokenizer.decode(ids).endswith("\nThe answer is:")
    assert np.isfinite(untuned.probabilities(["crying " * 500, ""], device=cpu)).all()


def test_the_targets_are_the_answer_or_everything(untuned: CausalPromptClassifier) -> None:
    asked = untuned.encode(["dancing", "crying and lonely"])
    answers = causal_prompt.answers_of(untuned, np.array([2, 3]))
    sad = list(untuned.verbalisers.tokens[3])
    assert answers == [[*untuned.verbalisers.tokens[2], 0], [*sad, 0]]
    answer = labelled(untuned, asked, answers, full=False)
    for row in range(2):
        ids = [*asked[row], *answers[row]]
        rest = [-100] * (answer["labels"].shape[1] - len(ids))
        assert answer["labels"][row].tolist() == [-100] * len(asked[row]) + answers[row] + rest
        assert answer["input_ids"][row, : len(ids)].tolist() == ids
        assert int(answer["attention_mask"][row].sum()) == len(ids)
    full = labelled(untuned, asked, answers, full=True)
    whole = untuned.tokenizer(untuned.prompt.answered("crying and lonely", "sadness"))["input_ids"]
    assert full["input_ids"][1].tolist() == full["labels"][1].tolist() == [*whole, 0]
    assert (full["labels"][0] == -100).sum() == (full["attention_mask"][0] == 0).sum() > 0


def test_both_losses_and_their_gradients_are_the_mean_over_their_targets(untuned: CausalPromptClassifier) -> None:
    asked = untuned.encode(["dancing", "crying and lonely"])
    answers = causal_prompt.answers_of(untuned, np.array([2, 3]))
    rows = [[*untuned.question, *before, *answer] for before, answer in zip(asked, answers, strict=True)]
    untuned.model.eval()
    for full in (False, True):
        untuned.model.zero_grad()
        loss = loss_of(untuned, labelled(untuned, asked, answers, full=full), full=full)
        loss.backward()
        found = [value.grad.clone() for value in untuned.model.parameters()]
        untuned.model.zero_grad()
        expected = torch.stack(
            [
                -untuned.model(input_ids=torch.tensor([row])).logits[0, place - 1].log_softmax(-1)[row[place]]
                for row, answer in zip(rows, answers, strict=True)
                for place in range(1 if full else len(row) - len(answer), len(row))
            ]
        ).mean()
        assert loss.item() == pytest.approx(expected.item(), abs=1e-5)
        expected.backward()
        for value, gradient in zip(untuned.model.parameters(), found, strict=True):
            assert torch.allclose(gradient, value.grad, atol=1e-5)
    untuned.model.zero_grad()


def test_a_tuned_model_answers_texts_that_it_has_not_seen(
    tuned: tuple[CausalPromptClassifier, TrainingLog],
    untuned: CausalPromptClassifier,
    records: pd.DataFrame,
    labels: tuple[str, ...],
    cpu: Device,
) -> None:
    unseen = records.iloc[1::2]
    texts, truth = unseen["text"].tolist(), unseen["label"].to_numpy()

    def accuracy(classifier: CausalPromptClassifier) -> float:
        return float((np.array(labels)[classifier.probabilities(texts, device=cpu).argmax(axis=1)] == truth).mean())

    assert accuracy(tuned[0]) > 0.8 > accuracy(untuned)
    first = [word[0] for word in tuned[0].verbalisers.tokens]
    assert np.isin(tuned[0].free_answers(texts, device=cpu), first).mean() > 0.9
    assert not np.isin(untuned.free_answers(texts, device=cpu), first).any()
    losses = [entry["validation"] for entry in tuned[1].losses]
    assert losses[-1] < losses[0]


def test_the_full_text_is_learned_too(
    records: pd.DataFrame, labels: tuple[str, ...], asked_gpt2: Path, cpu: Device, store: Checkpoints
) -> None:
    options = options_of(asked_gpt2, 8, prompt={"loss": "full"})
    classifier, log = fit(records, labels, options, cpu, store)
    assert log.steps == 8
    assert log.losses[-1]["train"] < log.losses[0]["train"] - 0.5
    assert classifier.notes["prompt"] == {"template": "six", "loss": "full", "calibrate": False}


def test_half_precision_asks_and_learns_too(
    records: pd.DataFrame, labels: tuple[str, ...], asked_gpt2: Path, cpu: Device, store: Checkpoints
) -> None:
    half = Device("cpu", "bf16", half=True)
    classifier, log = fit(records, labels, options_of(asked_gpt2, 8), half, store)
    assert log.losses[-1]["train"] < log.losses[0]["train"]
    exact = classifier.probabilities(TEXTS, device=cpu)
    assert classifier.probabilities(TEXTS, device=half) == pytest.approx(exact, abs=0.02)


def test_without_steps_the_model_is_the_base(
    untuned: CausalPromptClassifier, asked_gpt2: Path, cpu: Device, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(asked_gpt2).state_dict()
    assert all(torch.equal(value, base[name]) for name, value in state(untuned).items())
    untuned.save(tmp_path)
    assert not list(tmp_path.glob("*.safetensors"))
    assert json.loads((tmp_path / "reference.json").read_text()) == {"model": str(asked_gpt2)}
    opened = load_classifier(tmp_path, cpu)
    assert np.array_equal(opened.probabilities(TEXTS, device=cpu), untuned.probabilities(TEXTS, device=cpu))
    again = tmp_path / "again"
    again.mkdir()
    opened.save(again)
    assert (again / "reference.json").read_text() == (tmp_path / "reference.json").read_text()


def test_a_saved_classifier_opens_as_it_was(
    tuned: tuple[CausalPromptClassifier, TrainingLog], saved: Path, labels: tuple[str, ...], cpu: Device
) -> None:
    opened = load_classifier(saved, cpu)
    assert isinstance(opened, CausalPromptClassifier)
    assert opened.labels == labels
    assert opened.prompt.before("x") == tuned[0].prompt.before("x")
    assert np.array_equal(opened.probabilities(TEXTS, device=cpu), tuned[0].probabilities(TEXTS, device=cpu))
    assert np.array_equal(opened.free_answers(TEXTS, device=cpu), tuned[0].free_answers(TEXTS, device=cpu))


def test_the_directory_says_what_it_is(saved: Path) -> None:
    notes = json.loads((saved / "classifier.json").read_text())
    assert (notes["kind"], notes["labels"][0], notes["rows"]) == ("causal_prompt", "anger", {"real": 96})
    prompt = json.loads((saved / "prompt.json").read_text())
    assert prompt["question"].endswith(". \nThe text is: ")
    assert prompt["words"] == {"anger": "anger", "fear": "fear", "joy": "joy", "sadness": "sadness"}
    assert "120 optimiser steps of 16 texts" in (saved / "README.md").read_text()


def test_the_code_on_the_card_works_without_this_package(
    tuned: tuple[CausalPromptClassifier, TrainingLog], saved: Path, tmp_path: Path, cpu: Device
) -> None:
    moved = shutil.copytree(saved, tmp_path / "moved")
    code = re.search(r"```python\n(.*?)```", (moved / "README.md").read_text(), re.DOTALL)
    assert code is not None
    script = f"import sys\nsys.modules['emotion_kedro'] = None  # importing it fails\n{code[1]}"
    done = subprocess.run(
        [sys.executable, "-I", "-c", script], capture_output=True, text=True, timeout=120, cwd=moved, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    printed = json.loads(done.stdout.splitlines()[-1].replace("'", '"'))
    expected = tuned[0].probabilities(["what a day, everything went right"], device=cpu)[0]
    assert list(printed) == list(tuned[0].labels)
    assert list(printed.values()) == pytest.approx(expected.tolist(), abs=1e-5)


def test_an_interrupted_fit_ends_where_an_undisturbed_one_does(
    records: pd.DataFrame,
    labels: tuple[str, ...],
    asked_gpt2: Path,
    cpu: Device,
    store: Checkpoints,
    cut_off: Checkpoints,
) -> None:
    options = options_of(asked_gpt2, 8)
    with pytest.raises(KeyboardInterrupt):
        fit(records, labels, options, cpu, cut_off)
    resumed = fit(records, labels, options, cpu, store)
    whole = fit(records, labels, options, cpu, Checkpoints(store.directory.parent, "whole", "a1"))
    assert resumed[1].losses == whole[1].losses
    assert all(torch.equal(value, state(whole[0])[name]) for name, value in state(resumed[0]).items())


@pytest.mark.parametrize("tied", [True, False])
def test_frozen_layers_freeze_all_embeddings_and_a_head_tied_to_them(tied: bool, asked_gpt2: Path) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config.from_pretrained(asked_gpt2, tie_word_embeddings=tied)
    model = GPT2LMHeadModel(config)
    body, head = trained_parameters(model, options_of(asked_gpt2, frozen_layers=1))
    trained = {name for name, value in model.named_parameters() if value.requires_grad}
    assert not {name for name in trained if name.startswith(("transformer.wte", "transformer.wpe", "transformer.h.0"))}
    assert {"transformer.h.1.attn.c_attn.weight", "transformer.ln_f.weight"} <= trained
    assert ("lm_head.weight" in trained) is not tied
    assert [value.shape for value in head["params"]] == ([] if tied else [model.lm_head.weight.shape])
    assert len(body["params"]) + len(head["params"]) == len(trained)


def test_without_frozen_layers_a_tied_head_learns_as_embedding(asked_gpt2: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(asked_gpt2)
    body, head = trained_parameters(model, options_of(asked_gpt2))
    assert head["params"] == []
    assert any(value is model.lm_head.weight for value in body["params"])


def test_a_model_without_room_for_the_question_is_refused(
    records: pd.DataFrame, labels: tuple[str, ...], tiny_gpt2: Path, cpu: Device, store: Checkpoints
) -> None:
    with pytest.raises(ValueError, match=r"the model has room for 64; lower max_tokens \(40\) by \d+"):
        fit(records, labels, options_of(tiny_gpt2), cpu, store)
