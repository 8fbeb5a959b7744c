# shellcheck shell=bash
# Sourced by the scripts: system packages, the virtual environment, and what to say when either cannot be had.
# Everything is told on stderr, so that a script's own output stays clean.

CAMERA_PACKAGES=(python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good
  gstreamer1.0-plugins-bad)
TEST_PACKAGES=(chromium curl faketime jq shellcheck gstreamer1.0-nice gir1.2-gst-plugins-bad-1.0 golang-go
  golang-github-pion-webrtc.v3-dev coturn iproute2 nftables openssl)

say() { printf '%s\n' "$*" >&2; }

die() {
  say "error: $*"
  exit 1
}

# The command that may install system packages; nothing when this user may not.
as_root() {
  if [[ $(id -u) -eq 0 ]]; then
    printf 'env'
  elif sudo -n true 2>/dev/null; then
    printf 'sudo'
  fi
}

# install_packages WHAT_FOR PACKAGE... : through apt when that is possible. Returns 1, and has said what to do,
# when packages stay missing.
install_packages() {
  local what_for=$1 missing=() package root started=$SECONDS
  shift
  for package in "$@"; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  [[ ${#missing[@]} -eq 0 ]] && return 0
  root=$(as_root)
  if [[ -z $root ]] || ! command -v apt-get >/dev/null; then
    say "note: $what_for needs system packages that this user may not install. Ask for:"
    say "      sudo apt-get install ${missing[*]}"
    return 1
  fi
  say "installing for $what_for: ${missing[*]}"
  if ! logged "$root" apt-get update -q || ! logged "$root" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -q --no-install-recommends "${missing[@]}"; then
    say "note: apt could not install ${missing[*]}; what it said stands above"
    return 1
  fi
  say "installed in $((SECONDS - started)) s"
}

# Runs a command quietly; shows the end of what it said when it fails.
logged() {
  local log status=0
  log=$(mktemp)
  "$@" >"$log" 2>&1 </dev/null || status=$?
  [[ $status -eq 0 ]] || tail -n 30 "$log" >&2
  rm -f "$log"
  return "$status"
}

NEW_ENOUGH='sys.exit(sys.version_info < (3, 11))'

# The name of a Python that is new enough, as its Debian package has it.
find_python() {
  local candidate
  for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null && "$candidate" -c "import sys; $NEW_ENOUGH"; then
      printf '%s' "$candidate"
      return 0
    fi
  done
  return 1
}

# ensure_venv FOLDER : a virtual environment with a Python that is new enough and with pip.
ensure_venv() {
  local folder=$1 python
  [[ -x $folder/bin/python ]] && "$folder/bin/python" -c "import pip, sys; $NEW_ENOUGH" 2>/dev/null && return 0
  python=$(find_python) || die "no Python 3.11 or newer found: sudo apt-get install python3 python3-venv"
  if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    install_packages "the virtual environment" "$python-venv" ||
      die "$python-venv is missing: sudo apt-get install $python-venv, then start this again"
  fi
  say "making $folder with $("$python" --version)"
  rm -rf "$folder"
  "$python" -m venv "$folder" || die "the virtual environment could not be made; what Python said stands above"
}

# stamp_of FOLDER NAME : the file that says "installed" for this state of the lock file and pyproject.toml. The folder
# counts too: a virtual environment that was moved still starts its programs from the old place.
stamp_of() {
  local folder=$1 name=$2
  [[ -s requirements.lock ]] || die "requirements.lock is missing: restore it with git checkout requirements.lock"
  printf '%s' "$folder/installed-$name-$(printf '%s' "$PWD" | cat - requirements.lock pyproject.toml | sha256sum | cut -c1-16)"
}

# install_python FOLDER NAME PIP_ARGUMENTS... : what is locked, then what the arguments say, once for each stamp.
install_python() {
  local folder=$1 name=$2 stamp started=$SECONDS
  shift 2
  stamp=$(stamp_of "$folder" "$name")
  [[ -e $stamp ]] && return 0
  say "installing Python packages ($name); the first time takes a minute or two"
  logged "$folder/bin/python" -m pip install --disable-pip-version-check --require-hashes -r requirements.lock ||
    die "pip could not install the locked packages: check the network and the free disk space"
  [[ $# -eq 0 ]] || logged "$folder/bin/python" -m pip install --disable-pip-version-check "$@" ||
    die "pip could not install $*: check the network and the free disk space"
  rm -f "$folder/installed-$name-"*
  touch "$stamp"
  say "installed in $((SECONDS - started)) s"
}

# install_demo_environment CLOUD : "yes" for what a cloud needs, too.
install_demo_environment() {
  local cloud=$1
  ensure_venv .venv
  install_python .venv base --no-deps -e .
  [[ $cloud == no ]] || install_python .venv cloud -e '.[cloud]'
}

# install_test_environment QUICK : "yes" leaves out what only the slower tests need.
install_test_environment() {
  local quick=$1
  ensure_venv .venv
  install_python .venv dev -e '.[cloud,dev]'
  if [[ $quick == no ]]; then
    install_packages "the tests with real cameras" "${CAMERA_PACKAGES[@]}" || true
    install_packages "the browser and script tests" "${TEST_PACKAGES[@]}" || true
    install_packages "the tests of the cloud's database" pgbouncer || true
    install_packages "the tests with a broker" mosquitto || true
    install_whep_client
  fi
}

# A WHEP client that nobody here wrote, from npm; the test that wants it is skipped where it cannot be had.
install_whep_client() {
  local folder=tests/whep_client
  [[ $folder/node_modules/whip-whep/whep.js -nt $folder/package-lock.json ]] && return 0
  command -v npm >/dev/null || install_packages "the WHEP client" npm || true
  command -v npm >/dev/null && logged npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund &&
    touch "$folder/node_modules/whip-whep/whep.js" && return 0
  say "note: the WHEP client of the browser tests could not be installed: npm ci --prefix $folder"
}

# Whether some state of the training's environment was ever installed to its end.
training_is_installed() { compgen -G ".train/venv/installed-train-*" >/dev/null; }

# install_train_environment : torch, ultralytics and ONNX's tools in a virtual environment of their own, so that nothing
# of them is ever in reach of a POD. Where ultralytics came with what it must not bring, it is made anew.
install_train_environment() {
  local folder=.train/venv stamp needs pip started=$SECONDS
  needs=$(find_python) || die "no Python 3.11 or newer found: sudo apt-get install python3 python3-venv"
  needs="$needs scripts/lib/training_needs.py"
  stamp=$folder/installed-train-$($needs stamp "$PWD")
  [[ -e $stamp ]] && return 0
  if [[ -x $folder/bin/python ]] && ! compgen -G "$folder/installed-*" >/dev/null; then
    say "$folder was not made by this script: making it anew"
    rm -rf "$folder"
  fi
  ensure_venv "$folder"
  touch "$folder/installed-begun"
  say "installing what training needs (torch, ultralytics): about 1.5 GB, with CUDA 8 GB; a minute or more"
  pip=("$folder/bin/python" -m pip install --disable-pip-version-check)
  if ! { logged "${pip[@]}" --require-hashes -r requirements.lock &&
    logged "${pip[@]}" --no-deps -e . &&
    logged "${pip[@]}" -r <($needs pins) &&
    logged "${pip[@]}" --no-deps -r <($needs ultralytics) &&
    logged "${pip[@]}" -r <("$folder/bin/python" scripts/lib/training_needs.py rest); }; then
    die "pip could not install what training needs: check the network and the free disk space"
  fi
  rm -f "$folder/installed-train-"*
  touch "$stamp"
  say "installed in $((SECONDS - started)) s"
}

# install_training_tests : the training's environment with what its tests need.
install_training_tests() {
  install_train_environment
  .train/venv/bin/python -c 'import pytest, pytest_asyncio, pytest_timeout' 2>/dev/null && return 0
  logged .train/venv/bin/python -m pip install --disable-pip-version-check pytest pytest-asyncio pytest-timeout ||
    die "pip could not install pytest for the training's tests: check the network and the free disk space"
}
