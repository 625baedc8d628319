"""``emotion archive``: the predictions behind every figure, without a text, for whoever wants to compute them again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from emotion_kedro.config.analyses import ANALYSES
from emotion_kedro.config.base import choices
from emotion_kedro.config.experiment import Experiment
from emotion_kedro.config.loader import DEFAULT
from emotion_kedro.runtime.machine import describe_setting
from emotion_kedro.storage.whole_files import written_whole

TABLES = ("scores", "comparisons")
KEPT = {"evaluation", "compare", "score_by"}
"""Parameters that decide what is made of the predictions."""
CARD = """# Predictions

Made by emotion-kedro ({commit}, {date}; {versions}; Python {python}; {machine}). A folder for each experiment:

| | |
|---|---|
| `predictions.parquet` | what each run (arm, learner, size, seeds) gives to each test row: `predicted`, `p_<label>` |
| `groups.parquet` | the rows by `record_id`: source, split, group of near-duplicates. No text: it belongs to the sets |
| `parameters.json` | how scores and comparisons are made of them |
| `scores.parquet`, `comparisons.parquet` | what came out |

`notebooks/figures.ipynb` computes every score and comparison again from the other files, and compares.
`SHA256SUMS` has the check sums: `sha256sum -c SHA256SUMS`.
"""


def write_archive(target: Path, catalog: Any, experiments: dict[str, Experiment]) -> list[str]:
    """Write the predictions of experiments into a folder, which is there whole or not at all.

    Args:
        target: a new folder.
        catalog: of a Kedro session.
        experiments: by name; those that have not run are left out.

    Returns:
        The names of those that are in it.

    Raises:
        ValueError: if none has run, or there is such a folder.
    """
    if target.exists():
        raise ValueError(f"{target} is there already; give --out the name of a new folder")
    ran = [name for name, each in sorted(experiments.items()) if _has_run(catalog, name, each)]
    if not ran:
        asked = f"{next(iter(experiments))} has not" if len(experiments) == 1 else "no experiment has"
        raise ValueError(f"there are no predictions: {asked} run in this environment")
    with written_whole(target) as staging:
        for name in ran:
            _write(staging / name, catalog, name, experiments[name])
        (staging / "README.md").write_text(CARD.format(**describe_setting()), encoding="utf-8")
        files = sorted(path for path in staging.rglob("*") if path.is_file())
        sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(staging)}\n" for path in files]
        (staging / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")
    return ran


def _prefix(name: str) -> str:
    return "" if name == DEFAULT else f"{name}."


def _has_run(catalog: Any, name: str, experiment: Experiment) -> bool:
    tables = list(_predictions_of(experiment))
    return bool(tables) and all(catalog.exists(_prefix(name) + table) for table in [*tables, *TABLES])


def _write(folder: Path, catalog: Any, name: str, experiment: Experiment) -> None:
    import pandas as pd

    prefix = _prefix(name)
    records = catalog.load(f"{_prefix(experiment.from_experiment or name)}split_records")
    folder.mkdir(parents=True)
    predictions = pd.concat([catalog.load(prefix + table) for table in _predictions_of(experiment)], ignore_index=True)
    predictions.to_parquet(folder / "predictions.parquet", index=False)
    records[["record_id", "source", "split", "group"]].to_parquet(folder / "groups.parquet", index=False)
    for table in TABLES:
        catalog.load(prefix + table).to_parquet(folder / f"{table}.parquet", index=False)
    parameters = experiment.model_dump(mode="json", include=KEPT)
    (folder / "parameters.json").write_text(json.dumps(parameters, indent=2), encoding="utf-8")


def _predictions_of(experiment: Experiment) -> Iterator[str]:
    if experiment.arms:
        yield "predictions"
    yield from (f"{name}_predictions" for name in experiment.analyses if ANALYSES[name].predictions)


@click.command()
@click.argument("names", nargs=-1)
@click.option("--out", "target", type=click.Path(path_type=Path), required=True, help="A new folder.")
@click.option("--env", "-e", default=None, help="The environment of the configuration.")
def archive(names: tuple[str, ...], target: Path, env: str | None) -> None:
    """Write the predictions of experiments that have run into a folder, to be handed on: no text is in it.

    Scores and comparisons can be computed again from them: notebooks/figures.ipynb does.

    \b
    emotion archive --out predictions
    emotion archive study_edft study_stress --env real --out predictions
    """  # noqa: D301 - click wants the character itself
    from kedro.framework.session import KedroSession
    from kedro.io import DatasetError

    start = click.get_current_context().find_object(Path) or Path.cwd()
    with KedroSession.create(project_path=Path.cwd(), env=env) as session:
        context = session.load_context()  # type: ignore[attr-defined]  # of the class that create returns
        known: dict[str, Experiment] = context.config_loader.experiments()
        for name in names:
            if name not in known:
                raise click.UsageError(f"there is no experiment {name}{choices(name, known)}")
        chosen = {name: each for name, each in known.items() if not names or name in names}
        try:
            ran = write_archive(start / target, context.catalog, chosen)
        except (ValueError, OSError, DatasetError) as error:
            raise click.ClickException(str(error)) from None
    click.echo(f"{target}: the predictions of {', '.join(ran)}")
