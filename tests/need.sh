# What a fresh machine needs, shared by ./demo and ./check. Sourced, never run.

# Installs Debian packages with root or sudo; without either, says what to install and stops.
need_packages() {
  if [ "$(id -u)" = 0 ]; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
  elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    sudo -n apt-get update -qq && sudo -n DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
  else
    echo "error: missing packages, and neither root nor sudo; install them and run this again:" >&2
    echo "  apt-get install $*" >&2
    exit 2
  fi
}

# cargo, and the C compiler that the ML-DSA signer is built with.
need_compiler() {
  if ! command -v cargo >/dev/null; then
    echo "error: cargo not found; install the stable Rust toolchain (1.95 or newer) first" >&2
    exit 2
  fi
  local missing=()
  command -v cc >/dev/null || missing+=(gcc libc6-dev)
  command -v make >/dev/null || missing+=(make)
  command -v git >/dev/null || missing+=(git)
  [ ${#missing[@]} -eq 0 ] || need_packages "${missing[@]}"
}

# Python with venv and pip, by which a test brings programs that try the server. Without them that test says so; with CI set it fails.
need_python() {
  python3 -c 'import venv, ensurepip' 2>/dev/null && return
  (need_packages python3 python3-venv) || [ -z "${CI:-}" ]
}

# Chromium, in which a test looks at the explorer. Without it that test says so; with CI set it fails.
need_chromium() {
  command -v chromium >/dev/null || (need_packages chromium) || [ -z "${CI:-}" ]
}

# PostgreSQL with pgaudit, of which a test makes a fresh audit log. Without it that test says so; with CI set it fails.
need_postgres() {
  ls /usr/lib/postgresql/*/lib/pgaudit.so >/dev/null 2>&1 && return
  (need_packages postgresql && need_packages "postgresql-$(ls /usr/lib/postgresql | sort -V | tail -1)-pgaudit") || [ -z "${CI:-}" ]
}

# What reads the man pages in a test. Without it that test says so; with CI set it fails.
need_groff() {
  command -v groff >/dev/null || (need_packages groff-base) || [ -z "${CI:-}" ]
}

# What builds the Debian packages and installs them into a folder in a test; the argument is the target folder. Without it
# that test says so; with CI set it fails.
need_packaging() {
  local missing=()
  command -v dpkg-shlibdeps >/dev/null || missing+=(dpkg-dev)
  command -v fakeroot >/dev/null || missing+=(fakeroot)
  command -v systemd-analyze >/dev/null || missing+=(systemd)
  { { [ ${#missing[@]} -eq 0 ] || (need_packages "${missing[@]}"); } && need_cargo_deb "$1"; } || [ -z "${CI:-}" ]
}

# cargo-deb, in the tools folder of the target folder given.
need_cargo_deb() {
  [ -x "$1/tools/bin/cargo-deb" ] && return
  cargo install --locked --root "$1/tools" --target-dir "$1/tools/build" cargo-deb@3.8.0
  rm -rf "$1/tools/build"
}

# What calls the verdict from C and from Python, watches it do so, and prints its header, in tests; the argument is the target
# folder. Without it those tests say so; with CI set they fail.
need_callers() {
  local missing=()
  command -v python3 >/dev/null || missing+=(python3)
  command -v strace >/dev/null || missing+=(strace)
  command -v valgrind >/dev/null || missing+=(valgrind)
  { { [ ${#missing[@]} -eq 0 ] || (need_packages "${missing[@]}"); } && need_cbindgen "$1"; } || [ -z "${CI:-}" ]
}

# cbindgen, in the tools folder of the target folder given.
need_cbindgen() {
  [ -x "$1/tools/bin/cbindgen" ] && return
  cargo install --locked --root "$1/tools" --target-dir "$1/tools/build" cbindgen@0.29.4
  rm -rf "$1/tools/build"
}
