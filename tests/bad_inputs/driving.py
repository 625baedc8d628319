"""A bad input is put into a small project, which is run up to where models would learn; what it said is looked at."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from bad_inputs import making
from click import ClickException
from kedro.io import DataCatalog, MemoryDataset

from emotion_kedro import settings
from emotion_kedro.command_line import is_message
from emotion_kedro.config.loader import _LOADERS, ProjectConfigLoader, overridden, use_loader
from emotion_kedro.datasets import RawFolder
from emotion_kedro.hooks.project import RunHooks

HERE = Path(__file__).parent
CONF = HERE.parents[1] / "conf"
DROP = "DROP"
TRAINING = {"steps": 1, "learning_rate": 0.1}
PLACES = ("start", "ingest_sources", "unify_labels", "sample_and_split", "draw")
"""Where a run may stop, in order; ``draw`` stands for all that comes after the records."""


@functools.cache
def cases(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load((HERE / f"{name}.yml").read_text(encoding="utf-8")))


@functools.cache
def _project() -> dict[str, Any]:
    return dict(yaml.safe_load((HERE / "project.yml").read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Outcome:
    """Where a run stopped, and what was said; ``place`` is None where it went through."""

    place: str | None
    message: str
    plain: bool
    warnings: tuple[str, ...] = ()

    def verdict(self, case: dict[str, Any]) -> str:
        """``good``, or what is wrong: ``silent``, ``late``, ``unclear``."""
        if "warns" in case:
            said = [line for line in self.warnings if all(str(word) in line for word in case["warns"])]
            return ("good" if len(said) == 1 else "silent") if self.place is None else "unclear"
        if self.place is None:
            return "silent"
        if PLACES.index(self.place) >= PLACES.index(case.get("before", "ingest_sources")):
            return "late"
        said_all = all(str(word).casefold() in self.message.casefold() for word in case["says"])
        return "good" if self.plain and said_all else "unclear"


def lay_out(folder: Path, case: dict[str, Any]) -> None:
    """Write the project with the case's input in it."""
    conf = folder / "conf"
    files = {**_project(), "experiments/diary.yml": {"diary": _diary(case, folder)}}
    for name, content in files.items():
        _write(conf / "base" / name, yaml.safe_dump(content, allow_unicode=True, sort_keys=False))
    for name in ("globals.yml", "parameters/run.yml"):
        _write(conf / "base" / name, (CONF / "base" / name).read_text())
    _write(conf / "local/globals.yml", f"raw_root: {folder / 'raw'}\ndata_root: {folder / 'data'}\n")
    lay_out_tables(folder, case)
    for name, text in case.get("local", {}).items():
        _write(conf / "local" / name, text, case.get("encoding", "utf-8"))
    for name, text in case.get("file", {}).items():
        _write(folder / name, text)


def lay_out_tables(folder: Path, case: dict[str, Any]) -> None:
    """Write the raw table, and what else the case has in its place."""
    (folder / "raw").mkdir()
    (folder / "raw/diary.csv").write_bytes(
        case["table"].encode() if "table" in case else making.csv() + case.get("more", "").encode()
    )
    for name, maker in case.get("made", {}).items():
        making.make(folder / ("" if name.startswith("models/") else "raw") / name, maker)


def run(folder: Path, case: dict[str, Any]) -> Outcome:
    """Run the case's experiment up to where models would learn."""
    in_files = bool({"local", "params"} & {*case})
    (lay_out if in_files else lay_out_tables)(folder, case)
    handler = _Listener()
    logging.getLogger("emotion_kedro").addHandler(handler)
    place = "start"
    try:
        for stage in _stages(folder, case, in_files=in_files):
            place = stage
    except Exception as error:
        return Outcome(place, _said(error), _is_plain(error), tuple(handler.lines))
    finally:
        logging.getLogger("emotion_kedro").removeHandler(handler)
        _LOADERS.clear()
    return Outcome(None, "", plain=True, warnings=tuple(handler.lines))


def _loader(folder: Path, case: dict[str, Any], *, in_files: bool) -> ProjectConfigLoader:
    """Return the loader of the case's files, or one that has the experiment without reading any: ten times as fast."""
    given = case.get("params")
    if not in_files:
        _write(folder / "conf/base/globals.yml", f"raw_root: {folder / 'raw'}\n")
        (folder / "conf/local").mkdir()
    loader = ProjectConfigLoader(str(folder / "conf"), runtime_params=given, **settings.CONFIG_LOADER_ARGS)
    if not in_files:
        base = _project()
        loader["settings"] = {**base["parameters/ingestion.yml"], "device": "cpu", "cache": "cache", "latest": "latest"}
        loader["taxonomies"] = base["taxonomies.yml"]
        loader["experiments"] = {**base["experiments/augment.yml"], "diary": _diary(case, folder)}
    return loader


def _stages(folder: Path, case: dict[str, Any], *, in_files: bool) -> Iterator[str]:
    """Yield each place before its work is done."""
    from kedro.pipeline import Pipeline

    from emotion_kedro.pipeline_registry import in_namespace, stages

    yield "start"
    loader = _loader(folder, case, in_files=in_files)
    use_loader(loader)
    parameters = loader["parameters"]
    experiment = loader.experiments()["diary"]
    pipeline = in_namespace(Pipeline(list(stages(experiment).values())), experiment)
    raw = {**loader["globals"], **case.get("params", {})}["raw_root"]
    catalog = DataCatalog({"raw_folder": RawFolder(path=raw)})
    for name in sorted(pipeline.inputs()):
        if name.startswith("params:"):
            catalog[name] = MemoryDataset(_parameter(name.removeprefix("params:"), parameters, experiment))
    RunHooks().before_pipeline_run({}, pipeline, catalog)
    yield from _nodes(pipeline, catalog)


def _nodes(pipeline: Any, catalog: DataCatalog) -> Iterator[str]:
    by_name = {node.name.rpartition(".")[2]: node for node in pipeline.nodes}
    for name in PLACES[1:-1]:
        if name not in by_name:
            continue
        yield name
        node = by_name[name]
        outputs = node.run({each: catalog.load(each) for each in node.inputs})
        for each, value in outputs.items():
            catalog[each] = MemoryDataset(value, copy_mode="assign")
    yield "draw"


def _parameter(name: str, parameters: dict[str, Any], experiment: Any) -> Any:
    """Return a parameter as its node gets it: the first below an experiment's name is of its type."""
    first, *rest = name.split(".")
    if first != "diary" or not rest:
        return parameters[first]
    value: Any = getattr(experiment, rest[0])
    for key in rest[1:]:
        value = value[key]
    return value


def _diary(case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the experiment with the case's changes."""
    changes: dict[str, Any] = {}
    if "source" in case:
        changes = overridden(changes, {"records": {"sources": {"diary": case["source"]}}})
    if "learner" in case and "base" not in case:
        changes = overridden(changes, {"learners": {"words": case["learner"]}})
    if "generator" in case and "writes" not in case:
        changes = overridden(changes, {"generators": {"made": case["generator"]}, "arms": {"made": {"add": ["made"]}}})
    if "base" in case:
        learner = {"kind": "encoder", "base": _path(case["base"], folder), "training": TRAINING, "features": DROP}
        changes = overridden(changes, {"learners": {"words": {**learner, **case.get("learner", {})}}})
    if "writes" in case:
        made = {"kind": "fine_tuned", "base": _path(case["writes"], folder), "training": TRAINING}
        made |= case.get("generator", {})
        changes = overridden(changes, {"generators": {"made": made}, "arms": {"made": {"add": ["made"]}}})
    diary = _project()["experiments/diary.yml"]["diary"]
    changed = overridden(overridden(diary, changes), case.get("diary", {}))
    if "taxonomy" in case:
        changed["records"] = {**changed["records"], "taxonomy": case["taxonomy"]}
    return dict(_dropped(changed))


def _dropped(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: _dropped(part) for key, part in value.items() if part != DROP}


def _path(name: str, folder: Path) -> str:
    return str(folder / name) if name.startswith("models/") else name


def _write(path: Path, text: str, encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))


def _said(error: Exception) -> str:
    return error.message if isinstance(error, ClickException) else str(error)


def _is_plain(error: Exception) -> bool:
    """Whether the command line shows the message alone."""
    return isinstance(error, ClickException) or is_message(error)


class _Listener(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
