#!/bin/sh
# Installs Postern from local files: the executable, systemd units and first configuration files.
# Running it again changes only what differs; what you configured is never overwritten. Nothing is started or enabled.
set -eu

usage() {
  cat <<'END'
Usage: install.sh [--binary FILE] [--sha256 HEX] [--role ROLE] [--root DIR] [--dry-run]
       install.sh --uninstall [--purge] [--root DIR] [--dry-run]

  --binary FILE   executable to install (default: dist/postern of this checkout)
  --sha256 HEX    what it must hash to (default: the file beside it with .sha256 added)
  --role ROLE     which unit and configuration file: edge, agent, connector, tunneler, or both, which
                  is edge and agent (default: both)
  --root DIR      install below DIR, for images and packages
  --dry-run       say what would be done
  --uninstall     stop and remove executable and units; configuration and state stay
  --purge         with --uninstall: remove configuration and state, too
END
}

fail() {
  printf 'Cannot install postern: %s\n' "$1" >&2
  exit "${2:-1}"
}

say() { printf 'postern: %s\n' "$*"; }

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
binary=$here/../dist/postern
sha256='' role=both root='' dry='' uninstall='' purge=''
while [ $# -gt 0 ]; do
  case $1 in
    --binary | --sha256 | --role | --root)
      [ $# -ge 2 ] || fail "$1 needs a value" 2
      case $1 in
        --binary) binary=$2 ;;
        --sha256) sha256=$2 ;;
        --role) role=$2 ;;
        --root) root=${2%/} ;;
      esac
      shift
      ;;
    --dry-run) dry=1 ;;
    --uninstall) uninstall=1 ;;
    --purge) purge=1 ;;
    --help | -h)
      usage
      exit 0
      ;;
    *)
      usage >&2
      fail "unknown argument $1" 2
      ;;
  esac
  shift
done
case $role in
  both) roles='edge agent' ;;
  edge | agent | connector | tunneler) roles=$role ;;
  *) fail "--role is edge, agent, both, connector or tunneler" 2 ;;
esac
[ -z "$purge" ] || [ -n "$uninstall" ] || fail "--purge goes with --uninstall" 2
[ -n "$root" ] || [ -n "$dry" ] || [ "$(id -u)" -eq 0 ] || fail "it needs root, or --root DIR"

target=$root/usr/local/bin/postern
units=$root/etc/systemd/system
etc=$root/etc/postern
changed=''

# place <mode> <from> <to>: the new file appears whole or not at all, and only when it differs.
place() {
  if cmp -s -- "$2" "$3"; then
    return 0
  fi
  changed=1
  say "install $3"
  [ -z "$dry" ] || return 0
  mkdir -p -- "$(dirname -- "$3")"
  fresh=$(mktemp "$3.XXXXXX")
  if cat -- "$2" >"$fresh" && chmod "$1" "$fresh" && mv -f -- "$fresh" "$3"; then
    return 0
  fi
  rm -f -- "$fresh"
  fail "$3 could not be written"
}

remove() {
  [ -e "$1" ] || [ -L "$1" ] || return 0
  changed=1
  say "remove $1"
  [ -n "$dry" ] || rm -rf -- "$1"
}

# Only the running system has services: below --root there are files.
system() {
  [ -z "$root" ] && [ -d /run/systemd/system ] || return 0
  say "systemctl $*"
  [ -n "$dry" ] || systemctl "$@"
}

if [ -n "$uninstall" ]; then
  for each in edge agent connector tunneler; do
    if [ -e "$units/postern-$each.service" ]; then system disable --now "postern-$each.service"; fi
    remove "$units/postern-$each.service"
  done
  remove "$target"
  if [ -n "$purge" ]; then
    remove "$etc"
    for each in edge agent connector tunneler; do
      for kept in lib lib/private cache cache/private; do remove "$root/var/$kept/postern-$each"; done
    done
  fi
  [ -z "$changed" ] || system daemon-reload
  [ -n "$changed" ] || say "nothing to remove"
  exit 0
fi

[ -f "$binary" ] || fail "$binary does not exist; build it with: deno task compile"
if [ -z "$sha256" ]; then
  [ -f "$binary.sha256" ] || fail "there is no $binary.sha256; say what it must hash to with --sha256"
  read -r sha256 _ <"$binary.sha256" || [ -n "$sha256" ] || fail "$binary.sha256 is empty"
fi
found=$(sha256sum <"$binary")
[ "${found%% *}" = "$sha256" ] || fail "$binary does not hash to $sha256"

place 0755 "$binary" "$target"
# The copy is what runs: a file that changed after the check would be found here.
if [ -z "$dry" ]; then
  found=$(sha256sum <"$target")
  if [ "${found%% *}" != "$sha256" ]; then
    rm -f -- "$target"
    fail "$target does not hash to $sha256"
  fi
fi
reload=$changed
changed=''
for each in $roles; do
  place 0644 "$here/systemd/postern-$each.service" "$units/postern-$each.service"
done
[ -z "$changed" ] || system daemon-reload
for each in $roles; do
  [ -e "$etc/$each.yaml" ] || place 0644 "$here/etc/$each.yaml" "$etc/$each.yaml"
done
[ -n "$changed$reload" ] || say "everything is in place already"

for each in $roles; do
  if [ "$each" != edge ] && [ ! -e "$etc/$each.token" ]; then
    say "next: put the token of this machine into /etc/postern/$each.token, mode 600"
  fi
  say "next: edit /etc/postern/$each.yaml, then systemctl enable --now postern-$each"
done
