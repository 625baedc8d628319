"""Kedro settings: those of emotion-kedro."""

from emotion_kedro.settings import CONFIG_LOADER_ARGS, CONFIG_LOADER_CLASS, HOOKS

__all__ = ["CONFIG_LOADER_ARGS", "CONFIG_LOADER_CLASS", "HOOKS"]
