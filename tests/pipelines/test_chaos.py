"""``kill -9`` at random moments over the real command line: whatever a run left behind, the next one ends the same.

Ten runs are killed by default, as many as ``CHAOS`` says with ``make chaos N=100``; ``CHAOS_SEED`` chooses the moments.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from project_folder import Project, tiny_experiments

sys.path.insert(0, str(Path(__file__).parents[1] / "chaos"))

from killing_runs import HEADER, Killer, Trial, contents_of, differences

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("chaos"),
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="CPU time is read from /proc"),
]
COUNT, SEED = int(os.environ.get("CHAOS", "10")), int(os.environ.get("CHAOS_SEED", "0"))
STUDY = """
small_study:
  question: Do more texts help, at two sizes?
  records: {sources: [eit, edft, eabot], taxonomy: six, cap: 30}
  generators:
    eda: {kind: eda}
    per_label: &generator
      kind: fine_tuned
      base: ${globals:generator}
      tuning: full
      max_tokens: 24
      training: {steps: 2, batch_size: 4, learning_rate: 1.0e-3, checkpoint_every: 0}
      texts: 4
      decoding: {batch_size: 16, min_new_tokens: 4, max_new_tokens: 8}
    conditional: {<<: *generator, kind: conditional}
  filters: {length: {min_words: 1}, label_agreement: {tau: 0.0, learner: words}}
  learners:
    encoder:
      kind: encoder
      base: ${globals:encoder}
      max_tokens: 24
      training: {steps: 3, batch_size: 8, learning_rate: 1.0e-3, evaluate_every: 2, checkpoint_every: 0}
    words: {kind: linear, features: {kind: tfidf}}
  arms:
    real: {}
    written: {add: [per_label], filters: [length, label_agreement]}
    headed: {add: [conditional, eda], filters: [length]}
  design: {sizes: [3, 6], data_seeds: [0, 1], added_rows: 3, validation_rows: 3, test_rows: 40}
  compare: [[written, real]]
  evaluation: {bootstrap_samples: 100}
"""
RUNS = ("augment", "small_study", "rounds", "attributions")


def often(value: Any) -> Any:
    """Let every training of an experiment be short, with a checkpoint at every step."""
    if isinstance(value, dict):
        changed = {key: often(part) for key, part in value.items()}
        return {**changed, "checkpoint_every": 0} if "steps" in value and "batch_size" in value else changed
    return value


@pytest.fixture(scope="module")
def killer(new_project: Callable[[], Project]) -> Iterator[Killer]:
    project = new_project()
    experiments = {name: often(tiny_experiments()[name]) for name in ("augment", "rounds", "attributions")}
    for experiment in experiments.values():
        experiment["evaluation"] = {"bootstrap_samples": 100}
    project.configure("experiments/tiny.yml", {**experiments, **yaml.safe_load(STUDY)})
    killer = Killer(project.path, project.environment(), SEED)
    yield killer
    killer.close()


def test_killed_runs_end_as_undisturbed_ones(killer: Killer, capsys: pytest.CaptureFixture[str]) -> None:
    commands = [("run", f"--pipelines={name}") for name in RUNS][: max(1, COUNT)]
    for words in commands:
        killer.leave_alone(words)
    # What a comparison leaves out is right: a second undisturbed run is equal.
    assert differences(killer.undisturbed[commands[0]][1], contents_of_again(killer, commands[0])) == []
    trials: list[Trial] = []
    started = time.monotonic()
    for number in range(COUNT):
        trials.append(killer.trial(commands[number % len(commands)]))
        if COUNT > 10:
            with capsys.disabled():
                print(f"\n{HEADER}" if number == 0 else "", trials[-1], sep="\n" if number == 0 else "")
    unequal = [str(trial) for trial in trials if trial.differences]
    kills, restarts = sum(len(trial.kills) for trial in trials), sum(trial.starts - 1 for trial in trials)
    with capsys.disabled():
        print(f"\n{COUNT - len(unequal)} of {COUNT} equal; {kills} kills, {restarts} restarts, ", end="")
        print(f"{time.monotonic() - started:.0f} s")
    assert unequal == []
    assert kills >= COUNT // 2


def contents_of_again(killer: Killer, words: tuple[str, ...]) -> dict[str, Any]:
    killer._empty()
    killer.run(words)
    return contents_of(killer.folder / "data")
