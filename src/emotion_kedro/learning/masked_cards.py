"""Cards of masked language models, and of classifiers that ask them."""

from __future__ import annotations

from typing import Any


def masked_base_card(base: str, log: dict[str, Any]) -> str:
    """Return the ``README.md`` of a masked language model that was trained here on raw text."""
    made = "a small BERT, from scratch" if base == "scratch" else f"`{base}`"
    return f"""---
pipeline_tag: fill-mask
tags: [emotion-kedro]
---

# Masked language model

What prompted classifiers start from. Trained on the raw train texts of a run, without their labels, as BERT was.

- start: {made}
- training: {log.get("steps", "?")} optimiser steps, {log.get("rows", "?")} texts

It has read little: what it fills in is no measure of what larger models would.
"""


FILLED = """```python
import json

import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

model, tokenizer = AutoModelForMaskedLM.from_pretrained("."), AutoTokenizer.from_pretrained(".")
with open("prompt.json", encoding="utf-8") as file:
    prompt = json.load(file)

asked = prompt["question"] + "what a day, everything went right" + prompt["answer"]
scores = []
for word in prompt["words"].values():
    ids = tokenizer(prompt["separator"] + word, add_special_tokens=False).input_ids
    masked = tokenizer(asked + tokenizer.mask_token * len(ids), return_tensors="pt")
    with torch.no_grad():
        said = model(**masked).logits[0, -1 - len(ids) : -1].log_softmax(-1)
    scores.append(said[range(len(ids)), ids].mean())
print(dict(zip(prompt["words"], torch.stack(scores).softmax(0).tolist())))
```"""
"""How a masked model that answers a question is used without this package."""
