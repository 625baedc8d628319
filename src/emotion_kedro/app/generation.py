"""New texts from the generators that a run has left, or that need no training, and what its filters say of each."""

from __future__ import annotations

import contextlib
import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from emotion_kedro.app.model import load_model, project_folder
from emotion_kedro.augmentation.draws import DrawContexts, only_draw
from emotion_kedro.augmentation.filters import KEPT, apply_filters, each_alone, score_candidates
from emotion_kedro.augmentation.generators import Fitted, Unfinished, load_generator
from emotion_kedro.config.augmentation import GENERATORS, generator_config
from emotion_kedro.config.base import CLASSIFIER_NOTES, RECOMMENDED, choices
from emotion_kedro.config.experiment import ArmConfig, DesignConfig
from emotion_kedro.config.filters import NovelFilter, filter_configs
from emotion_kedro.config.loader import DEFAULT, latest_folder
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.models.device import choose_device
from emotion_kedro.storage.cache import Cache

logger = logging.getLogger(__name__)

DECIDE_LATER = ("reviewed", "diverse")
"""Kinds of filters that say nothing of a text that was written just now: nobody has decided about it yet, and it is
not chosen among all texts of a run."""


@dataclass(frozen=True)
class Candidate:
    """A text that was written for a label."""

    text: str
    kept: bool
    reason: str
    """Why a filter refused it; empty where it was kept."""
    probability: float
    """What the classifier gives to its label; NaN: there is none."""
    by_filter: dict[str, str | None]
    """What each filter of the arm says of it alone: its reason, empty where it passes; None: it was not asked."""


def generate(
    label: str,
    n: int = 10,
    *,
    experiment: str = DEFAULT,
    generator: str | None = None,
    seed: int = 1,
    env: str | None = None,
) -> list[Candidate]:
    """Write texts of a label by a generator that was trained and kept, or one that is prompted; nothing is trained.

    It works in the project that the working directory is in. The filters are those of the first arm that adds the
    generator's texts, in its order; the recommended model of the experiment reads for them. Not asked are those that
    choose among many, or follow what a person decided, and the one that asks a model where none was kept. A prompted
    generator is shown the train rows of the largest size.

    Args:
        label: one of the experiment's labels.
        n: texts that are drawn; one that is empty, or that copies a held-out text, is left out.
        experiment: of the generator.
        generator: its name; None: the first that is ready.
        seed: the same seed writes the same texts.
        env: environment of the configuration; None: ``local``.

    Raises:
        ValueError: outside of a project; for a label or a generator that there is not, or one that no run has left.
    """
    project = project_folder()
    if project is None:
        raise ValueError("this works in a project's folder: the one with pyproject.toml and conf/")
    with contextlib.chdir(project):  # Kedro looks there for the settings of its log, when it is imported
        from kedro.framework.session import KedroSession
        from kedro.framework.startup import bootstrap_project

        bootstrap_project(project)
        with KedroSession.create(project_path=project, env=env) as session:
            catalog = session.load_context().catalog  # type: ignore[attr-defined]  # of the class that create returns
            return generate_from(catalog, label, n, experiment=experiment, generator=generator, seed=seed)


def generate_from(
    catalog: Any, label: str, n: int, *, experiment: str = DEFAULT, generator: str | None = None, seed: int = 1
) -> list[Candidate]:
    """Do what :func:`generate` does, from the catalog of a Kedro session."""
    prefix = "" if experiment == DEFAULT else f"{experiment}."
    experiments = _experiments(catalog)
    if experiment not in experiments:
        raise ValueError(f"there is no experiment {experiment}{choices(experiment, experiments)}")
    parameters = {
        part: catalog.load(f"params:{experiment}.{part}") for part in ("generators", "arms", "filters", "design")
    }
    name = _ready_generator(catalog, prefix, parameters["generators"], generator, experiment)
    records = catalog.load(f"{prefix}split_records")
    labels = sorted(records["label"].unique())
    if label not in labels:
        raise ValueError(f"{experiment} has no label {label}; it has {', '.join(labels)}")
    contexts = DrawContexts(
        records,
        DesignConfig.model_validate(parameters["design"]),
        TaxonomyConfig.model_validate(catalog.load(f"{prefix}taxonomy")),
        choose_device(catalog.load("params:device")),
        Cache(catalog.load("params:cache")),
    )
    drawn = _opened(catalog, prefix, name, generator_config(parameters["generators"][name]), contexts).sample(
        label, n, seed
    )
    if not drawn:
        raise ValueError(f"{name} of {experiment} writes nothing for {label}: it was given no train rows of it")
    texts = pd.DataFrame({"text": [str(text) for text in drawn]}, dtype="str")
    texts = texts.assign(label=label, generator=name, ended=[not isinstance(text, Unfinished) for text in drawn])
    usable = texts["text"].str.contains(r"\w", regex=True) & ~contexts.guard.copies(texts["text"].tolist())
    return _filtered(
        texts[usable].reset_index(drop=True),
        parameters,
        name,
        contexts.train,
        Path(latest_folder(catalog.load("params:latest"), experiment), RECOMMENDED),
    )


def _opened(catalog: Any, prefix: str, name: str, config: Any, contexts: DrawContexts) -> Fitted:
    if config.needs_training:
        context = contexts.context(only_draw(contexts, name), config)
        return load_generator(config, catalog.load(f"{prefix}generator.{name}.model"), context, name=name)
    draws = contexts.draws()
    largest = max(draws[: len(draws) // len(contexts.design.data_seeds)], key=lambda draw: draw.size or math.inf)
    fitted: Fitted = GENERATORS[config.kind].load()(config).fit(contexts.context(largest, config))
    return fitted


def _experiments(catalog: Any) -> set[str]:
    return {entry.split(":")[1].split(".")[0] for entry in catalog if entry.endswith(".generators")}


def is_prompted(config: Any) -> bool:
    """Whether a generator is a language model that writes as it is."""
    return config.kind == "prompted"


def _writes(raw: Any) -> bool:
    config = generator_config(raw)
    return config.needs_training or is_prompted(config)


def _can_write(catalog: Any, experiment: str) -> bool:
    generators = catalog.load(f"params:{experiment}.generators")
    return catalog.exists(f"{experiment}.split_records") and any(map(_writes, generators.values()))


def _ready_generator(catalog: Any, prefix: str, generators: dict[str, Any], name: str | None, experiment: str) -> str:
    """Return the name of a generator that is tuned and kept, or that is a language model and needs no tuning."""
    writing = {each: generator_config(raw) for each, raw in generators.items() if _writes(raw)}
    if not writing:
        raise ValueError(
            f"{experiment} has no language model that writes, it has {', '.join(generators) or 'no generator'}; "
            "emotion try without --quick makes an experiment that does"
        )
    if not catalog.exists(f"{prefix}split_records"):
        is_enough = any(not config.needs_training for config in writing.values())
        enough = f"--pipelines={experiment}" + f" --to-nodes={prefix}records.sample_and_split" * is_enough
        others = [each for each in sorted(_experiments(catalog)) if _can_write(catalog, each)]
        instead = f"; or --experiment {' or '.join(others)}" if others else ""
        raise ValueError(
            f"{experiment} was not run yet; run it first, or as far as is needed: kedro run {enough}{instead}"
        )
    ready = [
        each
        for each, config in writing.items()
        if not config.needs_training or catalog.exists(f"{prefix}generator.{each}.model")
    ]
    if name in ready or (name is None and ready):
        return name or ready[0]
    hint = f"it has {', '.join(ready)}" if ready else f"run it first: kedro run --pipelines={experiment}"
    raise ValueError(f"{experiment} has no generator {f'{name} ' if name else ''}that is ready; {hint}")


def _filtered(
    texts: pd.DataFrame, parameters: dict[str, Any], name: str, train: pd.DataFrame, classifier: Path
) -> list[Candidate]:
    arms = [ArmConfig.model_validate(arm) for arm in parameters["arms"].values()]
    filters, configs = next((arm.filters for arm in arms if name in arm.add), ()), filter_configs(parameters["filters"])
    read: dict[str, Any] = {}
    silent = set(DECIDE_LATER)
    if (classifier / CLASSIFIER_NOTES).is_file():
        model = load_model(classifier)
        if unknown := sorted(set(texts["label"]) - set(model.labels)):
            raise ValueError(f"{classifier} does not know the label {unknown[0]}: run the experiment again")
        read = {"labels": model.labels, "read": model.probabilities}
    else:
        silent.add("label_agreement")
        if any(configs[each].kind == "label_agreement" for each in filters):
            logger.warning("no run has kept %s: what a classifier would refuse is kept here", classifier)
    shingle = next((configs[each].shingle for each in filters if configs[each].kind == "novel"), NovelFilter().shingle)
    scored = score_candidates(texts, train["text"].tolist(), shingle=shingle, **read)
    answering = [each for each in filters if configs[each].kind not in silent]
    decisions = apply_filters(scored, answering, configs, train)
    alone = each_alone(scored, answering, configs, train)
    by_filter = ({each: alone[each][row] if each in answering else None for each in filters} for row in scored.index)
    return [
        Candidate(text, bool(kept), "" if reason == KEPT else str(reason), float(probability), answers)
        for text, probability, kept, reason, answers in zip(
            scored["text"], scored["probability"], decisions["kept"], decisions["reason"], by_filter, strict=True
        )
    ]
