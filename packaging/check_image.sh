#!/bin/sh
# Builds packaging/Dockerfile where no image registry can be reached, and starts the result: the base image is made on
# the spot by debootstrap, the executable is dist/postern. Needs root, buildah and debootstrap (Debian packages).
set -eu
cd -- "$(dirname -- "$0")/.."

fail() {
  printf 'Cannot check the image: %s\n' "$1" >&2
  exit 1
}

[ "$(id -u)" -eq 0 ] || fail "it needs root"
for program in buildah debootstrap; do
  command -v "$program" >/dev/null || fail "$program is not installed (apt-get install buildah debootstrap)"
done
[ -f dist/postern ] || fail "dist/postern does not exist; build it with: deno task compile"

work=$(mktemp -d)
container=''
cleanup() {
  if [ -n "$container" ]; then store rm "$container" >/dev/null; fi
  rm -rf -- "$work"
}
trap cleanup EXIT
# A store of its own: whatever images this machine has stay as they are.
store() { buildah --storage-driver vfs --root "$work/store" --runroot "$work/run" "$@"; }

printf 'image: base\n'
debootstrap --variant=minbase bookworm "$work/base" >"$work/log" 2>&1 || {
  tail -n 20 "$work/log" >&2
  fail "debootstrap did not succeed"
}
container=$(store from scratch)
store add -q "$container" "$work/base" / >/dev/null
store commit -q "$container" localhost/base >/dev/null
store rm "$container" >/dev/null
container=''
rm -rf -- "$work/base"

printf 'image: build\n'
store build -q --isolation chroot --network host -f packaging/Dockerfile --ignorefile packaging/Dockerfile.dockerignore \
  --build-arg BASE_IMAGE=localhost/base --build-arg BUILD_IMAGE=localhost/base --build-arg BINARY=prebuilt \
  -t localhost/postern . >"$work/log" 2>&1 || {
  tail -n 20 "$work/log" >&2
  fail "buildah did not succeed"
}

printf 'image: run\n'
container=$(store from localhost/postern)
inside() { store run --isolation chroot --network host "$container" -- "$@"; }
[ "$(inside id -u)" = 65532 ] || fail "it does not run as an unprivileged user"
inside /usr/local/bin/postern --version || fail "postern does not start in it"
inside /usr/local/bin/postern edge --help >/dev/null || fail "the edge role is missing"
inside /usr/local/bin/postern agent --help >/dev/null || fail "the agent role is missing"
printf 'image: holds\n'
