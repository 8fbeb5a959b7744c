#!/usr/bin/env bash
# Train both networks from ../shared/plates (or --plates DIR): data, weights, export, calibration, evaluation, cards.
# Killed anywhere, the same command goes on. `--smoke` is a drill of three minutes; --help tells the rest.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/install.sh

if ! training_is_installed; then
  # What is wrong with the options or the place of the pictures is said before anything large is fetched.
  python=$(find_python) || die "no Python 3.11 or newer found: sudo apt-get install python3 python3-venv"
  "$python" -m models.training.options "$@"
  [[ " $* " != *" --help "* && " $* " != *" -h "* ]] || exit 0
fi
install_train_environment

exec .train/venv/bin/python -m models.training.pipeline "$@"
