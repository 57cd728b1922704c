#!/usr/bin/env bash
# usage: plugin_project.sh BUILD PROGRAM
# Installs BUILD's headers and CMake package, builds docs/example/plugin against them as a user would,
# and looks for its part in the program's list.
set -euo pipefail
build=$1 program=$2
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
cmake --install "$build" --prefix "$scratch/installed" >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
cp -r -- "$root/docs/example/plugin" "$scratch/mine"
cmake -S "$scratch/mine" -B "$scratch/build" -DCMAKE_PREFIX_PATH="$scratch/installed" >"$scratch/log" 2>&1 &&
  cmake --build "$scratch/build" >>"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
"$program" describe scheme toward_zero --plugin "$scratch/build/libmine.so" | grep -x 'toward_zero: cut off, not rounded'
