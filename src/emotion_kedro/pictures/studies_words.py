"""What several studies say together: when added text helps and when not. The bar is in `studies_bar`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from emotion_kedro.pictures.numbers import count, score, unique
from emotion_kedro.pictures.studies_bar import Studies, beaten, sources_of
from emotion_kedro.pictures.study_words import (
    ABOVE,
    BELOW,
    FEW_ROWS,
    TEMPLATE,
    Figures,
    above_both,
    arms_of,
    cells_on,
    compared,
    differences_of,
    listed,
    sizes_of,
    standing,
)

SETS_FOR_A_DIRECTION = 2
SHOWN = 4  # arms in the curves of all sets


def leading(studies: Studies, generated: Collection[str], origins: Mapping[str, str] | None = None) -> list[str]:
    """Return the arms for the curves of all sets: above both on the most sources, then with the largest mean gain."""
    found = {arm: sources_of(sets, origins or {}) for arm, sets in beaten(studies).items()}
    arms = [arm for arm in found if arm in generated] or [arm for arm in found if arm != TEMPLATE]
    return sorted(arms, key=lambda arm: (-len(found[arm]), -mean_over_sets(studies, arm)))[:SHOWN]


def mean_over_sets(studies: Studies, arm: str) -> float:
    """Return the mean over sets of an arm's mean gain over real text alone at few rows; NaN where there is none."""
    gains = [_mean_gain(figures, arm, FEW_ROWS) for figures in studies.values()]
    known = [gain for gain in gains if gain is not None]
    return sum(known) / len(known) if known else float("nan")


def counts_by_size(studies: Studies, generated: Collection[str], words: bool) -> Iterator[dict[str, Any]]:
    """Yield for each size how many pairs of arm and set lie where; `words`: of language models' arms, or others'."""
    for size in sorted({size for figures in studies.values() for size in figures["sizes"]}):
        row = dict.fromkeys(("asked", "up", "both", "down"), 0)
        for figures in studies.values():
            for key, cells in {
                "asked": list(compared(figures)),
                **{"up": cells_on(figures, ABOVE), "both": above_both(figures), "down": cells_on(figures, BELOW)},
            }.items():
                row[key] += sum(n == size and (arm in generated) == words for arm, n in cells)
        if row["asked"]:
            kind = "Text of language models" if words else "Other text"
            yield {"kind": kind, "n": size, **row, "silent": row["asked"] - row["up"] - row["down"]}


def fading_sentence(rows: Sequence[Mapping[str, Any]]) -> str:
    """Compare the smallest and the largest size, for text of language models and for other text."""
    said = []
    for kind in unique(row["kind"] for row in rows):
        sizes = [row for row in rows if row["kind"] == kind]
        ends = [f"at {count(row['n'])} {row['up']} of {row['asked']}" for row in (sizes[0], sizes[-1])]
        said.append(f"{kind}: {' and '.join(ends if len(sizes) > 1 else ends[:1])}")
    return f"Pairs of arm and set above real text alone, fewest and most real rows per label. {'; '.join(said)}."


def sentence_on_set(figures: Figures) -> str:
    """Say of one set up to which size anything is above real text alone, and above the template as well."""
    up, both, down = cells_on(figures, ABOVE), above_both(figures), cells_on(figures, BELOW)
    firm = standing(figures, up)
    parts = []
    if up:
        kept = f"after Holm's correction at {sizes_of(firm)}" if firm else "but nowhere after Holm's correction"
        parts.append(f"some arm is above real text alone at {sizes_of(up)} real rows per label ({kept})")
    else:
        parts.append("no arm is shown to be above real text alone at any size")
    if up and compared(figures, TEMPLATE):
        parts.append(
            f"above the template as well at {sizes_of(both)} ({', '.join(arms_of(both))})"
            if both
            else "none of these is above the template as well"
        )
    silent = [size for size in figures["sizes"] if size not in {n for _, n in up}]
    if up and silent:
        parts.append(f"nothing is shown to help at {listed(map(count, silent))}")
    if down:
        parts.append(f"below real text alone at {sizes_of(down)} ({', '.join(arms_of(down))})")
    return "; ".join(parts) + "."


def kinds_sentence(rows: Sequence[Mapping[str, Any]]) -> str:
    """Count the cells at few rows that lie above and below, for text of language models and for other text."""
    said = []
    for kind in unique(row["kind"] for row in rows):
        small = [row for row in rows if row["kind"] == kind and row["n"] <= FEW_ROWS]
        asked, up, both, down = (sum(row[key] for row in small) for key in ("asked", "up", "both", "down"))
        said.append(
            f"{kind}: of {asked} cells {up} above real text alone, {both} above the template as well, {down} below"
        )
    return f"Up to {FEW_ROWS} real rows per label. {'. '.join(said)}."


def steady_sentence(related: Sequence[Mapping[str, Any]], sets: Sequence[str]) -> str:
    """Say which measures go with the gain in the same direction on every set."""
    if len(sets) < SETS_FOR_A_DIRECTION or not related:
        return ""
    steady = []
    for row in related:
        values = [row[name] for name in sets]
        if None not in values and (min(values) > 0 or max(values) < 0):
            steady.append(
                f"{row['measure']} ({'more' if values[0] > 0 else 'less'} of it, more gain: {score(min(values))} to "
                f"{score(max(values))})"
            )
    if not steady:
        return "No measure of the added text goes with the gain in the same direction on every set."
    return f"In the same direction on every set: {'; '.join(steady)}. What goes together need not be cause and effect."


def _mean_gain(figures: Figures, arm: str, largest: int) -> float | None:
    """Return the mean difference to real text alone over the sizes up to `largest`; None where there is none."""
    found = differences_of(figures)
    values = [one["accuracy"]["estimate"] for (name, size), one in found.items() if name == arm and size <= largest]
    return sum(values) / len(values) if values else None
