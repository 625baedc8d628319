"""Searching settings on the validation rows; comparing the best of them with the untuned ones on the test rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from emotion_kedro.learning.checkpoints import Checkpoints, contents_of, fingerprint
from emotion_kedro.learning.device import Device, choose_device
from emotion_kedro.learning.mixes import compose_mix
from emotion_kedro.options import ClassificationOptions, EvaluationOptions, SynthesisOptions, UnificationOptions
from emotion_kedro.options.tune import TuneOptions
from emotion_kedro.pipelines.classification.nodes import compose_augmented, fit_arm, predictions_table, side_of
from emotion_kedro.pipelines.evaluation.nodes import bootstrap_of, groups_of
from emotion_kedro.taxonomy import labels_of

if TYPE_CHECKING:
    from emotion_kedro.learning.tuning import Settings

SYSTEM = "S15"


def search_settings(
    development_records: pd.DataFrame,
    candidates: pd.DataFrame,
    options: TuneOptions,
    synthesis: SynthesisOptions,
    classification: ClassificationOptions,
    unification: UnificationOptions,
    device: str,
    checkpoints: str,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Try settings, each fitted on train rows and scored on validation rows; return the trials, and the best of them.

    Raises:
        ValueError: if there is a test row among the records: nothing here may know it.
    """
    from emotion_kedro.learning.tuning import search
    from emotion_kedro.text.sampling import thin_out

    if (development_records["split"] == "test").any():
        raise ValueError("there are test rows among the records of the search; it may see train and validation alone")
    chosen = choose_device(device)
    train = side_of(development_records, "train")
    real = thin_out(train, pd.Series(True, index=train.index), options.train_rows, seed=options.seed)
    validation, labels = side_of(development_records, "validation"), labels_of(unification.taxonomy)
    trial = _Trial(real, validation, candidates, options, synthesis, classification, labels, chosen, checkpoints)
    # The number of trials and the folder do not matter to what a trial finds: more trials go on with the same study.
    relevant = options.model_copy(update={"trials": 1, "storage": ""})
    identity = fingerprint(
        *(development_records, candidates, relevant, synthesis.filter, classification, unification),
        *(contents_of(classification.classifier.base), chosen.kind),
    )
    return search(trial, options, identity=identity)


@dataclass(frozen=True)
class _Trial:
    real: pd.DataFrame
    validation: pd.DataFrame
    candidates: pd.DataFrame
    options: TuneOptions
    synthesis: SynthesisOptions
    classification: ClassificationOptions
    labels: tuple[str, ...]
    device: Device
    checkpoints: str

    def __call__(self, settings: Settings) -> Mapping[str, float]:
        """Fit with these settings, once per seed; return the figures on the validation rows."""
        from emotion_kedro.learning.tuning import with_settings
        from emotion_kedro.measures.validation import validation_score

        mix = _mix("trial", self.real, self.candidates, settings, self.options, self.synthesis, self.classification)
        tried = with_settings(self.classification, settings)
        tables = [self._predictions(mix, tried, seed) for seed in self.options.trial_seeds]
        predictions = pd.concat(tables, ignore_index=True)
        return {
            "score": validation_score(predictions, self.labels, self.options.metric),
            "accuracy": validation_score(predictions, self.labels, "accuracy"),
            "log_loss": -validation_score(predictions, self.labels, "log_loss"),
            "real_rows": int((mix["origin"] == "real").sum()),
            "synthetic_rows": int((mix["origin"] == "synthetic").sum()),
            "steps": tried.classifier.training.steps_for(len(mix)),
        }

    def _predictions(self, mix: pd.DataFrame, options: ClassificationOptions, seed: int) -> pd.DataFrame:
        from emotion_kedro.learning.classifiers import Lesson, fit_classifier

        identity = fingerprint(
            *(mix, self.validation, options.classifier, options.augmentation, seed),
            *(contents_of(options.classifier.base), self.device.kind),
        )
        store = Checkpoints(self.checkpoints, "tune.trial", identity)
        lesson = Lesson(mix, self.validation, self.labels, "tune.trial", seed, options.augmentation)
        classifier, _ = fit_classifier(lesson, options.classifier, device=self.device, checkpoints=store)
        found = classifier.probabilities(self.validation["text"].tolist(), device=self.device)
        store.clear()
        return predictions_table(self.validation, found, self.labels).assign(arm="trial", seed=seed)


def _mix(
    arm: str,
    real: pd.DataFrame,
    candidates: pd.DataFrame,
    settings: Settings,
    options: TuneOptions,
    synthesis: SynthesisOptions,
    classification: ClassificationOptions,
) -> pd.DataFrame:
    from emotion_kedro.text.refiltering import filter_again, synthetic_part

    filtered = filter_again(candidates, synthesis.filter.model_copy(update={"tau": settings.tau}))
    synthetic = synthetic_part(filtered, real, settings.synthetic_share, options.seed)
    return compose_mix(
        arm,
        real=real,
        synthetic=None if synthetic.empty else synthetic,
        augmentation=classification.augmentation,
    )


def compose_tuned(
    split_records: pd.DataFrame,
    candidates: pd.DataFrame,
    tuned_settings: dict[str, Any],
    options: TuneOptions,
    synthesis: SynthesisOptions,
    classification: ClassificationOptions,
) -> pd.DataFrame:
    """Return the training rows of the best settings: all real train rows, and synthetic ones at their share and tau."""
    from emotion_kedro.learning.tuning import Settings

    settings = Settings(**tuned_settings["settings"])
    return _mix("tuned", side_of(split_records, "train"), candidates, settings, options, synthesis, classification)


def compose_default(
    split_records: pd.DataFrame, synthetic_records: pd.DataFrame, options: ClassificationOptions
) -> pd.DataFrame:
    """Return the training rows of the untuned settings: all real train rows, and all synthetic records."""
    return compose_augmented(split_records, synthetic_records, options).assign(arm="default")


def fit_best(
    tuned_settings: dict[str, Any],
    mix: pd.DataFrame,
    split_records: pd.DataFrame,
    unification: UnificationOptions,
    options: ClassificationOptions,
    device: str,
    checkpoints: str,
) -> tuple[Any, pd.DataFrame, list[dict[str, Any]]]:
    """Fit the best settings once per seed; now, and only now, the test rows are read."""
    from emotion_kedro.learning.tuning import Settings, with_settings

    tuned = with_settings(options, Settings(**tuned_settings["settings"]))
    return fit_arm(mix, split_records, unification, tuned, device, checkpoints)


def measure_tuning(
    tuned: pd.DataFrame,
    default: pd.DataFrame,
    tuned_mix: pd.DataFrame,
    default_mix: pd.DataFrame,
    split_records: pd.DataFrame,
    tuned_settings: dict[str, Any],
    classification: ClassificationOptions,
    unification: UnificationOptions,
    options: EvaluationOptions,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the scores of tuned and untuned settings and their difference, all on test rows; and the findings."""
    from emotion_kedro.learning.tuning import Settings, with_settings
    from emotion_kedro.measures.tuning import compare_settings

    tried = with_settings(classification, Settings(**tuned_settings["settings"]))
    arms = {
        "default": (default, default_mix, classification.classifier.training),
        "tuned": (tuned, tuned_mix, tried.classifier.training),
    }
    return compare_settings(
        SYSTEM,
        arms,
        labels_of(unification.taxonomy),
        groups=groups_of(split_records),
        bootstrap=bootstrap_of(options),
        bins=options.calibration_bins,
        model=classification.classifier.called,
        sources=" + ".join(sorted(str(source) for source in split_records["source"].unique())),
    )


def write_report(
    findings: list[dict[str, Any]],
    tuning: dict[str, Any],
    trials: list[dict[str, Any]],
    tuned_settings: dict[str, Any],
    run_log: dict[str, Any],
    classification: ClassificationOptions,
    options: TuneOptions,
) -> tuple[str, str, str]:
    """Return the HTML page, the Markdown page and the summary."""
    from emotion_kedro.pictures.document import write_document
    from emotion_kedro.pictures.tune import tune_document

    fitted = classification.classifier
    low, high = options.learning_rate
    setting = {
        "classifier": fitted.called,
        "default settings": f"{fitted.training.length} of {fitted.training.batch_size}, "
        f"learning rate {fitted.training.learning_rate:g}, all synthetic records",
        "searched": f"learning rate {low:g} to {high:g}, 1 to {options.max_epochs} epochs, synthetic share "
        f"{', '.join(f'{share:g}' for share in options.synthetic_shares)}, "
        f"tau {', '.join(f'{tau:g}' for tau in options.taus)}",
        "trials": f"{options.trials}, of which the first {min(options.startup_trials, options.trials)} at random",
        "seeds": ", ".join(str(seed) for seed in classification.seeds),
    }
    document = tune_document(trials, tuned_settings, tuning, default=fitted.training)
    return write_document(document, findings, run_log, setting)
