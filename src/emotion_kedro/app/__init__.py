"""What people do with a trained model: predict, explain, generate. ``emotion`` does the same in a terminal."""

from emotion_kedro.app.model import EmotionModel, Explanation, Prediction, load_model, models_in

__all__ = ["EmotionModel", "Explanation", "Prediction", "load_model", "models_in"]
