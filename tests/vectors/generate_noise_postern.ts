/**
 * Writes tests/vectors/noise_postern.json: psk and hybrid vectors. They are made by Postern itself, since no published
 * vectors exist for hfs with ML-KEM-768: they pin our bytes, and tests/crypto/noise/transcript_test.ts opens each of them
 * with a second, independent reading of the specification.
 * Run with `deno run -A tests/vectors/generate_noise_postern.ts`. All bytes come from labels.
 */
import { createHash } from "node:crypto";
import { utf8 } from "../../src/bytes/mod.ts";
import {
  CipherState,
  HandshakeState,
  needsLocalStatic,
  needsRemoteStatic,
  parsePattern,
  SUITE_25519_CHACHAPOLY_SHA256 as SUITE,
  x25519KeyPair,
} from "../../src/crypto/mod.ts";

const PATTERNS = [
  "NNpsk0",
  "NKpsk2",
  "IKpsk1",
  "XKpsk3",
  "XXpsk3",
  "XXpsk0+psk3",
  "NNhfs",
  "XKhfs",
  "XXhfs",
  "IKhfs",
  "KKhfs",
  "XXhfs+psk3",
];
const EMPTY = new Uint8Array(0);

function derived(label: string, bytes = 32): Uint8Array<ArrayBuffer> {
  const hash = createHash("shake256", { outputLength: bytes });
  return new Uint8Array(hash.update(`postern vectors: ${label}`).digest());
}

function vectorOf(patternName: string): object {
  const pattern = parsePattern(patternName);
  const protocolName = `Noise_${patternName}_25519${pattern.hfs ? "+MLKEM768" : ""}_ChaChaPoly_SHA256`;
  const psks = Array.from({ length: pattern.psks }, (_, i) => derived(`${patternName} psk ${i}`));
  const prologue = utf8(`Prologue of ${patternName}`);
  const vector: Record<string, unknown> = { protocol_name: protocolName };
  const statics = ["init", "resp"].map((role) => x25519KeyPair(derived(`${patternName} ${role} static`)));
  const sides = ["init", "resp"].map((role, i) => {
    const initiator = i === 0;
    const s = needsLocalStatic(pattern, initiator) ? statics[i] : undefined;
    const rs = needsRemoteStatic(pattern, initiator) ? statics[1 - i].publicKey : undefined;
    const drawn = [derived(`${patternName} ${role} ephemeral`)];
    const kem = derived(`${patternName} ${role} kem`, initiator ? 64 : 32);
    vector[`${role}_prologue`] = prologue.toHex();
    if (psks.length > 0) vector[`${role}_psks`] = psks.map((psk) => psk.toHex());
    if (s) vector[`${role}_static`] = s.privateKey.toHex();
    vector[`${role}_ephemeral`] = drawn[0].toHex();
    if (rs) vector[`${role}_remote_static`] = rs.toHex();
    if (pattern.hfs) vector[initiator ? "init_kem_seed" : "resp_kem_message"] = kem.toHex();
    drawn.push(kem);
    return new HandshakeState({
      protocolName,
      initiator,
      prologue,
      s,
      rs,
      psks,
      random: () => drawn.shift()!,
    });
  });
  const messages: { payload: string; ciphertext: string }[] = [];
  for (let i = 0; i < pattern.messages.length; i++) {
    const payload = utf8(`Payload ${i} of ${patternName}`);
    const message = sides[i % 2].writeMessage(payload);
    sides[1 - i % 2].readMessage(message);
    messages.push({ payload: payload.toHex(), ciphertext: message.toHex() });
  }
  vector.handshake_hash = sides[0].handshakeHash.toHex();
  const keys = sides[0].split();
  const senders = [keys.initiatorToResponder, keys.responderToInitiator].map((key) => {
    const sender = new CipherState(SUITE.cipher);
    sender.initializeKey(key);
    return sender;
  });
  for (let i = pattern.messages.length; i < pattern.messages.length + 3; i++) {
    const payload = utf8(`Payload ${i} of ${patternName}`);
    messages.push({
      payload: payload.toHex(),
      ciphertext: senders[i % 2].encryptWithAd(EMPTY, payload).toHex(),
    });
  }
  return { ...vector, messages };
}

const file = {
  source: "made by Postern itself: see generate_noise_postern.ts",
  vectors: PATTERNS.map(vectorOf),
};
await Deno.writeTextFile(
  new URL("noise_postern.json", import.meta.url),
  JSON.stringify(file, null, 1) + "\n",
);
