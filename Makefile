# hsegap's entry point. `make serve` and `make test` need Debian (or a relative), Python 3.11 and make; the rest is installed into ./.venv.
#
#   make serve    core and description generator into ./.venv, then the page and the API on http://127.0.0.1:3000
#   make test     every extra into ./.venv (upgrading what `make serve` left there), then the tests, JOBS files at once
#   make check    ruff, mypy and the quick tests: what to run before every commit
#   make lesser   the tests that compare with stored outcomes again, as on a processor with fewer instructions
#   make lint     ruff check, ruff format --check, mypy
#   make venv     what `make test` installs, without running anything
#   make docs     docs/cli.md again from the commands' own help
#
# Variables: VENV=.venv  HOST=127.0.0.1  PORT=3000  JOBS=2  ARGS="-k cli" (for pytest, or for `hsegap serve`)  PYTHON=/path/to/python3.11
# pip's own settings (pip.conf, PIP_* variables) are respected, so a mirror or a CPU-only torch index is chosen there.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help serve test check lesser lint format docs venv serve-venv tools clean

VENV ?= .venv
HOST ?= 127.0.0.1
PORT ?= 3000
ARGS ?=
JOBS ?= 2
BIN := $(VENV)/bin

# One thread per process and sleeping waiters: with spinning threads a busy two-core machine runs hundreds of times slower.
export OMP_NUM_THREADS ?= 1
export OMP_WAIT_POLICY ?= PASSIVE
# Nothing reports home, nothing is fetched while running.
export ORT_DISABLE_TELEMETRY := 1
export BENTOML_DO_NOT_TRACK := True
export GRADIO_ANALYTICS_ENABLED := False
export RAY_USAGE_STATS_ENABLED := 0
export HF_HUB_OFFLINE := 1

# What makes numpy, OpenBLAS, torch and oneDNN compute as on an AVX2 processor; ONNX Runtime has no such switch.
LESSER := NPY_DISABLE_CPU_FEATURES=X86_V4,AVX512_ICL,AVX512_SPR OPENBLAS_CORETYPE=Haswell ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2
# Tests that compare with what another machine has stored.
STORED := tests/structures/test_graph_against_jarvis.py tests/models/test_published_outputs.py tests/prediction/test_golden.py \
	tests/artifact/test_artifact.py tests/export/test_small_gates.py tests/text/test_encoder.py

help:
	@sed -n '3,12s/^# \{0,3\}//p' Makefile

serve: serve-venv
	@exec $(BIN)/hsegap serve --host $(HOST) --port $(PORT) $(ARGS)

# Several at once, a file's tests in one process: what a file shares (a server, an export) is made once. With ARGS one process runs what they
# pick, so that --pdb and -s work.
SPREAD := -n $(JOBS) --dist loadfile --no-loadscope-reorder

test: venv tools
	@exec $(BIN)/python -m pytest $(or $(ARGS),$(SPREAD) --durations=20)

# mypy runs beside the tests: alone it would leave a core idle for most of a minute where it has no cache yet.
check: venv
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .
	@said=$$(mktemp); .ci/types $(BIN)/python >"$$said" 2>&1 & types=$$!; status=0; \
	$(BIN)/python -m pytest -m "unit and not slow" $(SPREAD) -q $(ARGS) || status=$$?; \
	wait "$$types" || status=$$?; cat "$$said"; rm "$$said"; exit "$$status"

lesser: venv
	@exec env $(LESSER) $(BIN)/python -m pytest $(STORED) $(ARGS)

lint: venv
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .
	@.ci/types $(BIN)/python

format: venv
	@$(BIN)/python -m ruff check --fix .
	@$(BIN)/python -m ruff format .

docs: serve-venv
	@$(BIN)/python -m hsegap.commands.reference docs/cli.md
	@$(BIN)/python -m hsegap.service.settings_page docs/settings.md
	@$(BIN)/python -m hsegap.commands.samples README.md README.zh-CN.md docs/*.md

venv:
	@.ci/venv test $(VENV)

serve-venv:
	@.ci/venv serve $(VENV)

tools:
	@.ci/tools

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis build *.egg-info
