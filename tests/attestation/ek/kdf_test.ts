import assert from "node:assert/strict";
import { kdfa, kdfe } from "../../../src/attestation/ek/mod.ts";
import { fromHex, utf8 } from "../../../src/bytes/mod.ts";

const upTo = (bytes: number) => new Uint8Array(bytes).map((_, i) => i);
const nothing = new Uint8Array(0);

// Vectors: KBKDFHMAC in counter mode and ConcatKDFHash of pyca/cryptography 48.0.0, with OpenSSL's HMAC and hashes.
Deno.test("kdfa() gives what another implementation of SP 800-108 gives", () => {
  const name = fromHex(`000b${upTo(32).toHex()}`);
  assert.equal(
    kdfa({ hash: "sha256", label: "STORAGE", bits: 128 }, upTo(32), name, nothing).toHex(),
    "8b9746d9cde648e20ad34f7c5099ae8f",
  );
  assert.equal(
    kdfa({ hash: "sha384", label: "STORAGE", bits: 256 }, upTo(48), name, nothing).toHex(),
    "d138828a891a7948ef5e558c804b3e481c56e4791c180ef4bae6cc9064289003",
  );
  assert.equal(
    kdfa({ hash: "sha256", label: "INTEGRITY", bits: 256 }, upTo(32), nothing, nothing).toHex(),
    "bacf689f634ece301e1f1b15b072d9c87db6a69585db42b1a0cb8f73ebe2692e",
  );
  assert.equal(
    kdfa({ hash: "sha512", label: "LABEL", bits: 1288 }, utf8("key"), utf8("context u"), utf8("context v"))
      .toHex(),
    "3e33e0b73e3df384c8c697df220ac5e835be6250eec79ba5091dc7a9440821da61beed5812c060faeae57a130cf92c2372f70ad8150e5a" +
      "cf9037a2dbff8b0cd8ef755d91aa554dc88b4208bb30b15a839b367d481acf633b99cd844ae852d5faa3d42506417f59acae7f0332e2" +
      "e8109ccb3b5c3bb260231f71551efd8f80a7a14cc73fc7ad058cc874a312406e80b1a6116a283a9c9760b251af4b794565caba39",
  );
  assert.throws(
    () => kdfa({ hash: "sha256", label: "LABEL", bits: 521 }, upTo(32), nothing, nothing),
    RangeError,
  );
});

Deno.test("kdfe() gives what another implementation of SP 800-56A gives, leading zeros of coordinates included", () => {
  const [z, u] = [new Uint8Array(48).fill(0xaa), new Uint8Array(48).fill(0xbb)];
  z[0] = u[0] = u[1] = 0;
  const v = new Uint8Array(48).fill(0xcc);
  const first = (bytes: number, bits: number, hash: "sha256" | "sha384") =>
    kdfe({ hash, label: "IDENTITY", bits }, z.subarray(0, bytes), u.subarray(0, bytes), v.subarray(0, bytes))
      .toHex();
  const long =
    "a6f00dbda62fc77dc97a056735929fbf01c25a4263c0ce449b7c0a48f81a39874b1519733306bee5afad6c3f3f4b3a57d0f3a" +
    "5131b627ca0cee4a294e7085c67ea5e5e2315a162ec91b4b768798af96d";
  assert.equal(first(32, 256, "sha256"), long.slice(0, 64));
  assert.equal(first(32, 640, "sha256"), long);
  assert.equal(
    first(48, 384, "sha384"),
    "b5e3a4bd8c9a0f8ca5c5d94e891aa03b7c9e74616738c1bd3dc9d1fb8dc0a11f7c248dec0432cc720ec09aaec85d76ea",
  );
});
