#!/usr/bin/env bash
# The shipped gate guard and GPIO driver on a simulated chip of a real kernel, in QEMU: ordinary pulses, lines that cannot
# be had, and kill -9 in the middle of a pulse. Prints one JSON object as its last line; fails when a promise is broken.
set -Eeuo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/install.sh
. scripts/lib/gpio_drill/kernel.sh

# 250 million instructions make one second inside, whatever else this machine does: a slow single-board computer.
MACHINE=(-m 512 -smp 1 -accel tcg -icount "shift=2,sleep=off" -cpu max -nic none -display none -no-reboot)
TIME_LIMIT_S=1500

# A character a second that the console swallows (XON): QEMU 7.2 was seen to sleep on, with all of the machine idle,
# past the timer that should have woken it. Anything that arrives from outside ends that.
nudges() {
  while sleep 1; do printf '\021' || return 0; done
}

usage() {
  cat <<USAGE
usage: scripts/drill-gpio.sh

Boots Debian's kernel in QEMU with a simulated GPIO chip and runs the gate guard and the GPIO driver of this checkout on
it. The chip's own record of its lines is held against the promises: no line is on longer than its pulse and 100 ms
when guard or pod is killed, stopped or frozen, and no line goes active without a request.

Needs: Debian 12 on amd64; root or sudo for the packages that are missing. No KVM.
Takes: two to five minutes; the first run some minutes more and 300 MB of downloads.
Cache: $cache
       Remove that folder to make everything anew. The last recording and console stay there.
Exit:  0 all promises kept; 1 one is broken, or too little was tried; 2 the drill itself did not work.
USAGE
}

# What this script's own failures exit with: a broken promise has 1 for itself.
die() {
  say "error: $*"
  exit 2
}
trap 'die "a step failed that should not, in ${BASH_SOURCE[0]} line $LINENO"' ERR

cache=${XDG_CACHE_HOME:-$HOME/.cache}/platebridge/gpio-drill
case ${1:-} in
  "") ;;
  -h | --help)
    usage
    exit 0
    ;;
  *)
    usage >&2
    die "unknown argument: $1"
    ;;
esac

[[ $(uname -m) == x86_64 ]] || die "the drill's machine is a PC and its module is built here: run it on amd64, not on $(uname -m)"
install_packages "the emulated machine" qemu-system-x86 || true
command -v qemu-system-x86_64 >/dev/null || die "no qemu-system-x86_64: sudo apt-get install qemu-system-x86"
mkdir -p "$cache" || die "the cache folder $cache cannot be made: set XDG_CACHE_HOME to a folder that can be written"
exec 9>"$cache/lock"
flock -n 9 || die "another drill is running with $cache"
rm -rf "$cache"/kernel.* # What a run left behind that was ended while it made one.

image() {
  PYTHONPATH=scripts/lib .venv/bin/python -m gpio_drill.image "$@" || die "the machine's image could not be made"
}

if [[ ! -e $cache/kernel ]]; then
  make_kernel "$cache/kernel"
elif ! kernel_is_whole "$cache/kernel"; then
  say "the cached kernel is damaged; making it anew"
  make_kernel "$cache/kernel"
fi
install_demo_environment no
made_of=$(image versions && cat "$cache/kernel/SHA256SUMS" scripts/lib/gpio_drill/image.py | sha256sum)
if [[ $made_of != "$(cat "$cache/base.made-of" 2>/dev/null)" ]] ||
  ! (cd "$cache" && sha256sum --check --status base.sha256 2>/dev/null); then
  say "packing the interpreter and its libraries"
  image base --modules "$cache/kernel/modules" --out "$cache/base.cpio"
  (cd "$cache" && sha256sum base.cpio >base.sha256)
  printf '%s\n' "$made_of" >"$cache/base.made-of"
fi
say "packing the guard and the driver of this checkout"
image checkout --out "$cache/checkout.cpio"
cat "$cache/base.cpio" "$cache/checkout.cpio" >"$cache/initramfs"

say "booting; two to five minutes"
rm -f "$cache/recording.jsonl"
status=0
timeout --kill-after=5 "$TIME_LIMIT_S" nice -n 10 qemu-system-x86_64 "${MACHINE[@]}" \
  -kernel "$cache/kernel/vmlinuz" -initrd "$cache/initramfs" -append "console=ttyS0 quiet panic=-1" \
  -serial stdio -serial "file:$cache/recording.jsonl" < <(nudges 2>/dev/null) 2>&1 9>&- |
  tee "$cache/console.log" | sed -un 's/^drill: \(.*\)\r$/  \1/p' >&2 || status=$?
if [[ $status -ne 0 ]]; then
  tail -n 30 "$cache/console.log" >&2
  die "the emulated machine ended with status $status (124: not done within $TIME_LIMIT_S s); its last words stand above"
fi

PYTHONPATH=scripts/lib .venv/bin/python -m gpio_drill.judge "$cache/recording.jsonl" || status=$?
if [[ $status -eq 2 ]]; then
  say "the machine's last words:"
  tail -n 30 "$cache/console.log" >&2
fi
say "recording: $cache/recording.jsonl"
exit "$status"
