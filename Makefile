# make book, then open the page it names; make test runs everything that must hold.
PYTHON ?= python3
BUDGET ?= laptop
PORT ?= 8000
RUN = .venv/bin/python

.PHONY: book pdf test test-all test-lib bench mutants gpu lab serve results stamp lint check clean

book: .venv/ready
	$(RUN) -m tools.build --budget $(BUDGET)

# A PDF of every page, by headless Chromium; offered on the pages of the site.
pdf: book
	$(RUN) -m tools.pdf

test: .venv/ready
	$(RUN) -m pytest -n 2 -q -m "not site and not weekly"
	$(RUN) -m tools.build --budget smoke --fresh
	$(RUN) -m pytest -n 2 -q -m "site and not weekly"

# Weekly and before publishing: every page in every variant, Colab's versions, kills, search. In
# three parts; a line a test, with how far it is, and the slowest at each part's end.
WEEKLY = $(RUN) -m pytest -v --no-header --durations=5
test-all: test
	@echo "1 of 3: every page in every variant"
	$(WEEKLY) -m "weekly and site"
	@echo "2 of 3: chapters with Colab's versions, JupyterLab"
	$(WEEKLY) -m "weekly and not site" tests/test_lab.py tests/test_tools_stamp.py
	@echo "3 of 3: what takes long in lib and tools"
	$(WEEKLY) -m "weekly and not site" --ignore=tests/test_lab.py --ignore=tests/test_tools_stamp.py

# The tests of lib alone, by any Python (TEST_PYTHON=python3.12) that has lib's own requirements and
# pytest, pytest-xdist and hypothesis: nothing of the book is built.
TEST_PYTHON ?= $(RUN)
test-lib:
	$(TEST_PYTHON) -m pytest -q $(wildcard tests/test_sim_*.py tests/test_exact_*.py tests/test_storage_*.py) \
	  $(wildcard tests/test_diffusion_*.py tests/test_scenes_*.py tests/test_concepts_*.py) tests/test_locality.py -m "not weekly"

# Speed beside other libraries, in an environment of its own; writes lib/results/benchmarks.json.
bench: .venv/ready
	$(RUN) -m tools.bench $(BENCH)

# Weekly: breaks lib at 60 random places (MUTANTS="--seed 1" for others); nine of ten must be seen.
mutants: .venv/ready
	$(RUN) -m tools.mutants $(MUTANTS)

# On a GPU, at most eight minutes of training: two networks at 64 x 64 pixels; call again to go on.
gpu: .venv/ready
	$(RUN) -m lib.experiments length_generalization run --labels label_all --size 64 --minutes 4
	$(RUN) -m lib.experiments length_generalization run --pathway window --size 64 --minutes 4

lab: .venv/ready
	JUPYTER_PATH="$(CURDIR)/.venv/share/jupyter:$(CURDIR)/tools/lab:$$JUPYTER_PATH" $(RUN) -m jupyterlab chapters

serve: book
	$(RUN) -m http.server $(PORT) --bind 127.0.0.1 --directory $(if $(filter laptop,$(BUDGET)),_build/html,_build/$(BUDGET)/html)

# Runs every chapter and writes what the book reports into lib/results/; commit it.
results: .venv/ready
	$(RUN) -m tools.results

# Writes the repository's address from _config.yml into the notebooks and the README, and folds in
# JupyterLab what the site folds.
stamp: .venv/ready
	$(RUN) -m tools.stamp

lint: .venv/ready
	.venv/bin/nbstripout --keep-id chapters/*.ipynb
	$(RUN) -m ruff format
	$(RUN) -m ruff check --fix

# As lint, but changes nothing: for CI.
check: .venv/ready
	$(RUN) -m ruff format --check
	$(RUN) -m ruff check

clean:
	rm -rf _build _executed _mutants .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -exec rm -rf {} +

.venv/ready: requirements.txt tools/install.py
	$(PYTHON) tools/install.py
	touch $@
