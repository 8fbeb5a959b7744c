#!/usr/bin/env bash
# Install what is needed, then run a POD in front of a demo camera. Arguments go to `platebridge demo`: try --help.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/install.sh

install_demo_environment
install_packages "a real RTSP demo camera" "${CAMERA_PACKAGES[@]}" ||
  say "      The demo goes on without: its camera is played from the file instead."

exec .venv/bin/platebridge demo "$@"
