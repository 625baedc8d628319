"""Running an analysis on what an experiment has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

PREFIX = "classifier."


def run_analysis(analysis: str, config: Any, taxonomy: dict[str, Any], device: str, **inputs: Any) -> Any:
    """Return the tables of an analysis by name; of some kinds also predictions and runs.

    ``inputs`` are what its kind asks for, and ``classifier.<arm>``: the directories of saved classifiers.

    Raises:
        ValueError: if the parameters name a label that the taxonomy does not have, before any work.
    """
    from emotion_kedro.config.analyses import ANALYSES, analysis_config
    from emotion_kedro.config.taxonomy import TaxonomyConfig
    from emotion_kedro.models.device import choose_device

    parsed, labels = analysis_config(analysis, config), TaxonomyConfig.model_validate(taxonomy)
    unknown = sorted(set(parsed.labels) - set(labels.names))
    if unknown:
        raise ValueError(
            f"analyses.{analysis} names {', '.join(unknown)}; the labels of the taxonomy are {', '.join(labels.names)}"
        )
    models = {key.removeprefix(PREFIX): Path(value) for key, value in inputs.items() if key.startswith(PREFIX)}
    parts = {key: _parsed(key, value) for key, value in inputs.items() if not key.startswith(PREFIX)}
    if models:
        parts["models"] = models
    return ANALYSES[analysis].load()(parsed, taxonomy=labels, device=choose_device(device), **parts)


def _parsed(name: str, raw: Any) -> Any:
    """Return a data set as it is, and parameters as their configuration."""
    from emotion_kedro.config.augmentation import generator_config
    from emotion_kedro.config.evaluation import EvaluationConfig
    from emotion_kedro.config.experiment import DesignConfig
    from emotion_kedro.config.filters import filter_configs
    from emotion_kedro.config.models import learner_config
    from emotion_kedro.storage.cache import Cache

    parsers: dict[str, Callable[[Any], Any]] = {
        "cache": Cache,
        "design": DesignConfig.model_validate,
        "evaluation": EvaluationConfig.model_validate,
        "filters": filter_configs,
        "generators": lambda configs: {key: generator_config(config) for key, config in configs.items()},
        "learners": lambda configs: {key: learner_config(config) for key, config in configs.items()},
    }
    return parsers[name](raw) if name in parsers else raw
