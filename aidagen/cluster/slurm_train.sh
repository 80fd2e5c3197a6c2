#!/bin/bash
# Train a recipe on the GPUs of one or more nodes of a cluster with SLURM: torchrun starts one
# process per GPU, and they share each batch.
#
#     sbatch --nodes=2 --gpus-per-node=4 slurm_train.sh fomm-faces-128 --precision bf16-mixed
#
# The recipe comes first, then options of `aidagen train`. Submit it in the folder where runs/ should
# lie, which all nodes must see: that of an unpacked bundle, or of a clone. PYTHON names the Python
# to use, PROCESSES how many processes each node gets (default: one per GPU).
#
# Two minutes before its time is over SLURM asks the run to end; it keeps what it has learnt. A job
# that was ended or killed is submitted again by the same command, and goes on.
#SBATCH --job-name=aidagen-train
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=02:00:00
#SBATCH --signal=TERM@120
#SBATCH --output=aidagen-%j.txt
set -euo pipefail
if [ $# -eq 0 ]; then
    echo "slurm_train.sh: name a recipe, as in: sbatch slurm_train.sh fomm-faces-64" >&2
    exit 2
fi
cd -- "${SLURM_SUBMIT_DIR:?submit this script with sbatch}"
if [ -d code/aidagen ]; then # a bundle
    export PYTHONPATH="$PWD/code${PYTHONPATH:+:$PYTHONPATH}" AIDAGEN_HOME="$PWD/home"
fi
# drawing a batch is many small operations: more threads make it slower
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" GOMP_SPINCOUNT=0

first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
port=$((15000 + SLURM_JOB_ID % 10000)) # two jobs on one node do not meet

exec srun --kill-on-bad-exit=1 "${PYTHON:-python3}" -m torch.distributed.run \
    --nnodes="$SLURM_JOB_NUM_NODES" --nproc-per-node="${PROCESSES:-${SLURM_GPUS_ON_NODE:-1}}" \
    --rdzv-id="$SLURM_JOB_ID" --rdzv-backend=c10d --rdzv-endpoint="$first:$port" \
    --max-restarts=0 -m aidagen train "$@"
