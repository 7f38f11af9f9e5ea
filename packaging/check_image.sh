#!/bin/sh
# Builds packaging/Dockerfile where no image registry can be reached, and starts the result: the base images are made on
# the spot by debootstrap. The executable is compiled in the Dockerfile's own build stage, which needs the npm registry;
# with --prebuilt it is dist/postern. Needs root, buildah and debootstrap (Debian packages).
set -eu
cd -- "$(dirname -- "$0")/.."
case "${1-}" in
  '') binary=built ;;
  --prebuilt) binary=prebuilt ;;
  *)
    printf 'Usage: packaging/check_image.sh [--prebuilt]\n' >&2
    exit 2
    ;;
esac

fail() {
  printf 'Cannot check the image: %s\n' "$1" >&2
  exit 1
}

[ "$(id -u)" -eq 0 ] || fail "it needs root"
for program in buildah debootstrap; do
  command -v "$program" >/dev/null || fail "$program is not installed (apt-get install buildah debootstrap)"
done
[ "$binary" = built ] || [ -f dist/postern ] || fail "dist/postern does not exist; build it with: deno task compile"

work=$(mktemp -d)
container=''
cleanup() {
  if [ -n "$container" ]; then store rm "$container" >/dev/null; fi
  rm -rf -- "$work"
}
trap cleanup EXIT
# Runs a step; what it printed is shown when it fails.
quietly() {
  "$@" >"$work/log" 2>&1 || {
    tail -n 20 "$work/log" >&2
    fail "$1 $2 did not succeed"
  }
}
# A store of its own: whatever images this machine has stay as they are.
store() { buildah --storage-driver vfs --root "$work/store" --runroot "$work/run" "$@"; }

printf 'image: base\n'
quietly debootstrap --variant=minbase bookworm "$work/base"
container=$(store from scratch)
store add -q "$container" "$work/base" / >/dev/null
store commit -q "$container" localhost/base >/dev/null
rm -rf -- "$work/base"
build_image=localhost/base

if [ "$binary" = built ]; then
  printf 'image: base of the build stage\n'
  quietly store run --isolation chroot --network host "$container" -- sh -c \
    'apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates npm'
  # Authorities that this machine trusts: a registry mirror may be signed by one of its own.
  bundle=/etc/ssl/certs/ca-certificates.crt
  store add -q "$container" "${SSL_CERT_FILE:-$bundle}" "$bundle" >/dev/null
  store config --env NODE_EXTRA_CA_CERTS=$bundle --env DENO_TLS_CA_STORE=system "$container" >/dev/null
  store commit -q "$container" localhost/node >/dev/null
  build_image=localhost/node
fi
store rm "$container" >/dev/null
container=''

printf 'image: build\n'
quietly store build -q --isolation chroot --network host \
  -f packaging/Dockerfile --ignorefile packaging/Dockerfile.dockerignore \
  --build-arg BASE_IMAGE=localhost/base --build-arg BUILD_IMAGE="$build_image" --build-arg BINARY="$binary" \
  -t localhost/postern .

printf 'image: run\n'
container=$(store from localhost/postern)
inside() { store run --isolation chroot --network host "$container" -- "$@"; }
[ "$(inside id -u)" = 65532 ] || fail "it does not run as an unprivileged user"
inside /usr/local/bin/postern --version || fail "postern does not start in it"
inside /usr/local/bin/postern edge --help >/dev/null || fail "the edge role is missing"
inside /usr/local/bin/postern agent --help >/dev/null || fail "the agent role is missing"
printf 'image: holds\n'
