"""``kill -9`` at random moments over the real command line: whatever a run left behind, the next one ends the same.

Four runs are killed by default, as many as ``CHAOS`` says with ``make chaos N=100``; ``CHAOS_SEED`` picks the moments.
``RUNNER=ray`` runs them with Ray, and kills workers too.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import yaml
from project_folder import make_project

sys.path.insert(0, str(Path(__file__).parents[1] / "chaos"))

from killing_runs import HEADER, Killer, Trial

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("chaos"),
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="CPU time is read from /proc"),
]
MEMORY = [path for path in ("/dev/shm",) if os.access(path, os.W_OK)]
LONG = "CHAOS" in os.environ
COUNT, SEED = int(os.environ.get("CHAOS", "4")), int(os.environ.get("CHAOS_SEED", "0"))
RUNNER = {
    "": (),
    "ray": ("--runner=emotion_kedro.runners.RayIncrementalRunner", "--runner-params=cpus=2"),
}[os.environ.get("RUNNER", "")]
EXPERIMENTS = """
_steps: &steps {steps: 3, batch_size: 8, learning_rate: 1.0e-3, evaluate_every: 2, checkpoint_every: 0}
_generator: &generator
  kind: fine_tuned
  base: ${globals:generator}
  tuning: full
  warm_up: null
  max_tokens: 24
  training: {<<: *steps, steps: 2, patience: null}
  texts: 6
  decoding: {batch_size: 16, min_new_tokens: 4, max_new_tokens: 8}
_encoder: &encoder {kind: encoder, base: "${globals:encoder}", frozen_layers: 0, max_tokens: 24, training: *steps}
_words: &words {kind: linear, features: {kind: tfidf}}
_filters: &filters
  length: {min_words: 1}
  repetition: {max_share: 1.0}
  novel: {near_copy: 1.0, near_duplicate: 1.0}
  label_agreement: {tau: 0.0, learner: words}
_evaluation: &evaluation {bootstrap_samples: 100}

augment:
  records: {cap: 12}
  generators: {per_label: *generator}
  filters: *filters
  learners: {encoder: *encoder, words: *words}
  arms: {augmented: {filters: [length, label_agreement, novel]}, synthetic: null}
  design: {added_rows: 3, seeds: [0], test_rows: 40}
  evaluation: *evaluation

small_study:
  question: Do more texts help, at two sizes?
  records: {sources: [eit], taxonomy: six, cap: 20}
  generators:
    eda: {kind: eda}
    per_label: &sized {<<: *generator, training: {<<: *steps, steps: 2}}
    conditional: {<<: *sized, kind: conditional}
  filters: *filters
  learners: {encoder: *encoder, words: *words}
  arms:
    real: {}
    written: {add: [per_label], filters: [length, label_agreement]}
    headed: {add: [conditional, eda], filters: [length], sizes: [3]}
  design: {sizes: [3, 6], added_rows: 3, validation_rows: 3, test_rows: 40}
  compare: [[written, real]]
  evaluation: *evaluation

rounds:
  records: {cap: 12}
  generators: {per_label: *generator}
  filters: {<<: *filters, label_agreement: {tau: 0.0}}
  learners: {encoder: *encoder}
  design: {added_rows: 3, test_rows: 40}
  analyses: {rounds: {rounds: 1, patience: 2, reader_steps: 3, feedback: {<<: *steps, steps: 1}}}
  evaluation: *evaluation

attributions:
  records: {cap: 12}
  learners: {encoder: *encoder}
  analyses:
    attributions: {rows: 6, steps: 3, word_counts: [1, 2], draws: 2, least_count: 2, examples: [I am not happy.]}
  evaluation: *evaluation
"""
RUNS = ("augment", "small_study", "rounds", "attributions")


@pytest.fixture(scope="module")
def killer(tiny_encoder: Path, tiny_gpt2: Path, tiny_masked_lm: Path) -> Iterator[Killer]:
    """A project in memory, where there is room: nothing here is about what a disk has written when the power goes."""
    with tempfile.TemporaryDirectory(prefix="killed-runs-", dir=next(iter(MEMORY), None)) as folder:
        project = make_project(Path(folder), encoder=tiny_encoder, language_model=tiny_gpt2, masked_lm=tiny_masked_lm)
        # Every start reads all experiments, whichever it runs.
        for file in (project.path / "conf" / "base" / "experiments").glob("*.yml"):
            if file.stem not in RUNS:
                file.unlink()
        written = yaml.safe_load(EXPERIMENTS)
        experiments = {name: changes for name, changes in written.items() if not name.startswith("_")}
        project.configure("experiments/tiny.yml", experiments)
        killer = Killer(project.path, project.environment(), seed=SEED, most_kills=3 if LONG else 1)
        yield killer
        killer.close()


def test_killed_runs_end_as_undisturbed_ones(killer: Killer, capsys: pytest.CaptureFixture[str]) -> None:
    say = partial(_say, capsys)
    commands = [("run", *RUNNER, f"--pipelines={name}") for name in RUNS[:COUNT]]
    for words in commands:
        used = killer.leave_alone(words)
        times = f"{used['seconds']:.1f} s, {used['cpu']:.1f} s of CPU time"
        say(f"{words[-1]}: undisturbed, {times}, {used['calls']} changes")
        if LONG:
            # A second undisturbed run is equal, so that what differs is the kill's doing.
            killer.leave_alone(words)
    trials: list[Trial] = []
    started = time.monotonic()
    say(HEADER)
    for number in range(COUNT):
        trials.append(killer.trial(commands[number % len(commands)]))
        say(str(trials[-1]))
    unequal = [str(trial) for trial in trials if trial.differences]
    kills = sum(len(trial.kills) for trial in trials)
    say(f"{COUNT - len(unequal)} of {COUNT} equal; {kills} kills in {time.monotonic() - started:.0f} s")
    assert unequal == []
    assert kills >= COUNT // 2


def _say(capsys: pytest.CaptureFixture[str], line: str) -> None:
    """Print at once where one waits for many runs; else only if the test fails."""
    with capsys.disabled() if LONG else contextlib.nullcontext():
        print(line, flush=True)
