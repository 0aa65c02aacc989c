# Everything a fresh machine needs: Python 3.11 or newer and make.
PYTHON ?= python3
BIN := .venv/bin

# The oldest Snakemake that the workflow may be run with.
OLDEST := $(shell sed -n 's/^min_version("\(.*\)")$$/\1/p' Snakefile)

.PHONY: run stages test slow oldest figures test-statistics bench config-docs docs lint lock clean

run: .venv/installed ## make the environment and run the embedded default, or CONFIG=my.yaml, which is checked first
ifdef CONFIG
	$(BIN)/python workflow/scripts/check_config.py "$(CONFIG)"
	$(BIN)/python -m snakemake --cores 8 --configfile "$(CONFIG)"
else
	$(BIN)/python -m snakemake --cores 8
endif

stages: .venv/installed-stages ## add what stages need that not everybody runs, such as Zooniverse's exports

test: .venv/installed-dev ## pass the tests
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

slow: .venv/installed-dev ## pass the slow tests: kills, fuzz, soak; SLOW='--ignore=tests/fuzz': without fuzz
	$(BIN)/python -m pytest -m slow -n 2 --dist loadfile $(SLOW)

oldest: .venv/installed ## run the demo with the oldest Snakemake that may be used, beside the pinned packages
	rm -rf .venv/oldest
	$(BIN)/python -m venv .venv/oldest
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
	    > $$(echo .venv/oldest/lib/python*/site-packages)/pinned.pth
	.venv/oldest/bin/python -m pip install --quiet --disable-pip-version-check snakemake==$(OLDEST)
	.venv/oldest/bin/python -m snakemake --cores 8 --directory .venv/oldest

figures: .venv/installed ## draw the demo's figures
	$(BIN)/python -m snakemake --cores 8 figures

test-statistics: .venv/installed-dev ## pass all tests, and write docs/test-statistics.md
	$(BIN)/python -m pytest -m "slow or not slow" --statistics=docs/test-statistics.md

bench: .venv/installed-dev ## measure, and write docs/benchmarks.md; some 40 minutes
	$(BIN)/python -m benchmarks

config-docs: .venv/installed ## write the config's schema, and the table of keys in config/README.md, from the model
	PYTHONPATH=workflow/scripts $(BIN)/python -m ifcb_abundance.config.documents

docs: .venv/installed-dev ## build the documentation site into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

lint: .venv/installed-dev ## style, types and the engine's own lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/mypy workflow/scripts/ifcb_abundance
	PYTHONPATH=workflow/scripts $(BIN)/lint-imports --no-cache
	$(BIN)/snakemake --lint

lock: .venv/installed-dev ## pin anew what pyproject.toml asks for
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --upgrade \
	    --custom-compile-command "make lock" pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url -c requirements.txt \
	    --custom-compile-command "make lock" --all-extras pyproject.toml -o requirements-stages.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url -c requirements-stages.txt \
	    --custom-compile-command "make lock" --all-extras --group dev pyproject.toml -o requirements-dev.txt

clean: ## remove the environment and the demo; results of other datasets stay
	rm -rf .venv resources/demo results/demo logs/demo

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "$(PYTHON) is older than Python 3.11: name a newer one, as in 'make run PYTHON=python3.12'"; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
	    echo "$(PYTHON) cannot make environments; on Debian and Ubuntu: apt install python3-venv"; exit 1; }

.venv/installed: requirements.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/installed-stages: requirements-stages.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-stages.txt
	@touch $@

.venv/installed-dev: requirements-dev.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
