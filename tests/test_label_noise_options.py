from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from emotion_kedro.options.label_noise import KeywordOptions, LabelNoiseOptions, LearnedRuleOptions, MergingOptions

PATTERNS: dict[str, Any] = {"patterns": {"joy": ["happy"]}}


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        ({"gladness": ["happy"]}, "labels of no taxonomy: gladness"),
        ({"joy": []}, "no pattern, or an empty one, for joy"),
        ({"joy": ["happy", ""]}, "no pattern, or an empty one, for joy"),
        ({"joy": ["Happy"]}, "small letters: Happy"),
    ],
)
def test_patterns_that_could_not_work_are_refused(patterns: dict[str, list[str]], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        KeywordOptions.model_validate({"patterns": patterns})


def test_the_two_sources_the_shown_size_and_the_seeds_have_to_make_sense() -> None:
    with pytest.raises(ValidationError, match="two sources are compared"):
        LabelNoiseOptions.model_validate({"trusted": "eit", "doubted": "eit", "keywords": PATTERNS})
    with pytest.raises(ValidationError, match="not among leaves"):
        LearnedRuleOptions(leaves=(4, 8), shown_leaves=16)
    with pytest.raises(ValidationError, match="the same split would count as two"):
        MergingOptions(split_seeds=(0, 0))
