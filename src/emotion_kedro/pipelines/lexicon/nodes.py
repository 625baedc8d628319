"""Which words are kept whole, the classifiers with and without, and what it changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from emotion_kedro.options import (
    ClassificationOptions,
    EvaluationOptions,
    LexiconArmsOptions,
    LexiconOptions,
    UnificationOptions,
)
from emotion_kedro.pipelines.classification.nodes import compose_real, fit_arm, side_of
from emotion_kedro.pipelines.evaluation.nodes import bootstrap_of, groups_of
from emotion_kedro.taxonomy import labels_of
from emotion_kedro.text.lexicon import lexicon_words, log_odds, words_of

NAMES = {
    "plain": "plain tokenizer",
    "label_words": "labels kept whole",
    "mined_words": "mined words kept whole",
}
DIFFERENCES = {"label_words": "labels kept whole minus plain", "mined_words": "mined words minus plain"}
LEAST_ROWS = 20


def choose_words(
    split_records: pd.DataFrame,
    unification: UnificationOptions,
    classification: ClassificationOptions,
    lexicons: LexiconArmsOptions,
    checkpoints: str,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the words of each arm with their pieces, and how many texts have one.

    Words are mined in the train rows alone. ``checkpoints`` is there to have the weights checked before the run.
    """
    from emotion_kedro.learning.classifiers.lessons import open_tokenizer
    from emotion_kedro.learning.language_models import open_name

    classifier = classification.classifier
    tokenizer = open_tokenizer(open_name(classifier.base), classifier)
    mix = compose_real(split_records, classification)
    labels = labels_of(unification.taxonomy)
    typical = log_odds(mix["text"].tolist(), mix["label"].tolist())
    best = typical.sort_values("z", ascending=False, kind="stable").drop_duplicates("word").set_index("word")
    tables = [
        _described(arm, lexicon_words(mix, labels, options), tokenizer, best)
        for arm, options in lexicons.arms().items()
    ]
    words = pd.concat(tables, ignore_index=True)
    return words, _use_of(words, split_records)


def _described(arm: str, words: tuple[str, ...], tokenizer: Any, best: pd.DataFrame) -> pd.DataFrame:
    """Return a row a word: its pieces, the label that it is most typical of in the train rows, and its z there."""
    from emotion_kedro.learning.lexicon import look_up

    found = look_up(tokenizer, words)
    table = pd.DataFrame(
        {
            "arm": pd.Series([arm] * len(found), dtype="str"),
            "word": pd.Series([one.word for one in found], dtype="str"),
            "pieces": pd.Series([" ".join(one.pieces) for one in found], dtype="str"),
            "new": pd.Series([one.new for one in found], dtype="bool"),
        }
    )
    return table.join(best[["label", "z", "texts"]], on="word").fillna({"label": "", "texts": 0})


def _use_of(words: pd.DataFrame, split_records: pd.DataFrame) -> pd.DataFrame:
    """Return for each arm and side of the split how many texts have a word of the lexicon, and a new one."""
    rows = []
    for side in ("train", "test"):
        texts = [set(words_of(text)) for text in side_of(split_records, side)["text"]]
        for arm, table in words.groupby("arm", sort=False):
            lexicon, new = set(table["word"]), set(table.loc[table["new"], "word"])
            rows.append(
                {
                    "arm": str(arm),
                    "side": side,
                    "texts": len(texts),
                    "with_word": sum(bool(text & lexicon) for text in texts),
                    "with_new_word": sum(bool(text & new) for text in texts),
                }
            )
    return pd.DataFrame(rows)


def compose_as(arm: str) -> Callable[..., pd.DataFrame]:
    """Return the function that composes the real train rows as the training rows of ``arm``."""

    def compose_rows(split_records: pd.DataFrame, options: ClassificationOptions) -> pd.DataFrame:
        return compose_real(split_records, options).assign(arm=arm)

    return compose_rows


def fit_arm_with_words(
    words: pd.DataFrame,
    mix: pd.DataFrame,
    split_records: pd.DataFrame,
    unification: UnificationOptions,
    options: ClassificationOptions,
    device: str,
    checkpoints: str,
) -> tuple[Any, pd.DataFrame, list[dict[str, Any]]]:
    """Fit the arm with its words kept whole; an arm without words has the tokenizer as it comes."""
    own = tuple(words.loc[words["arm"] == mix["arm"].iloc[0], "word"])
    lexicon = LexiconOptions(words="listed", listed=own) if own else None
    changed = options.model_copy(update={"classifier": options.classifier.model_copy(update={"lexicon": lexicon})})
    return fit_arm(mix, split_records, unification, changed, device, checkpoints)


def measure_lexicons(
    plain: pd.DataFrame,
    label_words: pd.DataFrame,
    mined_words: pd.DataFrame,
    split_records: pd.DataFrame,
    words: pd.DataFrame,
    unification: UnificationOptions,
    classification: ClassificationOptions,
    options: EvaluationOptions,
) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
    """Return the scores of the arms, both differences from ``plain``, and the findings."""
    from emotion_kedro.measures.findings import accuracy_finding, describe_rows, finding

    labels, groups, bootstrap = labels_of(unification.taxonomy), groups_of(split_records), bootstrap_of(options)
    common: dict[str, Any] = {
        "model": classification.classifier.called,
        "data": describe_rows(side_of(split_records, "train")),
        "note": f"{classification.classifier.kind}, {classification.classifier.training.length} in every arm",
    }
    suffix = "" if unification.taxonomy == "six" else f" ({len(labels)} labels)"
    arms = {"plain": plain, "label_words": label_words, "mined_words": mined_words}
    scores, findings = {}, []
    for arm, table in arms.items():
        scores[arm], found = accuracy_finding(
            *("S13", NAMES[arm] + suffix, table, labels),
            groups=groups,
            bootstrap=bootstrap,
            bins=options.calibration_bins,
            **common,
        )
        findings.append(found)
    comparison = _compare(arms, split_records, words, labels, groups, bootstrap)
    for arm, name in DIFFERENCES.items():
        found = comparison[arm]
        findings.append(
            finding(
                *("S13", name + suffix),
                figure=found["accuracy"],
                metric="difference in accuracy",
                rows=found["rows"],
                seeds=found["seeds"],
                **common,
            )
        )
    return {"labels": list(labels), "arms": scores}, comparison, findings


def _compare(
    arms: dict[str, pd.DataFrame],
    split_records: pd.DataFrame,
    words: pd.DataFrame,
    labels: tuple[str, ...],
    groups: pd.Series | None,
    bootstrap: dict[str, Any],
) -> dict[str, Any]:
    """Return each arm's difference from ``plain``; McNemar's p-values are adjusted over all seeds of both."""
    from emotion_kedro.measures.arms import compare_arms
    from emotion_kedro.measures.significance import holm

    result: dict[str, Any] = {}
    for arm in DIFFERENCES:
        result[arm] = compare_arms(arms["plain"], arms[arm], labels, groups=groups, **bootstrap)
        having = _rows_with(words[(words["arm"] == arm) & words["new"]], side_of(split_records, "test"))
        first, second = (table[table["record_id"].isin(having)] for table in (arms["plain"], arms[arm]))
        if len(having) >= LEAST_ROWS and (groups is None or groups[having].nunique() > 1):
            result[arm]["with_new_word"] = compare_arms(first, second, labels, groups=groups, **bootstrap)
        else:
            result[arm]["with_new_word"] = None
    adjusted = holm({f"{arm} {test['seed']}": test["p_value"] for arm in result for test in result[arm]["mcnemar"]})
    for arm, found in result.items():
        for test in found["mcnemar"]:
            test["p_holm"] = adjusted[f"{arm} {test['seed']}"]
    return result


def _rows_with(words: pd.DataFrame, records: pd.DataFrame) -> list[str]:
    """Return the ids of the records whose text has one of the words."""
    wanted = set(words["word"])
    return [
        str(row) for row, text in zip(records["record_id"], records["text"], strict=True) if wanted & {*words_of(text)}
    ]


def write_report(
    findings: list[dict[str, Any]],
    comparison: dict[str, Any],
    words: pd.DataFrame,
    use: pd.DataFrame,
    unification: UnificationOptions,
    classification: ClassificationOptions,
    run_log: dict[str, Any],
) -> tuple[str, str, str]:
    """Return the HTML page, the Markdown page and the summary for the terminal."""
    from emotion_kedro.pictures.document import write_document
    from emotion_kedro.pictures.lexicon import lexicon_document

    fitted = classification.classifier
    labels = labels_of(unification.taxonomy)
    setting = {
        "taxonomy": f"{unification.taxonomy} ({', '.join(labels)})",
        "classifier": f"{fitted.kind} on {fitted.called}, {fitted.training.length} of {fitted.training.batch_size} "
        f"in every arm, {fitted.frozen_layers} layers frozen",
        "seeds": ", ".join(map(str, classification.seeds)),
        "data": findings[0]["data"],
    }
    page = lexicon_document(findings, comparison, words, use, labels=labels, frozen=fitted.frozen_layers > 0)
    return write_document(page, findings, run_log, setting)
