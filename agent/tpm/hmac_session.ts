/**
 * Salted sessions (TPM 2.0 Library Part 1, 19.6 and 21): commands and answers carry an HMAC that a listener on the TPM's bus cannot
 * make, and the first parameter of either is encrypted.
 *
 * ```
 * salt           random, encrypted to a key of the TPM (annexes B.10.2 and C.6.3, label "SECRET")
 * sessionKey     KDFa(salt, "ATH", nonceTPM, nonceCaller)                                                19.6.8
 * HMAC           HMAC(sessionKey, pHash | nonceNewer | nonceOlder | attributes u8)                       19.6.5
 * cpHash         H(commandCode u32 | names of the handles | parameters)                                  16.7
 * rpHash         H(responseCode u32 = 0 | commandCode u32 | parameters)                                  16.8
 * CFB key | IV   KDFa(sessionKey, "CFB", nonceNewer, nonceOlder, 128 + 128 bits)                         21.3
 * ```
 * The newer nonce of a command is the caller's, that of an answer the TPM's. Nothing that is used here has a password: authValue is
 * empty everywhere, so that keys are the session's alone.
 */
import { createHmac } from "node:crypto";
import { aesCfbDecrypt, aesCfbEncrypt, kdfa, sharedSeed } from "../../src/attestation/ek/mod.ts";
import {
  maxDigestBytes,
  TpmAlg,
  tpmHash,
  type TpmPublic,
  TpmRh,
  TpmWriter,
} from "../../src/attestation/tpm/mod.ts";
import { concat, equalConstantTime } from "../../src/bytes/mod.ts";
import type { Random } from "../../src/ports/mod.ts";
import type { TpmTurn } from "./turn.ts";

/** TPM_SE (Part 2, 6.11). */
const SESSION_TYPE = { hmac: 0x00, policy: 0x01 } as const;
/** TPMA_SESSION (Part 2, 8.4). */
const ATTRIBUTES = { continueSession: 0x01, decrypt: 0x20, encrypt: 0x40 } as const;
const HASH = "sha256";
const DIGEST_BITS = 256;
const NONCE_BYTES = 32;
/** AES-128, which every TPM of the PC Client profile has: key and IV. */
const CIPHER_BITS = 128;
/** TPM2B_ENCRYPTED_SECRET: RSA-4096 at most. */
const MAX_SECRET_BYTES = 512;

/** What a session adds to one command. */
export interface SignedCommand {
  /** The parameters as they are sent. */
  readonly parameters: Uint8Array;
  /** TPMS_AUTH_COMMAND (Part 2, 10.13.2). */
  readonly authorization: Uint8Array;
}

/** What came behind the parameters of an answer: TPMS_AUTH_RESPONSE (Part 2, 10.13.3). */
export interface AnsweredAuthorization {
  readonly nonce: Uint8Array;
  readonly attributes: number;
  readonly hmac: Uint8Array;
}

export class HmacSession {
  readonly handle: number;
  readonly #key: Uint8Array;
  readonly #random: Random;
  #nonceTpm: Uint8Array;
  #nonceCaller: Uint8Array = new Uint8Array();
  #attributes = 0;

  private constructor(handle: number, key: Uint8Array, nonceTpm: Uint8Array, random: Random) {
    this.handle = handle;
    this.#key = key;
    this.#nonceTpm = nonceTpm;
    this.#random = random;
  }

  /**
   * TPM2_StartAuthSession (Part 3, 11.1) with a salt that only the TPM of `saltKey` can read.
   * @param saltKey a loaded decryption key
   */
  static async start(
    turn: TpmTurn,
    saltKey: { readonly handle: number; readonly area: TpmPublic },
    type: keyof typeof SESSION_TYPE,
    random: Random,
  ): Promise<HmacSession> {
    const nonceCaller = random(NONCE_BYTES);
    const { seed: salt, encryptedSecret } = sharedSeed(saltKey.area, "SECRET", random);
    const parameters = new TpmWriter()
      .sized(nonceCaller, NONCE_BYTES)
      .sized(encryptedSecret, MAX_SECRET_BYTES)
      .u8(SESSION_TYPE[type])
      .u16(TpmAlg.aes).u16(CIPHER_BITS).u16(TpmAlg.cfb)
      .u16(TpmAlg[HASH])
      .bytes();
    return await turn.run({
      name: "startAuthSession",
      handles: [saltKey.handle, TpmRh.null],
      parameters,
      makesHandle: true,
    }, (reader, handle) => {
      const nonceTpm = reader.sized(maxDigestBytes);
      const key = kdfa({ hash: HASH, label: "ATH", bits: DIGEST_BITS }, salt, nonceTpm, nonceCaller);
      salt.fill(0);
      return new HmacSession(handle, key, nonceTpm, random);
    });
  }

  /**
   * Authorizes a command, and encrypts what is secret of it and of its answer.
   * @param names of its handles, in their order: of an object its name, of everything else the handle itself
   * @param secrets whether the first parameter of the command, or of the answer, is encrypted; each is a TPM2B
   */
  sign(
    commandCode: number,
    names: readonly Uint8Array[],
    parameters: Uint8Array,
    secrets: { readonly command?: boolean; readonly answer?: boolean },
  ): SignedCommand {
    this.#nonceCaller = this.#random(NONCE_BYTES);
    this.#attributes = ATTRIBUTES.continueSession | (secrets.command ? ATTRIBUTES.decrypt : 0) |
      (secrets.answer ? ATTRIBUTES.encrypt : 0);
    const sent = secrets.command
      ? this.#first(parameters, this.#nonceCaller, this.#nonceTpm, aesCfbEncrypt)
      : parameters;
    const cpHash = tpmHash(HASH, new TpmWriter().u32(commandCode).bytes(), ...names, sent);
    const hmac = this.#hmac(cpHash, this.#nonceCaller, this.#nonceTpm, this.#attributes);
    const authorization = new TpmWriter().u32(this.handle).sized(this.#nonceCaller, NONCE_BYTES)
      .u8(this.#attributes).sized(hmac, maxDigestBytes).bytes();
    return { parameters: sent, authorization };
  }

  /** The parameters of an answer in clear; undefined when its HMAC is not the TPM's. */
  open(
    commandCode: number,
    parameters: Uint8Array,
    { nonce, attributes, hmac }: AnsweredAuthorization,
  ): Uint8Array | undefined {
    const rpHash = tpmHash(HASH, new TpmWriter().u32(0).u32(commandCode).bytes(), parameters);
    if (!equalConstantTime(hmac, this.#hmac(rpHash, nonce, this.#nonceCaller, attributes))) return undefined;
    // What was asked to be encrypted must have been: an answer in clear is none of this session.
    if ((attributes & ATTRIBUTES.encrypt) !== (this.#attributes & ATTRIBUTES.encrypt)) return undefined;
    this.#nonceTpm = nonce;
    if ((attributes & ATTRIBUTES.encrypt) === 0) return parameters;
    return this.#first(parameters, nonce, this.#nonceCaller, aesCfbDecrypt);
  }

  #hmac(pHash: Uint8Array, newer: Uint8Array, older: Uint8Array, attributes: number): Uint8Array {
    const state = createHmac(HASH, this.#key).update(pHash).update(newer).update(older);
    return new Uint8Array(state.update(Uint8Array.of(attributes)).digest());
  }

  /** With the octets of the first TPM2B passed through the cipher; its size stays in clear. */
  #first(
    parameters: Uint8Array,
    newer: Uint8Array,
    older: Uint8Array,
    cipher: typeof aesCfbEncrypt,
  ): Uint8Array {
    const bytes = parameters.length < 2 ? 0 : parameters[0] << 8 | parameters[1];
    const end = Math.min(2 + bytes, parameters.length);
    const both = kdfa({ hash: HASH, label: "CFB", bits: 2 * CIPHER_BITS }, this.#key, newer, older);
    const passed = cipher(both.subarray(0, 16), parameters.subarray(2, end), both.subarray(16));
    both.fill(0);
    return concat(parameters.subarray(0, 2), passed, parameters.subarray(end));
  }
}
