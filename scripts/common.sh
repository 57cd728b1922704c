# Sourced by ./roundlab, scripts/* and .ci/run: messages, downloads, one build step. Messages go to
# stderr; nothing here changes the working folder or reads stdin.
set -euo pipefail
root=$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.." && pwd -P)

# Builds go below the source; where that is read-only, into the user's cache.
builds=$root/build
if [ ! -w "$root" ] && [ ! -w "$builds" ]; then
  builds=${ROUNDLAB_CACHE:-${XDG_CACHE_HOME:-${HOME:-${TMPDIR:-/tmp}}/.cache}/roundlab}/build-$(sha256sum <<<"$root" | cut -c 1-12)
fi

say() { printf 'roundlab: %s\n' "$*" >&2; }
die() { say "$@"; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

# temp_folder NAME: sets NAME to a new folder that is gone when the script ends.
temp_folders=()
temp_folder() {
  local made
  made=$(mktemp -d) || die "cannot make a temporary folder in ${TMPDIR:-/tmp}"
  temp_folders+=("$made")
  printf -v "$1" %s "$made"
}
trap '[ ${#temp_folders[@]} = 0 ] || rm -rf -- "${temp_folders[@]}"' EXIT

# quietly LOG COMMAND...: output into LOG, shown only when the command fails.
quietly() {
  local log=$1 status=0
  shift
  "$@" >"$log" 2>&1 </dev/null || status=$?
  [ "$status" = 0 ] || cat -- "$log" >&2
  return "$status"
}

# system_pip: sets `pip` to the words of a command that runs pip, where there is one.
system_pip() {
  local python
  for python in python3 /usr/bin/python3; do
    pip=("$python" -m pip)
    if has "$python" && "${pip[@]}" --version >/dev/null 2>&1; then return 0; fi
  done
  pip=()
  return 1
}

# pip_download FOLDER ARGS...: `pip download` into FOLDER, with the index settings of the environment.
# A Python without pip (Debian's) gets one in a temporary virtual environment.
pip_download() {
  local folder=$1 venv quiet=()
  shift
  if ! system_pip; then
    temp_folder venv
    { has python3 && python3 -m venv "$venv/env" >/dev/null 2>&1; } ||
      die "no pip: python3 has neither pip nor venv (Debian, Ubuntu: apt-get install python3-venv)"
    pip=("$venv/env/bin/python" -m pip)
  fi
  [ -t 2 ] || quiet=(--quiet)
  mkdir -p -- "$folder"
  TMPDIR=$folder "${pip[@]}" download "${quiet[@]}" --disable-pip-version-check --no-cache-dir --no-deps \
    --only-binary=:all: --dest "$folder" "$@" >&2 </dev/null
}

# build_jobs: one a core, as far as memory goes (a file that includes libtorch takes up to 1.5 GB).
build_jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/^MemAvailable/ {print int($2 / 1.5e6)}' /proc/meminfo)
  echo $((memory < 1 ? 1 : memory < cores ? memory : cores))
}

# cached FOLDER NAME: the value of a variable in a build folder's cache.
cached() { sed -n "s/^$2:[A-Z]*=//p" "$1/CMakeCache.txt" 2>/dev/null || true; }

# configure PRESET LIBTORCH: unless build/PRESET is configured here with the libtorch of that folder and
# the Arrow that is there.
configure() {
  local preset=$1 libtorch=$2 folder=$builds/$1 home arrow options=()
  home=$(readlink -f -- "$(cached "$folder" CMAKE_HOME_DIRECTORY)" || true)
  if [ -f "$folder/build.ninja" ] && [ "$home" = "$root" ]; then
    # One given by hand (cmake -DLibtorch_ROOT=...) stays.
    [ -z "$(cached "$folder" Libtorch_ROOT)$(cached "$folder" Arrow_ROOT)" ] || return 0
    arrow=$(cmake -P "$root/cmake/ArrowRoot.cmake" 2>&1 | head -n 1)
    arrow=${arrow:-none}
    if [ "$(cached "$folder" Libtorch_USED_ROOT)" = "$libtorch" ] &&
      [ "$(cached "$folder" Arrow_USED_ROOT)" = "$arrow" ]; then return 0; fi
    say "configuring $folder again, with the libraries in $libtorch and $arrow"
  elif [ -n "$home" ] && [ "$home" != "$root" ]; then
    options=(--fresh)
  fi
  (CDPATH='' cd -- "$root" && quietly "$folder/configure.log" cmake --preset "$preset" -B "$folder" "${options[@]}") ||
    die "configuring failed: see above, or $folder/configure.log"
}

# build_preset PRESET [TARGET...]: sets up what is missing, configures and builds PRESET. Says nothing
# when nothing is to be done or only the program's commit is looked up (four steps: look, compile, archive,
# link); else a line, with ninja's counter on a terminal, and everything when it fails.
build_preset() {
  local preset=$1 folder=$builds/$1 libtorch command steps first=''
  shift
  libtorch=$("$root/scripts/setup" --quiet)
  mkdir -p -- "$folder" || die "cannot write $folder"
  exec 9>"$folder/.lock"
  flock --nonblock 9 || { say "waiting for another build in $folder"; flock 9; }
  [ -f "$folder/.ninja_log" ] || first=" (the first time: about ${first_build_minutes:-5} minutes)"
  configure "$preset" "$libtorch"
  command=(cmake --build "$folder" --parallel "${CMAKE_BUILD_PARALLEL_LEVEL:-$(build_jobs)}")
  [ $# = 0 ] || command+=(--target "$@")
  steps=$("${command[@]}" -- -n </dev/null 2>&1 | grep -c '^\[' || true)
  if [ "$steps" -gt 0 ]; then
    [ "$steps" -le 4 ] || say "building ${folder#"$root/"}$first"
    if [ -t 2 ] && [ "$steps" -gt 4 ]; then
      "${command[@]}" >&2 </dev/null || die "the build failed: see above"
    else
      quietly "$folder/build.log" "${command[@]}" || die "the build failed: see above, or $folder/build.log"
    fi
  fi
  exec 9>&-
}
