"""Commands: those of emotion-kedro, for ``kedro run`` and ``kedro status`` too."""

from emotion_kedro.cli import cli

__all__ = ["cli"]
