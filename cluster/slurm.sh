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
export RAY_AUTH_TOKEN RAY_AUTH_MODE=token
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]} # where this script runs, too
others=$((${#nodes[@]} - 1))
trap 'kill $(jobs -p) 2> /dev/null || true; wait' EXIT

# srun takes no --cpus-per-task from sbatch: without one a step would have one processor.
srun --nodes=1 --ntasks=1 --cpus-per-task="$SLURM_CPUS_PER_TASK" --nodelist="$head" \
  .venv/bin/ray start --head --port="$port" --num-cpus="$SLURM_CPUS_PER_TASK" --block &
for _ in {1..120}; do # until it listens
  (: > "/dev/tcp/$head/$port") 2> /dev/null && break
  sleep 1
done
if ((others > 0)); then
  srun --nodes="$others" --ntasks="$others" --cpus-per-task="$SLURM_CPUS_PER_TASK" --exclude="$head" \
    .venv/bin/ray start --address="$head:$port" --num-cpus="$SLURM_CPUS_PER_TASK" --block &
fi

# Nodes of the job join while it runs. One that ran out of time goes on with the same command: what is made is skipped,
# checkpoints are taken up.
.venv/bin/kedro run --env=cluster --pipelines="$experiment" \
  --runner=emotion_kedro.runners.RayIncrementalRunner --runner-params="address=$head:$port"
