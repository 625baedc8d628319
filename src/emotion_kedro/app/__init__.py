"""What people do with a trained model: predict, explain, generate. ``emotion`` does the same in a terminal."""

from typing import TYPE_CHECKING, Any

from emotion_kedro.app.model import EmotionModel, Explanation, Prediction, load_model, models_in

if TYPE_CHECKING:
    from emotion_kedro.app.generation import Candidate, generate

__all__ = ["Candidate", "EmotionModel", "Explanation", "Prediction", "generate", "load_model", "models_in"]


def __getattr__(name: str) -> Any:
    """Import what generates when it is asked for: it takes tables and Kedro, which reading a text does not."""
    if name not in ("Candidate", "generate"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from emotion_kedro.app import generation

    return getattr(generation, name)
