from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from emotion_kedro.augmentation.filters import apply_filters, each_alone, score_candidates
from emotion_kedro.augmentation.filters.judgements import with_reviews
from emotion_kedro.augmentation.filters.reasons import (
    COPY,
    CUT_OFF,
    DISAGREES,
    DUPLICATE,
    KEPT,
    LEFTOVER,
    NEAR_COPY,
    REPETITION,
    RESEMBLES,
    REVIEWED,
    SURPLUS,
    TOO_SHORT,
    TYPICAL,
    UNSURE,
)
from emotion_kedro.config.filters import filter_configs
from emotion_kedro.schemas.candidates import Reviews, ScoredCandidates

TRAIN = ["I couldn't stop smiling on the way home, what a day!", "so long so long so long my friend"]
ON_TEXT = ("length", "repetition", "leftovers", "complete", "novel")
LABELS = ("joy", "fear", "anger")


def candidates(*texts: str, label: str = "joy", generator: str = "g") -> pd.DataFrame:
    table = pd.DataFrame({"text": pd.Series(list(texts), dtype="str")})
    ids = [f"{generator}:{label}:0:0:{number}" for number in range(len(table))]
    return table.assign(
        candidate_id=pd.Series(ids, dtype="str"), label=label, ended=True, generator=generator, size=0, data_seed=0
    ).astype({"label": "str", "generator": "str"})


def reasons(
    table: pd.DataFrame, *names: str, train: list[str] | pd.DataFrame = TRAIN, quota: int | None = None, **settings: Any
) -> list[str]:
    rows = train if isinstance(train, pd.DataFrame) else pd.DataFrame({"text": train, "label": "joy"})
    scored = table if "words" in table else score_candidates(table, rows["text"].tolist())
    result = apply_filters(scored, names, filter_configs(settings), rows, quota=quota)
    assert (result["kept"] == (result["reason"] == KEPT)).all()
    assert result.index.equals(table.index)
    return result["reason"].tolist()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("the kettle sang before anyone was awake", KEPT),
        ("the kettle sang loudly", KEPT),
        ("the kettle sang", TOO_SHORT),
        ("!!! ... :) 🎂", TOO_SHORT),
        ("oh no oh no oh no oh no", REPETITION),
        ("the answer IS that the kettle sang", LEFTOVER),
        ("the kettle sang <|end of all", LEFTOVER),
        ("the kettle sang before anyone and", CUT_OFF),
        ("the kettle sang because it’s", CUT_OFF),
        ("the kettle sang before anyone was up to it, or to", CUT_OFF),
        ("the kettle is what it sang to.", KEPT),
        ("what on earth are you looking at", KEPT),
        ("i have no idea what to think of", KEPT),
        ("i have not seen her before", KEPT),
        ("the kettle sang in the house of", CUT_OFF),
        ("what a long and cold day it was in the old house of", CUT_OFF),
        ("who is the one that sang the", CUT_OFF),
        ("i couldnt stop smiling on the way home -- what a day", COPY),
        ("I couldn't stop smiling on the way home, what a night", NEAR_COPY),
        ("stop smiling on the way home", NEAR_COPY),
    ],
)
def test_each_fault_has_its_reason(text: str, reason: str) -> None:
    assert reasons(candidates(text), *ON_TEXT) == [reason]


def test_the_first_filter_of_the_arm_gives_the_reason_and_only_those_named_are_applied() -> None:
    table = candidates("no no <|")
    assert reasons(table, "length", "leftovers") == [TOO_SHORT]
    assert reasons(table, "leftovers", "length") == [LEFTOVER]
    assert reasons(table, "novel") == [KEPT]
    assert reasons(table) == [KEPT]


def test_each_filter_alone_judges_every_candidate_whatever_the_others_refuse() -> None:
    texts = ["no no <|", "the kettle sang loudly", "no no <|"]
    scored = score_candidates(candidates(*texts), TRAIN)
    rows = pd.DataFrame({"text": TRAIN, "label": "joy"})
    alone = each_alone(scored, ["novel", "length", "leftovers"], filter_configs({}), rows)
    assert alone.columns.tolist() == ["novel", "length", "leftovers"]
    # The third repeats the first, which an arm would have refused before it looks for repeats.
    assert alone.to_numpy().tolist() == [
        ["", TOO_SHORT, LEFTOVER],
        ["", "", ""],
        [DUPLICATE, TOO_SHORT, LEFTOVER],
    ]
    assert reasons(candidates(*texts), "length", "novel") == [TOO_SHORT, KEPT, TOO_SHORT]
    made = score_candidates(candidates("joy", generator="template"), TRAIN, unfiltered=["template"])
    assert each_alone(made, ["length"], filter_configs({}), rows).to_numpy().tolist() == [[""]]


def test_settings_move_the_thresholds_and_a_kind_may_stand_there_twice() -> None:
    table = candidates("ha ha ha what a day")
    assert reasons(table, "repetition") == [REPETITION]
    assert reasons(table, "repetition", repetition={"max_share": 0.34}) == [KEPT]
    assert reasons(table, "long", long={"kind": "length", "min_words": 7}) == [TOO_SHORT]
    assert reasons(candidates("the kettle sang and"), "complete", complete={"function_words": ["sang"]}) == [KEPT]


def test_scores_stand_in_the_table_of_the_schema() -> None:
    table = score_candidates(candidates("ha ha ha what a day", "the kettle sang before anyone was awake", "xyz"), TRAIN)
    ScoredCandidates.validate(table)
    assert table["words"].tolist() == [6, 7, 1]
    # "ha ha ha": the second repeats the first, and the second pair the first pair.
    assert table["repetition"].tolist() == pytest.approx([2 / 6, 0, 0])
    assert table["probability"].isna().all()
    ScoredCandidates.validate(score_candidates(candidates(), TRAIN))
    assert reasons(candidates(), *ON_TEXT) == []


def test_the_similarity_is_the_larger_of_likeness_and_containment() -> None:
    # The train text has the pieces abcde bcdef cdefg defgh.
    table = score_candidates(candidates("abcdef", "abcdexyz", "abcdefgh", "qrstuvw"), ["abcdefgh"])
    assert table["train_similarity"].tolist() == pytest.approx([2 / 2, 1 / 4, 1.0, 0.0])


@pytest.mark.parametrize(("near_copy", "reason"), [(0.6, NEAR_COPY), (0.60001, KEPT)])
def test_a_similarity_at_the_threshold_is_a_near_copy(near_copy: float, reason: str) -> None:
    # Of five pieces three stand in the train text: abcde, bcdef, cdefg of "abcdefgxy".
    assert reasons(candidates("abcdefgxy"), "novel", train=["abcdefghi"], novel={"near_copy": near_copy}) == [reason]


# --- duplicates ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("threshold", "reason"), [(0.6, DUPLICATE), (0.61, KEPT)])
def test_nearly_the_same_is_a_duplicate_from_the_threshold_on(threshold: float, reason: str) -> None:
    # Pieces abcde bcdef cdefg defgh against abcde bcdef cdefg defgx: three of five are shared.
    table = candidates("abcdefgh", "abcdefgx")
    assert reasons(table, "novel", novel={"near_duplicate": threshold}) == [KEPT, reason]


def test_duplicates_are_those_of_a_candidate_of_the_same_label_and_generator_that_is_still_kept() -> None:
    texts = ["seven birds sat on the wire", "Seven birds sat, on the wire!", "a bus", "A bus!", "a bus"]
    assert reasons(candidates(*texts), "novel") == [KEPT, DUPLICATE, KEPT, DUPLICATE, DUPLICATE]
    scored = score_candidates(candidates("a bus went by", "a bus went by!"), TRAIN).assign(
        predicted=["fear", "joy"], probability=[0.2, 0.8]
    )
    assert reasons(scored, "label_agreement", "novel") == [DISAGREES, KEPT]
    two = pd.concat([candidates("a bus went by"), candidates("a bus went by", generator="h")], ignore_index=True)
    assert reasons(two, "novel") == [KEPT, KEPT]


def test_a_text_of_several_labels_is_kept_for_none_and_the_next_take_its_place() -> None:
    table = pd.concat(
        [
            candidates("what now", "so it goes", "all over again", label="joy"),
            candidates("What NOW?!", "over the hills", label="fear"),
        ],
        ignore_index=True,
    )
    expected = [DUPLICATE, KEPT, SURPLUS, DUPLICATE, KEPT]
    assert reasons(table, "novel", quota=1) == expected
    # Without the filter nothing is looked for.
    assert reasons(table, quota=1) == [KEPT, SURPLUS, SURPLUS, KEPT, SURPLUS]


# --- the classifier -----------------------------------------------------------------------------------------------

PROBABILITIES = np.array([[0.6, 0.3, 0.1], [0.45, 0.3, 0.25], [0.3, 0.6, 0.1], [0.5, 0.4, 0.1]])


@pytest.mark.parametrize(
    ("tau", "expected"), [(0.5, [KEPT, UNSURE, DISAGREES, KEPT]), (0.0, [KEPT, KEPT, DISAGREES, KEPT])]
)
def test_a_classifier_disagrees_or_is_unsure(tau: float, expected: list[str]) -> None:
    table = candidates("one", "two", "three", "four")
    scored = score_candidates(table, TRAIN, labels=LABELS, read=lambda _: PROBABILITIES)
    assert scored["predicted"].tolist() == ["joy", "joy", "fear", "joy"]
    assert scored["probability"].tolist() == [0.6, 0.45, 0.3, 0.5]
    assert reasons(scored, "label_agreement", label_agreement={"tau": tau}) == expected
    other = score_candidates(table.assign(label="fear"), TRAIN, labels=LABELS, read=lambda _: PROBABILITIES)
    assert other["probability"].tolist() == [0.3, 0.3, 0.6, 0.4]


def test_without_a_probability_nothing_agrees() -> None:
    assert reasons(score_candidates(candidates("one"), TRAIN).assign(predicted="joy"), "label_agreement") == [UNSURE]


# --- how many -----------------------------------------------------------------------------------------------------


def test_the_quota_counts_what_passed_for_each_generator_and_label() -> None:
    texts = ("a b c d", "no", "e f g h", "i j k l")
    table = pd.concat([candidates(*texts), candidates(*texts, generator="h")], ignore_index=True)
    expected = [KEPT, TOO_SHORT, KEPT, SURPLUS]
    assert reasons(table, "length", quota=2) == [*expected, *expected]


def test_what_is_right_by_its_making_passes_every_filter() -> None:
    table = pd.concat([candidates("joy"), candidates("joy", generator="template")], ignore_index=True)
    scored = score_candidates(
        table, ["joy"], labels=LABELS, read=lambda texts: PROBABILITIES[2:3], unfiltered=["template"]
    )
    assert reasons(scored, "length", "novel", "label_agreement", train=["joy"]) == [TOO_SHORT, KEPT]


def test_the_most_different_texts_are_kept_and_the_seeming_repeats_refused() -> None:
    texts = [
        "i feel so glad about the garden",
        "i feel so glad about the gate",
        "we laughed until the bus came",
        "i feel so glad about the kettle",
        "what a morning it was at the lake",
        "i feel so glad about the garden path",
    ]
    kept = [KEPT, RESEMBLES, KEPT, RESEMBLES, KEPT, RESEMBLES]
    assert reasons(candidates(*texts), "diverse", quota=3) == kept
    assert reasons(candidates(*texts), "diverse", quota=6) == reasons(candidates(*texts), "diverse") == [KEPT] * 6
    # Each label has a quota of its own, and so has each generator.
    both = pd.concat([candidates(*texts), candidates(*texts, generator="h")], ignore_index=True)
    assert reasons(both, "diverse", quota=3) == kept * 2
    # An opening that is shared counts beside the words: of two that share as many words, the other is kept.
    openers = ["so it goes on the hill", "so it goes under trees", "goes under trees so it"]
    assert reasons(candidates(*openers), "diverse", quota=2) == [KEPT, RESEMBLES, KEPT]


def test_words_that_give_the_label_away_are_no_more_common_than_in_train_texts() -> None:
    joys = [
        "delighted by rain",
        "anna seemed delighted",
        "delighted again",
        "cats purr",
        "old trains stop",
        "bread rises",
    ]
    fears = [f"he hid from the {thing}" for thing in ("dog", "dark", "noise", "wolf", "storm", "crowd")]
    train = pd.DataFrame({"text": joys + fears, "label": ["joy"] * 6 + ["fear"] * 6})
    typical = [
        "delighted anna stood here",
        "boris was never delighted",
        "what delighted clara",
        "may i be delighted once",
    ]
    plain = ["the kettle sang", "the kettle sang again", "the kettle sang loudly"]
    off = {"cue_words": 0}
    assert reasons(candidates(*typical, *plain), "diverse", train=train, quota=4, diverse=off)[:4].count(KEPT) == 3

    # Half of the train texts have "delighted": two of four may.
    found = reasons(candidates(*typical, *plain), "diverse", train=train, quota=4)
    assert (found[:4].count(KEPT), found[:4].count(TYPICAL)) == (2, 2)
    assert (found[4:].count(KEPT), found[4:].count(RESEMBLES)) == (2, 1)
    # Where there are too few others, fewer are kept.
    assert reasons(candidates(*typical, plain[0]), "diverse", train=train, quota=4).count(KEPT) == 3


def test_what_a_person_rejected_is_refused_and_what_they_edited_is_measured_anew() -> None:
    table = pd.concat(
        [
            candidates("a bus went by today", "the kettle sang", "the kettle sang"),
            candidates("the kettle sang", label="fear"),
        ],
        ignore_index=True,
    )
    rows = [
        ("a bus went by today", "joy", "reject", ""),
        ("the kettle sang", "joy", "edit", "the kettle sang for both of us"),
        ("nobody wrote this", "joy", "accept", ""),
    ]
    reviews = pd.DataFrame(rows, columns=["text", "label", "decision", "edited_text"]).assign(
        time="2026-01-01T00:00:00"
    )
    reviewed = with_reviews(table, Reviews.validate(reviews.astype("str")))
    scored = score_candidates(reviewed, TRAIN)

    assert reasons(scored, "reviewed", "length") == [REVIEWED, KEPT, KEPT, TOO_SHORT]
    assert scored["text"].tolist()[1:] == [*["the kettle sang for both of us"] * 2, "the kettle sang"]
    assert scored["words"].tolist()[1:] == [7, 7, 3]
    ScoredCandidates.validate(
        scored.assign(candidate_id=[str(row) for row in range(4)]).astype({"candidate_id": "str"})
    )
    # Whoever edits a text ends it.
    assert with_reviews(table.assign(ended=False), reviews)["ended"].tolist() == [False, True, True, False]
    assert reasons(with_reviews(table, None), "reviewed") == [KEPT] * 4
    # A person may reject what no filter looks at.
    made = score_candidates(reviewed, TRAIN, unfiltered=set(reviewed["generator"]))
    assert reasons(made, "reviewed", "length") == [REVIEWED, KEPT, KEPT, KEPT]
    with pytest.raises(ValueError, match="know no reviews"):
        reasons(table, "reviewed")
