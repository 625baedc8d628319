"""Words that a WordPiece tokenizer would break up, kept whole, with an embedding to start from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class WordInVocabulary:
    """What a tokenizer makes of a word."""

    word: str
    pieces: tuple[str, ...]
    ids: tuple[int, ...]
    new: bool
    """Whether keeping it whole takes a new token."""


def look_up(tokenizer: Any, words: Sequence[str]) -> list[WordInVocabulary]:
    """Return the pieces of each word, as the tokenizer now cuts it. A word that it does not know at all is new."""
    found = []
    for word in words:
        ids = tuple(tokenizer(word, add_special_tokens=False)["input_ids"])
        pieces = tuple(tokenizer.convert_ids_to_tokens(list(ids)))
        whole = len(ids) == 1 and ids[0] != tokenizer.unk_token_id
        found.append(WordInVocabulary(word, pieces, ids, new=bool(ids) and not whole))
    return found


@dataclass(frozen=True)
class KeptWhole:
    """How many words of a lexicon there are, and how many of them changed the tokenizer."""

    words: int
    new: int

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)


def keep_whole(model: Any, tokenizer: Any, words: Sequence[str]) -> KeptWhole:
    """Add to vocabulary and model the words that the tokenizer breaks up; both are changed in place.

    A new token matches the word alone, not a piece of a longer one, and in any case where the tokenizer ignores case.
    Its embedding starts as the mean of those of its pieces, and so does its row in a language-model head. Where no
    word is new nothing is touched: such a lexicon cannot change what the model sees. A model whose embeddings are
    frozen keeps these means.

    It is meant for languages that put spaces between words. Saved models and tokenizers open as any others.

    Args:
        model: a ``transformers`` model with input embeddings (V, width), its tokenizer's size or larger.
        tokenizer: a fast tokenizer.
        words: the lexicon.
    """
    from transformers import AddedToken

    broken = [found for found in look_up(tokenizer, words) if found.new]
    tokens = [AddedToken(found.word, single_word=True, normalized=True) for found in broken]
    if tokens:
        tokenizer.add_tokens(tokens)
        known = tokenizer.get_vocab()
        # Some models keep spare rows; those of the new words are among them or behind them.
        size = max(len(tokenizer), model.get_input_embeddings().num_embeddings)
        model.resize_token_embeddings(size, mean_resizing=False)
        for found in broken:
            _start_from_pieces(model, known[found.word], found.ids)
    return KeptWhole(len(words), len(broken))


def _start_from_pieces(model: Any, token: int, pieces: Sequence[int]) -> None:
    import torch

    inputs, outputs = model.get_input_embeddings(), model.get_output_embeddings()
    tables = [inputs.weight]
    if outputs is not None:
        tables += [table for table in (outputs.weight, outputs.bias) if table is not None]
    with torch.no_grad():
        for table in tables:
            table[token] = table[list(pieces)].mean(dim=0)
