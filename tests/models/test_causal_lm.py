from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import forked
import numpy as np
import pandas as pd
import pytest
import torch
from asking import asked

from emotion_kedro.config.models import CausalLMConfig
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.config.training import TrainingConfig
from emotion_kedro.models.classifiers import TrainingSet, causal_lm, fit_classifier, load_classifier
from emotion_kedro.models.classifiers.causal_lm import CausalLMClassifier, labelled, loss_of
from emotion_kedro.models.classifiers.fitting import trained_parameters
from emotion_kedro.models.classifiers.verbalisers import Verbalisers
from emotion_kedro.models.device import Device
from emotion_kedro.models.language_models import LanguageModel
from emotion_kedro.models.prompts import Prompt
from emotion_kedro.models.tokenizers import train_byte_level
from emotion_kedro.models.training import TrainingLog
from emotion_kedro.storage.cache import Cache

TAXONOMY = TaxonomyConfig.from_labels(("anger", "fear", "joy", "sadness"))
TEXTS = ["she was crying and lonely again", "", "dancing", 'haunted, hiding; "scared"  and trembling in the kitchen!']


@pytest.fixture(scope="module")
def prompted_gpt2(records: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of a GPT-2 that has learned nothing, with room for the question; "sadness" is several tokens long."""
    from transformers import GPT2Config, GPT2LMHeadModel

    directory = tmp_path_factory.mktemp("prompted_gpt2")
    prompt = Prompt.of(TAXONOMY)
    prompted = [asked(prompt, text) for text in records["text"]] + [" anger fear joy"] * 50
    tokenizer = train_byte_level([text.replace("sadness", "s") for text in prompted], vocabulary=460)
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


def learner_of(base: Path, steps: int = 0, **change: Any) -> CausalLMConfig:
    training = TrainingConfig(
        steps=steps, batch_size=16, learning_rate=5e-3, evaluate_every=max(1, steps // 2), checkpoint_every=0
    )
    return CausalLMConfig(base=str(base), max_tokens=40, training=training, **change)


def fit(
    train: pd.DataFrame, learner: CausalLMConfig, device: Device, cache: Cache
) -> tuple[CausalLMClassifier, TrainingLog]:
    training_set = TrainingSet(train, train.iloc[::12], TAXONOMY, "classifier.arm", 0)
    classifier, log = fit_classifier(training_set, learner, device, cache)
    assert isinstance(classifier, CausalLMClassifier)
    return classifier, log


def state(classifier: CausalLMClassifier) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in classifier.model.state_dict().items()}


@pytest.fixture(scope="module")
def untuned(
    records: pd.DataFrame,
    prompted_gpt2: Path,
    cpu: Device,
    tmp_path_factory: pytest.TempPathFactory,
) -> CausalLMClassifier:
    cache = Cache(tmp_path_factory.mktemp("cache"))
    return fit(records, learner_of(prompted_gpt2), cpu, cache)[0]


@pytest.fixture(scope="module")
def tuned(
    records: pd.DataFrame,
    prompted_gpt2: Path,
    cpu: Device,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[CausalLMClassifier, TrainingLog]:
    cache = Cache(tmp_path_factory.mktemp("cache"))
    return fit(records.iloc[::2], learner_of(prompted_gpt2, 120), cpu, cache)


@pytest.fixture(scope="module")
def saved(tuned: tuple[CausalLMClassifier, TrainingLog], tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("classifier")
    tuned[0].save(directory)
    return directory


def plainly(classifier: CausalLMClassifier, text: str, word: tuple[int, ...]) -> float:
    """The log-likelihood of a word from one plain pass over the whole text, without padding and without a cache."""
    prompted = classifier.tokenizer(asked(classifier.prompt, text), add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        logits = classifier.model(input_ids=torch.tensor([[*prompted, *word]]), use_cache=False).logits[0]
    scores = logits.log_softmax(dim=-1)
    return sum(float(scores[len(prompted) - 1 + place, token]) for place, token in enumerate(word))


def test_the_pieces_of_a_prompt_are_the_tokens_of_the_whole(untuned: CausalLMClassifier) -> None:
    for text, rest in zip(TEXTS, untuned.encode(TEXTS), strict=True):
        whole = untuned.tokenizer(asked(untuned.prompt, text), add_special_tokens=False)["input_ids"]
        assert untuned.question + rest == whole


def test_a_label_of_several_tokens_is_among_those_that_are_scored(untuned: CausalLMClassifier) -> None:
    assert untuned.verbalisers.lengths.tolist()[:3] == [1, 1, 1]
    assert untuned.verbalisers.lengths[3] > 2
    assert untuned.tokenizer.convert_ids_to_tokens(untuned.verbalisers.tokens[0][0]) == "Ġanger"


def test_a_question_read_once_gives_what_plain_passes_give(untuned: CausalLMClassifier, cpu: Device) -> None:
    # 35 rows: one full batch, of texts of different lengths, and one more.
    texts = [*TEXTS, *(f"{'crying ' * (row % 5)}{row}" for row in range(31))]
    scores = untuned.log_likelihoods(texts, device=cpu)
    expected = [[plainly(untuned, text, word) for word in untuned.verbalisers.tokens] for text in texts]
    assert scores == pytest.approx(np.array(expected), abs=1e-4)


def test_rotary_positions_are_those_of_the_whole_text_too(
    records: pd.DataFrame, prompted_gpt2: Path, cpu: Device, cache: Cache, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(prompted_gpt2)
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
    classifier = fit(records, learner_of(tmp_path), cpu, cache)[0]
    expected = [[plainly(classifier, text, word) for word in classifier.verbalisers.tokens] for text in TEXTS]
    assert classifier.log_likelihoods(TEXTS, device=cpu) == pytest.approx(np.array(expected), abs=1e-4)


def test_words_of_several_tokens_do_not_see_each_other(untuned: CausalLMClassifier, cpu: Device) -> None:
    encoded = untuned.encode(TEXTS)
    batch = untuned.batch(encoded)
    words = [untuned.verbalisers.tokens[3], (5, 9, 17), (8, 3), (5, 9, 17)]
    with torch.inference_mode():
        question = causal_lm.read_question(untuned.model, untuned.question)
        reading = causal_lm.Reading(untuned.model, question, batch["input_ids"], batch["attention_mask"])
        scores = torch.stack([reading.log_likelihood(word) for word in words], dim=1).numpy()
    expected = [[plainly(untuned, text, word) for word in words] for text in TEXTS]
    assert scores == pytest.approx(np.array(expected), abs=1e-4)
    assert question.get_seq_length() == len(untuned.question)


def test_probabilities_are_those_of_the_mean_log_likelihoods(untuned: CausalLMClassifier, cpu: Device) -> None:
    means = untuned.log_likelihoods(TEXTS, device=cpu) / untuned.verbalisers.lengths
    expected = np.exp(means) / np.exp(means).sum(axis=1, keepdims=True)
    assert untuned.probabilities(TEXTS, device=cpu) == pytest.approx(expected)


def test_calibration_divides_by_the_answers_to_texts_without_content(
    records: pd.DataFrame, prompted_gpt2: Path, cpu: Device, cache: Cache
) -> None:
    learner = learner_of(prompted_gpt2, calibrate=True)
    calibrated = fit(records, learner, cpu, cache)[0]
    plain = CausalLMClassifier(**{**init_of(calibrated), "calibrate": False})
    mean = plain.probabilities(["", "N/A", "[MASK]"], device=cpu).mean(axis=0)
    weighed = plain.probabilities(TEXTS, device=cpu) / mean
    assert calibrated.probabilities(TEXTS, device=cpu) == pytest.approx(weighed / weighed.sum(axis=1, keepdims=True))


def init_of(classifier: CausalLMClassifier) -> dict[str, Any]:
    derived = {"labels", "verbalisers", "question", "cue", "boundary"}
    return {name: value for name, value in vars(classifier).items() if name not in derived}


def test_the_free_answer_is_the_best_token_of_the_whole_vocabulary(
    untuned: CausalLMClassifier, records: pd.DataFrame, cpu: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts, best = records["text"].tolist()[::6], []
    for text in texts:
        prompted = untuned.tokenizer(asked(untuned.prompt, text), add_special_tokens=False)["input_ids"]
        with torch.inference_mode():
            best.append(int(untuned.model(input_ids=torch.tensor([prompted])).logits[0, -1].argmax()))
    assert untuned.answered(texts, device=cpu)[1] == [""] * len(texts)
    # An untuned model answers with the same few tokens: the most frequent becomes a label's word.
    frequent = max(set(best), key=best.count)
    tokens = untuned.verbalisers.tokens
    monkeypatch.setattr(untuned, "verbalisers", Verbalisers((*tokens[:2], (frequent, 1), tokens[3])))
    assert untuned.answered(texts, device=cpu)[1] == ["joy" if answer == frequent else "" for answer in best]


def test_a_text_is_cut_and_its_question_and_cue_are_not(untuned: CausalLMClassifier, cpu: Device) -> None:
    ids = untuned.encode(["crying " * 500])[0]
    assert len(ids) == 40 + len(untuned.cue)
    assert untuned.tokenizer.decode(ids).endswith("\nThe answer is:")
    assert np.isfinite(untuned.probabilities(["crying " * 500, ""], device=cpu)).all()


def test_the_targets_are_the_answer_or_everything(untuned: CausalLMClassifier) -> None:
    prompted = untuned.encode(["dancing", "crying and lonely"])
    answers = causal_lm.answers_of(untuned, np.array([2, 3]))
    sad = list(untuned.verbalisers.tokens[3])
    assert answers == [[*untuned.verbalisers.tokens[2], 0], [*sad, 0]]
    answer = labelled(untuned, prompted, answers, full=False)
    for row in range(2):
        ids = [*prompted[row], *answers[row]]
        rest = [-100] * (answer["labels"].shape[1] - len(ids))
        assert answer["labels"][row].tolist() == [-100] * len(prompted[row]) + answers[row] + rest
        assert answer["input_ids"][row, : len(ids)].tolist() == ids
        assert int(answer["attention_mask"][row].sum()) == len(ids)
    full = labelled(untuned, prompted, answers, full=True)
    whole = untuned.tokenizer(asked(untuned.prompt, "crying and lonely") + " sadness")["input_ids"]
    assert full["input_ids"][1].tolist() == full["labels"][1].tolist() == [*whole, 0]
    assert (full["labels"][0] == -100).sum() == (full["attention_mask"][0] == 0).sum() > 0


def test_both_losses_and_their_gradients_are_the_mean_over_their_targets(untuned: CausalLMClassifier) -> None:
    prompted = untuned.encode(["dancing", "crying and lonely"])
    answers = causal_lm.answers_of(untuned, np.array([2, 3]))
    rows = [[*untuned.question, *before, *answer] for before, answer in zip(prompted, answers, strict=True)]
    untuned.model.eval()
    for full in (False, True):
        untuned.model.zero_grad()
        loss = loss_of(untuned, labelled(untuned, prompted, answers, full=full), full=full)
        loss.backward()
        gradients = [value.grad.clone() for value in untuned.model.parameters()]
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
        for value, gradient in zip(untuned.model.parameters(), gradients, strict=True):
            assert torch.allclose(gradient, value.grad, atol=1e-5)
    untuned.model.zero_grad()


def test_a_tuned_model_answers_texts_that_it_has_not_seen(
    tuned: tuple[CausalLMClassifier, TrainingLog],
    untuned: CausalLMClassifier,
    records: pd.DataFrame,
    cpu: Device,
) -> None:
    unseen = records.iloc[1::2]
    texts, truth = unseen["text"].tolist(), unseen["label"].to_numpy()

    def accuracy(classifier: CausalLMClassifier) -> float:
        return float(
            (np.array(TAXONOMY.names)[classifier.probabilities(texts, device=cpu).argmax(axis=1)] == truth).mean()
        )

    assert accuracy(tuned[0]) > 0.8 > accuracy(untuned)
    assert (np.array(tuned[0].answered(texts, device=cpu)[1]) == truth).mean() > 0.8
    losses = [entry["validation"] for entry in tuned[1].losses]
    assert losses[-1] < losses[0]


def test_the_full_text_is_learned_too(records: pd.DataFrame, prompted_gpt2: Path, cpu: Device, cache: Cache) -> None:
    learner = learner_of(prompted_gpt2, 8, prompt_loss="full")
    classifier, log = fit(records, learner, cpu, cache)
    assert log.steps == 8
    assert log.losses[-1]["train"] < log.losses[0]["train"] - 0.5
    assert classifier.notes["prompt_loss"] == "full"


def test_half_precision_asks_and_learns_too(
    records: pd.DataFrame, prompted_gpt2: Path, cpu: Device, cache: Cache
) -> None:
    half = Device("cpu", "bf16", half=True)
    classifier, log = fit(records, learner_of(prompted_gpt2, 8), half, cache)
    assert log.losses[-1]["train"] < log.losses[0]["train"]
    exact = classifier.probabilities(TEXTS, device=cpu)
    assert classifier.probabilities(TEXTS, device=half) == pytest.approx(exact, abs=0.02)


def test_without_steps_the_model_is_the_base(
    untuned: CausalLMClassifier, prompted_gpt2: Path, cpu: Device, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(prompted_gpt2).state_dict()
    assert all(torch.equal(value, base[name]) for name, value in state(untuned).items())
    untuned.save(tmp_path)
    assert not list(tmp_path.glob("*.safetensors"))
    assert json.loads((tmp_path / "reference.json").read_text()) == {"model": str(prompted_gpt2)}
    opened = load_classifier(tmp_path, cpu)
    assert np.array_equal(opened.probabilities(TEXTS, device=cpu), untuned.probabilities(TEXTS, device=cpu))
    again = tmp_path / "again"
    again.mkdir()
    opened.save(again)
    assert (again / "reference.json").read_text() == (tmp_path / "reference.json").read_text()


def test_a_saved_classifier_opens_as_it_was(
    tuned: tuple[CausalLMClassifier, TrainingLog], saved: Path, cpu: Device
) -> None:
    opened = load_classifier(saved, cpu)
    assert isinstance(opened, CausalLMClassifier)
    assert opened.labels == TAXONOMY.names
    assert opened.prompt == tuned[0].prompt
    assert np.array_equal(opened.probabilities(TEXTS, device=cpu), tuned[0].probabilities(TEXTS, device=cpu))
    assert opened.answered(TEXTS, device=cpu)[1] == tuned[0].answered(TEXTS, device=cpu)[1]


def test_the_directory_says_what_it_is(saved: Path) -> None:
    notes = json.loads((saved / "classifier.json").read_text())
    assert (notes["kind"], notes["labels"][0], notes["rows"]) == ("causal_lm", "anger", {"real": 96})
    prompt = json.loads((saved / "prompt.json").read_text())
    assert prompt["question"].endswith(". \nThe text is: ")
    assert prompt["words"] == {"anger": "anger", "fear": "fear", "joy": "joy", "sadness": "sadness"}
    assert "120 optimiser steps of 16 texts" in (saved / "README.md").read_text()


@pytest.mark.slow
def test_the_code_on_the_card_works_without_this_package(
    tuned: tuple[CausalLMClassifier, TrainingLog], saved: Path, tmp_path: Path, cpu: Device
) -> None:
    moved = shutil.copytree(saved, tmp_path / "moved")
    code = re.search(r"```python\n(.*?)```", (moved / "README.md").read_text(), re.DOTALL)
    assert code is not None
    long = code[1].replace("this morning", "this morning " + "and this evening " * 500)
    assert long != code[1]
    script = "\n".join(["import sys; sys.modules['emotion_kedro'] = None", code[1], long])
    done = forked.python("-c", script, cwd=moved)
    assert done.returncode == 0, done.stderr[-3000:]
    printed, _ = (json.loads(line.replace("'", '"')) for line in done.stdout.splitlines() if line.startswith("{"))
    expected = tuned[0].probabilities(["your letter came this morning"], device=cpu)[0]
    assert list(printed) == list(tuned[0].labels)
    assert list(printed.values()) == pytest.approx(expected.tolist(), abs=1e-5)


@pytest.mark.parametrize("tied", [True, False])
def test_frozen_layers_freeze_all_embeddings_and_a_head_tied_to_them(tied: bool, prompted_gpt2: Path) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config.from_pretrained(prompted_gpt2, tie_word_embeddings=tied)
    model = GPT2LMHeadModel(config)
    body, head = trained_parameters(model, learner_of(prompted_gpt2, frozen_layers=1))
    trained = {name for name, value in model.named_parameters() if value.requires_grad}
    assert not {name for name in trained if name.startswith(("transformer.wte", "transformer.wpe", "transformer.h.0"))}
    assert {"transformer.h.1.attn.c_attn.weight", "transformer.ln_f.weight"} <= trained
    assert ("lm_head.weight" in trained) is not tied
    assert [value.shape for value in head["params"]] == ([] if tied else [model.lm_head.weight.shape])
    assert len(body["params"]) + len(head["params"]) == len(trained)


def test_without_frozen_layers_a_tied_head_learns_as_embedding(prompted_gpt2: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(prompted_gpt2)
    body, head = trained_parameters(model, learner_of(prompted_gpt2))
    assert head["params"] == []
    assert any(value is model.lm_head.weight for value in body["params"])


def test_a_model_without_room_for_the_question_is_refused(
    records: pd.DataFrame, tiny_gpt2: Path, cpu: Device, cache: Cache
) -> None:
    with pytest.raises(ValueError, match=r"the model has room for 512; lower max_tokens \(500\) by \d+"):
        fit(records, learner_of(tiny_gpt2).model_copy(update={"max_tokens": 500}), cpu, cache)
