"""The project's configuration: experiments are parameters with their defaults written out.

``conf/<env>/experiments/*.yml`` are read as parameters (so that ``--params=augment.records.cap=200`` reaches them) and
resolved; ``conf/<env>/taxonomies.yml`` holds the label sets. The experiment :data:`DEFAULT` has no namespace: its data
sets are those of the catalog without the ``{experiment}.`` before their names.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from click import ClickException
from kedro.config import OmegaConfigLoader
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError
from yaml import MarkedYAMLError, YAMLError

from emotion_kedro.config.base import OTHER_THAN_ARMS, Config, choices, did_you_mean, reasons
from emotion_kedro.config.data import SharedSources
from emotion_kedro.config.experiment import Experiment
from emotion_kedro.config.resolution import FROM_DATA, resolve
from emotion_kedro.config.taxonomy import TaxonomyConfig

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


ENDINGS = {".yml", ".yaml", ".json"}
STAGES = ("ingestion", "unification", "sampling", "generation", "synthesis", "classification", "evaluation")
PAGES = ("report", "overview")
NAMESPACES = ("records", "base", "generator", "classifier")
"""Of the nodes of the default experiment; the others are stages as well."""


class ExperimentError(ClickException):
    """An experiment does not fit together; the command line shows the message alone."""


class Settings(Config):
    """The parameters beside the experiments."""

    ingestion: SharedSources
    device: Literal["auto", "cpu", "cuda"]
    cache: str
    latest: str
    mlflow: bool | None = None
    """Whether runs are tracked: :mod:`emotion_kedro.hooks.tracking`."""
    licences: dict[str, str] | None = None
    """Source -> the licence that lets texts which were written after it be handed on."""


RESERVED = frozenset({*STAGES, *PAGES, *NAMESPACES, *Settings.model_fields, *OTHER_THAN_ARMS, FROM_DATA, "results"})
NAME = re.compile(r"[A-Za-z]\w*(?<!_comparisons)(?<!_recommendation)")
"""Of an experiment; the endings are those of its tables among the results."""
NAME_RULE = "has to be of letters, digits and _, a letter first, and may not end in _comparisons or _recommendation"


class ProjectConfigLoader(OmegaConfigLoader):
    """Kedro's loader, with experiments resolved and the catalog's patterns written once."""

    def __init__(self, *args: Any, config_patterns: dict[str, list[str]] | None = None, **keywords: Any) -> None:
        """Add the patterns of experiments and taxonomies to Kedro's own.

        Raises:
            ExperimentError: if there is no such environment, or its globals cannot be read.
        """
        self._resolved: dict[str, Experiment] | None = None
        self._of_run: set[str] | None = None
        super().__init__(*args, config_patterns={**PATTERNS, **(config_patterns or {})}, **keywords)
        self.merge_strategy = {**dict.fromkeys(("experiments", "settings"), "soft"), **self.merge_strategy}
        self._check_environment()

    def __getitem__(self, key: str) -> dict[str, Any]:
        """Return the configuration of that kind.

        Raises:
            ExperimentError: if a file cannot be read; it names the file and the line.
        """
        if key == "parameters":
            resolved = {name: value.model_dump(mode="json") for name, value in self.experiments_of_run().items()}
            return {**overridden(self["settings"], self.runtime_params or {}), **resolved}
        with self._saying_which_file():
            loaded = super().__getitem__(key)
        return with_default(loaded) if key == "catalog" else loaded

    def experiments(self) -> dict[str, Experiment]:
        """Return every experiment of the environment by name, resolved.

        Raises:
            ExperimentError: if one of them does not fit together.
        """
        if self._resolved is None:
            self._resolved = self._resolve()
        return self._resolved

    def limit_to(self, pipelines: Iterable[str]) -> None:
        """Leave out parameters and pipelines of experiments that a run of these pipelines has nothing to do with.

        A run needs few of them, and all of them take longer than the rest of its start. The pages are of all.
        """
        experiments, names = self.experiments(), set[str]()
        for each in (DEFAULT, *pipelines):
            name: str | None = each
            while name is not None and name not in names:
                names.add(name)
                name = experiments[name].from_experiment if name in experiments else None
        self._of_run = None if names & set(PAGES) else names

    def experiments_of_run(self) -> dict[str, Experiment]:
        """Return the experiments that :meth:`limit_to` left; all where nothing was said."""
        left = self._of_run
        return {name: value for name, value in self.experiments().items() if left is None or name in left}

    def taken_names(self) -> set[str]:
        """Return the names that no further experiment may have."""
        experiments = self.experiments()
        return {*experiments, *(experiments[DEFAULT].arms if DEFAULT in experiments else ()), *RESERVED}

    @staticmethod
    def _soft_merge(config: dict[str, Any], env_config: dict[str, Any], env_path: str | None = None) -> dict[str, Any]:
        """Kedro's merge of environments; its own goes through OmegaConf, which takes ten times as long."""
        return overridden(config, env_config)

    def _resolve(self) -> dict[str, Experiment]:
        self._check_files()
        settings, experiments = self["settings"], self["experiments"]
        taxonomies = self["taxonomies"]
        self._check_command_line({*settings, *experiments})
        self._check_names(settings, experiments)
        self._check_experiments(experiments)
        parameters = overridden({**settings, **experiments}, self.runtime_params or {})
        with self._reading("parameters"):
            Settings.model_validate({name: parameters.get(name) for name in Settings.model_fields})
        self._check_globals()
        self._check_taxonomies(taxonomies)
        for name in experiments:
            with self._reading("experiment", name):
                if not isinstance(parameters[name], Mapping):
                    raise ValueError(f"keys such as question and records are needed, and this is {parameters[name]!r}")
        generators = {name: list(parameters[name].get("generators") or ()) for name in experiments}
        resolved = {}
        for name in experiments:
            with self._reading("experiment", name):
                resolved[name] = resolve(
                    name,
                    parameters[name],
                    ingestion=parameters["ingestion"],
                    taxonomies=taxonomies,
                    generators_of=generators,
                )
        _check_arm_names(resolved)
        return resolved

    # --- what may be wrong with files and names -------------------------------------------------------------------

    def _folders(self) -> list[Path]:
        """Return the folders of the base and of the run's environment."""
        return [Path(self.conf_source, str(env)) for env in (self.base_env, self.env or self.default_run_env)]

    def _files(self) -> list[Path]:
        paths = (file for folder in dict.fromkeys(self._folders()) for file in sorted(folder.glob("**/*")))
        return [file for file in paths if file.is_file() and not file.name.startswith(".")]

    def _check_environment(self) -> None:
        conf, env = Path(self.conf_source), self.env
        if env and conf.is_dir() and not (env.isidentifier() and (conf / env).is_dir()):
            environments = sorted(folder.name for folder in conf.iterdir() if folder.is_dir())
            raise ExperimentError(f"there is no environment {env!r}{choices(env, environments)}")

    def _check_files(self) -> None:
        """Stop at a file of the environment that nothing reads."""
        base, folder = self._folders()
        if folder == base:  # which other data sets of the catalog lie in as well
            return
        patterns = [pattern for patterns in self.config_patterns.values() for pattern in patterns]
        names = ["globals.yml", "parameters.yml", "taxonomies.yml", "experiments/", "catalog.yml", "credentials.yml"]
        for file in (file for file in self._files() if file.is_relative_to(folder) and file.suffix != ".md"):
            name = file.relative_to(folder).as_posix()
            if file.suffix not in ENDINGS or not any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
                near = did_you_mean(file.name, names)
                raise ExperimentError(f"{file} is read by nothing{near or '.'} What is read: {', '.join(names)}")

    def _check_names(self, settings: Mapping[str, Any], experiments: Collection[str]) -> None:
        """Stop at a parameter that there is not."""
        for name in settings.keys() - Settings.model_fields.keys():
            hint = choices(name, [*Settings.model_fields, *self._globals, *experiments])
            if name in self._globals:
                hint = "; it is set in globals.yml"
            elif name.partition(".")[0] in experiments:
                hint = f"; {name.partition('.')[0]} is an experiment: change it in a file of experiments/"
            raise ExperimentError(f"there is no parameter {name}{self._files_of(name, 'parameters')}{hint}")

    def _check_globals(self) -> None:
        """Stop at a global of the environment that neither the project's own has, nor anything uses."""
        base = self._folders()[0] / "globals.yml"
        of_project = re.findall(r"^(\w+):", base.read_text("utf-8"), re.MULTILINE) if base.is_file() else []
        for name in self._globals.keys() - set(of_project):
            if not any(f"globals:{name}" in file.read_text("utf-8") for file in self._files()):
                raise ExperimentError(
                    f"nothing uses the global {name}{self._files_of(name, 'globals')}{choices(name, of_project)}"
                )

    def _check_taxonomies(self, taxonomies: Mapping[str, Any]) -> None:
        for name, raw in taxonomies.items():
            with self._reading("taxonomy", name):
                TaxonomyConfig.model_validate(raw)
                if name == FROM_DATA:
                    raise ValueError("it stands for the labels that the sources have; give it another name")

    def _check_experiments(self, names: Iterable[str]) -> None:
        for name in names:
            with self._reading("experiment", name):
                if name in RESERVED:
                    raise ValueError("its name is that of another pipeline, or of a part of one; give it another")
                if not NAME.fullmatch(name):
                    raise ValueError(f"its name {NAME_RULE}")

    def _check_command_line(self, names: Collection[str]) -> None:
        allowed = {*names, "raw_root"}
        for name, value in (self.runtime_params or {}).items():
            if name in self._globals and name not in allowed:
                raise ExperimentError(f"--params has {name}, which is a global: set it in conf/local/globals.yml")
            if name not in allowed:
                raise ExperimentError(f"--params has {name}{choices(name, sorted(allowed))}")
            if name == "raw_root" and not isinstance(value, str):
                raise ExperimentError(f"--params has raw_root={value!r}, which is no folder")

    @contextmanager
    def _reading(self, what: str, name: str = "") -> Iterator[None]:
        """Say of an error which part of the configuration cannot be read, and where it stands."""
        try:
            yield
        except ValueError as error:
            shown = f"the {what} {name}".rstrip()
            entries = error.errors() if isinstance(error, ValidationError) else []
            wrong = [str(key) for entry in entries for key in entry["loc"][:1]]
            places = self._files_of(name) if name else self._files_of("|".join(wrong), "parameters")
            raise ExperimentError(f"{shown}{places} cannot be read{reasons(error)}") from error

    def _files_of(self, name: str, kind: str = "") -> str:
        """Return the files that have a top-level key, in brackets."""
        key = re.compile(rf"^({'|'.join(map(re.escape, name.split('|')))})(:|$)", re.MULTILINE)
        files = [file for file in self._files() if file.suffix in ENDINGS and f"/{kind}" in file.as_posix()]
        named = [file for file in files if key.search(file.read_text("utf-8", errors="replace"))]
        return f" ({', '.join(map(str, named))})" if named else ""

    @contextmanager
    def _saying_which_file(self) -> Iterator[None]:
        """Say of an error of the parsers in which file it is, in which line, and what it is."""
        try:
            yield
        except (YAMLError, OmegaConfBaseException, UnicodeDecodeError, ValueError) as error:
            broken = next(filter(None, map(_problem, self._files())), "")
            key = str(getattr(error, "full_key", "") or "")
            place = f"{key}{self._files_of(key.partition('.')[0])}: " if key else ""
            raise ExperimentError(broken or place + str(error).splitlines()[0]) from error


def _problem(file: Path) -> str:
    """Return what is wrong with a file of the configuration; empty if nothing is."""
    if file.suffix not in ENDINGS:
        return ""
    try:
        content = OmegaConf.load(file)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        shown = (file.read_text("utf-8").splitlines()[line - 1 : line] or ["the end"])[0]
        problem = "a tab; indent with spaces" if shown.startswith("\t") else error.problem
        return f"{file}, line {line}: this is not YAML ({problem}): {shown.strip()[:60]!r}"
    except UnicodeDecodeError as error:
        return f"{file}: byte {error.start + 1} is not UTF-8; save the file as UTF-8"
    except Exception as error:  # OmegaConf parses references too, with errors of its own kinds
        problem = str(error).splitlines()[0]
        return f"{file}: " + ("a reference ${ is never closed" if "BRACE_CLOSE" in problem else problem)
    return "" if isinstance(content, DictConfig) else f"{file}: keys are needed, and this is a list"


def _check_arm_names(experiments: Mapping[str, Experiment]) -> None:
    """The newest models of the default experiment lie beside the folders of all others."""
    arms = experiments[DEFAULT].arms if DEFAULT in experiments else {}
    clashing = [name for name in arms if name in experiments]
    if clashing:
        raise ExperimentError(f"an arm of {DEFAULT} is called {clashing[0]}, as an experiment is; give it another name")


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
