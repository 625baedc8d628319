"""The project's configuration: experiments are parameters with their defaults written out.

``conf/<env>/experiments/*.yml`` are read as parameters (so that ``--params=augment.records.cap=200`` reaches them) and
resolved; ``conf/<env>/taxonomies.yml`` holds the label sets. The experiment :data:`DEFAULT` has no namespace: its data
sets are those of the catalog without the ``{experiment}.`` before their names.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from click import ClickException
from kedro.config import OmegaConfigLoader
from pydantic import ValidationError
from yaml import YAMLError

from emotion_kedro.config.base import Config
from emotion_kedro.config.experiment import Experiment
from emotion_kedro.config.resolution import resolve

DEFAULT = "augment"
PREFIX = "{experiment}."
LATEST = "latest/{experiment}"
"""Below it are the newest models of an experiment; those of the default one lie in ``latest`` itself."""
PATTERNS = {
    "experiments": ["experiments/**"],
    "taxonomies": ["taxonomies*"],
    # Parameters as they stand in files, without experiments and the command line.
    "settings": ["parameters*", "parameters*/**"],
}


DUPLICATES = "Duplicate keys found in"
"""How Kedro begins what it says of a name that stands in two files."""


class ExperimentError(ClickException):
    """An experiment does not fit together; the command line shows the message alone."""


class ProjectConfigLoader(OmegaConfigLoader):
    """Kedro's loader, with experiments resolved and the catalog's patterns written once."""

    def __init__(self, *args: Any, config_patterns: dict[str, list[str]] | None = None, **keywords: Any) -> None:
        """Add the patterns of experiments and taxonomies to Kedro's own."""
        super().__init__(*args, config_patterns={**PATTERNS, **(config_patterns or {})}, **keywords)
        self.merge_strategy = {**dict.fromkeys(("experiments", "settings"), "soft"), **self.merge_strategy}
        self._resolved: dict[str, Experiment] | None = None

    def __getitem__(self, key: str) -> dict[str, Any]:
        """Return the configuration of that kind.

        Raises:
            ExperimentError: if a file cannot be read; it names file and line.
        """
        with _in_a_line():
            return self._configuration(key)

    def _configuration(self, key: str) -> dict[str, Any]:
        if key == "parameters":
            resolved = {name: value.model_dump(mode="json") for name, value in self.experiments().items()}
            return {**overridden(super().__getitem__("settings"), self.runtime_params or {}), **resolved}
        loaded = super().__getitem__(key)
        return with_default(loaded) if key == "catalog" else loaded

    def experiments(self) -> dict[str, Experiment]:
        """Return every experiment of the environment by name, resolved.

        Raises:
            ExperimentError: if one of them does not fit together.
        """
        if self._resolved is None:
            with _in_a_line():
                self._resolved = self._resolve()
        return self._resolved

    @staticmethod
    def _soft_merge(config: dict[str, Any], env_config: dict[str, Any], env_path: str | None = None) -> dict[str, Any]:
        """Kedro's merge of environments; its own goes through OmegaConf, which takes ten times as long."""
        return overridden(config, env_config)

    def _resolve(self) -> dict[str, Experiment]:
        self._check_files()
        settings, experiments = super().__getitem__("settings"), super().__getitem__("experiments")
        self._check_settings(settings, experiments)
        self._check_command_line({*settings, *experiments})
        names = list(experiments)
        parameters = overridden({**settings, **experiments}, self.runtime_params or {})
        taxonomies = super().__getitem__("taxonomies")
        generators = {name: list(parameters[name].get("generators") or ()) for name in names}
        resolved = {}
        for name in names:
            try:
                resolved[name] = resolve(
                    name,
                    parameters[name],
                    ingestion=parameters["ingestion"],
                    taxonomies=taxonomies,
                    generators_of=generators,
                )
            except ValueError as error:
                raise ExperimentError(
                    f"the experiment {name}{self._files_of(name)} cannot be read{_reasons(error)}"
                ) from error
        _check_arm_names(resolved)
        return resolved

    def _check_files(self) -> None:
        """Raise an ExperimentError for a file of an environment that nothing would read."""
        patterns = [pattern for patterns in self.config_patterns.values() for pattern in patterns]
        for folder in self._folders()[1:]:
            for file in sorted(path for path in folder.rglob("*") if path.suffix in (".yml", ".yaml", ".json")):
                name = file.relative_to(folder).as_posix()
                if not any(fnmatchcase(name, pattern) for pattern in patterns):
                    known = sorted({pattern.partition("*")[0].rstrip("/") for pattern in patterns} - {""})
                    raise ExperimentError(
                        f"nothing reads {file}{_meant(file.stem, known)} (files are called {', '.join(known)})"
                    )

    def _check_settings(self, settings: Mapping[str, Any], experiments: Mapping[str, Any]) -> None:
        """Raise an ExperimentError for a parameter of a file that nothing asks for."""
        known = {*type(self)(self.conf_source, base_env=self.base_env, env=self.base_env)._of_base(), *experiments}
        for name in (name for name in settings if name not in known):
            places = {*super().__getitem__("globals")}
            where = "; it belongs into globals.yml" if name in places else _meant(name, known)
            files = self._files_of(name, "parameters*/*.yml", "parameters*.yml")
            raise ExperimentError(f"the parameters{files} have {name}, which nothing asks for{where}")

    def _of_base(self) -> set[str]:
        return set(super().__getitem__("settings"))

    def _folders(self) -> list[Path]:
        names = dict.fromkeys(map(str, (self.base_env, self.env or self.default_run_env)))
        return [Path(self.conf_source, name) for name in names]

    def _check_command_line(self, names: Collection[str]) -> None:
        known = {*names, *super().__getitem__("globals")}
        unknown = [name for name in self.runtime_params or {} if name not in known]
        if unknown:
            meant = _meant(unknown[0], known) or f"; there are {', '.join(sorted(known))}"
            raise ExperimentError(f"--params has {', '.join(unknown)}{meant}")

    def _files_of(self, name: str, *patterns: str) -> str:
        """Return the files that an experiment, or what else stands in such files, is read from, in brackets."""
        wanted = patterns or ("experiments/**/*.yml",)
        files = [file for folder in self._folders() for each in wanted for file in sorted(folder.glob(each))]
        named = [file for file in files if re.search(rf"^{re.escape(name)}:", file.read_text("utf-8"), re.MULTILINE)]
        return f" ({', '.join(str(file) for file in named)})" if named else ""


def _check_arm_names(experiments: Mapping[str, Experiment]) -> None:
    """The newest models of the default experiment lie beside the folders of all others."""
    arms = experiments[DEFAULT].arms if DEFAULT in experiments else {}
    taken = [name for name in arms if name in experiments]
    if taken:
        raise ExperimentError(f"an arm of {DEFAULT} is called {taken[0]}, as an experiment is; give it another name")


@contextlib.contextmanager
def _in_a_line() -> Iterator[None]:
    """Say what Kedro says of files that it cannot read, or that do not fit together, without a traceback."""
    try:
        yield
    except YAMLError as error:
        raise ExperimentError(_of_yaml(error)) from error
    except ValueError as error:
        if str(error).startswith(DUPLICATES):
            raise ExperimentError(f"{error}; each has to stand in one file alone") from error
        raise


def _of_yaml(error: YAMLError) -> str:
    """Return what Kedro says of a file, with the line that the parser was at."""
    mark = getattr(error.__cause__, "problem_mark", None)
    problem = getattr(error.__cause__, "problem", None) or getattr(error.__cause__, "context", None)
    where = f", line {mark.line + 1}" if mark is not None else ""
    return f"{str(error).partition(', unable')[0]}{where}{f': {problem}' if problem else ''}"


def _reasons(error: ValueError) -> str:
    """Return what is wrong with an experiment: a line for each place."""
    if not isinstance(error, ValidationError):
        return f": {error}"
    # Of a field that may be one thing or another, the deepest place is the one that was meant.
    places: dict[str, str] = {}
    for entry in sorted(error.errors(), key=lambda entry: len(entry["loc"]), reverse=True):
        place = ".".join(str(part) for part in entry["loc"] if not re.search(r"[\[\]()]|^(str|int|float)$", str(part)))
        message = entry["msg"].removeprefix("Value error, ")
        if entry["type"] == "extra_forbidden":
            message = f"there is no such key{_meant(str(entry['loc'][-1]), _keys(Config))}"
        if not any(deeper.startswith(f"{place}.") for deeper in places):
            places.setdefault(place, message)
    return ":" + "".join(f"\n  {place}: {message}" for place, message in sorted(places.items()))


def _meant(name: str, known: Collection[str]) -> str:
    close = get_close_matches(name, sorted({*known} - {name}), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _keys(config: type[Config]) -> set[str]:
    """Return the names of the fields of all parameters."""
    return {*config.model_fields, *(key for below in config.__subclasses__() for key in _keys(below))}


def overridden(config: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration with the changes in it, key by key at every depth; a list is replaced as a whole."""
    merged = dict(config)
    for key, value in changes.items():
        both = isinstance(merged.get(key), Mapping) and isinstance(value, Mapping)
        merged[key] = overridden(merged[key], value) if both else value
    return merged


def with_default(catalog: dict[str, Any]) -> dict[str, Any]:
    """Return the catalog with every ``{experiment}.`` pattern also under its bare name, for the default experiment."""
    bare = {name.removeprefix(PREFIX): _filled(entry) for name, entry in catalog.items() if name.startswith(PREFIX)}
    return {**catalog, **bare}


def _filled(entry: Any) -> Any:
    if isinstance(entry, dict):
        return {key: _filled(value) for key, value in entry.items()}
    if not isinstance(entry, str):
        return entry
    return entry.replace(LATEST, LATEST.partition("/")[0]).replace("{experiment}", DEFAULT)


def latest_folder(root: str, experiment: str) -> str:
    """Return the folder of an experiment's newest models below ``root``, which is the parameter ``latest``."""
    return root if experiment == DEFAULT else f"{root}/{experiment}"


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
