"""Model cards: what a saved model is, for whoever finds its directory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

HEADED = """```python
from transformers import pipeline

pipeline("text-classification", model=".")("what a day, everything went right")
```"""
"""How a classifier with a head of its own is used without this package."""

ASKED = """```python
import json

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

model, tokenizer = AutoModelForCausalLM.from_pretrained("."), AutoTokenizer.from_pretrained(".")
with open("prompt.json", encoding="utf-8") as file:
    prompt = json.load(file)


def tokens(text):
    return tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids


asked = tokens(prompt["question"] + "what a day, everything went right" + prompt["answer"])
scores = []
for word in prompt["words"].values():
    answer = tokens(prompt["separator"] + word)
    with torch.no_grad():
        logits = model(torch.cat([asked, answer], dim=1)).logits[0, asked.shape[1] - 1 : -1]
    scores.append(logits.log_softmax(-1).gather(1, answer.T).mean())
print(dict(zip(prompt["words"], torch.stack(scores).softmax(0).tolist())))
```"""
"""How a causal model that answers a question is used without this package."""

UNCHANGED = """The weights are those of the base model, unchanged, and are not copied here: `reference.json` names them.
`emotion_kedro.learning.classifiers.load_classifier` opens the directory."""


def classifier_card(
    labels: Sequence[str], notes: dict[str, Any], *, usage: str = HEADED, tag: str = "text-classification"
) -> str:
    """Return the ``README.md`` of a classifier's directory.

    Args:
        labels: what it can answer.
        notes: what stands in its ``classifier.json``.
        usage: how it is used without this package; the code works where the directory is.
        tag: the task, as a hub names it.
    """
    rows = ", ".join(f"{count} {origin}" for origin, count in notes["rows"].items())
    log = notes.get("log", {})
    return f"""---
pipeline_tag: {tag}
tags: [emotion, emotion-kedro]
---

# {notes["name"]}

Reads the emotion of a short text: {", ".join(labels)}.

- base model: `{notes["base"]}`
- trained on: {rows} rows, {log.get("steps", "?")} optimiser steps of {notes["training"]["batch_size"]} texts,
  learning rate {notes["training"]["learning_rate"]}, seed {notes["seed"]}

{usage}

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
