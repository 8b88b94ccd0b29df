# make demo     a real data set, from nothing to a figure
# make test     the tests; make test-slow: those that take minutes
# make check    format, lint and types
# make figures  every committed picture, redrawn from committed results
# make studies  every study, measured again (hours)

PYTHON ?= python3
VENV ?= .venv
RUN = $(VENV)/bin/python -m
PIP = $(VENV)/bin/python -m pip --disable-pip-version-check --quiet

.PHONY: demo test test-slow check format figures studies speed clean

demo: $(VENV)/installed-all
	$(RUN) rankprobe measure studies/digits/demo.yaml --out runs/demo
	@echo "The figure is runs/demo/curve.png; the page is runs/demo/report.html."

test: $(VENV)/installed-dev
	$(RUN) pytest -n 2 --dist worksteal

test-slow: $(VENV)/installed-dev
	$(RUN) pytest -n 2 --dist worksteal -m slow

check: $(VENV)/installed-dev
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy

format: $(VENV)/installed-dev
	$(RUN) ruff format .
	$(RUN) ruff check --fix .

figures: $(VENV)/installed-all
	$(RUN) figures.redraw

studies: $(VENV)/installed-all
	$(RUN) studies.run

speed: $(VENV)/installed-all
	$(RUN) studies.speed

$(VENV)/installed-%: pyproject.toml constraints.txt
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --constraint constraints.txt torch==2.13.0
	$(PIP) install --constraint constraints.txt --editable '.[$*]'
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache
