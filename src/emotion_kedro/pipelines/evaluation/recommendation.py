"""Choosing a model by the validation rows, and handing it to users with what the test rows say of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emotion_kedro.config.base import RECOMMENDED, Frame
from emotion_kedro.config.evaluation import EvaluationConfig
from emotion_kedro.config.experiment import ArmConfig
from emotion_kedro.config.loader import latest_folder


def choose_model(
    runs: Frame, validation_predictions: Frame, recommend: Sequence[str], evaluation: EvaluationConfig
) -> Frame:
    """Return the arms that may be recommended, one of them chosen. No test row has any part in it."""
    from emotion_kedro.metrics.calibration import choose_arm

    return choose_arm(runs, validation_predictions, recommend, evaluation)


def recommend_model(
    choices: Frame,
    predictions: Frame,
    split_records: Frame,
    experiment: str,
    evaluation: EvaluationConfig,
    arms: dict[str, Any],
    latest: str,
    **parts: Any,
) -> tuple[Frame, Any]:
    """Return what the arms' models do on the test rows, and the chosen model with its card.

    ``latest`` is the folder of the newest models, as seen from the project; ``parts`` are ``rows_0``, ``rows_1``, ...,
    ``model_0``, ...: of the arms in the order of ``choices``.
    """
    from emotion_kedro.metrics.calibration import measure_choices
    from emotion_kedro.report.recommended import Learned, RecommendedModel, write_card

    measured = measure_choices(choices, predictions, split_records.set_index("record_id")["group"], evaluation)
    place = int(choices["chosen"].to_numpy().argmax())
    directory: Path = parts[f"model_{place}"]
    arm = ArmConfig.model_validate(arms[choices["arm"].iloc[place]])
    learned = Learned(parts[f"rows_{place}"], split_records, arm.filters)
    path = recommended_path(latest, experiment)
    card = write_card(experiment, measured, predictions, learned, evaluation, directory=directory, path=path)
    return measured, RecommendedModel(directory, card)


def recommended_path(latest: str, experiment: str) -> str:
    """Return where the recommended model of an experiment lies, as seen from the project."""
    return f"{latest_folder(latest, experiment)}/{RECOMMENDED}"
