"""How varied a set of texts is, and how much one text repeats itself."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from sacrebleu.metrics.bleu import BLEU

from emotion_kedro.config.base import HAN
from emotion_kedro.config.filters import ASKING, FUNCTION_WORDS, STRANDED

APOSTROPHES = "'\u2019`"  # some tweet collections write the apostrophe as a backtick
_WORD = re.compile(rf"[{HAN}]|[^\W_{HAN}]+(?:'[^\W_{HAN}]+)*")
LONGEST_GRAM = 4  # words, of BLEU
CHARACTER_NGRAMS = (3, 5)
QUESTION = 6  # words before the last one, among which one may ask
_LAST_WORD = re.compile(r"[\w'’]+$")
_CLOSING = "\"'”’)]»*_ "


def words(text: str) -> list[str]:
    """The lower-cased words of a text, without punctuation or emoji; each Chinese character is a word.

    Apostrophes inside a word stay (`don't`), hyphens part two. Unicode is brought to NFKC first, so that
    full-width letters and composed accents do not make new words.
    """
    return _WORD.findall(_plain(text).lower())


def distinct_n(texts: Iterable[str], n: int) -> float:
    """Distinct word n-grams over all word n-grams of the texts, in 0..1; NaN where there are none.

    Li et al. 2016, A Diversity-Promoting Objective Function for Neural Conversation Models (arXiv
    1510.03055). It falls as the number of words grows: compare only sets of about the same size.
    """
    grams = [gram for text in texts for gram in ngrams(words(text), n)]
    return len(set(grams)) / len(grams) if grams else math.nan


def self_bleu(texts: Sequence[str]) -> float:
    """Mean BLEU of each text against all others, in 0..1; high means alike.

    Zhu et al. 2018, Texygen (arXiv 1802.01886). BLEU is sacrebleu's `sentence_bleu` up to 4-grams on `words`,
    exponentially smoothed, with effective order: texts shorter than 4 words are scored on the n-grams that they have.
    More references make matches likelier, so compare only sets of the same size. Texts without words are left out; NaN
    where fewer than two are left.
    """
    # Tokenised here, as sacrebleu's default takes a Chinese sentence for one word.
    lines = [line for line in map(words, texts) if line]
    return float(np.mean(_bleu_against_others(lines))) if len(lines) > 1 else math.nan


def vendi_score(texts: Sequence[str]) -> float:
    """Number of different texts that n texts are worth, in 1..n; NaN for none.

    Friedman and Dieng 2022, The Vendi Score (arXiv 2210.02410): the exponential of the entropy of the eigenvalues of
    K / n. K holds the cosine similarities of counts of character 3- to 5-grams within words, so that it needs no model.
    The score grows with n: compare only sets of the same size.
    """
    from sklearn.feature_extraction.text import HashingVectorizer

    readable = [text for text in texts if text.strip()]
    if not readable:
        return math.nan
    vectors = HashingVectorizer(
        analyzer="char_wb", ngram_range=CHARACTER_NGRAMS, n_features=2**18, alternate_sign=False
    ).transform(readable)
    return vendi_of_kernel((vectors @ vectors.T).toarray())


def vendi_of_kernel(similarities: ArrayLike) -> float:
    """Vendi score of a positive semi-definite matrix (n, n) of similarities with ones on its diagonal."""
    kernel = np.asarray(similarities, dtype=np.float64)
    shares = np.clip(np.linalg.eigvalsh(kernel / len(kernel)), 0, None)
    shares = shares[shares > 0] / shares.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def common_openings(texts: Sequence[str]) -> float:
    """Share, in 0..1, of the texts that begin with one of the three commonest openings of three words; NaN for none.

    A sign of templated text; it depends on the number of texts: compare only sets of the same size.
    """
    starts = Counter(tuple(words(text)[:3]) for text in texts)
    return sum(number for _, number in starts.most_common(3)) / len(texts) if texts else math.nan


def is_cut_off(text: str, function_words: Collection[str] = FUNCTION_WORDS) -> bool:
    """Whether a text breaks off within a sentence: no mark ends it, and its last word is one that others follow.

    Informal text often lacks its last mark, but seldom ends on such a word, unless it asks: "what are you looking at".

    Args:
        text: the text; quotation marks and brackets at its end are looked past.
        function_words: those words, in lower case.
    """
    last = _LAST_WORD.search(text.rstrip(_CLOSING))
    word = last.group().lower().replace("’", "'") if last is not None else ""
    asks = word in STRANDED and not ASKING.isdisjoint(words(text)[-1 - QUESTION : -1])
    return word in function_words and not asks


def repetition(text: str) -> float:
    """Share, in 0..1, of the text's words that occurred before.

    Those are words equal to the word before them, and words of a bigram that occurred earlier in the text;
    its first occurrence does not count. So `k` rounds of a loop give about (k - 1) / k, and an ordinary
    English sentence about 0, or 0.1 to 0.2 where `of the` comes twice: a sign of degenerate sampling, for a
    filter. Chinese runs higher, as a bigram of characters is often just a word. 0 for a text without words.
    """
    tokens = words(text)
    seen: set[tuple[str, ...]] = set()
    repeated = [False] * len(tokens)
    for start, pair in enumerate(ngrams(tokens, 2)):
        if pair in seen:
            repeated[start] = repeated[start + 1] = True
        elif pair[0] == pair[1]:
            repeated[start + 1] = True
        seen.add(pair)
    return sum(repeated) / len(tokens) if tokens else 0.0


def ngrams(tokens: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """Return the runs of n tokens, in order."""
    return [tuple(tokens[start : start + n]) for start in range(len(tokens) - n + 1)]


def _plain(text: str) -> str:
    return re.sub(f"[{APOSTROPHES}]", "'", unicodedata.normalize("NFKC", text))


def _bleu_against_others(lines: Sequence[Sequence[str]]) -> list[float]:
    """Sentence BLEU, as by sacrebleu, of each line against all others, without counting those anew each time."""
    counts = [Counter(gram for n in range(1, LONGEST_GRAM + 1) for gram in ngrams(line, n)) for line in lines]
    # The most that any other line has of a gram is the most of all lines or, for the line that has it, the next.
    most: dict[tuple[str, ...], tuple[int, int]] = {}
    for line in counts:
        for gram, count in line.items():
            first, second = most.get(gram, (0, 0))
            most[gram] = (max(first, count), max(second, min(first, count)))
    lengths = Counter(map(len, lines))
    return [_bleu(len(line), grams, most, lengths) for line, grams in zip(lines, counts, strict=True)]


def _bleu(
    length: int,
    grams: Counter[tuple[str, ...]],
    most: dict[tuple[str, ...], tuple[int, int]],
    lengths: Counter[int],
) -> float:
    matched, total = [0] * LONGEST_GRAM, [0] * LONGEST_GRAM
    for gram, count in grams.items():
        first, second = most[gram]
        total[len(gram) - 1] += count
        matched[len(gram) - 1] += min(count, second if count == first else first)
    others = (other for other, lines in lengths.items() if other != length or lines > 1)
    nearest = min(others, key=lambda other: (abs(other - length), other))
    score = BLEU.compute_bleu(matched, total, length, nearest, smooth_method="exp", effective_order=True).score
    # sacrebleu counts in percent and overshoots 100 by rounding.
    return min(score / 100, 1.0)
