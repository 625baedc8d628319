"""WordPiece vocabularies of our own: each Chinese character a token, pieces of words for everything else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from emotion_kedro.text.prompts import PROMPTS

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
CONTINUES = "##"
SHARE_OF_CHARACTERS = 0.8
"""Of a vocabulary, at most, that single characters take; the rest is for pieces of several."""


def train_wordpiece(texts: Sequence[str], *, vocabulary: int) -> Any:
    """Return a BERT tokenizer (lower case) with a vocabulary learned from ``texts``.

    The characters of all prompts and of the words that stand for labels are in it, however rare they are. The same
    texts give the same vocabulary, in the same order, in every process.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import BertTokenizer

    learner = Tokenizer(models.WordPiece(unk_token=SPECIAL[1]))
    # A Chinese character is a word of its own for BERT's normaliser (Devlin et al. 2019).
    learner.normalizer = normalizers.BertNormalizer(lowercase=True)
    learner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    wanted = _words(learner, _prompted_text())
    alphabet = _alphabet(_words(learner, texts), wanted, size=round(SHARE_OF_CHARACTERS * vocabulary))
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary,
        # The trainer numbers what it meets in the order of a hash table, another one in each process; what is named
        # beforehand has its number already.
        special_tokens=[*SPECIAL, *alphabet],
        initial_alphabet=[token for token in alphabet if not token.startswith(CONTINUES)],
        limit_alphabet=len(alphabet),
        continuing_subword_prefix=CONTINUES,
        show_progress=False,
    )
    learner.train_from_iterator([*texts, *_prompted_text()], trainer)
    return BertTokenizer(vocab=learner.get_vocab(), do_lower_case=True)


def _prompted_text() -> list[str]:
    return [
        text
        for prompt in PROMPTS.values()
        for text in (prompt.question, prompt.answer, *(prompt.separator + word for word in prompt.verbalisers.values()))
    ]


def _words(tokenizer: Any, texts: Iterable[str]) -> Counter[str]:
    words: Counter[str] = Counter()
    for text in texts:
        normal = tokenizer.normalizer.normalize_str(text)
        words.update(word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal))
    return words


def _alphabet(found: Counter[str], wanted: Counter[str], *, size: int) -> list[str]:
    """Return single characters, those inside a word with ``##``: all that are wanted, then the most frequent."""
    required = _characters(wanted)
    counted = _characters(found)
    frequent = sorted(counted.keys() - required.keys(), key=lambda token: (-counted[token], token))
    return sorted([*required, *frequent[: max(0, size - len(required))]])


def _characters(words: Counter[str]) -> Counter[str]:
    characters: Counter[str] = Counter()
    for word, times in words.items():
        characters[word[0]] += times
        for character in word[1:]:
            characters[CONTINUES + character] += times
    return characters
