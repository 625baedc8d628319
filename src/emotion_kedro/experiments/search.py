"""The search for a classifier's settings with generated text, on validation rows (S15).

A trial's settings depend on the trials that ended before it, and on the seed and their number alone; so a search that
was killed and goes on finds what it would have found undisturbed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from emotion_kedro.augmentation.draws import assert_written_for
from emotion_kedro.augmentation.filters import apply_filters
from emotion_kedro.augmentation.mix import training_rows
from emotion_kedro.config.analyses import SearchConfig
from emotion_kedro.config.base import ALL_ROWS
from emotion_kedro.config.experiment import ArmConfig, DesignConfig
from emotion_kedro.config.models import TunedConfig
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.data.subsamples import DesignSplits, stratified_subsample
from emotion_kedro.experiments.run import RunContext, chosen, fit_arm
from emotion_kedro.metrics.scores import validation_score
from emotion_kedro.models.device import Device
from emotion_kedro.storage.cache import Cache
from emotion_kedro.storage.identity import contents_of, fingerprint

logger = logging.getLogger(__name__)

TRIALS = "trials"
"""Kind in the cache."""
IMPORTANCE_FROM = 4  # trials, below which a decomposition of their spread means nothing
AGREEMENT = "label_agreement"


@dataclass(frozen=True)
class Settings:
    """What a trial tries."""

    learning_rate: float
    epochs: int
    synthetic_share: float
    tau: float


NAMES = tuple(Settings.__annotations__)


def analyse(
    config: SearchConfig,
    *,
    taxonomy: TaxonomyConfig,
    device: Device,
    cache: Cache,
    name: str,
    design: DesignConfig,
    learners: Mapping[str, Any],
    filters: Mapping[str, Any],
    split_records: pd.DataFrame,
    candidates: pd.DataFrame,
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame, pd.DataFrame]:
    """Try settings, each fitted on train rows and scored on validation rows; then test the best, and those before.

    Returns:
        Tables ``trials`` (settings, ``score``, and figures on validation rows), ``settings`` (the best) and
        ``importance`` (share of the spread of scores that each setting explains); predictions of the test rows of the
        arms ``default`` and ``tuned``; and runs.

    Raises:
        ValueError: if the learner has no training to tune, or the candidates have no probability to filter by.
    """
    learner_name, learner = chosen("learners", learners, config.learner)
    if not isinstance(learner, TunedConfig):
        raise ValueError(f"the learner {learner_name} is of kind {learner.kind}: it has no learning rate to search")
    whole = design.model_copy(update={"sizes": (ALL_ROWS,), "data_seeds": design.data_seeds[:1]})
    splits = DesignSplits(split_records, whole)
    offered = _offered(candidates, config, design, filters)
    assert_written_for(splits, offered)
    # A trial is handed train and validation rows, and nothing else.
    context = RunContext(name, taxonomy, splits.with_validation_tested(), device, cache)
    trial = _Trial(offered, config, design, filters, learner_name, learner, context)
    trials = search(trial, config, cache, trial.identity())
    best = trials.iloc[int(trials["score"].to_numpy().argmax())]
    logger.info("search: trial %d is best, with a score of %.4f", best["trial"], best["score"])
    settings = Settings(*(_plain(best[setting]) for setting in NAMES))
    tables = {
        "trials": trials,
        "settings": pd.DataFrame([{"metric": config.metric, **best[["trial", "score", *NAMES]]}]),
        "importance": importance(trials, config),
    }
    tested = replace(trial, context=replace(context, design_splits=splits))
    arms = [tested.default_arm(), tested.tuned_arm(settings)]
    return tables, *(pd.concat(parts, ignore_index=True) for parts in zip(*arms, strict=True))


def _offered(
    candidates: pd.DataFrame, config: SearchConfig, design: DesignConfig, filters: Mapping[str, Any]
) -> pd.DataFrame:
    """Return the candidates that were written for all train rows."""
    inside = (candidates["size"] == ALL_ROWS) & (candidates["data_seed"] == design.data_seeds[0])
    if not inside.any():
        raise ValueError(
            f"there are no candidates of size {ALL_ROWS} (all rows) and data seed {design.data_seeds[0]}; run the "
            "experiment that they come from at that size"
        )
    offered = candidates[inside].reset_index(drop=True)
    asking = [name for name in config.filters if filters[name].kind == AGREEMENT]
    if asking and offered["probability"].isna().all():
        raise ValueError(
            f"analyses.search.filters names {asking[0]} (kind {AGREEMENT}), but no candidate has a probability; give "
            "an arm of the experiment that they come from a filter of that kind"
        )
    return offered


# --- the trials ---------------------------------------------------------------------------------------------------


def search(
    objective: Callable[[Settings], Mapping[str, float]], config: SearchConfig, cache: Cache, identity: str
) -> pd.DataFrame:
    """Run the trials that are still missing; return all of them.

    Args:
        objective: settings -> figures on validation rows; ``score`` is maximised, the others are kept beside it.
        config: ranges, number of trials, seed.
        cache: keeps the trials, one by one.
        identity: fingerprint of everything that a trial's score depends on; more trials go on with the same ones.

    Returns:
        A row for each trial: ``trial``, settings, ``score``, figures.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rows: list[dict[str, Any]] = []
    for number in range(config.trials):
        entry = fingerprint(identity, number)
        trial = cache.table(TRIALS, entry)
        if trial is None:
            trial = pd.DataFrame([_tried(objective, rows, config)])
            cache.save_table(TRIALS, entry, trial)
        rows.extend(trial.to_dict("records"))  # type: ignore[arg-type]
    return pd.DataFrame(rows)


def _tried(
    objective: Callable[[Settings], Mapping[str, float]], rows: list[dict[str, Any]], config: SearchConfig
) -> dict[str, Any]:
    """Return the trial that follows those before it."""
    study = _study_of(rows, config)
    # A sampler of its own for each trial: one that lived on would know how many it had drawn in this process.
    seed = int(np.random.SeedSequence([config.seed, len(rows)]).generate_state(1)[0])
    study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=config.startup_trials)
    settings = Settings(**study.ask(_distributions(config)).params)
    figures = objective(settings)
    message = "search: trial %d of %d, %s: score %.4f"
    logger.info(message, len(rows) + 1, config.trials, settings, figures["score"])
    return {"trial": len(rows), **asdict(settings), **figures}


def _study_of(rows: list[dict[str, Any]], config: SearchConfig) -> optuna.Study:
    study = optuna.create_study(direction="maximize")
    distributions = _distributions(config)
    for row in rows:
        params = {setting: row[setting] for setting in NAMES}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=row["score"]))
    return study


def _distributions(config: SearchConfig) -> dict[str, BaseDistribution]:
    low, high = config.learning_rate
    return {
        "learning_rate": FloatDistribution(low, high, log=True),
        "epochs": IntDistribution(1, config.max_epochs),
        "synthetic_share": CategoricalDistribution(config.synthetic_shares),
        "tau": CategoricalDistribution(config.taus),
    }


def importance(trials: pd.DataFrame, config: SearchConfig) -> pd.DataFrame:
    """Return ``setting, share`` of the spread that each explains (fANOVA, Hutter et al. 2014); few trials: no rows."""
    columns = ["setting", "share"]
    if len(trials) < IMPORTANCE_FROM or trials["score"].nunique() < 2:
        return pd.DataFrame({"setting": pd.Series(dtype="str"), "share": pd.Series(dtype="float64")})
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=config.seed)
    study = _study_of(trials.to_dict("records"), config)  # type: ignore[arg-type]
    shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return pd.DataFrame([(setting, float(share)) for setting, share in shares.items()], columns=columns)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


@dataclass(frozen=True)
class _Trial:
    candidates: pd.DataFrame
    config: SearchConfig
    design: DesignConfig
    filters: Mapping[str, Any]
    learner_name: str
    learner: TunedConfig
    context: RunContext

    def identity(self) -> str:
        """Return the fingerprint of all that a trial's score depends on."""
        splits = self.context.design_splits
        # How many trials there are makes no difference to what a trial finds.
        relevant = self.config.model_copy(update={"trials": 1})
        used = {name: self.filters[name].model_dump(mode="json") for name in self.config.filters}
        # All validation rows are scored; the design says which of them the fits stop and calibrate by.
        chosen_by = splits.validation_rows(ALL_ROWS)[["record_id", "text", "label"]]
        return fingerprint(
            *(splits.train, splits.validation, chosen_by, self.candidates, relevant, used),
            *(self.learner, self.context.taxonomy),
            *(contents_of(model) for model in self.learner.models()),
            self.context.device.arithmetic,
        )

    def __call__(self, settings: Settings) -> dict[str, float]:
        """Fit with these settings, once per seed; return the figures on the validation rows."""
        real = stratified_subsample(self._train, self.config.train_rows, seed=self.config.seed)
        rows = self._rows(real, added_at(settings, self.candidates, real, self.config, self.filters))
        predictions, runs = self._fit("trial", rows, with_settings(self.learner, settings), self.config.trial_seeds)
        return {
            "score": validation_score(predictions, self.config.metric),
            "accuracy": validation_score(predictions, "accuracy"),
            "log_loss": -validation_score(predictions, "log_loss"),
            **{name: int(runs[name].iloc[0]) for name in ("train_rows", "added_rows", "steps")},
        }

    def default_arm(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return predictions and runs of the learner as it is, with all that the filters keep."""
        limit = self.design.added_rows
        decisions = apply_filters(self.candidates, self.config.filters, self.filters, self._train, quota=limit)
        rows = self._rows(self._train, self.candidates[decisions["kept"]])
        return self._fit("default", rows, self.learner, self.design.seeds)

    def tuned_arm(self, settings: Settings) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return predictions and runs with the best settings, on all real train rows."""
        added = added_at(settings, self.candidates, self._train, self.config, self.filters)
        rows = self._rows(self._train, added)
        return self._fit("tuned", rows, with_settings(self.learner, settings), self.design.seeds)

    @property
    def _train(self) -> pd.DataFrame:
        return self.context.design_splits.train

    def _rows(self, real: pd.DataFrame, added: pd.DataFrame) -> pd.DataFrame:
        rows = training_rows(ArmConfig(), real, added, guard=self.context.design_splits.guard, name="the search")
        return rows.assign(size=ALL_ROWS, data_seed=self.design.data_seeds[0])

    def _fit(
        self, arm: str, rows: pd.DataFrame, learner: TunedConfig, seeds: tuple[int, ...]
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        splits = self.context.design_splits
        seeded = DesignSplits(splits.split_records, splits.design.model_copy(update={"seeds": seeds}))
        # No classifier is saved: its checkpoints go with those of the other runs.
        cache, fit = self.context.cache, fingerprint(arm, rows, learner)
        context = replace(self.context, design_splits=seeded, cache=cache.towards(TRIALS, fit))
        fitted = fit_arm(arm, ArmConfig(), rows, {self.learner_name: learner}, context)
        cache.finish(TRIALS, fit)
        return fitted.predictions, fitted.runs


def added_at(
    settings: Settings,
    candidates: pd.DataFrame,
    real: pd.DataFrame,
    config: SearchConfig,
    filters: Mapping[str, Any],
) -> pd.DataFrame:
    """Return the candidates that pass the filters at ``settings.tau``: ``synthetic_share`` a real row at most.

    They are drawn at random, so that a larger share holds the smaller one; where fewer pass, all are taken.

    A ``tau`` of 0 leaves the filter ``label_agreement`` out. The candidates are those of one draw.
    """
    names = [name for name in config.filters if settings.tau > 0 or filters[name].kind != AGREEMENT]
    changed = {
        name: filters[name].model_copy(update={"tau": settings.tau} if filters[name].kind == AGREEMENT else {})
        for name in names
    }
    decisions = apply_filters(candidates, names, changed, real)
    shuffled = candidates[decisions["kept"]].sample(frac=1, random_state=config.seed)
    quota = (settings.synthetic_share * real["label"].value_counts()).round()
    place = shuffled.groupby("label").cumcount()
    inside = place.to_numpy() < quota.reindex(shuffled["label"]).fillna(0).to_numpy()
    return shuffled[inside].sort_index()


def with_settings(learner: TunedConfig, settings: Settings) -> TunedConfig:
    """Return the learner with the trial's learning rate and epochs."""
    changes = {"steps": None, "epochs": float(settings.epochs), "learning_rate": settings.learning_rate}
    return learner.model_copy(update={"training": learner.training.model_copy(update=changes)})
