"""What the figures of a study say in plain words: where added text helped, where it harmed, where nothing is shown.

`figures` is what the measures of a study give: `sizes` (real rows per label), `arms`, `cells` (one an arm and size) and
`differences` (one an arm, size and arm that it is set against). A cell of the grid is named by (arm, size). A
difference counts as above or below zero where its interval for accuracy leaves zero out; whether it also stands after
Holm's correction is said beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from emotion_kedro.pictures.numbers import count, interval, missing, signed, unique
from emotion_kedro.pictures.verdict import side_of_zero

REAL, TEMPLATE = "real", "template"
YARDSTICKS = ("more_real",)
"""Arms that add real rows: what added text may be measured by, but no added text itself."""
FEW_ROWS = 50  # real rows per label up to which a gain is expected to hang on the text at all
HELPED, HARMED, OPEN = "helped", "harmed", "no difference shown"
ABOVE, BELOW, NEITHER = 1, -1, 0
READINGS = {ABOVE: HELPED, BELOW: HARMED, NEITHER: OPEN}
Figures = Mapping[str, Any]
Cell = tuple[str, int]


def differences_of(figures: Figures, against: str = REAL) -> dict[Cell, dict[str, Any]]:
    """Return the differences to one arm by (arm, size), in the order of sizes and arms."""
    found = {(one["arm"], one["n"]): one for one in figures["differences"] if one["against"] == against}
    order = [(arm, size) for size in figures["sizes"] for arm in figures["arms"]]
    return {cell: found[cell] for cell in order if cell in found}


def compared(figures: Figures, against: str = REAL) -> dict[Cell, dict[str, Any]]:
    """Return the differences of added text to one arm: those of :func:`differences_of` without the yardsticks."""
    apart = figures.get("yardsticks", YARDSTICKS)
    return {cell: found for cell, found in differences_of(figures, against).items() if cell[0] not in apart}


def cells_on(figures: Figures, side: int, against: str = REAL) -> list[Cell]:
    """Return where the interval of added text lies above zero (side 1), below it (-1), or includes it (0)."""
    found = compared(figures, against)
    return [cell for cell, difference in found.items() if side_of_zero(difference["accuracy"]) == side]


def above_both(figures: Figures) -> list[Cell]:
    """Return where an arm lies above real text alone and above the template as well."""
    template = set(cells_on(figures, ABOVE, TEMPLATE))
    return [cell for cell in cells_on(figures, ABOVE) if cell in template]


def stands(difference: Mapping[str, Any], level: float = 0.95) -> bool:
    """Say whether an interval leaves zero out and Holm's correction keeps the difference."""
    p = difference.get("p_holm")
    return side_of_zero(difference["accuracy"]) != NEITHER and p is not None and bool(p < 1 - level)


def standing(figures: Figures, cells: Iterable[Cell], against: str = REAL) -> list[Cell]:
    """Return those of the cells that Holm's correction keeps."""
    found = differences_of(figures, against)
    return [cell for cell in cells if stands(found[cell], figures["level"])]


def reading_of(difference: Mapping[str, Any], level: float = 0.95) -> str:
    """Say what a difference shows, and whether that is by its interval alone."""
    said = READINGS[side_of_zero(difference["accuracy"])]
    return said if said == OPEN or stands(difference, level) else f"{said}, by its interval alone"


def sizes_of(cells: Iterable[Cell]) -> str:
    """Write the sizes of cells: 10, 25 and 50."""
    return listed(map(count, sorted({size for _, size in cells})))


def listed(names: Iterable[str]) -> str:
    """Write a, b and c."""
    *first, last = list(names) or [""]
    return f"{', '.join(first)} and {last}" if first else last


def answer_of(figures: Figures) -> tuple[str, str, str]:
    """Return the colour of the answer (`helped`, `harmed`, `open`), the answer, and the sentence with its figures."""
    kind, answer = _answer(figures)
    parts = [_counted(figures), *_largest(figures), _named("Below real text alone", cells_on(figures, BELOW))]
    return kind, answer, " ".join([*parts, holm_sentence(figures), resolution_sentence(figures)]).strip()


def _answer(figures: Figures) -> tuple[str, str]:
    up, down, both = cells_on(figures, ABOVE), cells_on(figures, BELOW), above_both(figures)
    firm, firm_down = standing(figures, up), standing(figures, down)
    firm_both = [cell for cell in standing(figures, both, TEMPLATE) if cell in set(firm)]
    harm = f" Some added text did harm, at {sizes_of(firm_down)}." if firm_down else ""
    if firm_both:
        return HELPED, f"Yes: beyond real text alone and beyond the template, at {_rows(firm_both)}.{harm}"
    if firm:
        return HELPED, f"Beyond real text alone yes, at {_rows(firm)}; {_beside_template(figures, both)}.{harm}"
    if up:
        return "open", f"Not settled: above real text alone at {_rows(up)}, but by intervals alone.{harm}"
    if down:
        return HARMED, f"No: nothing is shown to help, and some did harm at {_rows(down)}."
    return "open", "No difference shown."


def _rows(cells: Iterable[Cell]) -> str:
    return f"{sizes_of(cells)} real rows per label"


def _beside_template(figures: Figures, both: Sequence[Cell]) -> str:
    if not compared(figures, TEMPLATE):
        return "there is no template to set it against"
    if both:
        return f"beyond the template as well by intervals alone, at {sizes_of(both)}"
    return "beyond the template nothing is shown"


def _counted(figures: Figures) -> str:
    """Say how many arms are above real text alone at each size."""
    up = [size for _, size in cells_on(figures, ABOVE)]
    asked = [size for _, size in compared(figures)]
    parts = [f"{up.count(size) or 'none'} of {asked.count(size)} at {count(size)}" for size in sorted(set(asked))]
    return f"Arms above real text alone: {', '.join(parts)}." if parts else "There is nothing to compare."


def _largest(figures: Figures) -> list[str]:
    """Name the largest gain, and all that is above the template as well."""
    up, both = cells_on(figures, ABOVE), above_both(figures)
    said = [f"The largest gain: {_most(compared(figures), up)}."] if up else []
    if up and compared(figures, TEMPLATE):
        said.append(_named("Above the template as well", both))
    if both:
        said.append(f"The largest gain over the template among these: {_most(compared(figures, TEMPLATE), both)}.")
    return said


def _named(title: str, cells: Sequence[Cell]) -> str:
    """Write: title: arm (at 10 and 25), other (at 10)."""
    return f"{title}: {named_cells(cells) or 'none'}."


def named_cells(cells: Sequence[Cell]) -> str:
    """Write: arm (at 10 and 25), other (at 10)."""
    return ", ".join(f"{arm} (at {sizes_of(cell for cell in cells if cell[0] == arm)})" for arm in arms_of(cells))


def _most(found: Mapping[Cell, Mapping[str, Any]], cells: Sequence[Cell]) -> str:
    cell = max(cells, key=lambda cell: found[cell]["accuracy"]["estimate"])
    return f"{cell[0]} at {count(cell[1])}, {interval(found[cell]['accuracy'], signed)}"


def holm_sentence(figures: Figures) -> str:
    """Say how many comparisons were made, what chance would give, and what Holm's correction leaves."""
    level = figures["level"]
    all_of_them = [*compared(figures).values(), *compared(figures, TEMPLATE).values()]
    sides = [side_of_zero(one["accuracy"]) for one in all_of_them]
    kept = [side for one, side in zip(all_of_them, sides, strict=True) if stands(one, level)]
    return (
        f"{count(len(sides))} comparisons were made, each with a {level:.0%} interval of its own: "
        f"{count(sides.count(ABOVE))} lie above zero and {count(sides.count(BELOW))} below it, where chance alone "
        f"would put about {count(round((1 - level) * len(sides)))} on one side or the other. Holm's correction, made "
        f"over all arms and sizes that are set against the same arm (up to {FEW_ROWS} real rows per label together, "
        f"and more together), leaves {count(kept.count(ABOVE))} above and {count(kept.count(BELOW))} below."
    )


def resolution_sentence(figures: Figures) -> str:
    """Say it where the resamples are too few for Holm's correction to leave anything; empty otherwise."""
    known = [one for one in figures["differences"] if not missing(one.get("p")) and not missing(one.get("p_holm"))]
    if not known:
        return ""
    least = min(known, key=lambda one: one["p"])
    samples = least.get("p_samples") or least["accuracy"].get("samples") or 0
    if least["p_holm"] < 1 - figures["level"] or not samples or least["p"] > 2.5 / samples:
        return ""
    return (
        f"With {count(samples)} resamples no p can be smaller than the smallest here, so that Holm's correction could "
        "not have left anything: that it leaves nothing says nothing."
    )


def words_at(figures: Figures, size: int) -> str:
    """Say of one size which arms beat real text alone, which the template as well, which fall behind, which neither."""
    real, template = differences_of(figures), compared(figures, TEMPLATE)
    there = [cell for cell in compared(figures) if cell[1] == size]
    yardsticks = [cell for cell in real if cell[1] == size and cell not in there]
    if not there:
        return ""
    sides = {cell: side_of_zero(real[cell]["accuracy"]) for cell in there}
    both = set(above_both(figures))
    alone = next((one["accuracy"] for one in figures["cells"] if one["arm"] == REAL and one["n"] == size), None)
    parts = [
        f"{count(size)} real rows per label, real text alone {interval(alone)}",
        _group("Above real text alone", real, [cell for cell in there if sides[cell] == ABOVE], figures["level"]),
        _group("Above the template as well", template, [cell for cell in there if cell in both], figures["level"]),
        _group("Below real text alone", real, [cell for cell in there if sides[cell] == BELOW], figures["level"]),
    ]
    lower = [cell for cell in cells_on(figures, BELOW, TEMPLATE) if cell[1] == size]
    parts.append(_group("Below the template", template, lower, figures["level"]) if template else "")
    silent = [arm for arm, _ in there if sides[arm, size] == NEITHER]
    parts.append(f"No difference to real text alone shown: {', '.join(silent)}" if silent else "")
    if yardsticks:
        parts.append(_group("To measure by, more real rows", real, yardsticks, figures["level"]))
    return ". ".join(part for part in parts if part) + "."


def _group(title: str, found: Mapping[Cell, Mapping[str, Any]], cells: Sequence[Cell], level: float) -> str:
    written = []
    for cell in cells:
        doubt = "" if stands(found[cell], level) else " (not after Holm)"
        written.append(f"{cell[0]} {interval(found[cell]['accuracy'], signed)}{doubt}")
    return f"{title}: {'; '.join(written) or 'none'}"


def confirmed_sentence(figures: Figures) -> str:
    """Say how many of the grid's differences fine-tunes bear out; empty where none were made."""
    again = figures.get("confirmed")
    if not again:
        return ""
    first = {(one["against"], one["arm"], one["n"]): side_of_zero(one["accuracy"]) for one in figures["differences"]}
    pairs = [
        (first[key], side_of_zero(one["accuracy"]))
        for one in again["differences"]
        if (key := (one["against"], one["arm"], one["n"])) in first
    ]
    clear = [pair for pair in pairs if pair[0] != NEITHER]
    same, lost = sum(a == b for a, b in clear), sum(b == NEITHER for _, b in clear)
    sides = [side for _, side in pairs]
    return (
        f"{count(len(pairs))} comparisons were made again with {tuned_words(figures)}: "
        f"{sides.count(ABOVE)} lie above zero there, {sides.count(BELOW)} below it, {sides.count(NEITHER)} show no "
        f"difference. Of the {len(clear)} that lie off zero on frozen features, {same} lie on the same side again, "
        f"{lost} show no difference, {len(clear) - same - lost} lie on the other side."
    )


def tuned_words(figures: Figures) -> str:
    """Write what the cells were confirmed by, and which layers were trained where that is known."""
    layers = (figures.get("confirmed") or {}).get("layers")
    return f"fine-tunes of the encoder ({layers})" if layers else "fine-tunes of the encoder"


def run_out_sentence(figures: Figures) -> str:
    """Say at which sizes labels have so few rows that the mean is more than a tenth below the size; empty for none."""
    rows = {one["n"]: one.get("rows_per_label") for one in figures["cells"] if one["arm"] == REAL}
    few = [f"{count(round(rows[n]))} instead of {count(n)}" for n in sorted(rows) if rows[n] and rows[n] < 0.9 * n]
    if not few:
        return ""
    return (
        f"Some labels run out of rows, so that the real rows per label are fewer on average than the size says: "
        f"{listed(few)}. What an added row is worth is worked out from the rows that there were."
    )


def arms_of(cells: Iterable[Cell]) -> list[str]:
    """Return each arm of the cells once."""
    return unique(arm for arm, _ in cells)
