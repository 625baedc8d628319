"""The study's nodes: each hands its tables to what does the work in ``learning/study`` and ``measures``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from emotion_kedro.learning.device import choose_device
from emotion_kedro.options import EvaluationOptions, UnificationOptions
from emotion_kedro.options.study import StudyOptions
from emotion_kedro.pipelines.evaluation.nodes import bootstrap_of, groups_of
from emotion_kedro.taxonomy import labels_of

if TYPE_CHECKING:
    from emotion_kedro.learning.study.cells import Cell, Study

PIECE = ["writer", "n", "data_seed"]


def estimate_cost(
    split_records: pd.DataFrame, plan: StudyOptions, unification: UnificationOptions, device: str, checkpoints: str
) -> list[dict[str, Any]]:
    """Count the work that is still to be done, time a unit of each part of it, and say so before it starts."""
    from emotion_kedro.learning.study import costs

    study = _study(split_records, plan, unification, device, checkpoints)
    parts = costs.estimate_cost(study)
    costs.say(parts, study)
    return parts


def write_texts(
    split_records: pd.DataFrame,
    cost: list[dict[str, Any]],
    plan: StudyOptions,
    unification: UnificationOptions,
    device: str,
    checkpoints: str,
) -> pd.DataFrame:
    """Let the writers write what the cells need; ``cost`` is an input so that it is known before this begins."""
    from emotion_kedro.learning.study.cells import write_texts

    study = _study(split_records, plan, unification, device, checkpoints)
    tables = [
        table.assign(writer=piece.writer, n=piece.size, data_seed=piece.data_seed)
        for piece, table in write_texts(study)
    ]
    if not tables:
        return pd.DataFrame({"writer": [], "n": [], "data_seed": [], "text": [], "label": []}).astype(
            {"writer": "str", "n": "int64", "data_seed": "int64", "text": "str", "label": "str"}
        )
    return pd.concat(tables, ignore_index=True)[[*PIECE, "text", "label"]]


def run_cells(
    split_records: pd.DataFrame,
    written_texts: pd.DataFrame,
    plan: StudyOptions,
    unification: UnificationOptions,
    device: str,
    checkpoints: str,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Run the grid; return predictions, cells, the added texts of small cells, and how good the judge of those is."""
    from emotion_kedro.learning.study.cells import Judge, describe_cell, predictions_of, run_cells
    from emotion_kedro.measures.added_text import SMALL

    study = _study(split_records, plan, unification, device, checkpoints, written_texts)
    predictions: dict[Cell, pd.DataFrame] = {}
    cells, added = [], []
    for cell, table, rows in run_cells(study):
        predictions[cell] = table
        cells.append(describe_cell(cell, table, rows))
        new = rows.loc[(rows["origin"] == "added") & (cell.size <= SMALL), ["text", "label", "weight"]]
        added.append(new.assign(arm=cell.arm, n=cell.size, data_seed=cell.data_seed))
    judge = Judge.of(study)
    texts = pd.concat(added, ignore_index=True)
    texts["read_as"] = pd.Series(judge.reads(texts["text"].tolist()), dtype="str")
    texts = texts[["arm", "n", "data_seed", "text", "label", "weight", "read_as"]]
    return (
        predictions_of(predictions, study.sides.test),
        pd.DataFrame(cells),
        texts,
        {"accuracy": judge.accuracy(), "train_rows": len(study.sides.train)},
    )


def confirm_cells(
    split_records: pd.DataFrame,
    written_texts: pd.DataFrame,
    plan: StudyOptions,
    unification: UnificationOptions,
    device: str,
    checkpoints: str,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Run chosen cells again with the whole encoder trained; return predictions and cells, without rows if none are."""
    from emotion_kedro.learning.study.cells import confirm_cells, describe_cell, predictions_of

    study = _study(split_records, plan, unification, device, checkpoints, written_texts)
    predictions: dict[Cell, pd.DataFrame] = {}
    cells = []
    for cell, table, rows in confirm_cells(study, plan.confirm) if plan.confirm is not None else ():
        predictions[cell] = table
        cells.append(describe_cell(cell, table, rows))
    if not cells:
        return pd.DataFrame({"arm": []}), pd.DataFrame({"arm": []})
    return predictions_of(predictions, study.sides.test), pd.DataFrame(cells)


def measure_study(
    predictions: pd.DataFrame,
    cells: pd.DataFrame,
    confirmed_predictions: pd.DataFrame,
    confirmed_cells: pd.DataFrame,
    added_texts: pd.DataFrame,
    judge: dict[str, Any],
    split_records: pd.DataFrame,
    plan: StudyOptions,
    unification: UnificationOptions,
    options: EvaluationOptions,
    device: str,
    checkpoints: str,
) -> dict[str, Any]:
    """Return the figures of the study, from saved predictions and texts alone."""
    from emotion_kedro.learning.study.costs import spent
    from emotion_kedro.measures.added_text import SMALL, describe_added, relate
    from emotion_kedro.measures.learning_curves import exchange
    from emotion_kedro.measures.study import measure_study

    labels, groups, bootstrap = labels_of(unification.taxonomy), groups_of(split_records), bootstrap_of(options)
    shared = {"groups": groups, **bootstrap, "bins": options.calibration_bins}
    found = measure_study(predictions, cells, labels, **shared)
    study = _study(split_records, plan, unification, device, checkpoints)
    small = [size for size in study.sizes if size <= SMALL]
    quality = describe_added(
        added_texts,
        study.features,
        {(size, seed): study.draw(seed).rows(size)["text"].tolist() for size in small for seed in plan.data_seeds},
        study.sides.test["text"].tolist(),
        seed=options.seed,
    )
    confirmed = None
    if len(confirmed_cells):
        confirmed = measure_study(confirmed_predictions, confirmed_cells, labels, **shared)
        confirmed["layers"] = _trained_layers(plan)
    return {
        "taxonomy": unification.taxonomy,
        "note": plan.note,
        "labels": list(labels),
        "train_rows": len(study.sides.train),
        "test_rows": len(study.sides.test),
        "sizes": list(study.sizes),
        "arms": list(plan.run_arms),
        "says": {name: arm.says for name, arm in plan.run_arms.items()},
        "generated": [name for name, arm in plan.run_arms.items() if arm.generated],
        "data_seeds": list(plan.data_seeds),
        "seeds": list(plan.seeds),
        "level": options.level,
        "judge": judge,
        **found,
        "exchange": exchange(predictions, cells, labels, groups=groups, **bootstrap),
        "quality": quality,
        # A judge on all train rows has met what is made of real rows: its verdict on such text says little.
        "relation": relate([row for row in quality if plan.arms[row["arm"]].generated], found["differences"]),
        "confirmed": confirmed,
        "spent": spent(study, cells, confirmed_cells),
    }


def _trained_layers(plan: StudyOptions) -> str:
    assert plan.confirm is not None
    frozen = plan.confirm.classifier.frozen_layers
    return "all layers trained" if not frozen else f"the embeddings and the lowest {frozen} layers frozen"


def write_report(
    figures: dict[str, Any],
    cost: list[dict[str, Any]],
    split_records: pd.DataFrame,
    run_log: dict[str, Any],
    plan: StudyOptions,
) -> tuple[str, str, str, dict[str, bytes]]:
    """Return the HTML page, the Markdown page, the summary and the pictures."""
    from emotion_kedro.measures.findings import describe_rows
    from emotion_kedro.pictures.study import study_document, study_pages

    setting = {
        "data": describe_rows(split_records),
        "features": _called(plan.features.base) if plan.features.kind == "encoder" else "hashed characters",
        "heads": f"{plan.heads.steps} steps of {plan.heads.batch_size} rows in every cell",
        "writers": ", ".join(sorted({_called(writer.model) for writer in plan.writers.values()})) or "none",
    }
    document = study_document(figures, cost, setting, name=plan.name, generated=figures["generated"])
    return study_pages(document, [], run_log, setting, picture_folder=f"images/{plan.name}")


def _called(model: str) -> str:
    """Return how a page calls a model: where it lies on this machine is nobody's business."""
    return Path(model).name if Path(model).is_dir() else model


def _study(
    split_records: pd.DataFrame,
    plan: StudyOptions,
    unification: UnificationOptions,
    device: str,
    checkpoints: str,
    written_texts: pd.DataFrame | None = None,
) -> Study:
    from emotion_kedro.learning.features import open_features
    from emotion_kedro.learning.study.cells import Sides, Study
    from emotion_kedro.learning.study.store import Store

    chosen = choose_device(device)
    return Study(
        options=plan,
        labels=labels_of(unification.taxonomy),
        sides=Sides.of(split_records, plan),
        features=open_features(plan.features, folder=Path(plan.storage) / "features", device=chosen),
        store=Store(plan.storage),
        device=chosen,
        checkpoints=checkpoints,
        texts=_texts_of(written_texts),
    )


def _texts_of(written_texts: pd.DataFrame | None) -> Mapping[Any, pd.DataFrame]:
    from emotion_kedro.learning.study.writers import Piece

    if written_texts is None:
        return {}
    return {
        Piece(str(writer), int(str(size)), int(str(seed))): table[["text", "label"]].reset_index(drop=True)
        for (writer, size, seed), table in written_texts.groupby(PIECE, sort=False)
    }
