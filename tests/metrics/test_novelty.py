from __future__ import annotations

from emotion_kedro.metrics.novelty import copied, exact_copies


def test_exact_copies() -> None:
    references = ["I'm so happy!", "我很高兴。", ":)"]
    texts = ["im  SO happy", "我很高兴", "I'm so happy 😀", "I'm happy", ":(", ""]
    found = exact_copies(texts, references)
    assert found.dtype == bool
    assert found.tolist() == [True, True, False, False, False, False]
    assert exact_copies(["a"], []).tolist() == [False]
    assert exact_copies([], ["a"]).shape == (0,)


def test_copied_texts_equal_a_reference_or_share_eight_words() -> None:
    reference = "one two three four five six seven eight nine"
    texts = ["Hello!", "zero one two three four five six seven eight", "one two three four five six seven 8"]
    assert copied(texts, [reference, "hello"]).tolist() == [True, True, False]
