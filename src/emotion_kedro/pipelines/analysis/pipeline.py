"""Records, classifiers and candidates -> the tables of each analysis, and the predictions of some."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial, update_wrapper
from typing import Any

from kedro.pipeline import Pipeline, node
from kedro.pipeline.node import Node

from emotion_kedro.config.analyses import ANALYSES, AnalysisConfig, analysis_config
from emotion_kedro.pipelines.analysis.nodes import run_analysis

CLASSIFIER = "classifier.{arm}.model"
EVERY = {"taxonomy": "taxonomy", "device": "params:device"}


def create_pipeline(analyses: Mapping[str, Any]) -> Pipeline:
    """Return a node for each analysis.

    Args:
        analyses: the parameters of each by its name, as they are written or as a config.
    """
    return Pipeline([_node(name, analysis_config(name, raw)) for name, raw in analyses.items()], tags="analysis")


def _node(name: str, config: AnalysisConfig) -> Node:
    outputs = [f"{name}_tables"]
    if ANALYSES[name].predictions:
        outputs += [f"{name}_predictions", f"{name}_runs"]
    return node(
        # Under its own name, with the analysis filled in.
        update_wrapper(partial(run_analysis, name), run_analysis),
        inputs={"config": f"params:analyses.{name}", **EVERY, **_inputs(name, config)},
        outputs=outputs[0] if len(outputs) == 1 else outputs,
        name=f"analyse_{name}",
    )


def _inputs(name: str, config: AnalysisConfig) -> dict[str, str]:
    inputs = {dataset.removeprefix("params:"): dataset for dataset in ANALYSES[name].inputs if dataset != CLASSIFIER}
    arms = config.classifier_arms if CLASSIFIER in ANALYSES[name].inputs else ()
    return {**inputs, **{f"classifier.{arm}": CLASSIFIER.format(arm=arm) for arm in arms}}
