import assert from "node:assert/strict";
import { utf8 } from "../../../src/bytes/mod.ts";
import {
  CipherState,
  generateX25519KeyPair,
  HandshakeState,
  needsLocalStatic,
  needsRemoteStatic,
  parseProtocolName,
  SUITE_25519_CHACHAPOLY_SHA256 as SUITE,
} from "../../../src/crypto/mod.ts";
import type { Random } from "../../../src/ports/mod.ts";
import { loadNoiseC } from "../../support/noise_c.ts";

const EMPTY = new Uint8Array(0);
const random: Random = (bytes) => crypto.getRandomValues(new Uint8Array(bytes));
const noiseC = await loadNoiseC();

function cipher(key: Uint8Array): CipherState {
  const state = new CipherState(SUITE.cipher);
  state.initializeKey(key);
  return state;
}

for (
  const pattern of ["N", "K", "X", "NN", "NK", "NX", "XN", "XK", "XX", "KN", "KK", "KX", "IN", "IK", "IX"]
) {
  for (const initiator of [true, false]) {
    Deno.test(`HandshakeState as ${pattern} ${initiator ? "initiator" : "responder"} understands noise-c`, () => {
      const protocol = parseProtocolName(`Noise_${pattern}_25519_ChaChaPoly_SHA256`);
      const prologue = random(17);
      const [own, other] = [generateX25519KeyPair(random), generateX25519KeyPair(random)];
      const ours = new HandshakeState({
        protocolName: protocol.name,
        initiator,
        prologue,
        s: needsLocalStatic(protocol.pattern, initiator) ? own : undefined,
        rs: needsRemoteStatic(protocol.pattern, initiator) ? other.publicKey : undefined,
        random,
      });
      const theirs = noiseC.handshake(protocol.name, !initiator);
      theirs.Initialize(
        prologue,
        needsLocalStatic(protocol.pattern, !initiator) ? other.privateKey : null,
        needsRemoteStatic(protocol.pattern, !initiator) ? own.publicKey : null,
        null,
      );
      for (let i = 0; !ours.finished; i++) {
        const payload = utf8(`payload ${i}`);
        if (ours.myTurn) assert.deepEqual(theirs.ReadMessage(ours.writeMessage(payload), true), payload);
        else assert.deepEqual(ours.readMessage(theirs.WriteMessage(payload)), payload);
      }
      assert.deepEqual(ours.handshakeHash, theirs.GetHandshakeHash());

      const keys = ours.split();
      const [send, receive] = initiator
        ? [keys.initiatorToResponder, keys.responderToInitiator]
        : [keys.responderToInitiator, keys.initiatorToResponder];
      const [theirSend, theirReceive] = theirs.Split();
      const oneWay = protocol.pattern.oneWay;
      if (!oneWay || initiator) {
        const sender = cipher(send);
        for (const text of ["first", "second", ""]) {
          assert.deepEqual(
            theirReceive.DecryptWithAd(EMPTY, sender.encryptWithAd(EMPTY, utf8(text))),
            utf8(text),
          );
        }
      }
      if (!oneWay || !initiator) {
        const receiver = cipher(receive);
        for (const text of ["first", "second", ""]) {
          assert.deepEqual(
            receiver.decryptWithAd(EMPTY, theirSend.EncryptWithAd(EMPTY, utf8(text))),
            utf8(text),
          );
        }
      }
      theirSend.free();
      theirReceive.free();
    });
  }
}
