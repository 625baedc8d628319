"""How a classifier that was trained on one source does on the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from emotion_kedro.measures.findings import finding
from emotion_kedro.measures.intervals import bootstrap_score
from emotion_kedro.taxonomy import SIX

ALL = "all"
PARTS = ("estimate", "low", "high")


def cross_matrix(
    predictions: Sequence[pd.DataFrame],
    split_records: pd.DataFrame,
    labels: Sequence[str],
    *,
    groups: pd.Series | None,
    samples: int,
    level: float,
    seed: int,
) -> pd.DataFrame:
    """Return a row for each pair of trained and tested source.

    Args:
        predictions: of each classifier on all test rows; ``arm`` names the source it was trained on, or ``all``.
        split_records: the records; a source's labels are those of its train rows.
        labels: the taxonomy that all classifiers answer in.
        groups: the near-duplicate group of each ``record_id``; whole groups are resampled.
        samples: bootstrap samples.
        level: of the intervals.
        seed: of the bootstrap.

    Returns:
        ``trained, tested, rows, seeds`` (a list), ``commonest`` (the accuracy of always saying the tested rows'
        commonest label), ``level, samples``, the accuracy on all rows (``estimate, low, high``), where a label that the
        tested source does not know counts as wrong; and ``shared_rows`` and ``shared_*``: on rows whose label both
        sources know, with the likeliest of the labels that both know as the answer.
    """
    options = {"samples": samples, "level": level, "seed": seed}
    train = split_records[split_records["split"] == "train"]
    known: dict[str, set[str]] = {str(source): set(rows["label"]) for source, rows in train.groupby("source")}
    known[ALL] = set(train["label"])
    rows = []
    for table in predictions:
        trained = str(table["arm"].iloc[0])
        for tested, part in table.groupby("source"):
            shared = [label for label in labels if label in known[trained] & known.get(str(tested), known[ALL])]
            inside = part[part["label"].isin(shared)]
            rows.append(
                {
                    "trained": trained,
                    "tested": str(tested),
                    "rows": part["record_id"].nunique(),
                    "seeds": sorted(int(number) for number in part["seed"].unique()),
                    "commonest": float(part.drop_duplicates("record_id")["label"].value_counts(normalize=True).iloc[0]),
                    "level": level,
                    "samples": samples,
                    "labels": len(shared),
                    **_accuracy(part, labels, groups, options, ""),
                    "shared_rows": inside["record_id"].nunique(),
                    **_accuracy(inside, shared, groups, options, "shared_"),
                }
            )
    return pd.DataFrame(rows)


def _accuracy(
    table: pd.DataFrame, labels: Sequence[str], groups: pd.Series | None, options: dict[str, Any], prefix: str
) -> dict[str, float]:
    """Return accuracy and interval of the likeliest of ``labels``; NaN without rows, no interval for a single group."""
    nothing = {f"{prefix}{part}": float("nan") for part in PARTS}
    if table.empty or not labels:
        return nothing
    ordered = table.sort_values(["seed", "record_id"])
    seeds = [ordered[ordered["seed"] == number] for number in ordered["seed"].unique()]
    truth = np.asarray(pd.Categorical(seeds[0]["label"], categories=list(labels)).codes)
    columns = [f"p_{label}" for label in labels]
    predicted = np.stack([one[columns].to_numpy().argmax(axis=1) for one in seeds])
    own = None if groups is None else groups.loc[seeds[0]["record_id"]].to_numpy()
    if len(truth) < 2 or (own is not None and len(np.unique(own)) < 2):
        return {**nothing, f"{prefix}estimate": float((predicted == truth).mean())}
    found = bootstrap_score(truth, predicted, len(labels), "accuracy", groups=own, **options)
    return {f"{prefix}{part}": float(getattr(found, part)) for part in PARTS}


def findings_on_matrix(matrix: pd.DataFrame, split_records: pd.DataFrame, model: str) -> list[dict[str, Any]]:
    """Return a finding (S6) for each pair, named as the report names it: ``EIT>EDFT``."""
    train = split_records[split_records["split"] == "train"]
    sizes = {**train["source"].value_counts().to_dict(), ALL: len(train)}
    found = []
    for row in matrix.to_dict("records"):
        name = f"{row['trained']}>{row['tested']}".upper()
        found.append(
            finding(
                "S6",
                name,
                figure={part: None if pd.isna(row[part]) else row[part] for part in PARTS}
                | {"level": row["level"], "samples": int(row["samples"])},
                rows=int(row["rows"]),
                seeds=row["seeds"],
                model=model,
                data=f"{row['trained']}, {sizes[row['trained']]:,} rows",
                note=f"always saying the commonest label of {row['tested']}'s test rows gives {row['commonest']:.3f}.",
            )
        )
    return found


def findings_on_records(counts: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the findings on unification, sampling and the two mixed sets (S2 to S5)."""
    six, thirteen = counts["six"], counts["thirteen"]

    def rows(system: str, name: str, number: int, of: dict[str, Any], note: str) -> dict[str, Any]:
        data = " + ".join(of["sources"])
        return finding(system, name, metric="rows", figure=None, rows=number, model="", data=data, note=note)

    def sides(of: dict[str, Any]) -> str:
        return ", ".join(f"{count:,} {side}" for side, count in of["sides"].items())

    dropped = "texts that stand under several labels are dropped, repeats kept once"
    return [
        rows("S2", "records with a label of the six", six["records"], six, f"of the six: {', '.join(SIX)}."),
        rows("S2", "records with a label of the thirteen", thirteen["records"], thirteen, ""),
        rows("S3", "rows after the cap", six["sampled"], six, f"at most {six['cap']} per label and source; {dropped}."),
        rows("S4", "six labels, train and test rows", _both(six), six, f"{sides(six)}; near-duplicates on one side."),
        rows("S5", "thirteen labels, train and test rows", _both(thirteen), thirteen, f"{sides(thirteen)}."),
    ]


def _both(of: dict[str, Any]) -> int:
    return int(of["sides"].get("train", 0) + of["sides"].get("test", 0))
