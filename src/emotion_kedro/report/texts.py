"""Every text that a generator wrote: what became of it, what it is near, and how the evaluator reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from emotion_kedro.config.base import PROBABILITY_PREFIX
from emotion_kedro.config.evaluation import EvaluationConfig
from emotion_kedro.data.leak_guard import LeakGuard
from emotion_kedro.metrics.novelty import nearest
from emotion_kedro.metrics.text_quality import Embed, neighbours_of
from emotion_kedro.report.tables import number

KEPT = "kept"
ARM_PREFIX = "arm_"
NEAREST = "nearest real train text"
"""Heading of a column."""
REFUSED_EXAMPLES = 3
"""Texts shown per label that no arm kept."""
_FORMULA = re.compile(r"'*[=+\-@＝＋－＠\t\r\n]")


def texts_table(
    candidates: pd.DataFrame,
    candidate_predictions: pd.DataFrame,
    decisions: pd.DataFrame,
    train: pd.DataFrame,
    evaluation: EvaluationConfig,
    embed: Embed | None,
) -> pd.DataFrame:
    """Return a row for each candidate, in the schema ``Texts``.

    Args:
        candidates: schema ``ScoredCandidates``.
        candidate_predictions: ``candidate_id, predicted, p_<label>`` of the evaluator.
        decisions: schema ``Decisions``.
        train: ``record_id, text, group`` of the train rows.
        evaluation: its seed draws those that are looked through, where there are very many.
        embed: texts to rows; None: no neighbours.
    """
    table = candidates[["candidate_id", "label", "generator", "text"]].reset_index(drop=True)
    table = table.merge(_outcomes(decisions), on="candidate_id", how="left")
    arms = [name for name in table.columns if name.startswith(ARM_PREFIX)]
    table[arms] = table[arms].fillna("").astype("str")
    table["filter_probability"] = candidates["probability"].to_numpy(dtype=np.float64)
    read = candidate_predictions.set_index("candidate_id").loc[table["candidate_id"]]
    table["evaluator_label"] = read["predicted"].to_numpy()
    table["evaluator_probability"] = _of_own_label(read, table["label"].tolist())
    texts, similarities = _neighbours(table["text"], train, evaluation, embed)
    table = table.assign(nearest_train_text=pd.Series(texts, dtype="str"), nearest_train_similarity=similarities)
    # What the guard finds of rows that are held out it finds of train rows as well.
    return table.assign(copies_train_text=LeakGuard(train).copies(table["text"].tolist()))


def _outcomes(decisions: pd.DataFrame) -> pd.DataFrame:
    """Return ``kept`` or the reason of each arm, by candidate; kept at any size is kept."""
    first = decisions.sort_values("kept", ascending=False, kind="stable").drop_duplicates(["arm", "candidate_id"])
    wide = first.pivot(index="candidate_id", columns="arm", values="reason")
    wide = wide[list(dict.fromkeys(decisions["arm"]))]
    return wide.add_prefix(ARM_PREFIX).rename_axis(columns=None).reset_index()


def _of_own_label(read: pd.DataFrame, labels: Sequence[str]) -> list[float]:
    columns = [PROBABILITY_PREFIX + label for label in labels]
    rows = (dict(zip(read.columns, row, strict=True)) for row in read.itertuples(index=False, name=None))
    return [float(row.get(column, np.nan)) for row, column in zip(rows, columns, strict=True)]


def _neighbours(
    texts: pd.Series, train: pd.DataFrame, evaluation: EvaluationConfig, embed: Embed | None
) -> tuple[list[str], np.ndarray]:
    neighbours, similarities = [""] * len(texts), np.full(len(texts), np.nan)
    readable = np.flatnonzero(texts.str.strip() != "")
    if embed is None or train.empty or not len(readable):
        return neighbours, similarities
    references = neighbours_of(train, evaluation)["text"].tolist()
    places, similarities[readable] = nearest(embed(texts.iloc[readable].tolist()), embed(references))
    for row, place in zip(readable, places, strict=True):
        neighbours[row] = references[place]
    return neighbours, similarities


def spreadsheet_safe(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: an apostrophe goes before ``=``, ``+``, ``-``, ``@``.

    A text that has such apostrophes already gets one more, so that :func:`as_written` brings every text back.
    """
    return f"'{text}" if _FORMULA.match(text) else text


def as_written(cell: str) -> str:
    """Return the text of a cell that :func:`spreadsheet_safe` made."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def safe_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose texts no spreadsheet takes for formulas."""
    written = [name for name in table.columns if pd.api.types.is_string_dtype(table[name])]
    return table.assign(**{name: table[name].map(spreadsheet_safe) for name in written})


def sampled_texts(texts: pd.DataFrame, evaluation: EvaluationConfig) -> pd.DataFrame:
    """Return some texts of each label that an arm kept, and some that none did, drawn at random.

    Returns:
        The columns of ``texts``, and ``outcome``: which arms kept it, or why it was refused.
    """
    outcomes = pd.Series([_outcome(row) for row in texts.to_dict("records")], texts.index, dtype="str")
    judged = texts.assign(outcome=outcomes)
    kept = judged["outcome"].str.startswith(KEPT)
    mixed = judged.assign(kept=kept).sample(frac=1, random_state=evaluation.seed)
    numbers = {True: evaluation.examples, False: REFUSED_EXAMPLES}
    parts = [mixed[mixed["kept"] == side].groupby("label").head(count) for side, count in numbers.items()]
    drawn = pd.concat(parts).sort_values(["label", "kept"], ascending=[True, False], kind="stable", ignore_index=True)
    return drawn.drop(columns="kept")


def _outcome(row: Mapping[Any, Any]) -> str:
    reasons = {name.removeprefix(ARM_PREFIX): row[name] for name in row if name.startswith(ARM_PREFIX)}
    keeping = [arm for arm, reason in reasons.items() if reason == KEPT]
    refused = list(dict.fromkeys(reason for reason in reasons.values() if reason))
    return f"{KEPT}: {', '.join(keeping)}" if keeping else f"refused: {', '.join(refused) or 'no arm adds it'}"


def samples_by_label(samples: pd.DataFrame | None) -> dict[str, pd.DataFrame]:
    """Return the sampled texts as a table for each label, as a page shows them."""
    if samples is None or samples.empty:
        return {}
    read = {"evaluator_label": "evaluator reads", "probability": "its probability of the label"}
    near = {"nearest_train_text": NEAREST, "similarity": "similarity"}
    figures = {"probability": "evaluator_probability", "similarity": "nearest_train_similarity"}
    shown = samples.assign(**{name: [number(value, 2) for value in samples[of]] for name, of in figures.items()})
    near = {} if samples["nearest_train_similarity"].isna().all() else near
    names = {"text": "written text", **near, "outcome": "outcome", **read}
    return {str(label): part[list(names)].rename(columns=names) for label, part in shown.groupby("label")}
