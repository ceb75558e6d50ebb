# Each target works alone on a fresh machine with Python 3.11 or newer and make.
PYTHON ?= python3
BIN = .venv/bin
CONFIG ?= configs/digits/seresnet8_1xb64_digits.py
RUN = work_dirs/$(basename $(notdir $(CONFIG)))

.PHONY: train demo test test-fast test-oldest test-detection test-slurm test-browser lint docs clean

train: .venv/installed  ## train an SE network on scikit-learn's handwritten digits
	$(BIN)/python tools/train.py $(CONFIG)

demo: .venv/installed  ## train, unless that is done, and ask the network in a browser
	$(BIN)/python tools/train.py $(CONFIG) --resume
	$(BIN)/python tools/demo.py $(RUN)/best_*.pth

test: .venv/installed  ## run the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

test-fast: .venv/installed  ## run the tests that take no process and no deep network
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

test-oldest: .venv-oldest/installed  ## run the fast tests with the oldest versions of setup.cfg
	OMP_NUM_THREADS=1 .venv-oldest/bin/python -m pytest -n 2 --dist worksteal -m "not slow"

test-detection: .venv-detection/installed  ## run the tests that need mmdet
	.venv-detection/bin/python -m pytest tests_mmdet

test-slurm: .venv/installed  ## run jobs of a real Slurm on this machine (slurm-wlm, munge; as root)
	$(BIN)/python -m pytest -rs tests_slurm

test-browser: .venv/installed  ## open report and demo in a headless browser (Debian's chromium)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -rs tests_browser

lint: docs  ## check style, format, types and the links of the site
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

docs: .venv/installed  ## build the site into site/; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:  ## remove the environments
	rm -rf .venv .venv-oldest .venv-detection

.venv/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

# uv takes the lower bound of every requirement; pip has no such option.
.venv-oldest/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/pip install --quiet --disable-pip-version-check uv
	.venv-oldest/bin/uv pip install --quiet --python .venv-oldest/bin/python --resolution lowest-direct -e '.[test]'
	touch $@

.venv-detection/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv-detection
	.venv-detection/bin/pip install --quiet --disable-pip-version-check -e '.[detection,test]'
	touch $@
