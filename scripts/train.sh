#!/usr/bin/env bash
# Train both networks from ../shared/plates (or --plates DIR): data, weights, export, calibration, evaluation, cards.
# Killed anywhere, the same command goes on. `--smoke` is a drill of three minutes; --help tells the rest.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/install.sh

install_train_environment

exec .train/venv/bin/python -m models.training.pipeline "$@"
