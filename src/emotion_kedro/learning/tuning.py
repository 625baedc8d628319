"""The search for settings: a study that is kept on disk, trial by trial.

A trial's settings depend on the trials that ended before it, and on the seed and their number alone; so a search that
was killed and goes on finds what it would have found undisturbed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from emotion_kedro.options import ClassificationOptions
from emotion_kedro.options.tune import TuneOptions

logger = logging.getLogger(__name__)

IMPORTANCE_FROM = 4  # trials, below which a decomposition of their spread means nothing


@dataclass(frozen=True)
class Settings:
    """What a trial tries."""

    learning_rate: float
    epochs: int
    synthetic_share: float
    tau: float


def search(
    objective: Callable[[Settings], Mapping[str, float]], options: TuneOptions, *, identity: str
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Run the trials that are still missing; return all of them, and the best.

    Args:
        objective: settings -> figures on validation rows; ``score`` is maximised, the others are kept beside it.
        options: ranges, number of trials, folder of the study.
        identity: fingerprint of everything that a trial's score depends on; another one is another study.

    Returns:
        A row for each trial (``trial``, settings, ``score``, figures), and ``settings``, ``trial``, ``score`` and
        ``importance`` of the best.
    """
    study = _open_study(options, identity)
    for left in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(left.number, state=TrialState.FAIL)
    while (done := len(_finished(study))) < options.trials:
        # A sampler of its own for each trial: one that lived on would know how many it had drawn in this process.
        seed = int(np.random.SeedSequence([options.seed, done]).generate_state(1)[0])
        study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=options.startup_trials)
        trial = study.ask()
        settings = _suggest(trial, options)
        figures = objective(settings)
        for name, value in figures.items():
            trial.set_user_attr(name, value)
        study.tell(trial, figures["score"])
        logger.info("tune: trial %d of %d, %s: score %.4f", done + 1, options.trials, settings, figures["score"])
    trials = [_row(number, trial) for number, trial in enumerate(_finished(study)[: options.trials])]
    # Of equal scores the earlier trial.
    best = max(trials, key=lambda row: row["score"])
    return trials, {
        "trial": best["trial"],
        "score": best["score"],
        "metric": options.metric,
        "settings": {name: best[name] for name in Settings.__annotations__},
        "importance": _importance(study, options),
    }


def _open_study(options: TuneOptions, identity: str) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder = Path(options.storage)
    folder.mkdir(parents=True, exist_ok=True)
    return optuna.create_study(
        storage=f"sqlite:///{(folder / f'{identity}.db').resolve()}",
        study_name=identity,
        direction="maximize",
        load_if_exists=True,
    )


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _suggest(trial: optuna.Trial, options: TuneOptions) -> Settings:
    low, high = options.learning_rate
    return Settings(
        learning_rate=trial.suggest_float("learning_rate", low, high, log=True),
        epochs=trial.suggest_int("epochs", 1, options.max_epochs),
        synthetic_share=trial.suggest_categorical("synthetic_share", options.synthetic_shares),
        tau=trial.suggest_categorical("tau", options.taus),
    )


def _row(number: int, trial: FrozenTrial) -> dict[str, Any]:
    return {"trial": number, **asdict(Settings(**trial.params)), **trial.user_attrs}


def _importance(study: optuna.Study, options: TuneOptions) -> dict[str, float]:
    """Share of the spread that each setting explains (fANOVA, Hutter et al. 2014); empty for very few trials."""
    values = {trial.value for trial in _finished(study)}
    if len(_finished(study)) < IMPORTANCE_FROM or len(values) < 2:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=options.seed)
    shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(value) for name, value in shares.items()}


def with_settings(options: ClassificationOptions, settings: Settings) -> ClassificationOptions:
    """Return the options with the trial's learning rate and epochs."""
    changes = {"steps": None, "epochs": float(settings.epochs), "learning_rate": settings.learning_rate}
    training = options.classifier.training.model_copy(update=changes)
    return options.model_copy(update={"classifier": options.classifier.model_copy(update={"training": training})})
