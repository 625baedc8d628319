"""The experiment that ``emotion try`` writes for a table, where it lies, and what it will take."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from emotion_kedro.app.profile import Profile
from emotion_kedro.config.data import SourceConfig
from emotion_kedro.whole_files import written_whole

# Texts, steps and tokens a second of one core of an AMD EPYC (Zen 3, AVX2), with the offline models, texts of about
# 20 tokens.
TRAINED_TEXTS = 62.0  # of an encoder whose lower half is frozen
READ_TEXTS = 112.0
TUNED_STEPS = 1.2  # of low-rank adapters on the upper six blocks, eight texts each
WRITTEN_TOKENS = 117.0
CORES = 1.7
"""What two of them do, beside one."""
STARTING = 40.0
"""Seconds that programs, baselines, tables and pages take."""
TOKENS = 20
"""Of a text, on which the rates above were measured."""
BUDGET = 480.0
"""Seconds that a default run may be estimated at: what is left of ten minutes is for slower machines."""

SIZES = ((3, 1.0), (2, 1.0), (1, 1.0), (1, 0.7), (1, 0.5), (1, 0.35))
"""Seeds of the classifiers, and the share of the usual texts and steps, from the dearest on: the first that is cheap
enough is taken."""
MOST_GENERATORS = 20
"""Labels, at most, that get a generator each; more share one."""
SENTENCES = {
    "latin": "This text expresses {label}",
    "chinese": "这段文字表达的是{label}",
    "other": "{label}",
}
FILTERS = ["length", "complete", "repetition", "leftovers", "label_agreement", "novel", "diverse"]
GLOBAL_ENCODER, GLOBAL_GENERATOR = "${globals:encoder}", "${globals:generator}"
HEADER = "# Written by emotion try. Change what you like; run it again: kedro run --pipelines={name}\n"


def experiment_for(
    source: SourceConfig, profile: Profile, *, name: str, quick: bool = False, words: Mapping[str, Sequence[str]] = {}
) -> dict[str, Any]:
    """Return an experiment on a table, as its file holds it.

    Args:
        source: the table.
        profile: what it is like.
        name: of the source.
        quick: no language model is tuned.
        words: label -> words that say it.
    """
    for seeds, share in SIZES:
        experiment = _experiment(source, profile, name, words, quick=quick, seeds=seeds, share=share)
        if estimated_seconds(experiment, profile) <= BUDGET:
            break
    return experiment


def _experiment(
    source: SourceConfig,
    profile: Profile,
    name: str,
    words: Mapping[str, Sequence[str]],
    *,
    quick: bool,
    seeds: int,
    share: float,
) -> dict[str, Any]:
    records = {
        "sources": {name: _source(source, profile)},
        "taxonomy": _taxonomy(profile, words),
        # The profile has said what is left out.
        **({"max_lost": 1.0} if profile.unfit or profile.left_out else {}),
        "cap": max(20, min(800, (4000 if quick else 6000) // len(profile.fit) // 10 * 10)),
        "split": profile.split.model_dump(include={"validation", "test"}),
    }
    question = {"question": "Does added text help here, and how well are the labels read?", "records": records}
    if quick or profile.script != "latin":
        return question | _quick(profile)
    return (
        question | _whole(profile, records["cap"], share) | {"design": {"added_rows": 45, "seeds": list(range(seeds))}}
    )


def _source(source: SourceConfig, profile: Profile) -> dict[str, Any]:
    bad = {"bad_rows": "drop"} if "fields that cannot be read" in profile.left_out else {}
    return {**source.model_dump(mode="json", exclude_defaults=True), **bad}


def _taxonomy(profile: Profile, words: Mapping[str, Sequence[str]]) -> Any:
    """Labels are written out where something is said of them: which are left out, by which words they are meant."""
    if not profile.unfit and not words:
        return "from_data"
    return {"labels": {label: {"words": list(words[label])} if label in words else {} for label in sorted(profile.fit)}}


def _template(profile: Profile) -> dict[str, Any]:
    return {"kind": "template", "sentence": SENTENCES[profile.script], "words": "all"}


def _quick(profile: Profile) -> dict[str, Any]:
    """No language model is tuned: real rows, sentences that name the label, rows with words moved; frozen features."""
    latin = profile.script == "latin"
    features = {"kind": "encoder", "base": GLOBAL_ENCODER} if latin else {"kind": "characters", "ngrams": [1, 3]}
    arms = {
        "real": {"description": "the real rows alone"},
        "template": {
            "description": "and a sentence that names the label",
            "add": ["template"],
            "augmentation_weight": 20.0,
        },
        "eda": {"description": "and rows with words moved", "add": ["eda"]},
    }
    learners = {"frozen": {"kind": "linear", "features": features, "temperature": True, "only": {"arms": list(arms)}}}
    experiment = {
        "generators": {"template": _template(profile), "eda": {"kind": "eda", "texts": 45}},
        "learners": learners,
        "arms": arms,
        "design": {"added_rows": 45},
        "recommend": list(arms),
        "compare": [["template", "real"], ["eda", "real"]],
    }
    return _with_zero_shot(experiment) if latin else experiment


def _whole(profile: Profile, cap: int, share: float) -> dict[str, Any]:
    """A generator for each label, or one for all of many; an encoder that is tuned.

    ``share`` of the usual number of texts is written, and of steps taken.
    """
    rows = sum(min(cap, rows) for rows in profile.fit.values())
    labels = len(profile.fit)
    arms = {
        "real": {"description": "the real rows alone"},
        "template": {
            "description": "and a sentence that names the label",
            "add": ["template"],
            "augmentation_weight": 20.0,
        },
        "augmented": {"description": "and generated text", "add": ["generator"], "filters": FILTERS},
    }
    training = {
        "steps": max(60, min(150, 2 * rows // 32)),
        "batch_size": 32,
        "learning_rate": 5e-4,
        "evaluate_every": 30,
    }
    encoder = {"kind": "encoder", "base": GLOBAL_ENCODER, "max_tokens": 96, "temperature": True, "frozen_layers": 3}
    experiment = {
        "generators": {"template": _template(profile), "generator": _generator(labels, share)},
        "learners": {
            "encoder": {**encoder, "training": training, "only": {"arms": list(arms)}},
            # Reads the candidates for the filters.
            "reader": {"kind": "linear", "features": {"kind": "encoder", "base": GLOBAL_ENCODER}, "only": {"arms": []}},
        },
        "filters": {"label_agreement": {"learner": "reader"}},
        "arms": arms,
        "recommend": list(arms),
        "compare": [["augmented", "real"], ["template", "real"], ["augmented", "template"]],
        "evaluation": {"embeddings": {"kind": "encoder", "base": GLOBAL_ENCODER}},
    }
    return _with_zero_shot(experiment)


def _generator(labels: int, share: float) -> dict[str, Any]:
    tuned = {
        "base": GLOBAL_GENERATOR,
        "tuning": "lora",
        "last_layers": 6,
        "texts": max(8, int(share * min(160, 1200 // labels))),
        "decoding": {"max_new_tokens": 40, "batch_size": 160},
    }
    step = {"batch_size": 8, "learning_rate": 2e-3}
    if labels > MOST_GENERATORS:
        return {"kind": "conditional", **tuned, "training": {"steps": 200, **step, "evaluate_every": 100}}
    return {
        "kind": "fine_tuned",
        **tuned,
        "warm_up": {"steps": 64, **step, "evaluate_every": 32},
        "training": {"steps": 12, **step, "evaluate_every": 6},
    }


def _with_zero_shot(experiment: dict[str, Any]) -> dict[str, Any]:
    """Add what reads by the labels' names alone: no real row has a part in it, not even in the choice of a penalty."""
    names = {"description": "sentences that name the label, and no real row", "rows": "none", "add": ["template"]}
    reader = {"kind": "linear", "features": {"kind": "encoder", "base": GLOBAL_ENCODER}, "penalties": [1e-3]}
    return {
        **experiment,
        "learners": {**experiment["learners"], "names": {**reader, "only": {"arms": ["names"]}}},
        "arms": {**experiment["arms"], "names": names},
    }


# --- what it takes ------------------------------------------------------------------------------------------------


def estimated_seconds(experiment: Mapping[str, Any], profile: Profile) -> float:
    """Return about how long the experiment takes on two cores like those that the rates were measured on."""
    cap = experiment["records"]["cap"]
    rows = sum(min(cap, rows) for rows in profile.fit.values()) + (profile.test_rows or 0)
    length = max(1.0, min(profile.words[0] * 1.3, 96) / TOKENS)
    read, seconds = float(rows), 0.0
    for generator in experiment["generators"].values():
        seconds += _writing_seconds(generator, len(profile.fit))
        read += generator.get("texts", 0) * len(profile.fit)
    if "encoder" in experiment["learners"]:
        training = experiment["learners"]["encoder"]["training"]
        runs = len(experiment["recommend"]) * len(experiment["design"]["seeds"])
        seconds += runs * training["steps"] * training["batch_size"] * length / TRAINED_TEXTS
        read += runs * 0.4 * rows  # test rows, and validation rows twice
    return STARTING + (seconds + read * length / READ_TEXTS) / CORES


def _writing_seconds(generator: Mapping[str, Any], labels: int) -> float:
    if "training" not in generator:
        return 0.0
    each = labels if generator["kind"] == "fine_tuned" else 1
    steps = generator.get("warm_up", {}).get("steps", 0) + each * generator["training"]["steps"]
    tokens = generator["texts"] * labels * 0.6 * generator["decoding"]["max_new_tokens"]
    return float(steps / TUNED_STEPS + tokens / WRITTEN_TOKENS)


# --- where it lies ------------------------------------------------------------------------------------------------


def name_for(file: Path, *, quick: bool = False) -> str:
    """Return the name of an experiment on a file: its own, as far as it is letters, digits and _."""
    name = re.sub(r"\W+", "_", file.stem, flags=re.ASCII).strip("_").lower()
    name = name if re.match("[a-z]", name) else f"table_{name}".rstrip("_")
    return f"{name}_quick" if quick else name


def write_experiment(folder: Path, name: str, experiment: Mapping[str, Any], taken: Collection[str]) -> Path:
    """Write an experiment, under a name with a number if another has its own already; return the file.

    Args:
        folder: of the experiments.
        name: that is wanted.
        experiment: what the file holds.
        taken: names that are something else.
    """
    for free in itertools.chain([name], (f"{name}_{number}" for number in itertools.count(2))):
        file = folder / f"{free}.yml"
        text = HEADER.format(name=free) + yaml.safe_dump(
            {free: dict(experiment)}, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None
        )
        if file.is_file() and file.read_text(encoding="utf-8") == text:
            return file
        if free not in taken and not file.exists():
            break
    with written_whole(file) as staging:
        staging.write_text(text, encoding="utf-8")
    return file
