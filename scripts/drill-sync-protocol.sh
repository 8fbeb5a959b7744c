#!/usr/bin/env bash
# Put the sync protocol under fire in simulated worlds until it met 10,000 crashes. Prints attempts, faults and losses;
# fails on any loss, and where nothing was tried. Options are passed on: --crashes 500, --seed 7, --only restores.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/install.sh

install_test_environment yes
PYTHONPATH=scripts/lib exec .venv/bin/python -m sync_drill "$@"
