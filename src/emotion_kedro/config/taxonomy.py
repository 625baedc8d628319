"""Label sets: which labels there are, the words that stand for them, and how a language model is asked for one.

They are data: those of the project lie in ``conf/base/taxonomies.yml``, an experiment may write out its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Annotated
from urllib.parse import quote

from pydantic import AfterValidator, Field, field_validator, model_validator

from emotion_kedro.config.base import ALL, Config

LABEL = "{label}"
DESCRIPTION = "{description}"
OPTIONS = "{options}"
MOST_LABELS = 200
LONGEST_NAME = 240
"""Bytes of a label as the name of a folder, where a letter that is not ASCII takes six and a Chinese character nine."""


def check_fields(text: str, allowed: Collection[str]) -> None:
    """Raise a ``ValueError`` if a text has a field in braces that nothing is put into, or a brace alone."""
    unknown = [field for field in re.findall(r"\{[^{}]*\}|[{}]", text) if field not in allowed]
    if unknown:
        raise ValueError(f"{unknown[0]} in {text!r} is no field; there are: {', '.join(allowed) or 'none'}")


def _with_a_place(sentence: str) -> str:
    field = DESCRIPTION if DESCRIPTION in sentence else LABEL
    if field not in sentence:
        raise ValueError(f"the template {sentence!r} has no {LABEL} in it")
    check_fields(sentence, [field])
    return sentence


Sentence = Annotated[str, AfterValidator(_with_a_place)]
"""With ``{label}``, or ``{description}``."""


def spelling(label: str) -> str:
    """Return what labels have in common that differ by case or white space alone."""
    return " ".join(label.split()).casefold()


class LabelConfig(Config):
    """What is known of a label beside its name."""

    word: str | None = None
    """What a language model answers (the verbaliser); None: the label, its underscores as spaces."""
    words: tuple[str, ...] = ()
    """Everyday words for it. The first stands for the label in sentences."""
    description: str = ""
    """What it means: one text, or several with semicolons between them."""

    @model_validator(mode="after")
    def _are_not_empty(self) -> LabelConfig:
        if any(not word.strip() for word in (*self.words, *([] if self.word is None else [self.word]))):
            raise ValueError("a word is empty; leave it out")
        return self


class PromptConfig(Config):
    """The question that a language model is asked about a text, and its answer."""

    question: str = (
        "Please read the given text, analyze its sentiment, and select one of the following emotion options: "
        "{options}. \nThe text is: "
    )
    """Stands before the text; ``{options}`` becomes the words of the labels."""
    answer: str = "\nThe answer is:"
    """Stands behind the text."""
    separator: str = " "
    """Between the answer's cue and the word."""
    options: tuple[str, ...] | None = None
    """The labels in the order of the question; None: in their own."""
    joiner: str = ", "
    template: str = "This text expresses {label}"
    """A sentence that names a label, for methods that have nothing else to learn it from."""

    @field_validator("template")
    @classmethod
    def _names_the_label(cls, template: str) -> str:
        if LABEL not in template:
            raise ValueError(f"{template!r} has no {LABEL} in it")
        check_fields(template, [LABEL])
        return template

    @model_validator(mode="after")
    def _have_no_other_fields(self) -> PromptConfig:
        for name, text, allowed in (("question", self.question, [OPTIONS]), ("answer", self.answer, [])):
            try:
                check_fields(text, allowed)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        return self


class TaxonomyConfig(Config):
    """An ordered label set: the place of a label here is its class index."""

    labels: Annotated[dict[str, LabelConfig | None], Field(min_length=2)]
    prompt: PromptConfig = PromptConfig()

    @field_validator("labels")
    @classmethod
    def _are_few_and_short(cls, labels: dict[str, LabelConfig | None]) -> dict[str, LabelConfig | None]:
        if len(labels) > MOST_LABELS:
            raise ValueError(f"there are {len(labels)} labels, and {MOST_LABELS} at most can be told apart; merge some")
        for label in labels:
            if len(quote(label, safe="")) > LONGEST_NAME:
                raise ValueError(f"the label {label[:20]}... is too long for the name of a folder; give it a short one")
        return labels

    @property
    def names(self) -> tuple[str, ...]:
        """The labels, in order."""
        return tuple(self.labels)

    def word(self, label: str) -> str:
        """Return the word that a language model answers for a label."""
        config = self.labels[label]
        return label.replace("_", " ") if config is None or config.word is None else config.word

    def spoken(self, label: str) -> str:
        """Return the word that stands for a label in a sentence."""
        config = self.labels[label]
        return self.word(label) if config is None or not config.words else config.words[0]

    def words(self, label: str) -> tuple[str, ...]:
        """Return all everyday words for a label, each once; the one that stands for it in a sentence comes first."""
        config = self.labels[label]
        return tuple(dict.fromkeys([self.spoken(label), *(() if config is None else config.words)]))

    def sentences(self, label: str, sentence: str | None = None) -> tuple[str, ...]:
        """Return a sentence for each word of a label, or for each text of its description, in their order.

        Args:
            label: one of the taxonomy.
            sentence: with ``{label}`` where the word goes, or ``{description}``; None: that of the prompt.
        """
        sentence = self.prompt.template if sentence is None else sentence
        if DESCRIPTION in sentence:
            config = self.labels[label]
            texts = filter(None, (text.strip() for text in (config.description if config else "").split(";")))
            return tuple(sentence.replace(DESCRIPTION, text) for text in texts)
        return tuple(sentence.replace(LABEL, word) for word in self.words(label))

    @classmethod
    def from_labels(cls, names: Iterable[str]) -> TaxonomyConfig:
        """Return the taxonomy of these labels, in their order, with no words but their names.

        Raises:
            ValidationError: if there are fewer than 2 or more than 200.
        """
        return cls(labels=dict.fromkeys(names))

    @field_validator("labels")
    @classmethod
    def _have_names(cls, labels: dict[str, LabelConfig | None]) -> dict[str, LabelConfig | None]:
        blank = [label for label in labels if not label.strip() or label != label.strip()]
        if blank:
            raise ValueError(f"the label {blank[0]!r} is empty or has white space at an end")
        if ALL in labels:
            raise ValueError(f"no label may be called {ALL}: it stands for all of them in tables; map it to another")
        spellings = Counter(map(spelling, labels))
        alike = [label for label in labels if spellings[spelling(label)] > 1]
        if alike:
            raise ValueError(f"{', '.join(alike)} differ by case or space alone; a source's label could be any of them")
        return labels

    @model_validator(mode="after")
    def _words_tell_labels_apart(self) -> TaxonomyConfig:
        repeated = [word for word, count in Counter(map(self.word, self.labels)).items() if count > 1]
        if repeated:
            labels = [label for label in self.labels if self.word(label) == repeated[0]]
            raise ValueError(f"the word {repeated[0]!r} stands for {' and '.join(labels)}; give each its own `word`")
        return self

    @model_validator(mode="after")
    def _no_word_says_two_labels(self) -> TaxonomyConfig:
        """A sentence with such a word would be a training text of both."""
        owners: dict[str, str] = {}
        for label in self.labels:
            for word in (self.word(label), *self.words(label)):
                owner = owners.setdefault(spelling(word), label)
                if owner != label:
                    raise ValueError(f"{word!r} is among the words of {owner} and {label}; leave it to one of them")
        return self

    @model_validator(mode="after")
    def _question_asks_for_all(self) -> TaxonomyConfig:
        options = self.prompt.options
        if options is not None and sorted(options) != sorted(self.labels):
            wrong = sorted({*options} ^ {*self.labels}) or sorted(options)
            raise ValueError(f"prompt.options has to name each label once; see {', '.join(wrong)}")
        return self
