#!/usr/bin/env bash
# Put the store under fire: 200 kills -9 while it writes, 50 while it recovers, 600 flipped bits. Prints attempts,
# faults and losses; fails on any loss, and where nothing was tried. Options are passed on: --kills 20, --seed 7.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/install.sh

install_test_environment yes
exec .venv/bin/python scripts/lib/store_drill.py "$@"
