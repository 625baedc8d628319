"""A saved classifier as its users see it. No torch before a model is opened."""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotion_kedro.config.base import CLASSIFIER_NOTES, CLEANING, HAN, RECOMMENDED, digest_of_model
from emotion_kedro.storage.whole_files import assert_whole

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from emotion_kedro.models.classifiers import Classifier
    from emotion_kedro.models.device import Device

logger = logging.getLogger(__name__)

CARD = "README.md"
DIGITS = 6
"""Of a probability: the rest of what is computed tells nobody anything."""
NAMED = 5
"""Models that a message names."""


@dataclass(frozen=True)
class Prediction:
    """What a model reads in a text."""

    text: str
    label: str | None
    """The likeliest label; None: the model was asked to keep to itself what it is not sure enough of."""
    probability: float
    """Of the likeliest label."""
    probabilities: dict[str, float]
    """Of each label, to six digits; but for rounding they add up to 1."""
    cut: bool = False
    """Whether the text is longer than the model reads: the rest of it was left out."""


EXPLAINED = 300
"""Words of a text that are left out one by one, at most."""


@dataclass(frozen=True)
class Explanation:
    """The words that a prediction rests on."""

    prediction: Prediction
    words: tuple[tuple[str, float], ...]
    """Each word of the text, and how much the label's probability falls without it, from -1 to 1."""
    left: int = 0
    """Words at the end of a long text that were not looked at."""

    def heaviest(self, most: int) -> list[tuple[str, float]]:
        """Return the words that weigh most; one that the text has several times says which it is: ``not (2nd)``."""
        counts = Counter(word for word, _ in self.words)
        seen, named = Counter[str](), []
        for word, fall in self.words:
            seen[word] += 1
            named.append((f"{word} ({_ordinal(seen[word])})" if counts[word] > 1 else word, fall))
        return sorted(named, key=lambda pair: -abs(pair[1]))[:most]


def _ordinal(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number % 100 not in (11, 12, 13) else "th"
    return f"{number}{ending}"


class EmotionModel:
    """A classifier that is ready to be asked. Equal texts get equal answers, whatever they are asked beside."""

    def __init__(self, classifier: Classifier, device: Device, path: Path, digest: str = "") -> None:
        self._classifier, self._device = classifier, device
        self._cleaning: Sequence[str] = getattr(classifier, "notes", {}).get(CLEANING, ())
        self.path, self.digest = path, digest
        """Its folder, where another model may lie by now, and a digest of the files that were opened there."""

    @property
    def classifier(self) -> Classifier:
        """What it asks."""
        return self._classifier

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that it knows."""
        return self._classifier.labels

    def predict(self, texts: Sequence[str], *, abstain: float = 0.0) -> list[Prediction]:
        """Return a prediction for each text.

        Args:
            texts: any number; all are in memory. For files of any size: :func:`emotion_kedro.app.files.predict_file`.
            abstain: the least probability of a label that is named.

        Raises:
            ValueError: if one of them is no text, or has no word in it.
        """
        if isinstance(texts, str):
            raise ValueError("predict takes a list of texts; put the one you have into brackets")
        for number, text in enumerate(texts):
            if not isinstance(text, str):
                raise ValueError(f"text {number + 1} is {text!r}: no text")
            if not self.cleaned(text).strip():
                raise ValueError(f"text {number + 1} is {text!r}: there is nothing to read in it")
        return self._answers(texts, abstain) if len(texts) else []

    def _answers(self, texts: Sequence[str], abstain: float = 0.0) -> list[Prediction]:
        rows = self.probabilities(texts).tolist()
        return [self._prediction(text, row, abstain) for text, row in zip(texts, rows, strict=True)]

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the probabilities alone, (texts, labels)."""
        return self._classifier.probabilities([self.cleaned(text) for text in texts], device=self._device)

    def cleaned(self, text: str) -> str:
        """Return what the model reads of a text: it is cleaned as those were that it learned from."""
        from emotion_kedro.data.cleaning import clean_text

        return clean_text(text, self._cleaning)

    def _prediction(self, text: str, row: Sequence[float], abstain: float) -> Prediction:
        best = max(range(len(row)), key=row.__getitem__)
        label = self.labels[best] if row[best] >= abstain else None
        row = [round(value, DIGITS) for value in row]
        return Prediction(
            text, label, row[best], dict(zip(self.labels, row, strict=True)), self._is_cut(self.cleaned(text))
        )

    @property
    def _reader(self) -> Any:
        return getattr(self._classifier, "features", self._classifier)

    @property
    def _most_tokens(self) -> int | None:
        """Tokens of a text that are read; None: characters or words are counted, all of them."""
        return getattr(self._reader, "max_tokens", None)

    def _is_cut(self, text: str) -> bool:
        most = self._most_tokens
        # A token is a character at least: most texts need not be counted.
        if most is None or len(text) < most - 2:
            return False
        return len(self._reader.tokenizer([text], verbose=False)["input_ids"][0]) > most

    def explain(self, text: str) -> Explanation:
        """Say which words the prediction rests on, of Chinese which characters: each is left out once.

        The words are those of the text as the model reads it, cleaned; of a long text the first :data:`EXPLAINED`,
        and none that the model does not read.
        Erasure: Li et al. 2016, arXiv 1612.08220.
        """
        (whole,) = self.predict([text])
        text = self.cleaned(text)
        every = list(_WORD.finditer(text))
        explained = every[: min(EXPLAINED, self._most_tokens or EXPLAINED)]
        words = [match.group() for match in explained]
        # What a model of so many tokens reads when a word is gone; each word is one at least.
        read = text if self._most_tokens is None else text[: every[: 2 * self._most_tokens][-1].end()] if every else ""
        without = [" ".join(f"{read[: match.start()]} {read[match.end() :]}".split()) for match in explained]
        others = self._answers(without) if len(words) > 1 else []
        label = whole.label
        assert label is not None
        falls = [whole.probability - other.probabilities[label] for other in others] or [0.0]
        return Explanation(whole, tuple(zip(words, falls, strict=True)), len(every) - len(explained))


_WORD = re.compile(rf"[{HAN}]|[^\s{HAN}]+")


def project_folder() -> Path | None:
    """Return the folder of the project that the working directory is in."""
    for folder in (here := Path.cwd(), *here.parents):
        file = folder / "pyproject.toml"
        if file.is_file() and "[tool.kedro]" in file.read_text(encoding="utf-8"):
            return folder
    return None


def data_folder() -> Path:
    """Return where the project's runs keep what they make (``data_root``), as seen from the working directory."""
    import yaml

    project, root = project_folder() or Path.cwd(), "data"
    for env in ("base", "local"):
        file = project / "conf" / env / "globals.yml"
        if file.is_file():
            root = (yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get("data_root", root)
    return Path(root) if project == Path.cwd() else project / root


def latest_models() -> Path:
    """Return the folder in which runs leave their newest models, as seen from the working directory."""
    return data_folder() / "06_models/latest"


def load_model(path: Path | str | None = None, *, device: str = "auto") -> EmotionModel:
    """Open a model.

    Args:
        path: its folder; None: the model that the last ``make augment`` recommends.
        device: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        ValueError: if the folder holds no classifier of this project, of which the message names those that there are;
            or if a file of it is not what was written.
    """
    path = latest_models() / RECOMMENDED if path is None else Path(path)
    if not (path / CLASSIFIER_NOTES).is_file():
        models = _first(str(model.path) for model in models_in())
        hint = (
            f"there are: {models}"
            if models
            else "none was trained here yet: make augment, emotion try FILE, or name the folder of one"
        )
        if not models and project_folder() is None:
            hint = "this is no project's folder: name the folder of a model (-m)"
        raise ValueError(f"{path} is no folder of a classifier; {hint}")
    path = path.resolve()  # a link to the newest model may move on meanwhile
    digest = digest_of_model(path)
    assert_whole(path)
    from emotion_kedro.models.classifiers import load_classifier
    from emotion_kedro.models.device import choose_device

    place = choose_device(device)
    classifier = load_classifier(path, place)
    if digest_of_model(path) != digest:
        raise ValueError(f"the model in {path} was replaced while it was opened; give the same command again")
    return EmotionModel(classifier, place, path, digest)


def _first(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - NAMED} more (emotion models)" if len(every) > NAMED else ""
    return ", ".join(every[:NAMED]) + more


@dataclass(frozen=True)
class KnownModel:
    """A model that a run has left."""

    path: Path
    kind: str
    base: str
    labels: tuple[str, ...]
    rows: dict[str, int]
    """Texts that it learned from, by origin."""
    accuracy: str
    """On the test rows, with its interval, as its card has it; empty: it has none."""
    made: datetime


def models_in(folder: Path | None = None) -> list[KnownModel]:
    """Return the newest models below a folder (None: the project's own), those that are recommended first."""
    folder = latest_models() if folder is None else folder
    # A folder for each arm; those of experiments other than the default one lie in a folder of its name.
    models = list(_models(file for pattern in ("*", "*/*") for file in folder.glob(f"{pattern}/{CLASSIFIER_NOTES}")))
    # The default experiment's own, which predict takes as well, comes first of all.
    return sorted(
        models, key=lambda model: (model.path.name != RECOMMENDED, model.path.parent != folder, str(model.path))
    )


def _models(files: Iterable[Path]) -> Iterator[KnownModel]:
    for file in files:
        try:
            notes: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            logger.warning("%s is damaged: the model beside it is left out", file)
            continue
        card = file.with_name(CARD)
        match = re.search(
            r"^\| accuracy +\| (.*?) *\|$", card.read_text("utf-8") if card.is_file() else "", re.MULTILINE
        )
        yield KnownModel(
            file.parent,
            notes["kind"],
            str(notes.get("base", "")),
            tuple(notes.get("labels", ())),
            notes.get("rows", {}),
            match[1] if match else "",
            datetime.fromtimestamp(file.stat().st_mtime).astimezone(),
        )
