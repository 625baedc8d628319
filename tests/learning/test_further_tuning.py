"""A saved generator is tuned further, as each round of feeding back does, whatever it is made of."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from emotion_kedro.learning.checkpoints import Checkpoints, fingerprint
from emotion_kedro.learning.device import Device
from emotion_kedro.learning.generators import Texts, load_generator, prepare_base, train_generator
from emotion_kedro.options import GenerationOptions

TRAINING = {"steps": 3, "batch_size": 8, "learning_rate": 1e-2}
SCRATCH = {"layers": 1, "width": 32, "heads": 2, "vocabulary": 400, "training": TRAINING}


@pytest.mark.slow
@pytest.mark.parametrize("base", ["scratch", "pretrained", "warmed up"])
@pytest.mark.parametrize("tuning", ["lora", "last_layers", "full"])
def test_a_generator_goes_on_from_where_it_was(
    base: str, tuning: str, records: pd.DataFrame, tiny_gpt2: Path, tmp_path: Path, cpu: Device
) -> None:
    options = GenerationOptions.model_validate(
        {
            "base": "scratch" if base == "scratch" else str(tiny_gpt2),
            "scratch": SCRATCH,
            "tuning": tuning,
            "last_layers": 1,
            "warm_up": TRAINING if base == "warmed up" else None,
            "training": TRAINING,
        }
    )
    texts = Texts(records["text"].tolist()[:32], records["text"].tolist()[32:40])
    under, first, second, unmoved = (tmp_path / name for name in ("under", "first", "second", "unmoved"))
    for folder in (under, first, second, unmoved):
        folder.mkdir()

    def store(name: str) -> Checkpoints:
        return Checkpoints(tmp_path / "checkpoints", name, "a1")

    def tune(base: Path, steps: int, target: Path) -> float:
        """Tune what lies in ``base`` on, save it to ``target``, and return the loss of what is opened from there."""
        training = options.training.model_copy(update={"steps": steps})
        generator, _ = train_generator(
            base,
            texts,
            label="joy",
            options=options.model_copy(update={"training": training}),
            device=cpu,
            checkpoints=store(target.name),
            under=under,
        )
        generator.save(target)
        opened = load_generator(target, under, cpu).language_model
        return opened.mean_loss(opened.encode(texts.train, max_tokens=24), device=cpu, batch_size=32)

    prepare_base(texts, options, device=cpu, checkpoints=store("base"))[0].save(under)
    before = tune(under, 3, first)
    kept = fingerprint(first)
    assert tune(first, 0, unmoved) == pytest.approx(before, abs=1e-5)
    assert tune(first, 3, second) != pytest.approx(before, abs=1e-4)
    assert fingerprint(second) != kept
    assert fingerprint(first) == kept
