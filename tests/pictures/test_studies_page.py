from __future__ import annotations

from typing import Any

import invented_study as invented
import pytest
from study_page_parts import DOWN, MORE, UP, block, words

from emotion_kedro.pictures.document import Document
from emotion_kedro.pictures.studies import studies_document
from emotion_kedro.pictures.studies_bar import partial_sentence
from emotion_kedro.pipelines.studies.nodes import write_studies
from emotion_kedro.pipelines.studies.sets import CHOSEN_ON, ORIGINS, SETS


def several(*known: dict[str, Any], p_holm: float = 0.001, **options: Any) -> Document:
    studies = {name: invented.figures(**one, p_holm=p_holm) for name, one in zip("abc", known, strict=False)}
    says = {"generated": "as it was drawn"}
    return studies_document(studies, says, invented.GENERATED, failures=["The large model did not fit."], **options)


BEATS = {"real": {("generated", 25): UP}, "template": {("generated", 25): MORE}}
MET = "Yes, on sets of at least 2 sources: 1 of 2 generated arms, at most on 2 of 3 different sources."
MISSED = "Not shown on sets of 2 sources for any of 2 generated arms."


def test_the_bar_is_met_by_one_arm_on_two_sets() -> None:
    document = several(BEATS, BEATS, {})
    assert (document.kind, document.answer) == ("helped", MET)
    assert "The 3 sets here are of 3 different sources. Met by generated on a (25) and b (25)." in document.sentence
    assert document.sentence.endswith("that are set against the same arm): generated on a (25) and b (25).")
    rows = {row[0]: row[1:] for row in document.sections[0].blocks[1].rows}
    assert list(rows) == ["oversampled", "template", "generated", "filtered"]
    assert rows["generated"][:6] == ("yes", "25", "25", "–", "2", "2")


def test_sets_of_the_same_texts_count_once() -> None:
    origins = {"a": "tweets", "b": "tweets"}
    document = several(BEATS, BEATS, {}, origins=origins)
    assert (document.kind, document.answer) == ("open", MISSED)
    assert "The 3 sets here are of 2 different sources. a and b are the same texts" in document.sentence
    assert document.sentence.endswith("On one source: generated on a (25) and b (25).")
    rows = {row[0]: row[1:] for row in document.sections[0].blocks[1].rows}
    assert rows["generated"][:6] == ("yes", "25", "25", "–", "1", "1")
    document = several(BEATS, BEATS, BEATS, origins=origins)
    assert document.answer == (
        "Yes, on sets of at least 2 sources: 1 of 2 generated arms, at most on 2 of 2 different sources."
    )


def test_the_bar_is_answered_without_the_set_on_which_something_was_chosen() -> None:
    chosen = {"a": "The requests were chosen on a.", "elsewhere": "Not on this page."}
    document = several(BEATS, BEATS, {}, chosen_on=chosen)
    assert (document.kind, document.answer) == ("helped", f"{MET} Without a: not met.")
    assert document.sentence.endswith(
        "The requests were chosen on a. Without a, on sets of 2 different sources: not met. On one source: generated "
        "on b (25)."
    )
    assert "Not on this page" not in document.sentence
    document = several(BEATS, BEATS, BEATS, chosen_on=chosen)
    assert document.answer.endswith("at most on 3 of 3 different sources. Without a: met by 1 of them.")
    assert document.sentence.endswith("on sets of 2 different sources: met by 1 of them. By arm: generated.")
    document = several(BEATS, BEATS, BEATS, chosen_on=chosen, origins={"b": "tweets", "c": "tweets"})
    assert document.answer.endswith("at most on 2 of 2 different sources. Without a: not met.")


def test_arms_that_were_not_run_everywhere_are_named_with_their_places() -> None:
    studies = {name: invented.figures(sizes=(10, 25)) for name in ("a", "b")}
    assert partial_sentence(studies) == ""
    for name, lacking in {
        "a": [("generated", 25), ("oversampled", 25)],
        "b": [("generated", 10), ("generated", 25)],
    }.items():
        studies[name]["cells"] = [one for one in studies[name]["cells"] if (one["arm"], one["n"]) not in lacking]
    said = (
        "Not every arm was run everywhere: oversampled on a (at 10) and b (at all sizes); generated only on a, at 10."
    )
    assert partial_sentence(studies).startswith(said)
    document = studies_document(studies, {}, invented.GENERATED)
    assert said in words(document, "bar")
    (section,) = [section for section in document.sections if section.anchor == "arms"]
    assert ("generated", "–", "yes", "10", "–") in section.blocks[0].rows


def test_the_bar_met_by_intervals_alone_is_not_called_met() -> None:
    document = several(BEATS, BEATS, p_holm=0.2)
    assert document.kind == "open"
    assert document.answer == (
        "By intervals alone, on sets of at least 2 sources: 1 of 2 generated arms, at most on 2 of 2 different "
        "sources; not after Holm's correction."
    )


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"real": {("generated", 25): UP}, "template": {("generated", 10): MORE}},  # at two sizes
        {"real": {("generated", 100): UP}, "template": {("generated", 100): MORE}},  # with many rows
        {"real": {("filtered", 25): UP}, "template": {("filtered", 25): MORE}},  # another arm
        {"real": {("oversampled", 25): UP}, "template": {("oversampled", 25): MORE}},  # not generated
    ],
)
def test_the_bar_is_missed(other: dict[str, Any]) -> None:
    document = several(BEATS, other)
    assert (document.kind, document.answer) == ("open", MISSED)
    assert "On one source: generated on a (25)" in document.sentence


def test_the_page_of_all_sets_says_when_it_helps_and_what_failed() -> None:
    document = several(BEATS, {"real": {("filtered", 10): DOWN}})
    when, failed = words(document, "when"), words(document, "failed")
    assert "a: some arm is above real text alone at 25 real rows per label (after Holm's correction at 25)" in when
    assert "b: no arm is shown to be above real text alone at any size; below real text alone at 10 (filtered)." in when
    assert "Text of language models: of 12 cells 1 above real text alone, 1 above the template as well, 1 below" in when
    assert "In the same direction on every set: fidelity (more of it, more gain: .610 to .610)" in when
    assert "On no set and at no size above real text alone: oversampled, template and filtered." in failed
    assert "Below real text alone: b: filtered (at 10)." in failed
    assert "The large model did not fit." in failed
    (section,) = [section for section in document.sections if section.anchor == "arms"]
    assert ("generated", "as it was drawn", "yes", *["10, 25, 50, 100, 200"] * 2) in section.blocks[0].rows
    assert [row[0] for row in section.blocks[0].rows] == list(invented.ARMS)


def test_a_set_without_an_arm_leaves_its_place_blank() -> None:
    studies = {"a": invented.figures(), "b": invented.figures(arms=("real", "template", "generated"), sizes=(10, 50))}
    document = studies_document(studies, {}, invented.GENERATED)
    table = block(
        document,
        "Difference in accuracy to real text alone / to the template; * interval clear of zero, ** also after Holm",
    )
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["filtered, 10"] == ["+.004 / +.004", "–"]
    assert rows["template, 25"] == ["+.004 / –", "–"]
    assert len(document.drawings["studies_overview"]().axes) == 3  # two sets and the scale
    assert len(document.drawings["studies_curves"]().axes) == 2


def test_many_rows_alone_leave_no_picture_of_few() -> None:
    figures = invented.figures(sizes=(100, 200))
    assert set(studies_document({"a": figures}, {}, invented.GENERATED).drawings) == {"studies_curves"}


def test_the_node_knows_which_sets_share_texts_and_which_had_a_part_in_choices() -> None:
    assert {*ORIGINS, *CHOSEN_ON} <= set(SETS.values())
    figures = {**invented.figures(**BEATS), "says": {}, "generated": list(invented.GENERATED)}
    found = {"study_eit": figures, "study_edft": figures, "study_edft_thirteen": figures}
    page = write_studies(invented.RUN_LOG, *(found.get(name) for name in SETS))[1]
    assert "at most on 2 of 2 different sources. Without EIT: not met." in page
    assert "EDFT, six labels and EDFT, thirteen labels are the same texts" in page
    assert CHOSEN_ON["EIT"] in page
