"""A pretrained model that is not tuned: prompted with the label, with or without train texts of it as examples."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from emotion_kedro.augmentation.generators.answers import answers_to, like
from emotion_kedro.config.augmentation import PromptedConfig
from emotion_kedro.models.decoding import Request
from emotion_kedro.models.device import OPENING
from emotion_kedro.models.language_models import LanguageModel, load_language_model, open_name

if TYPE_CHECKING:
    from emotion_kedro.augmentation.generators import GenerationContext

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prompted:
    """Has nothing to tune: fitted, it knows the rows that its requests show."""

    config: PromptedConfig

    def fit(self, context: GenerationContext) -> PromptedModel:
        """Return the generator for the rows of a draw."""
        return PromptedModel(self.config, context)


@dataclass(frozen=True)
class PromptedModel:
    """A pretrained model with the rows that its requests show."""

    config: PromptedConfig
    context: GenerationContext

    @cached_property
    def _opened(self) -> list[LanguageModel]:
        return []

    @property
    def _language_model(self) -> LanguageModel:
        with OPENING:  # labels may be written for side by side, by one model
            if not self._opened:
                self._opened.append(load_language_model(open_name(self.config.base), self.context.device))
            return self._opened[0]

    def sample(self, label: str, count: int, seed: int) -> list[str]:
        """Return ``count`` texts of a label, the first line of each answer; none where it has no train texts.

        The first of them are one of each request, then come the second ones, and so on: whoever takes some of the texts
        from the beginning has of all words and examples.
        """
        texts = self.context.texts_of(label)
        if not texts:
            return []
        number = self.context.taxonomy.names.index(label)
        rng = np.random.default_rng([seed, number])
        words = self._words(label)
        places = range(max(self.config.requests, len(words)))
        requests = [prompt_for(words[place % len(words)], texts, self.config, rng) for place in places]
        # As many texts of each request, and those of one request side by side: it is read once for all of them.
        asked = [place * len(requests) // count for place in range(count)]
        prompts = [requests[place] for place in asked]
        answers = answers_to(
            self._language_model,
            [encode_prompt(self._language_model.tokenizer, prompt, self.config) for prompt in prompts],
            self.config.decoding,
            device=self.context.device,
            seed=(seed, number),
            guidance=self.config.guidance,
        )
        prefixes = [prompt.prefix if self.config.keep_opening else "" for prompt in prompts]
        written = [like(text, first_line(prefix + text)) for prefix, text in zip(prefixes, answers, strict=True)]
        first = {request: place for place, request in reversed(list(enumerate(asked)))}
        in_turn = sorted(range(count), key=lambda place: (place - first[asked[place]], place))
        return [written[place] for place in in_turn]

    def _words(self, label: str) -> tuple[str, ...]:
        """Return what the requests call a label."""
        taxonomy, count = self.context.taxonomy, self.config.words
        return (taxonomy.spoken(label),) if count == 1 else taxonomy.words(label)[: None if count == "all" else count]


@dataclass(frozen=True)
class Prompt:
    """A request in words: with the label, without it, and what the answer begins with."""

    request: str
    neutral: str | None
    prefix: str


def prompt_for(word: str, texts: Sequence[str], config: PromptedConfig, rng: np.random.Generator) -> Prompt:
    """Return a request for one label, with examples and a prefix from its train texts where the parameters say so."""
    shown = rng.permutation(len(texts))[: config.examples]
    examples = "\n".join(f"- {texts[place]}" for place in shown)
    prefix = ""
    if config.prefix_words:
        prefix = " ".join(str(texts[int(rng.integers(len(texts)))]).split()[: config.prefix_words])
    elif config.opening:
        prefix = config.opening.format(label=word)
    neutral = None if config.neutral is None else config.neutral.format(examples=examples)
    return Prompt(config.request.format(label=word, examples=examples), neutral, prefix)


def encode_prompt(tokenizer: Any, prompt: Prompt, config: PromptedConfig) -> Request:
    """Return the token ids of a request, in the tokenizer's chat template where there is one."""

    def ids(request: str) -> tuple[int, ...]:
        if tokenizer.chat_template:
            turn = [{"role": "user", "content": request}]
            request = tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
        return tuple(tokenizer(request + prompt.prefix, add_special_tokens=False)["input_ids"])

    neutral = ids(prompt.neutral) if prompt.neutral is not None and config.guidance > 1 else None
    return Request(ids(prompt.request), neutral)


def first_line(text: str) -> str:
    """Return the first line of an answer, without the dash before it and the quotation marks around it."""
    line = next((line for line in text.strip().splitlines() if line.strip()), "")
    return " ".join(line.split()).removeprefix("- ").strip('"\u201c\u201d ')
