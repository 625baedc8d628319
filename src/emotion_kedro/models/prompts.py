"""The question that a language model is asked about a text, and the words that stand for the labels.

Both come from the taxonomy. A label's word (its verbaliser) may be several tokens long; how it is scored is
:mod:`emotion_kedro.models.classifiers.verbalisers`' concern.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from emotion_kedro.config.taxonomy import TaxonomyConfig

PROMPT = "prompt.json"


@dataclass(frozen=True)
class Prompt:
    """A question before the text, a cue after it, and a word for each label."""

    question: str
    answer: str
    separator: str
    """What stands between the cue and the word."""
    words: Mapping[str, str]
    """Label -> word, in the order of the labels."""

    @classmethod
    def of(cls, taxonomy: TaxonomyConfig) -> Prompt:
        """Return the prompt of a taxonomy, with the words of the options in the question."""
        prompt = taxonomy.prompt
        options = prompt.options or taxonomy.names
        words = {label: taxonomy.word(label) for label in taxonomy.names}
        # Not str.format: a question may hold other braces.
        question = prompt.question.replace("{options}", prompt.joiner.join(words[label] for label in options))
        return cls(question, prompt.answer, prompt.separator, words)

    @classmethod
    def read(cls, directory: Path) -> Prompt:
        """Return the prompt that lies beside a classifier's weights."""
        return cls(**json.loads((directory / PROMPT).read_text(encoding="utf-8")))

    def write(self, directory: Path) -> None:
        """Write it there."""
        (directory / PROMPT).write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False), encoding="utf-8")

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in their order."""
        return tuple(self.words)

    def texts(self) -> list[str]:
        """Return all that a tokenizer has to know: question, cue and words."""
        return [self.question, self.answer, *(self.separator + word for word in self.words.values())]
