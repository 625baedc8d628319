from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emotion_kedro.augmentation import eda as module
from emotion_kedro.augmentation.eda import eda, eda_texts, synonyms_in, units_of

TEXT = "we sang in the kitchen until, at last, the bus came home"


def draws(text: str, times: int = 60, strength: float = 0.1) -> list[str]:
    return [eda(text, strength=strength, rng=np.random.default_rng(seed)) for seed in range(times)]


def test_each_operation_touches_as_many_words_as_the_strength_says() -> None:
    words = Counter(TEXT.split())
    assert sum(words.values()) == 12
    seen = set()
    for text in draws(TEXT, strength=0.25):
        change = len(text.split()) - 12
        seen.add(change)
        assert change in {-3, 0, 3}
        if change == 0:
            assert Counter(text.split()) == words
        else:
            assert sum(((words - Counter(text.split())) + (Counter(text.split()) - words)).values()) == 3
    assert seen == {-3, 0, 3}


def test_one_swap_exchanges_two_words() -> None:
    units = ["a", "b", "c", "d"]
    for seed in range(20):
        swapped = module._swap(units, 1, np.random.default_rng(seed))
        assert sum(one != other for one, other in zip(units, swapped, strict=True)) == 2
    assert units == ["a", "b", "c", "d"]


def test_no_text_comes_back_empty_or_unchanged() -> None:
    assert all(text not in {"", TEXT} for text in draws(TEXT))
    assert all(text.split() for text in draws("two words", strength=1.0))
    assert set(draws("alone")) == {"alone", "alone alone"}


@pytest.mark.parametrize(("text", "message"), [(" \n", "blank"), ("", "blank")])
def test_a_blank_text_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draws(text, 1)


def test_chinese_is_moved_by_characters() -> None:
    text = "今天我们都很高兴，因为 hello world 下雨了"
    assert units_of(text)[:9] == ["今", "天", "我", "们", "都", "很", "高", "兴", "，"]
    assert units_of(text)[11:13] == ["hello ", "world "]
    changed = [new for new in draws(text) if len(new.replace(" ", "")) == len(text.replace(" ", ""))]
    assert changed
    for new in changed:
        assert new != text
        # Foreign words stay words.
        assert "hello" in new
        assert "helloworld" not in new
        assert "worldhello" not in new
        assert Counter(new.replace(" ", "")) == Counter(text.replace(" ", ""))


def test_each_text_has_its_turn_and_seed_and_label_decide(records: pd.DataFrame) -> None:
    new = eda_texts([f"{word}1 {word}2 {word}3 {word}4" for word in "abc"], "x", 6, strength=0.2, seed=4)
    assert Counter(text[0] for text in new) == {"a": 2, "b": 2, "c": 2}
    assert eda_texts([], "x", 6, strength=0.2, seed=4) == []
    assert set(eda_texts(["alone"], "x", 9, strength=0.2, seed=4)) == {"alone alone"}
    texts = records.loc[records["label"] == "joy", "text"].tolist()
    first, again, other_seed, other_label = (
        eda_texts(texts, label, 20, strength=0.1, seed=seed)
        for label, seed in (("joy", 1), ("joy", 1), ("joy", 2), ("fear", 1))
    )
    assert first == again
    assert first not in (other_seed, other_label)
    assert not set(first) & set(texts)


# Lines as WordNet has them: place, file, part of speech, number of words (hexadecimal), words with numbers, pointers.
WORDNET = {
    "noun": "  1 the licence, which names no word\n"
    "00000001 04 n 02 bus 0 motor_coach 0 001 @ 00000009 n 0000 | carries people\n"
    "00000002 04 n 02 I 0 iodine 0 000 | an element, and a stop word\n",
    "verb": "00000003 29 v 03 sing 0 chant 0 intone 1 000 01 + 02 00 | with a voice\n",
    "adj": "00000004 00 a 0a glad(p) 0 b 0 c 0 d 0 e 0 f 0 g 0 h 0 i 0 Merry 0 000 | ten words\n",
    "adv": "00000005 02 r 01 alone 0 000 | no other word\n",
}


@pytest.fixture
def wordnet(tmp_path: Path) -> Path:
    for part, lines in WORDNET.items():
        (tmp_path / f"data.{part}").write_text(lines, "latin-1")
    return tmp_path


def test_synonyms_are_the_other_words_of_a_meaning(wordnet: Path) -> None:
    synonyms = synonyms_in(wordnet)
    assert synonyms["bus"] == ("motor coach",)
    assert synonyms["sing"] == ("chant", "intone")
    assert synonyms["merry"][0] == "glad"
    assert len(synonyms["glad"]) == 9
    assert {"i", "alone"}.isdisjoint(synonyms)
    with pytest.raises(OSError, match=r"data\.noun"):
        synonyms_in(wordnet / "elsewhere")


def test_with_synonyms_words_are_said_otherwise_or_others_come_in(wordnet: Path) -> None:
    text = "Sing, said the man on the (bus)!"
    made = {
        eda(text, strength=0.1, rng=np.random.default_rng(seed), synonyms=synonyms_in(wordnet)) for seed in range(300)
    }
    assert {"chant, said the man on the (bus)!", "Sing, said the man on the (motor coach)!"} <= made
    longer = [new for new in made if len(new) > len(text) and "(bus)" in new and "Sing," in new]
    added = {word for new in longer for word in new.split() if word not in text.split()}
    assert added == {"chant", "intone", "motor", "coach"}  # and none of the text's own words, as without synonyms
    assert any(len(new.split()) == 6 for new in made)  # deleted
    assert any(sorted(new.split()) == sorted(text.split()) for new in made)  # swapped


def test_without_a_word_that_has_synonyms_all_is_as_before(wordnet: Path) -> None:
    text = "nobody knows"
    for seed in range(20):
        rngs = [np.random.default_rng(seed) for _ in range(2)]
        assert eda(text, strength=0.1, rng=rngs[0], synonyms=synonyms_in(wordnet)) == eda(
            text, strength=0.1, rng=rngs[1]
        )
