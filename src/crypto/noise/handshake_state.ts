import { concat } from "../../bytes/mod.ts";
import { PosternError } from "../../errors/mod.ts";
import type { Random } from "../../ports/mod.ts";
import { takeKeyMaterial } from "./key_material.ts";
import type { HandshakePattern, Token } from "./patterns.ts";
import { parseProtocolName, type ProtocolName } from "./protocol_name.ts";
import { type NoiseKem, type NoiseKeyPair, type NoiseSuite, TAG_BYTES } from "./suite.ts";
import { SUITE_25519_CHACHAPOLY_SHA256 } from "./suite_25519_chachapoly_sha256.ts";
import { SymmetricState } from "./symmetric_state.ts";

/** A Noise message is at most this long, keys and tags included (section 3). */
export const MAX_NOISE_MESSAGE_BYTES = 65_535;

/** What a handshake starts from. Keys are copied; the caller's are never changed. */
export interface HandshakeOptions {
  /** As in "Noise_XK_25519_ChaChaPoly_SHA256": names the pattern, and must name the suite's functions. */
  readonly protocolName: string;
  readonly initiator: boolean;
  /** What both sides already agree on, authenticated but not sent. Default empty. */
  readonly prologue?: Uint8Array;
  /** Local static key pair, where the pattern uses one. */
  readonly s?: NoiseKeyPair;
  /** Remote static public key, where the pattern presumes it. */
  readonly rs?: Uint8Array;
  /** Pre-shared keys of 32 bytes in the order of the pattern's psk tokens. */
  readonly psks?: readonly Uint8Array[];
  /** Called once for each of: an ephemeral key, a KEM key pair, a KEM encapsulation. */
  readonly random: Random;
  /** Default: X25519, ChaCha20-Poly1305, SHA-256, ML-KEM-768. */
  readonly suite?: NoiseSuite;
}

/** Keys of the transport phase, 32 bytes each; the caller wipes them once they are imported. */
export interface TransportKeys {
  readonly initiatorToResponder: Uint8Array;
  /** Empty for one-way patterns, whose responder may not send (section 7.4). */
  readonly responderToInitiator: Uint8Array;
  /** 32 further secret bytes that no record is sealed with: later key agreements of the channel are mixed into them. */
  readonly root: Uint8Array;
}

/**
 * The HandshakeState object (section 5.3).
 *
 *     running --last message--> finished --split()--> split
 *        |                         |                    |
 *        +------ failure, wipe() --+------ wipe() ------+--> dead
 *
 * A failed message ends the handshake: all secrets are zeroed, and every further call throws `noise_state_dead`.
 * Calls out of turn (`noise_out_of_turn`) and payloads that do not fit (`noise_message_too_long`) change nothing.
 *
 * There is deliberately no way to pass an ephemeral key: each handshake draws its own from `random`.
 */
export class HandshakeState {
  readonly #suite: NoiseSuite;
  readonly #kem: NoiseKem | null;
  readonly #pattern: HandshakePattern;
  readonly #initiator: boolean;
  readonly #random: Random;
  readonly #symmetricState: SymmetricState;
  readonly #psks: readonly Uint8Array[];
  readonly #s: NoiseKeyPair | null;
  #e: NoiseKeyPair | null = null;
  #rs: Uint8Array | null;
  #re: Uint8Array | null = null;
  /** Local (initiator) and remote (responder) KEM keys of hfs patterns. */
  #e1: NoiseKeyPair | null = null;
  #re1: Uint8Array | null = null;
  #phase: "running" | "finished" | "split" | "dead" = "running";
  #messageIndex = 0;
  #pskIndex = 0;

  /**
   * Initialize(). Throws `noise_name_malformed`, `noise_protocol_unsupported`, `noise_key_missing`,
   * `noise_psk_missing`, `noise_key_unexpected`, `noise_key_malformed`, `noise_bad_public_key`.
   */
  constructor(options: HandshakeOptions) {
    this.#suite = options.suite ?? SUITE_25519_CHACHAPOLY_SHA256;
    const protocol = parseProtocolName(options.protocolName);
    checkFunctions(protocol, this.#suite);
    this.#kem = protocol.kem === null ? null : this.#suite.kem ?? null;
    const pattern = this.#pattern = protocol.pattern;
    const initiator = this.#initiator = options.initiator;
    this.#random = options.random;
    const keys = takeKeyMaterial(options, pattern, initiator, this.#suite.dh);
    this.#s = keys.s;
    this.#rs = keys.rs;
    this.#psks = keys.psks;
    this.#symmetricState = new SymmetricState(protocol.name, this.#suite);
    this.#symmetricState.mixHash(options.prologue ?? new Uint8Array(0));
    // Pre-messages: the initiator's first.
    if (pattern.initiatorStaticKnown) {
      this.#symmetricState.mixHash(initiator ? present(this.#s).publicKey : present(this.#rs));
    }
    if (pattern.responderStaticKnown) {
      this.#symmetricState.mixHash(initiator ? present(this.#rs) : present(this.#s).publicKey);
    }
  }

  /** Whether all messages are processed, so that {@link split} may be called. */
  get finished(): boolean {
    return this.#phase === "finished" || this.#phase === "split";
  }

  /** Whether the next call has to be {@link writeMessage}. */
  get myTurn(): boolean {
    return this.#phase === "running" && (this.#messageIndex % 2 === 0) === this.#initiator;
  }

  /** A copy of `h` after the last processed message (section 11.2: channel binding). Throws `noise_state_dead`. */
  get handshakeHash(): Uint8Array {
    this.#checkAlive();
    return this.#symmetricState.handshakeHash;
  }

  /**
   * A copy of the other side's static public key; null before it is known. It is authenticated once a message that
   * mixes it in was read: for XK and XX, when the handshake is finished. Throws `noise_state_dead`.
   */
  get remoteStatic(): Uint8Array | null {
    this.#checkAlive();
    return this.#rs?.slice() ?? null;
  }

  /** How many bytes the next message is longer than its payload; 0 when there is none. */
  get overheadBytes(): number {
    if (this.#phase !== "running") return 0;
    const { dh } = this.#suite;
    const usesPsk = this.#pattern.psks > 0;
    let tagBytes = this.#symmetricState.hasKey ? TAG_BYTES : 0;
    let total = 0;
    for (const token of this.#pattern.messages[this.#messageIndex]) {
      if (token === "e") total += dh.publicKeyBytes;
      else if (token === "s") total += dh.publicKeyBytes + tagBytes;
      else if (token === "e1") total += present(this.#kem).publicKeyBytes + tagBytes;
      else if (token === "ekem1") total += present(this.#kem).ciphertextBytes + tagBytes;
      // All others mix in a key; "e" does where pre-shared keys are used (9.2).
      if (token !== "s" && token !== "e1" && (token !== "e" || usesPsk)) tagBytes = TAG_BYTES;
    }
    return total + tagBytes;
  }

  /**
   * WriteMessage(payload): the next message, with the payload in it.
   * Throws `noise_out_of_turn`, `noise_message_too_long` (both leave the state as it is), `noise_state_dead`,
   * `noise_bad_public_key`.
   */
  writeMessage(payload: Uint8Array): Uint8Array<ArrayBuffer> {
    const tokens = this.#begin("write");
    const bytes = this.overheadBytes + payload.length;
    if (bytes > MAX_NOISE_MESSAGE_BYTES) throw tooLong("write", bytes);
    return this.#step(() => {
      const parts = tokens.map((token) => this.#writeToken(token));
      return concat(...parts, this.#symmetricState.encryptAndHash(payload));
    });
  }

  /**
   * ReadMessage(message): the payload of the other side's message.
   * Throws `noise_out_of_turn` (leaves the state as it is), `noise_state_dead`; and with the state dead behind it
   * `noise_message_too_long`, `noise_message_too_short`, `noise_bad_public_key`, `noise_decrypt_failed`.
   */
  readMessage(message: Uint8Array): Uint8Array {
    const tokens = this.#begin("read");
    return this.#step(() => {
      if (message.length > MAX_NOISE_MESSAGE_BYTES) throw tooLong("read", message.length);
      // Also makes sure that no slice below comes out short.
      if (message.length < this.overheadBytes) {
        throw new PosternError("noise_message_too_short", undefined, {
          detail: { bytes: message.length, atLeastBytes: this.overheadBytes },
        });
      }
      let rest = message;
      for (const token of tokens) rest = rest.subarray(this.#readToken(token, rest));
      return this.#symmetricState.decryptAndHash(rest);
    });
  }

  /**
   * Split(): the transport keys, once. The handshake's secrets are gone afterwards; {@link handshakeHash} and
   * {@link remoteStatic} stay. Throws `noise_out_of_turn` before the last message and at a second call.
   */
  split(): TransportKeys {
    this.#checkAlive();
    if (this.#phase !== "finished") {
      const state = this.#phase === "split" ? "they were taken before" : "the handshake is not finished";
      throw new PosternError("noise_out_of_turn", `Cannot split the handshake into transport keys: ${state}`);
    }
    const [first, second, root] = this.#symmetricState.split();
    this.#wipeSecrets();
    this.#phase = "split";
    if (!this.#pattern.oneWay) return { initiatorToResponder: first, responderToInitiator: second, root };
    second.fill(0);
    return { initiatorToResponder: first, responderToInitiator: new Uint8Array(0), root };
  }

  /** Zeroes all secrets and ends the handshake. Idempotent. */
  wipe(): void {
    this.#wipeSecrets();
    this.#phase = "dead";
  }

  #begin(action: "read" | "write"): readonly Token[] {
    this.#checkAlive();
    if (this.#phase !== "running" || this.myTurn !== (action === "write")) {
      const state = this.#phase === "running" ? "it is the other side's turn" : "the handshake is finished";
      throw new PosternError("noise_out_of_turn", `Cannot ${action} the next handshake message: ${state}`, {
        detail: { messageIndex: this.#messageIndex },
      });
    }
    return this.#pattern.messages[this.#messageIndex];
  }

  #step<T>(work: () => T): T {
    try {
      const result = work();
      this.#messageIndex++;
      if (this.#messageIndex === this.#pattern.messages.length) this.#phase = "finished";
      return result;
    } catch (error) {
      this.wipe();
      throw error;
    }
  }

  #writeToken(token: Token): Uint8Array {
    const { dh } = this.#suite;
    switch (token) {
      case "e":
        this.#e = dh.generateKeyPair(this.#random);
        this.#mixEphemeral(this.#e.publicKey);
        return this.#e.publicKey;
      case "s":
        return this.#symmetricState.encryptAndHash(present(this.#s).publicKey);
      case "e1":
        this.#e1 = present(this.#kem).generateKeyPair(this.#random);
        return this.#symmetricState.encryptAndHash(this.#e1.publicKey);
      case "ekem1": {
        const { ciphertext, sharedSecret } = present(this.#kem).encapsulate(present(this.#re1), this.#random);
        const sealed = this.#symmetricState.encryptAndHash(ciphertext);
        this.#mixSecret(sharedSecret);
        return sealed;
      }
      default:
        this.#mixToken(token);
        return new Uint8Array(0);
    }
  }

  /** Processes a token against the rest of the message; returns how many bytes it took. */
  #readToken(token: Token, rest: Uint8Array): number {
    const { dh } = this.#suite;
    switch (token) {
      case "e":
        this.#re = rest.slice(0, dh.publicKeyBytes);
        this.#mixEphemeral(this.#re);
        return dh.publicKeyBytes;
      case "s": {
        const bytes = this.#sealedBytes(dh.publicKeyBytes);
        this.#rs = this.#symmetricState.decryptAndHash(rest.subarray(0, bytes));
        return bytes;
      }
      case "e1": {
        const kem = present(this.#kem);
        const bytes = this.#sealedBytes(kem.publicKeyBytes);
        this.#re1 = this.#symmetricState.decryptAndHash(rest.subarray(0, bytes));
        if (!kem.isValidPublicKey(this.#re1)) {
          throw new PosternError(
            "noise_bad_public_key",
            `Cannot use the ${kem.name} public key: it is not valid`,
          );
        }
        return bytes;
      }
      case "ekem1": {
        const kem = present(this.#kem);
        const bytes = this.#sealedBytes(kem.ciphertextBytes);
        const ciphertext = this.#symmetricState.decryptAndHash(rest.subarray(0, bytes));
        this.#mixSecret(kem.decapsulate(present(this.#e1).privateKey, ciphertext));
        return bytes;
      }
      default:
        this.#mixToken(token);
        return 0;
    }
  }

  /** Tokens that carry nothing, the same for both directions. */
  #mixToken(token: "ee" | "es" | "se" | "ss" | "psk"): void {
    switch (token) {
      case "ee":
        return this.#mixDh(this.#e, this.#re);
      case "es":
        return this.#initiator ? this.#mixDh(this.#e, this.#rs) : this.#mixDh(this.#s, this.#re);
      case "se":
        return this.#initiator ? this.#mixDh(this.#s, this.#re) : this.#mixDh(this.#e, this.#rs);
      case "ss":
        return this.#mixDh(this.#s, this.#rs);
      case "psk":
        return this.#symmetricState.mixKeyAndHash(this.#psks[this.#pskIndex++]);
      default:
        return token satisfies never;
    }
  }

  /** Section 9.2: where pre-shared keys are used, ephemeral keys are also mixed into the key. */
  #mixEphemeral(publicKey: Uint8Array): void {
    this.#symmetricState.mixHash(publicKey);
    if (this.#pattern.psks > 0) this.#symmetricState.mixKey(publicKey);
  }

  #mixDh(local: NoiseKeyPair | null, remote: Uint8Array | null): void {
    this.#mixSecret(this.#suite.dh.dh(present(local).privateKey, present(remote)));
  }

  #mixSecret(secret: Uint8Array): void {
    this.#symmetricState.mixKey(secret);
    secret.fill(0);
  }

  #sealedBytes(bytes: number): number {
    return this.#symmetricState.hasKey ? bytes + TAG_BYTES : bytes;
  }

  #checkAlive(): void {
    if (this.#phase === "dead") throw new PosternError("noise_state_dead");
  }

  #wipeSecrets(): void {
    this.#symmetricState.wipe();
    this.#s?.privateKey.fill(0);
    this.#e?.privateKey.fill(0);
    this.#e1?.privateKey.fill(0);
    for (const psk of this.#psks) psk.fill(0);
  }
}

function checkFunctions(protocol: ProtocolName, suite: NoiseSuite): void {
  const fits = protocol.dh === suite.dh.name && protocol.cipher === suite.cipher.name &&
    protocol.hash === suite.hash.name && (protocol.kem === null || protocol.kem === suite.kem?.name);
  if (!fits) {
    throw new PosternError(
      "noise_protocol_unsupported",
      `Cannot use the protocol ${protocol.name}: the suite has other functions`,
    );
  }
}

/** Patterns and key checks guarantee presence: the specification's patterns never use a key before it is there. */
function present<T>(value: T | null): T {
  if (value === null) throw new Error("Noise pattern uses a key before it is known");
  return value;
}

function tooLong(action: "read" | "write", bytes: number): PosternError {
  return new PosternError(
    "noise_message_too_long",
    `Cannot ${action} the handshake message: it is longer than ${MAX_NOISE_MESSAGE_BYTES} bytes`,
    { detail: { bytes, maxBytes: MAX_NOISE_MESSAGE_BYTES } },
  );
}
