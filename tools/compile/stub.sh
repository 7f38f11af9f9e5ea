#!/bin/sh
# Postern @VERSION@, one file: this script, the program and the runtime that it runs on, both packed behind the script.
# The first start unpacks them to a directory that only you can enter; every start verifies them before it runs them.
set -u
# The program gets the caller's mask back.
mask=$(umask)
umask 077
# Filled in when the file is built: offsets count from 1, sizes are in bytes, digests are in hex.
id=@ID@
program_at=@PROGRAM_AT@ program_bytes=@PROGRAM_BYTES@ runtime_at=@RUNTIME_AT@
program_sha256=@PROGRAM_SHA256@
program_blake2=@PROGRAM_BLAKE2@
runtime_sha256=@RUNTIME_SHA256@
runtime_blake2=@RUNTIME_BLAKE2@

fail() {
  printf 'Cannot start postern: %s\n' "$1" >&2
  exit 1
}

self=$0
case $self in */*) ;; *) [ -f "./$self" ] && self=./$self || self=$(command -v -- "$self") ;; esac
[ -r "$self" ] || fail "$self cannot be read, and the program is inside"

# A directory that is ours, is no link and lets nobody else in.
private() {
  listing=$(LC_ALL=C ls -ldn -- "$1" 2>/dev/null) || return 1
  # shellcheck disable=SC2086 # the fields are what is wanted
  set -- $listing
  case $1 in drwx------ | drwx------.) [ "$3" = "$(id -u)" ] ;; *) return 1 ;; esac
}

# verified <file> <blake2> <sha256>: the file is a plain one and holds exactly what was packed. BLAKE2 is twice as fast.
verified() {
  [ -f "$1" ] && [ ! -L "$1" ] || return 1
  if command -v b2sum >/dev/null 2>&1; then sum=$(b2sum <"$1") want=$2; else sum=$(sha256sum <"$1") want=$3; fi
  [ "${sum%% *}" = "$want" ]
}

intact() {
  verified "$1/main.js" "$program_blake2" "$program_sha256" &&
    verified "$1/deno" "$runtime_blake2" "$runtime_sha256" && [ -x "$1/deno" ]
}

# unpack <directory>: each file appears under its name at once, whole and verified, or not at all.
unpack() {
  fresh=$(mktemp -d "$1/unpack.XXXXXXXX" 2>/dev/null) || return 1
  trap 'rm -rf "$fresh"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  {
    tail -c "+$program_at" -- "$self" | head -c "$program_bytes" | gzip -dc >"$fresh/main.js" &&
      tail -c "+$runtime_at" -- "$self" | gzip -dc >"$fresh/deno"
  } 2>/dev/null && chmod 0400 "$fresh/main.js" && chmod 0500 "$fresh/deno" && intact "$fresh" &&
    mv -f "$fresh/main.js" "$1/main.js" && mv -f "$fresh/deno" "$1/deno"
  unpacked=$?
  rm -rf "$fresh"
  trap - EXIT INT TERM HUP
  return "$unpacked"
}

# prepare <cache>: sets $directory when the cache can be trusted and holds, or now gets, the verified files.
prepare() {
  case $1 in /*) ;; *) return 1 ;; esac
  mkdir -p -- "$1/$id" 2>/dev/null
  private "$1" && private "$1/$id" || return 1
  intact "$1/$id" || unpack "$1/$id" || return 1
  directory=$1/$id
}

directory=
cache=${XDG_CACHE_HOME:-}
[ -n "$cache" ] || { [ -n "${HOME:-}" ] && cache=$HOME/.cache; }
if ! { [ -n "$cache" ] && prepare "$cache/postern"; }; then
  # No home, or one that cannot be trusted: a fresh directory for this start only. The program removes it.
  once=$(mktemp -d "${TMPDIR:-/tmp}/postern-once.XXXXXXXX") || fail "there is no directory to unpack it to"
  unpack "$once" || { rm -rf "$once"; fail "it could not be unpacked: no space left, or $self is damaged"; }
  directory=$once
fi

# What an upgrade replaces. It alone may start programs: the new file to try it, and the command that restarts the service.
case $self in /*) ;; *) self=$PWD/$self ;; esac
start=
[ "${1:-}" = upgrade ] && start=--allow-run

export DENO_DIR="$directory/runtime" DENO_NO_UPDATE_CHECK=1 POSTERN_PROGRAM="$self"
umask "$mask"
# shellcheck disable=SC2086 # a flag or nothing
exec "$directory/deno" run @FLAGS@ $start "$directory/main.js" "$@"
