"""Frozen features: a text as a row of numbers that no training changes, computed once.

With them a classifier is a linear head (:mod:`emotion_kedro.learning.heads`), so that a wide grid of arms and sizes
costs minutes where fine-tuning would cost days.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from emotion_kedro.learning.batches import by_length, pad
from emotion_kedro.learning.checkpoints import contents_of, fingerprint
from emotion_kedro.learning.classifiers.lessons import open_tokenizer
from emotion_kedro.learning.device import Device
from emotion_kedro.learning.language_models import open_name
from emotion_kedro.options.features import FeatureOptions

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

INFERENCE_ROWS = 64
PART = 512
"""Texts that are saved together: what a run that is killed has to do again, at most."""
SECONDS_BETWEEN_LINES = 10.0


class Features(Protocol):
    """What turns texts into rows of numbers."""

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return a row for each text, (texts, width); rows have length 1.

        Raises:
            ValueError: if a text is blank.
        """
        ...


def open_features(options: FeatureOptions, *, folder: Path | str, device: Device) -> Features:
    """Return the features that ``options`` asks for.

    Args:
        options: which features.
        folder: where those of an encoder are kept between runs, each kind in a folder of its own.
        device: where an encoder computes them.
    """
    if options.kind == "characters":
        return CharacterFeatures(options)
    return EncoderFeatures(options, folder=Path(folder), device=device)


class CharacterFeatures:
    """Hashed counts of the characters' n-grams (Weinberger et al. 2009, arXiv 0902.2206).

    Nothing is learned: a text's row depends on no other text, so none can leak into it. It is quicker to compute them
    again than to keep them. A text that is shorter than the n-grams has a row of zeros.
    """

    def __init__(self, options: FeatureOptions) -> None:
        from sklearn.feature_extraction.text import HashingVectorizer

        self.vectorizer = HashingVectorizer(
            analyzer="char", ngram_range=options.ngrams, n_features=options.width, norm="l2", dtype=np.float32
        )

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return a row for each text, (texts, width)."""
        _check(texts)
        if len(texts) == 0:
            return np.empty((0, self.vectorizer.n_features), dtype=np.float32)
        rows: NDArray[np.float32] = self.vectorizer.transform(texts).toarray()
        return rows


class EncoderFeatures:
    """The mean of an encoder's last hidden states over a text's tokens, at length 1.

    That is how the encoders of the sentence-transformers family are read (Reimers & Gurevych 2019, arXiv 1908.10084).
    A text is computed once: its row is kept in memory, and on disk for the next run.
    """

    def __init__(self, options: FeatureOptions, *, folder: Path, device: Device) -> None:
        self.options = options
        self.device = device
        self.name = open_name(options.base)
        # Rows in half precision are others than those in full: the two are not to be mixed.
        identity = fingerprint({"max_tokens": options.max_tokens, "half": device.half}, contents_of(self.name))
        self.parts = Parts(folder / f"{options.kind}-{identity}")
        self.known = self.parts.load()
        self.encoder: MeanEncoder | None = None

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return a row for each text, (texts, width)."""
        _check(texts)
        keys = [key_of(text) for text in texts]
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in self.known}
        if missing:
            self._compute(missing)
        if not keys:
            return np.empty((0, self._opened().width), dtype=np.float32)
        return np.stack([self.known[key] for key in keys])

    def _opened(self) -> MeanEncoder:
        if self.encoder is None:
            self.encoder = MeanEncoder(self.name, self.options, self.device)
        return self.encoder

    def _compute(self, missing: dict[bytes, str]) -> None:
        encoder = self._opened()
        keys = list(missing)
        encoded = encoder.encode(list(missing.values()))
        began = spoke = time.perf_counter()
        done = 0
        for rows in by_length(np.array([len(ids) for ids in encoded]), PART):
            vectors = encoder.vectors([encoded[row] for row in rows])
            chosen = [keys[row] for row in rows]
            self.parts.save(chosen, vectors)
            self.known.update(zip(chosen, vectors, strict=True))
            done += len(rows)
            if (now := time.perf_counter()) - spoke > SECONDS_BETWEEN_LINES:
                spoke = now
                # The longest come first: it gets faster.
                logger.info("features of %d of %d texts, %.0f texts/s", done, len(keys), done / (now - began))


class MeanEncoder:
    """An encoder with its tokenizer, read by its mean hidden state."""

    def __init__(self, name: str, options: FeatureOptions, device: Device) -> None:
        import torch
        from transformers import AutoModel

        model: Any
        model, loading = AutoModel.from_pretrained(name, dtype=torch.float32, output_loading_info=True)
        # Weights that were not found would be noise, silently; a pooler is not read.
        lacking = sorted(key for key in loading["missing_keys"] if "pooler." not in key)
        if lacking:
            raise ValueError(f"{options.base} lacks {len(lacking)} weights of its encoder, {lacking[0]} among them")
        self.model = model.to(device.place).eval()
        self.tokenizer = open_tokenizer(name, options)
        self.max_tokens = options.max_tokens
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
            for rows in by_length(np.array([len(ids) for ids in encoded]), INFERENCE_ROWS):
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


class Parts:
    """Rows on disk, some hundred a file. A file is there whole or not at all; a folder of them only grows."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def load(self) -> dict[bytes, NDArray[np.float32]]:
        """Return every row that there is, by the key of its text."""
        from safetensors.numpy import load_file

        known: dict[bytes, NDArray[np.float32]] = {}
        for file in sorted(self.directory.glob("[0-9]*.safetensors")):
            part = load_file(file)
            known.update(zip(map(bytes, part["keys"]), part["rows"], strict=True))
        if known:
            logger.info("features of %d texts are there from earlier runs", len(known))
        return known

    def save(self, keys: Sequence[bytes], rows: NDArray[np.float32]) -> None:
        """Write a part: the texts' keys as (rows, 32) bytes, and their rows."""
        from safetensors.numpy import save_file

        self.directory.mkdir(parents=True, exist_ok=True)
        # Another run may be at work on the same features: each has a file of its own until it is whole.
        staging = self.directory / f".partial-{os.getpid()}"
        save_file({"keys": np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, 32), "rows": rows}, staging)
        staging.rename(self._free())

    def _free(self) -> Path:
        """Return the first name that is not taken; where two runs choose one, a part is lost."""
        numbers = [int(file.stem) for file in self.directory.glob("[0-9]*.safetensors")]
        return self.directory / f"{max(numbers, default=-1) + 1:06d}.safetensors"


def _check(texts: Sequence[str]) -> None:
    blank = next((place for place, text in enumerate(texts) if not text.strip()), None)
    if blank is not None:
        raise ValueError(f"text {blank} is blank: it has no features")
