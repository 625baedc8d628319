"""Generators: what writes candidates for the labels of a draw.

A kind is a class, made with its parameters, whose ``fit`` takes a :class:`GenerationContext` and returns something that
has ``sample(label, count, seed)``. Kinds that are tuned have ``train`` and ``load`` too, so that a model can be kept.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, cast

import pandas as pd

from emotion_kedro.config.augmentation import GENERATORS, GeneratorConfig
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.data.leak_guard import LeakError, LeakGuard
from emotion_kedro.models.device import OPENING, Device, side_by_side
from emotion_kedro.runtime.elsewhere import elsewhere
from emotion_kedro.storage.cache import Cache
from emotion_kedro.storage.identity import contents_of, fingerprint, version_of

logger = logging.getLogger(__name__)

CANDIDATES = "candidates"
ROWS = "rows.txt"
"""Beside a kept model: the mark of the rows that it learned from."""


def no_rows() -> pd.DataFrame:
    """Return a table of records without a row."""
    return pd.DataFrame({"record_id": [], "text": [], "label": []}).astype("str")


@dataclass(frozen=True)
class GenerationContext:
    """What a generator of one draw may see, and where it works."""

    rows: pd.DataFrame
    """Train rows of the draw: ``record_id, text, label``, and ``group`` where there is one."""
    taxonomy: TaxonomyConfig
    data_seed: int
    device: Device
    cache: Cache
    guard: LeakGuard
    validation: pd.DataFrame = field(default_factory=no_rows)
    """Validation rows: losses and penalties are watched on them, nothing learns from them."""
    further_rows: pd.DataFrame = field(default_factory=no_rows)
    """The next real rows of the same subsample."""
    unlabelled: pd.DataFrame = field(default_factory=no_rows)
    """Train texts without labels."""

    def texts_of(self, label: str) -> list[str]:
        """Return the train texts of a label."""
        return self.rows.loc[self.rows["label"] == label, "text"].tolist()

    def seed_of(self, config: GeneratorConfig) -> int:
        """Return the seed of a generator in this draw."""
        return self.data_seed + config.seed


class Unfinished(str):
    """A text that was stopped at the largest number of tokens, before the model had ended it."""


class Fitted(Protocol):
    """A generator that is ready to write."""

    def sample(self, label: str, count: int, seed: int) -> list[str]:
        """Return texts of a label, ``count`` at most, those that were stopped as :class:`Unfinished`.

        The same seed gives the same texts. On a CPU it is called for several labels at once.
        """


class Together(Fitted, Protocol):
    """One whose parameters say ``draws_together``."""

    def sample_all(self, labels: Sequence[str], count: int, seed: int) -> list[list[str]]:
        """Return the texts of each label, as ``sample`` does."""


class Trained(Fitted, Protocol):
    """A tuned generator, which can be kept."""

    def save(self, directory: Path) -> None:
        """Write all that :func:`load_generator` needs into an empty directory."""


@dataclass(frozen=True)
class KeptGenerator:
    """A tuned generator and the mark of the rows that it learned from: what is saved."""

    trained: Trained
    rows: str

    def save(self, directory: Path) -> None:
        """Write all that :func:`load_generator` needs into an empty directory."""
        self.trained.save(directory)
        (directory / ROWS).write_text(self.rows, encoding="utf-8")


def train_generator(
    config: GeneratorConfig, context: GenerationContext, *, name: str = "generator"
) -> tuple[KeptGenerator, list[dict[str, Any]]]:
    """Tune a generator on the rows of a draw.

    Returns:
        The generator, and one training log for its base (where that is trained) and for each of its models.

    Raises:
        LeakError: if a held-out row is among those that it would learn from.
        ValueError: if its kind is not trained.
    """
    if not config.needs_training:
        raise ValueError(f"the generator {name} is not tuned, so that there is no model of it to keep")
    assert_disjoint(config, context, name)
    trained, log = _implementation(config).train(context)
    return KeptGenerator(trained, mark_of(context.rows)), log


def load_generator(
    config: GeneratorConfig, directory: Path, context: GenerationContext, *, name: str = "generator"
) -> Trained:
    """Open what :func:`train_generator`'s generator was saved to, for the draw that it was trained on.

    Raises:
        LeakError: if it learned from other rows: since then some of them may have become test rows.
    """
    file, rows = directory / ROWS, mark_of(context.rows)
    if not file.is_file() or file.read_text(encoding="utf-8") != rows:
        raise LeakError(
            f"the generator {name} in {directory} was trained on other rows than this split's train rows, of which "
            "some may be test rows now; run its whole experiment again: kedro run --pipelines=<experiment>"
        )
    trained: Trained = _implementation(config).load(directory, context)
    return trained


def mark_of(rows: pd.DataFrame) -> str:
    """Return what stands for train rows in what was made from them: their content alone, whatever the code is now."""
    hashes = pd.util.hash_pandas_object(rows[["record_id", "text", "label"]], index=False)
    return hashlib.sha256(hashes.to_numpy().tobytes()).hexdigest()[:16]


def draw_candidates(
    config: GeneratorConfig, context: GenerationContext, fitted: Fitted | None = None, *, name: str = "generator"
) -> pd.DataFrame:
    """Return a generator's candidates for one draw: ``text, label, ended``, ``config.texts`` per label at most.

    Texts without a word, and those that are (nearly) copies of held-out ones, are left out. What a language model wrote
    is kept in the cache label by label, so that a killed run goes on with the label it was at.

    ``fitted`` is a generator that is ready; None fits it on the draw's rows, if anything is still to be written.

    Raises:
        LeakError: if a held-out row is among those that it would learn from.
    """
    assert_disjoint(config, context, name)
    sampler = LabelSampler(config, context, fitted, name)
    if sampler.is_slow and config.writes_new_text:
        sampler.write_ahead()
    # No threads for what is tuned as it writes (its initial values come from torch's shared random state), nor for what
    # only picks texts that there are (all threads would wait for the same reading).
    at_once = sampler.is_slow and config.writes_new_text and (fitted is not None or not config.needs_training)
    names = context.taxonomy.names
    tables = side_by_side(sampler.table, names, context.device) if at_once else list(map(sampler.table, names))
    # All its labels are in the cache: a generator that was tuned for them is never asked again.
    context.cache.finish(CANDIDATES, sampler.identity)
    candidates = pd.concat(tables, ignore_index=True)
    if not config.writes_new_text:
        return candidates
    # Kept texts too: they may have been written when other rows were held out.
    copies = context.guard.copies(candidates["text"].tolist())
    if copies.any():
        logger.warning("generator %s: %d texts copy held-out ones and are thrown away", name, int(copies.sum()))
    return candidates[~copies].reset_index(drop=True)


def assert_disjoint(config: GeneratorConfig, context: GenerationContext, name: str) -> None:
    """Raise a LeakError if a held-out row is among those that the generator would see."""
    context.guard.assert_disjoint(context.rows, f"the train rows of the generator {name}")
    if config.reads_unlabelled:
        context.guard.assert_disjoint(context.unlabelled, f"the unlabelled texts of the generator {name}")
    if config.reads_further_rows:
        context.guard.assert_disjoint(context.further_rows, f"the further real rows of the generator {name}")


class LabelSampler:
    """Samples the texts of label after label, and logs how far it is."""

    def __init__(self, config: GeneratorConfig, context: GenerationContext, fitted: Fitted | None, name: str) -> None:
        self._config, self._context, self._fitted, self._name = config, context, fitted, name
        self.identity = _identity_of(config, context, fitted)
        self.is_slow = config.needs_training or bool(config.models())
        self._began, self._written = time.perf_counter(), 0

    def table(self, label: str) -> pd.DataFrame:
        """Return ``text, label, ended`` of one label: from the cache, or else new ones; slow ones are cached."""
        if not self.is_slow:
            return self._write(label)
        table = self._kept(label)
        if table is None:
            table = self._keep(label)
            self._report(label, len(table))
        return table

    def write_ahead(self) -> None:
        """Let one engine, or other workers, where there are any, write the labels that are not in the cache."""
        missing = [label for label in self._context.taxonomy.names if self._kept(label) is None]
        if not missing:
            return
        fitted = self._fit()  # once, and not on each worker
        if self._config.draws_together:
            texts = cast(Together, fitted).sample_all(missing, *self._asked)
            for label, of_label in zip(missing, texts, strict=True):
                self._save(label, _table(label, of_label))
            return
        with elsewhere(self._keep, missing):
            pass

    def _kept(self, label: str) -> pd.DataFrame | None:
        return self._context.cache.table(CANDIDATES, fingerprint(self.identity, label))

    def _keep(self, label: str) -> pd.DataFrame:
        return self._save(label, self._write(label))

    def _save(self, label: str, table: pd.DataFrame) -> pd.DataFrame:
        self._context.cache.save_table(CANDIDATES, fingerprint(self.identity, label), table)
        return table

    @property
    def _asked(self) -> tuple[int, int]:
        """Texts of a label, and the seed."""
        return self._config.texts, self._context.seed_of(self._config)

    def _fit(self) -> Fitted:
        with OPENING:
            if self._fitted is None:
                cache = self._context.cache.towards(CANDIDATES, self.identity)
                self._fitted = _implementation(self._config).fit(replace(self._context, cache=cache))
        return self._fitted

    def _write(self, label: str) -> pd.DataFrame:
        return _table(label, self._fit().sample(label, *self._asked))

    def _report(self, label: str, texts: int) -> None:
        self._written += 1
        labels_left = sum(self._kept(name) is None for name in self._context.taxonomy.names)
        seconds = time.perf_counter() - self._began
        logger.info(
            "generator %s, data seed %d: %s, %d texts; %.1f s a label, about %.0f s left",
            *(self._name, self._context.data_seed, label, texts),
            *(seconds / self._written, seconds / self._written * labels_left),
        )


def _table(label: str, texts: list[str]) -> pd.DataFrame:
    """Return ``text, label, ended`` of the texts that have a word."""
    ended = [not isinstance(text, Unfinished) for text in texts]
    table = pd.DataFrame({"text": pd.Series(map(str, texts), dtype="str")}).assign(label=label).astype("str")
    table = table.assign(ended=pd.Series(ended, dtype="bool"))
    return table[table["text"].str.contains(r"\w", regex=True)].reset_index(drop=True)


def _identity_of(config: GeneratorConfig, context: GenerationContext, fitted: Fitted | None) -> str:
    """Return the fingerprint of all that a generator's texts depend on."""
    return fingerprint(
        *(config, context.seed_of(config), context.taxonomy, context.device.arithmetic),
        *(context.rows[["text", "label"]], *(contents_of(model) for model in config.models())),
        # Those that are tuned stop by them, those that learn from themselves choose a penalty by them.
        context.validation[["text", "label"]],
        context.unlabelled[["text"]] if config.reads_unlabelled else None,
        getattr(fitted, "identity", None),
        {name: version_of(name) for name in config.programs},
    )


def _implementation(config: Any) -> Any:
    return GENERATORS[config.kind].load()(config)
