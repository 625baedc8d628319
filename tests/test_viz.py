"""kedro-viz draws every registered pipeline, and has nothing to complain about."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("kedro_viz")

ROOT = Path(__file__).parents[1]

# A process of its own: kedro-viz keeps what it has loaded in module-level state.
SCRIPT = """
import json, logging, sys, warnings
from pathlib import Path

complaints = []

class Keep(logging.Handler):
    def emit(self, record):
        complaints.append(record.getMessage())

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    warnings.filterwarnings("ignore", category=Warning, module="fastapi|kedro_viz")
    from kedro_viz.api.rest.responses.pipelines import get_pipeline_response
    from kedro_viz.data_access import data_access_manager
    from kedro_viz.server import load_and_populate_data

    load_and_populate_data(Path(sys.argv[1]))
    keep = Keep(logging.WARNING)
    logging.getLogger().addHandler(keep)
    logging.getLogger("kedro_viz").addHandler(keep)
    pipelines = {}
    for pipeline in data_access_manager.registered_pipelines.as_list():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            response = get_pipeline_response(pipeline.id)
        complaints += [str(warning.message) for warning in caught if "kedro_viz" not in warning.filename]
        parameters = {node.id for node in response.nodes if node.type == "parameters"}
        root = [child for child in response.modular_pipelines["__root__"].children if child.id not in parameters]
        present = {getattr(node, "layer", None) for node in response.nodes}
        layers = [layer for layer in response.layers if layer in present]
        pipelines[pipeline.id] = {"layers": layers, "nodes": len(response.nodes), "shapes": len(root)}
print(json.dumps({"pipelines": pipelines, "complaints": complaints}))
"""


@pytest.mark.slow
def test_every_pipeline_is_drawn_in_layers_without_warnings() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(ROOT)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert done.returncode == 0, done.stderr
    drawn = json.loads(done.stdout.strip().splitlines()[-1])
    assert drawn["complaints"] == []
    assert {"augment", "augment_thirteen", "classification"} <= set(drawn["pipelines"])
    order = ["raw", "records", "models", "synthetic", "arms", "reporting"]
    for name, pipeline in drawn["pipelines"].items():
        # A stage alone starts from layers that nothing connects: their order is nobody's.
        if "raw" in pipeline["layers"]:
            assert pipeline["layers"] == [layer for layer in order if layer in pipeline["layers"]], name
        assert pipeline["nodes"], name
    # What opens first fits a screen: records, generators, classifiers and pages are folded.
    assert drawn["pipelines"]["augment"]["shapes"] <= 28
