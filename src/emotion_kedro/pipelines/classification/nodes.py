"""Composing the arms' training rows, fitting their classifiers, and reading candidates with one of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from emotion_kedro.config.base import CLEANING, Frame
from emotion_kedro.config.experiment import ArmConfig, DesignConfig
from emotion_kedro.config.models import MaskedLanguageModelConfig, learner_config
from emotion_kedro.config.taxonomy import TaxonomyConfig


def adapt_base(
    split_records: Frame,
    taxonomy: dict[str, Any],
    config: MaskedLanguageModelConfig,
    device: str,
    cache: str,
    unlabelled_texts: Frame | None = None,
) -> tuple[Any, dict[str, Any]]:
    """Train a masked language model on raw train texts, and on unlabelled ones that are no copy of a held-out text.

    Return it and its training log.
    """
    import pandas as pd

    from emotion_kedro.data.leak_guard import LeakGuard
    from emotion_kedro.data.splitting import UNGROUPED, Splits
    from emotion_kedro.models.device import choose_device
    from emotion_kedro.models.masked_lms import prepare_masked_base
    from emotion_kedro.storage.cache import Cache
    from emotion_kedro.storage.identity import contents_of, fingerprint

    splits = Splits.of(split_records)
    chosen, validation = choose_device(device), splits.validation["text"]
    if len(validation) > config.validation_texts:
        validation = validation.sample(config.validation_texts, random_state=config.seed)
    train = splits.train["text"].tolist()
    guard = LeakGuard(pd.concat([splits.validation, splits.test], ignore_index=True))
    if unlabelled_texts is not None:
        more = unlabelled_texts.loc[unlabelled_texts["split"] == "train", "text"].tolist()
        # Whatever the split: a base is shared, and may not have met what is tested on.
        held_out = guard.copies(more)
        train += [text for text, copied in zip(more, held_out, strict=True) if not copied]
    # A tokenizer of its own is made with the words of the taxonomy.
    identity = fingerprint(config, contents_of(config.base), train, validation.tolist(), taxonomy, chosen.arithmetic)
    if (split_records["group"] != UNGROUPED).any():
        guard.assert_disjoint(splits.train, "the train rows of a base")
    model, log = prepare_masked_base(
        train,
        validation.tolist(),
        config,
        taxonomy=TaxonomyConfig.model_validate(taxonomy),
        device=chosen,
        checkpoints=Cache(cache).work("base", identity),
    )
    return model, {"texts": len(train), **log.as_dict()}


def compose_real(split_records: Frame, arm: ArmConfig, design: DesignConfig, *, name: str) -> Frame:
    """Return the training rows of an arm to which nothing is added."""
    from emotion_kedro.augmentation.mix import compose_real_arm
    from emotion_kedro.data.subsamples import DesignSplits

    return compose_real_arm(name, arm, DesignSplits(split_records, design))


def compose_added(
    split_records: Frame,
    candidates: Frame,
    arm: ArmConfig,
    design: DesignConfig,
    filters: dict[str, Any],
    *,
    name: str,
) -> tuple[Frame, Frame]:
    """Return the training rows of an arm, and what it decided of each candidate."""
    from emotion_kedro.augmentation.draws import assert_written_for
    from emotion_kedro.augmentation.mix import compose_arm
    from emotion_kedro.config.filters import filter_configs
    from emotion_kedro.data.subsamples import DesignSplits

    splits = DesignSplits(split_records, design)
    assert_written_for(splits, candidates)
    return compose_arm(name, arm, splits, candidates, filter_configs(filters))


def fit_arm(
    rows: Frame,
    split_records: Frame,
    taxonomy: dict[str, Any],
    experiment: str,
    arm: ArmConfig,
    learners: dict[str, Any],
    design: DesignConfig,
    cleaning: list[str],
    device: str,
    cache: str,
    *,
    name: str,
    **bases: Path,
) -> tuple[Any, Frame, Frame, Frame]:
    """Run the arm with every learner, size and seed.

    Return a classifier, the predictions of test and of validation rows, and the runs.

    ``bases`` are the directories of the models that were made in this experiment, by name. ``cleaning`` are the steps
    that were done to its texts: whoever asks the classifier has to do them too.
    """
    from emotion_kedro.experiments import run
    from emotion_kedro.models.language_models import resolve

    configs = {key: learner_config(value) for key, value in learners.items()}
    for key, learner in configs.items():
        base = getattr(learner, "base_model", None)
        if base is not None:
            # By content from here on, as any other base.
            configs[key] = learner.model_copy(update={"base": str(resolve(bases[base])), "base_model": None})
    context = _context(split_records, taxonomy, experiment, design, device, cache)
    fitted = run.fit_arm(name, arm, rows, configs, context)
    fitted.classifier.notes[CLEANING] = list(cleaning)
    return fitted.classifier, fitted.predictions, fitted.validation_predictions, fitted.runs


def fit_baselines(
    split_records: Frame,
    taxonomy: dict[str, Any],
    experiment: str,
    design: DesignConfig,
    device: str,
    cache: str,
) -> Frame:
    """Return what the commonest label and TF-IDF predict for the test rows."""
    from emotion_kedro.experiments import run

    return run.fit_baselines(_context(split_records, taxonomy, experiment, design, device, cache))


def collect_runs(**tables: Frame) -> tuple[Frame, ...]:
    """Return the tables of all arms, those of a kind in one: of predictions (with the baselines'), runs, decisions.

    Args:
        tables: ``predictions_0``, ``predictions_1``, ..., ``validation_predictions_0``, ..., ``runs_0``, ...
    """
    import pandas as pd

    kinds = dict.fromkeys(name.rpartition("_")[0] for name in tables)
    return tuple(
        pd.concat([table for name, table in tables.items() if name.startswith(f"{kind}_")], ignore_index=True)
        for kind in kinds
    )


def read_candidates(model: Path, candidates: Frame, device: str) -> Frame:
    """Return what a classifier that took no part in filtering reads in every candidate."""
    import pandas as pd

    from emotion_kedro.experiments.run import prediction_columns
    from emotion_kedro.models.classifiers import load_classifier
    from emotion_kedro.models.device import choose_device

    chosen = choose_device(device)
    classifier = load_classifier(model, chosen)
    read = prediction_columns(classifier.probabilities(candidates["text"].tolist(), device=chosen), classifier.labels)
    return pd.concat([candidates[["candidate_id", "label"]].reset_index(drop=True), read], axis=1)


def _context(
    split_records: Frame,
    taxonomy: dict[str, Any],
    experiment: str,
    design: DesignConfig,
    device: str,
    cache: str,
) -> Any:
    from emotion_kedro.data.subsamples import DesignSplits
    from emotion_kedro.experiments.run import RunContext
    from emotion_kedro.models.device import choose_device
    from emotion_kedro.storage.cache import Cache

    return RunContext(
        experiment=experiment,
        taxonomy=TaxonomyConfig.model_validate(taxonomy),
        design_splits=DesignSplits(split_records, design),
        device=choose_device(device),
        cache=Cache(cache),
    )
