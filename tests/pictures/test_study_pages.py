from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import invented_study as invented
import numpy as np
import pytest

from emotion_kedro.pictures import curves
from emotion_kedro.pictures.blocks import Table, Text
from emotion_kedro.pictures.document import Document
from emotion_kedro.pictures.studies import studies_document
from emotion_kedro.pictures.study import study_document, study_pages
from emotion_kedro.pictures.study_words import confirmed_sentence, holm_sentence, words_at

UP, MORE, DOWN = (0.05, 0.03, 0.07), (0.03, 0.01, 0.05), (-0.04, -0.06, -0.02)


def page(**known: Any) -> Document:
    return study_document(invented.figures(**known), invented.COST, {"data": "EIT"}, generated=invented.GENERATED)


def block(document: Document, title: str) -> Table:
    (found,) = [
        one for section in document.sections for one in section.blocks if isinstance(one, Table) and one.title == title
    ]
    return found


def words(document: Document, anchor: str) -> str:
    (section,) = [section for section in document.sections if section.anchor == anchor]
    return " ".join(one.text for one in section.blocks if isinstance(one, Text))


def test_a_gain_over_both_is_named_with_its_size_and_intervals() -> None:
    document = page(real={("filtered", 10): UP, ("filtered", 25): UP}, template={("filtered", 10): MORE})
    assert document.kind == "helped"
    assert document.answer == "Yes: beyond real text alone and beyond the template, at 10 real rows per label."
    assert document.sentence.startswith(
        "Arms above real text alone: 1 of 4 at 10, 1 of 4 at 25, none of 4 at 50, none of 4 at 100, none of 4 at 200. "
        "The largest gain: filtered at 10, +.050 [+.030, +.070]. Above the template as well: filtered (at 10). "
        "The largest gain over the template among these: filtered at 10, +.030 [+.010, +.050]. "
        "Below real text alone: none."
    )


def test_a_gain_that_the_template_has_as_well_is_no_more_than_that() -> None:
    document = page(real={("filtered", 10): UP, ("template", 10): UP})
    assert document.kind == "helped"
    assert document.answer == (
        "Beyond real text alone yes, at 10 real rows per label; beyond the template nothing is shown."
    )
    assert "Above the template as well: none." in document.sentence


def test_intervals_that_holms_correction_does_not_keep_settle_nothing() -> None:
    document = page(real={("filtered", 10): UP}, template={("filtered", 10): MORE}, p_holm=0.2)
    assert document.kind == "open"
    assert document.answer == "Not settled: above real text alone at 10 real rows per label, but by intervals alone."
    rows = block(document, "Against real text alone").rows
    assert {row[-1] for row in rows if row[0] == "filtered"} == {
        "helped, by its interval alone",
        "no difference shown",
    }


def test_harm_is_said_as_plainly_as_help() -> None:
    document = page(real={("generated", 50): DOWN})
    assert document.kind == "harmed"
    assert document.answer == "No: nothing is shown to help, and some did harm at 50 real rows per label."
    assert "Below real text alone: generated (at 50)." in document.sentence
    both = page(real={("generated", 50): DOWN, ("filtered", 10): UP}, template={("filtered", 10): MORE})
    assert both.answer.endswith("at 10 real rows per label. Some added text did harm, at 50.")


def test_nothing_shown_is_said() -> None:
    document = page()
    assert (document.kind, document.answer) == ("open", "No difference shown.")


def test_without_a_template_the_page_says_so() -> None:
    arms = ("real", "generated")
    document = page(real={("generated", 10): UP}, arms=arms)
    assert document.answer.endswith("; there is no template to set it against.")
    assert "as well" not in document.sentence


def test_more_real_rows_are_a_yardstick_and_no_added_text() -> None:
    arms = (*invented.ARMS, "more_real")
    figures = invented.figures({("more_real", 10): UP}, {("more_real", 10): UP}, arms=arms)
    document = study_document(figures, invented.COST, {})
    assert document.answer == "No difference shown."
    assert words_at(figures, 10).endswith("To measure by, more real rows: more_real +.050 [+.030, +.070].")
    assert "more_real" in {row[0] for row in block(document, "Against real text alone").rows}
    over_all = studies_document({"eit": figures, "edft": figures}, {}, ["more_real"])
    assert over_all.answer == "Not shown on 2 sets for any of 0 generated arms."


def test_comparisons_are_counted() -> None:
    figures = invented.figures({("filtered", 10): UP, ("generated", 10): DOWN}, {("filtered", 10): MORE})
    assert holm_sentence(figures) == (
        "35 comparisons were made, each with a 95% interval of its own: 2 lie above zero and 1 below it, where chance "
        "alone would put about 2 on one side or the other. Holm's correction, made over the arms that are set against "
        "the same arm at the same size, leaves 2 above and 1 below."
    )


def test_too_few_resamples_for_the_correction_are_owned_up_to() -> None:
    figures = invented.figures({("filtered", 10): (0.05, 0.03, 0.07)}, p_holm=0.2)
    assert "says nothing" not in study_document(figures, [], {}).sentence
    for one in figures["differences"]:
        one["accuracy"]["samples"] = 100
    assert "With 100 resamples no p can be smaller" in study_document(figures, [], {}).sentence


def test_each_size_lists_every_arm_on_its_side() -> None:
    figures = invented.figures({("filtered", 10): UP, ("oversampled", 10): DOWN}, {("filtered", 10): MORE})
    assert words_at(figures, 10) == (
        "10 real rows per label, real text alone .470 [.450, .490]. Above real text alone: filtered +.050 [+.030, "
        "+.070]. Above the template as well: filtered +.030 [+.010, +.050]. Below real text alone: oversampled −.040 "
        "[−.060, −.020]. Below the template: none. No difference to real text alone shown: template, generated."
    )


def test_every_arm_stands_at_every_size_in_the_table() -> None:
    rows = block(page(), "Accuracy, macro-F1 and ECE").rows
    assert {(row[0], row[1]) for row in rows} == {(arm, str(size)) for arm in invented.ARMS for size in invented.SIZES}
    assert rows[0] == ("real", "10", ".470 [.450, .490]", ".440 [.420, .460]", ".050", "60", "0", "6")


def test_an_exchange_beyond_the_curve_has_no_number() -> None:
    figures = invented.figures()
    figures["exchange"] = [
        {"arm": "generated", "n": 10, "accuracy": 0.5, "equal_to": None, "beyond": "above", "added_rows": 50}
        | {"worth": None},
        {"arm": "filtered", "n": 10, "accuracy": 0.4, "added_rows": 50, "worth": 0.11}
        | {"equal_to": {"estimate": 15.4, "low": 12.0, "high": None}},
    ]
    document = study_document(figures, [], {})
    cells = [row[3:] for row in block(document, "What an added row is worth").rows]
    assert cells == [("above the curve", "50", "–"), ("15 [12, above the curve]", "50", "0.110")]
    assert "each of its added rows counts for 0.11 real ones" in words(document, "exchange")


def test_full_fine_tunes_are_set_beside_the_grid() -> None:
    figures = invented.figures({("filtered", 10): UP, ("generated", 10): DOWN})
    assert "No cell has been confirmed" in words(study_document(figures, [], {}), "confirmed")
    again = [invented.difference("real", "filtered", 10, UP), invented.difference("real", "generated", 10, UP)]
    figures["confirmed"] = {"cells": [invented.cell("filtered", 10, 0.6)], "differences": again}
    assert confirmed_sentence(figures) == (
        "2 comparisons were made again with full fine-tunes of the encoder: 2 lie above zero there, 0 below it, 0 show "
        "no difference. Of the 2 that lie off zero on frozen features, 1 lie on the same side again, 0 show no "
        "difference, 1 lie on the other side."
    )
    assert block(study_document(figures, [], {}), "Full fine-tunes of the encoder").rows[0][0] == "filtered"


def test_what_was_estimated_and_what_was_spent_are_summed_up_apart() -> None:
    assert block(page(), "Estimated").rows[-1] == ("all", "–", "–", "–", "5 min 50 s")
    known = study_document({**invented.figures(), "spent": invented.SPENT}, invented.COST, {})
    assert block(known, "Spent").rows[-1] == ("all", "–", "–", "6 min 00 s")
    assert "each piece timed as it was made" not in words(page(), "cost")


def test_the_markdown_shows_the_pictures_and_the_html_needs_no_other_file() -> None:
    document = study_document(invented.figures(), invented.COST, {}, name="study_eit")
    html, markdown, summary, pictures = study_pages(document, [], invented.RUN_LOG, {"encoder": "invented"})
    shown = re.findall(r"!\[[^]]+\]\(images/(\w+)\.png\)", markdown)
    assert shown == ["study_eit_overview", "study_eit_curves", "study_eit_gains", "study_eit_relation"]
    assert set(pictures) == set(shown)
    assert all(picture.startswith(b"\x89PNG") for picture in pictures.values())
    assert html.count('src="data:image/png;base64,') == 4
    assert not re.search(r'(src|href)="(?!data:|#)', html)
    assert "| encoder | invented |" in markdown
    assert "fit_heads" in html
    assert "No difference shown." in summary


def several(*known: dict[str, Any], p_holm: float = 0.001) -> Document:
    studies = {name: invented.figures(**one, p_holm=p_holm) for name, one in zip("abc", known, strict=False)}
    says = {"generated": "as it was drawn"}
    return studies_document(studies, says, invented.GENERATED, failures=["The large model did not fit."])


BEATS = {"real": {("generated", 25): UP}, "template": {("generated", 25): MORE}}


def test_the_bar_is_met_by_one_arm_on_two_sets() -> None:
    document = several(BEATS, BEATS, {})
    assert (document.kind, document.answer) == ("helped", "Yes, on at least 2 sets: 1 of 2 generated arms.")
    assert document.sentence.endswith(
        "Met by generated on a (25) and b (25). After Holm's correction within each set: generated."
    )
    rows = {row[0]: row[1:] for row in document.sections[0].blocks[1].rows}
    assert list(rows) == ["oversampled", "template", "generated", "filtered"]
    assert rows["generated"][:6] == ("yes", "25", "25", "–", "2", "2")


def test_the_bar_met_by_intervals_alone_is_not_called_met() -> None:
    document = several(BEATS, BEATS, p_holm=0.2)
    assert document.kind == "open"
    assert document.answer.startswith("By intervals alone, on at least 2 sets: 1 of 2 generated arms")


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
    assert (document.kind, document.answer) == ("open", "Not shown on 2 sets for any of 2 generated arms.")
    assert "On one set: generated on a (25)" in document.sentence


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
    assert ("generated", "as it was drawn", "yes", "a, b") in section.blocks[0].rows
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


def test_curves_have_a_panel_an_arm_with_real_and_template_on_a_log_axis() -> None:
    figures = invented.figures({("filtered", 10): UP})
    figure = curves.plot_curves(figures, invented.GENERATED)
    panels = {axes.get_title(): axes for axes in figure.axes if axes.get_visible()}
    assert list(panels) == ["oversampled", "template", "generated", "filtered"]
    axes = panels["filtered"]
    assert axes.get_xscale() == "log"
    assert [line.get_label() for line in axes.lines] == [
        *("real text alone", "template", "the panel's arm, text of a language model"),
    ]
    np.testing.assert_allclose(axes.lines[2].get_xdata(), invented.SIZES)
    np.testing.assert_allclose(axes.lines[2].get_ydata()[0], 0.47 + 0.05)
    assert len({(line.get_marker(), line.get_linestyle()) for line in axes.lines}) == 3
    assert len(axes.collections) == 2  # the bands of real and of the arm


def test_gains_are_in_points() -> None:
    axes = curves.plot_gains(invented.figures({("oversampled", 10): UP})).axes[0]
    np.testing.assert_allclose(axes.lines[-1].get_ydata()[:2], [5.0, 0.4])


def test_the_heat_map_marks_what_leaves_zero_out_and_what_holm_keeps() -> None:
    figures = invented.figures({("filtered", 10): UP, ("generated", 10): DOWN})
    next(one for one in figures["differences"] if one["arm"] == "generated" and one["n"] == 10)["p_holm"] = 0.3
    real, template, _ = curves.plot_heat_map(figures).axes
    assert [real.get_title(), template.get_title()] == ["against real text alone", "against template"]
    said = [text.get_text() for text in real.texts]
    assert (said[10], said[15], said[0]) == ("−4.0 ○", "+5.0 ●", "+0.4")
    assert len(real.texts) == 20
    assert len(template.texts) == 15  # the template is not set against itself


def test_the_relation_shows_known_measures_at_few_rows() -> None:
    figure = curves.plot_relation(invented.figures())
    assert [axes.get_xlabel() for axes in figure.axes] == [
        *("fidelity\n(rank correlation +0.61)", "distinct 2\n(rank correlation −0.20)"),
    ]
    assert [line.get_label() for line in figure.axes[0].lines[:3]] == ["10", "25", "50"]


def test_no_plot_needs_pyplot() -> None:
    code = (
        "import sys; sys.path.insert(0, 'tests/pictures'); import invented_study as i; "
        "from emotion_kedro.pictures import curves; assert 'matplotlib' not in sys.modules; "
        "curves.plot_heat_map(i.figures()); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
