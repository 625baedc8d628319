"""Which emotions exist, and the sets of them that a classifier can be taught.

A taxonomy is an ordered tuple of labels. Sources name their labels as they like; the ``label_map`` of a source
(``conf/base/parameters/ingestion.yml``) says which label here stands for each of its own.
"""

from __future__ import annotations

SIX = ("anger", "fear", "joy", "love", "sadness", "surprise")
THIRTEEN = (
    "amusement",
    "anger",
    "annoyance",
    "boredom",
    "empty",
    "excitement",
    "fear",
    "joy",
    "love",
    "neutral",
    "relief",
    "sadness",
    "surprise",
)
POLARITY = ("negative", "positive")
SEVEN = ("anger", "disgust", "fear", "happiness", "like", "sadness", "surprise")

ELEVEN = tuple(label for label in THIRTEEN if label not in {"boredom", "empty"})

EKMAN = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
GOEMOTIONS = (
    *("admiration", "amusement", "anger", "annoyance", "approval", "caring", "confusion"),
    *("curiosity", "desire", "disappointment", "disapproval", "disgust", "embarrassment", "excitement"),
    *("fear", "gratitude", "grief", "joy", "love", "nervousness", "neutral"),
    *("optimism", "pride", "realization", "relief", "remorse", "sadness", "surprise"),
)

TAXONOMIES: dict[str, tuple[str, ...]] = {
    "six": SIX,  # what EIT, EDFT and EABOT share
    "thirteen": THIRTEEN,  # EDFT and EABOT, in GoEmotions' words
    "polarity": POLARITY,  # ChnSentiCorp
    "seven": SEVEN,  # OCEMOTION
    "ekman": EKMAN,  # GoEmotions' own map on to Ekman's six, and neutral
    "goemotions": GOEMOTIONS,  # GoEmotions as it comes
    "eleven": ELEVEN,  # the thirteen, without the two that GoEmotions does not have
}

PROBABILITY_PREFIX = "p_"
"""Column ``p_<label>`` of a table of predictions holds the probability of that label."""

LABELS = frozenset(label for labels in TAXONOMIES.values() for label in labels)


def labels_of(taxonomy: str) -> tuple[str, ...]:
    """Return the labels of ``taxonomy`` in their fixed order (the class index of a label is its place here).

    Raises:
        ValueError: if there is no such taxonomy.
    """
    try:
        return TAXONOMIES[taxonomy]
    except KeyError:
        known = ", ".join(TAXONOMIES)
        raise ValueError(f"there is no taxonomy {taxonomy!r}; there are: {known}") from None
