#!/usr/bin/env bash
# Install what the tests need and run all of them; `--quick` runs lint, types and the tests without I/O (< 60 s once
# installed); further arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/install.sh

quick=no
if [[ ${1:-} == --quick ]]; then
  quick=yes
  shift
fi

install_test_environment "$quick"
if [[ $quick == no ]] && ! (install_training_tests); then
  say "note: without it the tests of the training are skipped; all others run"
fi

step() {
  local name=$1 started=$SECONDS
  shift
  echo "== $name" >&2
  "$@"
  echo "   $name: $((SECONDS - started)) s" >&2
}

step "lint" .venv/bin/ruff check .
step "format" .venv/bin/ruff format --check .
step "types" .venv/bin/mypy
step "import layers" .venv/bin/lint-imports
if command -v shellcheck >/dev/null; then
  step "shell scripts" shellcheck -x scripts/*.sh scripts/lib/*.sh
fi

if [[ $quick == yes ]]; then
  # In parallel: these tests share nothing.
  step "quick tests" .venv/bin/pytest tests/unit tests/simulation tests/house -q -n auto "$@"
else
  # Most of these wait for cameras, pulses and browsers. Two at a time, a file's tests in one process, take half the
  # time on two cores; more would make them wait for each other.
  # A worker that dies ends the run (tests of one that is replaced would wait for ever), and so does a run that hangs.
  step "all tests" timeout --signal=INT --kill-after=60 55m \
    .venv/bin/pytest tests -n 2 --dist loadfile --max-worker-restart=0 "$@"
fi
