from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import invented_study as invented
import numpy as np
import pandas as pd
from study_page_parts import DOWN, MORE, UP, block, words

from emotion_kedro.measures.added_text import describe_added
from emotion_kedro.pictures import curves
from emotion_kedro.pictures.document import Document
from emotion_kedro.pictures.studies import studies_document
from emotion_kedro.pictures.study import study_document, study_pages
from emotion_kedro.pictures.study_words import confirmed_sentence, holm_sentence, words_at


def page(**known: Any) -> Document:
    return study_document(invented.figures(**known), invented.COST, {"data": "EIT"}, generated=invented.GENERATED)


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
    assert over_all.answer == "Not shown on sets of 2 sources for any of 0 generated arms."


def test_comparisons_are_counted() -> None:
    figures = invented.figures({("filtered", 10): UP, ("generated", 10): DOWN}, {("filtered", 10): MORE})
    assert holm_sentence(figures) == (
        "35 comparisons were made, each with a 95% interval of its own: 2 lie above zero and 1 below it, where chance "
        "alone would put about 2 on one side or the other. Holm's correction, made over all arms and sizes "
        "that are set against the same arm (up to 50 real rows per label together, and more together), leaves 2 above "
        "and 1 below."
    )


def test_too_few_resamples_for_the_correction_are_owned_up_to() -> None:
    figures = invented.figures({("filtered", 10): (0.05, 0.03, 0.07)}, p_holm=0.2)
    assert "says nothing" not in study_document(figures, [], {}).sentence
    for one in figures["differences"]:
        one["p_samples"] = 100
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
    assert rows[0] == ("real", "10", ".470 [.450, .490]", ".440 [.420, .460]", ".050 [.030, .070]", "60", "0", "6")


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
    assert "each of its added texts, at its weight, counts for 0.11 real ones" in words(document, "exchange")


def test_the_largest_worth_is_not_that_of_an_arm_with_a_handful_of_rows() -> None:
    figures = invented.figures()
    figures["exchange"] = [
        {"arm": arm, "n": 10, "accuracy": 0.4, "added_rows": added, "worth": worth}
        | {"equal_to": {"estimate": 15.0, "low": 12.0, "high": 20.0}}
        for arm, added, worth in (("template", 1, 5.0), ("filtered", 50, 0.1))
    ]
    said = words(study_document(figures, [], {}), "exchange")
    assert "The most that a row is worth: filtered at 10" in said
    assert "It is the largest of 1, and so likely flattered; arms with fewer than 5 added rows per label" in said
    assert "at the weight that the study gives it" in said
    assert [row[-1] for row in block(study_document(figures, [], {}), "What an added row is worth").rows] == [
        "5.000",
        "0.100",
    ]


def test_sizes_at_which_labels_run_out_of_rows_are_named_under_the_curves() -> None:
    figures = invented.figures()
    assert "run out" not in words(study_document(figures, [], {}), "curves")
    for one in figures["cells"]:
        one["rows_per_label"] = {100: 91.0, 200: 131.5}.get(one["n"], one["n"])
    said = words(study_document(figures, [], {}), "curves")
    assert "fewer on average than the size says: 132 instead of 200. What an added row" in said


def test_copies_are_written_as_a_share_of_the_added_rows() -> None:
    added = pd.DataFrame({"text": ["same words", *["other words here"] * 3], "arm": "eda", "n": 10, "data_seed": 0})
    added = added.assign(label="joy", read_as="joy")
    (row,) = describe_added(added, lambda texts: np.eye(9)[: len(texts)], {(10, 0): ["same words"]}, ["held out"])
    document = study_document({**invented.figures(), "quality": [row]}, [], {})
    assert block(document, "Measures of the added text").rows[0][-1] == "25.0%"


def test_calibration_has_intervals_and_a_note_stands_in_the_caution() -> None:
    document = page()
    row = block(document, "Against real text alone").rows[0]
    assert row[4] == "−.010 [−.030, +.010]"
    assert "better calibrated" in words(document, "differences")
    noted = study_document({**invented.figures(), "note": "The requests were chosen here."}, [], {})
    assert noted.caution == f"{document.caution} The requests were chosen here."


def test_full_fine_tunes_are_set_beside_the_grid() -> None:
    figures = invented.figures({("filtered", 10): UP, ("generated", 10): DOWN})
    assert "No cell has been confirmed" in words(study_document(figures, [], {}), "confirmed")
    again = [invented.difference("real", "filtered", 10, UP), invented.difference("real", "generated", 10, UP)]
    figures["confirmed"] = {"cells": [invented.cell("filtered", 10, 0.6)], "differences": again}
    assert confirmed_sentence(figures) == (
        "2 comparisons were made again with fine-tunes of the encoder: 2 lie above zero there, 0 below it, 0 show "
        "no difference. Of the 2 that lie off zero on frozen features, 1 lie on the same side again, 0 show no "
        "difference, 1 lie on the other side."
    )
    assert block(study_document(figures, [], {}), "Fine-tunes of the encoder").rows[0][0] == "filtered"
    figures["confirmed"]["layers"] = "the top 2 of 6 layers trained"
    document = study_document(figures, [], {})
    assert "again with fine-tunes of the encoder (the top 2 of 6 layers trained): 2 lie" in words(document, "confirmed")
    assert "fine-tunes of the encoder (the top 2 of 6 layers trained) stand above" in words(document, "limits")
    html = study_pages(document, [], invented.RUN_LOG, {})[0]
    assert "full fine-tune" not in html.lower()


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
