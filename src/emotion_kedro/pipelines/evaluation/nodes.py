"""Glue between the tables of a run and :mod:`emotion_kedro.metrics` and :mod:`emotion_kedro.report`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emotion_kedro.config.base import LEARNER, Frame
from emotion_kedro.config.data import IngestionConfig, UnlabelledConfig
from emotion_kedro.config.evaluation import EvaluationConfig
from emotion_kedro.config.experiment import EvaluatorConfig
from emotion_kedro.pipelines.evaluation.pictures import pictures_of
from emotion_kedro.pipelines.evaluation.recommendation import recommended_path

SAMPLE, OF_THE_SAMPLE = "sample", "hand-written sample: figures show that the work runs, and nothing about real data"
"""The folder of the hand-written sample, and what is said of it."""
ADDED = ["arm", "size", "data_seed", "label", "text"]
"""Columns of what arms added."""
UNGROUPED_NOTE = "near-duplicates were not kept together: test rows may be copies of train rows, and figures too good"


def score_predictions(
    split_records: Frame, evaluation: EvaluationConfig, score_by: Sequence[str], **predictions: Frame
) -> tuple[Frame, Frame, Frame]:
    """Return the scores, the scores by label and the confusions of all arms and learners."""
    import pandas as pd

    from emotion_kedro.metrics import scores

    table = pd.concat(predictions.values(), ignore_index=True)
    scored = scores.score_table(table, groups_of(split_records), evaluation, score_by)
    return scored, scores.label_scores(table), scores.confusion(table)


def compare_runs(
    split_records: Frame,
    evaluation: EvaluationConfig,
    pairs: Sequence[Sequence[str]],
    score_by: Sequence[str],
    **predictions: Frame,
) -> tuple[Frame, Frame]:
    """Return the differences of the pairs of arms or learners, and those by label."""
    import pandas as pd

    from emotion_kedro.metrics.comparison import compare, label_gains

    table = pd.concat(predictions.values(), ignore_index=True)
    # An analysis may end before its last arm: rounds do, when one of them no longer gains.
    arms = set(table["arm"])
    possible = [pair for pair in pairs if pair[0].startswith(LEARNER) or set(pair) <= arms]
    groups = groups_of(split_records)
    return compare(table, possible, groups, evaluation, score_by), label_gains(table, possible, groups, evaluation)


def count_equivalent_rows(split_records: Frame, evaluation: EvaluationConfig, **predictions: Frame) -> Frame:
    """Return with how many real rows per label real text alone is as accurate as each arm."""
    import pandas as pd

    from emotion_kedro.metrics.learning_curves import equivalent_real_rows

    table = pd.concat(predictions.values(), ignore_index=True)
    return equivalent_real_rows(table, groups_of(split_records), evaluation)


def groups_of(split_records: Frame) -> Any:
    """Return the near-duplicate group of each record by its id."""
    return split_records.set_index("record_id")["group"]


def measure_text_quality(
    candidates: Frame,
    candidate_predictions: Frame,
    predictions: Frame,
    decisions: Frame,
    split_records: Frame,
    evaluator: EvaluatorConfig,
    experiment: str,
    evaluation: EvaluationConfig,
    device: str,
    cache: str,
) -> tuple[Frame, Frame]:
    """Return the quality of what each arm adds, and its candidates by reason."""
    from emotion_kedro.metrics.text_quality import text_quality

    added = decisions[decisions["kept"]].merge(candidates[["candidate_id", "label", "text"]], on="candidate_id")
    test = split_records[split_records["split"] == "test"]
    train = split_records[split_records["split"] == "train"]
    read = predictions[predictions["arm"] == evaluator.arm]
    predicted = _predicted_texts(candidates, candidate_predictions, read, test)
    embed = _embeddings(evaluation, device, cache)
    quality = text_quality(experiment, added[ADDED], train, test, predicted, evaluation, embed)
    reasons = decisions.groupby(["arm", "reason"], sort=False).size().rename("candidates").reset_index()
    return quality, reasons


def list_texts(
    candidates: Frame,
    candidate_predictions: Frame,
    decisions: Frame,
    split_records: Frame,
    evaluation: EvaluationConfig,
    device: str,
    cache: str,
) -> tuple[Frame, Frame]:
    """Return every candidate with what became of it, safe for spreadsheets; and some of each label, as written."""
    from emotion_kedro.report.texts import safe_table, sampled_texts, texts_table

    train = split_records[split_records["split"] == "train"]
    embed = _embeddings(evaluation, device, cache)
    table = texts_table(candidates, candidate_predictions, decisions, train, evaluation, embed)
    return safe_table(table), sampled_texts(table, evaluation)


def _embeddings(evaluation: EvaluationConfig, device: str, cache: str) -> Any:
    """Return what embeds texts, or None where the experiment asks for no neighbours; the cache keeps its rows."""
    if evaluation.embeddings is None:
        return None
    from emotion_kedro.models.device import choose_device
    from emotion_kedro.models.features import open_features
    from emotion_kedro.storage.cache import Cache

    return open_features(evaluation.embeddings, Cache(cache), choose_device(device))


def write_dataset_card(
    candidates: Frame,
    decisions: Frame,
    text_quality: Frame,
    raw_folder: Path,
    split_records: Frame,
    name: str,
    question: str,
    generators: dict[str, Any],
    arms: dict[str, Any],
    filters: dict[str, Any],
    ingestion: Any,
    unlabelled: Any,
) -> str:
    """Return the card that lies beside the texts."""
    from emotion_kedro.config.augmentation import generator_config
    from emotion_kedro.report.dataset_card import dataset_card

    note = data_note(raw_folder, split_records, ingestion)
    sources = set(split_records["source"])
    if unlabelled and any(generator_config(raw).reads_unlabelled for raw in generators.values()):
        sources |= set(UnlabelledConfig.model_validate(unlabelled).sources)
    return dataset_card(
        name, question, note, sorted(sources), generators, arms, filters, candidates, decisions, text_quality
    )


def _predicted_texts(candidates: Frame, candidate_predictions: Frame, predictions: Frame, test: Frame) -> Frame:
    """Return ``text, predicted`` of candidates and of test rows, as one and the same classifier reads them."""
    import pandas as pd

    from emotion_kedro.metrics.runs import kept_runs

    read = candidates.merge(candidate_predictions[["candidate_id", "predicted"]], on="candidate_id", suffixes=("_", ""))
    run = ["learner", "size", "data_seed", "seed"]
    kept = kept_runs(predictions[run].drop_duplicates()).iloc[[0]]
    real = test.merge(predictions.merge(kept, on=run)[["record_id", "predicted"]], on="record_id")
    return pd.concat([read[["text", "predicted"]], real[["text", "predicted"]]], ignore_index=True)


def write_report(
    name: str,
    question: str,
    note: str,
    reference: Sequence[str],
    evaluation: EvaluationConfig,
    ingestion: Any,
    run_log: Mapping[str, Any] | None,
    raw_folder: Path,
    split_records: Frame,
    **facts: Any,
) -> tuple[str, str, str]:
    """Return the HTML page, the Markdown page and the summary for the terminal.

    ``facts`` are the tables and plots by name, where the experiment has them; ``runs_0``, ``tables_0`` and so on are
    those of each arm and analysis; the rest are parameters.
    """
    import pandas as pd

    from emotion_kedro.report.page import Report, html_page, markdown_page, terminal_summary

    log = run_log or {"setting": {}, "times": []}
    tables: dict[str, Any] = {
        key: facts.get(key) for key in ("label_gains", "text_quality", "leakage", "sampled_texts")
    }
    tables |= {key: facts.get(key, pd.DataFrame()) for key in ("scores", "comparisons", "label_scores")}
    report = Report(
        name=name,
        question=question,
        note=note,
        data_note=data_note(raw_folder, split_records, ingestion),
        date=log["setting"].get("date", time.strftime("%Y-%m-%d")),
        commit=log["setting"].get("commit", ""),
        parameters=_changed(evaluation, facts),
        arms=_descriptions(facts["arms"]),
        level=evaluation.level,
        **tables,
        decisions=facts.get("decision_counts"),
        equivalent_rows=facts.get("equivalent_rows"),
        runs=_joined(facts, "runs_"),
        times=pd.DataFrame(log["times"]),
        reference=_reference_rows(reference, name, facts),
        analyses=_tables_of_analyses(facts),
        recommended=_recommended(name, evaluation, facts),
        plots=pictures_of(facts),
    )
    picture = f"{name}.png" if report.plots else None
    return html_page(report), markdown_page(report, picture), terminal_summary(report)


def data_note(raw_folder: Path, split_records: Frame, ingestion: Any = None) -> str:
    """Return the sources, rows and labels of the records, and what makes figures of them say less."""
    from emotion_kedro.data.splitting import UNGROUPED

    rows = split_records.groupby("source").size()
    if ingestion:
        sources = IngestionConfig.model_validate(ingestion).sources.values()
        outside = any(Path(file).expanduser().is_absolute() for source in sources for file in source.all_files)
    else:  # the records come from another experiment, whose sources may lie anywhere
        outside = not all((raw_folder / str(source)).is_dir() for source in rows.index)
    splits = split_records["split"].value_counts()
    parts = [
        ", ".join(f"{source} {count:,}" for source, count in rows.items()) + " rows",
        ", ".join(f"{split} {splits.get(split, 0):,}" for split in ("train", "validation", "test")),
        f"{split_records['label'].nunique()} labels",
    ]
    if (split_records["group"] == UNGROUPED).all():
        parts.append(UNGROUPED_NOTE)
    if raw_folder.name == SAMPLE and not outside:
        parts.append(OF_THE_SAMPLE)
    return "; ".join(parts)


def _descriptions(arms: Mapping[str, Any]) -> dict[str, str]:
    """Return what arms learn from, in words; of those that say it."""
    from emotion_kedro.config.experiment import ArmConfig

    said = {name: ArmConfig.model_validate(arm).description for name, arm in arms.items()}
    return {name: description for name, description in said.items() if description}


def _changed(evaluation: EvaluationConfig, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that differ from their defaults."""
    from emotion_kedro.config.augmentation import generator_config
    from emotion_kedro.config.experiment import ArmConfig, DesignConfig
    from emotion_kedro.config.filters import default_filters, filter_config
    from emotion_kedro.config.models import learner_config

    defaults = default_filters()
    parts = {
        "learners": {key: learner_config(value) for key, value in facts["learners"].items()},
        "generators": {key: generator_config(value) for key, value in facts["generators"].items()},
        "arms": {key: ArmConfig.model_validate(value) for key, value in facts["arms"].items()},
        "filters": {key: filter_config(key, value) for key, value in facts["filters"].items()},
    }
    parts["filters"] = {key: value for key, value in parts["filters"].items() if value != defaults.get(key)}
    changed = {
        group: {key: value.model_dump(mode="json", exclude_defaults=True) for key, value in configs.items()}
        for group, configs in parts.items()
    }
    single = {"design": DesignConfig.model_validate(facts["design"]), "evaluation": evaluation}
    changed |= {key: value.model_dump(mode="json", exclude_defaults=True) for key, value in single.items()}
    return {group: value for group, value in changed.items() if value}


def _reference_rows(systems: Sequence[str], name: str, facts: Mapping[str, Any]) -> Frame | None:
    from emotion_kedro.report.reference import reference_table

    chosen = {key: value for key, value in facts.get("reference_report", {}).items() if key in systems}
    if not chosen:
        return None
    table = reference_table(chosen, facts.get("scores"), facts.get("text_quality"))
    return table[(table["what"] != "") & (table["experiment"] == name)]


def _recommended(name: str, evaluation: EvaluationConfig, facts: Mapping[str, Any]) -> dict[str, Any] | None:
    from emotion_kedro.report.recommended import describe

    if "recommendation" not in facts:
        return None
    path = recommended_path(facts["latest"], name)
    return describe(facts["recommendation"], evaluation, facts["recommended_model"], path)


def _with_prefix(facts: Mapping[str, Any], prefix: str) -> list[Any]:
    return [value for key, value in facts.items() if key.startswith(prefix) and value is not None]


def _joined(facts: Mapping[str, Any], prefix: str) -> Frame | None:
    import pandas as pd

    tables = _with_prefix(facts, prefix)
    return pd.concat(tables, ignore_index=True) if tables else None


def _tables_of_analyses(facts: Mapping[str, Any]) -> dict[str, Frame]:
    tables = _with_prefix(facts, "tables_")
    return {str(title).replace("_", " "): table for part in tables for title, table in part.items()}


def write_reference_page(reference_report: Mapping[str, Any], **tables: Frame | None) -> tuple[str, Frame]:
    """Return the page with our figures beside the reference report's, and the figures as a table."""
    from emotion_kedro.report.reference import joined, reference_page, reference_table

    scores, quality = (
        joined([table for name, table in tables.items() if name.startswith(prefix)]) for prefix in ("scores", "quality")
    )
    page = reference_page(reference_report, scores, quality, time.strftime("%Y-%m-%d"))
    return page, reference_table(reference_report, scores, quality)


def write_overview_page(**tables: Frame | None) -> str:
    """Return the page with the scores and differences of every experiment that has run."""
    from emotion_kedro.report.reference import overview_page

    by_kind: dict[str, dict[str, Frame | None]] = {"scores": {}, "comparisons": {}}
    for name, table in tables.items():
        if table is not None and len(table):
            by_kind[name.rpartition("_")[0]][str(table["experiment"].iloc[0])] = table
    return overview_page(by_kind["scores"], by_kind["comparisons"], time.strftime("%Y-%m-%d"))
