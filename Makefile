# aidagen. Needs Python 3.11 or newer; everything else is installed into .venv beside this file.
#   make lab         set up, then JupyterLab on the first lecture
#   make venv        its set-up alone
#   make test        set up, then all that CI runs
#   make verify      the long checks: every table recomputed
#   make notebooks   course/*.py -> notebooks/*.ipynb, executed
#   make variants    notebooks/ -> build/: student and instructor copies, slides, tour
#   make bench       measured speeds of this machine
#   make gpu         on an NVIDIA GPU: its tests, and its speeds
# PYTHON=python3.12 picks the interpreter; LAB_OPTIONS="--no-browser --port 8890" reaches the server.

PYTHON ?= python3
LAB_OPTIONS ?=
# the folder of this file, also where its path has spaces and make was called from elsewhere
ROOT := $(shell cd "$$(dirname "$(strip $(MAKEFILE_LIST))")" && pwd)
SET_UP = cd "$(ROOT)" && $(PYTHON) -I aidagen/installation.py --extras
ALL = lab,data,robot,judges,gpu,test
RUN = cd "$(ROOT)" && OMP_NUM_THREADS=1 GOMP_SPINCOUNT=0 .venv/bin/python

.PHONY: lab venv test verify notebooks variants bench gpu
.NOTPARALLEL:

lab: venv
	@cd "$(ROOT)" && exec .venv/bin/python -m aidagen.publishing.lab $(LAB_OPTIONS)

venv:
	@$(SET_UP) lab

test:
	@cd "$(ROOT)" && sh data_scripts/install_system_packages.sh || true
	@$(SET_UP) $(ALL)
	@$(RUN) tests/everything.py

verify:
	@$(SET_UP) $(ALL)
	@$(RUN) tests/everything.py --verify

notebooks:
	@$(SET_UP) lab,test
	@$(RUN) -m aidagen.publishing.notebooks build

variants:
	@$(SET_UP) lab,test
	@$(RUN) -m aidagen.publishing.variants build

bench:
	@$(SET_UP) lab
	@$(RUN) data_scripts/bench.py

gpu:
	@$(SET_UP) $(ALL)
	@$(RUN) -m pytest -q tests/test_kernels*.py tests/test_captured.py tests/test_streaming.py
	@$(RUN) data_scripts/bench.py --gpu --out build/gpu.json
	@$(RUN) data_scripts/animate_speed.py --device cuda
