/**
 * Noise vectors in the JSON format that the cacophony and snow projects share:
 *
 *     { "vectors": [{ "protocol_name", "init_prologue", "init_psks"?, "init_static"?, "init_ephemeral",
 *       "init_remote_static"?, "resp_..." likewise, "messages": [{ "payload", "ciphertext" }], "handshake_hash"? }] }
 *
 * All bytes in hex. Hybrid vectors carry two more fields: `init_kem_seed` (64 bytes: d and z of FIPS 203 7.1) and
 * `resp_kem_message` (32 bytes: m of FIPS 203 7.2).
 */
import { toHex } from "../../src/bytes/mod.ts";
import { codeOf } from "../../src/errors/mod.ts";
import type { KeyHandle, Random } from "../../src/ports/mod.ts";
import { loadCore } from "../../wasm/mod.ts";
import {
  HandshakeState,
  needsLocalStatic,
  needsRemoteStatic,
  parseProtocolName,
  type ProtocolName,
  SUITE_25519_CHACHAPOLY_SHA256 as SUITE,
  x25519KeyPair,
} from "../../src/crypto/mod.ts";
import { Fields } from "./fields.ts";
import { MalformedVectors, type VectorFormat, type VectorResult } from "./result.ts";

const EMPTY = new Uint8Array(0);
const TAG_BYTES = 16;
const core = loadCore();

export const noiseVectors: VectorFormat = {
  title: "Noise",
  recognises: (file) => Array.isArray((file as { vectors?: unknown }).vectors),
  *run(file) {
    const vectors = new Fields(file, "").objects("vectors");
    // A run over nothing must not look like success.
    if (vectors.length === 0) throw new MalformedVectors("it has no vectors");
    for (const vector of vectors) yield runVector(vector);
  },
};

function runVector(vector: Fields): VectorResult {
  // Older files say "name".
  const name = vector.string(vector.has("protocol_name") ? "protocol_name" : "name");
  const skipped = (reason: string): VectorResult => ({ name, outcome: "skipped", reason });
  const failed = (reason: string): VectorResult => ({ name, outcome: "failed", reason });
  if (name.startsWith("NoisePSK_")) return skipped("NoisePSK names ended with revision 32");
  if (vector.has("fallback") || vector.has("fail")) {
    return skipped("compound or failing handshakes are not run");
  }
  let protocol: ProtocolName;
  try {
    protocol = parseProtocolName(name);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return codeOf(error) === "noise_protocol_unsupported" ? skipped(reason) : failed(reason);
  }
  const foreign = foreignFunction(protocol);
  if (foreign !== null) return skipped(foreign);
  const script = readScript(vector, protocol);
  try {
    const difference = play(script, protocol);
    return difference === null ? { name, outcome: "passed" } : failed(difference);
  } catch (error) {
    return failed(error instanceof Error ? error.message : String(error));
  }
}

/** What the product has no implementation of, in words; null when it has all. */
function foreignFunction({ dh, kem, cipher, hash }: ProtocolName): string | null {
  if (dh !== SUITE.dh.name) return `no DH ${dh}`;
  if (kem !== null && kem !== SUITE.kem?.name) return `no KEM ${kem}`;
  if (cipher !== SUITE.cipher.name) return `no cipher ${cipher}`;
  if (hash !== SUITE.hash.name) return `no hash ${hash}`;
  return null;
}

interface Side {
  readonly prologue: Uint8Array;
  readonly psks: Uint8Array[];
  readonly staticKey?: Uint8Array;
  readonly remoteStatic?: Uint8Array;
  /** What the side draws from its source of randomness, in order. */
  readonly drawn: Uint8Array[];
}

interface Script {
  readonly initiator: Side;
  readonly responder: Side;
  readonly messages: { readonly payload: Uint8Array; readonly ciphertext: Uint8Array }[];
  readonly handshakeHash?: Uint8Array;
}

function readScript(vector: Fields, protocol: ProtocolName): Script {
  const script: Script = {
    initiator: readSide(vector, "init", vector.optionalHex("init_kem_seed")),
    responder: readSide(vector, "resp", vector.optionalHex("resp_kem_message")),
    messages: vector.objects("messages").map((message) => ({
      payload: message.hex("payload"),
      ciphertext: message.hex("ciphertext"),
    })),
    handshakeHash: vector.optionalHex("handshake_hash"),
  };
  const needed = protocol.pattern.messages.length;
  if (script.messages.length < needed) {
    throw new MalformedVectors(
      `${vector.path} has ${script.messages.length} messages, but its handshake alone has ${needed}`,
    );
  }
  return script;
}

function readSide(vector: Fields, side: "init" | "resp", kemSeed?: Uint8Array): Side {
  const drawn = [vector.optionalHex(`${side}_ephemeral`), kemSeed].filter((bytes) => bytes !== undefined);
  return {
    prologue: vector.optionalHex(`${side}_prologue`) ?? EMPTY,
    psks: vector.hexList(`${side}_psks`),
    staticKey: vector.optionalHex(`${side}_static`),
    remoteStatic: vector.optionalHex(`${side}_remote_static`),
    drawn,
  };
}

/** Plays both sides; returns the first difference from the script in words, or null. */
function play(script: Script, protocol: ProtocolName): string | null {
  const initiator = handshake(script.initiator, protocol, true);
  const responder = handshake(script.responder, protocol, false);
  const { pattern } = protocol;
  const handshakeMessages = pattern.messages.length;
  for (const [i, { payload, ciphertext }] of script.messages.slice(0, handshakeMessages).entries()) {
    const [writer, reader] = i % 2 === 0 ? [initiator, responder] : [responder, initiator];
    const difference = compare(`message ${i}`, writer.writeMessage(payload), ciphertext) ??
      compare(`payload ${i}`, reader.readMessage(ciphertext), payload);
    if (difference !== null) return difference;
  }
  const hash = script.handshakeHash ?? initiator.handshakeHash;
  const difference = compare("handshake hash of the initiator", initiator.handshakeHash, hash) ??
    compare("handshake hash of the responder", responder.handshakeHash, hash);
  if (difference !== null) return difference;

  const transports = [initiator.split(), responder.split()].map((keys) => ({
    forth: new Transport(keys.initiatorToResponder),
    // One-way handshakes have no way back (section 7.4).
    back: pattern.oneWay ? null : new Transport(keys.responderToInitiator),
  }));
  try {
    for (const [at, { payload, ciphertext }] of script.messages.slice(handshakeMessages).entries()) {
      const i = handshakeMessages + at;
      const direction = pattern.oneWay || i % 2 === 0 ? "forth" : "back";
      const [ours, theirs] = transports.map((transport) => transport[direction]);
      const [writer, reader] = direction === "forth" ? [ours, theirs] : [theirs, ours];
      const difference = compare(`message ${i}`, writer?.seal(payload), ciphertext) ??
        compare(`payload ${i}`, reader?.open(ciphertext), payload);
      if (difference !== null) return difference;
    }
    return null;
  } finally {
    for (const { forth, back } of transports) {
      forth.close();
      back?.close();
    }
  }
}

/** Files name keys that a pattern does not use: only those that it uses are passed on. */
function handshake(side: Side, { name, pattern }: ProtocolName, initiator: boolean): HandshakeState {
  const { staticKey, remoteStatic } = side;
  return new HandshakeState({
    protocolName: name,
    initiator,
    prologue: side.prologue,
    s: staticKey && needsLocalStatic(pattern, initiator) ? x25519KeyPair(staticKey) : undefined,
    rs: needsRemoteStatic(pattern, initiator) ? remoteStatic : undefined,
    psks: side.psks.slice(0, pattern.psks),
    random: scripted(side.drawn),
  });
}

function scripted(drawn: readonly Uint8Array[]): Random {
  const queue = [...drawn];
  return (bytes) => {
    const next = queue.shift();
    if (next?.length !== bytes) throw new Error(`the vector has no ${bytes} bytes for this ephemeral key`);
    return new Uint8Array(next);
  };
}

/** One direction after the handshake, over the sealing core: what carries records in the product. */
class Transport {
  readonly #handle: KeyHandle;

  constructor(key: Uint8Array) {
    this.#handle = core.importKey(key);
  }

  seal(plaintext: Uint8Array): Uint8Array {
    const { offset } = core.arena;
    core.memory.set(plaintext, offset);
    core.seal(this.#handle, offset, 0, offset, plaintext.length);
    return core.memory.slice(offset, offset + plaintext.length + TAG_BYTES);
  }

  /** Null when the tag does not hold. */
  open(sealed: Uint8Array): Uint8Array | null {
    const { offset } = core.arena;
    const bytes = sealed.length - TAG_BYTES;
    if (bytes < 0) return null;
    core.memory.set(sealed, offset);
    return core.open(this.#handle, offset, 0, offset, bytes)
      ? core.memory.slice(offset, offset + bytes)
      : null;
  }

  close(): void {
    core.wipeKey(this.#handle);
  }
}

function compare(what: string, actual: Uint8Array | null | undefined, expected: Uint8Array): string | null {
  const [left, right] = [actual ? toHex(actual) : "refused", toHex(expected)];
  return left === right ? null : `${what} is ${left}, expected ${right}`;
}
