# Everything is done from here: `make help`.
# Needs Python 3.11 or newer and make. What Debian lacks besides (venv, chromium) is installed with apt-get, as root or by sudo.

PORT   ?= 8000
PYTHON ?= python3
STAGE  ?= dev

VENV := .venv
RUN  := $(VENV)/bin/python
DONE := $(VENV)/installed

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install demo replay browser test lint types format words slow emulator holidays clean package deploy diff configure destroy

# $(call apt,PACKAGES): installs them, or says who can.
define apt
	if [ "$$(id -u)" -eq 0 ]; then as=; \
	elif command -v sudo >/dev/null; then as=sudo; \
	else echo "Missing: $(1). As root, run: apt-get install $(1)" >&2; exit 1; fi; \
	$$as apt-get update --quiet=2 && \
	$$as env DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet=2 --no-install-recommends \
		-o DPkg::Lock::Timeout=300 $(1) >/dev/null
endef

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(DONE) ## create .venv with the pinned packages; does nothing while the requirement files stay the same

# --no-deps: exactly what the two files name; pip check then proves that they name everything.
# aftercare.pth: `python -m local …` then works from any folder.
# --no-compile: Python compiles what it imports; compiling the rest takes longer than installing it.
$(DONE): requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Aftercare needs Python 3.11 or newer; PYTHON=… names another one." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { $(call apt,python3-venv); }
	@echo "Installing into $(VENV) …"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(RUN) -m pip install --quiet --disable-pip-version-check --no-compile --no-deps -r requirements-dev.txt
	@$(RUN) -m pip check --quiet
	@echo '$(CURDIR)' > "$$($(RUN) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/aftercare.pth"
	@touch $@

demo: install ## run the whole product on this machine: PORT=8000
	@$(RUN) -m local demo --port $(PORT)

replay: install ## drive the real cases through the whole stack on a virtual clock; writes build/replay-*.json
	@mkdir -p build
	@$(RUN) -m local replay --cases examples/cases.csv --answers examples/answers.csv \
		--json build/replay-complaints.json --ledger build/ledger-complaints.jsonl
	@$(RUN) -m local replay --cases examples/histories/cases.csv --answers examples/histories/answers.csv \
		--staff examples/histories/staff.csv --purchases examples/histories/purchases.csv \
		--json build/replay-histories.json --ledger build/ledger-histories.jsonl

browser: # the system's own chromium, for the tests that walk through the pages
	@test -x /usr/bin/chromium || { echo "Installing chromium …"; $(call apt,chromium fonts-dejavu-core); }

test: install browser lint types ## lint, types, then every test but the slow ones
	$(RUN) -m pytest -n 2 --dist loadfile -m "not slow and not emulator"

slow: install browser ## the tests that take minutes
	$(RUN) -m pytest -m slow

emulator: install ## the real chalice deploy, and journeys through the deployed zips, on an emulated AWS; five minutes, on a busy machine a quarter of an hour
	$(RUN) -m pytest -m emulator

package: install ## make the zip and the template of a stage: STAGE=dev; into build/package/<stage>
	@$(RUN) -m infra package --stage $(STAGE) $(ARGS)

deploy: install ## bring a stage on AWS to what the code says: STAGE=dev ARGS='--mail-from … --reply-to …' the first time
	@$(RUN) -m infra deploy --stage $(STAGE) $(ARGS)

diff: install ## show what deploy would change: STAGE=dev
	@$(RUN) -m infra diff --stage $(STAGE) $(ARGS)

configure: install ## fetch what a bare chalice command needs of a stage that stands: STAGE=dev
	@$(RUN) -m infra configure --stage $(STAGE) $(ARGS)

destroy: install ## remove a stage from AWS, after asking; refuses while it holds data: STAGE=dev
	@$(RUN) -m infra destroy --stage $(STAGE) $(ARGS)

words: install ## bring the catalogues of translations up to date, and say what is to translate
	@$(RUN) -m local words

holidays: install ## write the list of public holidays anew, from this year on
	@$(RUN) -m infra.holidays

lint: install ## ruff: rules and format
	$(RUN) -m ruff check
	$(RUN) -m ruff format --check

types: install ## mypy --strict on what ships and on the local stack
	$(RUN) -m mypy

format: install ## rewrite the code as ruff formats it
	$(RUN) -m ruff check --fix-only --quiet
	$(RUN) -m ruff format

clean: ## remove what was made here: environment, caches, build
	rm -rf $(VENV) build .mypy_cache .pytest_cache .ruff_cache .hypothesis .chalice/deployments
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
