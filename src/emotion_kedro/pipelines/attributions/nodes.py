"""Words and their weights, texts without them, and what the classifier still reads."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from emotion_kedro.learning.checkpoints import TableParts, fingerprint
from emotion_kedro.learning.device import choose_device
from emotion_kedro.options import AttributionOptions, ClassificationOptions, EvaluationOptions, UnificationOptions
from emotion_kedro.pipelines.classification.nodes import predictions_table, side_of
from emotion_kedro.pipelines.evaluation.nodes import bootstrap_of, groups_of
from emotion_kedro.taxonomy import labels_of
from emotion_kedro.text.lexicon import log_odds, normal_word
from emotion_kedro.text.word_masking import ALL_WORDS, RANDOM, Version, versions_of

EXAMPLE = "example"
"""Source of the sentences that come from the parameters."""
MODEL_CHOOSERS = ("attribution", "attention", "rollout")
TOP = 3
"""Heaviest words that are set against the whole text."""
WORDS_PER_LABEL = 8
LEAST_TEXTS = 2


def attribute_words(
    model: Path,
    split_records: pd.DataFrame,
    unification: UnificationOptions,
    options: AttributionOptions,
    device: str,
    checkpoints: str,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the weights of the words of some test rows and of the example sentences, and a row for each text."""
    from emotion_kedro.learning.attributions import weigh_words
    from emotion_kedro.learning.classifiers import load_classifier

    chosen = choose_device(device)
    labels = labels_of(unification.taxonomy)
    rows = pd.concat([rows_to_read(split_records, options), _examples(options)], ignore_index=True)
    classifier: Any = load_classifier(model, chosen)
    if classifier.notes["kind"] != "encoder":
        raise ValueError(f"attribution is for kind: encoder; this classifier is {classifier.notes['kind']}")
    store = TableParts(
        checkpoints,
        "attributions.words",
        fingerprint(model, rows, options.steps, options.baseline, options.rows_at_once, chosen.kind),
    )
    parts = store.load()
    for number, part in _parts_of(rows, options.rows_at_once, done=len(parts)):
        weights = weigh_words(
            classifier, part["text"].tolist(), device=chosen, steps=options.steps, baseline=options.baseline
        )
        tables = [_weights_table(record, found, labels) for record, found in zip(_rows(part), weights, strict=True)]
        parts.append(pd.concat(tables, ignore_index=True))
        store.save(number, parts[-1])
    whole = pd.concat(parts, ignore_index=True)
    about = ["record_id", "source", "label", "predicted", "probability", "change", "outside", "gap"]
    texts = whole.drop_duplicates("record_id")[about].reset_index(drop=True)
    words = whole[whole["place"] >= 0].drop(columns=about[1:]).reset_index(drop=True)
    return words, texts


def rows_to_read(split_records: pd.DataFrame, options: AttributionOptions) -> pd.DataFrame:
    """Return the test rows that are attributed: drawn at random, in the order of the table."""
    test = side_of(split_records, "test")
    drawn = test.sample(min(options.rows, len(test)), random_state=options.seed).sort_index()
    return drawn[["record_id", "text", "label", "source"]].reset_index(drop=True)


def _examples(options: AttributionOptions) -> pd.DataFrame:
    ids = [f"{EXAMPLE}:{number}" for number in range(len(options.examples))]
    columns = {"record_id": ids, "text": list(options.examples), "label": "", "source": EXAMPLE}
    return pd.DataFrame(columns, index=range(len(ids))).astype("str")


def _parts_of(rows: pd.DataFrame, size: int, *, done: int) -> Iterator[tuple[int, pd.DataFrame]]:
    """Yield those parts of the rows that are not done, with their numbers."""
    for number, start in enumerate(range(0, len(rows), size)):
        if number >= done:
            yield number, rows.iloc[start : start + size]


def _rows(table: pd.DataFrame) -> Iterator[Any]:
    return table.itertuples(index=False)


def _weights_table(record: Any, found: Any, labels: tuple[str, ...]) -> pd.DataFrame:
    """Return a row a word; a text without words has one, at place -1."""
    spans = found.spans or [(0, 0)]
    weights = {name: getattr(found, name) if found.spans else [0.0] for name in ("attribution", "attention", "rollout")}
    return pd.DataFrame(
        {
            "record_id": record.record_id,
            "source": record.source,
            "label": record.label,
            "predicted": labels[found.predicted],
            "probability": found.probability,
            "change": found.change,
            "outside": found.outside,
            "gap": found.gap,
            "place": range(len(spans)) if found.spans else [-1],
            "start": [start for start, _ in spans],
            "end": [end for _, end in spans],
            "word": pd.Series([normal_word(record.text[start:end]) for start, end in spans], dtype="str"),
            **weights,
        }
    )


def mask_texts(
    model: Path,
    split_records: pd.DataFrame,
    words: pd.DataFrame,
    texts: pd.DataFrame,
    unification: UnificationOptions,
    options: AttributionOptions,
    device: str,
    checkpoints: str,
) -> pd.DataFrame:
    """Return what the classifier reads in every version of the texts; column ``arm`` names the version."""
    from emotion_kedro.learning.classifiers import load_classifier

    chosen = choose_device(device)
    labels = labels_of(unification.taxonomy)
    classifier: Any = load_classifier(model, chosen)
    rows = split_records[split_records["record_id"].isin(texts["record_id"])]
    scored = words.assign(**{"log-odds": words["word"].map(_typicality(split_records, options)).fillna(0.0)})
    by_record = {str(record): part for record, part in scored.groupby("record_id")}
    store = TableParts(
        checkpoints, "attributions.masked", fingerprint(model, rows, scored, options, list(labels), chosen.kind)
    )
    parts = store.load()
    for number, part in _parts_of(rows, options.rows_at_once, done=len(parts)):
        versions = [
            _versions(record, by_record.get(record.record_id, scored.iloc[:0]), classifier, options)
            for record in _rows(part)
        ]
        parts.append(_read(pd.concat(versions, ignore_index=True), classifier, labels, chosen))
        store.save(number, parts[-1])
    return pd.concat(parts, ignore_index=True)


def _typicality(split_records: pd.DataFrame, options: AttributionOptions) -> pd.Series:
    """Return how typical each word is of the label that it is most typical of, as a z-score; train rows alone."""
    train = side_of(split_records, "train")
    table = log_odds(train["text"].tolist(), train["label"].tolist(), least_count=options.least_count)
    best: pd.Series = table.groupby("word")["z"].max()
    return best


def _versions(record: Any, words: pd.DataFrame, classifier: Any, options: AttributionOptions) -> pd.DataFrame:
    spans = list(zip(words["start"].tolist(), words["end"].tolist(), strict=True))
    table = versions_of(
        record.text,
        spans,
        {name: words[name].tolist() for name in (*MODEL_CHOOSERS, "log-odds")},
        word_counts=options.word_counts,
        draws=options.draws,
        mask=classifier.tokenizer.mask_token,
        # Not the place in the table: rows draw the same words however many there are.
        seed=(options.seed, zlib.crc32(record.record_id.encode())),
    )
    return table.assign(record_id=record.record_id, label=record.label, source=record.source)


def _read(versions: pd.DataFrame, classifier: Any, labels: tuple[str, ...], device: Any) -> pd.DataFrame:
    # Many versions of a text are the same: short texts have few words to choose from.
    codes, distinct = pd.factorize(versions["text"])
    probabilities = classifier.probabilities(list(distinct), device=device)[codes]
    table = predictions_table(versions, probabilities, labels)
    table.insert(3, "arm", versions["arm"].to_numpy())
    table.insert(4, "seed", versions["seed"].to_numpy())
    return table.astype({"arm": "str"})


def measure_masking(
    predictions: pd.DataFrame,
    words: pd.DataFrame,
    texts: pd.DataFrame,
    split_records: pd.DataFrame,
    unification: UnificationOptions,
    classification: ClassificationOptions,
    options: AttributionOptions,
    evaluation: EvaluationOptions,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return accuracy by words masked, differences from random words, concentration of weight, and the findings."""
    from emotion_kedro.measures import word_masking as measured
    from emotion_kedro.measures.findings import describe_rows

    labels, bootstrap = labels_of(unification.taxonomy), bootstrap_of(evaluation)
    groups = groups_of(split_records)
    read = texts[texts["source"] != EXAMPLE]
    own = words[words["record_id"].isin(read["record_id"])]
    result = {
        "accuracy": measured.score_versions(predictions, labels, groups=groups, bootstrap=bootstrap),
        "differences": measured.compare_versions(predictions, labels, groups=groups, bootstrap=bootstrap),
        "alone_minus_all": measured.compare_with_whole(
            predictions, labels, Version("attribution", "alone", TOP), groups=groups, bootstrap=bootstrap
        ),
        "concentration": measured.concentration(own, (1, 2, 3)),
        "words": measured.heaviest_words(
            own, read.set_index("record_id")["predicted"], per_label=WORDS_PER_LABEL, least_texts=LEAST_TEXTS
        ),
        "completeness": measured.completeness(read),
        "mean_words": len(own) / max(len(read), 1),
    }
    common = {
        "seeds": classification.seeds[:1],
        "model": classification.classifier.called,
        "data": describe_rows(side_of(split_records, "train")),
        "note": f"one classifier, {classification.classifier.training.length}; "
        f"random words: mean of {options.draws} draws",
    }
    return result, _findings(result, common)


def _findings(result: dict[str, Any], common: dict[str, Any]) -> list[dict[str, Any]]:
    from emotion_kedro.measures.findings import finding

    accuracies = {(row["chooser"], row["way"], row["words"]): row for row in result["accuracy"]}
    differences = {(row["chooser"], row["way"], row["words"]): row for row in result["differences"]}
    wanted: list[tuple[str, dict[Any, Any], tuple[str, str, int | None]]] = [
        ("accuracy, all words", accuracies, (ALL_WORDS, "", None)),
        ("top 1 words masked", accuracies, ("attribution", "masked", 1)),
        ("top 3 words masked", accuracies, ("attribution", "masked", 3)),
        ("3 random words masked", accuracies, (RANDOM, "masked", 3)),
        ("top 3 minus 3 random", differences, ("attribution", "masked", 3)),
        ("top 3 words alone", accuracies, ("attribution", "alone", 3)),
    ]
    return [
        finding(
            *("S14", name),
            figure=table[key]["figure"],
            metric="accuracy" if table is accuracies else "difference in accuracy",
            rows=table[key]["rows"],
            **common,
        )
        for name, table, key in wanted
        # Numbers of words that the parameters leave out have no figure.
        if key in table
    ]


def write_report(
    findings: list[dict[str, Any]],
    masking: dict[str, Any],
    words: pd.DataFrame,
    texts: pd.DataFrame,
    split_records: pd.DataFrame,
    unification: UnificationOptions,
    classification: ClassificationOptions,
    options: AttributionOptions,
    run_log: dict[str, Any],
) -> tuple[str, str, str]:
    """Return the HTML page, the Markdown page and the summary for the terminal."""
    from emotion_kedro.pictures.attributions import attributions_document
    from emotion_kedro.pictures.document import write_document

    labels = labels_of(unification.taxonomy)
    fitted = classification.classifier
    own = _examples(options).set_index("record_id")["text"]
    page = attributions_document(
        masking,
        words,
        texts.join(pd.concat([own, split_records.set_index("record_id")["text"]]), on="record_id"),
        labels=labels,
        per_label=options.examples_per_label,
    )
    setting = {
        "taxonomy": f"{unification.taxonomy} ({', '.join(labels)})",
        "classifier": f"{fitted.called}, {fitted.training.length} of {fitted.training.batch_size}, one seed",
        "attribution": f"integrated gradients, {options.steps} points, baseline [{options.baseline.upper()}]",
        "data": findings[0]["data"],
    }
    return write_document(page, findings, run_log, setting)
