"""What a change costs: a new kind is a module, its entry in the one table of kinds, and nothing else.

Sources, label sets and experiments of one's own cost a YAML file: tests/pipelines/test_own_experiment.py.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest

from emotion_kedro.augmentation.filters import apply_filters, score_candidates
from emotion_kedro.augmentation.generators import GenerationContext, draw_candidates
from emotion_kedro.config.augmentation import GENERATORS, GeneratorConfig, generator_config
from emotion_kedro.config.base import Config, Kind
from emotion_kedro.config.filters import FILTERS, filter_configs
from emotion_kedro.config.models import LEARNERS, LearnerConfig, learner_config
from emotion_kedro.config.resolution import resolve
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.data.leak_guard import LeakGuard
from emotion_kedro.models.classifiers import TrainingSet, fit_classifier
from emotion_kedro.models.device import Device
from emotion_kedro.pipelines.classification.nodes import compose_added, compose_real, fit_arm, fit_baselines
from emotion_kedro.pipelines.generation.nodes import train_generator
from emotion_kedro.pipelines.synthesis import nodes as synthesis
from emotion_kedro.pipelines.synthesis.nodes import draw_candidates as draw_candidates_of
from emotion_kedro.runners.incremental.code import Sources
from emotion_kedro.storage.cache import Cache

FILTER = """
def shouting(candidates, config, context):
    return candidates["text"].map(lambda text: "shouting" if sum(map(str.isupper, text)) > config.capitals else "")
"""
GENERATOR = """
class Echo:
    def __init__(self, config, context=None):
        self.config, self.context = config, context

    def fit(self, context):
        return Echo(self.config, context)

    def sample(self, label, count, seed):
        return [f"{label}, {label} number {number}" for number in range(count)]
"""
LEARNER = """
import numpy as np
from emotion_kedro.models.training import TrainingLog

class Constant:
    def __init__(self, labels):
        self.labels = labels

    @classmethod
    def fit(cls, training_set, learner, device, cache):
        return cls(training_set.labels), TrainingLog(training_set.name)

    def probabilities(self, texts, *, device):
        return np.eye(len(self.labels))[np.zeros(len(texts), dtype=int)]
"""


class ShoutingFilter(Config):
    kind: Literal["shouting"] = "shouting"
    capitals: int = 5


class EchoConfig(GeneratorConfig):
    kind: Literal["echo"] = "echo"


class ConstantConfig(LearnerConfig):
    kind: Literal["constant"] = "constant"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The module that a contributor writes."""
    (tmp_path / "contributed.py").write_text("\n".join([FILTER, GENERATOR, LEARNER]), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return "contributed"


def test_a_filter(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FILTERS, "shouting", Kind(ShoutingFilter, f"{module}:shouting"))
    candidates = pd.DataFrame({"text": ["GO AWAY NOW", "go away now"], "label": "anger", "generator": "g"})
    filters = filter_configs({"shouting": {"capitals": 3}})
    decisions = apply_filters(score_candidates(candidates, []), ["shouting"], filters, candidates.iloc[:0])
    assert decisions["reason"].tolist() == ["shouting", "kept"]


@pytest.mark.parametrize(
    "answer",
    ["text.reset_index(drop=True)", "text.isna()", "text.map(lambda text: None)", "text.tolist()", "text[1:]"],
)
def test_a_filter_whose_answer_is_no_text_for_each_candidate_stops(
    answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = f"def shouting(candidates, config, context):\n    text = candidates['text']\n    return {answer}\n"
    (tmp_path / "mistaken.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mistaken", raising=False)
    monkeypatch.setitem(FILTERS, "shouting", Kind(ShoutingFilter, "mistaken:shouting"))
    texts = {"text": ["GO AWAY NOW", "go away now"], "label": "anger", "generator": "g"}
    scored = score_candidates(pd.DataFrame(texts, index=[3, 4]), [])
    with pytest.raises(TypeError, match=r"the filter shouting \(kind shouting\) has to return a Series of texts"):
        apply_filters(scored, ["shouting"], filter_configs({"shouting": {"capitals": 3}}), scored.iloc[:0])


def test_a_filter_more_changes_no_parameter_of_an_experiment_that_names_it_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    columns = {"text_column": "entry", "label_column": "mood"}
    raw = {
        "question": "Which mood was it?",
        "records": {"sources": {"diary": {"file": "diary.csv", **columns}}, "taxonomy": "from_data"},
        "generators": {"eda": {"kind": "eda"}},
        "learners": {"words": {"kind": "linear", "features": {"kind": "tfidf"}}},
        "arms": {"real": {}, "eda": {"add": ["eda"], "filters": ["length"]}},
    }
    before = resolve("moods", raw, ingestion={"cleaning": [], "sources": {}}, taxonomies={})
    monkeypatch.setitem(FILTERS, "shouting", Kind(ShoutingFilter, "contributed:shouting"))
    assert resolve("moods", raw, ingestion={"cleaning": [], "sources": {}}, taxonomies={}) == before
    assert set(before.filters) == {"length"}


def test_a_filter_more_runs_nothing_again_that_uses_none() -> None:
    sources = Sources()
    drawing = (train_generator, draw_candidates_of, synthesis.score_candidates)
    fitting = (compose_real, compose_added, fit_arm, fit_baselines)
    codes = {node.__name__: sources.code_of(node).modules for node in (*drawing, *fitting)}
    reaching = {name for name, modules in codes.items() if "emotion_kedro.augmentation.filters.reasons" in modules}
    assert reaching == {"score_candidates", "compose_added"}


def test_a_generator(module: str, monkeypatch: pytest.MonkeyPatch, cpu: Device, cache: Cache) -> None:
    monkeypatch.setitem(GENERATORS, "echo", Kind(EchoConfig, f"{module}:Echo"))
    labels = ["glad", "low"]
    rows = pd.DataFrame({"record_id": ["a", "b"], "text": ["so glad", "so low"], "label": labels, "group": [0, 1]})
    context = GenerationContext(
        rows=rows,
        taxonomy=TaxonomyConfig.from_labels(labels),
        data_seed=0,
        device=cpu,
        cache=cache,
        guard=LeakGuard(rows.iloc[:0]),
    )
    table = draw_candidates(generator_config({"kind": "echo", "texts": 3}), context, name="echo")
    assert table.groupby("label").size().to_dict() == {"glad": 3, "low": 3}


def test_a_classifier(module: str, monkeypatch: pytest.MonkeyPatch, cpu: Device, cache: Cache) -> None:
    monkeypatch.setitem(LEARNERS, "constant", Kind(ConstantConfig, f"{module}:Constant"))
    rows = pd.DataFrame({"text": ["so glad", "so low"], "label": ["glad", "low"]})
    training_set = TrainingSet(rows, rows, TaxonomyConfig.from_labels(["glad", "low"]), "constant", 0)
    classifier, _ = fit_classifier(training_set, learner_config({"kind": "constant"}), cpu, cache)
    np.testing.assert_array_equal(classifier.probabilities(["whatever"], device=cpu), [[1.0, 0.0]])
