"""What pages on prompted classifiers share: the arms, their differences, and what to be careful about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from emotion_kedro.pictures.blocks import Column, Table, table
from emotion_kedro.pictures.numbers import bounds, count, estimate, interval, p_value, plain, rows_of, score, signed
from emotion_kedro.pictures.verdict import FEW_SEEDS, Tile, reading


def arms_table(scores: Mapping[str, Any], names: Mapping[str, str]) -> Table:
    """Return accuracy, macro-F1 and calibration of the arms that are named."""
    rows = [{"arm": name, **scores["arms"][arm]} for arm, name in names.items()]
    columns: list[Column] = [
        *(("arm", "arm", plain), ("accuracy", "accuracy", interval), ("macro_f1", "macro-F1", interval)),
        *(("ece", "ECE", score), ("log_loss", "log loss", score)),
        *(("rows", "test rows", count), ("seeds", "seeds", plain)),
    ]
    return table(rows, columns)


def differences_table(changes: Mapping[str, Mapping[str, Any]], names: Mapping[str, str]) -> Table:
    """Return the difference in accuracy of each pair of arms, and what it shows."""
    rows = [
        {
            "pair": f"{names[found['second']]} − {names[found['first']]}",
            "difference": estimate(found["accuracy"]),
            "interval": bounds(found["accuracy"], signed),
            "p": min((test["p_holm"] for test in found["mcnemar"]), default=None),
            "rows": found["rows"],
            "reading": reading(found["accuracy"]),
        }
        for found in changes.values()
    ]
    columns: list[Column] = [
        *(("pair", "arms", plain), ("difference", "difference in accuracy", signed), ("interval", "interval", plain)),
        *(("p", "p (McNemar, least over seeds, Holm)", p_value), ("rows", "test rows", count)),
        ("reading", "reading", plain),
    ]
    return table(rows, columns, title="The same test rows and seeds")


def labels_table(per_label: pd.DataFrame, names: Mapping[str, str]) -> Table:
    """Return precision, recall and F1 of each label in the arms that are named."""
    rows = [{**row, "arm": names[row["arm"]]} for row in rows_of(per_label) if row["arm"] in names]
    columns: list[Column] = [
        *(("arm", "arm", plain), ("label", "label", plain), ("precision", "precision", score)),
        *(("recall", "recall", score), ("f1", "F1", score), ("support", "test rows", count)),
    ]
    return table(rows, columns, folded=True)


def named_arms(scores: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return the scores with the arms called by their names, as plots take them."""
    return {"arms": {name: scores["arms"][arm] for arm, name in names.items()}}


def named_rows(rows: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Return a table's rows of the arms that are named, with these names."""
    return rows[rows["arm"].isin(list(names))].assign(arm=lambda kept: kept["arm"].map(dict(names)))


def arm_tiles(scores: Mapping[str, Any], names: Mapping[str, str]) -> list[Tile]:
    """Return a tile with the accuracy of each arm."""
    arms = {name: scores["arms"][arm]["accuracy"] for arm, name in names.items()}
    return [Tile(f"accuracy, {name}", score(estimate(one)), bounds(one)) for name, one in arms.items()]


def seeds_caution(seeds: Sequence[int], rows: Iterable[int]) -> str:
    """Say what the intervals cover."""
    tested = " or ".join(count(number) for number in dict.fromkeys(rows))
    if len(seeds) == 1:
        return f"One training seed: intervals cover the choice of the {tested} test rows, not training noise."
    few = ", which are few: the intervals may be too narrow" if len(seeds) < FEW_SEEDS else ""
    return f"Intervals cover the choice of the {tested} test rows and {len(seeds)} training seeds{few}."
