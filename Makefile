# Everything that is run on a checkout. `make` alone lists the targets.

PYTHON ?= python3
VENV ?= .venv

VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
ROOT := $(filter 0,$(shell id -u))
INSTALLED := $(VENV)/installed-on-python-$(VERSION)
# A second environment without Ryu, in which the tests of the engine run on os-ken.
OSKEN := $(VENV)-os-ken
OSKEN_INSTALLED := $(OSKEN)/installed-on-python-$(VERSION)
RUN := $(VENV)/bin/python

# What mypyc has made of the request path; HASLB_PURE=1 does without. What is run with HASLB_COMPILED imports it, if the
# sources are still those that were compiled (tools/compiled_first.py).
COMPILED := $(if $(HASLB_PURE),,build/compiled-$(VERSION))
COMPILED_BUILT := $(COMPILED:%=%/built)

# How long properties are tried: dev for people, ci (all examples, and the coverage of the unit tests) for CI.
PROFILE ?= dev
PYTEST := $(RUN) -m pytest --hypothesis-profile=$(PROFILE)
UNIT := $(PYTEST) -n auto --dist worksteal tests/unit
HISTORIES := $(PYTEST) -n auto --dist worksteal tests/histories
# The tests of the rooms that have compiled modules, once more: with the compiled ones. A world is the same with both.
UNIT_OF_COMPILED := $(RUN) -m pytest -n auto --dist worksteal \
	$(addprefix tests/unit/,mobile_ip openflow slb test_compiled_path.py) \
	tests/histories/test_simulation.py::test_one_seed_is_one_run_byte_for_byte
AS_COMPILED := $(if $(COMPILED),HASLB_COMPILED=$(CURDIR)/$(COMPILED))
# What waits for real processes more than it computes, so that a processor has work for several workers. As root each
# worker runs as on a machine of its own. The longest files come first, and those whose tests share no lab are divided
# (tests/support/handing_out.py). They run what is shipped: the compiled path. A worker whose test hangs is replaced; if
# that happens again and again, the run ends.
PROCESSES := $(AS_COMPILED) $(PYTEST) -n $(shell expr 3 \* $$(nproc)) --dist loadfile --no-loadscope-reorder \
	--max-worker-restart 4 tests/lab tests/attacks tests/processes
# What depends on the engine: its messages, a storm, and a scenario of the chapter.
ENGINE := tests/unit/test_engine.py tests/unit/openflow tests/attacks/test_deaf_switches.py \
	tests/lab/test_storm.py::test_a_restart_in_the_middle_of_a_storm_loses_no_session_with_a_rule_and_no_other_packet \
	'tests/lab/test_scenarios.py::test_every_output_is_the_chapters[dispatched-static]'
COVERAGE := $(if $(filter ci,$(PROFILE)),--cov)

export PATH := $(PATH):/usr/sbin:/sbin
# Tests start some thousand processes. Compiled modules are kept for them, also where the environment forbids it.
unexport PYTHONDONTWRITEBYTECODE
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help compiled run bench bench-cluster bench-quick simulate test test-processes test-computing os-ken unit histories lint format install install-os-ken machine testmachine deb dist site try-deb clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

ifeq ($(VERSION),)
$(error $(PYTHON) does not run; name a Python 3.9 or later: make PYTHON=python3.11)
endif

ifeq ($(ROOT),)
run: ## Bring up the lab, open 100 Mobile IP sessions, compare the balancer with the home agents (root)
	$(error the lab makes network namespaces and switches and so needs root; try: sudo make run)
else
run: machine $(INSTALLED) $(COMPILED_BUILT)
	@PYTHONPATH=. $(RUN) -m ryu_haslb.cli.lab run dispatched-static --sessions 100
endif

test: $(if $(ROOT),testmachine) $(INSTALLED) $(COMPILED_BUILT) ## Run all tests; those in the lab are skipped without root
	@tools/beside '$(MAKE) test-processes' '$(MAKE) test-computing'
	@$(MAKE) os-ken

test-processes:
	@$(PROCESSES)

test-computing:
	@failed=0; $(UNIT) $(COVERAGE) || failed=1; $(HISTORIES) || failed=1; \
		$(AS_COMPILED) $(UNIT_OF_COMPILED) && exit $$failed

os-ken: $(OSKEN_INSTALLED) $(COMPILED_BUILT) ## Run the tests of the OpenFlow engine on os-ken, in an environment without Ryu
	@$(OSKEN)/bin/python -m pytest -n auto --dist worksteal $(ENGINE)

unit: $(INSTALLED) ## Run the unit tests, which need no root
	@$(UNIT)

histories: $(INSTALLED) ## Play histories of faults in the simulator, which need no root
	@$(HISTORIES)

lint: $(INSTALLED) ## Check style and types
	@$(RUN) -m ruff check
	@$(RUN) -m ruff format --check
	@$(RUN) -m mypy

format: $(INSTALLED) ## Put the code into the project's format
	@$(RUN) -m ruff check --fix
	@$(RUN) -m ruff format

ifeq ($(ROOT),)
bench: ## Measure the balancer beside what else one could use, and write docs/performance.md (root, a quarter of an hour)
	$(error the benchmark makes network namespaces and switches and so needs root; try: sudo make bench)
else
bench: machine $(INSTALLED) $(COMPILED_BUILT)
	@tools/install-bench "$(VENV)"
	@PYTHONPATH=.:mininet $(RUN) -m benchmarks.run
endif

ifeq ($(ROOT),)
bench-cluster: ## Let everything in a cluster fail under traffic, and write docs/performance.md (root, a quarter of an hour)
	$(error the benchmark makes network namespaces and switches and so needs root; try: sudo make bench-cluster)
else
bench-cluster: machine $(INSTALLED) $(COMPILED_BUILT)
	@tools/install-bench
	@PYTHONPATH=.:mininet $(RUN) -m benchmarks.cluster $(if $(SEED),--seed $(SEED))
endif

simulate: $(INSTALLED) $(COMPILED_BUILT) ## Simulate random worlds for two minutes, or SEED=n, RUNS=n, SECONDS=n, CROWD=1 (tests/simulation/README.md)
	@PYTHONPATH=.:tests $(RUN) -W ignore -m simulation $(if $(SEED),--seed $(SEED)) $(if $(RUNS),--runs $(RUNS)) \
		$(if $(SECONDS),--seconds $(SECONDS)) $(if $(JOBS),--jobs $(JOBS)) $(if $(CROWD),--crowd)

bench-quick: $(INSTALLED) $(COMPILED_BUILT) ## Hold the controller's speed against the ratios that are kept (less than a minute)
	@tools/install-bench
	@PYTHONPATH=.:mininet $(RUN) -m benchmarks.quick

compiled: $(COMPILED_BUILT) ## Have mypyc compile the request path, where there is a C compiler

$(COMPILED_BUILT): $(INSTALLED) setup.cfg setup.py $(shell find ryu_haslb -name '*.py' 2> /dev/null)
	@printf 'compiling the request path (a minute or two)\n'
	@$(if $(filter setup.%,$?),rm -rf $(COMPILED))
	@mkdir -p $(COMPILED) && find $(COMPILED) -name '*.py' -delete
	@$(RUN) setup.py -q egg_info --egg-base build build --build-lib $(COMPILED) --build-temp build/objects-$(VERSION) \
		> build/compiled.log 2>&1 || { cat build/compiled.log; exit 1; }
	@touch $@

run bench bench-cluster bench-quick simulate os-ken: export HASLB_COMPILED := $(COMPILED:%=$(CURDIR)/%)

install: $(INSTALLED) ## Make .venv with the project, editable, and all that its checks need

install-os-ken: $(OSKEN_INSTALLED)

$(INSTALLED): setup.cfg setup.py pyproject.toml constraints.txt tools/install-python tools/compiled_first.py
	@tools/install-python "$(PYTHON)" "$(VENV)"
	@touch "$@"

$(OSKEN_INSTALLED): setup.cfg setup.py pyproject.toml constraints.txt tools/install-python tools/compiled_first.py
	@tools/install-python "$(PYTHON)" "$(OSKEN)" os-ken
	@touch "$@"

deb: ## Build the Debian package into dist/, and check it with lintian (root, if tools are missing)
	@tools/build-deb dist

dist: ## Build the sdist and the wheels, pure and compiled, into dist/, and check them with twine
	@tools/build-dist "$(PYTHON)"

site: ## Build the site of docs/ into dist/site, and check its links
	@tools/build-site "$(PYTHON)"

try-deb: $(INSTALLED) ## Follow docs/first-switch.md on a Debian that is thrown away: build, install, serve a switch (root)
	@tools/in-debian $(abspath $(RUN)) -m pytest -q -o faulthandler_timeout=3600 tests/package  # one test builds it all

machine: ## Install the Debian packages that the lab needs (root)
	@tools/install-machine "$(PYTHON)"

testmachine:
	@tools/install-machine "$(PYTHON)" tests
	@tools/install-promtool

clean: ## Remove what was installed and built in this folder
	@rm -rf "$(VENV)" "$(OSKEN)" .venv-site build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
