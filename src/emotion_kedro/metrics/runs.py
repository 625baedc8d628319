"""The predictions of the runs of a design (arm, learner, size), as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotion_kedro.config.base import ALL, ALL_ROWS, PROBABILITY_PREFIX
from emotion_kedro.schemas.base import Table

BASELINE = "baseline"
"""The arm of the learners that everything else has to beat: majority and TF-IDF."""


class Design(NamedTuple):
    """What all runs of a set have in common; they differ in data seed and training seed."""

    arm: str
    learner: str
    size: int


@dataclass(frozen=True)
class Runs:
    """The S runs of a design, each tested on the same n rows, in the order of their ids; L labels."""

    experiment: str
    design: Design
    labels: tuple[str, ...]
    record_ids: NDArray[np.object_]
    sources: NDArray[np.object_]
    truth: NDArray[np.int64]
    """(n,), numbers of labels."""
    predicted: NDArray[np.int64]
    """(S, n), numbers of labels; L where a free answer named none."""
    probabilities: NDArray[np.float64]
    """(S, n, L)."""
    data_seeds: NDArray[np.int64]
    seeds: NDArray[np.int64]

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Which rows each run has right, (S, n)."""
        return self.predicted == self.truth

    @property
    def keys(self) -> list[tuple[int, int]]:
        """Data seed and training seed of each run."""
        return list(zip(self.data_seeds.tolist(), self.seeds.tolist(), strict=True))

    def of_source(self, source: str) -> Runs:
        """Return the same runs on the test rows of one source."""
        rows = self.sources == source
        parts: dict[str, Any] = {
            **{name: getattr(self, name)[rows] for name in ("record_ids", "sources", "truth")},
            **{name: getattr(self, name)[:, rows] for name in ("predicted", "probabilities")},
        }
        return Runs(**{**self.__dict__, **parts})

    def of_runs(self, keys: Sequence[tuple[int, int]]) -> Runs:
        """Return the runs with these data seeds and training seeds, in that order."""
        if list(keys) == self.keys:
            return self
        chosen = [self.keys.index(key) for key in keys]
        arrays = ("predicted", "probabilities", "data_seeds", "seeds")
        return Runs(**{**self.__dict__, **{name: getattr(self, name)[chosen] for name in arrays}})


def kept_runs(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the first learner on most train rows; the classifier of the first of these runs is kept.

    Not that of the best: choosing by test score would flatter it.

    Args:
        table: of one arm, with ``learner`` and ``size``, its runs in the order in which they were made.
    """
    first = table[table["learner"] == table["learner"].iloc[0]]
    sizes = first["size"].replace(ALL_ROWS, np.iinfo(np.int64).max)
    return first[sizes == sizes.max()]


def table_of(rows: Iterable[Mapping[str, object]], schema: type[Table]) -> pd.DataFrame:
    """Return rows as a table with the columns and dtypes of the schema, even if there are none."""
    types = schema.empty().dtypes
    return pd.DataFrame(list(rows), columns=types.index).astype(types.to_dict())


def labels_of(predictions: pd.DataFrame) -> tuple[str, ...]:
    """Return the labels of a table of predictions, in the order of its ``p_<label>`` columns."""
    columns = [str(name) for name in predictions.columns if str(name).startswith(PROBABILITY_PREFIX)]
    return tuple(name.removeprefix(PROBABILITY_PREFIX) for name in columns)


def runs_of(predictions: pd.DataFrame) -> dict[Design, Runs]:
    """Return the runs of each design of an experiment, in the order in which the designs first appear.

    Raises:
        ValueError: if a run of a design was tested on other rows than the rest, or a true label has no column.
    """
    labels = labels_of(predictions)
    unknown = sorted(set(predictions["label"].unique()) - set(labels))
    if unknown:
        raise ValueError(f"true labels {unknown} have no column p_<label> in the predictions; unify the labels first")
    ordered = predictions.sort_values(["data_seed", "seed", "record_id"], kind="stable")
    tables = ordered.groupby(["arm", "learner", "size"], sort=False, observed=True)
    designs = predictions[["arm", "learner", "size"]].drop_duplicates().itertuples(index=False, name=None)
    return {Design(*key): _arrange(Design(*key), tables.get_group(key), labels) for key in designs}


def _arrange(design: Design, table: pd.DataFrame, labels: tuple[str, ...]) -> Runs:
    sizes = table.groupby(["data_seed", "seed"]).size()
    count, rows = len(sizes), int(sizes.iloc[0])
    ids = table["record_id"].to_numpy(dtype=object)
    if (sizes != rows).any() or (ids.reshape(count, rows) != ids[:rows]).any() or len(set(ids[:rows])) < rows:
        raise ValueError(f"runs of {_name(design)} were not tested on the same rows, each once; run this arm again")
    first = table.iloc[:rows]
    starts = table.iloc[::rows]
    guesses = pd.Categorical(table["predicted"], categories=list(labels)).codes.astype(np.int64)
    columns = [PROBABILITY_PREFIX + label for label in labels]
    return Runs(
        experiment=str(table["experiment"].iloc[0]),
        design=design,
        labels=labels,
        record_ids=ids[:rows],
        sources=first["source"].to_numpy(dtype=object),
        truth=pd.Categorical(first["label"], categories=list(labels)).codes.astype(np.int64),
        predicted=np.where(guesses < 0, len(labels), guesses).reshape(count, rows),
        probabilities=table[columns].to_numpy(dtype=np.float64).reshape(count, rows, len(labels)),
        data_seeds=starts["data_seed"].to_numpy(dtype=np.int64),
        seeds=starts["seed"].to_numpy(dtype=np.int64),
    )


def _name(design: Design) -> str:
    return f"arm {design.arm}, learner {design.learner}, size {design.size}"


def parts_of(runs: Iterable[Runs], score_by: Iterable[str]) -> list[tuple[str, list[Runs]]]:
    """Return ``all`` and, where scores are wanted by source, each source, with the runs on its rows."""
    whole = list(runs)
    if not list(score_by):
        return [(ALL, whole)]
    names = sorted({str(name) for each in whole for name in np.unique(each.sources.astype(str))})
    return [(ALL, whole), *((name, [each.of_source(name) for each in whole]) for name in names)]
