"""Model cards: what a saved model is, for whoever finds its directory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def classifier_card(labels: Sequence[str], notes: dict[str, Any]) -> str:
    """Return the ``README.md`` of a classifier's directory."""
    rows = ", ".join(f"{count} {origin}" for origin, count in notes["rows"].items())
    log = notes.get("log", {})
    return f"""---
pipeline_tag: text-classification
tags: [emotion, emotion-kedro]
---

# {notes["name"]}

Reads the emotion of a short text: {", ".join(labels)}.

- base model: `{notes["base"]}`
- trained on: {rows} rows, {log.get("steps", "?")} optimiser steps of {notes["training"]["batch_size"]} texts,
  learning rate {notes["training"]["learning_rate"]}, seed {notes["seed"]}

```python
from transformers import pipeline

pipeline("text-classification", model=".")("what a day, everything went right")
```

Made by emotion-kedro. Its figures, with intervals, are in the report of the run that made it. Labels of this kind are
one annotator's reading of a text without its context; do not decide anything about a person by them.
"""


def adapter_card(base: str | None) -> str:
    """Return the ``README.md`` of a directory of low-rank adapters."""
    return f"""---
library_name: peft
tags: [emotion-kedro]
---

# Adapters of a text generator

Low-rank adapters on `{base}`, tuned on the bare texts of one emotion, or of all of them for the base that the others
start from. `emotion_kedro.learning.generators.load_generator` opens them. What they write is training text for
classifiers, and nothing a person should be shown as said by anyone.
"""
