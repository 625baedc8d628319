"""Our figures beside those of the reference report (``conf/base/reference.yml``); several experiments on one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from emotion_kedro.config.base import ALL
from emotion_kedro.report.page import Report, markdown_page
from emotion_kedro.report.tables import comparisons_table, scores_table, shown_reference

COLUMNS = ("number", "title", "what", "reference", "ours", "low", "high", "experiment")
MATCHED = {"source": ALL, "metric": "accuracy"}
"""What a figure is matched by where it names nothing else."""
KEYS = ("experiment", "arm", "learner", "size", "source", "metric")


def reference_table(
    reference: Mapping[str, Any], scores: pd.DataFrame | None, text_quality: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return a row for each figure of the report, with ours where we have one.

    Args:
        reference: system (``S1``) -> ``title, experiments, models, remark, figures``; a figure has ``what``,
            ``reference`` (as the report writes it) and ``match``: values of :data:`KEYS` that find it in our tables.
        scores: schema ``Scores``, of several experiments.
        text_quality: schema ``TextQuality``, of several experiments; ``match: {metric:
            fidelity}`` is found in it.

    Returns:
        Columns :data:`COLUMNS`; NaN where we have no figure, or it has no interval.

    Raises:
        ValueError: if ``match`` has another key.
    """
    ours = _figures(scores, text_quality)
    rows = []
    for system, entry in reference.items():
        for figure in entry.get("figures") or [{"what": "", "reference": ""}]:
            match = {**MATCHED, **(figure.get("match") or {})}
            unknown = sorted(set(match) - set(KEYS))
            if unknown:
                raise ValueError(f"reference.{system}: match has {unknown}; it can have {', '.join(KEYS)}")
            row = _first_match(ours, match) if figure.get("match") else {}
            experiment = match.get("experiment", ", ".join(entry.get("experiments", ())))
            described = {"number": system, "title": entry["title"], "experiment": experiment}
            rows.append({**described, "what": figure["what"], "reference": str(figure["reference"]), **row})
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(dict.fromkeys(("ours", "low", "high"), float))


def _figures(scores: pd.DataFrame | None, text_quality: pd.DataFrame | None) -> pd.DataFrame:
    tables = [pd.DataFrame(columns=[*KEYS, "value", "low", "high"])]
    if scores is not None and len(scores):
        tables.append(scores)
    if text_quality is not None and len(text_quality):
        tables.append(text_quality[text_quality["label"] == ALL].assign(source=ALL))
    return pd.concat(tables[1:] or tables, ignore_index=True).reindex(columns=tables[0].columns)


def _first_match(ours: pd.DataFrame, match: Mapping[str, Any]) -> dict[str, float]:
    chosen = ours
    for name, value in match.items():
        chosen = chosen[chosen[name] == value]
    if chosen.empty:
        return {}
    return {"ours": chosen["value"].iloc[0], "low": chosen["low"].iloc[0], "high": chosen["high"].iloc[0]}


def reference_page(
    reference: Mapping[str, Any], scores: pd.DataFrame | None, text_quality: pd.DataFrame | None, date: str
) -> str:
    """Return the Markdown page with every figure of the report, and what is known of its systems."""
    table = reference_table(reference, scores, text_quality)
    systems = pd.DataFrame(
        [
            {
                "number": system,
                "title": entry["title"],
                "experiments": ", ".join(entry.get("experiments", ())),
                "models of the report": ", ".join(entry.get("models", ())),
                "remark": entry.get("remark", ""),
            }
            for system, entry in reference.items()
        ]
    )
    tables = {"Figures": shown_reference(table[table["what"] != ""]), "Systems": systems}
    return markdown_page(_page("reference", "How do our figures stand beside the report's?", tables, scores, date))


def overview_page(
    scores: Mapping[str, pd.DataFrame | None], comparisons: Mapping[str, pd.DataFrame | None], date: str
) -> str:
    """Return one Markdown page with the scores and differences of several experiments, as far as they have run."""
    tables: dict[str, pd.DataFrame] = {}
    for name, table in scores.items():
        if table is not None and len(table):
            tables[f"{name}: scores"] = scores_table(table)
        compared = comparisons.get(name)
        if compared is not None and len(compared):
            tables[f"{name}: differences"] = comparisons_table(compared)
    return markdown_page(
        _page("overview", "What did the experiments show?", tables, joined(list(scores.values())), date)
    )


def joined(tables: Sequence[pd.DataFrame | None]) -> pd.DataFrame | None:
    """Return the tables that there are as one; None where there are none."""
    present = [table for table in tables if table is not None and len(table)]
    return pd.concat(present, ignore_index=True) if present else None


def _page(
    name: str, question: str, tables: Mapping[str, pd.DataFrame], scores: pd.DataFrame | None, date: str
) -> Report:
    experiments = [] if scores is None else sorted(scores["experiment"].unique())
    empty = pd.DataFrame()
    return Report(
        name=name,
        question=question,
        data_note=f"the saved scores of {', '.join(experiments) or 'no experiment'}",
        date=date,
        commit="",
        parameters={},
        scores=empty,
        comparisons=empty,
        label_scores=empty,
        analyses=tables,
    )
