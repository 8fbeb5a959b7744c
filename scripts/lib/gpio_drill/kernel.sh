# shellcheck shell=bash
# Sourced by the GPIO drill: Debian's kernel and its gpio-sim module, downloaded and built without installing either.
# Debian ships no gpio-sim, so it is built from Debian's own kernel source, unchanged but for one call. Needs `say`,
# `die`, `as_root`, `install_packages` and `logged`.

NO_NETWORK_MEND="check the network, or copy the drill's cache folder from a machine where it has run"

# The packages that a package depends on, one a line.
depends_of() {
  LC_ALL=C apt-cache depends "$1" 2>/dev/null | sed -n 's/^ *|\{0,1\}Depends: //p'
}

# first_like PATTERN PACKAGE : the first dependency of the package whose name matches.
first_like() {
  depends_of "$2" | grep -m1 -E "$1"
}

# download FOLDER PACKAGE... : Debian packages into the folder; apt checks their signatures and sums.
download() {
  local folder=$1 package
  shift
  for package in "$@"; do
    say "  downloading $package"
    (cd "$folder" && logged apt-get -o APT::Sandbox::User=root download -q "$package") ||
      die "apt could not download $package: $NO_NETWORK_MEND"
  done
}

# unpack FOLDER PACKAGE : a downloaded package into the folder that it lies in, then drop the archive.
unpack() {
  local folder=$1 package=$2
  dpkg-deb -x "$folder/$package"_*.deb "$folder" || die "$package could not be unpacked: is the disk full?"
  rm "$folder/$package"_*.deb
}

# make_kernel FOLDER : leaves vmlinuz, modules/*.ko and SHA256SUMS there.
make_kernel() {
  local target=$1 work release headers common kbuild compiler version root started=$SECONDS
  command -v apt-get >/dev/null ||
    die "the drill's kernel comes from Debian by apt-get, which this machine has not: run it on Debian 12, or copy the drill's cache folder from there"
  root=$(as_root)
  if [[ -n $root ]]; then
    logged "$root" apt-get update -q || say "note: apt could not refresh its lists; going on with those there are"
  fi
  release=$(first_like '^linux-image-[0-9]' linux-image-amd64) ||
    die "apt knows no linux-image-amd64: the drill needs the package lists of Debian 12 (sudo apt-get update)"
  release=${release#linux-image-}
  headers=linux-headers-$release
  common=$(first_like '^linux-headers-.*-common$' "$headers") || die "apt knows no $headers: sudo apt-get update"
  kbuild=$(first_like '^linux-kbuild-' "$headers") || die "$headers names no linux-kbuild: sudo apt-get update"
  compiler=$(first_like '^(linux-compiler-)?gcc-[0-9]+' "$headers") || die "$headers names no compiler"
  version=$(LC_ALL=C apt-cache show --no-all-versions "$common" | sed -n 's/^Version: //p')
  install_packages "the drill's kernel module" make xz-utils libelf1 "$compiler" ||
    die "the module cannot be built without them"

  say "making the drill's kernel $release; once, a few minutes and 300 MB of downloads"
  work=$(mktemp -d "$target.XXXXXX")
  download "$work" "linux-image-$release" "$headers" "$common" "$kbuild" \
    "linux-source-$(cut -d. -f1,2 <<<"$release")=$version"
  build_kernel "$work" "$release" "$headers" "$common" "$kbuild"
  rm -rf "$target"
  mv "$work/made" "$target"
  rm -rf "$work"
  say "  made in $((SECONDS - started)) s"
}

# build_kernel WORK RELEASE HEADERS COMMON KBUILD : from the packages that lie in WORK into WORK/made.
build_kernel() {
  local work=$1 release=$2 headers=$3 package configfs
  for package in "linux-image-$release" "${@:3}"; do
    unpack "$work" "$package"
  done
  mkdir -p "$work/made/modules" "$work/module"
  mv "$work/boot/vmlinuz-$release" "$work/made/vmlinuz"
  configfs=$(find "$work" -path '*/fs/configfs/configfs.ko*')
  [[ -n $configfs ]] || die "linux-image-$release holds no configfs.ko: the drill knows the kernel of Debian 12"
  mv "$configfs" "$work/made/modules/"

  say "  building gpio-sim.ko"
  kernel_source "$work" drivers/gpio/gpio-sim.c drivers/gpio/gpiolib.h kernel/irq/irq_sim.c
  mv "$work/module/gpio-sim.c" "$work/module/gpio_sim_main.c"
  # The one function of irq_sim.c that a module may not call has an equal that it may.
  sed -i 's/\birq_to_desc(\([a-z_]*\))/irq_data_to_desc(irq_get_irq_data(\1))/' "$work/module/irq_sim.c"
  printf 'obj-m := gpio-sim.o\ngpio-sim-y := gpio_sim_main.o irq_sim.o\n' >"$work/module/Kbuild"
  # The headers expect to be installed; here they lie in a folder of their own.
  sed -i "s#/usr/src#$work/usr/src#" "$work/usr/src/$headers/Makefile"
  logged make -s -C "$work/usr/src/$headers" M="$work/module" modules ||
    die "gpio-sim.ko could not be built for $release; what make said stands above"
  strip -g -o "$work/made/modules/gpio-sim.ko" "$work/module/gpio-sim.ko"
  (cd "$work/made" && sha256sum vmlinuz modules/*.ko >SHA256SUMS)
}

# kernel_source WORK FILE... : single files of the kernel's source into WORK/module.
kernel_source() {
  local work=$1 name
  shift
  name=$(basename "$work"/linux-source-*.deb)
  name=${name%%_*}
  # Tar goes on to the end of the archive: with a pipe closed early, its neighbours would fail.
  dpkg-deb --fsys-tarfile "$work/$name"_*.deb | tar -xO "./usr/src/$name.tar.xz" | xz -dc |
    tar -x -C "$work/module" --transform 's#.*/##' "${@/#/$name/}" ||
    die "the kernel's source could not be unpacked: is the disk full?"
  rm "$work/$name"_*.deb
}

# kernel_is_whole FOLDER : whether what make_kernel left is there and unchanged.
kernel_is_whole() {
  [[ -s $1/SHA256SUMS ]] && (cd "$1" && sha256sum --check --status SHA256SUMS)
}
