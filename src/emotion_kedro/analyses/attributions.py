"""Which words a classifier leans on, and what it still reads without them, or in nothing but them (S14)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotion_kedro.analyses.word_weights import TextWeights, attribute_words
from emotion_kedro.config.analyses import AttributionsConfig
from emotion_kedro.config.base import ALL_ROWS, PROBABILITY_PREFIX
from emotion_kedro.config.evaluation import EvaluationConfig
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.data.lexicon import log_odds, normal_word
from emotion_kedro.metrics.comparison import compare
from emotion_kedro.metrics.scores import score_table
from emotion_kedro.models.classifiers import load_classifier
from emotion_kedro.models.device import Device
from emotion_kedro.storage.cache import Cache
from emotion_kedro.storage.identity import fingerprint

WEIGHTS, PARTS = "attributed_words", "masked_texts"
"""Kinds in the cache."""
EXAMPLE = "example"
"""Source of the sentences that come from the parameters."""
MEASURES = ("attribution", "attention", "rollout")
LOG_ODDS, RANDOM, ALL_WORDS = "log-odds", "random", "all words"
MASKED, ALONE = "masked", "alone"
TOPS = (1, 2, 3)
"""Numbers of heaviest words, whose share of all weight is given."""
WORDS_PER_LABEL, LEAST_TEXTS = 8, 2
TEXT_COLUMNS = ["record_id", "source", "label", "predicted", "probability", "change", "outside", "gap"]


def analyse(
    config: AttributionsConfig,
    *,
    taxonomy: TaxonomyConfig,
    device: Device,
    cache: Cache,
    evaluation: EvaluationConfig,
    split_records: pd.DataFrame,
    models: Mapping[str, Path],
) -> dict[str, pd.DataFrame]:
    """Attribute the predicted labels of test rows to words, and read the texts with words masked or alone.

    What is chosen by attribution, attention, rollout or log-odds is set against as many random words. A killed run
    goes on after the last part of rows.

    Returns:
        ``words``: a row a word, with place, start and end in the text, and its weights. ``texts``: a row a text, with
        what its attributions should add up to (``change``, nats) and miss by (``gap``), and what is ``outside`` words.
        ``accuracy``: of each version of the texts. ``differences``: from random words, and from whole texts.
        ``concentration``: share of all weight on the heaviest words, beside ``even`` weight. ``heaviest_words``: by
        predicted label. ``completeness``: mean absolute gap and change.

    Raises:
        ValueError: if the classifier is not of kind ``encoder``.
    """
    model = models[config.arm]
    classifier: Any = load_classifier(model, device)
    if classifier.notes["kind"] != "encoder":
        raise ValueError(f"attributions.arm is {config.arm}, which is no encoder but {classifier.notes['kind']}")
    rows = pd.concat([rows_to_read(split_records, config), _examples(config)], ignore_index=True)
    weights = _attributed(rows, classifier, config, device, cache, fingerprint(model, device.arithmetic))
    texts = weights.drop_duplicates("record_id")[TEXT_COLUMNS].reset_index(drop=True)
    words = weights[weights["place"] >= 0].drop(columns=TEXT_COLUMNS[1:]).reset_index(drop=True)
    tested = rows[rows["source"] != EXAMPLE]
    predictions = _masked(
        tested, words, split_records, classifier, config, device, cache, fingerprint(model, device.arithmetic)
    )
    tested_texts = texts[texts["source"] != EXAMPLE]
    tested_words = words[words["record_id"].isin(tested["record_id"])]
    groups = split_records.set_index("record_id")["group"]
    return {
        "words": words,
        "texts": texts,
        "accuracy": _versions_named(score_table(predictions, groups, evaluation).query("metric == 'accuracy'"), "arm"),
        "differences": _versions_named(compare(predictions, _pairs(config), groups, evaluation), "first"),
        "concentration": concentration(tested_words),
        "heaviest_words": heaviest_words(tested_words, tested_texts.set_index("record_id")["predicted"]),
        "completeness": completeness(tested_texts),
    }


def rows_to_read(split_records: pd.DataFrame, config: AttributionsConfig) -> pd.DataFrame:
    """Return the test rows that are attributed: drawn at random, in the order of the table."""
    test = split_records[split_records["split"] == "test"]
    drawn = test.sample(min(config.rows, len(test)), random_state=config.seed).sort_index()
    return drawn[["record_id", "text", "label", "source"]].reset_index(drop=True)


def _examples(config: AttributionsConfig) -> pd.DataFrame:
    ids = [f"{EXAMPLE}:{number}" for number in range(len(config.examples))]
    columns = {"record_id": ids, "text": list(config.examples), "label": "", "source": EXAMPLE}
    return pd.DataFrame(columns, index=range(len(ids))).astype("str")


def _parts(rows: pd.DataFrame, size: int) -> Iterator[pd.DataFrame]:
    for start in range(0, len(rows), size):
        yield rows.iloc[start : start + size]


# --- weights ------------------------------------------------------------------------------------------------------


def _attributed(
    rows: pd.DataFrame, classifier: Any, config: AttributionsConfig, device: Device, cache: Cache, model: str
) -> pd.DataFrame:
    tables = []
    for part in _parts(rows, config.rows_at_once):
        identity = fingerprint(model, part, config.steps)
        table = cache.table(WEIGHTS, identity)
        if table is None:
            weights = attribute_words(classifier, part["text"].tolist(), device=device, steps=config.steps)
            records = part.itertuples(index=False)
            by_text = [_words(record, each, classifier.labels) for record, each in zip(records, weights, strict=True)]
            table = pd.concat(by_text, ignore_index=True)
            cache.save_table(WEIGHTS, identity, table)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _words(record: Any, text: TextWeights, labels: Sequence[str]) -> pd.DataFrame:
    """Return a row a word; a text without words has one, at place -1."""
    spans = text.spans or [(0, 0)]
    return pd.DataFrame(
        {
            **{name: getattr(record, name) for name in ("record_id", "source", "label")},
            "predicted": labels[text.predicted],
            **{name: getattr(text, name) for name in ("probability", "change", "outside", "gap")},
            "place": range(len(spans)) if text.spans else [-1],
            "start": [start for start, _ in spans],
            "end": [end for _, end in spans],
            "word": pd.Series([normal_word(record.text[start:end]) for start, end in spans], dtype="str"),
            **{name: getattr(text, name) if text.spans else [0.0] for name in MEASURES},
        }
    )


def concentration(words: pd.DataFrame) -> pd.DataFrame:
    """Return which share of all absolute weight lies on the heaviest words of a text, mean over texts.

    Returns:
        ``measure, words, share, even`` (the share if all words of a text weighed the same) ``, texts``.
    """
    rows = []
    for measure in MEASURES:
        sorted_weights = [np.sort(part.abs().to_numpy())[::-1] for _, part in words.groupby("record_id")[measure]]
        texts = [weights for weights in sorted_weights if weights.sum() > 0]
        for top in TOPS:
            shares = [weights[:top].sum() / weights.sum() for weights in texts]
            even = [min(top / len(weights), 1.0) for weights in texts]
            means = (float(np.mean(shares)), float(np.mean(even))) if texts else (np.nan, np.nan)
            rows.append({"measure": measure, "words": top, "share": means[0], "even": means[1], "texts": len(texts)})
    return pd.DataFrame(rows)


def heaviest_words(words: pd.DataFrame, predicted: pd.Series) -> pd.DataFrame:
    """Return for each predicted label the words with the highest mean attribution, as far as it is above 0.

    Returns:
        ``label, word, mean, texts``.
    """
    labelled = words.assign(label=words["record_id"].map(predicted))
    means = labelled.groupby(["label", "word"]).agg(mean=("attribution", "mean"), texts=("record_id", "nunique"))
    common = means[(means["texts"] >= LEAST_TEXTS) & (means["mean"] > 0)].reset_index()
    ordered = common.sort_values(["label", "mean", "word"], ascending=[True, False, True], kind="stable")
    return ordered.groupby("label").head(WORDS_PER_LABEL).reset_index(drop=True)


def completeness(texts: pd.DataFrame) -> pd.DataFrame:
    """Return ``texts, gap, change, ratio``: mean absolute gap and change, in nats, and the first over the second."""
    gap, change = float(texts["gap"].abs().mean()), float(texts["change"].abs().mean())
    return pd.DataFrame(
        [{"texts": len(texts), "gap": gap, "change": change, "ratio": gap / change if change else np.nan}]
    )


# --- versions of the texts ----------------------------------------------------------------------------------------


class Version(NamedTuple):
    """What was done to a text: ``words`` words that ``chooser`` picked are masked, or stand alone."""

    chooser: str
    way: str
    words: int

    @property
    def name(self) -> str:
        """The version as the column ``arm`` of a table of predictions names it: ``attribution/masked/3``."""
        return "/".join(map(str, self))


def top_places(scores: Sequence[float] | NDArray[np.float64], words: int) -> list[int]:
    """Return the places of the highest scores, at most ``words``, in the order of the text; of equal ones the first."""
    order = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
    return sorted(int(place) for place in order[:words])


def mask_words(text: str, spans: Sequence[tuple[int, int]], places: Sequence[int], mask: str) -> str:
    """Return the text with ``mask`` instead of each word at one of ``places``; all else stays as it is."""
    pieces, end = [], 0
    for place in sorted(places):
        start, stop = spans[place]
        pieces += [text[end:start], mask]
        end = stop
    return "".join([*pieces, text[end:]])


def keep_words(text: str, spans: Sequence[tuple[int, int]], places: Sequence[int]) -> str:
    """Return the words at ``places`` alone, in order, with a space between."""
    return " ".join(text[slice(*spans[place])] for place in sorted(places))


def versions_of(
    text: str,
    spans: Sequence[tuple[int, int]],
    scores: Mapping[str, Sequence[float]],
    *,
    word_counts: Sequence[int],
    draws: int,
    mask: str,
    seed: Sequence[int],
) -> pd.DataFrame:
    """Return the text as it is and in every version, columns ``arm``, ``seed`` and ``text``.

    Args:
        text: the text.
        spans: start and end of each word, in order.
        scores: chooser -> a score for each word; the highest are chosen.
        word_counts: how many words are chosen.
        draws: random choices beside these, numbered by ``seed``; a draw of few words is part of that of more.
        mask: what stands for a masked word.
        seed: of the draws; another one for each text.
    """
    rows = [(ALL_WORDS, 0, text)]
    random = {draw: np.random.default_rng([*seed, draw]).permutation(len(spans)) for draw in range(draws)}
    ranked = [(chooser, 0, np.asarray(values)) for chooser, values in scores.items()]
    ranked += [(RANDOM, draw, -order.astype(np.float64)) for draw, order in random.items()]
    for chooser, draw, values in ranked:
        for words in word_counts:
            places = top_places(values, words)
            rows.append((Version(chooser, MASKED, words).name, draw, mask_words(text, spans, places, mask)))
            rows.append((Version(chooser, ALONE, words).name, draw, keep_words(text, spans, places)))
    return pd.DataFrame(rows, columns=["arm", "seed", "text"]).astype({"arm": "str", "text": "str"})


def _masked(
    rows: pd.DataFrame,
    words: pd.DataFrame,
    split_records: pd.DataFrame,
    classifier: Any,
    config: AttributionsConfig,
    device: Device,
    cache: Cache,
    model: str,
) -> pd.DataFrame:
    """Return predictions of every version: an arm each, a random draw a seed. Informed choices stand in all seeds."""
    typicality = words["word"].map(_typicality(split_records, config)).fillna(0.0)
    by_record = {str(record): part for record, part in words.assign(**{LOG_ODDS: typicality}).groupby("record_id")}
    nothing = words.iloc[:0].assign(**{LOG_ODDS: 0.0})
    tables = []
    for part in _parts(rows, config.rows_at_once):
        versions = [
            _versions(row, by_record.get(str(row.record_id), nothing), classifier, config) for row in part.itertuples()
        ]
        texts = pd.concat(versions, ignore_index=True)
        identity = fingerprint(model, texts)
        table = cache.table(PARTS, identity)
        if table is None:
            table = _read(texts, classifier, device)
            cache.save_table(PARTS, identity, table)
        tables.append(table)
    read = pd.concat(tables, ignore_index=True)
    drawn = read["arm"].str.startswith(f"{RANDOM}/")
    informed = [read[~drawn].assign(seed=draw) for draw in range(config.draws)]
    return pd.concat([*informed, read[drawn]], ignore_index=True)


def _typicality(split_records: pd.DataFrame, config: AttributionsConfig) -> pd.Series:
    """Return how typical each word is of the label that it is most typical of, as a z-score; train rows alone."""
    train = split_records[split_records["split"] == "train"]
    table = log_odds(train["text"].tolist(), train["label"].tolist(), least_count=config.least_count)
    highest: pd.Series = table.groupby("word")["z"].max()
    return highest


def _versions(row: Any, words: pd.DataFrame, classifier: Any, config: AttributionsConfig) -> pd.DataFrame:
    table = versions_of(
        row.text,
        list(zip(words["start"].tolist(), words["end"].tolist(), strict=True)),
        {name: words[name].tolist() for name in (*MEASURES, LOG_ODDS)},
        word_counts=config.word_counts,
        draws=config.draws,
        mask=classifier.tokenizer.mask_token,
        # Not the place in the table: rows draw the same words however many there are.
        seed=(config.seed, zlib.crc32(row.record_id.encode())),
    )
    return table.assign(record_id=row.record_id, source=row.source, label=row.label)


def _read(versions: pd.DataFrame, classifier: Any, device: Device) -> pd.DataFrame:
    # Many versions of a text are the same: short texts have few words to choose from.
    codes, distinct = pd.factorize(versions["text"])
    probabilities = classifier.probabilities(list(distinct), device=device)[codes]
    predicted = [classifier.labels[place] for place in probabilities.argmax(axis=1)]
    run: dict[str, Any] = {"experiment": "", "learner": "encoder", "size": ALL_ROWS, "data_seed": 0}
    columns = pd.DataFrame(probabilities, columns=[f"{PROBABILITY_PREFIX}{label}" for label in classifier.labels])
    named = versions.drop(columns="text").assign(**run, predicted=pd.Series(predicted, dtype="str"))
    return pd.concat([named, columns], axis=1)


def _pairs(config: AttributionsConfig) -> list[tuple[str, str]]:
    """Return each informed choice with as many random words, and with the texts as they are."""
    informed = [
        Version(chooser, way, words)
        for chooser in (*MEASURES, LOG_ODDS)
        for way in (MASKED, ALONE)
        for words in config.word_counts
    ]
    random = [(version.name, version._replace(chooser=RANDOM).name) for version in informed]
    return [*random, *((version.name, ALL_WORDS) for version in informed)]


def _versions_named(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the table with ``chooser``, ``way`` and ``words`` of the versions in a column."""
    parts = table[column].str.split("/", expand=True).reindex(columns=range(3))
    named = {"chooser": parts[0], "way": parts[1].fillna(""), "words": parts[2].astype("Int64")}
    return table.drop(columns=["experiment", "learner", "size"]).assign(**named).reset_index(drop=True)
