"""Label sets: those of the project, and what makes one unusable."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from emotion_kedro.config.taxonomy import TaxonomyConfig

FILE = Path(__file__).parents[2] / "conf/base/taxonomies.yml"
TAXONOMIES = {
    name: TaxonomyConfig.model_validate(taxonomy)
    for name, taxonomy in yaml.safe_load(FILE.read_text(encoding="utf-8")).items()
}


@pytest.mark.parametrize("taxonomy", TAXONOMIES.values(), ids=TAXONOMIES)
def test_a_label_set_of_the_project_is_read_again_as_it_was_saved(taxonomy: TaxonomyConfig) -> None:
    # The order is that of a classifier's outputs, also after the taxonomy was saved and read.
    again = TaxonomyConfig.model_validate_json(taxonomy.model_dump_json())
    assert (again, again.names) == (taxonomy, taxonomy.names)
    assert sorted(taxonomy.prompt.options or taxonomy.names) == sorted(taxonomy.names)
    for label in taxonomy.names:
        assert taxonomy.words(label)[0].strip()
        assert taxonomy.word(label).strip()


def test_smaller_label_sets_are_parts_of_larger_ones() -> None:
    assert set(TAXONOMIES["six"].names) < set(TAXONOMIES["eleven"].names) < set(TAXONOMIES["thirteen"].names)


def test_words_and_questions() -> None:
    seven, six = TAXONOMIES["seven"], TAXONOMIES["six"]
    assert [seven.word(label) for label in seven.names] == ["怒", "恶", "惧", "乐", "爱", "哀", "惊"]
    assert TAXONOMIES["polarity"].spoken("negative") == "负面"
    assert TAXONOMIES["thirteen"].prompt.options[:3] == ("empty", "sadness", "excitement")
    for label in six.names:
        words = six.labels[label].words
        assert words[0] == six.word(label) == six.spoken(label) == label
        assert six.sentences(label, "i feel {label}")[1] == f"i feel {words[1]}"


@pytest.mark.parametrize("name", ["six", "thirteen", "eleven", "ekman", "goemotions"])
def test_english_labels_have_fifteen_everyday_words_and_stand_for_themselves(name: str) -> None:
    taxonomy = TAXONOMIES[name]
    for label in taxonomy.names:
        assert taxonomy.spoken(label) == taxonomy.words(label)[0] == label
        assert len(taxonomy.words(label)) == len(taxonomy.labels[label].words) == 15


def test_labels_alone_are_their_own_words() -> None:
    taxonomy = TaxonomyConfig.from_labels(["bug_report", "question"])
    assert taxonomy.names == ("bug_report", "question")
    assert taxonomy.word("bug_report") == taxonomy.spoken("bug_report") == "bug report"
    with pytest.raises(ValidationError, match="there are 201 labels, and 200 at most"):
        TaxonomyConfig.from_labels(map(str, range(201)))
    with pytest.raises(ValidationError, match=r"the label 怒怒.*too long for the name of a folder"):
        TaxonomyConfig.from_labels(["怒" * 27, "question"])
