"""The draws of a design: for each size and data seed, the train rows, and the candidates that are written from them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from zlib import crc32

import pandas as pd

from emotion_kedro.augmentation.agreement import fit_agreement_classifier
from emotion_kedro.augmentation.filters import score_candidates
from emotion_kedro.augmentation.filters.judgements import with_reviews
from emotion_kedro.augmentation.generators import Fitted, GenerationContext, draw_candidates, mark_of, no_rows
from emotion_kedro.config.augmentation import GeneratorConfig
from emotion_kedro.config.base import ALL_ROWS
from emotion_kedro.config.experiment import ArmConfig, DesignConfig
from emotion_kedro.config.filters import LabelAgreementFilter, NovelFilter
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.data.leak_guard import LeakError, LeakGuard
from emotion_kedro.data.reader_errors import listed
from emotion_kedro.data.subsamples import DesignSplits, Draw
from emotion_kedro.models.device import Device, choose_device
from emotion_kedro.storage.cache import Cache
from emotion_kedro.storage.identity import contents_of, fingerprint

logger = logging.getLogger(__name__)

CANDIDATES = ["candidate_id", "text", "label", "ended", "generator", "size", "data_seed"]
SCORED = "scored_candidates"


@dataclass(frozen=True)
class DrawContexts(DesignSplits):
    """The rows of an experiment, and what a generator may see of them in each draw."""

    taxonomy: TaxonomyConfig
    device: Device
    cache: Cache
    unlabelled_texts: pd.DataFrame | None = None
    """Texts without labels, where the experiment has some; else train rows stand for them."""

    @classmethod
    def of(
        cls,
        split_records: pd.DataFrame,
        taxonomy: Mapping[str, Any],
        design: DesignConfig | Mapping[str, Any],
        device: str,
        cache: str,
        unlabelled_texts: pd.DataFrame | None = None,
    ) -> DrawContexts:
        """Return the contexts from tables and parameters as nodes are given them."""
        labels, drawn = TaxonomyConfig.model_validate(taxonomy), DesignConfig.model_validate(design)
        return cls(split_records, drawn, labels, choose_device(device), Cache(cache), unlabelled_texts)

    @cached_property
    def unlabelled(self) -> pd.DataFrame:
        """Texts that generators see without labels: train rows, or a table's own less copies of held-out texts."""
        if self.unlabelled_texts is None:
            count = min(self.design.unlabelled_rows, len(self.train))
            rows = self.train.sample(count, random_state=self.design.seed)
            return rows[["record_id", "text", "group"]].reset_index(drop=True)
        rows = self.unlabelled_texts[self.unlabelled_texts["split"] == "train"]
        # Whatever the split: these texts are none of its rows.
        held_out = self.split_records[self.split_records["split"] != "train"].reset_index(drop=True)
        copies = LeakGuard(held_out).copies(rows["text"].tolist())
        if copies.any():
            logger.warning("%d unlabelled texts copy held-out ones and are left out", int(copies.sum()))
        return rows.loc[~copies, ["record_id", "text"]].reset_index(drop=True)

    def context(self, draw: Draw, config: GeneratorConfig) -> GenerationContext:
        """Return what a generator sees in a draw: of larger sizes no more rows than it draws on."""
        size = config.rows if config.rows is not None and not 0 < draw.size <= config.rows else draw.size
        further = no_rows()
        if config.reads_further_rows and draw.size != ALL_ROWS:
            further = self.subsample("train", draw.data_seed).rows(draw.size + config.texts, after=draw.size)
        return GenerationContext(
            rows=self.rows(Draw(size, draw.data_seed)),
            taxonomy=self.taxonomy,
            data_seed=draw.data_seed,
            device=self.device,
            cache=self.cache,
            guard=self.guard,
            validation=self.validation_rows(size),
            further_rows=further,
            unlabelled=self.unlabelled if config.reads_unlabelled else no_rows(),
        )


def only_draw(contexts: DrawContexts, name: str) -> Draw:
    """Return the one draw of a design, for a generator whose model is kept.

    Raises:
        ValueError: if there are several.
    """
    draws = contexts.draws()
    if len(draws) > 1:
        raise ValueError(
            f"the model of the generator {name} is to be kept, but the design has {len(draws)} draws; give one size "
            "and one data seed, or leave it out of those that are trained"
        )
    return draws[0]


def draw_for(
    name: str,
    config: GeneratorConfig,
    contexts: DrawContexts,
    draws: Sequence[Draw],
    fitted: Fitted | None = None,
) -> pd.DataFrame:
    """Return the candidates of a generator for draws, schema ``Candidates``.

    Where ``config.rows`` makes two sizes show a generator the same rows, they share its texts, from the cache.
    """
    tables = []
    for number, draw in enumerate(draws, start=1):
        table = draw_candidates(config, contexts.context(draw, config), fitted, name=name)
        tables.append(_numbered(table, name, draw, contexts))
        if len(draws) > 1:
            logger.info("generator %s: %d candidates of draw %d of %d", name, len(table), number, len(draws))
    if not tables:
        return _numbered(no_rows().assign(ended=True), name, Draw(ALL_ROWS, 0), contexts)
    return pd.concat(tables, ignore_index=True)


def _numbered(table: pd.DataFrame, name: str, draw: Draw, splits: DesignSplits) -> pd.DataFrame:
    rows = mark_of(splits.rows(draw))
    numbers = table.groupby("label").cumcount() + 1
    # With a check sum, so that a judgement of one run's candidates never fits another's.
    ids = [
        f"{name}:{label}:{draw.size}:{draw.data_seed}:{number}:{_check_sum(text, rows)}"
        for label, number, text in zip(table["label"], numbers, table["text"], strict=True)
    ]
    return table.assign(
        candidate_id=pd.Series(ids, index=table.index, dtype="str"),
        generator=pd.Series(name, index=table.index, dtype="str"),
        size=pd.Series(draw.size, index=table.index, dtype="int64"),
        data_seed=pd.Series(draw.data_seed, index=table.index, dtype="int64"),
    )[CANDIDATES]


def assert_written_for(splits: DesignSplits, candidates: pd.DataFrame) -> None:
    """Raise a LeakError if a candidate was written for other train rows than its draw has in these splits.

    It is what stands between a new split and candidates of the one before, which learned from rows that may be test
    rows now.
    """
    for _, table in candidates.groupby(["size", "data_seed"]):
        rows = mark_of(splits.rows(Draw(int(table["size"].iloc[0]), int(table["data_seed"].iloc[0]))))
        for candidate_id, text in zip(table["candidate_id"], table["text"], strict=True):
            if not candidate_id.endswith(f":{_check_sum(text, rows)}"):
                raise LeakError(
                    f"the candidate {candidate_id} was not written for the train rows of this split, so that it may "
                    "have learned from rows that are test rows now; run the whole experiment that wrote it again: "
                    "kedro run --pipelines=<experiment>"
                )


def reviewed_candidates(splits: DesignSplits, candidates: pd.DataFrame, reviews: pd.DataFrame | None) -> pd.DataFrame:
    """Return candidates that were written for these splits with the reviews of them; edited ones get their own ids.

    An edit that nearly is a held-out text is left out, as what a generator writes is.

    Raises:
        LeakError: as :func:`assert_written_for`; a person's edit does not hide for which rows a text was written.
    """
    assert_written_for(splits, candidates)
    table = with_reviews(candidates, reviews)
    edited = table["text"] != candidates["text"]
    copies = edited.to_numpy().copy()
    copies[copies] = splits.guard.copies(table.loc[edited, "text"].tolist())
    if copies.any():
        left_out = listed(candidates.loc[copies, "candidate_id"])
        logger.warning("left out, since their edits nearly are held-out texts: %s", left_out)
    for _, part in table[edited].groupby(["size", "data_seed"]):
        rows = mark_of(splits.rows(Draw(int(part["size"].iloc[0]), int(part["data_seed"].iloc[0]))))
        names = [name.rpartition(":")[0] for name in part["candidate_id"]]
        sums = [_check_sum(text, rows) for text in part["text"]]
        table.loc[part.index, "candidate_id"] = [f"{name}:{end}" for name, end in zip(names, sums, strict=True)]
    return table[~copies].reset_index(drop=True)


def _check_sum(text: str, rows: str) -> str:
    return f"{crc32((rows + text).encode()):08x}"


@dataclass(frozen=True)
class Scoring:
    """How the candidates of an experiment are measured."""

    arms: Mapping[str, ArmConfig]
    filters: Mapping[str, Any]
    learners: Mapping[str, Any]
    """Parameters of the classifiers by name, in their order."""
    unfiltered: tuple[str, ...] = ()
    """Generators whose texts are right by their making."""

    @property
    def shingle(self) -> int:
        """The characters of an n-gram that similarities with train texts are counted in.

        Raises:
            ValueError: if filters differ in it.
        """
        shingles = {config.shingle for config in self._used("novel")} or {NovelFilter().shingle}
        if len(shingles) > 1:
            raise ValueError(f"filters of kind novel differ in shingle: {sorted(shingles)}; give all of them the same")
        return shingles.pop()

    @property
    def agreement(self) -> LabelAgreementFilter:
        """The filter whose classifier reads the candidates.

        Raises:
            ValueError: if filters differ in their classifier.
        """
        used = self._used("label_agreement") or [
            config for config in self.filters.values() if config.kind == "label_agreement"
        ]
        classifiers = {config.model_copy(update={"tau": 0.0}): config for config in used or [LabelAgreementFilter()]}
        if self._used("label_agreement") and len(classifiers) > 1:
            raise ValueError("filters of kind label_agreement may differ in tau only: one classifier reads for all")
        return next(iter(classifiers.values()))

    def is_read(self, draw: Draw) -> bool:
        """Whether an arm that is run at this size asks how sure the classifier is of a candidate."""
        return any(
            arm.sizes is None or draw.size in arm.sizes
            for arm in self.arms.values()
            if arm.add
            and (
                arm.weights == "agreement" or any(self.filters[name].kind == "label_agreement" for name in arm.filters)
            )
        )

    def _used(self, kind: str) -> list[Any]:
        names = dict.fromkeys(name for arm in self.arms.values() for name in arm.filters)
        return [self.filters[name] for name in names if self.filters[name].kind == kind]


def score_draws(candidates: pd.DataFrame, contexts: DrawContexts, scoring: Scoring) -> pd.DataFrame:
    """Return the candidates of all draws with their scores, schema ``ScoredCandidates``.

    The classifier is fitted once for each draw, on the draw's rows. Each draw's table is kept in the cache.
    """
    tables = []
    groups = list(candidates.groupby(["size", "data_seed"], sort=False))
    for number, (_, table) in enumerate(groups, start=1):
        draw = Draw(int(table["size"].iloc[0]), int(table["data_seed"].iloc[0]))
        tables.append(_score_draw(table.reset_index(drop=True), draw, contexts, scoring))
        if len(groups) > 1:
            logger.info("candidates: draw %d of %d is scored", number, len(groups))
    if not tables:
        return score_candidates(candidates, [])
    return pd.concat(tables, ignore_index=True)


def _score_draw(table: pd.DataFrame, draw: Draw, contexts: DrawContexts, scoring: Scoring) -> pd.DataFrame:
    rows, validation = contexts.rows(draw), contexts.validation_rows(draw.size)
    agreement = scoring.agreement if scoring.is_read(draw) else None
    learners = scoring.learners
    learner = None if agreement is None else learners[agreement.learner or next(iter(learners))]
    identity = fingerprint(
        *(table, rows[["text", "label"]], contexts.taxonomy, scoring.shingle, list(scoring.unfiltered)),
        *(agreement, learner, validation[["text", "label"]] if agreement else None, contexts.device.arithmetic),
        *(contents_of(model) for model in (learner.models() if learner else ())),
    )
    scored = contexts.cache.table(SCORED, identity)
    if scored is None:
        scored = score_candidates(
            table,
            rows["text"].tolist(),
            shingle=scoring.shingle,
            labels=contexts.taxonomy.names,
            read=None if agreement is None else _reader(draw, contexts, agreement, learner, identity),
            unfiltered=scoring.unfiltered,
        )
        contexts.cache.save_table(SCORED, identity, scored)
    return scored


def _reader(draw: Draw, contexts: DrawContexts, agreement: LabelAgreementFilter, learner: Any, identity: str) -> Any:
    classifier = fit_agreement_classifier(
        contexts.rows(draw),
        contexts.validation_rows(draw.size),
        contexts.taxonomy,
        learner,
        seed=agreement.seed,
        guard=contexts.guard,
        device=contexts.device,
        cache=contexts.cache.towards(SCORED, identity),
        place="the filter",
    )
    return lambda texts: classifier.probabilities(texts, device=contexts.device)
