# Everything a fresh machine needs: Python 3.11 or newer and make.
PYTHON ?= python3
BIN := .venv/bin

# The oldest Snakemake that the workflow may be run with. pyproject.toml says below which version the newest has to be.
OLDEST := $(shell sed -n 's/^min_version("\(.*\)")$$/\1/p' Snakefile)

# Tests wait for servers and for disks, so there is one worker more than there are processors; each takes 750 MB.
WORKERS = $(shell $(BIN)/python -c 'import os; print(min(4, (os.cpu_count() or 1) + 1))')

# Compiled modules are kept, whatever the shell says: otherwise each process of the tests would compile them again.
export PYTHONDONTWRITEBYTECODE =

.PHONY: run help stages check test slow smoke torch figures pictures test-statistics bench config-docs docs lint lock clean

run: .venv/installed ## make the environment and run the demo, or CONFIG=my.yaml, which is checked first (demo: 10 s; first time: 2 min)
ifdef CONFIG
	$(BIN)/python workflow/scripts/command_line.py run "$(CONFIG)"
else
	$(BIN)/python -m snakemake --cores 8
endif

help: ## list the targets, with the time that each takes
	@sed -n 's/^\([a-z-]*\):.* ## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18

stages: .venv/installed-stages ## install what the optional stages need: Zooniverse's exports, curation, stores (1 min)

check: .venv/installed-dev ## format, lint, types and unit tests, before each commit (1 min)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/mypy workflow/scripts/ifcb_abundance
	PYTHONPATH=workflow/scripts $(BIN)/lint-imports --no-cache
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder --ignore=tests/fuzz \
	    -m "not slow and not smoke and not torch and not process and not long and not hypothesis"

test: .venv/installed-dev ## pass the tests (9 min on 2 cores)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

slow: .venv/installed-dev ## pass the slow tests: kills, fuzz, soak; SLOW='--ignore=tests/fuzz': without fuzz (13 min)
	$(BIN)/python -m pytest -m slow -n 2 --dist loadfile $(SLOW)

smoke: .venv/installed-dev ## demo, dashboard, resume and shards with the oldest, the locked and the newest Snakemake (3 min)
	rm -rf .venv/smoke
	for which in oldest newest; do \
	    $(BIN)/python -m venv .venv/smoke/$$which && \
	    $(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
	        > $$(echo .venv/smoke/$$which/lib/python*/site-packages)/pinned.pth || exit 1; \
	done
	.venv/smoke/oldest/bin/python -m pip install --quiet --disable-pip-version-check snakemake==$(OLDEST)
	.venv/smoke/newest/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'snakemake<10'
	$(BIN)/python -m pytest -m smoke tests/engine/test_smoke.py

torch: .venv/installed-dev ## pass the tests that need torch, in an environment with it (5 GB; 10 min)
	$(BIN)/python -m venv .venv/torch
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
	    > $$(echo .venv/torch/lib/python*/site-packages)/pinned.pth
	.venv/torch/bin/python -m pip install --quiet --disable-pip-version-check torch torchvision
	.venv/torch/bin/python -m pytest -m torch tests/curation

figures: .venv/installed ## draw the demo's figures (10 s)
	$(BIN)/python -m snakemake --cores 8 figures

pictures: .venv/installed-dev ## draw the pictures of README and vignettes from the demo; needs Chromium, and R for one (30 s)
	$(BIN)/python -m snakemake --cores 8
	$(BIN)/python docs/pictures.py

test-statistics: .venv/installed-dev ## pass all tests, and write docs/test-statistics.md (30 min)
	$(BIN)/python -m pytest -m "not smoke and not torch" --statistics=docs/test-statistics.md

bench: .venv/installed-dev ## measure, and write docs/benchmarks.md (120 min)
	$(BIN)/python -m benchmarks

config-docs: .venv/installed ## write the config's schema, and the table of keys in config/README.md, from the model (5 s)
	PYTHONPATH=workflow/scripts $(BIN)/python -m ifcb_abundance.config.documents

docs: .venv/installed-dev ## build the documentation site into site/, with the demo's results as an example (30 s)
	$(BIN)/python -m snakemake --cores 8
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

lint: .venv/installed-dev ## style, types, layers and Snakemake's own lint (30 s)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/mypy workflow/scripts/ifcb_abundance
	PYTHONPATH=workflow/scripts $(BIN)/lint-imports --no-cache
	$(BIN)/snakemake --lint

lock: .venv/installed-dev ## pin anew what pyproject.toml asks for (1 min)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --upgrade \
	    --custom-compile-command "make lock" pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url -c requirements.txt \
	    --custom-compile-command "make lock" --all-extras pyproject.toml -o requirements-stages.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url -c requirements-stages.txt \
	    --custom-compile-command "make lock" --all-extras --group dev pyproject.toml -o requirements-dev.txt

clean: ## remove the environment and the demo; results of other datasets stay (5 s)
	rm -rf .venv resources/demo results/demo logs/demo

# Where the Python that the environment links to is gone, make finds no file and makes the environment anew. Then all is
# to be installed again, though make has seen the mark of the old installation.
ANEW = $(if $(realpath .venv/bin/python),,FORCE)
FORCE:

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "$(PYTHON) is older than Python 3.11: name a newer one, as in 'make run PYTHON=python3.12'"; exit 1; }
	@$(PYTHON) -m venv --clear .venv || { rm -rf .venv; \
	    echo "$(PYTHON) cannot make environments; on Debian and Ubuntu: apt install python3-venv"; exit 1; }

.venv/installed: requirements.txt $(ANEW) | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@printf '#!/bin/sh\nexec "%s/python" "%s/workflow/scripts/command_line.py" "$$@"\n' \
	    "$(abspath $(BIN))" "$(CURDIR)" > $(BIN)/ifcb-abundance && chmod +x $(BIN)/ifcb-abundance
	@touch $@

.venv/installed-stages: requirements-stages.txt $(ANEW) | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-stages.txt
	@touch $@

.venv/installed-dev: requirements-dev.txt $(ANEW) | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
