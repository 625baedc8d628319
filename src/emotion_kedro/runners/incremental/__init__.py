"""Run again only what has changed, and say what is stale and why: for any Kedro project.

:class:`IncrementalRunner` runs the nodes that something has changed for; :class:`ManifestHooks` write down, beside each
output and under every runner, what it was made from; :func:`states_of` compares that with how things are now.
Nothing here knows what the project is about, and no other part of the project is imported.
"""

from emotion_kedro.runners.incremental.hooks import ManifestHooks
from emotion_kedro.runners.incremental.runner import IncrementalRunner
from emotion_kedro.runners.incremental.status import State, states_of

__all__ = ["IncrementalRunner", "ManifestHooks", "State", "states_of"]
