"""The page over all sets that were studied: which arms add something on how many of them, and when."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from emotion_kedro.pictures import curves
from emotion_kedro.pictures.blocks import Block, Column, Picture, Table, Text, table
from emotion_kedro.pictures.document import Document
from emotion_kedro.pictures.numbers import DASH, count, interval, p_value, plain, signed, unique, yes
from emotion_kedro.pictures.studies_bar import (
    Studies,
    added_arms,
    all_arms,
    bar_of,
    beaten,
    partial_sentence,
    run_at,
    sources_of,
)
from emotion_kedro.pictures.studies_words import (
    counts_by_size,
    fading_sentence,
    kinds_sentence,
    leading,
    mean_over_sets,
    sentence_on_set,
    steady_sentence,
)
from emotion_kedro.pictures.study import FOLDED_FROM
from emotion_kedro.pictures.study_pages import filled
from emotion_kedro.pictures.study_words import (
    ABOVE,
    BELOW,
    FEW_ROWS,
    HARMED,
    HELPED,
    REAL,
    TEMPLATE,
    YARDSTICKS,
    Cell,
    Figures,
    cells_on,
    differences_of,
    holm_sentence,
    listed,
    named_cells,
    reading_of,
)

QUESTION = "Does generated text help beyond real rows and beyond a template?"
_signed_interval = partial(interval, written=signed)


def studies_document(
    studies: Studies,
    descriptions: Mapping[str, str],
    generated: Collection[str],
    *,
    name: str = "studies",
    origins: Mapping[str, str] | None = None,
    chosen_on: Mapping[str, str] | None = None,
    failures: Sequence[str] = (),
    yardsticks: Collection[str] = YARDSTICKS,
) -> Document:
    """Return the page over all sets.

    Args:
        studies: name of a set -> its figures, as :func:`emotion_kedro.pictures.study.study_document` takes them.
        descriptions: arm -> what it is, in words.
        generated: the arms whose text a language model wrote. The bar is theirs: one of them has to lie above real
            text alone and above the template, each with an interval clear of zero, at one and the same size of at
            most 50 real rows per label, on sets of at least two origins.
        name: what the names of the pictures begin with.
        origins: name of a set -> where its texts are from; sets of one origin count once. A set that is not there is
            its own.
        chosen_on: name of a set -> a sentence on what was chosen on it; the bar is answered without it as well.
        failures: sentences on what was tried and did not come to figures.
        yardsticks: as for a single study.
    """
    studies = {one: {**figures, "yardsticks": list(yardsticks)} for one, figures in studies.items()}
    origins = origins or {}
    kind, answer, sentence = bar_of(studies, generated, origins, chosen_on)
    shown = leading(studies, generated, origins)
    drawings = {f"{name}_curves": partial(curves.plot_sets_curves, studies, shown)}
    if any(size <= FEW_ROWS for figures in studies.values() for size in figures["sizes"]):
        drawings[f"{name}_overview"] = partial(curves.plot_sets_heat_map, studies)
        drawings[f"{name}_template"] = partial(curves.plot_sets_heat_map, studies, TEMPLATE)
    parts = (
        ("bar", "Every arm on every set", _bar(studies, generated, origins)),
        ("few", f"Up to {FEW_ROWS} real rows per label", _few(studies, name)),
        ("curves", "All sets side by side", _curves(shown, name)),
        ("when", "When it helps and when not", _when(studies, generated)),
        ("failed", "What failed", _failed(studies, failures)),
        ("arms", "The arms", _arms(studies, descriptions, generated)),
    )
    return Document(
        title="Added text and the number of real rows: all sets",
        question=QUESTION,
        answer=answer,
        sentence=sentence,
        sections=filled(parts),
        caution=(
            "Every set was studied by itself, with few draws of its real rows and one test split. The arms were many, "
            "and the best of many looks better than it is; that an arm does it on several sources speaks against "
            "chance."
        ),
        kind=kind,
        drawings=drawings,
    )


def _bar(studies: Studies, generated: Collection[str], origins: Mapping[str, str]) -> Iterator[Block]:
    found, firm = beaten(studies), beaten(studies, after_holm=True)
    yield Text(
        f"On each set: the sizes of at most {FEW_ROWS} real rows per label at which the arm lies above real text alone "
        "and above the template, both intervals clear of zero. A dash: at none; blank: the arm is not in that set. "
        "Sets of the same texts count as one source."
    )
    yield Text(partial_sentence(studies))
    rows = [
        {
            **{"arm": arm, "generated": arm in generated},
            **{"beaten": len(sources_of(sets, origins)), "firm": len(sources_of(firm[arm], origins))},
            **{name: _beaten_on(figures, arm, sets.get(name)) for name, figures in studies.items()},
            "mean": mean_over_sets(studies, arm),
        }
        for arm, sets in found.items()
    ]
    columns: list[Column] = [
        *(("arm", "arm", plain), ("generated", "text of a language model", yes)),
        *((name, name, str) for name in studies),
        *(
            ("beaten", "sources", count),
            ("firm", "sources, after Holm", count),
            ("mean", f"mean gain over real, up to {FEW_ROWS}", signed),
        ),
    ]
    yield table(rows, columns)


def _beaten_on(figures: Figures, arm: str, sizes: Sequence[int] | None) -> str:
    if arm not in figures["arms"]:
        return ""
    return ", ".join(map(count, sizes)) if sizes else DASH


def _few(studies: Studies, name: str) -> Iterator[Block]:
    yield Picture(
        f"{name}_overview", "Against real text alone: ring, interval clear of zero; dot, also after Holm", True
    )
    yield Picture(f"{name}_template", "Against the template: ring, interval clear of zero; dot, also after Holm", True)
    yield _few_table(studies)
    rows = [row for name, figures in studies.items() for row in _few_rows(name, figures)]
    columns: list[Column] = [
        *(("arm", "arm", plain), ("set", "set", plain), ("n", "real rows per label", count)),
        *(("real", "to real text alone", _signed_interval), ("real_p", "p after Holm", p_value)),
        *(("template", "to the template", _signed_interval), ("template_p", "p after Holm", p_value)),
        ("reading", "against real reads as", plain),
    ]
    yield table(rows, columns, title="The same with intervals", folded=len(rows) > FOLDED_FROM)


def _few_table(studies: Studies) -> Table:
    """Return arms down and sets across; a cell lists real / template for each of the small sizes."""
    sizes = sorted({size for figures in studies.values() for size in figures["sizes"] if size <= FEW_ROWS})
    rows = [
        [f"{arm}, {count(size)}", *(_few_cell(figures, (arm, size)) for figures in studies.values())]
        for arm in all_arms(studies)
        for size in sizes
    ]
    title = "Difference in accuracy to real text alone / to the template; * interval clear of zero, ** also after Holm"
    return Table(["arm, real rows per label", *studies], rows, title=title)


def _few_cell(figures: Figures, cell: Cell) -> str:
    written = [_starred(figures, differences_of(figures, against).get(cell)) for against in (REAL, TEMPLATE)]
    return DASH if written == [DASH, DASH] else " / ".join(written)


def _starred(figures: Figures, difference: Mapping[str, Any] | None) -> str:
    if difference is None:
        return DASH
    said = reading_of(difference, figures["level"])
    stars = "**" if said in (HELPED, HARMED) else "*" if said.startswith((HELPED, HARMED)) else ""
    return f"{signed(difference['accuracy']['estimate'])}{stars}"


def _few_rows(name: str, figures: Figures) -> Iterator[dict[str, Any]]:
    real, template = differences_of(figures), differences_of(figures, TEMPLATE)
    for cell, found in real.items():
        if cell[1] <= FEW_ROWS:
            other = template.get(cell, {})
            yield {
                **{"arm": cell[0], "set": name, "n": cell[1], "real": found["accuracy"], "real_p": found["p_holm"]},
                **{"template": other.get("accuracy"), "template_p": other.get("p_holm")},
                "reading": reading_of(found, figures["level"]),
            }


def _curves(shown: Sequence[str], name: str) -> Iterator[Block]:
    yield Text(
        f"Real text alone with the band of its interval, the template, and {listed(shown)}: the arms that are above "
        f"both on the most sources, then with the largest mean gain up to {FEW_ROWS} real rows per label. They were "
        "picked by these very figures, so that the curves flatter them; every other arm stands on the page of its set."
    )
    yield Picture(f"{name}_curves", "Accuracy over real rows per label, every set", wide=True)


def _when(studies: Studies, generated: Collection[str]) -> Iterator[Block]:
    rows = [row for words in (True, False) for row in counts_by_size(studies, generated, words)]
    yield Text(fading_sentence(rows))
    for name, figures in studies.items():
        yield Text(f"{name}: {sentence_on_set(figures)}")
    yield Text(kinds_sentence(rows))
    columns: list[Column] = [
        *(("kind", "added text", plain), ("n", "real rows per label", count), ("asked", "arms and sets", count)),
        *(("up", "above real", count), ("both", "above both", count), ("down", "below real", count)),
        ("silent", "no difference shown", count),
    ]
    yield table(rows, columns, title="By size")
    measures = unique(one["measure"] for figures in studies.values() for one in figures["relation"])
    ranks = {
        name: {one["measure"]: one["spearman"] for one in figures["relation"]} for name, figures in studies.items()
    }
    related = [{"measure": one, **{name: ranks[name].get(one) for name in studies}} for one in measures]
    columns = [("measure", "measure", plain), *((name, name, signed) for name in studies)]
    yield Text(steady_sentence(related, list(studies)))
    yield table(related, columns, title="Rank correlation of the gain with measures of the added text")


def _failed(studies: Studies, failures: Sequence[str]) -> Iterator[Block]:
    helped = {arm for figures in studies.values() for arm, _ in cells_on(figures, ABOVE)}
    over = {arm for figures in studies.values() for arm, _ in cells_on(figures, ABOVE, TEMPLATE)}
    never = [arm for arm in added_arms(studies) if arm not in helped]
    under = [arm for arm in added_arms(studies) if arm in helped and arm not in over and arm != TEMPLATE]
    harmed = {name: cells_on(figures, BELOW) for name, figures in studies.items()}
    yield Text(f"On no set and at no size above real text alone: {listed(never) if never else 'none of the arms'}.")
    yield Text(
        f"Above real text alone somewhere, but nowhere above the template: {listed(under) if under else 'none'}."
    )
    said = [f"{name}: {named_cells(cells)}" for name, cells in harmed.items() if cells]
    yield Text(f"Below real text alone: {'. '.join(said) if said else 'no arm on any set'}.")
    lower = [(name, cells_on(figures, BELOW, TEMPLATE)) for name, figures in studies.items()]
    said = [f"{name}: {named_cells(cells)}" for name, cells in lower if cells]
    yield Text(f"Below the template: {'. '.join(said) if said else 'no arm on any set'}.")
    yield from map(Text, failures)
    for name, figures in studies.items():
        yield Text(f"{name}: {holm_sentence(figures)}")


def _arms(studies: Studies, descriptions: Mapping[str, str], generated: Collection[str]) -> Iterator[Block]:
    arms = unique([*(REAL for figures in studies.values() if REAL in figures["arms"]), *all_arms(studies)])
    rows = [
        {
            **{"arm": arm, "what": descriptions.get(arm), "generated": arm in generated},
            **{name: [count(size) for size in run_at(figures, arm)] for name, figures in studies.items()},
        }
        for arm in arms
    ]
    columns: list[Column] = [
        *(("arm", "arm", plain), ("what", "what it is", plain), ("generated", "text of a language model", yes)),
        *((name, f"{name}: run at", plain) for name in studies),
    ]
    yield table(rows, columns)
