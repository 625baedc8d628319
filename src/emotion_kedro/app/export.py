"""``emotion export``: a classifier for programs that have neither torch nor this package."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emotion_kedro.app.commands import model_option, opened
from emotion_kedro.models.cards import cleaning_sentence
from emotion_kedro.storage.whole_files import write_check_sums, written_whole

if TYPE_CHECKING:
    from emotion_kedro.app.model import EmotionModel
    from emotion_kedro.models.classifiers.encoder import EncoderClassifier

TEXTS = ("", "yes", "what a day, everything went right", "nobody wrote, and nobody came, for a very long time. " * 8)
"""Of several lengths: read by both before the export counts as done."""
CLOSE = 1e-4
"""So far may a probability be from torch's."""
COPIED = ("config.json", "tokenizer.json", "tokenizer_config.json")
USAGE = """---
library_name: onnx
pipeline_tag: text-classification
tags: [emotion-kedro, onnx]
---

# {name} as ONNX

Gives a short text one of its labels: {labels}. Texts longer than {most} tokens are cut. {cleaning}

{files}

```python
import json

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file("tokenizer.json")
tokenizer.enable_truncation({most})
tokenizer.enable_padding()
session = onnxruntime.InferenceSession("{file}")
with open("config.json", encoding="utf-8") as config:
    labels = json.load(config)["id2label"]

encoded = tokenizer.encode_batch(["your letter came this morning"])
rows = {{
    "input_ids": np.array([row.ids for row in encoded]),
    "attention_mask": np.array([row.attention_mask for row in encoded]),
}}
(logits,) = session.run(["logits"], rows)
print([labels[str(place)] for place in logits.argmax(axis=1)])
```

Softmax of the logits gives the probabilities. Made by emotion-kedro; the report of the run that trained the model has
its figures. Do not decide anything about a person by its answers.
"""


def export_onnx(model: EmotionModel, folder: Path, *, int8: bool = False) -> list[str]:
    """Write a folder with the model as ONNX, its tokenizer, its labels and a card; it is there whole or not at all.

    Args:
        model: an open one, on the processor.
        folder: a new one.
        int8: whether a second file holds the weights in 8 bits.

    Returns:
        A line for each ONNX file: its size, and what it answers beside torch.

    Raises:
        ValueError: for a model that is no encoder with a head, a folder that is there, missing packages, or answers
            that are not those of torch.
    """
    from emotion_kedro.models.classifiers.encoder import EncoderClassifier
    from emotion_kedro.models.classifiers.exporting import QUANTISED, WHOLE, require_onnx, write_int8, write_onnx

    classifier = model.classifier
    if not isinstance(classifier, EncoderClassifier):
        raise ValueError(f"{model.path} is no encoder with a head: only such models can be exported as ONNX")
    if folder.exists():
        raise ValueError(f"{folder} is there already: name a new folder, or remove it")
    require_onnx()
    with written_whole(folder, replace=False) as staging:
        staging.mkdir(parents=True)
        for name in COPIED:
            shutil.copy(model.path / name, staging)
        files = [write_onnx(classifier, staging / WHOLE)]
        files += [write_int8(files[0], staging / QUANTISED)] if int8 else []
        lines = [_checked(model, file) for file in files]
        (staging / "README.md").write_text(_card(classifier, files), encoding="utf-8")
        write_check_sums(staging)
    return lines


def _checked(model: EmotionModel, file: Path) -> str:
    """Let a file read texts that torch reads too.

    Raises:
        ValueError: if weights that are whole give other probabilities.
    """
    import numpy as np

    from emotion_kedro.models.classifiers.exporting import WHOLE, open_onnx

    classifier: Any = model.classifier
    difference = np.abs(open_onnx(classifier, file)(TEXTS) - model.probabilities(TEXTS)).max()
    if file.name == WHOLE and difference > CLOSE:
        raise ValueError(f"the exported model's probabilities are up to {difference:.1e} from torch's: it is not kept")
    megabytes = file.stat().st_size / 1e6
    return f"{file.name}: {megabytes:.1f} MB; probabilities of {len(TEXTS)} texts within {difference:.1e} of torch's"


def _card(classifier: EncoderClassifier, files: list[Path]) -> str:
    notes, labels = classifier.notes, classifier.labels
    kinds = ["32-bit weights", "weights in 8 bits: smaller, and less exact"]
    listed = "\n".join(f"- `{file.name}`: {kind}" for file, kind in zip(files, kinds, strict=False))
    return USAGE.format(
        name=notes["name"],
        labels=", ".join(labels),
        most=notes["max_tokens"],
        cleaning=cleaning_sentence(notes),
        files=listed,
        file=files[-1].name,
    )


@click.command()
@click.option("--onnx", is_flag=True, required=True, expose_value=False, help="As ONNX: the one format there is.")
@click.option("--int8", is_flag=True, help="Also with weights in 8 bits: a quarter of the size, faster, less exact.")
@click.option("--out", "target", type=click.Path(path_type=Path), required=True, help="A folder, which is made.")
@model_option
def export(int8: bool, target: Path, model: Path | None) -> None:
    """Write a classifier for programs that have no torch: any encoder with a head.

    Needs the extra onnx: pip install 'emotion-kedro[onnx]'

    \b
    emotion export --onnx --out exported
    emotion export --onnx --int8 --model data/06_models/latest/real --out small
    """  # noqa: D301 - click wants the character itself
    try:
        lines = export_onnx(opened(model, device="cpu"), target, int8=int8)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from None
    click.echo("\n".join([*lines, f"{target}/README.md says how it is used"]))
