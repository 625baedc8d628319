"""The examples for clusters do what they say, as far as one machine can show it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from kedro.framework.startup import bootstrap_project

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "cluster"
PROJECT = "/shared/emotion-kedro"
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
IMAGE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
TAGS = ("generation", "synthesis", "classification")


def program(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/bash\n{text}\n", encoding="utf-8")
    file.chmod(0o755)


# --- machines that are reached by ssh -----------------------------------------------------------------------------


def test_ray_up_takes_the_file_and_its_commands_work_from_any_folder(tmp_path: Path) -> None:
    config = yaml.safe_load((FOLDER / "ray_up.yaml").read_text(encoding="utf-8"))
    if find_spec("ray") is not None:
        from ray.autoscaler._private import util

        prepared = util.prepare_config(config)
        util.validate_config(prepared)
        assert prepared["max_workers"] == len(config["provider"]["worker_ips"])
    assert config["file_mounts"] == {"~/.ray/auth_token": "~/.ray/auth_token"}

    # They are run as ray does it: in the home folder, with one thread.
    home, project = tmp_path / "home", tmp_path / "project"
    home.mkdir()
    program(project / ".venv/bin/ray", 'echo "$PWD ${OMP_NUM_THREADS-as many as there are} $*" >> ../called')
    commands = [*config["head_start_ray_commands"], *config["worker_start_ray_commands"]]
    for command in commands:
        settings = {"HOME": str(home), "PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1", "RAY_HEAD_IP": "10.0.0.1"}
        assert PROJECT in command
        here = command.replace(PROJECT, str(project))
        subprocess.run(["bash", "-c", here], cwd=home, env=settings, check=True)
    called = (tmp_path / "called").read_text().splitlines()
    stop, start = f"{project} 1 stop", f"{project} as many as there are start"
    assert called == [
        *(stop, f"{start} --head --port=6379 --disable-usage-stats --autoscaling-config=~/ray_bootstrap_config.yaml"),
        *(stop, f"{start} --address=10.0.0.1:6379"),
    ]


# --- Kubernetes ---------------------------------------------------------------------------------------------------


def pods_of(job: dict[str, Any]) -> list[dict[str, Any]]:
    spec = job["spec"]["rayClusterSpec"]
    return [each["template"]["spec"] for each in (spec["headGroupSpec"], *spec["workerGroupSpecs"])]


def test_a_job_of_kuberay_runs_our_runner_where_all_may_write_the_data() -> None:
    job = yaml.safe_load((FOLDER / "kuberay.yaml").read_text(encoding="utf-8"))
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    words = job["spec"]["entrypoint"].split()
    assert words[:4] == ["env", f"--chdir={re.findall('^WORKDIR (.*)', IMAGE, re.M)[-1]}", "kedro", "run"]
    assert "--runner=emotion_kedro.runners.RayIncrementalRunner" in words
    environment = next(word.removeprefix("--env=") for word in words if word.startswith("--env="))
    places = yaml.safe_load((ROOT / "conf" / environment / "globals.yml").read_text(encoding="utf-8"))
    [user] = re.findall(r"^RUN useradd .*--uid (\d+)", IMAGE, re.M)
    assert job["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token"}
    for pod in pods_of(job):
        assert pod["securityContext"]["fsGroup"] == int(user)
        [container] = pod["containers"]
        assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
        mounted = {Path(mount["mountPath"]) for mount in container["volumeMounts"]}
        assert all(mounted & set(Path(place).parents) for place in places.values())


def test_the_image_of_kuberay_answers_its_questions() -> None:
    """The agent that answers is of ``ray[default]``; below 2.53 KubeRay asks by a program that the image has not."""
    text = (FOLDER / "kuberay.yaml").read_text(encoding="utf-8")
    version = yaml.safe_load(text)["spec"]["rayClusterSpec"]["rayVersion"]
    assert tuple(map(int, version.split("."))) >= (2, 53) or "wget" in IMAGE
    [extra] = re.findall(r"EXTRAS='\[(\w+)\]'", text)
    assert any(needed.startswith("ray[default]") for needed in EXTRAS[extra])
    assert f"[{extra}]" in IMAGE
    # What `make install` brings stays light.
    [installed] = re.findall(r"--editable '\.\[(dev[\w,]*)\]'", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert not [needed for name in installed.split(",") for needed in EXTRAS[name] if needed.startswith("ray[")]


def test_an_address_that_needs_more_packages_says_so() -> None:
    page = (ROOT / "docs/ray.md").read_text(encoding="utf-8")
    [row] = [line for line in page.splitlines() if line.startswith("| `address`")]
    [extra] = re.findall(r"`ray://.*`emotion-kedro\[(\w+)\]`", row)
    assert any(needed.startswith(("ray[default]", "ray[client]")) for needed in EXTRAS[extra])


# --- Slurm --------------------------------------------------------------------------------------------------------

SRUN = """echo "srun $*" >> "$CALLED"
while [[ ${1-} == --* ]]; do shift; done
exec "$@" """


def in_slurm(folder: Path, *arguments: str, nodes: int = 1) -> dict[str, Any]:
    """Return how a job's script is run in a folder: srun runs what it is given, here; all is written down."""
    program(folder / "bin/srun", SRUN)
    names = ["localhost", *(f"node{number}" for number in range(1, nodes))]
    program(folder / "bin/scontrol", f'echo "scontrol $*" >> "$CALLED"; printf "%s\\n" {shlex.join(names)}')
    settings = {
        **{**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "CALLED": str(folder / "called")},
        **{"SLURM_JOB_ID": str(os.getpid()), "SLURM_JOB_NODELIST": f"node[0-{nodes - 1}]"},
        **{"SLURM_CPUS_PER_TASK": "2", "SLURM_MEM_PER_NODE": "16000"},
    }
    command = ["bash", str(FOLDER / "slurm.sh"), *arguments]
    return {"args": command, "cwd": folder, "env": settings, "capture_output": True, "text": True, "check": False}


LISTENING = """echo "ray $*" >> "$CALLED"
[[ $RAY_AUTH_MODE == token && ${#RAY_AUTH_TOKEN} == 64 ]] || exit 1
for word; do [[ $word == --port=* ]] && port=${word#--port=}; done
[[ -z ${port-} ]] || exec python3 -m http.server --bind 127.0.0.1 "$port"
exec sleep 60"""


def test_a_job_of_slurm_starts_its_cluster_and_ends_it_with_the_run(tmp_path: Path) -> None:
    without_name = subprocess.run(**in_slurm(tmp_path))
    assert without_name.returncode != 0
    assert "which experiment?" in without_name.stderr

    program(tmp_path / ".venv/bin/ray", LISTENING)
    program(tmp_path / ".venv/bin/python", 'echo "python ${*: -2}" >> "$CALLED"')
    # What the script started is still there, and a run that failed is a job that failed.
    program(tmp_path / ".venv/bin/kedro", 'sleep 0.5; echo "kedro $*" >> "$CALLED"; exit 3')
    done = subprocess.run(**in_slurm(tmp_path, "augment_thirteen", nodes=3), timeout=30)
    assert done.returncode == 3, done.stderr
    called = (tmp_path / "called").read_text().splitlines()
    port = 20000 + os.getpid() % 10000
    start = ".venv/bin/ray start"
    head = f"srun --nodes=1 --ntasks=1 --cpus-per-task=2 --nodelist=localhost {start} --head --port={port}"
    others = f"srun --nodes=2 --ntasks=2 --cpus-per-task=2 --exclude=localhost {start} --address=localhost:{port}"
    runner = "--runner=emotion_kedro.runners.RayIncrementalRunner"
    run = f"kedro run --env=cluster --pipelines=augment_thirteen {runner} --runner-params=address=localhost:{port}"
    said = [line for line in called if not line.startswith("ray")]
    assert [*said[:2], *sorted(said[2:-1], reverse=True), said[-1]] == [  # machines start side by side
        "scontrol show hostnames node[0-2]",
        *(
            f"{line} --num-cpus=2 --memory=9600000000 --object-store-memory=3200000000 --block"
            for line in (head, others)
        ),
        f"python localhost:{port} 3",
        run,
    ]
    assert [line.split()[1] for line in called if line.startswith("ray")] == ["start"] * 2


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")
def test_a_job_of_slurm_runs_a_pipeline_on_its_cluster(tmp_path: Path) -> None:
    """The project's own, on a cluster that the script starts on this machine."""
    for name in ("conf", "src"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    places = {"raw_root": str(ROOT / "data/01_raw/sample"), "data_root": str(tmp_path / "data")}
    (tmp_path / "conf/cluster/globals.yml").write_text(yaml.safe_dump(places))
    for name in ("ray", "kedro"):
        program(tmp_path / ".venv/bin" / name, f'exec {shlex.quote(str(Path(sys.executable).with_name(name)))} "$@"')
    done = subprocess.run(**in_slurm(tmp_path, "ingestion"), timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list((tmp_path / "data").rglob("*.parquet"))
    # The cluster ended with the job.
    port = 20000 + os.getpid() % 10000
    with pytest.raises(subprocess.CalledProcessError):
        subprocess.run(["bash", "-c", f": > /dev/tcp/localhost/{port}"], check=True, capture_output=True)


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
