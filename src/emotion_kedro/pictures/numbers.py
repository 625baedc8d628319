"""Numbers and words: how values are written down, and small helpers to get at them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from emotion_kedro.pictures.results import ALL, RunResults

DASH, MINUS = "–", "−"


def missing(value: Any) -> bool:
    """Say whether there is no value: None, NaN or NA."""
    return value is None or (not isinstance(value, (str, list, tuple, dict)) and bool(pd.isna(value)))


def score(value: Any) -> str:
    """Write .873, or a dash where there is no value."""
    if missing(value):
        return DASH
    return (MINUS if value < 0 else "") + f"{abs(value):.3f}".removeprefix("0")


def signed(value: Any) -> str:
    """Write +.012; the sign stays where rounding leaves .000, as it tells on which side of zero the value lies."""
    return score(value) if missing(value) or value <= 0 else f"+{score(value)}"


def share(value: Any) -> str:
    """Write 12.6%."""
    return DASH if missing(value) else f"{value:.1%}"


def count(value: Any) -> str:
    """Write 12,345; what is no whole number (a mean of counts) has one decimal."""
    if missing(value) or isinstance(value, (str, bool, list, tuple)):
        return plain(value)
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def p_value(value: Any) -> str:
    """Write .058, or < .001 for what is smaller."""
    return "< .001" if not missing(value) and value < 0.001 else score(value)


def duration(seconds: Any) -> str:
    """Write 0.4 s, 1 min 35 s or 1 h 02 min."""
    if missing(seconds):
        return DASH
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def yes(value: Any) -> str:
    """Write yes or no."""
    return DASH if missing(value) else "yes" if value else "no"


def plain(value: Any) -> str:
    """Write a value as it is, and a list with commas."""
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or DASH
    return DASH if missing(value) else str(value)


def estimate(found: Mapping[str, Any] | None) -> Any:
    """Return the estimate of an interval; None if there is no interval."""
    return None if found is None else found.get("estimate")


def bounds(found: Mapping[str, Any] | None, written: Callable[[Any], str] = score) -> str:
    """Write [.861, .885]."""
    if found is None or missing(found.get("low")) or missing(found.get("high")):
        return DASH
    return f"[{written(found['low'])}, {written(found['high'])}]"


def interval(found: Mapping[str, Any] | None, written: Callable[[Any], str] = score) -> str:
    """Write .873 [.861, .885]."""
    if missing(estimate(found)):
        return DASH
    return f"{written(estimate(found))} {bounds(found, written)}"


def row_for_all(results: RunResults) -> dict[str, Any]:
    """Return the row of the synthetic table that is for all labels; empty if there is none."""
    return next((row for row in rows_of(results.synthetic) if row["label"] == ALL), {})


def named(parts: Mapping[str, Mapping[str, Any]], key: str) -> list[dict[str, Any]]:
    """Return the parts as rows, with the name of each under `key`."""
    return [{**part, key: name} for name, part in parts.items()]


def rows_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as dictionaries."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def unique(names: Iterable[str]) -> list[str]:
    """Return each name once, in the order of first appearance."""
    return list(dict.fromkeys(names))


def first_known(values: Iterable[Any]) -> Any:
    """Return the first value that is not missing; None if there is none."""
    return next((value for value in values if not missing(value)), None)


def leaves_of(tree: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the values of nested dictionaries with the keys that lead to them."""
    for name, value in tree.items():
        here = (*path, str(name))
        if isinstance(value, Mapping):
            yield from leaves_of(value, here)
        else:
            yield here, value
