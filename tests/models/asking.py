"""The whole prompt for a text; the classifiers read it in parts."""

from __future__ import annotations

from emotion_kedro.models.prompts import Prompt


def asked(prompt: Prompt, text: str) -> str:
    """Return the text with its question, up to where the word is to come."""
    return f"{prompt.question}{text}{prompt.answer}"
