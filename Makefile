# Two commands do everything on a fresh machine with Python 3.11 to 3.13: `make demo` and `make test`.
# Each makes .venv and installs what it needs; a second one starts at once.

SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for v in 3.11 3.12 3.13; do command -v python$$v && break; done || command -v python3)

# Builds of faiss own the same module, so exactly one is installed: the GPU build where a driver answers.
FAISS := $(shell nvidia-smi -L >/dev/null 2>&1 && echo gpu || echo cpu)
READY := $(VENV)/ready-$(FAISS)

.PHONY: demo test bench demo-model clean help

help:
	@echo "make demo        find planted memorized images with a real diffusion model"
	@echo "make test        run every check"
	@echo "make bench       print how fast the parts are, as ratios measured side by side"
	@echo "make demo-model  train the demo's models again from nothing"
	@echo "make clean       remove .venv and the demo's files"

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed; none was found" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(not (3, 11) <= v <= (3, 13))' \
	  || { echo "Python 3.11 to 3.13 is needed; $(PYTHON) is another: make PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (several GB, a few minutes the first time) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(FAISS),dev]'
	@rm -f $(VENV)/ready-* && touch $@

demo: $(READY)
	@$(BIN)/python examples/demo/demo.py

test: $(READY)
	@$(BIN)/python -m tests

bench: $(READY)
	@$(BIN)/python -m benchmarks $(BOOKS)

demo-model: $(READY)
	@$(BIN)/python examples/demo/draw.py demo/corpus
	@$(BIN)/python examples/demo/train.py --corpus demo/corpus --out demo/models
	@$(BIN)/python examples/demo/tales.py demo/tales
	@$(BIN)/python examples/demo/train_text.py --corpus demo/tales --out demo/models

clean:
	rm -rf $(VENV) demo
