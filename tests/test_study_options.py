from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from emotion_kedro.options.study import ArmOptions, AskingOptions, ConfirmOptions, StudyOptions, WriterOptions

STEPS = {"steps": 3, "learning_rate": 1e-3}
CLASSIFIER = {"kind": "encoder", "base": "package:minilm", "training": STEPS}
CONFIRM = {"arms": ["real", "template"], "sizes": [10], "data_seeds": [0], "classifier": CLASSIFIER}
TUNING = {"base": "package:smollm2", "training": STEPS}
ASKED = {"kind": "asked", "base": "gpt2", "asking": {"request": "Say {label}."}}
PLAN: dict[str, Any] = {
    "storage": "kept",
    "sizes": [10, 25],
    "heads": {},
    "writers": {"asked": ASKED, "tuned": {"kind": "per_label", "tuning": TUNING}},
    "arms": {
        "real": {"says": ""},
        "template": {"says": "", "add": ["template"]},
        "asked": {"says": "", "add": ["asked", "template"], "sizes": [25]},
        "tuned": {"says": "", "add": ["tuned"]},
    },
}


def arm(name: str, **options: Any) -> dict[str, Any]:
    return {"arms": {**PLAN["arms"], name: {"says": "", **options}}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            arm("new", add=["unheard_of"]),
            "arms.new.add has unheard_of; there are: repeats, eda, .*, unlabelled, asked, tuned",
        ),
        (arm("new", add=["eda"], keep=["pretty"]), "'agreed' or 'novel'"),
        (arm("new", add=["eda"], worth=0), "greater than 0"),
        (arm("real", add=["eda"]), "arms.real adds something"),
        ({"arms": {"real": {"says": ""}}}, "arms lacks 'template'"),
        ({"arms": {"template": {"says": "", "add": ["template"]}}}, "arms lacks 'real'"),
        ({"without": ["template"]}, "arms lacks 'template', or without leaves it out"),
        ({"without": ["tunde"]}, "without has tunde; there are: real, template, asked, tuned"),
        ({"writers": {**PLAN["writers"], "eda": ASKED}}, "writers.eda has the name of a built-in source"),
        ({"filter_seed": 1}, "filter_seed 1 is also a seed of the arms"),
        ({"sizes": [10, 25, 10]}, "sizes names one of them twice"),
        ({"data_seeds": [3, 3]}, "data_seeds names one of them twice"),
        ({"seeds": [0, 1, 1]}, "seeds names one of them twice"),
        ({"sizes": []}, "at least 1 item"),
        ({"data_seeds": []}, "at least 1 item"),
        ({"confirm": {**CONFIRM, "arms": ["real", "tunde"]}}, "confirm.arms has tunde"),
        ({"confirm": {**CONFIRM, "arms": ["real"]}}, "at least 2 items"),
        ({"unheard_of": 1}, "Extra inputs are not permitted"),
    ],
)
def test_plans_that_could_not_work_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        StudyOptions.model_validate({**PLAN, **changes})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"request": "Say something."}, "request does not say {label}"),
        ({"request": "{label}", "examples": 2}, "request says {examples} if, and only if, examples is above 0"),
        ({"request": "{label} {examples}"}, "request says {examples} if, and only if, examples is above 0"),
        ({"request": "{label}", "guidance": 1.5}, "guidance above 1 needs neutral"),
        ({"request": "{label}", "neutral": "also {label}"}, "neutral says {label}"),
        ({"request": "{label}", "guidance": 0.5}, "greater than or equal to 1"),
    ],
)
def test_requests_that_could_not_work_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        AskingOptions.model_validate(options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "asked", "base": "gpt2"}, "kind: asked takes asking and base, and nothing else"),
        ({"kind": "asked", "asking": ASKED["asking"]}, "kind: asked takes asking and base"),
        ({**ASKED, "tuning": TUNING}, "kind: asked takes asking and base, and nothing else"),
        ({"kind": "per_label"}, "kind: per_label takes tuning, and nothing else"),
        ({"kind": "conditioned", "tuning": TUNING, "base": "gpt2"}, "kind: conditioned takes tuning"),
        ({"kind": "conditioned", "tuning": TUNING, "unlabelled": STEPS}, "unlabelled is for kind: per_label"),
        ({"kind": "per_label", "tuning": {**TUNING, "base": "scratch"}}, "a model from scratch learns to write from"),
        ({"kind": "poet", "tuning": TUNING}, "'per_label', 'conditioned' or 'asked'"),
    ],
)
def test_writers_that_could_not_work_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        WriterOptions.model_validate(options)


def test_what_is_confirmed_counts_steps() -> None:
    training = {"epochs": 2, "learning_rate": 1e-3}
    with pytest.raises(ValidationError, match="counts epochs; give steps, so that every arm gets as many"):
        ConfirmOptions.model_validate({**CONFIRM, "classifier": {**CLASSIFIER, "training": training}})


def test_a_plan_says_what_it_needs_and_what_it_runs() -> None:
    plan = StudyOptions.model_validate({**PLAN, "confirm": CONFIRM, "without": ["tuned"]})
    assert list(plan.run_arms) == ["real", "template", "asked"]
    assert plan.sizes_of("asked") == (25,)
    assert plan.sizes_of("real") == (10, 25)
    other = StudyOptions.model_validate({**PLAN, "sizes": (50, 100)})
    assert other.sizes_of("real") == (50, 100)
    assert other.sizes_of("asked") == ()
    assert plan.models() == ("package:minilm", "gpt2", "package:minilm")
    assert [name for name, one in plan.arms.items() if one.generated] == ["asked", "tuned"]
    everything = StudyOptions.model_validate({**PLAN, "features": {"kind": "characters"}})
    assert everything.models() == ("gpt2", "package:smollm2")
    assert not ArmOptions(says="", add=("eda", "template", "more_real")).generated
