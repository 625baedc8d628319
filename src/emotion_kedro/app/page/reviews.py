"""What a person decides about texts that were written, on the page; the next run follows."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from emotion_kedro.app.model import data_folder
from emotion_kedro.storage.whole_files import written_whole

if TYPE_CHECKING:
    import pandas as pd

REPORTS, SYNTHETIC = "08_reporting", "07_synthetic"
"""Of the data folder."""
UNDECIDED = "undecided"
DECIDING = threading.Lock()
"""Of the page's windows one at a time."""


def reviews_of(experiment: str) -> pd.DataFrame:
    """Return the decisions on an experiment's texts, schema ``Reviews``."""
    import pandas as pd

    from emotion_kedro.schemas.candidates import Reviews

    file = data_folder() / SYNTHETIC / experiment / "reviews.parquet"
    if file.is_file():
        return pd.read_parquet(file)
    return pd.DataFrame({name: pd.Series(dtype="str") for name in Reviews.to_schema().columns})


def texts_of(experiment: str, show: str = "") -> pd.DataFrame:
    """Return the texts that were written in an experiment, each once, with the ``decision`` on it.

    Args:
        experiment: its name.
        show: a decision, or :data:`UNDECIDED`: those alone; empty: all.
    """
    import pandas as pd

    from emotion_kedro.report.texts import as_written

    table = pd.read_csv(data_folder() / REPORTS / experiment / "texts" / "texts.csv", keep_default_na=False, dtype=str)
    table = table.map(as_written).drop_duplicates(["text", "label"], ignore_index=True)
    reviews = reviews_of(experiment)
    replaced = reviews[_replaced(reviews, table)]
    reviewed = pd.concat([reviews, replaced.assign(text=replaced["edited_text"])])
    reviewed = reviewed.drop_duplicates(["text", "label"])[["text", "label", "decision", "edited_text"]]
    table = table.merge(reviewed, on=["text", "label"], how="left")
    table = table.assign(decision=table["decision"].fillna(UNDECIDED), edited_text=table["edited_text"].fillna(""))
    return table[table["decision"] == show].reset_index(drop=True) if show else table


def _replaced(reviews: pd.DataFrame, texts: pd.DataFrame) -> pd.Series:
    """Return which edited texts a run has written down in the place of their own: bool, by review."""
    import pandas as pd

    written = set(zip(texts["text"], texts["label"], strict=True))
    pairs = zip(reviews["text"], reviews["label"], reviews["edited_text"], strict=True)
    gone = [edited != "" and (text, label) not in written for text, label, edited in pairs]
    return pd.Series(gone, index=reviews.index, dtype=bool)


def decide(experiment: str, text: str, label: str, decision: str, edited_text: str = "") -> pd.DataFrame:
    """Write a decision on a text down, in place of one that there may be; return all of them.

    What is accepted is what is shown: where that is not what was written, an edit is written down.

    Args:
        experiment: its name.
        text: as a run has left it: as it was written, or edited after an earlier decision.
        label: that it was written for.
        decision: ``accept``, ``reject`` or ``edit``.
        edited_text: what is shown in its place; empty: the text itself.

    Raises:
        ValueError: where there is no text, or nothing is left of it.
    """
    import pandas as pd

    from emotion_kedro.schemas.candidates import Reviews

    if not text:
        raise ValueError("there is no text here to decide on")
    shown = edited_text.strip() or text
    if decision == "edit" and not edited_text.strip():
        raise ValueError("nothing is left of the text; reject it instead")
    with DECIDING:
        reviews = reviews_of(experiment)
        of_label = reviews["label"] == label
        same = of_label & (reviews["text"] == text)
        if not same.any():
            same = of_label & (reviews["edited_text"] == text) & _replaced(reviews, texts_of(experiment))
        original = reviews.loc[same, "text"].iloc[0] if same.any() else text
        if decision == "accept" and shown.strip() != original.strip():
            decision = "edit"
        row: dict[str, Any] = {"text": original, "label": label, "decision": decision}
        row |= {"edited_text": shown if decision == "edit" else ""}
        row |= {"time": datetime.now(UTC).isoformat(timespec="seconds")}
        table = pd.concat([reviews[~same], pd.DataFrame([row])], ignore_index=True).astype("str")
        with written_whole(data_folder() / SYNTHETIC / experiment / "reviews.parquet") as staging:
            Reviews.validate(table).to_parquet(staging, index=False)
    return table
