/**
 * Files whose text only this machine's TPM opens.
 *
 * ```
 * key          32 random bytes, sealed by the TPM; in memory while the process runs
 * file key     HKDF-SHA256(salt 32, key, "postern sealed file v1"): the salt is new at each write, so that one nonce will do
 * ciphertext   ChaCha20-Poly1305(file key, nonce of zeros, aad = name of the file)
 * ```
 * The whole text is sealed, not only what is secret: what it says about whom to believe cannot be altered either.
 */
import { z } from "zod";
import { fromBase64Url, fromHex, toBase64Url, toHex, utf8, utf8Decode } from "../../src/bytes/mod.ts";
import {
  CHACHA20_POLY1305_KEY_BYTES,
  CHACHA20_POLY1305_NONCE_BYTES,
  hkdfSha256,
  openChaCha20Poly1305,
  sealChaCha20Poly1305,
} from "../../src/crypto/mod.ts";
import type { TpmPcrSelection } from "../../src/attestation/tpm/mod.ts";
import { createPrivate, readPrivate, replacePrivate } from "../../src/driver/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import type { Log, Random } from "../../src/ports/mod.ts";
import type { SealedKey, TpmSealer } from "../tpm/mod.ts";
import { isSealedText, type SecretFiles } from "./secret_files.ts";

const SALT_BYTES = 32;
/** Base64 of the text, and what stands beside it. */
const OVERHEAD = 1.4;
const OVERHEAD_BYTES = 4_096;
const info = utf8("postern sealed file v1");
const nonce = new Uint8Array(CHACHA20_POLY1305_NONCE_BYTES);

const schema = z.object({
  version: z.literal(1),
  sealed_to: z.literal("tpm"),
  /** Names of keys of the TPM, hex: which TPM it is. */
  storage_name: z.string(),
  ek_name: z.string(),
  /** TPMT_PUBLIC and TPM2B_PRIVATE of the sealed key, base64url. */
  public_area: z.string(),
  private_area: z.string(),
  /** Of the SHA-256 bank. */
  pcrs: z.array(z.int().min(0).max(23)).optional(),
  salt: z.string(),
  ciphertext: z.string(),
});

/** A key and what the TPM made of it. */
interface HeldKey {
  readonly key: Uint8Array;
  readonly sealed: SealedKey;
}

export interface SealedFilesOptions {
  readonly sealer: Pick<TpmSealer, "seal" | "unseal">;
  readonly random: Random;
  readonly log: Log;
  /** PCRs that keys are sealed to. */
  readonly pcrs?: TpmPcrSelection;
}

export class SealedFiles implements SecretFiles {
  readonly kind = "tpm";
  readonly #options: SealedFilesOptions;
  /** The key of each file that was read or written. */
  readonly #held = new Map<string, HeldKey>();

  constructor(options: SealedFilesOptions) {
    this.#options = options;
  }

  /** A file that no TPM has sealed yet, or not to the PCRs of the settings, is sealed anew at once. */
  async read(path: string, maxBytes: number): Promise<string | undefined> {
    const { sealer, pcrs, log } = this.#options;
    const written = await readPrivate(path, Math.ceil(maxBytes * OVERHEAD) + OVERHEAD_BYTES);
    if (written === undefined) return undefined;
    if (!isSealedText(written)) {
      await this.replace(path, written);
      log("info", "secret file sealed to the TPM", { path });
      return written;
    }
    const { sealed, salt, ciphertext } = parsed(path, written);
    const key = await sealer.unseal(sealed);
    const text = openChaCha20Poly1305(fileKey(key, salt), nonce, aadOf(path), ciphertext);
    if (text === null) throw damaged(path);
    if (String(sealed.pcrs?.pcrs) === String(pcrs?.pcrs)) this.#held.set(path, { key, sealed });
    else {
      await this.replace(path, utf8Decode(text));
      log("info", "secret file sealed to other PCRs", { path, pcrs: pcrs?.pcrs.join(",") ?? "none" });
    }
    return utf8Decode(text);
  }

  async create(path: string, text: string): Promise<boolean> {
    return await createPrivate(path, await this.#sealed(path, text));
  }

  async replace(path: string, text: string): Promise<void> {
    await replacePrivate(path, await this.#sealed(path, text));
  }

  async #sealed(path: string, text: string): Promise<string> {
    const { key, sealed } = await this.#keyOf(path);
    const salt = this.#options.random(SALT_BYTES);
    const ciphertext = sealChaCha20Poly1305(fileKey(key, salt), nonce, aadOf(path), utf8(text));
    const file: z.infer<typeof schema> = {
      version: 1,
      sealed_to: "tpm",
      storage_name: toHex(sealed.storageName),
      ek_name: toHex(sealed.ekName),
      public_area: toBase64Url(sealed.publicArea),
      private_area: toBase64Url(sealed.privateArea),
      ...(sealed.pcrs === undefined ? {} : { pcrs: [...sealed.pcrs.pcrs] }),
      salt: toBase64Url(salt),
      ciphertext: toBase64Url(ciphertext),
    };
    return `${JSON.stringify(file, undefined, 2)}\n`;
  }

  /** The TPM is asked once for each file. */
  async #keyOf(path: string): Promise<HeldKey> {
    const { sealer, random, pcrs } = this.#options;
    const held = this.#held.get(path);
    if (held !== undefined) return held;
    const key = random(CHACHA20_POLY1305_KEY_BYTES);
    const made = { key, sealed: await sealer.seal(key, pcrs) };
    this.#held.set(path, made);
    return made;
  }
}

function parsed(path: string, text: string) {
  try {
    const file = schema.parse(JSON.parse(text));
    const sealed: SealedKey = {
      storageName: fromHex(file.storage_name),
      ekName: fromHex(file.ek_name),
      publicArea: fromBase64Url(file.public_area),
      privateArea: fromBase64Url(file.private_area),
      ...(file.pcrs === undefined ? {} : { pcrs: { bank: "sha256", pcrs: file.pcrs } }),
    };
    return { sealed, salt: fromBase64Url(file.salt), ciphertext: fromBase64Url(file.ciphertext) };
  } catch (cause) {
    throw damaged(path, cause);
  }
}

function fileKey(key: Uint8Array, salt: Uint8Array): Uint8Array {
  return hkdfSha256(salt, key, CHACHA20_POLY1305_KEY_BYTES, info);
}

/** A file does not pass for another one of the directory. */
function aadOf(path: string): Uint8Array {
  return utf8(path.slice(path.lastIndexOf("/") + 1));
}

function damaged(path: string, cause?: unknown): PosternError {
  return new PosternError("identity_seal_damaged", `Cannot use ${path}: it is not as it was sealed`, {
    cause,
  });
}
