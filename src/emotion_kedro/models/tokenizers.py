"""Tokenizers: opening those of pretrained models, training small ones, and keeping the words of a lexicon whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

END_OF_TEXT = "<|endoftext|>"
PADDING = "<|padding|>"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
CONTINUES = "##"
SHARE_OF_CHARACTERS = 0.8
"""Of a WordPiece vocabulary, at most, that single characters take; the rest is for pieces of several."""


def open_tokenizer(name: str, *, max_tokens: int | None = None) -> Any:
    """Return the tokenizer of a model, without what packaged ones may carry: fixed padding, a short limit.

    Args:
        name: directory or name on a hub.
        max_tokens: what the tokenizer has to let pass, at least.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(name)
    if tokenizer.is_fast:
        tokenizer.backend_tokenizer.no_padding()
        tokenizer.backend_tokenizer.no_truncation()
    if max_tokens is not None:
        tokenizer.model_max_length = max(tokenizer.model_max_length, max_tokens)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def train_byte_level(texts: Sequence[str], *, vocabulary: int) -> Any:
    """Return a byte-level BPE of at most ``vocabulary`` tokens, learned from ``texts``."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END_OF_TEXT, PADDING],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=END_OF_TEXT, eos_token=END_OF_TEXT, pad_token=PADDING
    )


# --- WordPiece: each Chinese character a token, pieces of words for everything else --------------------------------


def train_wordpiece(texts: Sequence[str], *, vocabulary: int, required: Sequence[str] = ()) -> Any:
    """Return a BERT tokenizer (lower case) with a vocabulary learned from ``texts``.

    The characters of the ``required`` texts (a prompt, the words that stand for labels) are in it, however rare they
    are. The same texts give the same vocabulary, in the same order, in every process.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import BertTokenizer

    learner = Tokenizer(models.WordPiece(unk_token=SPECIAL[1]))
    # A Chinese character is a word of its own for BERT's normaliser (Devlin et al. 2019).
    learner.normalizer = normalizers.BertNormalizer(lowercase=True)
    learner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    alphabet = _alphabet(
        _words(learner, texts), _words(learner, required), size=round(SHARE_OF_CHARACTERS * vocabulary)
    )
    characters = sorted({token.removeprefix(CONTINUES) for token in alphabet})
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary,
        # The trainer numbers what it meets in the order of a hash table, another one in each process; what is named
        # beforehand has its number already.
        special_tokens=[*SPECIAL, *alphabet],
        initial_alphabet=characters,
        limit_alphabet=len(characters),
        continuing_subword_prefix=CONTINUES,
        show_progress=False,
    )
    learner.train_from_iterator([*texts, *required], trainer)
    return BertTokenizer(vocab=learner.get_vocab(), do_lower_case=True)


def _words(tokenizer: Any, texts: Iterable[str]) -> Counter[str]:
    words: Counter[str] = Counter()
    for text in texts:
        normal = tokenizer.normalizer.normalize_str(text)
        words.update(word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal))
    return words


def _alphabet(words: Counter[str], required: Counter[str], *, size: int) -> list[str]:
    """Return single characters, those inside a word with ``##``: all required ones, then the most frequent."""
    needed, counted = _characters(required), _characters(words)
    frequent = sorted(counted.keys() - needed.keys(), key=lambda token: (-counted[token], token))
    return sorted([*needed, *frequent[: max(0, size - len(needed))]])


def _characters(words: Counter[str]) -> Counter[str]:
    characters: Counter[str] = Counter()
    for word, times in words.items():
        characters[word[0]] += times
        for character in word[1:]:
            characters[CONTINUES + character] += times
    return characters


# --- words that are kept whole ------------------------------------------------------------------------------------


def pieces_of_new(tokenizer: Any, words: Sequence[str]) -> dict[str, list[int]]:
    """Return those words that are no token of their own, with the ids that the tokenizer now cuts them into."""
    cut = {word: tokenizer(word, add_special_tokens=False)["input_ids"] for word in words}
    return {word: ids for word, ids in cut.items() if len(ids) > 1 or ids == [tokenizer.unk_token_id]}


def keep_whole(model: Any, tokenizer: Any, words: Sequence[str]) -> dict[str, int]:
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

    Returns:
        How many ``words`` there are, and how many of them are ``new``.
    """
    from transformers import AddedToken

    broken = pieces_of_new(tokenizer, words)
    if broken:
        tokenizer.add_tokens([AddedToken(word, single_word=True, normalized=True) for word in broken])
        vocabulary = tokenizer.get_vocab()
        # Some models keep spare rows; those of the new words are among them or behind them.
        size = max(len(tokenizer), model.get_input_embeddings().num_embeddings)
        model.resize_token_embeddings(size, mean_resizing=False)
        for word, ids in broken.items():
            _start_from_pieces(model, vocabulary[word], ids)
    return {"words": len(words), "new": len(broken)}


def _start_from_pieces(model: Any, token: int, pieces: Sequence[int]) -> None:
    import torch

    inputs, outputs = model.get_input_embeddings(), model.get_output_embeddings()
    tables = [inputs.weight]
    if outputs is not None:
        tables += [table for table in (outputs.weight, outputs.bias) if table is not None]
    with torch.no_grad():
        for table in tables:
            table[token] = table[list(pieces)].mean(dim=0)
