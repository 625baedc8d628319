"""The bar over all sets: a generated arm above real text alone and above the template, on sets of different sources.

Sets of one origin hold the same texts under other labels; they count as one source. Sets on which something was chosen
beforehand have a name to it, and the bar is asked for without them as well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from emotion_kedro.pictures.numbers import count, unique
from emotion_kedro.pictures.study_words import (
    FEW_ROWS,
    HELPED,
    REAL,
    TEMPLATE,
    YARDSTICKS,
    Figures,
    above_both,
    listed,
    standing,
)

SOURCES_FOR_THE_BAR = 2
Studies = Mapping[str, Figures]
Beaten = dict[str, dict[str, list[int]]]


def beaten(studies: Studies, *, after_holm: bool = False) -> Beaten:
    """Return arm of added text -> set -> the sizes up to 50 at which it lies above real text alone and the template."""
    found: Beaten = {arm: {} for arm in added_arms(studies)}
    for name, figures in studies.items():
        cells = above_both(figures)
        if after_holm:
            firm = set(standing(figures, cells))
            cells = [cell for cell in standing(figures, cells, TEMPLATE) if cell in firm]
        for arm, size in cells:
            if size <= FEW_ROWS:
                found[arm].setdefault(name, []).append(size)
    return found


def sources_of(sets: Iterable[str], origins: Mapping[str, str]) -> list[str]:
    """Return the origins of sets, each once; a set of which none is known is its own."""
    return unique(origins.get(name, name) for name in sets)


def bar_of(
    studies: Studies,
    generated: Collection[str],
    origins: Mapping[str, str] | None = None,
    chosen_on: Mapping[str, str] | None = None,
) -> tuple[str, str, str]:
    """Return colour, answer and sentence: whether a generated arm beats both on sets of at least two sources.

    Args:
        studies: name of a set -> its figures.
        generated: the arms that are asked about.
        origins: name of a set -> where its texts are from; sets of one origin count once.
        chosen_on: name of a set -> what was chosen on it, a sentence; the bar is answered without these sets as well.
    """
    origins = origins or {}
    chosen = {name: said for name, said in (chosen_on or {}).items() if name in studies}
    bar = _Bar.of(studies, generated, origins)
    asked = (
        "Asked for: a generated arm above real text alone and above the template, both intervals clear of zero, at "
        f"one size of at most {FEW_ROWS} real rows per label, on sets of at least {SOURCES_FOR_THE_BAR} different "
        f"sources. {_counted(list(studies), origins)}"
    )
    parts, answer = [asked, bar.sentence()], bar.answer()
    if chosen:
        others = {name: figures for name, figures in studies.items() if name not in chosen}
        rest, left = _Bar.of(others, generated, origins), len(sources_of(others, origins))
        without = f"Without {listed(chosen)}"
        answer += f" {without}: {rest.short()}."
        parts += [*chosen.values(), f"{without}, on sets of {_sources(left)}: {rest.short()}. {rest.who()}"]
    return bar.kind(), answer, " ".join(parts)


@dataclass(frozen=True)
class _Bar:
    """Who lies above both where, by intervals and after Holm's correction."""

    found: Beaten
    firm: Beaten
    origins: Mapping[str, str]
    sources: int

    @classmethod
    def of(cls, studies: Studies, generated: Collection[str], origins: Mapping[str, str]) -> _Bar:
        first, firm = (
            {arm: sets for arm, sets in beaten(studies, after_holm=after).items() if arm in generated}
            for after in (False, True)
        )
        return cls(first, firm, origins, len(sources_of(studies, origins)))

    def _met(self, sets_of: Beaten) -> list[str]:
        many = {arm: len(sources_of(sets, self.origins)) for arm, sets in sets_of.items()}
        return sorted((arm for arm in many if many[arm] >= SOURCES_FOR_THE_BAR), key=lambda arm: -many[arm])

    def _most(self, sets_of: Beaten) -> str:
        most = max(len(sources_of(sets, self.origins)) for sets in sets_of.values())
        return f"at most on {most} of {_sources(self.sources)}"

    def kind(self) -> str:
        return HELPED if self._met(self.firm) else "open"

    def answer(self) -> str:
        over, firm = self._met(self.found), self._met(self.firm)
        where, arms = f"on sets of at least {SOURCES_FOR_THE_BAR} sources", f"of {len(self.found)} generated arms"
        if firm:
            return f"Yes, {where}: {len(firm)} {arms}, {self._most(self.firm)}."
        if over:
            most = self._most(self.found)
            return f"By intervals alone, {where}: {len(over)} {arms}, {most}; not after Holm's correction."
        return f"Not shown on sets of {SOURCES_FOR_THE_BAR} sources for any {arms}."

    def short(self) -> str:
        """Say in a few words whether the bar is met."""
        if self._met(self.firm):
            return f"met by {len(self._met(self.firm))} of them"
        return "met by intervals alone, not after Holm's correction" if self._met(self.found) else "not met"

    def who(self) -> str:
        """Name the arms by which it is met, without places, or say what comes nearest."""
        arms = self._met(self.firm) or self._met(self.found)
        return f"By arm: {listed(arms)}." if arms else self.sentence()

    def sentence(self) -> str:
        """Say by which arms it is met, or what comes nearest."""
        over, firm = self._met(self.found), self._met(self.firm)
        if over:
            who = "; ".join(f"{arm} on {_sets(self.found[arm])}" for arm in over)
            kept = "; ".join(f"{arm} on {_sets(self.firm[arm])}" for arm in firm) or "none of them"
            return (
                f"Met by {who}. After Holm's correction within each set (over all arms and sizes up to {FEW_ROWS} that "
                f"are set against the same arm): {kept}."
            )
        once = [f"{arm} on {_sets(sets)}" for arm, sets in self.found.items() if sets]
        return f"On one source: {'; '.join(once)}." if once else "None does so on any set."


def _counted(names: Sequence[str], origins: Mapping[str, str]) -> str:
    """Say how many sources the sets are of, and which sets are one source."""
    sources = sources_of(names, origins)
    same = [[name for name in names if origins.get(name, name) == source] for source in sources]
    once = [f"{listed(sets)} are the same texts under other labels, and count once" for sets in same if len(sets) > 1]
    return " ".join([f"The {len(names)} sets here are of {_sources(len(sources))}.", *(f"{said}." for said in once)])


def _sources(number: int) -> str:
    return f"{number} different sources" if number != 1 else "1 source"


def _sets(found: Mapping[str, Sequence[int]]) -> str:
    """Write eit (10 and 25) and goemotions (10)."""
    return listed(f"{name} ({listed(map(count, sizes))})" for name, sizes in found.items())


def all_arms(studies: Studies) -> list[str]:
    """Return the arms of all sets but `real`, each once."""
    return unique(arm for figures in studies.values() for arm in figures["arms"] if arm != REAL)


def added_arms(studies: Studies) -> list[str]:
    """Return the arms of all sets that add text, each once: neither `real` nor a yardstick."""
    return [
        arm
        for arm in all_arms(studies)
        if any(
            arm in figures["arms"] and arm not in figures.get("yardsticks", YARDSTICKS) for figures in studies.values()
        )
    ]


def run_at(figures: Figures, arm: str) -> list[int]:
    """Return the sizes at which an arm was run on a set."""
    return sorted({one["n"] for one in figures["cells"] if one["arm"] == arm})


def partial_sentence(studies: Studies) -> str:
    """Say which arms were run on some sets or at some sizes only; empty where all were run everywhere.

    An arm is complete where it has every size at which `real` was run.
    """
    where: dict[str, list[str]] = {}
    for arm in all_arms(studies):
        there = {name: run_at(figures, arm) for name, figures in studies.items()}
        lacking = [name for name, figures in studies.items() if there[name] != run_at(figures, REAL)]
        if lacking and any(there.values()):
            where.setdefault(_places(studies, there), []).append(arm)
    if not where:
        return ""
    said = "; ".join(f"{listed(arms)} {place}" for place, arms in where.items())
    return f"Not every arm was run everywhere: {said}. Elsewhere nothing is known of them."


def _places(studies: Studies, there: Mapping[str, Sequence[int]]) -> str:
    """Write: on EIT (at 10) and EDFT (at all sizes)."""
    known = {name: sizes for name, sizes in there.items() if sizes}
    at = {
        name: "at all sizes" if sizes == run_at(studies[name], REAL) else f"at {listed(map(count, sizes))}"
        for name, sizes in known.items()
    }
    only = "only on " if len(known) < len(studies) else "on "
    if len(set(at.values())) == 1:
        sets = "every set" if len(known) == len(studies) else listed(known)
        return f"{only}{sets}, {next(iter(at.values()))}"
    return only + listed(f"{name} ({said})" for name, said in at.items())
