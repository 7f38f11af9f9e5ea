/**
 * The operator's list of what is not to be trusted any more. EK certificates seldom name a revocation list of their own, and are
 * valid for decades: this is how one is taken back.
 *
 * ```json
 * {
 *   "version": 1,
 *   "certificates": [{ "sha256": "…", "note": "stolen laptop" }],
 *   "keys": [{ "sha256": "…" }],
 *   "serials": [{ "issuer_sha256": "…", "serials": ["0a:1b", "2C"] }]
 * }
 * ```
 */
import { z } from "zod";
import { utf8Decode } from "../../bytes/mod.ts";
import { PosternError } from "../../errors/mod.ts";
import type { Certificate } from "./certificate.ts";

/** All of them lower-case hex. */
export interface Revocations {
  /** SHA-256 of certificates. */
  readonly certificates: ReadonlySet<string>;
  /** SHA-256 of public keys (SubjectPublicKeyInfo): whatever certificate holds them. */
  readonly keys: ReadonlySet<string>;
  /** Serial numbers by SHA-256 of the issuer's certificate, or of its public key. */
  readonly serials: ReadonlyMap<string, ReadonlySet<string>>;
}

export const noRevocations: Revocations = Object.freeze({
  certificates: new Set<string>(),
  keys: new Set<string>(),
  serials: new Map<string, Set<string>>(),
});

/** A file of this many bytes holds some 40,000 entries. */
export const maxRevocationsBytes = 4 * 1_024 * 1_024;

/** As tools print it: any case, with or without colons. */
const hexText = z.string().max(256).transform((text, context) => {
  const hex = text.replaceAll(":", "").toLowerCase();
  if (/^[0-9a-f]+$/.test(hex)) return hex;
  context.addIssue({ code: "custom", message: "must be hex" });
  return z.NEVER;
});
const sha256 = hexText.refine((hex) => hex.length === 64, "must be a SHA-256 of 64 hex digits");
const serial = hexText.transform((hex) => hex.replace(/^0+(?=.)/, ""));
const note = z.string().optional();

const fileSchema = z.strictObject({
  version: z.literal(1),
  certificates: z.array(z.strictObject({ sha256, note })).default([]),
  keys: z.array(z.strictObject({ sha256, note })).default([]),
  serials: z.array(z.strictObject({ issuer_sha256: sha256, serials: z.array(serial).min(1), note })).default(
    [],
  ),
});

/** From a file's bytes. Throws `ek_revocations_unusable`: a list that is half read would let through what it names. */
export function readRevocations(bytes: Uint8Array, path: string): Revocations {
  const unusable = (state: string, cause?: unknown) =>
    new PosternError("ek_revocations_unusable", `Cannot use the revocation list ${path}: ${state}`, {
      cause,
    });
  if (bytes.length > maxRevocationsBytes) throw unusable(`it has more than ${maxRevocationsBytes} bytes`);
  let json: unknown;
  try {
    json = JSON.parse(utf8Decode(bytes));
  } catch (cause) {
    throw unusable("it is no JSON", cause);
  }
  const parsed = fileSchema.safeParse(json);
  if (!parsed.success) {
    const { path: field, message } = parsed.error.issues[0];
    throw unusable(`${field.join(".") || "the file"}: ${message}`);
  }
  const serials = new Map<string, Set<string>>();
  for (const entry of parsed.data.serials) {
    const known = serials.get(entry.issuer_sha256) ?? new Set();
    serials.set(entry.issuer_sha256, known.union(new Set(entry.serials)));
  }
  return {
    certificates: new Set(parsed.data.certificates.map((entry) => entry.sha256)),
    keys: new Set(parsed.data.keys.map((entry) => entry.sha256)),
    serials,
  };
}

/** Whether the list names the certificate. A root has no issuer but itself. */
export function isRevoked(list: Revocations, certificate: Certificate, issuer: Certificate): boolean {
  const { sha256, keySha256, serial } = certificate;
  return list.certificates.has(sha256) || list.keys.has(keySha256) ||
    [issuer.sha256, issuer.keySha256].some((name) => list.serials.get(name)?.has(serial) === true);
}
