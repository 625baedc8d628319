"""New texts from the generators that a run has left, and what its filters say of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from emotion_kedro.app.model import latest_models, load_model
from emotion_kedro.augmentation.filters import KEPT, apply_filters, score_candidates
from emotion_kedro.augmentation.generators import Unfinished
from emotion_kedro.config.augmentation import GENERATORS, generator_config
from emotion_kedro.config.base import RECOMMENDED, choices
from emotion_kedro.config.experiment import ArmConfig
from emotion_kedro.config.filters import filter_configs
from emotion_kedro.config.loader import DEFAULT, latest_folder
from emotion_kedro.models.device import choose_device


@dataclass(frozen=True)
class Candidate:
    """A text that was written for a label."""

    text: str
    kept: bool
    reason: str
    """Why a filter refused it; empty where it was kept."""
    probability: float
    """What the classifier gives to its label."""


def generate(
    catalog: Any, label: str, count: int, *, experiment: str = DEFAULT, generator: str | None = None, seed: int = 1
) -> list[Candidate]:
    """Write texts of a label by a generator that was trained and kept; nothing is trained.

    The filters are those of the first arm that adds the generator's texts, in its order; the recommended model of the
    experiment reads for them. Those that choose among many (a quota) leave all in.

    Args:
        catalog: of a Kedro session.
        label: one of the experiment's labels.
        count: texts that are drawn; one that is empty is left out.
        experiment: of the generator.
        generator: its name; None: the first that was kept.
        seed: the same seed writes the same texts.

    Raises:
        ValueError: for a label or a generator that there is not, or one that no run has left.
    """
    prefix = "" if experiment == DEFAULT else f"{experiment}."
    known = {entry.split(":")[1].split(".")[0] for entry in catalog if entry.endswith(".generators")}
    if experiment not in known:
        raise ValueError(f"there is no experiment {experiment}{choices(experiment, known)}")
    parameters = {part: catalog.load(f"params:{experiment}.{part}") for part in ("generators", "arms", "filters")}
    name = _kept_generator(catalog, prefix, parameters["generators"], generator, experiment)
    records = catalog.load(f"{prefix}split_records")
    labels = sorted(records["label"].unique())
    if label not in labels:
        raise ValueError(f"{experiment} has no label {label}; it has {', '.join(labels)}")
    config, device = generator_config(parameters["generators"][name]), choose_device("auto")
    fitted = GENERATORS[config.kind].load()(config).load(catalog.load(f"{prefix}generator.{name}.model"), device)
    drawn = fitted.sample(label, count, seed)
    texts = pd.DataFrame({"text": [str(text) for text in drawn]}, dtype="str")
    texts = texts.assign(
        label=label, generator=name, review="", ended=[not isinstance(text, Unfinished) for text in drawn]
    )
    texts = texts[texts["text"].str.contains(r"\w", regex=True)].reset_index(drop=True)
    return _filtered(
        texts, parameters, name, records, Path(latest_folder(str(latest_models()), experiment), RECOMMENDED)
    )


def _kept_generator(catalog: Any, prefix: str, generators: dict[str, Any], name: str | None, experiment: str) -> str:
    kept = [each for each in generators if catalog.exists(f"{prefix}generator.{each}.model")]
    if name is None and kept:
        return kept[0]
    if name in kept:
        return str(name)
    tuned = [each for each, raw in generators.items() if generator_config(raw).needs_training]
    if not tuned:
        raise ValueError(
            f"{experiment} tunes no language model, it has {', '.join(generators) or 'no generator'}; emotion try "
            "without --quick makes an experiment that does"
        )
    there = f"it has kept {', '.join(kept)}" if kept else f"run it first: kedro run --pipelines={experiment}"
    raise ValueError(f"{experiment} has kept no generator{f' {name}' if name else ''}; {there}")


def _filtered(
    texts: pd.DataFrame, parameters: dict[str, Any], name: str, records: pd.DataFrame, classifier: Path
) -> list[Candidate]:
    arms = [ArmConfig.model_validate(arm) for arm in parameters["arms"].values()]
    filters = next((arm.filters for arm in arms if name in arm.add), ())
    train = records[records["split"] == "train"]
    model = load_model(classifier)
    scored = score_candidates(texts, train["text"].tolist(), labels=model.labels, read=model.probabilities)
    decisions = apply_filters(scored, filters, filter_configs(parameters["filters"]), train)
    return [
        Candidate(text, bool(kept), "" if reason == KEPT else str(reason), float(probability))
        for text, probability, kept, reason in zip(
            scored["text"], scored["probability"], decisions["kept"], decisions["reason"], strict=True
        )
    ]
