#!/usr/bin/env bash
# Install what is needed, then run a POD in front of a demo camera, with --cloud beside a cloud of its own. Arguments go
# to `platebridge demo`: try --help.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/install.sh

cloud=no
for argument in "$@"; do
  [[ $argument == --cloud ]] && cloud=yes
done
install_demo_environment "$cloud"
install_packages "a real RTSP demo camera" "${CAMERA_PACKAGES[@]}" ||
  say "      The demo goes on without: its camera is played from the file instead."

exec .venv/bin/platebridge demo "$@"
