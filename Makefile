# Each target works alone on a fresh machine with Python 3.11 or newer and make.
PYTHON ?= python3
BIN = .venv/bin
CONFIG ?= configs/digits/seresnet8_1xb64_digits.py

.PHONY: train test test-fast test-detection lint clean

train: .venv/installed  ## train an SE network on scikit-learn's handwritten digits
	$(BIN)/python tools/train.py $(CONFIG)

test: .venv/installed  ## run the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

test-fast: .venv/installed  ## run the tests that take no process and no deep network
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

test-detection: .venv-detection/installed  ## run the tests that need mmdet
	.venv-detection/bin/python -m pytest tests_mmdet

lint: .venv/installed  ## check style, format and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

clean:  ## remove the environment
	rm -rf .venv .venv-detection

.venv/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

.venv-detection/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv-detection
	.venv-detection/bin/pip install --quiet --disable-pip-version-check -e '.[detection,test]'
	touch $@
