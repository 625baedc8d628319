"""From what a language model says of the labels' words to a probability per label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from emotion_kedro.models.prompts import Prompt


@dataclass(frozen=True)
class Verbalisers:
    """The labels' words as token ids, a list for each label; words may be several tokens long."""

    tokens: tuple[tuple[int, ...], ...]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each word, (labels,)."""
        return np.array([len(ids) for ids in self.tokens])

    @classmethod
    def build(cls, tokenizer: Any, prompt: Prompt) -> Verbalisers:
        """Tokenise each word with what stands before it in the prompt (GPT-2's tokens carry the space before them).

        Raises:
            ValueError: if a word has no token, has an unknown one, or two labels have the same tokens.
        """
        words = [prompt.separator + word for word in prompt.words.values()]
        tokens = tuple(tuple(ids) for ids in tokenizer(words, add_special_tokens=False)["input_ids"])
        unknown = tokenizer.unk_token_id
        wrong = [
            word
            for word, ids in zip(words, tokens, strict=True)
            # GPT-2's unknown token is the one that ends a text; no word holds that either.
            if not ids or (unknown is not None and unknown in ids)
        ]
        if wrong:
            raise ValueError(
                f"the tokenizer has no tokens for {', '.join(map(repr, wrong))}; take others in the taxonomy"
            )
        if len(set(tokens)) < len(tokens):
            raise ValueError(f"two of the words {', '.join(words)} have the same tokens; take others in the taxonomy")
        return cls(tokens)

    def named(self, answers: Sequence[int], labels: Sequence[str]) -> list[str]:
        """Return the label that each answered token id begins the word of; empty where it is none's, or several'."""
        first = [word[0] for word in self.tokens]
        counts = Counter(first)
        names = {token: label for token, label in zip(first, labels, strict=True) if counts[token] == 1}
        return [names.get(answer, "") for answer in answers]


def label_probabilities(
    log_likelihoods: NDArray[np.float64],
    lengths: NDArray[np.int64],
    *,
    baseline: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return a probability per label, shape (texts, labels), rows adding up to 1.

    Args:
        log_likelihoods: summed log-probability of the tokens of each label's word, (texts, labels), in nats.
        lengths: tokens of each word, (labels,); a word's score is its mean log-probability per token, so that labels
            of several tokens are not punished for their length.
        baseline: the same sums for texts without content, (texts, labels); their mean probabilities are divided out:
            contextual calibration (Zhao et al. 2021, arXiv 2102.09690) with a diagonal matrix.
    """
    scores = log_likelihoods / lengths
    if baseline is not None:
        scores = scores - np.log(softmax(baseline / lengths, axis=1).mean(axis=0))
    return softmax(scores, axis=1)
