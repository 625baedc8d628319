"""Tidy tables as readers want them: a row for each thing compared, figures with their intervals beside them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from emotion_kedro.config.base import ALL, ALL_ROWS
from emotion_kedro.metrics.comparison import COMPARED
from emotion_kedro.metrics.runs import BASELINE
from emotion_kedro.report.plots import rows_of

DASH = "–"
MINUS = "\N{MINUS SIGN}"
METRIC_NAMES = {"accuracy": "accuracy", "macro_f1": "macro-F1", "ece": "ECE", "log_loss": "log loss"}
STAGES = ("ingestion", "unification", "sampling", "generation", "synthesis", "classification", "analysis", "evaluation")
LEAKAGE_NAMES = {
    "split_strategy": "how rows were split",
    "test_rows": "test rows",
    "exact_in_train": "same text in train",
    "near_in_train": "same or nearly the same",
    "exact_share": "same, share",
    "near_share": "same or nearly, share",
    "conflicting_in_train": "same text, another label",
}
QUALITY = {
    "fidelity": ("fidelity", "Share that a classifier which took no part in filtering reads as the intended label."),
    "cut_off": ("cut off", "Share that breaks off: no sentence ends, and the last word is one like “the” or “and”."),
    "cue_word": ("cue word", "Share with one of the 20 words most typical of its label: too many make the task easy."),
    "common_openings": ("commonest openings", "Share that begins with one of the three commonest first three words."),
    "distinct_2": ("distinct-2", "Different pairs of neighbouring words, of all such pairs: 1 is no repetition."),
    "self_bleu": ("self-BLEU", "How much of a text's wording the other texts have too: 0 nothing, 1 all of it."),
    "vendi": ("Vendi score", "How many wholly different texts the set is worth; the most is the number of texts."),
    "auc_words": (
        "told from real, by words",
        "How well a classifier tells it from real text (area under ROC): 0.5 not at all, 1 always.",
    ),
    "auc_characters": ("told from real, by characters", "The same by pieces of words: spelling, marks and spaces."),
    "copied": ("copied", "Share that equals a train text, or has eight words in a row from one."),
    "nearest_train": ("nearest train text", "Mean similarity of meaning (cosine) to the nearest real train text."),
}
"""Names of the figures of text, in order, and what each says."""


def number(value: Any, digits: int = 3) -> str:
    """Write a figure, or a dash where there is none."""
    return DASH if pd.isna(value) else f"{value:.{digits}f}"


def with_interval(value: Any, low: Any, high: Any) -> str:
    """Write a figure with its interval, ``0.905 (0.880 to 0.930)``."""
    return number(value) if pd.isna(low) else f"{number(value)} ({number(low)} to {number(high)})"


def points(value: float) -> str:
    """Write a difference in points with its sign."""
    return DASH if pd.isna(value) else f"{100 * value:+.1f}".replace("-", MINUS)


def nats(value: float) -> str:
    """Write a difference in log loss with its sign."""
    return DASH if pd.isna(value) else f"{value:+.2f}".replace("-", MINUS)


def size_name(size: int) -> str:
    """Write a number of train rows per label."""
    return ALL if size == ALL_ROWS else str(size)


def change(row: Any) -> str:
    """Write the ``difference`` of a row with its interval, ``+1.5 (+0.2 to +2.8)``: in points, of log loss in nats."""
    write = nats if getattr(row, "metric", "") == "log_loss" else points
    return f"{write(row.difference)} ({write(row.low)} to {write(row.high)})"


def interval_cells(scores: pd.DataFrame) -> list[str]:
    """Write the ``value`` of each row with its interval."""
    return [with_interval(row.value, row.low, row.high) for row in rows_of(scores)]


def _spread(table: pd.DataFrame, cells: Sequence[str], rows: list[str], columns: str) -> pd.DataFrame:
    """Return the cells of a table, a row for each of ``rows`` as they come, and a column for each of another."""
    wide = table.assign(cell=cells).pivot(index=rows, columns=columns, values="cell").rename_axis(columns=None)
    return table[rows].drop_duplicates().merge(wide.reset_index(), on=rows)


def _or_nothing(make: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[pd.DataFrame | None], pd.DataFrame]:
    """Let a table of nothing be empty."""

    @functools.wraps(make)
    def table(given: pd.DataFrame | None) -> pd.DataFrame:
        return pd.DataFrame() if given is None or given.empty else make(given)

    return table


@_or_nothing
def scores_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each arm, learner and size, baselines last, a column for each metric."""
    shown = scores[scores["source"] == ALL].sort_values("arm", key=lambda arm: arm == BASELINE, kind="stable")
    wide = _spread(shown, interval_cells(shown), ["arm", "learner", "size", "rows", "runs"], "metric")
    metrics = [name for name in METRIC_NAMES if name in wide]
    return _finished(wide[["arm", "learner", "size", *metrics, "rows", "runs"]].rename(columns=METRIC_NAMES))


def accuracy_by_size(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the accuracy of each arm and learner, a column for each size; empty where there is but one size."""
    if scores.empty or scores["size"].nunique() < 2:
        return pd.DataFrame()
    shown = scores[(scores["source"] == ALL) & (scores["metric"] == "accuracy")]
    wide = _spread(shown, interval_cells(shown), ["arm", "learner"], "size")
    return wide.fillna(DASH).rename(columns=lambda name: name if isinstance(name, str) else size_name(name))


def sources_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the accuracy of each arm, learner and size by source of the test rows; empty if not wanted."""
    if scores.empty or set(scores["source"]) == {ALL}:
        return pd.DataFrame()
    shown = scores[(scores["source"] != ALL) & (scores["metric"] == "accuracy")]
    return _finished(_spread(shown, interval_cells(shown), ["arm", "learner", "size"], "source"))


@_or_nothing
def comparisons_table(comparisons: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each comparison, with all metrics that it was made in."""
    keys = ["first", "second", "learner", "size", "source"]
    wide = _spread(comparisons, [change(row) for row in rows_of(comparisons)], keys, "metric")
    tests = comparisons[comparisons["metric"] == "accuracy"]
    figures = ["detectable", "p_holm", "verdict"]  # rows and runs stand with the scores
    table = tests[[*keys, *figures]].merge(wide, on=keys, how="left")
    detectable = table["detectable"].map(lambda value: points(value).lstrip("+"))
    table = table.assign(detectable=detectable, p_holm=table["p_holm"].map(_p))
    metrics = {name: METRIC_NAMES[name] + (", nats" if name == "log_loss" else ", points") for name in COMPARED}
    names = {**metrics, "detectable": "detectable, points", "p_holm": "p (Holm)"}
    table = table[[*keys, *(name for name in metrics if name in table.columns), *figures]].rename(columns=names)
    return _finished(table)


def _p(value: float) -> str:
    if pd.isna(value):
        return DASH
    return "<0.001" if value < 0.001 else f"{value:.3f}"


@_or_nothing
def label_table(labels: pd.DataFrame) -> pd.DataFrame:
    """Return the F1 of each label for each arm and learner, at the largest size; baselines know all rows."""
    of_arms = labels.loc[labels["arm"] != BASELINE, "size"]
    size = ALL_ROWS if of_arms.empty or (of_arms == ALL_ROWS).any() else of_arms.max()
    shown = labels[(labels["size"] == size) | (labels["arm"] == BASELINE)]
    several = shown.loc[shown["arm"] != BASELINE, "learner"].nunique() > 1
    names = [
        row.learner if row.arm == BASELINE else f"{row.arm}, {row.learner}" if several else row.arm
        for row in rows_of(shown)
    ]
    wide = shown.assign(name=names).pivot(index="label", columns="name", values="f1")
    wide = wide.loc[list(dict.fromkeys(shown["label"])), list(dict.fromkeys(names))].map(number)
    if len(wide.columns) > len(wide):
        # The longer side goes down the page.
        return wide.T.rename_axis(columns=None).rename_axis("arm").reset_index(allow_duplicates=True)
    support = shown.drop_duplicates("label").set_index("label")["support"].round().astype(int)
    wide.insert(0, "test rows", support, allow_duplicates=True)
    return wide.rename_axis(columns=None).reset_index(allow_duplicates=True)


@_or_nothing
def gains_table(gains: pd.DataFrame) -> pd.DataFrame:
    """Return the gain of each label in points of F1, a column for each pair, with its interval."""
    names = [f"{row.first} − {row.second}, {row.learner}" for row in rows_of(gains)]
    wide = _spread(gains.assign(pair=names), [change(row) for row in rows_of(gains)], ["label"], "pair")
    wide = wide[["label", *dict.fromkeys(names)]].fillna(DASH)
    wide.insert(1, "test rows", wide["label"].map(gains.drop_duplicates("label").set_index("label")["rows"]))
    return wide


def stages_table(times: pd.DataFrame | None) -> pd.DataFrame:
    """Return the seconds that the nodes of each stage took together, and the most memory that one of them needed."""
    if times is None or times.empty or "stage" not in times:
        return pd.DataFrame()
    by_stage = times.assign(stage=times["stage"].fillna(DASH))
    table = by_stage.groupby("stage", sort=False).agg(
        nodes=("node", "size"), seconds=("seconds", "sum"), memory=("memory_mb", "max")
    )
    order = [stage for stage in STAGES if stage in table.index]
    table = table.loc[[*order, *(stage for stage in table.index if stage not in order)]].reset_index()
    return table.assign(seconds=table["seconds"].map(_seconds), memory=table["memory"].map(_megabytes)).rename(
        columns={"memory": "most memory"}
    )


@_or_nothing
def nodes_table(times: pd.DataFrame) -> pd.DataFrame:
    """Return the seconds of each node and, where it was measured, its memory."""
    table = pd.DataFrame({"node": times["node"], "seconds": times["seconds"].map(_seconds)})
    return table.assign(**{"most memory": times["memory_mb"].map(_megabytes)}) if "memory_mb" in times else table


def _seconds(value: float) -> str:
    return f"{value:,.1f}"


def _megabytes(value: float) -> str:
    return DASH if pd.isna(value) else f"{value:,.0f} MB"


@_or_nothing
def quality_table(quality: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each figure of all added text: value, that of real text, target, and what it says.

    Arms that add the same texts share their rows.
    """
    shown = _joined_arms(quality)
    shown = shown[shown["label"] == ALL]
    order = {metric: place for place, metric in enumerate(QUALITY)}
    shown = shown.sort_values("metric", key=lambda names: names.map(order), kind="stable")
    first = ~shown["metric"].duplicated()
    named = [QUALITY.get(metric, (metric, "")) for metric in shown["metric"]]
    table = pd.DataFrame(
        {
            "figure": [name if new else "" for (name, _), new in zip(named, first, strict=True)],
            "arms": shown["arm"].tolist(),
            "texts": shown["texts"].tolist(),
            "added text": [number(value, 2) for value in shown["value"]],
            "real text": [number(value, 2) for value in shown["real"]],
            "target": shown["target"].replace("", DASH).tolist(),
            "met": shown["met"].replace("", DASH).tolist(),
            "what it says": [text if new else "" for (_, text), new in zip(named, first, strict=True)],
        }
    )
    return table if table["arms"].nunique() > 1 else _without_arms(table)


def _without_arms(table: pd.DataFrame) -> pd.DataFrame:
    """Say once, in a first row, which arms add the texts and how many they are."""
    says = {"what it says": f"How many were added, by: {table['arms'].iloc[0]}."}
    head = dict.fromkeys(table.columns, DASH) | {"figure": "texts", "added text": str(table["texts"].iloc[0])} | says
    return pd.concat([pd.DataFrame([head]), table], ignore_index=True).drop(columns=["arms", "texts"])


def quality_by_label(quality: pd.DataFrame | None) -> dict[str, pd.DataFrame]:
    """Return for each set of arms that add the same texts a row for each figure and a column for each label.

    A cell holds the figure of added text, in brackets that of real text, and whether the target is met.
    """
    if quality is None or quality.empty:
        return {}
    shown = _joined_arms(quality)
    shown = shown[shown["label"] != ALL]
    marks = {"yes": ", met", "no": ", not met", "": ""}
    cells = [f"{number(row.value, 2)} ({number(row.real, 2)}){marks[row.met]}" for row in rows_of(shown)]
    tables = {}
    for arm, part in shown.assign(cell=cells).groupby("arm", sort=False):
        wide = part.pivot(index="metric", columns="label", values="cell")
        wide = wide.loc[[metric for metric in QUALITY if metric in wide.index]]
        counts = part.drop_duplicates("label").set_index("label")["texts"].astype(str)
        table = pd.concat([counts.to_frame("texts").T, wide])
        names = [QUALITY[metric][0] if metric in QUALITY else metric for metric in table.index]
        table.insert(0, "figure", names, allow_duplicates=True)
        tables[str(arm)] = table.rename_axis(columns=None).reset_index(drop=True)
    return tables


def _joined_arms(quality: pd.DataFrame) -> pd.DataFrame:
    """Join the names of arms whose figures are the same throughout: they add the same texts."""
    seen: dict[str, list[str]] = {}
    for arm, part in quality.groupby("arm", sort=False):
        key = part.drop(columns=["arm", "experiment"]).to_csv(index=False)
        seen.setdefault(key, []).append(str(arm))
    names = {arms[0]: ", ".join(arms) for arms in seen.values()}
    kept = quality[quality["arm"].isin(names)]
    return kept.assign(arm=kept["arm"].map(names))


@_or_nothing
def leakage_table(leakage: pd.DataFrame) -> pd.DataFrame:
    """Return how many test rows stand in train as well, in words."""
    ways = {
        "plain": "rows shuffled as they come",
        "grouped": "near-duplicates kept together",
        "rows": "as the rows come (used here)",
    }
    shown = leakage.assign(
        split_strategy=leakage["split_strategy"].replace(ways),
        **{name: [f"{100 * value:.1f} %" for value in leakage[name]] for name in ("exact_share", "near_share")},
    )
    return shown.rename(columns=LEAKAGE_NAMES)


@_or_nothing
def decisions_table(decisions: pd.DataFrame) -> pd.DataFrame:
    """Return how many candidates each arm kept, and how many each reason turned away.

    Args:
        decisions: ``arm, reason, candidates``; the reason of those that were kept is empty.
    """
    named = decisions.assign(reason=decisions["reason"].replace("", "kept"))
    wide = named.pivot_table(
        index="arm", columns="reason", values="candidates", aggfunc="sum", fill_value=0, sort=False
    )
    first = [name for name in ("kept",) if name in wide.columns]
    wide = wide[[*first, *(name for name in wide.columns if name not in first)]]
    return wide.rename_axis(columns=None).reset_index()


@_or_nothing
def runs_table(runs: pd.DataFrame) -> pd.DataFrame:
    """Return what the runs of each arm, learner and size were trained on and took: means, and seconds in all."""
    grouped = runs.groupby(["arm", "learner", "size"], sort=False)
    table = grouped.agg(
        runs=("seed", "size"),
        train_rows=("train_rows", "mean"),
        added_rows=("added_rows", "mean"),
        steps=("steps", "mean"),
        validation_loss=("validation_loss", "mean"),
        seconds=("seconds", "sum"),
        device=("device", "first"),
    ).reset_index()
    whole = ["train_rows", "added_rows", "steps", "seconds"]
    table[whole] = table[whole].round().astype(int)
    table["validation_loss"] = table["validation_loss"].map(number)
    return _finished(table.rename(columns=lambda name: name.replace("_", " ")))


def settings_table(parameters: Mapping[str, Any]) -> pd.DataFrame:
    """Return nested parameters as ``parameter`` (dotted) and ``value``."""
    return pd.DataFrame(_flat(parameters, "") if parameters else [], columns=["parameter", "value"])


def _flat(value: Any, path: str) -> list[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        return [row for name, part in value.items() for row in _flat(part, f"{path}.{name}" if path else str(name))]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [(path, ", ".join(map(str, value)))]
    return [(path, str(value))]


def shown_reference(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table of :func:`emotion_kedro.report.reference.reference_table` rounded, gaps as dashes."""
    return table.assign(**{name: [number(value) for value in table[name]] for name in ("ours", "low", "high")})


def _finished(table: pd.DataFrame) -> pd.DataFrame:
    """Write sizes as words, and leave out columns that say the same in every row and are the defaults."""
    table = table.rename_axis(columns=None).fillna(DASH)
    table = table.assign(size=table["size"].map(size_name))
    same = [name for name in ("size", "source") if name in table.columns and set(table[name]) == {ALL}]
    return table.drop(columns=same)
