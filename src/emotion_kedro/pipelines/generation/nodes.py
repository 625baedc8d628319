"""Training a generator whose model is kept."""

from __future__ import annotations

from typing import Any

from emotion_kedro.config.augmentation import generator_config
from emotion_kedro.config.base import Frame
from emotion_kedro.config.experiment import DesignConfig


def train_generator(
    split_records: Frame,
    taxonomy: dict[str, Any],
    generator: dict[str, Any],
    design: DesignConfig,
    device: str,
    cache: str,
    unlabelled_texts: Frame | None = None,
    *,
    name: str,
) -> tuple[Any, list[dict[str, Any]]]:
    """Tune a generator on the only draw of the design; return it and its training log."""
    from emotion_kedro.augmentation import generators
    from emotion_kedro.augmentation.draws import DrawContexts, only_draw

    contexts = DrawContexts.of(split_records, taxonomy, design, device, cache, unlabelled_texts)
    config = generator_config(generator)
    return generators.train_generator(config, contexts.context(only_draw(contexts, name), config), name=name)
