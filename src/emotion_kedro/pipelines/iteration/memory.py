"""What the finished rounds leave behind, so that a killed run goes on with the next one."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from emotion_kedro.learning.checkpoints import Checkpoints, discard

TABLES = ("predictions", "validation", "candidates")


@dataclass(frozen=True)
class Round:
    """A finished round."""

    predictions: pd.DataFrame
    """Of the test rows; nothing in the loop looks at them."""
    validation: pd.DataFrame
    candidates: pd.DataFrame | None
    """None: round 0, which has none."""
    facts: dict[str, Any]
    """What was fed back, drawn and fitted; ``score`` on the validation rows."""


class Memory:
    """Rounds and generators of one loop, in a folder of checkpoints that goes when the run has ended."""

    def __init__(self, checkpoints: str, identity: str) -> None:
        """Point to the folder of the loop with this fingerprint."""
        self.directory = Checkpoints(checkpoints, "rounds", identity).directory

    def load(self) -> list[Round]:
        """Return the finished rounds, in order."""
        rounds: list[Round] = []
        while (folder := self.directory / f"round_{len(rounds)}").is_dir():
            tables = {
                name: pd.read_parquet(file) if (file := folder / f"{name}.parquet").is_file() else None
                for name in TABLES
            }
            facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
            assert tables["predictions"] is not None
            assert tables["validation"] is not None
            rounds.append(Round(tables["predictions"], tables["validation"], tables["candidates"], facts))
        return rounds

    def save(self, number: int, found: Round, classifier: Any) -> None:
        """Write a round and its classifier, whole or not at all; the generators of the round before are let go."""
        staging = self._staging(f"round_{number}")
        for name in TABLES:
            table = getattr(found, name)
            if table is not None:
                table.to_parquet(staging / f"{name}.parquet")
        (staging / "facts.json").write_text(json.dumps(found.facts), encoding="utf-8")
        (staging / "classifier").mkdir()
        classifier.save(staging / "classifier")
        staging.rename(self.directory / f"round_{number}")
        discard(self.directory / f"generators_{number - 1}")

    def classifier(self, number: int) -> Path:
        """Return the directory of a round's classifier."""
        return self.directory / f"round_{number}" / "classifier"

    def generator(self, number: int, label: str) -> Path:
        """Return the directory of a label's generator after a round; it may not be there yet."""
        return self.directory / f"generators_{number}" / label

    def save_generator(self, number: int, label: str, generator: Any) -> None:
        """Write a generator, whole or not at all."""
        target = self.generator(number, label)
        staging = self._staging(f"generator.{number}.{label}")
        generator.save(staging)
        target.parent.mkdir(parents=True, exist_ok=True)
        staging.rename(target)

    def _staging(self, name: str) -> Path:
        staging = self.directory / f".partial-{name}"
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        return staging
