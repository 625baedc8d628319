from __future__ import annotations

import random
import time

import pandas as pd
import pytest

from emotion_kedro.config.data import CleaningStep
from emotion_kedro.data.cleaning import STEPS, clean, clean_text


def after(step: str, text: str) -> str:
    changed = clean(pd.Series([text], dtype="str"), [step]).iloc[0]
    assert clean_text(text, [step]) == changed
    return changed


@pytest.mark.parametrize(
    ("step", "before", "expected"),
    [
        ("unescape_html", "salt &amp; pepper &lt;3", "salt & pepper <3"),
        ("unescape_html", "&amp;quot;hi&amp;quot;", '"hi"'),
        ("unescape_html", "AT&T", "AT&T"),
        ("drop_broken_characters", "donï¿½t", "dont"),
        ("drop_broken_characters", "do\ufffdn\x00't\x07", "don't"),
        ("drop_broken_characters", "café 我 😀", "café 我 😀"),
        ("drop_broken_characters", "a\tb\nc", "a\tb\nc"),
        ("drop_links", "see http://a.bc/d?e=f now", "see  now"),
        ("drop_links", "see HTTPS://A.bc", "see "),
        ("drop_links", "at www.example.com/x today", "at  today"),
        ("drop_links", "look bit.ly/Ab1 ok", "look  ok"),
        ("drop_links", "看http://t.cn/abc今天", "看今天"),
        ("drop_links", "到www.example.cn去", "到去"),
        ("drop_links", "Awww. and/or e.g. this", "Awww. and/or e.g. this"),
        ("drop_links", "i was glad a href http www somewhere", "i was glad "),
        ("drop_links", "i was glad a href http", "i was glad "),
        ("drop_links", "so proud img src http s", "so proud "),
        ("drop_links", "so a class x rel nofollow href http www y", "so "),
        ("drop_links", "tired a href http of all this", "tired  of all this"),
        ("drop_links", "sorry a href", "sorry "),
        ("drop_links", "sorry \u017frc", "sorry "),
        ("drop_links", "a classic on the http server", "a classic on the http server"),
        ("drop_mentions", "@ann hi @Bob_1!", " hi !"),
        ("drop_mentions", "write to me@example.com", "write to me@example.com"),
        ("mask_mentions", "@ann hi @Bob_1!", "@user hi @user!"),
        ("mask_mentions", "转发@小明 好", "转发@user 好"),
        ("lower", "ÄHNLICH Good", "ähnlich good"),
        ("collapse_space", "  a \t b\u3000c\xa0d\n", "a b c d"),
    ],
)
def test_step(step: str, before: str, expected: str) -> None:
    assert after(step, before) == expected


def test_there_is_a_step_for_every_option() -> None:
    assert set(STEPS) == set(CleaningStep.__args__)


@pytest.mark.parametrize("step", STEPS)
def test_steps_keep_index_length_and_input(step: str) -> None:
    texts = pd.Series(["@a &amp; http://b.cd ï¿½  C", "plain"], index=[7, 3], name="text", dtype="str")
    before = texts.copy()
    changed = clean(texts, [step])
    assert changed.index.tolist() == [7, 3]
    assert changed[3] == "plain"
    pd.testing.assert_series_equal(texts, before)


@pytest.mark.parametrize("step", STEPS)
def test_steps_take_an_empty_column(step: str) -> None:
    assert clean(pd.Series([], dtype="str"), [step]).tolist() == []


def test_order_of_steps_is_the_order_given() -> None:
    texts = pd.Series(["&lt;b&gt; @ann"], dtype="str")
    assert clean(texts, ["unescape_html", "mask_mentions", "collapse_space"]).tolist() == ["<b> @user"]
    assert clean(pd.Series(["&LT;"], dtype="str"), ["lower", "unescape_html"]).tolist() == ["<"]
    assert clean(texts, []).tolist() == texts.tolist()


def test_steps_together_do_what_they_do_one_after_the_other() -> None:
    chance = random.Random(0)
    pieces = [
        "&amp;",
        "&#64;",
        "@bob",
        "http://x.co",
        "www.",
        "SRC",
        "ſrc",
        " ",
        "  ",
        "\n",
        "a",
        "ï¿½",
        "\x00",
        "é",
        "/",
    ]
    texts = pd.Series(
        ["".join(chance.choices(pieces, k=chance.randint(0, 5))) for _ in range(2000)], index=range(5, 2005)
    )
    for _ in range(10):
        steps = chance.sample(list(STEPS), chance.randint(2, len(STEPS)))
        expected = texts.astype("str")
        for step in steps:
            expected = clean(expected, [step])
        pd.testing.assert_series_equal(clean(texts.astype("str"), steps), expected)
        assert [clean_text(text, steps) for text in texts] == expected.tolist()


def test_unknown_step_names_the_step_and_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"stem.*unescape_html"):
        clean(pd.Series(["a"], dtype="str"), ["stem"])


def test_rows_without_a_trigger_cost_little() -> None:
    texts = pd.Series(["just some words without anything odd in them"] * 100_000, dtype="str")
    started = time.perf_counter()
    cleaned = clean(texts, list(STEPS))
    assert time.perf_counter() - started < 5
    assert cleaned.equals(texts)
