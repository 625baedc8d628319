"""Model cards: what a saved model is, for whoever finds its directory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emotion_kedro.config.base import CLEANING

EXAMPLE = "your letter came this morning"
"""Stands where no test row may: nothing is claimed about what is read in it."""

PIPELINE = 'pipeline("text-classification", model={path})({text}, truncation=True)'
HEADED = f"""```python
from transformers import pipeline

{PIPELINE.format(path='"."', text=json.dumps(EXAMPLE))}
```"""
"""How a classifier with a head of its own is used without this package."""

PROMPTED = """```python
import json

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

model, tokenizer = AutoModelForCausalLM.from_pretrained("."), AutoTokenizer.from_pretrained(".")
with open("prompt.json", encoding="utf-8") as prompt_file, open("classifier.json", encoding="utf-8") as notes_file:
    prompt, most = json.load(prompt_file), json.load(notes_file)["max_tokens"]


def tokens(text):
    return tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids


text = tokenizer.decode(tokens("your letter came this morning")[0, :most])  # a longer one is cut
prompted = tokens(prompt["question"] + text + prompt["answer"])
scores = []
for word in prompt["words"].values():
    answer = tokens(prompt["separator"] + word)
    with torch.no_grad():
        logits = model(torch.cat([prompted, answer], dim=1)).logits[0, prompted.shape[1] - 1 : -1]
    scores.append(logits.log_softmax(-1).gather(1, answer.T).mean())
print(dict(zip(prompt["words"], torch.stack(scores).softmax(0).tolist())))
```"""
"""How a causal model that answers a question is used without this package."""

FILLED = """```python
import json

import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

model, tokenizer = AutoModelForMaskedLM.from_pretrained("."), AutoTokenizer.from_pretrained(".")
with open("prompt.json", encoding="utf-8") as prompt_file, open("classifier.json", encoding="utf-8") as notes_file:
    prompt, most = json.load(prompt_file), json.load(notes_file)["max_tokens"]

read = tokenizer("your letter came this morning", add_special_tokens=False).input_ids[:most]  # a longer one is cut
prompted = prompt["question"] + tokenizer.decode(read) + prompt["answer"]
scores = []
for word in prompt["words"].values():
    ids = tokenizer(prompt["separator"] + word, add_special_tokens=False).input_ids
    masked = tokenizer(prompted + tokenizer.mask_token * len(ids), return_tensors="pt")
    with torch.no_grad():
        scored = model(**masked).logits[0, -1 - len(ids) : -1].log_softmax(-1)
    scores.append(scored[range(len(ids)), ids].mean())
print(dict(zip(prompt["words"], torch.stack(scores).softmax(0).tolist())))
```"""
"""How a masked model that answers a question is used without this package."""

LINEAR = """`emotion_kedro.models.classifiers.load_classifier` opens the directory: a logistic regression,
`softmax(features @ weights.T + bias)`, and what its features need."""

UNCHANGED = """The weights are those of the base model, unchanged, and are not copied here: `reference.json` names them.
`emotion_kedro.models.classifiers.load_classifier` opens the directory."""


def usage_line(directory: Path, path: str, text: str = EXAMPLE) -> str:
    """Return the line that answers for a text, once :func:`usage_imports` are done.

    ``path`` is that by which the directory is opened, as seen from where the line is run.
    """
    given, place = json.dumps(text, ensure_ascii=False), json.dumps(path)
    if _has_head(directory):
        return PIPELINE.format(path=place, text=given)
    return f"load_model({place}).predict([{given}])"


def usage_imports(directory: Path) -> str:
    """Return what stands before :func:`usage_line`: of ``transformers`` where it opens the directory, else ours."""
    if _has_head(directory):
        return "from transformers import pipeline"
    return "from emotion_kedro.app import load_model"


def _has_head(directory: Path) -> bool:
    """Whether it is a model with a classification head, which a pipeline of ``transformers`` opens."""
    file = directory / "config.json"
    architectures = json.loads(file.read_text(encoding="utf-8")).get("architectures") if file.is_file() else None
    return any(name.endswith("ForSequenceClassification") for name in architectures or ())


def calibration_sentence(notes: dict[str, Any]) -> str:
    """Return what was done to the probabilities, from what stands in ``classifier.json``."""
    calibration = notes.get("calibration")
    if calibration is None:
        return "Probabilities are not calibrated: they are as training left them."
    if not calibration["validation_rows"]:
        return "Probabilities are not calibrated: there were no validation rows (temperature 1)."
    return (
        f"Probabilities are calibrated by a temperature of {calibration['temperature']:.3f} "
        f"(Guo et al. 2017, arXiv 1706.04599), which {calibration['validation_rows']} validation rows chose: their log "
        f"loss went from {calibration['loss_before']:.3f} to {calibration['loss']:.3f}. It is in the weights of the "
        "last layer."
    )


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
    training, steps = notes.get("training"), notes.get("log", {}).get("steps", "?")
    settings = (
        "" if training is None else f" of {training['batch_size']} texts, learning rate {training['learning_rate']}"
    )
    return f"""---
pipeline_tag: {tag}
tags: [emotion-kedro]
---

# {notes["name"]}

Gives a short text one of its labels: {", ".join(labels)}.

- base model: `{notes["base"]}`
- trained on: {rows} rows, {steps} optimiser steps{settings}, seed {notes["seed"]}
- {calibration_sentence(notes)[0].lower()}{calibration_sentence(notes)[1:]}
- {cleaning_sentence(notes)}

{usage}

Made by emotion-kedro. Its figures, with intervals, are in the report of the run that made it. Labels of this kind are
one annotator's reading of a text without its context; do not decide anything about a person by them.
"""


def cleaning_sentence(notes: dict[str, Any]) -> str:
    """Return how texts are cleaned before they are read, and by whom, from what stands in ``classifier.json``."""
    if not notes.get(CLEANING):
        return "It learned from texts as they came."
    steps = ", ".join(f"`{step}`" for step in notes[CLEANING])
    return (
        f"It learned from cleaned texts ({steps}). `emotion predict` and `emotion_kedro.app.load_model` clean what "
        "they are given as well; other programs do not."
    )


def masked_base_card(base: str, log: dict[str, Any]) -> str:
    """Return the ``README.md`` of a masked language model that was trained here on raw text."""
    origin = "a small BERT, from scratch" if base == "scratch" else f"`{base}`"
    return f"""---
pipeline_tag: fill-mask
tags: [emotion-kedro]
---

# Masked language model

What classifiers start from. Trained on the raw train texts of a run, without their labels, as BERT was.

- start: {origin}
- training: {log.get("steps", "?")} optimiser steps, {log.get("rows", "?")} texts

It has read little: what it fills in is no measure of what larger models would.
"""


def adapter_card(base: str | None) -> str:
    """Return the ``README.md`` of a directory of low-rank adapters."""
    return f"""---
library_name: peft
tags: [emotion-kedro]
---

# Adapters of a text generator

Low-rank adapters on `{base}`, tuned on the bare texts of one label, or of all of them for the base that the others
start from. `peft` opens them, and `emotion_kedro.augmentation`. What they write is training text for
classifiers, and nothing a person should be shown as said by anyone.
"""
