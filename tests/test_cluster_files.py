"""The examples for clusters are of the form that their readers ask for."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml
from kedro.framework.startup import bootstrap_project

FOLDER = Path(__file__).parents[1] / "cluster"
TAGS = ("generation", "synthesis", "classification")


def test_ray_up_takes_the_file() -> None:
    util = pytest.importorskip("ray.autoscaler._private.util")
    config = util.prepare_config(yaml.safe_load((FOLDER / "ray_up.yaml").read_text(encoding="utf-8")))
    util.validate_config(config)
    assert config["max_workers"] == len(config["provider"]["worker_ips"])


def test_a_job_of_kuberay_runs_our_runner_where_all_see_the_data() -> None:
    job = yaml.safe_load((FOLDER / "kuberay.yaml").read_text(encoding="utf-8"))
    spec = job["spec"]["rayClusterSpec"]
    pods = [each["template"]["spec"] for each in (spec["headGroupSpec"], *spec["workerGroupSpecs"])]
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert "--runner=emotion_kedro.runners.RayIncrementalRunner" in job["spec"]["entrypoint"]
    for pod in pods:
        mounts = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
        assert mounts == {volume["name"] for volume in pod["volumes"]}


def test_the_job_of_slurm_is_a_program_for_bash() -> None:
    subprocess.run(["bash", "-n", str(FOLDER / "slurm.sh")], check=True)
    without_name = subprocess.run(["bash", str(FOLDER / "slurm.sh")], capture_output=True, text=True, check=False)
    assert without_name.returncode != 0
    assert "which experiment?" in without_name.stderr


def test_a_share_of_a_gpu_reaches_the_nodes_of_the_generators() -> None:
    pytest.importorskip("ray")
    from emotion_kedro.app.running import run
    from emotion_kedro.pipeline_registry import register_pipelines
    from emotion_kedro.runners import RayRunner

    bootstrap_project(FOLDER.parent)
    given = run.make_context("run", [f"--config={FOLDER / 'share_a_gpu.yml'}"]).params
    assert given["env"] == "cluster"
    assert given["runner"] == "emotion_kedro.runners.RayIncrementalRunner"
    pipelines = register_pipelines()
    nodes = [node for name in given["pipelines"] for node in pipelines[name].nodes]
    demands = RayRunner(**given["runner_params"]).demands
    demands.check_names(nodes)
    asked = {tag: {demands.of_node(node).gpu for node in nodes if tag in node.tags} for tag in TAGS}
    assert asked == {"generation": {0.5}, "synthesis": {1}, "classification": {0}}
