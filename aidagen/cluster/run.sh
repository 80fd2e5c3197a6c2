#!/bin/sh
# Trains the recipes of this bundle, one after the other. What is learnt lies in runs/ of the folder
# that WORK names (default: this one); the same command goes on where it was stopped. Options are
# those of `aidagen train`:
#
#     ./run.sh --profile smoke           three steps, to see that it runs
#     PYTHON=env/bin/python ./run.sh --minutes 50
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
export PYTHONPATH="$here/code${PYTHONPATH:+:$PYTHONPATH}" AIDAGEN_HOME="$here/home"
# drawing a batch is many small operations: more threads make it slower
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" GOMP_SPINCOUNT=0

python=${PYTHON:-python3}
case $python in
*/*) python=$(CDPATH='' cd -- "$(dirname -- "$python")" && pwd)/$(basename -- "$python") ;;
esac
cd -- "${WORK:-$here}"

train() {
    "$python" -m aidagen train "$@"
}

@COMMANDS@
