"""Each kind of analysis as a node: its inputs, its outputs, and what is checked before it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from emotion_kedro.config.analyses import ANALYSES, analysis_config
from emotion_kedro.datasets.table_folder import TableFolder
from emotion_kedro.pipelines.analysis import create_pipeline
from emotion_kedro.pipelines.analysis.nodes import run_analysis

KEYWORDS = {"trusted": "a", "doubted": "b", "keywords": {"patterns": {"joy": ["glad"]}}}
TRAINING = {"steps": 2, "learning_rate": 0.1}
PARAMETERS: dict[str, Any] = {
    "attributions": {"arm": "real"},
    "label_noise": KEYWORDS,
    "out_of_domain": {"arms": ["real", "widened"]},
    "rounds": {"feedback": TRAINING, "rounds": 2},
    "search": {"learning_rate": [1e-4, 1e-3]},
}


def test_every_kind_has_an_implementation_that_takes_its_inputs() -> None:
    import inspect

    assert set(PARAMETERS) == set(ANALYSES)
    for name, kind in ANALYSES.items():
        keywords = {"taxonomy", "device"}
        for dataset in kind.inputs:
            keywords.add("models" if dataset.startswith("classifier.") else dataset.removeprefix("params:"))
        assert set(inspect.signature(kind.load()).parameters) == {"config", *keywords}, name


def test_nodes_have_the_inputs_and_outputs_of_their_kind() -> None:
    nodes = {node.name: node for node in create_pipeline(PARAMETERS).nodes}
    assert set(nodes) == {f"analyse_{name}" for name in ANALYSES}
    out_of_domain = nodes["analyse_out_of_domain"]
    assert {"classifier.real.model", "classifier.widened.model", "unlabelled_texts"} <= set(out_of_domain.inputs)
    assert out_of_domain.outputs == ["out_of_domain_tables"]
    assert nodes["analyse_search"].outputs == ["search_tables", "search_predictions", "search_runs"]
    assert {"candidates", "params:analyses.search", "params:cache"} <= set(nodes["analyse_search"].inputs)
    # Namespaces put a prefix before the whole of it.
    assert all("{" not in name for node in nodes.values() for name in node.inputs)


def test_pairs_that_are_compared() -> None:
    assert analysis_config("search", PARAMETERS["search"]).compare == (("tuned", "default"),)
    assert analysis_config("rounds", PARAMETERS["rounds"]).compare == (("round_1", "round_0"), ("round_2", "round_0"))
    assert analysis_config("attributions", {}).compare == ()


def test_labels_that_the_taxonomy_does_not_have_are_refused_before_any_work() -> None:
    with pytest.raises(
        ValueError, match=r"analyses.label_noise names neutral; the labels of the taxonomy are joy, fear"
    ):
        run_analysis("label_noise", KEYWORDS, {"labels": {"joy": None, "fear": None}}, "cpu")
    with pytest.raises(ValueError, match="there is no analysis 'rouns'; there are: attributions"):
        create_pipeline({"rouns": {}})
    with pytest.raises(ValueError, match="give the lowest first"):
        analysis_config("search", {"learning_rate": [1e-2, 1e-4]})


def test_a_folder_of_tables_is_replaced_as_a_whole(tmp_path: Path) -> None:
    folder = TableFolder(filepath=str(tmp_path / "tables"))
    folder.save({"words": pd.DataFrame({"a": [1]}), "texts": pd.DataFrame({"b": ["x"]})})
    assert list(folder.load()) == ["texts", "words"]

    class Broken(pd.DataFrame):
        def to_parquet(self, *_: Any, **__: Any) -> None:  # type: ignore[override]
            raise OSError("disk full")

    with pytest.raises(Exception, match="disk full"):
        folder.save({"first": pd.DataFrame({"a": [2]}), "second": Broken()})
    assert list(folder.load()) == ["texts", "words"]
    folder.save({"words": pd.DataFrame({"a": [3]})})
    assert {name: table["a"].tolist() for name, table in folder.load().items()} == {"words": [3]}
    assert [path.name for path in tmp_path.iterdir()] == ["tables"]
    assert folder.preview()["data"] == [[3]]
    with pytest.raises(Exception, match="data frames"):
        folder.save({})
