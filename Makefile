# Copyright: (c) 2026, virt.san contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# make help   lists the targets

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

STEP := tests/tools/step
LAB := tests/lab/lab

# Tools come from the checkout, never from the machine; they read no terminal.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/.cache/links
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME

# For the tools that write below $HOME.
OWN_HOME := HOME=$(CURDIR)/.cache/home XDG_CACHE_HOME= XDG_CONFIG_HOME= XDG_DATA_HOME=
COPY := .cache/copy/ansible_collections/virt/san

# ansible-test runs whatever python3.x it finds; only the one of .venv has the packages it needs.
ANSIBLE_TEST = cd $(COPY) && $(CURDIR)/$(STEP) $@ env $(OWN_HOME) ansible-test $@ --color no \
	--python $$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')

# Parts that may not exist yet. Checks of what is not there do not run and are not counted; a target
# that is asked for by name says so and fails.
LAB_UNIT_TESTS := $(wildcard tests/lab/tests)
LAB_TESTS := $(and $(wildcard $(LAB)),$(wildcard tests/integration))
SCENARIOS := $(and $(wildcard $(LAB)),$(wildcard extensions/molecule/*/molecule.yml))
need = $(if $(wildcard $1),,$(error make $@: there is no $1 yet))

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## the tools of the checks in .venv, the collection's tree in .cache (every target does this)
	@tests/tools/setup

##### Checks

.PHONY: test
test: begin setup-step lint test-unit sanity units $(if $(LAB_TESTS),test-lab) $(if $(SCENARIOS),molecule) ## all checks, the cheap ones first
	@$(STEP) --summary

.PHONY: test-full
test-full: PYTEST_MARKS :=
test-full: export SAN_EXPLORE := 1
test-full: test test-the-lab ## all checks, with the tests that take minutes

.PHONY: test-the-lab
test-the-lab: setup lab-up ## tests of the lab's own commands and faults
	@$(STEP) the-lab pytest -q --tb short tests/lab/tests -m lab

.PHONY: begin
begin:
	@$(STEP) --begin

.PHONY: setup-step
setup-step:
	@$(STEP) setup tests/tools/setup

.PHONY: lint
lint: setup ## ruff, mypy, yamllint, ansible-lint, the changelog and the docs
	@$(STEP) ruff-check ruff check --quiet --output-format concise
	@$(STEP) ruff-format ruff format --quiet --check
	@$(STEP) yamllint yamllint --strict .
	@$(STEP) changelog env $(OWN_HOME) antsibull-changelog lint
	@$(STEP) mypy mypy -p ansible_collections.virt.san.plugins
	@$(STEP) docs env $(OWN_HOME) antsibull-docs lint-collection-docs --plugin-docs .
	@$(STEP) ansible-lint env $(OWN_HOME) ansible-lint -q --offline

# The tests marked `full` take minutes each.
PYTEST_MARKS := and not full

.PHONY: test-unit
test-unit: setup ## unit tests of the collection and of the lab's programs
	@$(STEP) unit env $(OWN_HOME) pytest -q -n 2 tests/unit $(LAB_UNIT_TESTS) -m "not lab $(PYTEST_MARKS)"

.PHONY: copy
copy: setup
	@python tests/tools/tree.py copy .cache/copy

.PHONY: sanity
sanity: copy ## ansible-test sanity
	@$(ANSIBLE_TEST) $(SANITY_ARGS)

.PHONY: units
units: copy ## the unit tests again, as ansible-test runs them: one process a test, no Ansible but module_utils
	@$(ANSIBLE_TEST)

.PHONY: test-lab
test-lab: setup lab-up ## tests on the lab
	$(call need,tests/integration)
	@$(STEP) lab-tests pytest -q --tb short --durations 40 tests/integration -m "lab $(PYTEST_MARKS)"

.PHONY: molecule
molecule: setup lab-up ## Molecule scenarios on the lab
	$(call need,extensions/molecule)
	@rm -rf .cache/home/.ansible/tmp/molecule.* # a run that was ended has left that all is prepared
	@cd extensions && $(CURDIR)/$(STEP) molecule env $(OWN_HOME) molecule test --all

##### The lab: a whole SAN in software

.PHONY: lab-up
lab-up: setup ## build and start the lab
	$(call need,$(LAB))
	@$(STEP) lab-setup $(LAB) setup
	@$(STEP) lab-up $(LAB) up

.PHONY: lab-down
lab-down: ## stop the lab
	$(call need,$(LAB))
	@$(LAB) down

.PHONY: demo
demo: setup lab-up ## provision LUNs on the lab's hosts and look at the result
	$(call need,tests/tools/demo)
	@tests/tools/demo

.PHONY: bench
bench: setup lab-up ## the table of benchmarks
	$(call need,tests/bench/bench.py)
	@python tests/bench/bench.py
