"""What a cluster would bring: measured times of nodes, laid out on more workers by the simulation of ``emotion plan``.

    OMP_NUM_THREADS=1 kedro run --pipelines=augment
    python benchmarks/cluster.py --write docs/benchmarks/cluster.md --plot docs/images/cluster.svg

It runs nothing but the simulation. The graph is that of ``augment``, with the parts of nodes that go to other workers.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from kedro.framework.project import pipelines
from kedro.framework.startup import bootstrap_project
from kedro.pipeline import Pipeline, node
from measuring import markdown_table

from emotion_kedro.runners.ray.plan import critical_path, wall_time

WORKERS = (1, 2, 4, 13, 100)
OVERHEAD, START_UP = 0.035, 11.0
"""Seconds: a node in a chain and the start of a cluster, both by ``benchmarks/ray_overhead.py``."""
LABELS, ARMS = 6, 3
"""Of ``augment``, whose log is read."""
WARM_UP_STEPS, LABEL_STEPS = 64, 12
"""Of the generator of the run whose log is read: for all labels together, then for each."""
STUDY_TEXTS, ARM_TEXTS = 120 * 16, 45 * 32
"""That the encoder of a study, and that of the log's run, sees in a training."""
PART_TEXTS, TEXT_TOKENS = 10 * 1024, 16
TEXTS, MANY_LABELS, CANDIDATES = 10_000_000, 77, 10_000
TRAIN, DRAW = "generator.per_label.train_per_label", "generator.per_label.draw_per_label"
OF_TEXTS = {"evaluation.list_texts", "evaluation.measure_text_quality"}
"""Nodes of the evaluation that runs make no longer."""
Graph = dict[str, tuple[float, list[str]]]
"""Of each node or part of one: its seconds, and the names of those that come before it."""


def joined(*values: object) -> int:
    return len(values)


def laid_out(graph: Graph) -> tuple[Pipeline, dict[str, float]]:
    nodes = [node(joined, parents or "start", name, name=name) for name, (_, parents) in graph.items()]
    return Pipeline(nodes), {name: seconds for name, (seconds, _) in graph.items()}


def times_of(file: Path) -> tuple[dict[str, str], dict[str, float], list[str]]:
    """Return how a run was made, the seconds of each node, and the names of those that its log does not know.

    A node that has moved since to another stage is known by the rest of its name.
    """
    found = json.loads(file.read_text(encoding="utf-8"))
    times = {each["node"]: float(each["seconds"]) for each in found["times"]}
    moved = {name.rpartition(".")[2]: seconds for name, seconds in times.items()}
    nodes = [each.name for each in pipelines["augment"].nodes]
    known = {name: times.get(name, moved.get(name.rpartition(".")[2])) for name in nodes}
    there = {name: seconds for name, seconds in known.items() if seconds is not None}
    return found["setting"], there, [name for name in nodes if name not in there]


def augment(log: Mapping[str, float], labels: int, runs: int = ARMS) -> Graph:
    """Return ``augment`` with so many labels and runs, by the log of one with :data:`LABELS` and :data:`ARMS`."""
    graph: Graph = {}
    for each in pipelines["augment"].nodes:
        parents = [parent.name for parent in pipelines["augment"].node_dependencies[each]]
        seconds = log.get(each.name, 0.0)
        if each.name == TRAIN:
            step = seconds / (WARM_UP_STEPS + LABELS * LABEL_STEPS)
            graph["warm_up"] = (step * WARM_UP_STEPS, parents)
            split(graph, each.name, ["warm_up"], [step * LABEL_STEPS] * labels)
        elif each.name == DRAW:
            split(graph, each.name, parents, [seconds / LABELS] * labels)
        elif each.name.endswith("fit_arm"):
            longer = STUDY_TEXTS / ARM_TEXTS if runs > ARMS else 1
            split(graph, each.name, parents, [seconds * longer] * round(runs / ARMS))
        else:
            more = runs / ARMS if each.name.startswith("evaluation.") and each.name not in OF_TEXTS else 1
            graph[each.name] = (seconds * more * labels / LABELS, parents)
    return graph


def split(graph: Graph, name: str, parents: list[str], seconds: Sequence[float]) -> None:
    """Add a node's parts, which wait for its parents, and the node, which waits for its parts."""
    parts = [f"{name}.{number}" for number in range(len(seconds))]
    graph.update({part: (each, parents) for part, each in zip(parts, seconds, strict=True)})
    graph[name] = (0.0, parts)


def independent(seconds: float, parts: int) -> Graph:
    return {f"part_{number}": (seconds, []) for number in range(parts)}


def span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min" if seconds < 6000 else hours(seconds)


def hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h"


def draw(cases: Mapping[str, Graph], file: Path) -> None:
    """Draw how many times as fast as its work in a row each case is, by workers."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "cluster"  # the same figures give the same file
    import matplotlib.pyplot as plt

    counts = [2**power for power in range(8)]
    figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
    for title, graph in cases.items():
        pipeline, seconds = laid_out(graph)
        work = sum(seconds.values())
        gains = [work / (START_UP + wall_time(pipeline, seconds, count, OVERHEAD)) for count in counts]
        axis.plot(counts, gains, marker="o", label=title)
    axis.plot(counts, counts, color="grey", linestyle=":", label="as many times as workers")
    axis.set(xscale="log", yscale="log", xlabel="workers", ylabel="times as fast as the work in a row")
    axis.set_xticks(counts, map(str, counts))
    axis.set_yticks(counts, map(str, counts))
    axis.minorticks_off()
    axis.legend(frameon=False)
    figure.savefig(file, metadata={"Date": None})


def section(title: str, graph: Graph) -> str:
    """Return a table of the times by workers, and the chain that no number of workers shortens."""
    pipeline, seconds = laid_out(graph)
    work, path = sum(seconds.values()), critical_path(pipeline, seconds)
    rows = []
    for workers in WORKERS:
        took = START_UP + wall_time(pipeline, seconds, workers, OVERHEAD)
        rows.append([str(workers), span(took), f"{work / took:.1f}", f"{100 * work / took / workers:.0f} %"])
    table = markdown_table(["workers", "time", "times as fast as the work in a row", "of the workers' time used"], rows)
    total = sum(seconds[each.name] for each in path)
    chain = [f"{each.name} {span(seconds[each.name])}" for each in path if seconds[each.name] > total / 50]
    return (
        f"## {title}\n\n{table}\n\n{len(seconds)} nodes and parts, {span(work)} of work. Critical path {span(total)}: "
        f"{' → '.join(chain)}, and what takes less than a fiftieth of it.\n"
    )


def rate(page: str, way: str) -> float:
    """Return the rate of a way as another benchmark's page has it."""
    text = Path("docs/benchmarks", page).read_text(encoding="utf-8")
    found = re.search(rf"^\| {re.escape(way)} \| ([\d.,]+) \|", text, re.M)
    assert found is not None, f"{page} has no row {way}"
    return float(found[1].replace(",", ""))


def many_texts() -> str:
    """Return the hours of ten million texts, and of candidates for many labels, by workers of one core each."""
    texts, tokens = rate("encoder_inference.md", "ours"), rate("sampling.md", "ours, 144 rows")
    read = independent(PART_TEXTS / texts, -(-TEXTS // PART_TEXTS))
    drawn = independent(CANDIDATES * TEXT_TOKENS / tokens, MANY_LABELS)
    rows = []
    for workers in WORKERS:
        took = [START_UP + wall_time(*laid_out(graph), workers, OVERHEAD) for graph in (read, drawn)]
        rows.append([str(workers), *map(hours, took)])
    head = ["workers, a core each", f"{TEXTS:,} texts read", f"{MANY_LABELS} labels x {CANDIDATES:,} candidates drawn"]
    return (
        f"## Ten million texts\n\n{markdown_table(head, rows)}\n\nFrom {texts:g} texts/s "
        f"([encoder](encoder_inference.md), {len(read)} parts of {PART_TEXTS:,}) and {tokens:g} new tokens/s "
        f"([sampling](sampling.md), {TEXT_TOKENS} tokens a text, a part a label: more than {MANY_LABELS} workers have "
        "nothing to do), each on one thread of this machine. The input is read, and candidates are filtered, by one "
        "process; that is not in the table.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log", type=Path, default=Path("data/08_reporting/augment/run_log.json"))
    parser.add_argument("--write", type=Path, metavar="PATH", help="write a Markdown page here")
    parser.add_argument("--plot", type=Path, metavar="PATH", help="draw the curves here, as SVG")
    options = parser.parse_args()
    bootstrap_project(Path.cwd())
    setting, log, unknown = times_of(options.log)
    cases = {
        f"As in the log: {LABELS} labels, {ARMS} runs": augment(log, LABELS),
        "Thirteen labels": augment(log, 13),
        f"{MANY_LABELS} labels": augment(log, MANY_LABELS),
        "A study of 800 runs": augment(log, LABELS, 800),
    }
    missing = f"; of {', '.join(unknown)} none is known, which counts as nothing" if unknown else ""
    page = f"""# What a cluster would bring

Written by `benchmarks/cluster.py`, not by hand. **Planned, not measured**: no cluster was at hand.

The times of nodes are those of one run, `{setting["command"]}` of {setting["date"]} ({setting["machine"]}, one
thread, others at work too), {span(sum(log.values()))} in all{missing}. From
them, for other sizes:

- {TRAIN} is {WARM_UP_STEPS} steps for all labels, then {LABEL_STEPS} for
  each, taken as equally long, though a label may have stopped sooner; these, and the
  draws of each label, are parts that go to other workers;
- a run of the study takes as long as an arm's in the log, times {STUDY_TEXTS / ARM_TEXTS:.2f} (texts seen in training);
  runs are parts too;
- the evaluation of predictions grows with runs, all nodes but the arms' with labels. That they do so in proportion is
  a guess, and at 100 workers it decides.

Each worker is a core such as the log's. A node or part costs {1000 * OVERHEAD:g} ms beyond its own time, and the
start {START_UP:g} s ([measured](../ray.md#how-much-it-can-bring)). A free worker takes what has most work after it
(`emotion plan`). Left out: loading and saving, the first import of torch in each process (seconds), a disk that all
share, failures.

![Times as fast as in a row, by workers, of the cases below](../images/cluster.svg)

{chr(10).join(section(title, graph) for title, graph in cases.items())}
{many_texts()}
    OMP_NUM_THREADS=1 kedro run --pipelines=augment
    python benchmarks/cluster.py --write docs/benchmarks/cluster.md --plot docs/images/cluster.svg
"""
    print(page)
    if options.plot is not None:
        draw(cases, options.plot)
    if options.write is not None:
        options.write.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
