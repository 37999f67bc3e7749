# make figures   set up, draw the figures of the committed results into figures/, run the quick study on the embedded model, draw it into figures/quick/
# make study     every run and knowledge group with all seeds, two at a time, then whatever else is missing in data/results: sweeps, baselines, audits … (about two days by the times of its parts; resumes where it stopped and says how much is left; training speed has a command of its own, make bench)
# make test      set up, check that nothing is out of sync, run every notebook's tests (ONLY=part of a path for some)
# make browser-test   set up, turn the controls of the explorer in a headless Chrome or Chromium (found on the PATH, or CHROME=...)
# make wheel-test     set up, install a wheel alone in a fresh environment (of WITH=/path/to/python) and use it there
# make bench     install the trainers that training speed is compared with, and run that benchmark (nbs/08_results/05_speed.ipynb; long)
# make lab       set up, open JupyterLab on the notebooks (options for it: make lab ARGS="--no-browser --port 8889"; as root, say in a container: ARGS=--allow-root)
# make docs      set up with the packages of requirements-docs.txt, build the site into _docs/ from the stored outputs, check its links
# Needs Python 3.11, make, and a package index; all else goes into .venv/.
PYTHON ?= python3.11
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
export PATH := $(BIN):$(PATH)
export TOKENIZERS_PARALLELISM := false
ifdef PIP_FIND_LINKS
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
endif

.PHONY: figures study bench test wheel-test browser-test docs lab setup notebooks readme lock audit clean help
.DEFAULT_GOAL := help

help:
	@sed -n 's/^# \(make\)/\1/p' Makefile

setup: $(VENV)/installed

# a build of torch without CUDA in PIP_FIND_LINKS has a version, and a hash in the lock, of its own
LOCAL_TORCH := $(if $(wildcard $(PIP_FIND_LINKS)/torch-*+cpu-*.whl),+cpu)
UV_INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps

# every package is locked with hashes, dependencies included; uv itself is pinned
$(VENV)/installed: requirements.txt requirements-cuda.txt requirements-uv.txt tools/lock.py setup.py settings.ini
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not on the PATH; install Python 3.11 or say make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "setting up $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.txt
	@sed 's/^\(torch==[0-9.]*\)/\1$(LOCAL_TORCH)/' requirements.txt > $(VENV)/requirements.txt
	@$(UV_INSTALL) --require-hashes -r $(VENV)/requirements.txt
	@if $(BIN)/python tools/lock.py cuda; then $(UV_INSTALL) --require-hashes -r requirements-cuda.txt; fi
	@$(UV_INSTALL) --no-build-isolation -e .
	@touch $@

figures: setup
	@$(BIN)/sib_figures
	@$(BIN)/sib_run --study quick
	@$(BIN)/sib_figures --results data/quick --out figures/quick --note "quick study: one seed, short trainings, few questions"

study: setup
	@$(BIN)/sib_run --study full
	@$(BIN)/python tools/dev.py results
	@$(BIN)/sib_figures

test: setup
	@$(BIN)/python tools/dev.py test $(ONLY)

wheel-test: setup
	@$(BIN)/python tools/installed.py wheel $(WITH)

bench: setup
	@$(UV_INSTALL) --require-hashes -r requirements-bench.txt
	@cd nbs/08_results && $(BIN)/python -m nbconvert --to notebook --inplace --execute --ExecutePreprocessor.timeout=-1 05_speed.ipynb

browser-test: setup
	@$(BIN)/python tools/browser_test.py

docs: $(VENV)/docs-installed
	@$(BIN)/python tools/docs

$(VENV)/docs-installed: $(VENV)/installed requirements-docs.txt
	@$(UV_INSTALL) --require-hashes -r requirements-docs.txt
	@touch $@

lab: setup
	@cd nbs && $(BIN)/jupyter lab $(ARGS)

# for those who change notebooks: run them in fresh kernels (NB=part of a path for some), export, clean, rebuild README.md
notebooks: setup
	@$(BIN)/python tools/dev.py run $(NB)
	@$(BIN)/nbdev_export && $(BIN)/nbdev_clean && $(BIN)/python tools/dev.py readme

readme: setup
	@$(BIN)/python tools/dev.py readme

lock:
	@$(BIN)/python tools/lock.py lock

# known vulnerabilities of the locked packages; asks PyPI, so it needs a network
audit: setup
	@$(BIN)/uv tool run pip-audit --disable-pip --require-hashes -r requirements.txt

clean:
	@rm -rf $(VENV) data/cache data/runs build dist *.egg-info
