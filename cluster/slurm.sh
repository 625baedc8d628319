#!/bin/bash
# sbatch cluster/slurm.sh augment_thirteen, in the project's folder on a disk that all nodes share, after `make install`.
#SBATCH --job-name=emotion
#SBATCH --nodes=3
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=4
#SBATCH --mem=16G
#SBATCH --time=02:00:00
# With GPUs: #SBATCH --gpus-per-task=1, and --num-gpus=1 after each `ray start`.
set -euo pipefail

experiment=${1:?which experiment? sbatch cluster/slurm.sh NAME}
# Of this job: one that shares a node with it has another. Ray's workers take ports from 10002 to 19999.
port=$((20000 + SLURM_JOB_ID % 10000))
# Other users of these nodes may not run programs on it: srun hands the token on to Ray's processes.
RAY_AUTH_TOKEN=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
export RAY_AUTH_TOKEN RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]} # where this script runs, too
others=$((${#nodes[@]} - 1))
trap 'kill $(jobs -p) 2> /dev/null || true; wait' EXIT

# Ray counts the memory of the whole machine, of which this job has a part (in MB): what nodes may ask for, and what
# goes from one to the other.
memory=()
if [[ -n ${SLURM_MEM_PER_NODE:-} ]]; then
  memory=(--memory=$((SLURM_MEM_PER_NODE * 600000)) --object-store-memory=$((SLURM_MEM_PER_NODE * 200000)))
fi

# srun takes no --cpus-per-task from sbatch: without one a step would have one processor.
srun --nodes=1 --ntasks=1 --cpus-per-task="$SLURM_CPUS_PER_TASK" --nodelist="$head" \
  .venv/bin/ray start --head --port="$port" --num-cpus="$SLURM_CPUS_PER_TASK" "${memory[@]}" --block &
for _ in {1..120}; do # until it listens
  (: > "/dev/tcp/$head/$port") 2> /dev/null && break
  sleep 1
done
if ((others > 0)); then
  srun --nodes="$others" --ntasks="$others" --cpus-per-task="$SLURM_CPUS_PER_TASK" --exclude="$head" \
    .venv/bin/ray start --address="$head:$port" --num-cpus="$SLURM_CPUS_PER_TASK" "${memory[@]}" --block &
  # Until all have joined: those that join later are not asked whether they see the tables.
  .venv/bin/python -c '
import sys, time, ray
ray.init(sys.argv[1], logging_level="error")
end = time.monotonic() + 120
while sum(node["Alive"] for node in ray.nodes()) < int(sys.argv[2]) and time.monotonic() < end:
    time.sleep(1)
' "$head:$port" "${#nodes[@]}"
fi

# A job that ran out of time goes on with the same command: what is made is skipped,
# checkpoints are taken up.
.venv/bin/kedro run --env=cluster --pipelines="$experiment" \
  --runner=emotion_kedro.runners.RayIncrementalRunner --runner-params="address=$head:$port"
