from __future__ import annotations

import pytest

from emotion_kedro.taxonomy import LABELS, TAXONOMIES, labels_of


@pytest.mark.parametrize(
    ("taxonomy", "size"),
    [("six", 6), ("thirteen", 13), ("polarity", 2), ("seven", 7), ("ekman", 7), ("goemotions", 28), ("eleven", 11)],
)
def test_a_taxonomy_has_as_many_labels_as_it_says(taxonomy: str, size: int) -> None:
    labels = labels_of(taxonomy)
    assert len(labels) == len(set(labels)) == size


@pytest.mark.parametrize("taxonomy", TAXONOMIES)
def test_labels_are_sorted_lower_case_words(taxonomy: str) -> None:
    # Their order is the order of a classifier's outputs: it has to be one that nobody changes by the way.
    assert list(labels_of(taxonomy)) == sorted(labels_of(taxonomy))
    assert all(label.isalpha() and label.islower() for label in labels_of(taxonomy))


def test_the_six_are_among_the_thirteen() -> None:
    assert set(labels_of("six")) < set(labels_of("thirteen"))


def test_all_labels_are_those_of_any_taxonomy() -> None:
    assert {"relief", "like", "negative"} <= LABELS
    # GoEmotions' 28 lack boredom and empty of the thirteen, the two polarities, and happiness and like of the seven.
    assert len(LABELS) == 28 + 2 + 2 + 2


def test_an_unknown_taxonomy_is_an_error_that_names_the_known() -> None:
    with pytest.raises(ValueError, match="no taxonomy 'twelve'; there are: six, thirteen, polarity, seven"):
        labels_of("twelve")
