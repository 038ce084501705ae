#!/bin/sh
# Installs, with the system's package manager, what avrope's build and tests need and this system lacks.
# usage: sh vendor-notes/setup.sh [--with-test-tools] [--with-test-devices]
#   --with-test-tools  also what only the full tier of the tests uses: chromium, valgrind, xfsprogs, btrfs-progs, debootstrap
#   --with-test-devices  also OpenCL and Vulkan on the processor (PoCL, lavapipe), for tests/hardware.rs
# FFMPEG_DIR names a build of FFmpeg to use instead of the system's development packages, LIBCLANG_PATH a libclang.
# exit: 0 all is there now, 1 something is missing still (it says what), 2 wrong usage
set -eu
# The file systems' tools and ldconfig lie where a user's PATH often does not look.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
here=$(cd "$(dirname "$0")" && pwd)

test_tools=
test_devices=
for option in "$@"; do
    case $option in
    --with-test-tools) test_tools=yes ;;
    --with-test-devices) test_devices=yes ;;
    *) echo "usage: sh vendor-notes/setup.sh [--with-test-tools] [--with-test-devices]" >&2; exit 2 ;;
    esac
done

say() { echo "setup: $*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }
# Whether one of the paths exists; called with patterns, of which one without a match stays as it is.
any() { for path in "$@"; do [ -e "$path" ] && return 0; done; return 1; }

# --- What is needed -------------------------------------------------------------------------------------------------

pkg_config() {
    if [ -n "${PKG_CONFIG:-}" ]; then "$PKG_CONFIG" "$@"
    elif have pkg-config; then pkg-config "$@"
    else pkgconf "$@"; fi
}

# FFmpeg 5.1, by the numbers that its libraries have.
has_libav() {
    pkg_config --atleast-version=59.37 libavcodec && pkg_config --atleast-version=59.27 libavformat &&
        pkg_config --atleast-version=8.44 libavfilter && pkg_config --atleast-version=57.28 libavutil &&
        pkg_config --atleast-version=6.7 libswscale && pkg_config --atleast-version=4.7 libswresample
} 2>/dev/null

# Elsewhere than on Linux libclang comes with the compiler.
has_libclang() {
    [ "$(uname)" = Linux ] || return 0
    any /usr/lib*/libclang.so* /usr/lib*/libclang-[0-9]*.so* /usr/lib*/*/libclang.so* /usr/lib*/*/libclang-[0-9]*.so* \
        /usr/lib*/*/*/libclang.so* /usr/lib*/*/*/libclang-[0-9]*.so* /usr/local/lib*/libclang.so* \
        /usr/local/l*/*/libclang.so* /usr/local/l*/*/*/libclang.so* && return 0
    if have llvm-config; then
        libdir=$(llvm-config --libdir) && any "$libdir"/libclang.so* "$libdir"/libclang-[0-9]*.so* && return 0
    fi
    ldconfig -p 2>/dev/null | grep -Eq 'libclang(-[0-9.]+)?\.so'
}

# A C compiler with the C library's headers; Rust links with it.
has_cc() {
    have cc && echo '#include <stdlib.h>' | cc -x c -fsyntax-only - 2>/dev/null
}

# A loader, which finds drivers, and a driver that computes on the processor.
has_pocl() {
    if [ "$(uname)" = Darwin ]; then
        any /opt/homebrew/etc/OpenCL/vendors/*pocl*.icd /usr/local/etc/OpenCL/vendors/*pocl*.icd
    else
        any /usr/lib*/libOpenCL.so.1 /usr/lib*/*/libOpenCL.so.1 && any /etc/OpenCL/vendors/*pocl*.icd &&
            # The file that names it stays behind when the package is removed.
            any /usr/lib*/libpocl.so* /usr/lib*/*/libpocl.so*
    fi
}
has_lavapipe() {
    if [ "$(uname)" = Darwin ]; then
        any /opt/homebrew/lib/libvulkan.* /usr/local/lib/libvulkan.* &&
            any /opt/homebrew/*/vulkan/icd.d/MoltenVK_icd.json /usr/local/*/vulkan/icd.d/MoltenVK_icd.json
    else
        any /usr/lib*/libvulkan.so.1 /usr/lib*/*/libvulkan.so.1 && any /usr/share/vulkan/icd.d/lvp_icd*.json
    fi
}

# What is missing, one word for each.
missing() {
    if [ -z "${FFMPEG_DIR:-}" ]; then
        if [ -n "${PKG_CONFIG:-}" ] || have pkg-config || have pkgconf; then :; else echo pkg-config; fi
        has_libav || echo libav
    fi
    { have ffmpeg && have ffprobe; } || echo ffmpeg
    { have flac && have opusinfo && have opusdec && have ogginfo && have oggdec && have speexdec; } || echo xiph
    [ -n "${LIBCLANG_PATH:-}" ] || has_libclang || echo libclang
    has_cc || echo cc
    if have apt-get && ! any /etc/ssl/certs/ca-certificates.crt; then echo certificates; fi
    if [ -n "$test_devices" ]; then
        has_pocl || echo pocl
        has_lavapipe || echo lavapipe
    fi
    [ -n "$test_tools" ] || return 0
    have chromium || have chromium-browser || have google-chrome || echo chromium
    have valgrind || echo valgrind
    have mkfs.xfs || echo xfs
    have mkfs.btrfs || echo btrfs
    have debootstrap || echo debootstrap
}

in_words() {
    case $1 in
    libav) echo "FFmpeg's development files (5.1 or newer)" ;;
    ffmpeg) echo "the programs ffmpeg and ffprobe (the tests compare with them)" ;;
    xiph) echo "flac, opus-tools, vorbis-tools and speex (the tests ask them about their codecs' files)" ;;
    cc) echo "a C compiler with the C library's headers" ;;
    certificates) echo "CA certificates (cargo downloads with them)" ;;
    pocl) echo "OpenCL on the processor (PoCL), a device for the tests" ;;
    lavapipe) echo "Vulkan on the processor (lavapipe), a device for the tests" ;;
    xfs) echo "mkfs.xfs" ;;
    btrfs) echo "mkfs.btrfs" ;;
    *) echo "$1" ;;
    esac
}

# --- The package managers -------------------------------------------------------------------------------------------

manager() {
    for name in apt-get dnf pacman brew; do
        if have $name; then echo $name; return; fi
    done
}

# The packages that hold one thing that is missing. usage: packages MANAGER THING
packages() {
    case $1:$2 in
    apt-get:libav) echo libavcodec-dev libavformat-dev libavfilter-dev libavutil-dev libswscale-dev libswresample-dev ;;
    apt-get:libclang) echo libclang-dev ;;
    apt-get:cc) echo gcc libc6-dev ;;
    dnf:xiph) echo flac opus-tools vorbis-tools speex-tools ;;
    apt-get:pocl) echo pocl-opencl-icd ocl-icd-libopencl1 ;;
    apt-get:lavapipe) echo mesa-vulkan-drivers libvulkan1 ;;
    # RPM Fusion's FFmpeg and Fedora's own exclude each other: stay with the one that is here.
    dnf:libav) if rpm -q ffmpeg-libs >/dev/null 2>&1; then echo ffmpeg-devel; else echo ffmpeg-free-devel; fi ;;
    dnf:ffmpeg) if rpm -q ffmpeg-libs >/dev/null 2>&1; then echo ffmpeg; else echo ffmpeg-free; fi ;;
    dnf:libclang) echo clang-devel ;;
    dnf:pkg-config) echo pkgconf-pkg-config ;;
    dnf:cc) echo gcc glibc-devel ;;
    dnf:lavapipe) echo mesa-vulkan-drivers vulkan-loader ;;
    pacman:libav) echo ffmpeg ;;
    pacman:libclang) echo clang ;;
    pacman:pkg-config) echo pkgconf ;;
    pacman:cc) echo gcc glibc ;;
    pacman:pocl) echo pocl ocl-icd ;;
    pacman:lavapipe) echo vulkan-swrast vulkan-icd-loader ;;
    brew:libav) echo ffmpeg ;;
    brew:pkg-config) echo pkgconf ;;
    brew:pocl) echo pocl opencl-icd-loader ;;
    # There is no lavapipe; this is Vulkan on the graphics processor.
    brew:lavapipe) echo vulkan-loader molten-vk ;;
    brew:cc) say "the C compiler comes with: xcode-select --install" ;;
    brew:chromium | brew:valgrind | brew:xfs | brew:btrfs | brew:debootstrap)
        say "$2: the tests that use it run on Linux only" ;;
    *:xiph) echo flac opus-tools vorbis-tools speex ;;
    *:certificates) echo ca-certificates ;;
    *:xfs) echo xfsprogs ;;
    *:btrfs) echo btrfs-progs ;;
    *) echo "$2" ;;
    esac
}

# The command that installs. usage: install_command MANAGER PACKAGE...
install_command() {
    with=$1; shift
    case $with in
    # The lists may be absent or old; a source that fails, of something else, does not matter.
    apt-get) echo "apt-get update; apt-get install -y --no-install-recommends $*" ;;
    dnf) echo "dnf install -y $*" ;;
    pacman) if any /var/lib/pacman/sync/*.db; then echo "pacman -S --needed --noconfirm $*"
        else echo "pacman -Syu --needed --noconfirm $*"; fi ;;
    brew) echo "brew install $*" ;;
    esac
}

# Installs the things named. usage: install_missing THING...
install_missing() {
    for thing in "$@"; do say "missing: $(in_words "$thing")"; done
    with=$(manager)
    if [ -z "$with" ]; then
        say "no apt-get, dnf, pacman or brew here: install these by hand"; return 1
    fi
    wanted=$(for thing in "$@"; do packages "$with" "$thing"; done | tr '\n' ' ' | sed 's/ *$//')
    [ -n "$wanted" ] || return 1
    # shellcheck disable=SC2086 # one word for each package
    command=$(install_command "$with" $wanted)
    say "$command"
    if [ "$with" = brew ] || [ "$(id -u)" = 0 ]; then
        DEBIAN_FRONTEND=noninteractive sh -c "$command" </dev/null
    elif have sudo; then
        sudo env DEBIAN_FRONTEND=noninteractive sh -c "$command"
    else
        say "this needs root, and there is no sudo. Run as root:  sh -c '$command'"; return 1
    fi
}

# --- Rust -----------------------------------------------------------------------------------------------------------

# Whether the Rust here is new enough; says what to do where it is not.
check_rust() {
    want=$(sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' "$here/../Cargo.toml" | head -n 1)
    if ! have cargo || ! have rustc; then
        if [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
            say "cargo is installed but not on the PATH: add ${CARGO_HOME:-$HOME/.cargo}/bin to it, or open a new shell"
        else
            say "Rust $want or newer is needed and cargo is missing: install it with rustup (https://rustup.rs)"
        fi
        return 1
    fi
    found=$(cd "$here/.." && rustc --version 2>/dev/null | sed -n 's/^rustc \([0-9.]*\).*/\1/p') || true
    if [ -z "$found" ]; then
        say "rustc is installed but does not run; with rustup:  rustup default stable"
        return 1
    fi
    if at_least "$found" "$want"; then return 0; fi
    if have rustup; then
        say "Rust $want or newer is needed and this is $found:  rustup update stable && rustup default stable"
    else
        say "Rust $want or newer is needed and this is $found (a distribution's own is often too old):" \
            "install a newer one with rustup (https://rustup.rs)"
    fi
    return 1
}

# Compares MAJOR.MINOR.
at_least() {
    have_minor=${1#*.}; want_minor=${2#*.}
    [ "${1%%.*}" -gt "${2%%.*}" ] ||
        { [ "${1%%.*}" -eq "${2%%.*}" ] && [ "${have_minor%%.*}" -ge "${want_minor%%.*}" ]; }
}

# --- All of it ------------------------------------------------------------------------------------------------------

status=0
if [ -n "${FFMPEG_DIR:-}" ] &&
    ! any "$FFMPEG_DIR"/include/libavformat/avformat.h "$FFMPEG_DIR"/include/*/libavformat/avformat.h; then
    say "FFMPEG_DIR is $FFMPEG_DIR, but there is no include/libavformat/avformat.h"
    status=1
fi
if [ -n "${LIBCLANG_PATH:-}" ] && ! any "$LIBCLANG_PATH"/libclang* && [ ! -f "$LIBCLANG_PATH" ]; then
    say "LIBCLANG_PATH is $LIBCLANG_PATH, but there is no libclang"
    status=1
fi
# The programs of one build belong with its libraries.
if [ -n "${FFMPEG_DIR:-}" ]; then PATH=$FFMPEG_DIR/bin:$PATH; fi

things=$(missing)
if [ -n "$things" ]; then
    # shellcheck disable=SC2086 # one word for each thing
    install_missing $things || status=1
    things=$(missing)
    for thing in $things; do
        say "still missing: $(in_words "$thing")"
        status=1
        if [ "$thing" = libav ] && pkg_config --exists libavutil 2>/dev/null; then
            say "this system's FFmpeg is too old: use a newer release of the system, or FFMPEG_DIR (vendor-notes/README.md)"
        fi
    done
fi
check_rust || status=1
if [ $status = 0 ]; then echo "setup: all that avrope needs is here"; fi
exit $status
