"""The question of a prompted classifier, as it lies beside the classifier's weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from emotion_kedro.text.prompts import Prompt

PROMPT = "prompt.json"


def write_prompt(directory: Path, prompt: Prompt, labels: Sequence[str]) -> None:
    """Write the question, the cue, and the word of each label."""
    asked = {
        "question": prompt.question,
        "answer": prompt.answer,
        "separator": prompt.separator,
        "words": dict(zip(labels, prompt.words(labels), strict=True)),
    }
    (directory / PROMPT).write_text(json.dumps(asked, indent=2, ensure_ascii=False), encoding="utf-8")


def read_prompt(directory: Path) -> Prompt:
    """Return the prompt that :func:`write_prompt` wrote."""
    asked = json.loads((directory / PROMPT).read_text(encoding="utf-8"))
    return Prompt(asked["question"], asked["answer"], asked["words"], asked["separator"])
