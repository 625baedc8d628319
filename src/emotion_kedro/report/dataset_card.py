"""The card of the texts that an experiment wrote, as hubs of data sets read it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from emotion_kedro.config.augmentation import generator_config
from emotion_kedro.config.experiment import ArmConfig
from emotion_kedro.config.filters import filter_configs
from emotion_kedro.report.page import render
from emotion_kedro.report.tables import quality_table, settings_table

SIZES = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M"}
"""Names of a hub for numbers of rows below so many."""


def dataset_card(
    name: str,
    question: str,
    data_note: str,
    sources: Sequence[str],
    generators: Mapping[str, Any],
    arms: Mapping[str, Any],
    filters: Mapping[str, Any],
    candidates: pd.DataFrame,
    decisions: pd.DataFrame,
    text_quality: pd.DataFrame,
) -> str:
    """Return the ``README.md`` beside the texts.

    ``emotion push`` reads in its head the sources, and the generators whose texts are real ones, or nearly.
    """
    rows = len(candidates)
    configs = {name: generator_config(raw) for name, raw in generators.items()}
    real = [name for name, config in configs.items() if config.rewrites_rows or not config.writes_new_text]
    return render(
        "dataset_card.md.j2",
        pretty_name=f"Synthetic texts of {name}",
        name=name,
        question=question,
        data_note=data_note,
        sources=json.dumps(list(sources)),
        real=json.dumps(real),
        real_names=", ".join(f"`{name}`" for name in real),
        size_category=next((size for limit, size in SIZES.items() if rows < limit), "1M<n<10M"),
        generators=_generators(generators),
        filters=_filters(arms, filters),
        counts=_counts(candidates, decisions),
        quality=quality_table(text_quality),
    )


def _generators(raw: Mapping[str, Any]) -> pd.DataFrame:
    rows = []
    for name, value in raw.items():
        config = generator_config(value)
        kind, base = config.kind, getattr(config, "base", None)
        settings = config.model_dump(mode="json", exclude_defaults=True, exclude={"kind", "base"})
        rows.append({"generator": name, "kind": kind, "base model": _shown_base(base), "settings": _written(settings)})
    return pd.DataFrame(rows, columns=["generator", "kind", "base model", "settings"])


def _shown_base(base: str | None) -> str:
    # A directory's place on this machine concerns nobody.
    return "none" if base is None else Path(base).name if Path(base).is_absolute() else base


def _filters(arms: Mapping[str, Any], raw: Mapping[str, Any]) -> pd.DataFrame:
    configs = filter_configs(raw)
    rows = [
        {"arm": arm, "filter": name, "settings": _written(configs[name].model_dump(mode="json", exclude={"kind"}))}
        for arm, value in arms.items()
        for name in ArmConfig.model_validate(value).filters
    ]
    table = pd.DataFrame(rows, columns=["arm", "filter", "settings"])
    return table.groupby(["filter", "settings"], sort=False)["arm"].agg(", ".join).reset_index()


def _written(settings: Mapping[str, Any]) -> str:
    table = settings_table({key: value for key, value in settings.items() if value is not None})
    pairs = zip(table["parameter"], table["value"], strict=True)
    return "; ".join(f"{name} {' '.join(str(value).split())}" for name, value in pairs)


def _counts(candidates: pd.DataFrame, decisions: pd.DataFrame) -> pd.DataFrame:
    """Return how many texts each arm kept and refused, by reason, a column for each label."""
    labelled = decisions.merge(candidates[["candidate_id", "label"]], on="candidate_id")
    counts = labelled.pivot_table(
        index=["arm", "reason"], columns="label", values="candidate_id", aggfunc="nunique", fill_value=0
    )
    counts.insert(0, "all", counts.sum(axis=1))
    return counts.rename_axis(columns=None).reset_index(allow_duplicates=True)
