"""Drawing candidates and measuring them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emotion_kedro.config.augmentation import generator_config
from emotion_kedro.config.base import Frame
from emotion_kedro.config.experiment import ArmConfig, DesignConfig
from emotion_kedro.config.filters import filter_configs
from emotion_kedro.config.models import learner_config


def draw_candidates(
    split_records: Frame,
    taxonomy: dict[str, Any],
    generator: dict[str, Any],
    sizes: Sequence[Sequence[int] | None],
    design: DesignConfig,
    device: str,
    cache: str,
    model: Path | None = None,
    unlabelled_texts: Frame | None = None,
    *,
    name: str,
) -> Frame:
    """Return the candidates of one generator for every draw in which an arm adds them.

    ``sizes`` are those of each arm that does (None: all), ``model`` is the trained generator where it is kept, and
    ``unlabelled_texts`` are those of the experiment where it has some.
    """
    from emotion_kedro.augmentation.draws import DrawContexts, draw_for, only_draw
    from emotion_kedro.augmentation.generators import load_generator

    contexts = DrawContexts.of(split_records, taxonomy, design, device, cache, unlabelled_texts)
    config = generator_config(generator)
    if model is None:
        return draw_for(name, config, contexts, contexts.draws(None if each is None else tuple(each) for each in sizes))
    draw = only_draw(contexts, name)
    trained = load_generator(config, model, contexts.context(draw, config), name=name)
    return draw_for(name, config, contexts, [draw], trained)


def score_candidates(
    split_records: Frame,
    taxonomy: dict[str, Any],
    generators: dict[str, Any],
    arms: dict[str, Any],
    filters: dict[str, Any],
    learners: dict[str, Any],
    design: DesignConfig,
    device: str,
    cache: str,
    *tables: Any,
    reviewed: bool = False,
) -> Frame:
    """Return the candidates of all generators with what the filters measure in them.

    Where they are ``reviewed``, the first of the tables holds a person's decisions, or is None.
    """
    import pandas as pd

    from emotion_kedro.augmentation.draws import (
        DrawContexts,
        Scoring,
        assert_written_for,
        reviewed_candidates,
        score_draws,
    )

    scoring = Scoring(
        {name: ArmConfig.model_validate(arm) for name, arm in arms.items()},
        filter_configs(filters),
        {name: learner_config(raw) for name, raw in learners.items()},
        tuple(name for name, raw in generators.items() if generator_config(raw).right_by_making),
    )
    contexts = DrawContexts.of(split_records, taxonomy, design, device, cache)
    candidates = pd.concat(tables[1:] if reviewed else tables, ignore_index=True)
    if reviewed:
        candidates = reviewed_candidates(contexts, candidates, tables[0])
    else:
        assert_written_for(contexts, candidates)
    return score_draws(candidates, contexts, scoring)
