from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotion_kedro.augmentation.generators import GenerationContext, answers, draw_candidates, prompted
from emotion_kedro.config.augmentation import PromptedConfig
from emotion_kedro.models.device import Device

REQUEST = {
    "request": "{label} like {examples}",
    "neutral": "like {examples}",
    **{"guidance": 1.5, "examples": 1, "prefix_words": 2, "requests": 3, "texts": 6},
    "decoding": {"min_new_tokens": 3, "max_new_tokens": 6, "batch_size": 4},
}


def config_of(base: Path | str, **changes: Any) -> PromptedConfig:
    return PromptedConfig.model_validate({"base": str(base), **REQUEST, **changes})


def test_it_writes_for_every_label_and_the_seed_decides(context: GenerationContext, tiny_gpt2: Path) -> None:
    config = config_of(tiny_gpt2)
    table = draw_candidates(config, context)
    assert set(table["label"]) == set(context.taxonomy.names)
    assert len(table) > 12
    again = prompted.Prompted(config).fit(context)
    joy = again.sample("joy", 6, context.seed_of(config))
    assert [text for text in joy if text in table["text"].tolist()]
    assert again.sample("joy", 6, 99) != joy
    assert again.sample("joy", 0, 1) == []


def test_a_request_shows_train_rows_of_the_label_and_the_answer_begins_with_their_words(
    context: GenerationContext, tiny_gpt2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_gpt2)
    batches: list[list[str]] = []

    def listen(_model: Any, requests: Any, _decoding: Any, **options: Any) -> list[list[int]]:
        assert options["guidance"] == 1.5
        assert all(request.neutral is not None for request in requests)
        batches.append([tokenizer.decode(list(request.ids)) for request in requests])
        return [tokenizer(" and so on")["input_ids"] for _ in requests]

    monkeypatch.setattr(answers, "sample_answers", listen)
    fitted = prompted.Prompted(config_of(tiny_gpt2)).fit(context)
    for label in context.taxonomy.names:
        batches.clear()
        texts = context.texts_of(label)
        beginnings = {" ".join(text.split()[:2]) for text in texts}
        written = fitted.sample(label, 6, 3)
        assert all(answer.removesuffix(" and so on") in beginnings for answer in written)
        # Six texts in batches of 4 and 2: three different requests, two texts of each, side by side.
        assert [len(batch) for batch in batches] == [4, 2]
        requests = [request for batch in batches for request in batch]
        assert requests[0::2] == requests[1::2]
        for request in requests:
            assert request.startswith(f"{label} like - ")
            assert any(text in request for text in texts)
            assert request.endswith(tuple(beginnings))
            others = context.rows.loc[context.rows["label"] != label, "text"]
            assert not any(text in request for text in others)


def test_a_request_shows_as_many_examples_as_there_are_and_no_label_in_the_neutral_one() -> None:
    config = config_of(
        "x", request="{label}:\n{examples}\n!", neutral="any:\n{examples}\n?", examples=3, prefix_words=2
    )
    prompt = prompted.prompt_for("joy", ["one two three", "four {label} five"], config, np.random.default_rng(0))
    assert sorted(prompt.request.splitlines()[1:3]) == ["- four {label} five", "- one two three"]
    assert prompt.request.splitlines()[0::3] == ["joy:", "!"]
    assert prompt.neutral == prompt.request.replace("joy:", "any:").replace("!", "?")
    assert prompt.prefix in {"one two", "four {label}"}


def test_answers_begin_with_a_sentence_for_each_of_the_labels_words_in_turn(
    context: GenerationContext, tiny_gpt2: Path
) -> None:
    config = config_of(
        tiny_gpt2, request="{label}!", neutral="!", examples=0, prefix_words=0, opening="i feel {label}", words="all"
    )
    fitted = prompted.Prompted(config).fit(context)
    for label in context.taxonomy.names:
        words = context.taxonomy.words(label)
        requests = max(config.requests, len(words))
        expected = [f"i feel {words[place % len(words)]}" for place in range(requests)]
        # A quota takes from the beginning: each request has its turn there before one has a second text.
        for count in (requests, 2 * requests, 2 * requests + 1):
            written = fitted.sample(label, count, 3)
            turns = [expected[place % requests] for place in range(2 * requests)]
            assert all(map(str.startswith, written, turns)), (label, written)
            assert len(written) == count
        without = prompted.Prompted(config.model_copy(update={"keep_opening": False})).fit(context)
        assert not any(text.startswith("i feel") for text in without.sample(label, 6, 3))


def test_a_chat_template_goes_around_the_request_and_the_prefix_after_it(tiny_gpt2: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_gpt2)
    prompt = prompted.Prompt("say it", "say that", "well now")
    config = config_of("x")
    plain = prompted.encode_prompt(tokenizer, prompt, config)
    assert plain.neutral is not None
    assert (tokenizer.decode(plain.ids), tokenizer.decode(plain.neutral)) == ("say itwell now", "say thatwell now")
    tokenizer.chat_template = "{% for m in messages %}U:{{ m.content }} {% endfor %}A:"
    assert tokenizer.decode(prompted.encode_prompt(tokenizer, prompt, config).ids) == "U:say it A:well now"
    unguided = config.model_copy(update={"guidance": 1.0})
    assert prompted.encode_prompt(tokenizer, prompt, unguided).neutral is None


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        ("\n  - I am  fine.\nAnother line", "I am fine."),
        ('"Quoted, and done"', "Quoted, and done"),
        ("\u201ccurly\u201d", "curly"),
        ("-dash without a space", "-dash without a space"),
        ("  \n ", ""),
    ],
)
def test_an_answer_is_its_first_line_without_ornament(answer: str, line: str) -> None:
    assert prompted.first_line(answer) == line


def test_a_new_line_ends_an_answer(tiny_gpt2: Path, cpu: Device) -> None:
    from emotion_kedro.models.language_models import load_language_model

    language_model = load_language_model(str(tiny_gpt2), cpu)
    ends = answers.ends_of(language_model)
    assert language_model.boundary in ends
    assert language_model.tokenizer("a\nb")["input_ids"][1] in ends
    assert language_model.tokenizer(" a b")["input_ids"][0] not in ends
