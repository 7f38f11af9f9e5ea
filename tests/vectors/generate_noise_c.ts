/**
 * Writes tests/vectors/noise_c.json: Noise vectors made by noise-c, which shares no code with Postern. This build of it
 * knows the one-way and the fundamental patterns, but neither deferred patterns nor psk modifiers.
 * Run with `deno run -A tests/vectors/generate_noise_c.ts`. All bytes come from labels, so the file is reproducible.
 */
import { createHash } from "node:crypto";
import { utf8 } from "../../src/bytes/mod.ts";
import {
  type HandshakePattern,
  needsLocalStatic,
  needsRemoteStatic,
  parsePattern,
  PATTERN_NAMES,
  x25519KeyPair,
} from "../../src/crypto/mod.ts";
import { loadNoiseC, type NoiseCHandshake } from "../support/noise_c.ts";

const TRANSPORT_MESSAGES = 4;
const noiseC = await loadNoiseC();

/** 32 bytes that depend on the label only. */
function derived(label: string): Uint8Array {
  return new Uint8Array(createHash("sha256").update(`noise vectors: ${label}`).digest());
}

function newHandshake(name: string, initiator: boolean): NoiseCHandshake | null {
  try {
    return noiseC.handshake(name, initiator);
  } catch {
    return null;
  }
}

function vectorOf(pattern: HandshakePattern): object | null {
  const name = `Noise_${pattern.name}_25519_ChaChaPoly_SHA256`;
  const handshakes = [newHandshake(name, true), newHandshake(name, false)];
  if (handshakes[0] === null || handshakes[1] === null) return null;
  const prologue = utf8(`Prologue of ${pattern.name}`);
  const sides = ["init", "resp"].map((role, i) => ({
    role,
    initiator: i === 0,
    staticKey: x25519KeyPair(derived(`${name} ${role} static`)),
    ephemeral: derived(`${name} ${role} ephemeral`),
  }));
  const vector: Record<string, unknown> = { protocol_name: name };
  for (const [i, { role, initiator, staticKey, ephemeral }] of sides.entries()) {
    const s = needsLocalStatic(pattern, initiator) ? staticKey.privateKey : null;
    const rs = needsRemoteStatic(pattern, initiator) ? sides[1 - i].staticKey.publicKey : null;
    vector[`${role}_prologue`] = prologue.toHex();
    if (s) vector[`${role}_static`] = s.toHex();
    if (initiator || !pattern.oneWay) vector[`${role}_ephemeral`] = ephemeral.toHex();
    if (rs) vector[`${role}_remote_static`] = rs.toHex();
    handshakes[i]!.Initialize(prologue, s, rs, null);
  }
  const messages: { payload: string; ciphertext: string }[] = [];
  const record = (payload: Uint8Array, ciphertext: Uint8Array, opened: Uint8Array) => {
    if (opened.toHex() !== payload.toHex()) throw new Error(`noise-c disagrees with itself in ${name}`);
    messages.push({ payload: payload.toHex(), ciphertext: ciphertext.toHex() });
  };
  for (let i = 0; i < pattern.messages.length; i++) {
    noiseC.setRandom((bytes) => sides[i % 2].ephemeral.slice(0, bytes));
    const payload = utf8(`Payload ${i} of ${pattern.name}`);
    const message = handshakes[i % 2]!.WriteMessage(payload);
    record(payload, message, handshakes[1 - i % 2]!.ReadMessage(message, true));
  }
  vector.handshake_hash = handshakes[0].GetHandshakeHash().toHex();
  const ciphers = handshakes.map((handshake) => handshake!.Split());
  for (let i = pattern.messages.length; i < pattern.messages.length + TRANSPORT_MESSAGES; i++) {
    const sender = pattern.oneWay ? 0 : i % 2;
    const payload = utf8(`Payload ${i} of ${pattern.name}`);
    const message = ciphers[sender][0].EncryptWithAd(new Uint8Array(0), payload);
    record(payload, message, ciphers[1 - sender][1].DecryptWithAd(new Uint8Array(0), message));
  }
  for (const cipher of ciphers.flat()) cipher.free();
  return { ...vector, messages };
}

const vectors = PATTERN_NAMES.map((name) => vectorOf(parsePattern(name))).filter((vector) => vector !== null);
await Deno.writeTextFile(
  new URL("noise_c.json", import.meta.url),
  JSON.stringify({ source: "made by noise-c.wasm 0.4.0: see generate_noise_c.ts", vectors }, null, 1) + "\n",
);
