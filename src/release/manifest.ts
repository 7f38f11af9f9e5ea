/**
 * The signed description of one release.
 *
 * ```json
 * { "manifest": { "format": 1, "version": "1.2.3", ... }, "signatures": [{ "key": "<id>", "signature": "<base64url>" }] }
 * ```
 * Signed is `postern release v1\0` and the manifest as canonical JSON: keys of objects in the order of their UTF-16 code units,
 * no blanks. White space and order in the file are free; every field is covered, also one that this version does not know.
 */
import { type KeyObject, sign, verify } from "node:crypto";
import { z } from "zod";
import { concat, fromBase64Url, toBase64Url, utf8 } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import { type ReleaseKey, releaseKeyOf } from "./keys.ts";
import { isVersion } from "./version.ts";

/** A manifest names a handful of files. */
export const maxManifestBytes = 262_144;
/** Some ten times the program of today. */
const maxArtifactBytes = 536_870_912;
const maxPlatforms = 32;
const maxLabels = 64;
const maxSignatures = 8;
/** Deeper ones are no manifest, and cost no stack. */
const maxDepth = 16;

const version = z.string().refine(isVersion);
const time = z.iso.datetime();

const artifact = z.object({
  /** A plain name, beside the manifest. */
  file: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/),
  size: z.int().min(1).max(maxArtifactBytes),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
/** One file of a release. `size` in bytes, `sha256` in hex. */
export type Artifact = z.infer<typeof artifact>;

const schema = z.object({
  format: z.literal(1),
  channel: z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/),
  version,
  /** What a program has to be at least to go to this release directly. */
  minimum_previous: version,
  created: time,
  expires: time,
  rollout: z.object({
    percent: z.int().min(0).max(100),
    /** Machines with one of them; all when empty. */
    labels: z.array(z.string().min(1).max(64)).max(maxLabels),
  }),
  /** By target triple, such as `x86_64-unknown-linux-gnu`. */
  platforms: z.record(z.string().regex(/^[a-z0-9_-]{1,64}$/), artifact)
    .refine((all) => Object.keys(all).length >= 1 && Object.keys(all).length <= maxPlatforms),
  /** Keys that count from this release on, instead of those before; 32 bytes each in base64url. */
  next_keys: z.array(z.string().length(43)).min(1).max(maxSignatures).optional(),
}).refine(({ created, expires }) => Date.parse(created) < Date.parse(expires));

export type ReleaseManifest = z.infer<typeof schema>;

const signedSchema = z.object({
  manifest: z.unknown(),
  signatures: z.array(z.object({ key: z.string().max(64), signature: z.string().max(128) })).min(1).max(
    maxSignatures,
  ),
});

/** The text of a manifest file whose every part is signed by each of the private keys. Throws `release_manifest_malformed`. */
export function signManifest(
  manifest: ReleaseManifest,
  signers: readonly { readonly id: string; readonly privateKey: KeyObject }[],
): string {
  const checked = readManifest(manifest);
  const bytes = signedBytes(checked);
  const signatures = signers.map(({ id, privateKey }) => ({
    key: id,
    signature: toBase64Url(new Uint8Array(sign(null, bytes, privateKey))),
  }));
  return `${JSON.stringify({ manifest: checked, signatures }, null, 2)}\n`;
}

/**
 * What a manifest says, once one of the keys vouches for it: before that nothing in it is looked at.
 * @throws PosternError `release_manifest_malformed`, `release_key_unknown`, `release_signature_invalid`
 */
export function openManifest(text: string, keys: readonly ReleaseKey[]): ReleaseManifest {
  let value: unknown;
  try {
    if (text.length > maxManifestBytes) throw new RangeError("too long");
    value = JSON.parse(text);
  } catch (cause) {
    throw malformed("it is no JSON, or longer than 256 KiB", cause);
  }
  const parsed = signedSchema.safeParse(value);
  if (!parsed.success) throw malformed("it is no signed manifest");
  const { manifest, signatures } = parsed.data;
  const bytes = signedBytes(manifest);
  const known = signatures.flatMap(({ key, signature }) =>
    keys.filter(({ id }) => id === key).map((trusted) => ({ trusted, signature }))
  );
  if (known.length === 0) {
    throw new PosternError("release_key_unknown", "Cannot trust release: none of the pinned keys signed it");
  }
  if (!known.some(({ trusted, signature }) => holds(bytes, trusted, signature))) {
    throw new PosternError(
      "release_signature_invalid",
      "Cannot trust release: its signature does not belong to what it says",
    );
  }
  return readManifest(manifest);
}

/** Throws `release_manifest_malformed`. */
function readManifest(value: unknown): ReleaseManifest {
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw malformed(`${issue.path.map(String).join(".") || "it"} is missing or wrong`);
  }
  for (const key of parsed.data.next_keys ?? []) releaseKeyOf(key);
  return parsed.data;
}

function holds(bytes: Uint8Array, { key }: ReleaseKey, signature: string): boolean {
  try {
    return verify(null, bytes, key, fromBase64Url(signature));
  } catch {
    return false;
  }
}

function signedBytes(manifest: unknown): Uint8Array<ArrayBuffer> {
  return concat(utf8("postern release v1\0"), utf8(canonicalJson(manifest)));
}

/** One text for one value, however it was written. Throws `release_manifest_malformed` for what is not plain JSON. */
export function canonicalJson(value: unknown, depth = 0): string {
  if (depth > maxDepth) throw malformed("it is nested too deeply");
  if (Array.isArray(value)) return `[${value.map((part) => canonicalJson(part, depth + 1)).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const parts = Object.entries(value)
      .filter(([, part]) => part !== undefined)
      .sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0)
      .map(([name, part]) => `${JSON.stringify(name)}:${canonicalJson(part, depth + 1)}`);
    return `{${parts.join(",")}}`;
  }
  // Fractions have several notations in other languages.
  if (typeof value === "number" && !Number.isSafeInteger(value)) {
    throw malformed("it has a number that is not whole");
  }
  if (value === undefined) throw malformed("it is empty");
  return JSON.stringify(value);
}

function malformed(state: string, cause?: unknown): PosternError {
  return new PosternError("release_manifest_malformed", `Cannot read release manifest: ${state}`, { cause });
}
