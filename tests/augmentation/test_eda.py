from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from emotion_kedro.augmentation import eda as module
from emotion_kedro.augmentation.eda import eda, eda_texts, units_of

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
    new = eda_texts([f"{word} " * 8 for word in "abc"], "x", 6, strength=0.2, seed=4)
    assert Counter(text[0] for text in new) == {"a": 2, "b": 2, "c": 2}
    assert eda_texts([], "x", 6, strength=0.2, seed=4) == []
    texts = records.loc[records["label"] == "joy", "text"].tolist()
    first, again, other_seed, other_label = (
        eda_texts(texts, label, 20, strength=0.1, seed=seed)
        for label, seed in (("joy", 1), ("joy", 1), ("joy", 2), ("fear", 1))
    )
    assert first == again
    assert first not in (other_seed, other_label)
    assert not set(first) & set(texts)
