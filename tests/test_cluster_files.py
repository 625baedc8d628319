"""The examples for clusters are of the form that their readers ask for."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

FOLDER = Path(__file__).parents[1] / "cluster"


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
