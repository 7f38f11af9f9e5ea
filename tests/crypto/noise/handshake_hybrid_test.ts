import assert from "node:assert/strict";
import {
  mlKem768,
  type NoiseSuite,
  SUITE_25519_CHACHAPOLY_SHA256 as SUITE,
} from "../../../src/crypto/mod.ts";
import { code, complete, pair, side, XK_HFS } from "./pair.ts";

const EMPTY = new Uint8Array(0);

Deno.test("XKhfs sends the KEM key encrypted in message 1 and the KEM ciphertext encrypted in message 2", () => {
  const [initiator, responder] = pair(XK_HFS);
  // e, es, e1 sealed, payload sealed.
  assert.equal(initiator.overheadBytes, 32 + 1184 + 16 + 16);
  responder.readMessage(initiator.writeMessage(EMPTY));
  // e, ee, ekem1 sealed, payload sealed.
  assert.equal(responder.overheadBytes, 32 + 1088 + 16 + 16);
  initiator.readMessage(responder.writeMessage(EMPTY));
  // s sealed, se, payload sealed.
  assert.equal(initiator.overheadBytes, 32 + 16 + 16);
});

Deno.test("hfs patterns agree on hash and keys, with psk modifiers too", () => {
  for (const name of ["NN", "NK", "NX", "XN", "XK", "XX", "KN", "KK", "KX", "IN", "IK", "IX", "X1X1"]) {
    for (const modifiers of ["hfs", "hfs+psk0", "hfs+psk2"]) {
      const both = pair(`Noise_${name}${modifiers}_25519+MLKEM768_ChaChaPoly_SHA256`);
      complete(both);
      assert.deepEqual(both[0].handshakeHash, both[1].handshakeHash);
      assert.deepEqual(both[0].split(), both[1].split());
    }
  }
});

Deno.test("XKhfs keys depend on the KEM secret: a ciphertext that decapsulates to another one is refused", () => {
  const suite: NoiseSuite = {
    ...SUITE,
    kem: {
      ...mlKem768,
      encapsulate(publicKey, random) {
        const made = mlKem768.encapsulate(publicKey, random);
        made.ciphertext[500] ^= 1;
        return made;
      },
    },
  };
  const initiator = side(XK_HFS, true);
  const responder = side(XK_HFS, false, { suite });
  responder.readMessage(initiator.writeMessage(EMPTY));
  const reply = responder.writeMessage(EMPTY);
  assert.throws(() => initiator.readMessage(reply), code("noise_decrypt_failed"));
  assert.throws(() => initiator.readMessage(reply), code("noise_state_dead"));
});

Deno.test("XKhfs keys depend on the DH secret: knowing the KEM secret alone does not help", () => {
  const fixed = (secret: number): NoiseSuite => ({
    ...SUITE,
    kem: {
      ...mlKem768,
      encapsulate: (publicKey, random) => ({
        ciphertext: mlKem768.encapsulate(publicKey, random).ciphertext,
        sharedSecret: new Uint8Array(32).fill(secret),
      }),
      decapsulate: () => new Uint8Array(32).fill(secret),
    },
  });
  const keys = ["one", "two"].map((seed) => {
    const both = pair(XK_HFS, { seed, suite: fixed(1) });
    complete(both);
    return both[0].split().initiatorToResponder;
  });
  assert.notDeepEqual(keys[0], keys[1]);
  const other = pair(XK_HFS, { seed: "one", suite: fixed(2) });
  complete(other);
  assert.notDeepEqual(other[0].split().initiatorToResponder, keys[0]);
});

Deno.test("XKhfs responder refuses a KEM key that fails the modulus check when it reads it", () => {
  const suite: NoiseSuite = {
    ...SUITE,
    kem: {
      ...mlKem768,
      generateKeyPair(random) {
        const keys = mlKem768.generateKeyPair(random);
        keys.publicKey.fill(0xff, 300, 303);
        return keys;
      },
    },
  };
  const first = side(XK_HFS, true, { suite }).writeMessage(EMPTY);
  assert.throws(() => side(XK_HFS, false).readMessage(first), code("noise_bad_public_key"));
});

Deno.test("XKhfs and XK do not understand each other: there is no silent downgrade", () => {
  const classical = side("Noise_XK_25519_ChaChaPoly_SHA256", true).writeMessage(new Uint8Array(1300));
  assert.throws(() => side(XK_HFS, false).readMessage(classical), code("noise_decrypt_failed"));
});
