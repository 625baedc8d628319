"""Questions that a language model is asked about a text, and the words that stand for the labels.

The templates are the report's, word for word. A label's word (its verbaliser) may be several tokens long; how it is
scored is :mod:`emotion_kedro.learning.classifiers.prompted`'s concern.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from emotion_kedro.taxonomy import EKMAN, ELEVEN, GOEMOTIONS, POLARITY, SEVEN, SIX, THIRTEEN

ENGLISH_ANSWER = "\nThe answer is:"
CHINESE_ANSWER = "\n答案是："


@dataclass(frozen=True)
class Prompt:
    """A question before the text, a cue after it, and a word for each label."""

    question: str
    answer: str
    verbalisers: Mapping[str, str]
    """Label -> word, in the order of the options in the question."""
    separator: str = " "
    """What stands between the cue and the word."""

    def before(self, text: str) -> str:
        """Return the text with its question, up to where the word is to come."""
        return f"{self.question}{text}{self.answer}"

    def answered(self, text: str, label: str) -> str:
        """Return the same with the label's word: what a generative model is trained on."""
        return f"{self.before(text)}{self.separator}{self.verbalisers[label]}"

    def words(self, labels: Sequence[str]) -> list[str]:
        """Return the words of ``labels``, in their order.

        Raises:
            ValueError: if the prompt has no word for one of them.
        """
        missing = [label for label in labels if label not in self.verbalisers]
        if missing:
            raise ValueError(
                f"the prompt has no word for {', '.join(missing)}; it asks for {', '.join(self.verbalisers)}"
            )
        return [self.verbalisers[label] for label in labels]


def _english(options: Sequence[str]) -> Prompt:
    question = (
        "Please read the given text, analyze its sentiment, and select one of the following emotion options: "
        f"{', '.join(options)}. \nThe text is: "
    )
    return Prompt(question, ENGLISH_ANSWER, {word: word for word in options})


# The report's own order of the options.
_REPORT_THIRTEEN = (
    *("empty", "sadness", "excitement", "neutral", "fear", "surprise", "love"),
    *("amusement", "annoyance", "joy", "boredom", "relief", "anger"),
)

PROMPTS: dict[str, Prompt] = {
    "thirteen": _english(_REPORT_THIRTEEN),
    "six": _english(SIX),
    "ekman": _english(EKMAN),
    "goemotions": _english(GOEMOTIONS),
    "eleven": _english(ELEVEN),
    "polarity": Prompt(
        "请分析给定文本的情感倾向，正向请选择正，负向请选择负。\n文本如下：",
        CHINESE_ANSWER,
        {"positive": "正", "negative": "负"},
        separator="",
    ),
    "seven": Prompt(
        "请分析给定文本的情感，并从以下选项中选择一个：乐，哀，怒，爱，惊，惧，恶。\n文本如下：",
        CHINESE_ANSWER,
        {
            "happiness": "乐",
            "sadness": "哀",
            "anger": "怒",
            "like": "爱",
            "surprise": "惊",
            "fear": "惧",
            "disgust": "恶",
        },
        separator="",
    ),
}
"""Name of a template -> the template; the names are those of the taxonomies that they ask for."""

_FOR_LABELS = {
    frozenset(labels): name
    for name, labels in (
        ("six", SIX),
        ("thirteen", THIRTEEN),
        ("ekman", EKMAN),
        ("goemotions", GOEMOTIONS),
        ("eleven", ELEVEN),
        ("polarity", POLARITY),
        ("seven", SEVEN),
    )
}


def prompt_for(labels: Sequence[str], template: str | None = None) -> Prompt:
    """Return the template of that name, or the one that asks for exactly these labels.

    Raises:
        ValueError: if there is none, or it has no word for one of the labels.
    """
    name = template if template is not None else _FOR_LABELS.get(frozenset(labels))
    if name not in PROMPTS:
        asked = f"called {template!r}" if template is not None else f"that asks for {', '.join(labels)}"
        raise ValueError(f"there is no prompt {asked}; there are: {', '.join(PROMPTS)}")
    prompt = PROMPTS[name]
    prompt.words(labels)
    return prompt
