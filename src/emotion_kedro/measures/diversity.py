"""How varied a set of texts is, and how much one text repeats itself."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np
from sacrebleu import sentence_bleu

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"  # Chinese characters, for a regex class
APOSTROPHES = "'\u2019`"  # some tweet collections write the apostrophe as a backtick
_WORD = re.compile(rf"[{HAN}]|[^\W_{HAN}]+(?:'[^\W_{HAN}]+)*")


def words(text: str) -> list[str]:
    """The lower-cased words of a text, without punctuation or emoji; each Chinese character is a word.

    Apostrophes inside a word stay (`don't`), hyphens part two. Unicode is brought to NFKC first, so that
    full-width letters and composed accents do not make new words.
    """
    plain = re.sub(f"[{APOSTROPHES}]", "'", unicodedata.normalize("NFKC", text).lower())
    return _WORD.findall(plain)


def distinct_n(texts: Iterable[str], n: int) -> float:
    """Distinct word n-grams over all word n-grams of the texts, in 0..1; NaN where there are none.

    Li et al. 2016, A Diversity-Promoting Objective Function for Neural Conversation Models (arXiv
    1510.03055). It falls as the number of words grows: compare only sets of about the same size.

    Raises ValueError for `n` below 1.
    """
    if n < 1:
        raise ValueError(f"n is {n}; n-grams have at least 1 word")
    grams = [gram for text in texts for gram in _ngrams(words(text), n)]
    return len(set(grams)) / len(grams) if grams else math.nan


def self_bleu(texts: Sequence[str], *, sample: int = 100, seed: int = 0) -> float:
    """Mean BLEU of each sampled text against all others of the sample, in 0..1; high means alike.

    Zhu et al. 2018, Texygen (arXiv 1802.01886). `sample` texts are drawn without replacement (all, if there
    are fewer). BLEU is sacrebleu's `sentence_bleu` up to 4-grams on `words`, exponentially smoothed, with
    effective order: texts shorter than 4 words are scored on the n-grams that they have. More references
    make matches likelier, so compare only samples of the same size. Texts without words are left out; NaN
    where fewer than two are left.

    Raises ValueError for `sample` below 2.
    """
    if sample < 2:
        raise ValueError(f"sample is {sample}; a text needs at least one other to be compared with")
    # Tokenised here, as sacrebleu's default takes a Chinese sentence for one word.
    spaced = [line for line in (" ".join(words(text)) for text in texts) if line]
    if len(spaced) < 2:
        return math.nan
    picked = np.random.default_rng(seed).permutation(len(spaced))[:sample]
    drawn = [spaced[number] for number in picked]
    scores = [_bleu(line, drawn[:place] + drawn[place + 1 :]) for place, line in enumerate(drawn)]
    return float(np.mean(scores))


def repetition(text: str) -> float:
    """Share, in 0..1, of the text's words that were already said.

    Those are words equal to the word before them, and words of a bigram that occurred earlier in the text;
    its first occurrence does not count. So `k` rounds of a loop give about (k - 1) / k, and an ordinary
    English sentence about 0, or 0.1 to 0.2 where `of the` comes twice: a sign of degenerate sampling, for a
    filter. Chinese runs higher, as a bigram of characters is often just a word. 0 for a text without words.
    """
    tokens = words(text)
    seen: set[tuple[str, ...]] = set()
    said = [False] * len(tokens)
    for start, pair in enumerate(_ngrams(tokens, 2)):
        if pair in seen:
            said[start] = said[start + 1] = True
        elif pair[0] == pair[1]:
            said[start + 1] = True
        seen.add(pair)
    return sum(said) / len(tokens) if tokens else 0.0


def _ngrams(tokens: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(tokens[start : start + n]) for start in range(len(tokens) - n + 1)]


def _bleu(line: str, others: Sequence[str]) -> float:
    score = sentence_bleu(line, others, tokenize="none", use_effective_order=True).score
    # sacrebleu counts in percent and overshoots 100 by rounding.
    return min(score / 100, 1.0)
