from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from emotion_kedro.options import (
    AugmentationOptions,
    ClassificationOptions,
    ClassifierOptions,
    DecodingOptions,
    EvaluationOptions,
    FilterOptions,
    GenerationOptions,
    IngestionOptions,
    LoraOptions,
    NearDuplicateOptions,
    Options,
    SamplingOptions,
    ScratchOptions,
    SourceOptions,
    SplitOptions,
    SynthesisOptions,
    TrainingOptions,
    UnificationOptions,
)
from emotion_kedro.options.causal_prompt import CausalPromptOptions

TRAINING = {"steps": 10, "learning_rate": 1e-3}
CLASSIFIER = {"base": "package:minilm", "training": TRAINING}
GENERATION = {"base": "scratch", "training": TRAINING}
SOURCE = {"file": "a.csv", "text_column": "text", "label_column": "emotion"}
INGESTION = {"use": ["a"], "cleaning": ["lower"], "sources": {"a": SOURCE}}

VALID: list[tuple[type[Options], dict[str, Any]]] = [
    (SourceOptions, SOURCE),
    (IngestionOptions, INGESTION),
    (UnificationOptions, {"taxonomy": "six"}),
    (NearDuplicateOptions, {}),
    (SplitOptions, {}),
    (SamplingOptions, {}),
    (TrainingOptions, TRAINING),
    (ScratchOptions, {}),
    (LoraOptions, {}),
    (GenerationOptions, GENERATION),
    (DecodingOptions, {}),
    (FilterOptions, {}),
    (SynthesisOptions, {"quota": 5}),
    (ClassifierOptions, CLASSIFIER),
    (AugmentationOptions, {}),
    (ClassificationOptions, {"classifier": CLASSIFIER}),
    (EvaluationOptions, {}),
    (CausalPromptOptions, {}),
]


@pytest.mark.parametrize(("options", "values"), VALID, ids=[options.__name__ for options, _ in VALID])
def test_a_misspelt_name_is_an_error_and_values_do_not_change(options: type[Options], values: dict[str, Any]) -> None:
    built = options.model_validate(values)
    with pytest.raises(ValidationError, match=r"sede\n  Extra inputs are not permitted"):
        options.model_validate({**values, "sede": 1})
    field = next(iter(options.model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(built, field, getattr(built, field))


@pytest.mark.parametrize(
    ("options", "values", "place"),
    [
        (TrainingOptions, {**TRAINING, "steps": -1}, "steps"),
        (TrainingOptions, {**TRAINING, "steps": 2.5}, "steps"),
        (TrainingOptions, {**TRAINING, "learning_rate": 0.0}, "learning_rate"),
        (TrainingOptions, {**TRAINING, "warmup_share": 1.1}, "warmup_share"),
        (TrainingOptions, {**TRAINING, "weight_decay": -0.1}, "weight_decay"),
        (TrainingOptions, {**TRAINING, "patience": 0}, "patience"),
        (GenerationOptions, {**GENERATION, "tuning": "lor"}, "tuning"),
        (GenerationOptions, {"training": TRAINING}, "base"),
        (GenerationOptions, {**GENERATION, "training": {**TRAINING, "steps": -1}}, "training.steps"),
        (ScratchOptions, {"vocabulary": 299}, "vocabulary"),
        (LoraOptions, {"rank": 0}, "rank"),
        (DecodingOptions, {"top_p": 0.0}, "top_p"),
        (DecodingOptions, {"temperature": 0.0}, "temperature"),
        (FilterOptions, {"near_copy": 0.0}, "near_copy"),
        (FilterOptions, {"tau": 1.5}, "tau"),
        (SynthesisOptions, {"quota": 0}, "quota"),
        (AugmentationOptions, {"how": "shuffle"}, "how"),
        (AugmentationOptions, {"continue_share": 1.0}, "continue_share"),
        (ClassifierOptions, {**CLASSIFIER, "kind": "decoder"}, "kind"),
        (ClassifierOptions, {**CLASSIFIER, "frozen_layers": -1}, "frozen_layers"),
        (ClassificationOptions, {"classifier": CLASSIFIER, "seeds": []}, "seeds"),
        (SamplingOptions, {"cap": 0}, "cap"),
        (NearDuplicateOptions, {"threshold": 0.0}, "threshold"),
        (EvaluationOptions, {"bootstrap_samples": 99}, "bootstrap_samples"),
        (EvaluationOptions, {"level": 95}, "level"),
        (IngestionOptions, {**INGESTION, "use": []}, "use"),
        (IngestionOptions, {**INGESTION, "cleaning": ["upper"]}, "cleaning.0"),
    ],
)
def test_a_value_out_of_range_is_named(options: type[Options], values: dict[str, Any], place: str) -> None:
    with pytest.raises(ValidationError) as caught:
        options.model_validate(values)
    assert {".".join(map(str, error["loc"])) for error in caught.value.errors()} == {place}


@pytest.mark.parametrize(
    ("options", "values"),
    [
        (TrainingOptions, {**TRAINING, "warmup_share": 0.0}),
        (TrainingOptions, {**TRAINING, "warmup_share": 1.0, "weight_decay": 0.0}),
        (DecodingOptions, {"min_new_tokens": 15, "max_new_tokens": 15, "top_p": 1.0}),
        (FilterOptions, {"tau": 0.0, "near_copy": 1.0, "max_repetition": 1.0}),
        (SplitOptions, {"validation": 0.0, "test": 0.99}),
        (SamplingOptions, {"cap": None}),
    ],
)
def test_the_ends_of_a_range_are_in_it(options: type[Options], values: dict[str, Any]) -> None:
    built = options.model_validate(values)
    assert {name: getattr(built, name) for name in values} == values


def test_numbers_may_be_written_as_whole_ones() -> None:
    assert TrainingOptions.model_validate({"steps": 10, "learning_rate": 1}).learning_rate == 1.0


@pytest.mark.parametrize(("file", "files"), [("a.csv", ("a.csv",)), (["a.csv", "b.csv"], ("a.csv", "b.csv"))])
def test_a_source_is_one_file_or_several(file: Any, files: tuple[str, ...]) -> None:
    assert SourceOptions.model_validate({**SOURCE, "file": file}).files == files


def test_a_label_map_leads_to_labels_that_exist() -> None:
    source = SourceOptions.model_validate({**SOURCE, "label_map": {"happy": "joy", "0": "negative"}})
    assert source.label_map == {"happy": "joy", "0": "negative"}
    with pytest.raises(
        ValidationError, match="maps to labels of no taxonomy: glee, mirth; known: admiration, amusement, anger"
    ):
        SourceOptions.model_validate({**SOURCE, "label_map": {"a": "mirth", "b": "joy", "c": "glee"}})


def test_a_source_in_use_must_exist() -> None:
    with pytest.raises(ValidationError, match="use names b, but sources has only a"):
        IngestionOptions.model_validate({**INGESTION, "use": ["a", "b"]})


def test_a_taxonomy_must_exist() -> None:
    with pytest.raises(ValidationError, match="there is no taxonomy 'nine'; there are: six, thirteen"):
        UnificationOptions(taxonomy="nine")


@pytest.mark.parametrize(("validation", "test"), [(0.5, 0.5), (0.0, 1.0)])
def test_a_split_leaves_something_to_train_on(validation: float, test: float) -> None:
    with pytest.raises(ValidationError, match="leave something to train on"):
        SplitOptions(validation=validation, test=test)


def test_tuning_the_last_layers_needs_their_number() -> None:
    with pytest.raises(ValidationError, match="last_layers needs the number of layers"):
        GenerationOptions.model_validate({**GENERATION, "tuning": "last_layers", "last_layers": None})
    assert GenerationOptions.model_validate({**GENERATION, "last_layers": None}).tuning == "lora"


def test_no_more_tokens_may_be_least_than_most() -> None:
    with pytest.raises(ValidationError, match="min_new_tokens is larger than max_new_tokens"):
        DecodingOptions(min_new_tokens=16, max_new_tokens=15)


def test_the_filter_is_no_arms_judge() -> None:
    with pytest.raises(ValidationError, match="filter_seed 2 is also a seed of the arms"):
        ClassificationOptions.model_validate({"classifier": CLASSIFIER, "seeds": [0, 2], "filter_seed": 2})
    ClassificationOptions.model_validate({"classifier": CLASSIFIER, "seeds": [0, 2], "filter_seed": 1})
