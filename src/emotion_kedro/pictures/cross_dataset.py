"""The page on training on one source and testing on another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from emotion_kedro.pictures.blocks import Block, Column, Picture, Text, sections_with_tables, table
from emotion_kedro.pictures.document import Document
from emotion_kedro.pictures.numbers import count, interval, plain, rows_of, score, unique

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def cross_dataset_document(matrix: pd.DataFrame, counts: Mapping[str, Any]) -> Document:
    """Return the page on the matrix of :func:`emotion_kedro.measures.cross_dataset.cross_matrix`."""
    same = matrix[matrix["trained"] == matrix["tested"]]
    other = matrix[(matrix["trained"] != matrix["tested"]) & (matrix["trained"] != "all")]
    sentence = (
        f"Trained and tested on one source: {_range(same)}; on another source than the one trained on: {_range(other)}."
    )
    return Document(
        title="Train on one source, test on another",
        question="Does what one source teaches hold for another?",
        answer=_answer(same, other),
        sentence=sentence,
        sections=sections_with_tables((("matrix", "The matrix", _matrix(matrix)), ("rows", "Records", _rows(counts)))),
        drawings={"matrix": partial(plot_matrix, matrix)},
    )


def _answer(same: pd.DataFrame, other: pd.DataFrame) -> str:
    lower = [bool(pair["high"] < same.loc[same["tested"] == pair["tested"], "low"].max()) for pair in rows_of(other)]
    if not any(lower):
        return f"No loss is shown: in none of {len(lower)} pairs do the intervals lie apart."
    return f"Clearly less: in {sum(lower)} of {len(lower)} pairs the intervals lie apart."


def _range(pairs: pd.DataFrame) -> str:
    return f"{score(pairs['estimate'].min())} to {score(pairs['estimate'].max())}"


def _matrix(matrix: pd.DataFrame) -> Iterator[Block]:
    yield Text(
        "Every classifier answers in the same thirteen labels and is tested on all test rows of each source. A label "
        "that its own source lacks is never learned. The second figure looks at the rows whose label both sources "
        "know, with the likeliest of those labels as the answer. Beside the accuracy stands what always saying the "
        "commonest label of the tested rows would give: a figure no higher than that shows no skill."
    )
    yield Picture("matrix", "Accuracy on all rows of the tested source")
    rows = [
        {
            **row,
            "seed_count": len(row["seeds"]),
            "all_rows": {part: row[part] for part in ("estimate", "low", "high")},
            "shared": {part: row[f"shared_{part}"] for part in ("estimate", "low", "high")},
        }
        for row in rows_of(matrix)
    ]
    columns: list[Column] = [
        *(("trained", "trained on", plain), ("tested", "tested on", plain), ("all_rows", "accuracy", interval)),
        *(
            ("commonest", "commonest label", score),
            ("rows", "test rows", count),
            ("shared", "shared labels", interval),
            ("shared_rows", "rows", count),
        ),
        *(("labels", "labels shared", count), ("seed_count", "seeds", count)),
    ]
    yield table(rows, columns)


def _rows(counts: Mapping[str, Any]) -> Iterator[Block]:
    rows = [
        {"taxonomy": name, **found, **{side: found["sides"].get(side) for side in ("train", "validation", "test")}}
        for name, found in counts.items()
    ]
    columns: list[Column] = [
        *(("taxonomy", "taxonomy", plain), ("sources", "sources", plain), ("records", "records", count)),
        *(("cap", "cap", count), ("sampled", "sampled", count), ("train", "train", count)),
        *(("validation", "validation", count), ("test", "test", count)),
    ]
    yield Text("As the augment pipelines sample them, with texts that stand under several labels dropped.")
    yield table(rows, columns)


def plot_matrix(matrix: pd.DataFrame) -> Figure:
    """Draw the accuracies as a heat map, trained source down, tested source across."""
    from matplotlib.figure import Figure

    trained, tested = unique(matrix["trained"]), unique(matrix["tested"])
    grid = matrix.pivot(index="trained", columns="tested", values="estimate").loc[trained, tested].to_numpy()
    figure = Figure(figsize=(1.6 + 1.1 * len(tested), 1.2 + 0.7 * len(trained)), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(grid, cmap="viridis", vmin=0, vmax=1)
    axes.set_xticks(range(len(tested)), tested)
    axes.set_yticks(range(len(trained)), trained)
    axes.set_xlabel("tested on")
    axes.set_ylabel("trained on")
    for row, values in enumerate(grid):
        for column, value in enumerate(values):
            colour = "white" if value < 0.6 else "black"
            axes.text(column, row, score(value), ha="center", va="center", color=colour)
    figure.colorbar(image, ax=axes, label="accuracy")
    return figure
