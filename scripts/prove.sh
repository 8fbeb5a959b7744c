#!/usr/bin/env bash
# Put every promise of the POD to the test thoroughly and write the figures to docs/promises.md; about 15 minutes.
# Further arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/install.sh

install_test_environment no

proofs=$(mktemp)
trap 'rm -f "$proofs"' EXIT
PLATEBRIDGE_PROOFS=$proofs PLATEBRIDGE_THOROUGH=yes .venv/bin/pytest tests -m proof --timeout 900 "$@" >&2
.venv/bin/python tests/promises.py "$proofs" docs/promises.md "$(date -u +%Y-%m-%d), by ./scripts/prove.sh"
say "written: docs/promises.md"
