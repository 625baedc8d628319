"""The same classifier with a plain tokenizer, and with words of a lexicon kept whole."""

from emotion_kedro.pipelines.lexicon.pipeline import create_pipeline

__all__ = ["create_pipeline"]
