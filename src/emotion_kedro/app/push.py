"""``emotion push``: a model, or the texts of an experiment, to a hub. No sentence of a data set goes with them."""

from __future__ import annotations

import csv
import re
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path

import click

from emotion_kedro.app.model import project_folder
from emotion_kedro.config.base import CLASSIFIER_NOTES
from emotion_kedro.storage.whole_files import assert_whole

CARD, TABLE = "README.md", "texts.csv"
REAL_TEXTS = "nearest_train_text"
"""The column of real sentences."""
COPIES = "copies_train_text"
"""The column that says which texts are real sentences, or nearly."""
EXAMPLE_NOTE = "The text is one of the test rows"
"""Begins the paragraph of a card whose code holds a real sentence."""
ENDINGS = {".safetensors", ".json", ".txt", ".model", ".onnx"}
"""What a model is made of; tables are no part of it."""


def gather_model(source: Path, target: Path, *, name: str) -> None:
    """Copy what makes a model, with a card that holds no row of a data set.

    Args:
        source: its folder.
        target: an empty folder.
        name: ``USER/NAME`` on the hub, by which the card's code opens it.

    Raises:
        ValueError: for a folder without a model of this project, or with one that is damaged.
    """
    if not (source / CARD).is_file() or not ((source / CLASSIFIER_NOTES).is_file() or list(source.glob("*.onnx"))):
        raise ValueError(f"{source} is no folder of a classifier; emotion models names those that there are")
    assert_whole(source)
    for file in sorted(source.iterdir()):
        if file.suffix in ENDINGS and not file.name.startswith("."):
            shutil.copy(file, target)
    card = (source / CARD).read_text(encoding="utf-8")
    (target / CARD).write_text(_without_example(card, source, name), encoding="utf-8")


def _without_example(card: str, source: Path, name: str) -> str:
    """Return a card whose code reads an invented sentence, by the name that the model has on the hub."""
    from emotion_kedro.models.cards import usage_imports, usage_line

    imports = usage_imports(source)
    opened_by_name = "transformers" in imports and not list(source.glob("*.onnx"))
    if opened_by_name or EXAMPLE_NOTE in card:
        code = f"```python\n{imports}\n\n{usage_line(source, name if opened_by_name else '.')}\n```"
        pattern = rf"```python\n.*?\n```(\n\n{EXAMPLE_NOTE}[^\n]*)?"
        card = re.sub(pattern, lambda _: code, card, count=1, flags=re.DOTALL)
    if EXAMPLE_NOTE in card:
        raise ValueError(f"{source / CARD} was changed by hand, and may hold a row of a data set: nothing is pushed")
    return card


def gather_texts(source: Path, target: Path, *, licences: Mapping[str, str]) -> None:
    """Copy the texts that an experiment wrote, and their card, without real texts.

    Left out are a column of such, the texts of generators that take or rewrite rows, and what copies a train text, or
    nearly.

    Args:
        source: the folder ``texts`` of an experiment.
        target: an empty folder.
        licences: source -> the licence that lets texts made from it be handed on.

    Raises:
        ValueError: if the folder has no such texts, or a source of theirs has no licence.
    """
    if not (source / TABLE).is_file() or not (source / CARD).is_file():
        raise ValueError(f"{source} has no {TABLE} with its {CARD}; a run leaves them in data/08_reporting/NAME/texts")
    card = (source / CARD).read_text(encoding="utf-8")
    sources, real = (_listed_in(card, key, source) for key in ("sources", "real_text"))
    unknown = [name for name in sources if not licences.get(name)]
    if unknown:
        raise ValueError(
            f"no licence is stated for {', '.join(unknown)}, which the texts were written after: if one lets you hand "
            f"them on, write it to conf/local/parameters.yml (licences: {{{unknown[0]}: ...}}); nothing is pushed"
        )
    with (
        (source / TABLE).open(encoding="utf-8", newline="") as rows,
        (target / TABLE).open("w", encoding="utf-8", newline="") as kept,
    ):
        reader = csv.DictReader(rows)
        if COPIES not in (reader.fieldnames or ()):
            raise ValueError(f"{source / TABLE} does not say which texts copy train texts: run evaluation again")
        names = [name for name in reader.fieldnames or () if name != REAL_TEXTS]
        writer = csv.DictWriter(kept, names, extrasaction="ignore", quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for row in reader if row["generator"] not in real and row[COPIES] == "False")
    shown = ", ".join(f"{name} ({licences[name]})" for name in sources)
    (target / CARD).write_text(_without_real_texts(card, shown), encoding="utf-8")


def _listed_in(card: str, key: str, folder: Path) -> list[str]:
    """Return what the head of the card lists: the sources that texts were written after, or generators of real text."""
    import yaml

    parts = card.split("---\n", 2)
    head = yaml.safe_load(parts[1]) if len(parts) == 3 else {}
    names = head.get(key)
    if not isinstance(names, list) or (key == "sources" and not names):
        raise ValueError(f"{folder / CARD} does not say which {key} the texts have: run evaluation again")
    return [str(name) for name in names]


def _without_real_texts(card: str, sources: str) -> str:
    lines = [line for line in card.splitlines() if not line.startswith(f"| `{REAL_TEXTS}`")]
    card = "\n".join(lines) + "\n"
    card = re.sub(rf"`{REAL_TEXTS}` holds[^.]*\.", lambda _: f"Sources: {sources}.", card)
    card = re.sub(r"are real\*\*, or nearly:[^.]*\.", "are real**, or nearly, and are left out here.", card)
    return card.replace("the cosine similarity of the two", "its cosine similarity to the nearest train text")


def stated_licences() -> dict[str, str]:
    """Return the licences that the parameters of the project state, by source.

    Raises:
        ValueError: outside of a project.
    """
    from emotion_kedro.config.loader import current_loader

    if project_folder() is None:
        raise ValueError("licences stand in a project's parameters: run this in its folder")
    # Of a call between libraries.
    warnings.filterwarnings("ignore", message=r"register_new_resolver\(\) is deprecated")
    return current_loader()["settings"].get("licences") or {}


def upload(folder: Path, name: str, *, kind: str) -> str:
    """Put a folder on the hub, in a repository that is private if it is new; return its address.

    Raises:
        ValueError: without a token, or where the hub does not take them.
    """
    from huggingface_hub import HfApi, get_token

    if get_token() is None:
        raise ValueError("there is no token of a hub: hf auth login, or set HF_TOKEN")
    api = HfApi()
    try:
        api.create_repo(name, repo_type=kind, private=True, exist_ok=True)
        return str(api.upload_folder(repo_id=name, folder_path=folder, repo_type=kind).commit_url)
    except Exception as error:  # of the network, of the account, of the name: each a class of its own
        raise ValueError(f"the hub did not take them: {error}") from error


@click.command()
@click.option("--model", "-m", type=click.Path(path_type=Path), help="A model's folder, or an exported one.")
@click.option("--texts", type=click.Path(path_type=Path), help="The folder of the texts that an experiment wrote.")
@click.option("--to", "name", required=True, metavar="USER/NAME", help="Where on the hub; a new one is private.")
@click.option("--dry-run", is_flag=True, help="Show what would go up, and stop.")
def push(model: Path | None, texts: Path | None, name: str, dry_run: bool) -> None:
    """Put a model, or the texts that an experiment wrote, on the Hugging Face hub.

    No sentence of a data set goes with them: the example on a model's card is replaced; of the texts those that a
    generator took from the data or rewrote are left out, those that copy a train text or nearly, and the column of
    nearest real ones. Texts are pushed only if each
    source that they were written after has a licence in the parameter licences.

    \b
    emotion push --model data/06_models/latest/recommended --to me/my-model --dry-run
    emotion push --texts data/08_reporting/augment/texts --to me/my-texts
    """  # noqa: D301 - click wants the character itself
    if (model is None) == (texts is None):
        raise click.UsageError("give --model or --texts, one of the two")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise click.UsageError(f"--to is USER/NAME, and this is {name}")
    try:
        with tempfile.TemporaryDirectory() as folder:
            _push(Path(folder), model, texts, name, dry_run)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from None


def _push(ready: Path, model: Path | None, texts: Path | None, name: str, dry_run: bool) -> None:
    if model is not None:
        gather_model(model, ready, name=name)
    elif texts is not None:
        gather_texts(texts, ready, licences=stated_licences())
    for file in sorted(ready.iterdir()):
        click.echo(f"{file.stat().st_size / 1e6:10.3f} MB  {file.name}")
    if dry_run:
        click.echo(f"nothing was sent; without --dry-run these files go to {name}")
    else:
        click.echo(upload(ready, name, kind="dataset" if model is None else "model"))
