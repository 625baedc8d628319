"""The project's configuration: experiments are parameters with their defaults written out.

``conf/<env>/experiments/*.yml`` are read as parameters (so that ``--params=augment.records.cap=200`` reaches them) and
resolved; ``conf/<env>/taxonomies.yml`` holds the label sets. The experiment :data:`DEFAULT` has no namespace: its data
sets are those of the catalog without the ``{experiment}.`` before their names.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from click import ClickException
from kedro.config import OmegaConfigLoader
from pydantic import ValidationError

from emotion_kedro.config.experiment import Experiment
from emotion_kedro.config.resolution import resolve

DEFAULT = "augment"
PREFIX = "{experiment}."
PATTERNS = {
    "parameters": ["parameters*", "parameters*/**", "experiments/**"],
    "experiments": ["experiments/**"],
    "taxonomies": ["taxonomies*"],
}


class ExperimentError(ClickException):
    """An experiment does not fit together; the command line shows the message alone."""


class ProjectConfigLoader(OmegaConfigLoader):
    """Kedro's loader, with experiments resolved and the catalog's patterns written once."""

    def __init__(self, *args: Any, config_patterns: dict[str, list[str]] | None = None, **keywords: Any) -> None:
        """Add the patterns of experiments and taxonomies to Kedro's own."""
        super().__init__(*args, config_patterns={**PATTERNS, **(config_patterns or {})}, **keywords)
        self.merge_strategy = {"parameters": "soft", "experiments": "soft", **self.merge_strategy}
        self._resolved: dict[str, Experiment] | None = None

    def __getitem__(self, key: str) -> dict[str, Any]:
        """Return the configuration of that kind."""
        loaded = super().__getitem__(key)
        if key == "catalog":
            return with_default(loaded)
        if key == "parameters":
            resolved = {name: value.model_dump(mode="json") for name, value in self._resolve(loaded).items()}
            return {**loaded, **resolved}
        return loaded

    def experiments(self) -> dict[str, Experiment]:
        """Return every experiment of the environment by name, resolved.

        Raises:
            ExperimentError: if one of them does not fit together.
        """
        if self._resolved is None:
            self._resolved = self._resolve(super().__getitem__("parameters"))
        return self._resolved

    def _resolve(self, parameters: Mapping[str, Any]) -> dict[str, Experiment]:
        names = list(super().__getitem__("experiments"))
        taxonomies = super().__getitem__("taxonomies")
        generators = {name: list(parameters[name].get("generators") or ()) for name in names}
        return {
            name: _resolved(name, parameters[name], parameters["ingestion"], taxonomies, generators) for name in names
        }


def _resolved(name: str, raw: Any, ingestion: Any, taxonomies: Any, generators: Any) -> Experiment:
    try:
        return resolve(name, raw, ingestion=ingestion, taxonomies=taxonomies, generators_of=generators)
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, entry['loc']))}: {entry['msg']}" for entry in error.errors()]
        raise ExperimentError("\n".join([f"the experiment {name} cannot be read:", *lines])) from error
    except ValueError as error:
        raise ExperimentError(f"the experiment {name} cannot be read: {error}") from error


def with_default(catalog: dict[str, Any]) -> dict[str, Any]:
    """Return the catalog with every ``{experiment}.`` pattern also under its bare name, for the default experiment."""
    bare = {name.removeprefix(PREFIX): _filled(entry) for name, entry in catalog.items() if name.startswith(PREFIX)}
    return {**catalog, **bare}


def _filled(entry: Any) -> Any:
    if isinstance(entry, dict):
        return {key: _filled(value) for key, value in entry.items()}
    return entry.replace("{experiment}", DEFAULT) if isinstance(entry, str) else entry


_LOADERS: list[ProjectConfigLoader] = []


def use_loader(loader: ProjectConfigLoader) -> None:
    """Let the pipelines be made from this loader: that of the run, with its environment."""
    _LOADERS[:] = [loader]


def current_loader() -> ProjectConfigLoader:
    """Return the loader of the run; outside of one (``kedro registry list``) one on ``base`` and ``local``."""
    if not _LOADERS:
        from kedro.framework.project import settings
        from kedro.utils import find_kedro_project

        project = find_kedro_project(Path.cwd()) or Path.cwd()
        use_loader(ProjectConfigLoader(str(project / settings.CONF_SOURCE), **settings.CONFIG_LOADER_ARGS))
    return _LOADERS[0]
