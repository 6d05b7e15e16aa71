# Two commands matter: `make serve` and `make test`. `make help` lists the rest.
PYTHON ?= python3
ENGINE ?= auto
MODEL ?=
CONFIG ?=
HOST ?=
PORT ?=
WORKERS ?=
METHOD ?= gptq
OUT ?=
BASELINE ?=
ARGS ?=
# For `make bundle`: what the closed machine is.
TARGET ?=
PYTHON_VERSION ?=
PLATFORM ?=
PART ?=
EXTRAS ?=
DRY_RUN ?=
BUNDLE ?=
# Processes that share the tests. On a GPU leave it at 1: engines under test would take each other's memory.
JOBS ?= 1
PARALLEL = $(if $(filter-out 1,$(JOBS)),-n $(JOBS) --dist loadgroup --no-loadscope-reorder)

VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(PYTHON) requirements/install.py --venv $(VENV)

.DEFAULT_GOAL := help
.PHONY: help install install-quantize install-harness install-ray serve chat doctor quantize evaluate test test-fast check format lock docs demo-model bench-gateway bench-startup bench-quantize bench-cache bench-semantic bench-guards bench-batch bundle install-bundle clean

help: ## List all targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'
	@echo
	@echo "  ENGINE=cuda|cpu  MODEL=folder|hub id  CONFIG=file  HOST=  PORT=  WORKERS="
	@echo "  METHOD=gptq|awq|...|all  OUT=folder  BASELINE=folder  ARGS='more flags'"
	@echo "  TARGET=cuda|cpu|none  PYTHON_VERSION=3.12  PLATFORM=x86_64|aarch64  PART=2GiB  EXTRAS='quantize ray'  DRY_RUN=1  BUNDLE=folder"

install: ## Make .venv and install the locked requirements (ENGINE=cuda|cpu)
	@$(INSTALL) --engine $(ENGINE)

install-quantize: ## Also install what `make quantize` needs; llm-compressor goes into .tools
	@$(INSTALL) --engine $(ENGINE) --quantize

install-harness: ## Also install lm-evaluation-harness, into .tools
	@$(INSTALL) --engine $(ENGINE) --harness

install-ray: ## Also install Ray, for `sllm batch --ray` on a cluster
	@$(INSTALL) --engine $(ENGINE) --ray

serve: install ## Serve a model behind the OpenAI API (MODEL=..., default: the demo model)
	@$(BIN)/sllm serve $(MODEL) $(if $(CONFIG),--config $(CONFIG)) $(if $(HOST),--host $(HOST)) \
	  $(if $(PORT),--port $(PORT)) $(if $(WORKERS),--workers $(WORKERS)) $(ARGS)

chat: install ## Talk to the running server in the terminal
	@$(BIN)/sllm chat $(ARGS)

doctor: install ## Check this machine: Python, driver, engine, ports, disk, hub
	@$(BIN)/sllm doctor $(ARGS)

quantize: install-quantize ## Make a model small and check that it serves (MODEL=..., METHOD=..., OUT=...)
	@$(BIN)/sllm quantize $(MODEL) --method $(METHOD) $(if $(OUT),--out $(OUT)) $(ARGS)

evaluate: install ## Measure what quantizing cost (MODEL="folder ...", BASELINE=folder)
	@$(BIN)/sllm evaluate $(MODEL) $(if $(BASELINE),--baseline $(BASELINE)) $(ARGS)

test: ## Run all tests, the real engine on the CPU included (JOBS=processes)
	@$(INSTALL) --engine $(ENGINE) --dev --quantize --ray --harness
	@$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

test-fast: ## Run the tests that start no engine
	@$(INSTALL) --engine $(ENGINE) --dev
	@$(BIN)/python -m pytest -m "not engine" $(PARALLEL) $(ARGS)

check: ## Lint, format, types, import directions, locks, docs snippets
	@$(INSTALL) --engine $(ENGINE) --dev --quantize
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_imports.py tests/test_locks.py tests/test_docs.py -m "not engine"

format: ## Format and sort imports
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: ## Write the lock files anew (needs uv)
	@requirements/lock.sh

docs: install ## Write the table of keys in docs/configuration.md anew
	@PYTHONPATH=. $(BIN)/python docs/keys.py

demo-model: install ## Train the demo model and its draft from scratch (30 minutes of two cores)
	@$(BIN)/python models/demo/train.py $(ARGS)

bench-gateway: install ## Measure the gateway beside vllm-router; writes benchmarks/results/gateway
	@$(BIN)/python -m benchmarks.peers
	@$(BIN)/python -m benchmarks.gateway $(ARGS)

bench-semantic: install ## Measure the semantic cache's gates and thresholds; writes benchmarks/results/semantic
	@$(BIN)/python -m benchmarks.semantic $(ARGS)

bench-cache: install ## Measure hits, misses and single flight of the cache; writes benchmarks/results/cache
	@$(BIN)/python -m benchmarks.peers --cache
	@$(BIN)/python -m benchmarks.cache $(ARGS)

bench-guards: install ## Measure what guards add to clean streams, and what they find; writes benchmarks/results/guards
	@$(BIN)/python -m benchmarks.presidio_peer server/guards/data/pii.jsonl server/guards/data/pii_unseen.jsonl
	@$(BIN)/python -m benchmarks.guards $(ARGS)

bench-batch: install ## Measure batch work: offline, a large file, beside interactive requests, under SIGKILLs (40 minutes)
	@$(BIN)/python -m benchmarks.batch_offline $(ARGS)
	@$(BIN)/python -m benchmarks.batch_files
	@$(BIN)/python -m benchmarks.batch_share
	@$(BIN)/python -m benchmarks.batch_kills

bench-startup: install ## Measure from the command to the first token; writes benchmarks/results/startup
	@$(BIN)/python -m benchmarks.startup $(ARGS)

bench-quantize: install-quantize ## Make every variant of the demo model and measure what it cost; writes benchmarks/results/quantize
	@$(BIN)/python -m benchmarks.quantize $(ARGS)

bundle: ## All files of an engine in parts, to carry to a closed network (TARGET=cuda|cpu|none, OUT=folder)
	@$(PYTHON) requirements/bundle.py $(if $(TARGET),--target $(TARGET)) $(if $(OUT),--out "$(OUT)") $(if $(PART),--part $(PART)) \
	  $(if $(PYTHON_VERSION),--python-version $(PYTHON_VERSION)) $(if $(PLATFORM),--platform $(PLATFORM)) \
	  $(if $(EXTRAS),--extras $(EXTRAS)) $(if $(DRY_RUN),--dry-run)

install-bundle: ## Install from a bundle, fetching nothing (BUNDLE=folder)
	@$(PYTHON) requirements/unbundle.py $(if $(BUNDLE),"$(BUNDLE)",bundle)

clean: ## Remove .venv and what tools leave behind
	rm -rf $(VENV) .tools .pytest_cache .mypy_cache .ruff_cache *.egg-info
