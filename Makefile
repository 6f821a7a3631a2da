# Every target makes its own locked environment: Python 3.11 to 3.13 and make are all a machine needs.
# Options go through ARGS:  make demo ARGS='--seed 7 --json out.json'

PYTHON ?= python3
UV := .tools/bin/uv
RUN := $(UV) run --locked
ARGS ?=

.PHONY: demo test check sabotage mutants bench scenarios scenarios-live nightly format train clean

demo: $(UV)
	$(RUN) mesh demo $(ARGS)

test: $(UV)
	$(RUN) --group dev python -m tools.run_tests $(ARGS)

check: $(UV)
	$(RUN) --group dev ruff check .
	$(RUN) --group dev ruff format --check .
	$(RUN) --group dev python -m tools.typecheck
	$(RUN) --group dev lint-imports

sabotage: $(UV)
	$(RUN) --group test python -m tools.sabotage $(ARGS)

mutants: $(UV)
	$(RUN) --group test python -m tools.mutants $(ARGS)

bench: $(UV)
	$(RUN) --group bench python bench/reaction.py $(ARGS)

scenarios: $(UV)
	$(RUN) mesh sim run $(ARGS)

scenarios-live: $(UV)
	$(RUN) mesh net run --compare $(ARGS)

nightly: $(UV)
	$(RUN) --group test python -m tools.nightly $(ARGS)

format: $(UV)
	$(RUN) --group dev ruff format .
	$(RUN) --group dev ruff check --fix .

train: $(UV)
	$(RUN) --group train python -m tools.train_detector $(ARGS)

clean:
	rm -rf .tools .venv

$(UV):
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install --quiet 'uv==0.13.9'
