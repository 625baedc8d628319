"""Frozen features: a text as a row of numbers that no training changes, computed once.

With them a classifier is a logistic regression (:mod:`emotion_kedro.models.classifiers.linear`), so that a wide grid
of arms and sizes costs minutes where fine-tuning would cost days.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emotion_kedro.config.base import HAN
from emotion_kedro.config.models import FeatureConfig
from emotion_kedro.models.device import Device
from emotion_kedro.models.language_models import open_name
from emotion_kedro.models.tokenizers import open_tokenizer
from emotion_kedro.models.training import by_length, pad
from emotion_kedro.runtime.bars import lines
from emotion_kedro.runtime.elsewhere import elsewhere
from emotion_kedro.storage.cache import Cache, Vectors
from emotion_kedro.storage.identity import contents_of, fingerprint

if TYPE_CHECKING:
    import torch

INFERENCE_ROWS = 64
PART = 512
"""Texts that are saved together: what a run that is killed has to do again, at most."""


Features = Callable[[Sequence[str]], NDArray[np.float32]]
"""Turns texts into rows of length 1, (texts, width); a blank one is a ``ValueError``."""


def open_features(config: FeatureConfig, cache: Cache | None, device: Device) -> Features:
    """Return the features that ``config`` asks for.

    Args:
        config: which features; ``tfidf`` has to be fitted first (:class:`TfidfFeatures`).
        cache: where those of an encoder are kept between runs; None: in memory alone.
        device: where an encoder computes them.

    Raises:
        ValueError: for ``tfidf``.
    """
    if config.kind == "characters":
        return CharacterFeatures(config)
    if config.kind == "tfidf":
        raise ValueError("features of kind tfidf depend on the train texts; a linear learner fits them")
    return EncoderFeatures(config, cache=cache, device=device)


class CharacterFeatures:
    """Hashed counts of the characters' n-grams (Weinberger et al. 2009, arXiv 0902.2206).

    Nothing is learned: a text's row depends on no other text, so none can leak into it. It is quicker to compute them
    again than to keep them. A text that is shorter than the n-grams has a row of zeros.
    """

    def __init__(self, config: FeatureConfig) -> None:
        from sklearn.feature_extraction.text import HashingVectorizer

        self.vectorizer = HashingVectorizer(
            analyzer="char", ngram_range=config.ngram_range, n_features=config.width, norm="l2", dtype=np.float32
        )

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return a row for each text, (texts, width)."""
        _check(texts)
        if len(texts) == 0:
            return np.empty((0, self.vectorizer.n_features), dtype=np.float32)
        rows: NDArray[np.float32] = self.vectorizer.transform(texts).toarray()
        return rows


class TfidfFeatures:
    """Counts of words and word n-grams, weighted by how few texts have them, at length 1 (scikit-learn's TF-IDF).

    What it knows, n-grams and their weights, comes from the texts that it is fitted on. Rows are sparse.
    """

    def __init__(self, config: FeatureConfig, vocabulary: dict[str, int] | None = None, idf: Any = None) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self.vectorizer = TfidfVectorizer(
            ngram_range=config.ngram_range,
            min_df=config.least_count,
            vocabulary=vocabulary,
            sublinear_tf=True,
            # One-letter words and punctuation count as well; no spaces part Chinese words: each character is one.
            token_pattern=rf"[{HAN}]|[^\W{HAN}]+|[^\w\s'’]",
            dtype=np.float32,
        )
        if idf is not None:
            self.vectorizer.idf_ = idf

    @classmethod
    def fit(cls, config: FeatureConfig, texts: Sequence[str]) -> TfidfFeatures:
        """Learn n-grams and their weights.

        Raises:
            ValueError: if no n-gram stands in as many texts as ``least_count`` asks.
        """
        features = cls(config)
        features.vectorizer.fit(texts)
        return features

    @property
    def vocabulary(self) -> dict[str, int]:
        """N-gram -> column."""
        return {word: int(column) for word, column in sorted(self.vectorizer.vocabulary_.items())}

    @property
    def idf(self) -> NDArray[np.float32]:
        """Weight of each column, (width,)."""
        weights: NDArray[np.float32] = np.asarray(self.vectorizer.idf_, dtype=np.float32)
        return weights

    def __call__(self, texts: Sequence[str]) -> Any:
        """Return a sparse row for each text, (texts, width)."""
        _check(texts)
        return self.vectorizer.transform(texts)


class EncoderFeatures:
    """The mean of an encoder's last hidden states over a text's tokens, at length 1.

    That is how the encoders of the sentence-transformers family are read (Reimers & Gurevych 2019, arXiv 1908.10084).
    With a cache a text is computed once: its row is kept in memory, and on disk for the next run. Without one nothing
    is kept from call to call: whoever predicts reads files of any size.
    """

    def __init__(self, config: FeatureConfig, *, cache: Cache | None, device: Device) -> None:
        self.config = config
        self.device = device
        self.name = open_name(config.base)
        self.store = None
        if cache is not None:
            # Rows in half precision are others than those in full: the two are not to be mixed.
            identity = fingerprint({"max_tokens": config.max_tokens, "half": device.half}, contents_of(self.name))
            self.store = cache.vectors("features", identity)
        self.known = {} if self.store is None else self.store.load()
        self.encoder: MeanEncoder | None = None

    @property
    def max_tokens(self) -> int:
        """Tokens of a text that are read."""
        return self.config.max_tokens

    @property
    def tokenizer(self) -> Any:
        """What cuts a text into tokens."""
        return self._opened().tokenizer

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return a row for each text, (texts, width)."""
        _check(texts)
        keys = [key_of(text) for text in texts]
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in self.known}
        if missing:
            self._compute(missing)
        if not keys:
            return np.empty((0, self._opened().width), dtype=np.float32)
        rows = np.stack([self.known[key] for key in keys])
        if self.store is None:
            self.known.clear()
        return rows

    def _opened(self) -> MeanEncoder:
        if self.encoder is None:
            self.encoder = MeanEncoder(self.name, self.config, self.device)
        return self.encoder

    def _compute(self, missing: dict[bytes, str]) -> None:
        encoder = self._opened()
        keys, texts = list(missing), list(missing.values())
        encoded = encoder.encode(texts)
        parts = by_length(encoded, PART)
        if self.store is not None and len(parts) > 1:
            keep = partial(_keep_features, self.config, self.store, self.device)
            with elsewhere(keep, [[texts[row] for row in rows] for rows in parts]) as given_away:
                pass
            if given_away:
                self.known.update(self.store.load())
                parts = [rows for rows in parts if any(keys[row] not in self.known for row in rows)]
        more = lines("features of", len(keys))
        for rows in parts:
            vectors = encoder.vectors([encoded[row] for row in rows])
            chosen = [keys[row] for row in rows]
            if self.store is not None:
                self.store.save(chosen, vectors)
            self.known.update(zip(chosen, vectors, strict=True))
            more(len(rows))


def _keep_features(config: FeatureConfig, store: Vectors, device: Device, texts: Sequence[str]) -> None:
    """Compute the features of texts that others have to find."""
    store.save([key_of(text) for text in texts], EncoderFeatures(config, cache=None, device=device)(texts))


class MeanEncoder:
    """An encoder with its tokenizer, read by its mean hidden state."""

    def __init__(self, name: str, config: FeatureConfig, device: Device) -> None:
        import torch
        from transformers import AutoModel

        model: Any
        model, loading = AutoModel.from_pretrained(name, dtype=torch.float32, output_loading_info=True)
        # Weights that were not found would be noise, silently; a pooler is not read.
        lacking = sorted(key for key in loading["missing_keys"] if "pooler." not in key)
        if lacking:
            raise ValueError(f"{config.base} lacks {len(lacking)} weights of its encoder, {lacking[0]} among them")
        self.model = model.to(device.place).eval()
        self.tokenizer = open_tokenizer(name, max_tokens=config.max_tokens)
        self.max_tokens = config.max_tokens
        self.device = device

    @property
    def width(self) -> int:
        """Numbers of a row."""
        return int(self.model.config.hidden_size)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return each text's token ids, with the encoder's special tokens."""
        ids: list[list[int]] = self.tokenizer(list(texts), truncation=True, max_length=self.max_tokens)["input_ids"]
        return ids

    def vectors(self, encoded: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Return a row of length 1 for each encoded text, (texts, width)."""
        import torch

        result = np.empty((len(encoded), self.width), dtype=np.float32)
        with torch.inference_mode():
            for rows in by_length(encoded, INFERENCE_ROWS):
                ids, mask = pad([encoded[row] for row in rows], padding=self.tokenizer.pad_token_id)
                batch = self.device.put({"input_ids": ids, "attention_mask": mask})
                with self.device.autocast():
                    states = self.model(**batch).last_hidden_state
                result[rows] = mean_of(states.float(), batch["attention_mask"]).cpu().numpy()
        return result


def mean_of(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the mean state over the tokens that are not padding, at length 1.

    Args:
        states: (rows, tokens, width).
        mask: 1 for a token, 0 for padding; (rows, tokens).
    """
    import torch

    weights = mask.unsqueeze(-1).to(states.dtype)
    return torch.nn.functional.normalize((states * weights).sum(dim=1) / weights.sum(dim=1), dim=-1)


def key_of(text: str) -> bytes:
    """Return the SHA-256 of a text: what its row is kept under."""
    return hashlib.sha256(text.encode("utf-8")).digest()


def _check(texts: Sequence[str]) -> None:
    blank = next((place for place, text in enumerate(texts) if not text.strip()), None)
    if blank is not None:
        raise ValueError(f"text {blank} is blank: it has no features")
