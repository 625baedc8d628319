"""A person's own table, labels, arm and experiment: one YAML file each, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from project_folder import TRAINING, Project

pytestmark = pytest.mark.slow

MOODS = {"glad": "sunny laughter", "cross": "slammed doors", "low": "grey rain"}


def diary(project: Project, **changes: Any) -> None:
    """Put a table of three labels of its own beside the project, and an experiment on it into ``conf/local``."""
    lines = [
        {"entry": f"{words} on day {day} of the {place}", "mood": mood}
        for mood, words in MOODS.items()
        for day in range(12)
        for place in ("holiday", "long winter")
    ]
    file = project.path / "diary.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    source = {"file": str(file), "text_column": "entry", "label_column": "mood"}
    experiment: dict[str, Any] = {
        "question": "Which mood was it?",
        "records": {"sources": {"diary": source}, "taxonomy": "from_data", "near_duplicates": {"threshold": 0.95}},
        "generators": {"template": {"kind": "template"}, "eda": {"kind": "eda"}},
        "learners": {"words": {"kind": "linear", "features": {"kind": "tfidf"}}},
        "arms": {"real": {}, "template": {"add": ["template"]}, "eda": {"add": ["eda"], "filters": ["novel"]}},
        "design": {"sizes": [3, 6], "data_seeds": [0, 1], "added_rows": 4},
        "compare": [["template", "real"], ["eda", "real"]],
        "evaluation": {"bootstrap_samples": 200},
    }
    project.configure("experiments/diary.yml", {"diary": {**experiment, **changes}})


def test_a_table_with_labels_of_its_own_runs_by_one_file(new_project: Callable[[], Project]) -> None:
    project = new_project()
    diary(project)
    assert "diary" in project.kedro("registry", "list")
    printed = project.kedro("run", "--pipelines=diary")
    assert "report.html" in printed
    scores = project.csv("08_reporting/results/diary.csv")
    assert set(scores["size"]) >= {3, 6}
    assert list(project.document("03_primary/diary/taxonomy.json")["labels"]) == sorted(MOODS)
    comparisons = project.csv("08_reporting/results/diary_comparisons.csv")
    assert set(comparisons["first"]) == {"template", "eda"}
    assert (comparisons["runs"] == 2).all()


def test_labels_of_ones_own_have_generators_and_prompts(new_project: Callable[[], Project]) -> None:
    """A generator per label and a question that names the labels, from the YAML alone."""
    project = new_project()
    diary(
        project,
        generators={
            "per_label": {
                **{"kind": "fine_tuned", "base": "${globals:generator}", "tuning": "full", "texts": 8},
                **{"training": {**TRAINING, "steps": 3}, "decoding": {"min_new_tokens": 3, "max_new_tokens": 6}},
            }
        },
        learners={
            "asked": {
                **{"kind": "causal_lm", "base": "${globals:causal_lm}", "max_tokens": 24},
                "training": {**TRAINING, "steps": 2},
            }
        },
        arms={"real": {}, "augmented": {"add": ["per_label"]}},
        design={"added_rows": 4},
        compare=[["augmented", "real"]],
    )
    project.kedro("run", "--pipelines=diary")
    candidates = project.table("07_synthetic/diary/candidates.parquet")
    assert set(candidates["label"]) == set(MOODS)
    prompt = json.loads((project.newest("06_models/diary/classifier/real") / "prompt.json").read_text(encoding="utf-8"))
    assert "cross, glad, low" in prompt["question"]


def test_a_table_is_tried_by_one_command(new_project: Callable[[], Project]) -> None:
    project = new_project()
    moods = {**MOODS, "mixed": "two cups"}
    rows = [
        f'"{words} on day {n * 37}\nof the {n}th winter",{mood}' for mood, words in moods.items() for n in range(20)
    ]
    (project.path / "my diary.csv").write_text("\n".join([*rows, '"one day alone",rare']), encoding="utf-8")

    more = [f"{words}, on the {n}th of may" for words in moods.values() for n in range(12)]
    (project.path / "more.txt").write_text("\n".join(more), encoding="utf-8")

    words = ["--quick", "--describe", "low=sad, down", "--unlabelled", "more.txt"]
    printed = project.kedro("try", "my diary.csv", *words)

    written = yaml.safe_load((project.path / "conf/local/experiments/my_diary_quick.yml").read_text(encoding="utf-8"))
    labels = written["my_diary_quick"]["records"]["taxonomy"]["labels"]
    assert labels == {"cross": {}, "glad": {}, "low": {"words": ["sad", "down"]}, "mixed": {}}
    [model] = [line for line in printed.splitlines() if line.startswith("Model ")]
    # What the validation rows chose, or the simplest where nothing else was shown to be better.
    chosen = re.fullmatch(r"Model +\S+/my_diary_quick/(?:\S+) \((\S+)\)", model).group(1)  # type: ignore[union-attr]
    best = next(line for line in printed.splitlines() if re.match(rf"{chosen} +[01]\.", line))
    scores = project.csv("08_reporting/results/my_diary_quick.csv").set_index(["arm", "metric"])
    assert f" {scores.loc[(chosen, 'accuracy'), 'value']:.3f} [" in best  # of its one learner
    assert "hand-written sample" not in printed
    texts = project.table("07_synthetic/my_diary_quick/candidates.parquet").set_index("generator").loc["self_training"]
    assert set(texts["text"]) <= set(more)
    assert len(texts) > 12
    assert re.search(r"^Added text  self_trained, \d+ texts: ", printed, re.MULTILINE)
    folder = model.split()[1]
    assert f'emotion predict --model {folder} "..."' in printed
    notes = json.loads((project.path / folder / "classifier.json").read_text())
    assert notes["cleaning"][-1] == "collapse_space"
    assert "It learned from cleaned texts" in (project.path / folder / "README.md").read_text()
