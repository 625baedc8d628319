"""What the web page shows of a table that is dropped on it, and what a run on it says. No gradio here."""

from __future__ import annotations

import codecs
import os
import select
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path

from emotion_kedro.app.own_table.experiment_file import said_minutes
from emotion_kedro.app.own_table.guessing import guess_source
from emotion_kedro.app.own_table.profile import profile_source
from emotion_kedro.app.own_table.reading import without_labels
from emotion_kedro.data.reader_errors import SourceError
from emotion_kedro.storage.whole_files import sha256_of, written_whole

DROPPED = Path("data/01_raw/dropped")
DIGITS = 12
"""Of a table's check sum, by which its folder is called."""
SAID = 20_000
"""Characters of a run's log that are shown: the last ones."""
SILENCE = 0.5
"""Seconds, at most, between two looks at whether anybody still waits for a run."""


def profile(
    dropped: str | None, text: str = "", label: str = "", quick: bool = False, unlabelled: str | None = None
) -> str:
    """Return what a table is like that was dropped on the page, how long a run takes, and the command for it.

    Args:
        dropped: where the page has put it.
        text: the column of the texts; empty: it is guessed.
        label: that of the labels, likewise.
        quick: no language model is tuned.
        unlabelled: where it has put a table of texts without labels.

    Raises:
        ValueError: if there is none, or it cannot be read; the message names file, row and fix.
    """
    file = _kept_table(dropped)
    beside = _kept_table(unlabelled) if unlabelled else None
    try:
        guess = guess_source(file.resolve(), text=text or None, label=label or None)
        profile = profile_source(guess.source)
        more, said_of_more = without_labels(beside.resolve(), guess.source) if beside else (None, [])
    except SourceError as error:
        # The page has no parameters and no options, and where it keeps the table is nobody's concern.
        message = str(error).partition(" Correct `text_column`")[0]
        for kept, what in ((file, ""), (beside, "without labels: ")):
            message = message.replace(f"{kept.resolve().parent}/", what) if kept else message
        raise SourceError(
            message.replace("--text COLUMN", "Text column").replace("--label COLUMN", "Label column")
        ) from None
    doubts = [f"the {what} may be {', '.join(map(repr, names))}" for what, names in guess.doubts.items()]
    of_more = [f"without labels: {note}" for note in said_of_more]
    notes = "".join(f"<p>{escape(note)}</p>" for note in (*guess.notes, *doubts, *of_more))
    time = [f"it takes  {said_minutes(guess.source, profile, more)}"] if len(profile.fit) > 1 else []
    lines = (escape(line).partition("  ") for line in (*profile.lines(), *time))
    rows = "".join(f"<tr><th scope='row'>{name}</th><td>{value.strip()}</td></tr>" for name, _, value in lines)
    words = shlex.join(_try_words(file, text, label, quick, beside))
    return f"{notes}<table class='own'>{rows}</table><pre>{escape(words)}</pre>"


def _kept_table(dropped: str | None) -> Path:
    """Copy a table to where it stays, and return its place: another one of its name is what an experiment reads."""
    if dropped is None:
        raise ValueError("drop a table first")
    place = DROPPED / sha256_of(Path(dropped))[:DIGITS] / Path(dropped).name
    if not place.is_file():
        with written_whole(place) as staging:
            shutil.copyfile(dropped, staging)
    return place


def _try_words(file: Path, text: str, label: str, quick: bool, unlabelled: Path | None) -> list[str]:
    options = {"--text": text, "--label": label, "--unlabelled": str(unlabelled or "")}
    named = [word for name, value in options.items() if value for word in (name, value)]
    return ["emotion", "try", str(file), *named, *["--quick"] * quick, "--yes"]


def tried(
    window: str, dropped: str | None, text: str, label: str, quick: bool, unlabelled: str | None
) -> Iterator[str]:
    """Run ``emotion try`` on a table, and yield again and again the end of what it has said.

    Closing ends the run; so does `left` with the name of the same window.
    """
    beside = _kept_table(unlabelled) if unlabelled else None
    words = _try_words(_kept_table(dropped), text, label, quick, beside)[1:]
    command, output = [sys.executable, "-m", "emotion_kedro", *words], ""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        _runs[window] = process
        try:
            while True:
                if select.select([process.stdout], [], [], SILENCE)[0]:
                    piece = os.read(process.stdout.fileno(), SAID)
                    if not piece:
                        break
                    output = (output + decoder.decode(piece))[-SAID:]
                yield output  # where nothing was said, too: this is the place at which it can be closed
            code = process.wait()
        finally:
            process.terminate()
            _runs.pop(window, None)
    yield output + ("\nDone." if code == 0 else f"\nIt ended with code {code}.")


_runs: dict[str, subprocess.Popen[bytes]] = {}
"""What runs for each window of the page."""


def left(window: str) -> None:
    """End the run of a window that was closed."""
    if process := _runs.get(window):
        process.terminate()
