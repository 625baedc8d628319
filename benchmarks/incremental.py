"""What runs again after a change, and what asking costs.

    python benchmarks/incremental.py --full --write docs/benchmarks/incremental.md

Works on the tables of a run that has ended (`make augment`, or `--full`), and changes none: for one parameter of each
stage it asks which outputs would be stale, and compares that with the nodes that lie downstream in the pipeline.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.pipeline import Pipeline
from measuring import machine, markdown_table

from emotion_kedro.runners.incremental import IncrementalRunner, ManifestHooks, runner

EDITS = {
    "ingestion": "augment.records.sources=eit;edft",
    "unification": "augment.records.conflicts=majority",
    "sampling": "augment.records.cap=60",
    "generation": "augment.generators.per_label.lora.rank=8",
    "synthesis": "augment.filters.novel.near_copy=0.9",
    "classification": "augment.learners.encoder.max_tokens=80",
    "evaluation": "augment.evaluation.bootstrap_samples=500",
}
"""One parameter of each stage."""


def states_after(edit: str) -> tuple[dict[str, str], Pipeline, set[str], float]:
    """Return the kind of every output, the pipeline, the parameters that differ, and the seconds that asking took."""
    from kedro.framework.project import pipelines

    from emotion_kedro.runners.incremental import states_of

    name, _, value = edit.partition("=")
    given: Any = value.split(";") if ";" in value else _typed(value)
    parameters: dict[str, Any] = {}
    inner = parameters
    *path, last = name.split(".") if name else [""]
    for part in path:
        inner = inner.setdefault(part, {})
    inner[last] = given
    catalogs = []
    for changed in ({}, parameters if name else {}):
        with KedroSession.create(project_path=Path.cwd(), runtime_params=changed) as session:
            catalogs.append(session.load_context().catalog)  # type: ignore[attr-defined]
    before, after = catalogs
    pipeline = pipelines["augment"]
    inputs = [name for name in pipeline.inputs() if name.startswith("params:")]
    different = {name for name in inputs if before.load(name) != after.load(name)}
    for name in pipeline.datasets():
        after.get(name)  # Kedro makes them anyway
    started = time.perf_counter()
    states = states_of(pipeline, after)
    return {state.dataset: state.kind for state in states}, pipeline, different, time.perf_counter() - started


def _typed(value: str) -> Any:
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value


def downstream(pipeline: Pipeline, parameters: set[str]) -> set[str]:
    """Return the names of the nodes that take one of these parameters, and of all after them."""
    first = [node.name for node in pipeline.nodes if set(node.inputs) & parameters]
    return {node.name for node in pipeline.from_nodes(*first).nodes} if first else set()


def stale_nodes(kinds: dict[str, str], pipeline: Pipeline) -> set[str]:
    """Return the names of the nodes with an output that is not fresh."""
    return {node.name for node in pipeline.nodes if any(kinds.get(name, "fresh") != "fresh" for name in node.outputs)}


def seconds_of_run(runner: str) -> float:
    """Return the seconds of a whole command with nothing to do."""
    command = [sys.executable, "-m", "kedro", "run", "--pipelines=augment", f"--runner={runner}"]
    started = time.perf_counter()
    subprocess.run(
        [*command, *(["--only-missing-outputs"] if runner == "SequentialRunner" else [])],
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - started


def seconds_of_full_run() -> tuple[float, float]:
    """Run `augment` whole, in an empty data folder; return its seconds, and those that the runner adds.

    It adds asking before each node, and digests and a manifest after it.
    """
    spent: list[float] = []

    def timed(function: Any) -> Any:
        @functools.wraps(function)
        def call(*given: Any, **named: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*given, **named)
            finally:
                spent.append(time.perf_counter() - started)

        return call

    for owner, names in {
        runner.Reasons: ["_reason"],
        ManifestHooks: [name for name in vars(ManifestHooks) if name[0] != "_"],
    }.items():
        for name in names:
            setattr(owner, name, timed(getattr(owner, name)))
    started = time.perf_counter()
    with KedroSession.create(project_path=Path.cwd()) as session:
        session.run(pipeline_names=["augment"], runner=IncrementalRunner())  # type: ignore[call-arg]  # of its class
    return time.perf_counter() - started, sum(spent)


def page(rows: Sequence[Sequence[str]], figures: dict[str, str], options: Any) -> str:
    """Write up the figures as a Markdown page."""
    return f"""# What runs again

Written by `benchmarks/incremental.py`, not by hand.

One parameter of each stage is edited, and `emotion status` asked what is stale. The nodes are exactly those downstream
of the parameter: those that take it, and all after them. (In a run fewer may run: what comes out the same stops it.)

{markdown_table(("stage", "parameter", "nodes stale", "nodes downstream", "the same nodes"), rows)}

What it costs; a run with nothing to do is the median of {options.rounds}:

{markdown_table(("", "seconds"), list(figures.items()))}

Machine: {machine(("kedro", "pydantic"))}.

    python {" ".join(sys.argv)}
"""


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--full", action="store_true", help="do the whole job first, in a data folder without results")
    parser.add_argument("--ask", action="store_true", help="only ask what is stale, and print the seconds that it took")
    parser.add_argument("--write", type=Path, metavar="PATH", help="write a Markdown page here")
    options = parser.parse_args()
    bootstrap_project(Path.cwd())
    if options.ask:
        print(states_after("")[-1])
        return
    figures = {}
    if options.full:
        whole, added = seconds_of_full_run()
        figures["a whole run with the incremental runner"] = f"{whole:.0f}"
        figures["of these: asking, digests and manifests"] = f"{added:.2f} ({added / whole:.1%})"
        print(figures)
    # In a process that has read nothing yet.
    asked = [
        subprocess.run([sys.executable, __file__, "--ask"], check=True, capture_output=True, text=True)
        for _ in range(options.rounds)
    ]
    asking = statistics.median(float(each.stdout.splitlines()[-1]) for each in asked)
    kinds, pipeline, _, _ = states_after("")
    if set(kinds.values()) != {"fresh"}:
        raise SystemExit("not all outputs of augment are fresh: run `make augment` first")
    rows = []
    for stage, edit in EDITS.items():
        kinds, pipeline, different, _ = states_after(edit)
        stale, expected = stale_nodes(kinds, pipeline), downstream(pipeline, different)
        rows.append((stage, f"`{edit}`", str(len(stale)), str(len(expected)), "yes" if stale == expected else "NO"))
        print(*rows[-1])
    runners = {"incremental": "emotion_kedro.runners.IncrementalRunner", "sequential": "SequentialRunner"}
    seconds = {
        name: statistics.median(seconds_of_run(runner) for _ in range(options.rounds))
        for name, runner in runners.items()
    }
    figures |= {
        "asking alone, in the process": f"{asking:.2f}",
        "`kedro run` with the incremental runner, nothing to do": f"{seconds['incremental']:.2f}",
        "`kedro run --only-missing-outputs`, nothing to do": f"{seconds['sequential']:.2f}",
    }
    print(figures)
    if options.write:
        options.write.write_text(page(rows, figures, options), encoding="utf-8")


if __name__ == "__main__":
    main()
