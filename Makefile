# Everything works on a bare machine with Python 3.11 and pip; the environment is made once, in .venv.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help setup demo test test-deepspeed test-quantization check lock clean

help:
	@echo "make demo            install, benchmark the miniature editor, say where the reports are (minutes, no GPU)"
	@echo "make test            install, run the test suite"
	@echo "make test-deepspeed  install DeepSpeed as well, run the tests of ZeRO-2 and ZeRO-3 (two processes, no GPU)"
	@echo "make test-quantization  install torchao as well, run the tests of quantised editors"
	@echo "make check           install, lint (ruff) and type-check (mypy)"
	@echo "make lock            pin all dependencies of pyproject.toml in requirements.lock"

setup: $(READY)

$(READY): requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.8
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.lock
	touch $(READY)

demo: $(READY)
	$(BIN)/python main.py --config config.yaml

test: $(READY)
	$(BIN)/python -m pytest

# DeepSpeed has no wheel, and building it needs the torch that is installed already.
test-deepspeed: $(READY)
	DS_BUILD_OPS=0 $(BIN)/uv pip install --quiet --python $(BIN)/python --no-build-isolation \
		wheel==0.48.0 ninja==1.13.2 py-cpuinfo==9.0.0 deepspeed==0.19.8
	$(BIN)/python -m pytest tests/test_distributed.py -k zero

test-quantization: $(READY)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps torchao==0.18.0
	$(BIN)/python -m pytest tests/test_quantization.py

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lock:
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --no-header --quiet --output-file requirements.lock

clean:
	rm -rf $(VENV) outputs .pytest_cache .mypy_cache .ruff_cache
