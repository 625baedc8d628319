"""The arms of the comparison of tokenizers."""

from __future__ import annotations

from emotion_kedro.options.base import Options
from emotion_kedro.options.classification import LexiconOptions


class LexiconArmsOptions(Options):
    """The lexicon of each arm; the arm ``plain`` has none."""

    label_words: LexiconOptions = LexiconOptions()
    mined_words: LexiconOptions = LexiconOptions(words="mined")

    def arms(self) -> dict[str, LexiconOptions]:
        """Return the lexicons by arm."""
        return {"label_words": self.label_words, "mined_words": self.mined_words}
