"""Run the nodes of any Kedro project side by side with Ray, on one machine or on a cluster.

:class:`RayRunner` runs every node; :class:`RayIncrementalRunner` those that something has changed for. Ray itself is
imported when a runner is made.
"""

from emotion_kedro.runners.ray.runner import RayIncrementalRunner, RayRunner

__all__ = ["RayIncrementalRunner", "RayRunner"]
