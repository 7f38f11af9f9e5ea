import assert from "node:assert/strict";
import fc from "fast-check";
import {
  generateX25519KeyPair,
  HandshakeState,
  MAX_NOISE_MESSAGE_BYTES,
  type NoiseSuite,
  parseProtocolName,
  PATTERN_NAMES,
  SUITE_25519_CHACHAPOLY_SHA256 as SUITE,
} from "../../../src/crypto/mod.ts";
import {
  code,
  complete,
  initiatorStatic,
  pair,
  payloadOf,
  readerOf,
  responderStatic,
  seededRandom,
  side,
  XK,
  XK_HFS,
  XX,
} from "./pair.ts";

const EMPTY = new Uint8Array(0);
const base = { protocolName: XK, initiator: true, random: seededRandom("base") } as const;

Deno.test("HandshakeState agrees with itself on hash and keys in every pattern", () => {
  for (const name of PATTERN_NAMES) {
    const both = pair(`Noise_${name}_25519_ChaChaPoly_SHA256`);
    complete(both);
    assert.deepEqual(both[0].handshakeHash, both[1].handshakeHash, name);
    assert.deepEqual(both[0].split(), both[1].split(), name);
  }
});

Deno.test("HandshakeState.handshakeHash agrees between the sides after each message and changes with it", () => {
  const [initiator, responder] = pair(XK);
  const seen = new Set([initiator.handshakeHash.toHex()]);
  responder.readMessage(initiator.writeMessage(payloadOf(0)));
  assert.deepEqual(initiator.handshakeHash, responder.handshakeHash);
  seen.add(initiator.handshakeHash.toHex());
  initiator.readMessage(responder.writeMessage(payloadOf(1)));
  assert.deepEqual(initiator.handshakeHash, responder.handshakeHash);
  seen.add(initiator.handshakeHash.toHex());
  assert.equal(seen.size, 3);
});

Deno.test("HandshakeState.handshakeHash is a copy", () => {
  const [initiator] = pair(XK);
  initiator.handshakeHash.fill(0);
  assert.notDeepEqual(initiator.handshakeHash, new Uint8Array(32));
});

Deno.test("HandshakeState.remoteStatic is known to the XK responder with the last message", () => {
  const both = pair(XK);
  assert.deepEqual(both[0].remoteStatic, responderStatic.publicKey);
  assert.equal(both[1].remoteStatic, null);
  complete(both);
  assert.deepEqual(both[1].remoteStatic, initiatorStatic.publicKey);
});

Deno.test("HandshakeState.split() gives keys once and keeps hash and remote key readable", () => {
  const both = pair(XK);
  complete(both);
  const hash = both[0].handshakeHash;
  const keys = both[0].split();
  assert.equal(keys.initiatorToResponder.length, 32);
  assert.notDeepEqual(keys.initiatorToResponder, keys.responderToInitiator);
  assert.deepEqual(both[0].handshakeHash, hash);
  assert.deepEqual(both[0].remoteStatic, responderStatic.publicKey);
  assert.equal(both[0].finished, true);
  assert.throws(() => both[0].split(), code("noise_out_of_turn"));
});

Deno.test("HandshakeState.split() of a one-way pattern has no key for the way back", () => {
  const both = pair("Noise_X_25519_ChaChaPoly_SHA256");
  complete(both);
  assert.equal(both[1].split().responderToInitiator.length, 0);
});

Deno.test("HandshakeState refuses calls out of turn and goes on unharmed", () => {
  const [initiator, responder] = pair(XK);
  assert.throws(() => responder.writeMessage(EMPTY), code("noise_out_of_turn"));
  assert.throws(() => initiator.readMessage(new Uint8Array(48)), code("noise_out_of_turn"));
  assert.throws(() => initiator.split(), code("noise_out_of_turn"));
  const first = initiator.writeMessage(EMPTY);
  assert.throws(() => initiator.writeMessage(EMPTY), code("noise_out_of_turn"));
  responder.readMessage(first);
  assert.throws(() => responder.readMessage(first), code("noise_out_of_turn"));
  initiator.readMessage(responder.writeMessage(EMPTY));
  responder.readMessage(initiator.writeMessage(EMPTY));
  assert.throws(() => responder.writeMessage(EMPTY), code("noise_out_of_turn"));
  assert.throws(() => responder.readMessage(first), code("noise_out_of_turn"));
  assert.deepEqual(initiator.split(), responder.split());
});

Deno.test("HandshakeState.overheadBytes is what each message adds to its payload", () => {
  for (const name of [...PATTERN_NAMES, "XXpsk0+psk3", "NNpsk0", "IKhfs", "XXhfs+psk3", "NNhfs"]) {
    const dh = name.includes("hfs") ? "25519+MLKEM768" : "25519";
    const both = pair(`Noise_${name}_${dh}_ChaChaPoly_SHA256`);
    while (!both[0].finished) {
      const [writer, reader] = both[0].myTurn ? both : [both[1], both[0]];
      const overhead = writer.overheadBytes;
      assert.equal(reader.overheadBytes, overhead);
      const message = writer.writeMessage(new Uint8Array(7));
      assert.equal(message.length, overhead + 7, name);
      reader.readMessage(message);
    }
    assert.equal(both[0].overheadBytes, 0);
  }
});

Deno.test("HandshakeState.writeMessage() takes the longest payload that fits and refuses one byte more unharmed", () => {
  const [initiator, responder] = pair(XK);
  const room = MAX_NOISE_MESSAGE_BYTES - initiator.overheadBytes;
  assert.throws(() => initiator.writeMessage(new Uint8Array(room + 1)), code("noise_message_too_long"));
  const message = initiator.writeMessage(new Uint8Array(room));
  assert.equal(message.length, 65_535);
  assert.equal(responder.readMessage(message).length, room);
});

Deno.test("HandshakeState.readMessage() refuses messages above 65535 bytes and is dead", () => {
  const responder = side(XK, false);
  assert.throws(() => responder.readMessage(new Uint8Array(65_536)), code("noise_message_too_long"));
  assert.throws(() => responder.readMessage(new Uint8Array(48)), code("noise_state_dead"));
});

Deno.test("HandshakeState is dead in all its calls after a failed message", () => {
  const responder = side(XK, false);
  assert.throws(() => responder.readMessage(new Uint8Array(48).fill(9)), code("noise_decrypt_failed"));
  assert.throws(() => responder.readMessage(new Uint8Array(48)), code("noise_state_dead"));
  assert.throws(() => responder.writeMessage(EMPTY), code("noise_state_dead"));
  assert.throws(() => responder.split(), code("noise_state_dead"));
  assert.throws(() => responder.handshakeHash, code("noise_state_dead"));
  assert.throws(() => responder.remoteStatic, code("noise_state_dead"));
  assert.equal(responder.finished, false);
  assert.equal(responder.myTurn, false);
  assert.equal(responder.overheadBytes, 0);
});

Deno.test("HandshakeState.wipe() ends it, and may be called twice", () => {
  const [initiator] = pair(XK);
  initiator.wipe();
  initiator.wipe();
  assert.throws(() => initiator.writeMessage(EMPTY), code("noise_state_dead"));
});

Deno.test("HandshakeState zeroes every secret it held when it fails, and not the caller's keys", () => {
  const held: Uint8Array[] = [];
  function keep<T extends Uint8Array>(secret: T): T {
    held.push(secret);
    return secret;
  }
  const spy: NoiseSuite = {
    ...SUITE,
    dh: {
      ...SUITE.dh,
      dh: (own, other) => keep(SUITE.dh.dh(keep(own), other)),
    },
    cipher: { ...SUITE.cipher, decrypt: (key, ...rest) => SUITE.cipher.decrypt(keep(key), ...rest) },
    hash: { ...SUITE.hash, hkdf: (ck, ...rest) => SUITE.hash.hkdf(keep(ck), ...rest).map(keep) },
    kem: {
      ...SUITE.kem!,
      encapsulate: (...args) => {
        const made = SUITE.kem!.encapsulate(...args);
        keep(made.sharedSecret);
        return made;
      },
    },
  };
  const psks = [seededRandom("psk 0")(32)];
  const name = "Noise_XKhfs+psk3_25519+MLKEM768_ChaChaPoly_SHA256";
  const initiator = side(name, true, { psks });
  const responder = side(name, false, { psks, suite: spy });
  responder.readMessage(initiator.writeMessage(EMPTY));
  initiator.readMessage(responder.writeMessage(EMPTY));
  const third = initiator.writeMessage(EMPTY);
  third[third.length - 1] ^= 1;
  assert.throws(() => responder.readMessage(third), code("noise_decrypt_failed"));
  assert.ok(held.length > 20);
  for (const secret of held) assert.deepEqual(secret, new Uint8Array(secret.length));
  assert.notDeepEqual(responderStatic.privateKey, new Uint8Array(32));
  assert.notDeepEqual(psks[0], new Uint8Array(32));
});

Deno.test("HandshakeState.readMessage() refuses ephemeral keys of low order", () => {
  const lowOrder = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  ];
  for (const point of lowOrder) {
    const message = new Uint8Array(48);
    message.set(Uint8Array.fromHex(point));
    assert.throws(() => side(XK, false).readMessage(message), code("noise_bad_public_key"), point);
  }
});

Deno.test("HandshakeState.writeMessage() dies when the key it has to use is of low order", () => {
  const responder = side(XX, false);
  responder.readMessage(new Uint8Array(32));
  assert.throws(() => responder.writeMessage(EMPTY), code("noise_bad_public_key"));
  assert.throws(() => responder.writeMessage(EMPTY), code("noise_state_dead"));
});

Deno.test("HandshakeState refuses every single corrupted byte of XK", () => {
  const messages = complete(pair(XK));
  for (const [index, message] of messages.entries()) {
    for (let at = 0; at < message.length; at++) {
      const corrupted = message.slice();
      corrupted[at] ^= 1 << (at % 8);
      assert.throws(
        () => readerOf(XK, index, messages).readMessage(corrupted),
        code("noise_decrypt_failed"),
        `message ${index} byte ${at}`,
      );
    }
  }
});

Deno.test("HandshakeState detects the ignored top bit of an X25519 key, because the transcript has it", () => {
  const messages = complete(pair(XK));
  const corrupted = messages[0].slice();
  corrupted[31] ^= 0x80;
  assert.throws(() => side(XK, false).readMessage(corrupted), code("noise_decrypt_failed"));
});

Deno.test("HandshakeState detects a corrupted clear first message of XX at the second", () => {
  for (let at = 0; at < 32; at++) {
    const [initiator, responder] = pair(XX);
    const first = initiator.writeMessage(EMPTY);
    first[at] ^= 0x10;
    responder.readMessage(first);
    const second = responder.writeMessage(EMPTY);
    assert.throws(() => initiator.readMessage(second), code("noise_decrypt_failed"));
  }
});

Deno.test("HandshakeState refuses corrupted bytes anywhere in XKhfs", () => {
  const messages = complete(pair(XK_HFS));
  fc.assert(
    fc.property(fc.nat(2), fc.nat(), fc.integer({ min: 1, max: 255 }), (index, place, bits) => {
      const corrupted = messages[index].slice();
      corrupted[place % corrupted.length] ^= bits;
      assert.throws(
        () => readerOf(XK_HFS, index, messages).readMessage(corrupted),
        code("noise_decrypt_failed"),
      );
    }),
    { numRuns: 60 },
  );
});

Deno.test("HandshakeState refuses truncated and extended messages", () => {
  for (const name of [XK, XK_HFS]) {
    const messages = complete(pair(name));
    fc.assert(
      fc.property(
        fc.nat(2),
        fc.nat(),
        fc.uint8Array({ minLength: 1, maxLength: 40 }),
        (index, place, more) => {
          const message = messages[index];
          const reader = readerOf(name, index, messages);
          const short = message.subarray(0, place % message.length);
          const expected = short.length < reader.overheadBytes
            ? "noise_message_too_short"
            : "noise_decrypt_failed";
          assert.throws(() => reader.readMessage(short), code(expected));
          const extended = new Uint8Array([...message, ...more]);
          assert.throws(
            () => readerOf(name, index, messages).readMessage(extended),
            code("noise_decrypt_failed"),
          );
        },
      ),
      { numRuns: 40 },
    );
  }
});

Deno.test("HandshakeState carries any payload in any message", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 2_000 }), { minLength: 3, maxLength: 3 }), (payloads) => {
      const both = pair(XK);
      for (const [i, payload] of payloads.entries()) {
        const message = both[i % 2].writeMessage(payload);
        assert.deepEqual(both[1 - i % 2].readMessage(message), payload);
      }
    }),
    { numRuns: 20 },
  );
});

Deno.test("HandshakeState refuses messages of another handshake, prologue, key or protocol", () => {
  const first = side(XK, true).writeMessage(EMPTY);
  const other = new Uint8Array([1]);
  assert.throws(() => side(XK, false, { prologue: other }).readMessage(first), code("noise_decrypt_failed"));
  const wrongKey = generateX25519KeyPair(seededRandom("wrong")).publicKey;
  const misled = side(XK, true, { rs: wrongKey }).writeMessage(EMPTY);
  assert.throws(() => side(XK, false).readMessage(misled), code("noise_decrypt_failed"));
  const xk1 = side("Noise_NK_25519_ChaChaPoly_SHA256", true).writeMessage(EMPTY);
  assert.throws(() => side(XK, false).readMessage(xk1), code("noise_decrypt_failed"));
  // A replayed reply does not fit a new handshake.
  const [, reply] = complete(pair(XK));
  const again = side(XK, true, { seed: "again" });
  again.writeMessage(EMPTY);
  assert.throws(() => again.readMessage(reply), code("noise_decrypt_failed"));
});

Deno.test("HandshakeState refuses a wrong pre-shared key at the message that mixes it in", () => {
  const name = "Noise_XXpsk3_25519_ChaChaPoly_SHA256";
  const initiator = side(name, true, { psks: [new Uint8Array(32).fill(1)] });
  const responder = side(name, false, { psks: [new Uint8Array(32).fill(2)] });
  responder.readMessage(initiator.writeMessage(EMPTY));
  initiator.readMessage(responder.writeMessage(EMPTY));
  assert.throws(() => responder.readMessage(initiator.writeMessage(EMPTY)), code("noise_decrypt_failed"));
});

Deno.test("HandshakeState draws fresh ephemeral keys: two handshakes share no message and no key", () => {
  const [one, two] = [pair(XK, { seed: "one" }), pair(XK, { seed: "two" })];
  const [first, second] = [complete(one), complete(two)];
  for (const i of [0, 1, 2]) assert.notDeepEqual(first[i], second[i]);
  assert.notDeepEqual(one[0].split(), two[0].split());
});

Deno.test("new HandshakeState() demands the static keys of its pattern", () => {
  const { publicKey } = responderStatic;
  assert.throws(() => new HandshakeState({ ...base, rs: publicKey }), code("noise_key_missing"));
  assert.throws(() => new HandshakeState({ ...base, s: initiatorStatic }), code("noise_key_missing"));
  assert.throws(() => new HandshakeState({ ...base, initiator: false }), code("noise_key_missing"));
});

Deno.test("new HandshakeState() refuses keys that its pattern would not use", () => {
  const xx = { ...base, protocolName: XX, s: initiatorStatic };
  assert.throws(
    () => new HandshakeState({ ...xx, rs: responderStatic.publicKey }),
    code("noise_key_unexpected"),
  );
  assert.throws(
    () => new HandshakeState({ ...xx, psks: [new Uint8Array(32)] }),
    code("noise_key_unexpected"),
  );
  const nn = { ...base, protocolName: "Noise_NN_25519_ChaChaPoly_SHA256" };
  assert.throws(() => new HandshakeState({ ...nn, s: initiatorStatic }), code("noise_key_unexpected"));
});

Deno.test("new HandshakeState() demands as many pre-shared keys as the pattern mixes in", () => {
  const protocolName = "Noise_NNpsk0+psk2_25519_ChaChaPoly_SHA256";
  assert.throws(() => new HandshakeState({ ...base, protocolName }), code("noise_psk_missing"));
  const psks = [new Uint8Array(32)];
  assert.throws(() => new HandshakeState({ ...base, protocolName, psks }), code("noise_psk_missing"));
});

Deno.test("new HandshakeState() refuses keys of the wrong length", () => {
  const rs = responderStatic.publicKey;
  const s = { publicKey: new Uint8Array(32), privateKey: new Uint8Array(31) };
  assert.throws(() => new HandshakeState({ ...base, s, rs }), code("noise_key_malformed"));
  assert.throws(
    () => new HandshakeState({ ...base, s: initiatorStatic, rs: rs.subarray(1) }),
    code("noise_bad_public_key"),
  );
  const protocolName = "Noise_NNpsk0_25519_ChaChaPoly_SHA256";
  assert.throws(
    () => new HandshakeState({ ...base, protocolName, psks: [new Uint8Array(33)] }),
    code("noise_key_malformed"),
  );
});

Deno.test("new HandshakeState() refuses protocols whose functions the suite has not", () => {
  for (
    const protocolName of [
      "Noise_NN_448_ChaChaPoly_SHA256",
      "Noise_NN_25519_AESGCM_SHA256",
      "Noise_NN_25519_ChaChaPoly_BLAKE2s",
      "Noise_NNhfs_25519+NewHope_ChaChaPoly_SHA256",
    ]
  ) {
    assert.equal(parseProtocolName(protocolName).name, protocolName);
    assert.throws(() => new HandshakeState({ ...base, protocolName }), code("noise_protocol_unsupported"));
  }
});

Deno.test("HandshakeState works over an injected cipher", () => {
  let calls = 0;
  const suite: NoiseSuite = {
    ...SUITE,
    cipher: { ...SUITE.cipher, encrypt: (...args) => (calls++, SUITE.cipher.encrypt(...args)) },
  };
  const both = pair(XK, { suite });
  assert.deepEqual(complete(both), complete(pair(XK)));
  assert.equal(calls, 4);
});
