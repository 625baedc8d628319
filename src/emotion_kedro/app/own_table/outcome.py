"""What a run on a table of one's own has found, in lines of a terminal."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emotion_kedro.config.base import ALL

WIDTH = 80
REAL = "real"
"""The arm that the others have to better."""
OTHERS = {"chance": ("baseline", "majority"), "TF-IDF": ("counted", "counting"), "labels' names": ("names", "names")}


def results(name: str, start: Path) -> list[str]:
    """Return what a run of an experiment has found, from the tables that it saved; places as seen from ``start``."""
    from kedro.framework.session import KedroSession

    from emotion_kedro.hooks.project import shown_path
    from emotion_kedro.report.recommended import answers, reason

    with KedroSession.create(project_path=Path.cwd()) as session:
        catalog = session.load_context().catalog  # type: ignore[attr-defined]  # of the class that create returns
        tables = [
            catalog.load(f"{name}.{table}")
            for table in ("scores", "comparisons", "recommendation", "runs", "label_scores")
        ]
        evaluation = catalog.load(f"params:{name}.evaluation")
        paths = (Path(shown_path(catalog.get(f"{name}.{part}"))) for part in ("recommended_model", "report_page"))
        model, page = (path if path.is_absolute() else os.path.relpath(path, start) for path in paths)
    recommendation = tables[2]
    notes = {"Chosen": reason(recommendation), "Sure": answers(recommendation, evaluation)}
    return lines_of(*tables, notes=notes, model=str(model), page=str(page))


def lines_of(
    scores: Any,
    comparisons: Any,
    recommendation: Any,
    runs: Any,
    label_scores: Any,
    *,
    notes: Mapping[str, str],
    model: str,
    page: str,
) -> list[str]:
    """Return the same from the tables (schemas ``Scores``, ``Comparisons``, ``Recommendation``, ``Runs``, ...).

    ``notes`` are what else is said of the model, by its heading.
    """
    every = comparisons[(comparisons["metric"] == "accuracy") & (comparisons["source"] == ALL)]
    against = every[every["second"] == REAL]
    chosen = recommendation[recommendation["chosen"]].iloc[0]
    lines = [f"Model       {model} ({chosen['arm']})"]
    table = scores[scores["source"] == ALL].set_index(["arm", "learner", "metric"]).sort_index()
    model_run = (chosen["arm"], chosen["learner"])
    first = recommendation.iloc[0]
    rows = {chosen["arm"]: model_run, first["arm"]: (first["arm"], first["learner"])}
    rows |= {what: run for what, run in OTHERS.items() if run != model_run}
    lines.append(f"{'':14}{'accuracy':22}{'macro-F1':22}on {table['rows'].max():,} test rows")
    for what, run in rows.items():
        if run in table.index.droplevel("metric"):
            figures = [_figure(table.loc[(*run, metric)]) for metric in ("accuracy", "macro_f1")]
            # One model is kept, whose own figures stand on its card.
            count = table.loc[(*run, "accuracy")]["runs"].max()
            lines.append(f"{what:<13} {figures[0]:22}{figures[1]}" + f"  mean of {count}" * bool(count > 1))
    chance = _column(table, OTHERS["chance"], "value").max()
    least = _column(table, model_run, "low").max()
    if least <= chance:
        lines.append(f"{'':12}it is not shown that the model has learned anything: its accuracy may be chance")
    if table.loc[(*OTHERS["TF-IDF"], "accuracy")]["value"].max() == 1:
        lines.append(f"{'':12}every test row is read right by counting words alone: this table leaves nothing to gain")
    else:
        accuracy = table["value"].xs("accuracy", level="metric").groupby(level=[0, 1]).max()
        lines += _as_good(accuracy, model_run, Path(model).parent)
    of_chosen = label_scores[(label_scores["arm"] == chosen["arm"]) & (label_scores["learner"] == chosen["learner"])]
    if never := sorted(of_chosen.loc[of_chosen["recall"] == 0, "label"]):
        lines.append(f"{'':12}never predicted correctly: {', '.join(never)}")
    for head, text in notes.items():
        lines += textwrap.wrap(text, WIDTH, initial_indent=f"{head:<12}", subsequent_indent=" " * 12)
    for row in against.to_dict(orient="records"):
        added = runs.loc[runs["arm"] == row["first"], "added_rows"].max()
        lines.append(
            f"Added text  {row['first']}, {added:,} texts: {_outcome(row) if added else 'none passed the filters'}"
        )
    return [*lines, f"Page        {page}", f'Next        emotion predict --model {model} "..."']


def _outcome(row: Mapping[str, Any]) -> str:
    """Return what a comparison has shown of accuracy."""
    outcome = f"{row['verdict']}, {100 * row['difference']:+.1f} points of accuracy"
    outcome += _interval(100 * row["low"], 100 * row["high"], ".1f")
    is_clear = row["low"] > 0 or row["high"] < 0
    is_shown = row["verdict"] in {"helped", "harmed"}
    return outcome if is_shown or not is_clear else f"{outcome}; after correction p is {row['p_holm']:.2f}"


def _column(table: Any, run: tuple[str, str], column: str) -> Any:
    """Return a column of a run's accuracies; empty where it has none."""
    return table.loc[table.index.isin([(*run, "accuracy")]), column]


def _as_good(accuracy: Any, model: tuple[str, str], folder: Path) -> list[str]:
    """Return lines where the model reads no better than a simple one, and where that one lies."""
    simple = {"counting words": OTHERS["TF-IDF"], "the labels' names alone": OTHERS["labels' names"]}
    simple["the real rows alone"] = (REAL, model[1])
    by_run = accuracy.to_dict()
    least = by_run.get(model, 2)
    as_good = {
        by_run[run]: (what, run[0]) for what, run in simple.items() if by_run.get(run, -1) >= least and run != model
    }
    if not as_good:
        return []
    what, arm = as_good[best := max(as_good)]
    return [
        f"{'':12}the model ({least:.3f}) is no better than {what} ({best:.3f}), on these test rows",
        f"{'':12}to use that one: --model {folder / arm}",
    ]


def _interval(low: float, high: float, form: str) -> str:
    """Return an interval; a dash for one without a width, which resamples that are all alike leave."""
    return f" [{low:{form}}, {high:{form}}]" if low < high else " [–]"


def _figure(rows: Any) -> str:
    row = rows.iloc[0] if rows.ndim > 1 else rows
    # With few test rows of a label, resamples lack it, and the interval of macro-F1 lies too low to be shown.
    within = row["low"] <= row["value"] <= row["high"]
    return f"{row['value']:.3f}" + (_interval(row["low"], row["high"], ".3f") if within else "")
