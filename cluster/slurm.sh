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
port=6379
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
others=$((SLURM_JOB_NUM_NODES - 1))

srun --nodes=1 --ntasks=1 --nodelist="$head" \
  .venv/bin/ray start --head --port="$port" --num-cpus="$SLURM_CPUS_PER_TASK" --block &
sleep 15
if ((others > 0)); then
  srun --nodes="$others" --ntasks="$others" --exclude="$head" \
    .venv/bin/ray start --address="$head:$port" --num-cpus="$SLURM_CPUS_PER_TASK" --block &
  sleep 15
fi

# A job that ran out of time goes on with the same command: what is made is skipped, checkpoints are taken up.
.venv/bin/kedro run --env=cluster --pipelines="$experiment" \
  --runner=emotion_kedro.runners.RayIncrementalRunner --runner-params="address=$head:$port"
