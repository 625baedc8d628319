"""predictions -> scores, differences, text quality -> plots -> pages."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial, update_wrapper
from typing import TYPE_CHECKING, Any

from kedro.pipeline import Pipeline, node
from kedro.pipeline.node import Node

from emotion_kedro.config.analyses import ANALYSES
from emotion_kedro.pipelines.evaluation.nodes import (
    compare_runs,
    count_equivalent_rows,
    list_texts,
    measure_text_quality,
    score_predictions,
    write_dataset_card,
    write_overview_page,
    write_reference_page,
    write_report,
)
from emotion_kedro.pipelines.evaluation.pictures import collect_curves, draw_plots
from emotion_kedro.pipelines.evaluation.recommendation import choose_model, recommend_model

if TYPE_CHECKING:
    from emotion_kedro.config.experiment import Experiment

REAL = "real"
"""The arm of real rows alone, whose learning curve the others are held against."""
NAMESPACE, ARMS = "evaluation", "classifier"
MACHINE = ("device", "cache")
PLOTS = ("accuracy_plot", "differences_plot", "confusion_plot", "labels_plot", "curves_plot")


def create_pipeline(experiment: Experiment, tuned: Sequence[str] = ()) -> Pipeline:
    """Return the evaluation stage of an experiment, without a namespace.

    It takes ``predictions``, ``validation_predictions``, ``runs`` and ``decisions`` of all arms, of those that may be
    recommended ``rows`` and ``model``, ``candidates``, ``candidate_predictions``,
    ``split_records``, ``leakage``, ``run_log``, ``raw_folder``, and of every analysis ``<name>_tables`` (title ->
    table); of those with arms of their own also ``<name>_predictions`` and ``<name>_runs``; and the ``log`` of the
    generators ``tuned``, whose models are kept.
    """
    predictions = _predictions(experiment)
    adding = [name for name, arm in experiment.arms.items() if arm.add]
    nodes: list[Node] = []
    if predictions:
        nodes += [_scoring(predictions), _comparing(predictions), _collecting(list(experiment.arms), tuned)]
        nodes.append(_drawing(chosen=bool(experiment.recommend)))
    if _has_curve(experiment):
        nodes.append(_counting(predictions))
    if adding:
        nodes += [_measuring(), _listing(), _describing()]
    if experiment.recommend:
        nodes += [_choosing(), _recommending(experiment.recommend)]
    nodes.append(_writing(experiment, adding, scored=bool(predictions)))
    return Pipeline(nodes, tags="evaluation")


def _predictions(experiment: Experiment) -> list[str]:
    tables = ["predictions"] if experiment.arms else []
    return [*tables, *(f"{name}_predictions" for name in _predicting(experiment))]


def _has_curve(experiment: Experiment) -> bool:
    return REAL in experiment.arms and len(experiment.design.sizes) > 1


def _predicting(experiment: Experiment) -> list[str]:
    """Return the analyses that hand over predictions of arms of their own."""
    return [name for name in experiment.analyses if ANALYSES[name].predictions]


def _numbered(names: Collection[str], prefix: str) -> dict[str, str]:
    """Return data sets by names that a function can take; those of arms may be any."""
    return {f"{prefix}_{number}": name for number, name in enumerate(names)}


def _node(
    function: Callable[..., Any], inputs: dict[str, str], outputs: str | list[str], namespace: str = NAMESPACE
) -> Node:
    return node(function, inputs=inputs, outputs=outputs, name=function.__name__, namespace=namespace)


def _tables(*names: str) -> dict[str, str]:
    return {name: name for name in names}


def _parameters(*names: str) -> dict[str, str]:
    return {name: f"params:{name}" for name in names}


def _scoring(predictions: Collection[str]) -> Node:
    inputs = _tables("split_records") | _parameters("evaluation", "score_by") | _numbered(predictions, "predictions")
    return _node(score_predictions, inputs, ["scores", "label_scores", "confusion"])


def _comparing(predictions: Collection[str]) -> Node:
    inputs = _tables("split_records") | _parameters("evaluation") | {"pairs": "params:compare"}
    inputs |= _parameters("score_by") | _numbered(predictions, "predictions")
    return _node(compare_runs, inputs, ["comparisons", "label_gains"])


def _counting(predictions: Collection[str]) -> Node:
    inputs = _tables("split_records") | _parameters("evaluation") | _numbered(predictions, "predictions")
    return _node(count_equivalent_rows, inputs, "equivalent_rows")


def _measuring() -> Node:
    tables = _tables("candidates", "candidate_predictions", "predictions", "decisions", "split_records")
    parameters = _parameters("evaluator") | {"experiment": "params:name"} | _parameters("evaluation", *MACHINE)
    return _node(measure_text_quality, tables | parameters, ["text_quality", "decision_counts"])


def _listing() -> Node:
    tables = _tables("candidates", "candidate_predictions", "decisions", "split_records")
    return _node(list_texts, tables | _parameters("evaluation", *MACHINE), ["texts", "sampled_texts"])


def _describing() -> Node:
    tables = _tables("candidates", "decisions", "text_quality", "raw_folder", "split_records")
    parameters = _parameters("name", "question", "generators", "arms", "filters", "ingestion", "unlabelled")
    return _node(write_dataset_card, tables | parameters, "dataset_card")


def _choosing() -> Node:
    inputs = _tables("runs", "validation_predictions") | _parameters("recommend", "evaluation")
    return _node(choose_model, inputs, "choices", ARMS)


def _recommending(arms: Sequence[str]) -> Node:
    inputs = _tables("choices", "predictions", "split_records") | {"experiment": "params:name"}
    inputs |= _parameters("evaluation", "arms", "latest")
    inputs |= _numbered([f"{ARMS}.{arm}.rows" for arm in arms], "rows")
    inputs |= _numbered([f"{ARMS}.{arm}.model" for arm in arms], "model")
    return _node(recommend_model, inputs, ["recommendation", "recommended_model"], ARMS)


def _collecting(arms: Sequence[str], tuned: Sequence[str]) -> Node:
    models = _numbered([f"{ARMS}.{arm}.model" for arm in arms], "model")
    logs = _numbered([f"generator.{name}.log" for name in tuned], "log")
    named = update_wrapper(partial(collect_curves, arms=arms, generators=tuned), collect_curves)
    return _node(named, models | logs, "training_curves")


def _drawing(*, chosen: bool) -> Node:
    inputs = _tables("scores", "comparisons", "confusion", "label_gains", "training_curves")
    inputs |= {"pairs": "params:compare"} | _tables(*["recommendation"] * chosen)
    return _node(draw_plots, inputs, list(PLOTS))


def _writing(experiment: Experiment, adding: Collection[str], *, scored: bool) -> Node:
    tables = ["scores", "comparisons", "label_scores", "label_gains", "confusion", "training_curves"] if scored else []
    tables += PLOTS if scored else []
    tables += ["text_quality", "decision_counts", "sampled_texts"] if adding else []
    tables += ["equivalent_rows"] if _has_curve(experiment) else []
    recommended = ["recommendation", "recommended_model"] if experiment.recommend else []
    tables += ["leakage"] if experiment.from_experiment is None else []
    tables += ["reference_report"] if experiment.reference else []
    runs = ["runs"] if experiment.arms else []
    runs += [f"{name}_runs" for name in _predicting(experiment)]
    inputs = {
        # Kedro reads the types of parameters by position: first the arguments in their order.
        **_parameters("name", "question", "note", "reference", "evaluation", "ingestion"),
        **_tables("run_log", "raw_folder", "split_records", *tables, *recommended),
        **_parameters("learners", "arms", "generators", "filters", "design", "latest"),
        **_numbered(runs, "runs"),
        **_numbered([f"{name}_tables" for name in experiment.analyses], "tables"),
    }
    return _node(write_report, inputs, ["report_page", "results_page", "summary"])


def create_reference_pipeline(experiments: Sequence[str]) -> Pipeline:
    """Return the pipeline of the page that sets our figures beside the reference report's.

    It takes ``<experiment>_scores`` and ``<experiment>_text_quality``, None where an experiment has not run.
    """
    return Pipeline(
        [
            node(
                write_reference_page,
                inputs={
                    "reference_report": "reference_report",
                    **_numbered([f"{name}_scores" for name in experiments], "scores"),
                    **_numbered([f"{name}_text_quality" for name in experiments], "quality"),
                },
                outputs=["reference_page", "reference_figures"],
                name="write_reference_page",
            )
        ],
        tags="evaluation",
    )


def create_overview_pipeline(experiments: Sequence[str]) -> Pipeline:
    """Return the pipeline of the page with the scores and differences of every experiment that has run.

    It takes ``<experiment>_scores`` and ``<experiment>_comparisons``, None where an experiment has not run.
    """
    return Pipeline(
        [
            node(
                write_overview_page,
                inputs={
                    **_numbered([f"{name}_scores" for name in experiments], "scores"),
                    **_numbered([f"{name}_comparisons" for name in experiments], "comparisons"),
                },
                outputs="overview_page",
                name="write_overview_page",
            )
        ],
        tags="evaluation",
    )
