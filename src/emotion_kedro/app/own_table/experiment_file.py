"""The experiment that ``emotion try`` writes for a table, where it lies, and what it will take."""

from __future__ import annotations

import itertools
import math
import os
import re
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from emotion_kedro.app.own_table.profile import Profile
from emotion_kedro.config.data import SourceConfig
from emotion_kedro.storage.whole_files import written_whole

# Texts, steps and tokens a second of one core of an AMD EPYC (Zen 3, AVX2), with the offline models, texts of about
# 20 tokens.
TRAINED_TEXTS = 62.0  # of an encoder whose lower half is frozen
READ_TEXTS = 112.0
TUNED_STEPS = 1.2  # of low-rank adapters on the upper six blocks, eight texts each
WRITTEN_TOKENS = 117.0
CORES = 1.7
"""Speed-up of two cores over one."""
GFLOPS = 105.0
"""Matrix products on one idle core of that kind, in GFLOP/s."""
MEASURING = 0.5
"""Seconds that this machine is measured for."""
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
    "latin": "This text is about {label}",
    "chinese": "这段文字表达的是{label}",
    "other": "{label}",
}
UNLABELLED = {"cap": 2000, "train_share": 1.0}
"""Of unlabelled texts: how many are taken, at most, and the share of those that may be learned from."""
PENALTIES = [3e-3]
"""Of the classifier that reads them, as in the studies (docs/study.md)."""
QUESTION = "Does added text help here, and how well are the labels read?"
SHAPES = Path(__file__).with_name("experiments.yml")
RUNNER = "--runner=emotion_kedro.runners.IncrementalRunner"
"""Runs what has changed, and nothing else."""
HEADER = f"# Written by emotion try. Change what you like; run it again: kedro run --pipelines={{name}} {RUNNER}\n"


def experiment_for(
    source: SourceConfig,
    profile: Profile,
    *,
    name: str,
    quick: bool = False,
    words: Mapping[str, Sequence[str]] = {},
    unlabelled: SourceConfig | None = None,
) -> dict[str, Any]:
    """Return an experiment on a table, as its file holds it.

    Args:
        source: the table.
        profile: what it is like.
        name: of the source.
        quick: no language model is tuned.
        words: label -> words that say it.
        unlabelled: a table of texts without labels.
    """
    for seeds, share in SIZES:
        experiment = _experiment(source, profile, name, words, unlabelled, quick=quick, seeds=seeds, share=share)
        if estimated_seconds(experiment, profile) <= BUDGET:
            break
    return experiment


def _experiment(
    source: SourceConfig,
    profile: Profile,
    name: str,
    words: Mapping[str, Sequence[str]],
    unlabelled: SourceConfig | None,
    *,
    quick: bool,
    seeds: int,
    share: float,
) -> dict[str, Any]:
    shapes = yaml.safe_load(SHAPES.read_text(encoding="utf-8"))
    experiment = shapes["characters" if profile.script != "latin" else "quick" if quick else "whole"]
    sentence = experiment["generators"]["template"]["sentence"] = SENTENCES[profile.script]
    if unlabelled is not None:
        _self_train(experiment, shapes["self_trained"], sentence)
    cap = max(20, min(800, (4000 if quick else 6000) // len(profile.fit) // 10 * 10))
    if "encoder" in experiment["learners"]:
        _fit_time(experiment, shapes["conditional"], profile, cap, share)
        experiment["design"]["seeds"] = list(range(seeds))
    records = {
        "sources": {name: _source(source, profile)},
        "taxonomy": _taxonomy(profile, words),
        # The profile has said what is left out.
        **({"max_lost": 1.0} if profile.unfit or profile.untaught or profile.left_out else {}),
        "cap": cap,
        "split": profile.split.model_dump(include={"validation", "test"}),
    }
    if unlabelled is not None:
        texts = unlabelled.model_dump(mode="json", exclude_defaults=True)
        records["unlabelled"] = {"sources": {f"{name}_unlabelled": texts}, **UNLABELLED}
    return {"question": QUESTION, "records": records, **experiment}


def _self_train(experiment: dict[str, Any], arm: dict[str, Any], sentence: str) -> None:
    """Add an arm of unlabelled texts, read by a classifier of the real rows and of the template's sentences."""
    main = next(iter(experiment["learners"].values()))
    # Whatever is tuned otherwise, frozen features read them: those of the labels' names.
    features = experiment["learners"]["names"]["features"]
    experiment["generators"]["self_training"] = {
        "kind": "self_training",
        "learner": {"kind": "linear", "features": features, "penalties": PENALTIES},
        "sentences": [sentence],
    }
    experiment["arms"]["self_trained"] = arm
    main["only"]["arms"].append("self_trained")
    experiment["recommend"].insert(-1, "self_trained")  # what counts words comes last
    experiment["compare"].append(["self_trained", "real"])


def _fit_time(
    experiment: dict[str, Any], conditional: dict[str, Any], profile: Profile, cap: int, share: float
) -> None:
    """Fill in a share of the usual number of texts that are written, and of the encoder's steps."""
    labels, generators = len(profile.fit), experiment["generators"]
    if labels > MOST_GENERATORS:
        generators["generator"] = conditional
    generators["generator"]["texts"] = max(8, int(share * min(160, 1200 // labels)))
    passes = 2 * sum(min(cap, rows) for rows in profile.fit.values()) // 32
    steps = max(60, min(300, 4 * labels), min(150, passes))
    experiment["learners"]["encoder"]["training"]["steps"] = int(share * steps)


def _source(source: SourceConfig, profile: Profile) -> dict[str, Any]:
    bad = {"bad_rows": "drop"} if "fields that cannot be read" in profile.left_out else {}
    return {**source.model_dump(mode="json", exclude_defaults=True), **bad}


def _taxonomy(profile: Profile, words: Mapping[str, Sequence[str]]) -> Any:
    """Labels are written out where something is said of them: which are left out, by which words they are meant."""
    if not profile.unfit and not profile.untaught and not words:
        return "from_data"
    return {"labels": {label: {"words": list(words[label])} if label in words else {} for label in sorted(profile.fit)}}


# --- what it takes ------------------------------------------------------------------------------------------------


def node_seconds(experiment: Mapping[str, Any], profile: Profile) -> dict[str, float]:
    """Return about how long the dear nodes take on two cores like those that the rates were measured on.

    Nodes are named as they are inside of the experiment; all others stand together under an empty name.
    """
    cap = experiment["records"]["cap"]
    rows = sum(min(cap, rows) for rows in profile.fit.values()) + (profile.test_rows or 0)
    length = max(1.0, min(profile.words[0] * 1.3, 96) / TOKENS)
    read, seconds = float(rows), dict[str, float]()
    for name, generator in experiment["generators"].items():
        if "training" in generator:
            tuning, writing = _writing_seconds(generator, len(profile.fit))
            seconds[f"generator.{name}.train_{name}"] = tuning / CORES
            seconds[f"generator.{name}.draw_{name}"] = writing / CORES
        read += generator.get("texts", 0) * len(profile.fit)
    if "unlabelled" in experiment["records"]:
        read += UNLABELLED["cap"]
    if "encoder" in experiment["learners"]:
        encoder, seeds = experiment["learners"]["encoder"], len(experiment["design"]["seeds"])
        training = encoder["training"]
        texts = training["steps"] * training["batch_size"] / TRAINED_TEXTS + 0.4 * rows / READ_TEXTS  # test, validation
        seconds |= {f"classifier.{arm}.fit_arm": seeds * texts * length / CORES for arm in encoder["only"]["arms"]}
    return {**seconds, "": STARTING + read * length / READ_TEXTS / CORES}


def estimated_seconds(experiment: Mapping[str, Any], profile: Profile) -> float:
    """Return about how long the experiment takes on two cores like those that the rates were measured on."""
    return sum(node_seconds(experiment, profile).values())


def slowness() -> float:
    """Return how much longer this machine takes, as busy as it is just now: half a second of products of matrices."""
    import numpy as np
    from threadpoolctl import threadpool_limits

    matrix = np.ones((512, 512), dtype="float32")
    products, began = 0, time.perf_counter()
    with threadpool_limits(1):  # threads that wait for each other measure nothing where others work
        while (took := time.perf_counter() - began) < MEASURING:
            matrix @ matrix
            products += 1
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    cores = CORES if len(allowed) == 1 else 1.0
    return cores * GFLOPS * 1e9 * took / (products * 2 * 512**3)


def minutes(seconds: float) -> int:
    """Return seconds in whole minutes."""
    return math.ceil(seconds / 60)


def said_minutes(source: SourceConfig, profile: Profile, unlabelled: SourceConfig | None) -> str:
    """Return in words what a whole run and a quick one take; profiled labels are two at least."""
    slow = slowness()
    both = (experiment_for(source, profile, name="table", quick=each, unlabelled=unlabelled) for each in (False, True))
    whole, quick = (minutes(slow * estimated_seconds(experiment, profile)) for experiment in both)
    return f"about {whole} min on this machine; quick: {quick}"


def _writing_seconds(generator: Mapping[str, Any], labels: int) -> tuple[float, float]:
    """Return what one core takes to tune and to write."""
    each = labels if generator["kind"] == "fine_tuned" else 1
    steps = generator.get("warm_up", {}).get("steps", 0) + each * generator["training"]["steps"]
    tokens = generator["texts"] * labels * 0.6 * generator["decoding"]["max_new_tokens"]
    return steps / TUNED_STEPS, tokens / WRITTEN_TOKENS


# --- where it lies ------------------------------------------------------------------------------------------------


def name_for(file: Path, *, quick: bool = False) -> str:
    """Return the name of an experiment on a file: its own, as far as it is letters, digits and _."""
    name = re.sub(r"\W+", "_", file.stem, flags=re.ASCII).strip("_").lower()
    name = re.sub("_(comparisons|recommendation)$", "", name)  # endings of tables of results
    name = name if re.match("[a-z]", name) else f"table_{name}".rstrip("_")
    return f"{name}_quick" if quick else name


class _Dumper(yaml.SafeDumper):
    """Writes texts so that Kedro's loader reads them as they were: to it 1e5 is a number, and ${name} another key."""


def _quoted(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    looks_like_a_number = text[:1] in "+-.0123456789"
    # What the shapes of experiments refer to stays a reference.
    escaped = re.sub(r"(\\*)\$\{(?!globals:)", r"\1\1\\${", text)
    return dumper.represent_scalar("tag:yaml.org,2002:str", escaped, style="'" if looks_like_a_number else None)


_Dumper.add_representer(str, _quoted)


def write_experiment(
    folder: Path, name: str, experiment: Mapping[str, Any], reserved: Collection[str], *, numbered: bool = True
) -> Path:
    """Write an experiment, under a name with a number if another has its own already; return the file.

    Args:
        folder: of the experiments.
        name: that is wanted.
        experiment: what the file holds.
        reserved: names that are something else.
        numbered: whether it may have another name than that.

    Raises:
        ValueError: if it may not, and another experiment has the name.
    """
    for free in itertools.chain([name], (f"{name}_{number}" for number in itertools.count(2))):
        file = folder / f"{free}.yml"
        text = HEADER.format(name=free) + yaml.dump(
            {free: dict(experiment)},
            Dumper=_Dumper,
            sort_keys=False,
            allow_unicode=True,
            width=120,
            default_flow_style=None,
        )
        if file.is_file() and file.read_text(encoding="utf-8") == text:
            return file
        if free not in reserved and not file.exists():
            break
        if not numbered:
            remedy = f", or delete {file}, which says something else" if file.exists() else ""
            raise ValueError(f"--name {name} is taken: give another name{remedy}")
    with written_whole(file) as staging:
        staging.write_text(text, encoding="utf-8")
    return file
