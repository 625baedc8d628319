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
