/**
 * A slow second reading of the Noise specification: it opens a recorded handshake with everybody's private keys, without
 * roles or turns, over other primitives than src/crypto (WebCrypto and noble). What it opens was built as specified.
 */
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { x25519 } from "@noble/curves/ed25519.js";
import { concat, utf8 } from "../../src/bytes/mod.ts";

/** The private keys of one side. */
export interface ReferenceSide {
  readonly e: Uint8Array;
  readonly s: Uint8Array;
}

export interface RecordedHandshake {
  readonly protocolName: string;
  readonly prologue: Uint8Array;
  /** Whose static keys are pre-messages, in order. */
  readonly known: readonly ("initiator" | "responder")[];
  /** The tokens of each message, separated by spaces. */
  readonly lines: readonly string[];
  readonly initiator: ReferenceSide;
  readonly responder: ReferenceSide;
  readonly psks: readonly Uint8Array[];
  /** The seed of the initiator's ML-KEM-768 key, for hfs. */
  readonly kemSeed?: Uint8Array;
  readonly messages: readonly Uint8Array[];
}

export interface OpenedHandshake {
  readonly payloads: Uint8Array[];
  readonly handshakeHash: Uint8Array;
  readonly keys: [Uint8Array, Uint8Array];
}

const KEM_PUBLIC_KEY_BYTES = 1184;
const KEM_CIPHERTEXT_BYTES = 1088;

/** Throws when a tag does not hold or a public key is not the expected one. */
export async function openRecordedHandshake(recorded: RecordedHandshake): Promise<OpenedHandshake> {
  const name = utf8(recorded.protocolName);
  let h = name.length > 32 ? await sha256(name) : concat(name, new Uint8Array(32 - name.length));
  let ck: Uint8Array = h;
  let k: Uint8Array | null = null;
  let n = 0;
  const mixHash = async (data: Uint8Array) => {
    h = await sha256(concat(h, data));
  };
  const mixKey = async (secret: Uint8Array) => {
    const key = await hmac(ck, secret);
    ck = await hmac(key, Uint8Array.of(1));
    k = await hmac(key, concat(ck, Uint8Array.of(2)));
    n = 0;
  };
  const mixKeyAndHash = async (secret: Uint8Array) => {
    const key = await hmac(ck, secret);
    ck = await hmac(key, Uint8Array.of(1));
    const tempH = await hmac(key, concat(ck, Uint8Array.of(2)));
    await mixHash(tempH);
    k = await hmac(key, concat(tempH, Uint8Array.of(3)));
    n = 0;
  };
  const open = async (sealed: Uint8Array) => {
    const nonce = new Uint8Array(12);
    nonce[4] = n;
    const opened = k === null ? sealed : chacha20poly1305(k, nonce, h).decrypt(sealed);
    n++;
    await mixHash(sealed);
    return opened;
  };

  const { initiator, responder, psks } = recorded;
  await mixHash(recorded.prologue);
  for (const side of recorded.known) await mixHash(x25519.getPublicKey(recorded[side].s));
  const payloads: Uint8Array[] = [];
  let pskIndex = 0;
  for (const [i, line] of recorded.lines.entries()) {
    const sender = i % 2 === 0 ? initiator : responder;
    let rest = recorded.messages[i];
    const take = (bytes: number, sealed: boolean) => {
      const end = bytes + (sealed && k !== null ? 16 : 0);
      const part = rest.subarray(0, end);
      rest = rest.subarray(end);
      return part;
    };
    for (const token of line.split(" ")) {
      if (token === "e") {
        const e = take(32, false);
        same(e, x25519.getPublicKey(sender.e), "ephemeral key");
        await mixHash(e);
        if (psks.length > 0) await mixKey(e);
      } else if (token === "s") same(await open(take(32, true)), x25519.getPublicKey(sender.s), "static key");
      else if (token === "ee") {
        await mixKey(x25519.getSharedSecret(initiator.e, x25519.getPublicKey(responder.e)));
      } else if (token === "es") {
        await mixKey(x25519.getSharedSecret(initiator.e, x25519.getPublicKey(responder.s)));
      } else if (token === "se") {
        await mixKey(x25519.getSharedSecret(initiator.s, x25519.getPublicKey(responder.e)));
      } else if (token === "ss") {
        await mixKey(x25519.getSharedSecret(initiator.s, x25519.getPublicKey(responder.s)));
      } else if (token === "psk") await mixKeyAndHash(psks[pskIndex++]);
      else if (token === "e1") {
        same(await open(take(KEM_PUBLIC_KEY_BYTES, true)), await kemPublicKey(recorded.kemSeed!), "KEM key");
      } else if (token === "ekem1") {
        await mixKey(await decapsulate(recorded.kemSeed!, await open(take(KEM_CIPHERTEXT_BYTES, true))));
      } else throw new Error(`unknown token ${token}`);
    }
    payloads.push(await open(rest));
  }
  const key = await hmac(ck, new Uint8Array(0));
  const first = await hmac(key, Uint8Array.of(1));
  return { payloads, handshakeHash: h, keys: [first, await hmac(key, concat(first, Uint8Array.of(2)))] };
}

function same(actual: Uint8Array, expected: Uint8Array, what: string): void {
  if (actual.toHex() !== expected.toHex()) throw new Error(`the ${what} differs`);
}

async function sha256(data: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array(data)));
}

async function hmac(key: Uint8Array, data: Uint8Array): Promise<Uint8Array> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("raw", new Uint8Array(key), algorithm, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, new Uint8Array(data)));
}

/** ML-KEM in WebCrypto, which the type declarations do not know yet. */
export const mlKemSubtle = crypto.subtle as unknown as {
  generateKey(algorithm: "ML-KEM-768", extractable: true, usages: string[]): Promise<CryptoKeyPair>;
  importKey(
    format: string,
    data: Uint8Array,
    algorithm: "ML-KEM-768",
    extractable: true,
    usages: string[],
  ): Promise<
    CryptoKey
  >;
  exportKey(format: string, key: CryptoKey): Promise<ArrayBuffer>;
  getPublicKey(key: CryptoKey, usages: string[]): Promise<CryptoKey>;
  encapsulateBits(
    algorithm: "ML-KEM-768",
    key: CryptoKey,
  ): Promise<{ ciphertext: ArrayBuffer; sharedKey: ArrayBuffer }>;
  decapsulateBits(algorithm: "ML-KEM-768", key: CryptoKey, ciphertext: Uint8Array): Promise<ArrayBuffer>;
};

async function kemPublicKey(seed: Uint8Array): Promise<Uint8Array> {
  const key = await mlKemSubtle.importKey("raw-seed", seed, "ML-KEM-768", true, ["decapsulateBits"]);
  const publicKey = await mlKemSubtle.getPublicKey(key, ["encapsulateBits"]);
  return new Uint8Array(await mlKemSubtle.exportKey("raw-public", publicKey));
}

async function decapsulate(seed: Uint8Array, ciphertext: Uint8Array): Promise<Uint8Array> {
  const key = await mlKemSubtle.importKey("raw-seed", seed, "ML-KEM-768", true, ["decapsulateBits"]);
  return new Uint8Array(await mlKemSubtle.decapsulateBits("ML-KEM-768", key, ciphertext));
}
