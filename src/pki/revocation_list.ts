/** What was taken back before its time: a signed list that every node holds, and that counts for a bounded time only. */
import { z } from "zod";
import { type Certificate } from "../attestation/ek/mod.ts";
import { PosternError } from "../errors/mod.ts";
import type { Authority } from "./authority.ts";
import { openDocument, signDocument, type SignedDocument } from "./signed_document.ts";
import { formatSpiffeId, isTrustDomain, parseSpiffeId, type SpiffeId } from "./spiffe_id.ts";
import { isAccepted, type TrustBundle } from "./trust_bundle.ts";

/** A certificate by its serial number, hex without leading zeros; a key by SHA-256 of its SubjectPublicKeyInfo, hex; a node by its SPIFFE id. */
export const revokedKinds = ["serial", "key", "id"] as const;
export type RevokedKind = typeof revokedKinds[number];
/** `drain`: open streams may end. `cut`: nothing more. */
export const severities = ["drain", "cut"] as const;
export type Severity = typeof severities[number];

export interface RevokedIdentity {
  readonly kind: RevokedKind;
  readonly value: string;
  readonly severity: Severity;
  /** Unix milliseconds. */
  readonly atMs: number;
}

export interface RevocationList {
  readonly trustDomain: string;
  /** Counts up with every change. */
  readonly version: number;
  /** The newest trust bundle: whoever holds an older one fetches it. */
  readonly bundleVersion: number;
  readonly issuedAtMs: number;
  /** By when there is a newer one, changed or not. */
  readonly nextUpdateMs: number;
  readonly entries: readonly RevokedIdentity[];
}

/** How long after `nextUpdateMs` a list still counts. After that nobody is accepted: what was revoked since is not known. */
export const revocationsGraceMs = 600_000;

const maxEntries = 10_000;
const ms = z.int().min(0);
const payloadSchema = z.strictObject({
  format: z.literal(1),
  trust_domain: z.string().refine(isTrustDomain),
  version: z.int().min(0),
  bundle_version: z.int().min(1),
  issued_at_ms: ms,
  next_update_ms: ms,
  entries: z.array(z.strictObject({
    kind: z.enum(revokedKinds),
    value: z.string().max(384),
    severity: z.enum(severities),
    at_ms: ms,
  })).max(maxEntries),
});

/** What an entry names, in the one spelling that counts; undefined for what names nothing. */
export function revokedValue(kind: RevokedKind, value: string): string | undefined {
  const hex = value.replaceAll(":", "").toLowerCase();
  switch (kind) {
    case "serial":
      return /^[0-9a-f]{1,40}$/.test(hex) ? hex.replace(/^0+(?=.)/, "") : undefined;
    case "key":
      return /^[0-9a-f]{64}$/.test(hex) ? hex : undefined;
    case "id":
      try {
        return formatSpiffeId(parseSpiffeId(value));
      } catch {
        return undefined;
      }
    default:
      return kind satisfies never;
  }
}

export function signRevocations(list: RevocationList, authority: Authority): Promise<SignedDocument> {
  return signDocument("revocations", {
    format: 1,
    trust_domain: list.trustDomain,
    version: list.version,
    bundle_version: list.bundleVersion,
    issued_at_ms: list.issuedAtMs,
    next_update_ms: list.nextUpdateMs,
    entries: list.entries.map(({ atMs, ...entry }) => ({ ...entry, at_ms: atMs })),
  }, [authority]);
}

/**
 * The list, when an issuing CA signed it that counts now. @param held the one that it is to follow
 * @throws PosternError `revocations_malformed`, `revocations_unproven`, `revocations_rollback`
 */
export function verifyRevocations(
  document: unknown,
  bundle: TrustBundle,
  nowMs: number,
  held?: RevocationList,
): RevocationList {
  const { list, signers } = openList(document);
  const isProven = signers.some((signer) =>
    bundle.issuers.some((one) => one.certificate.sha256 === signer.sha256 && isAccepted(one, nowMs))
  );
  if (!isProven || list.trustDomain !== bundle.trustDomain) {
    throw new PosternError(
      "revocations_unproven",
      "Cannot use the revocation list: no issuing CA of the held trust bundle signed it",
    );
  }
  if (held !== undefined && (list.version < held.version || list.issuedAtMs < held.issuedAtMs)) {
    throw new PosternError(
      "revocations_rollback",
      "Cannot use the revocation list: it is older than the held one",
    );
  }
  return list;
}

/** A list as this node keeps it itself: what was verified once. Throws `revocations_malformed`. */
export function readHeldRevocations(document: unknown): RevocationList {
  return openList(document).list;
}

function openList(document: unknown): { list: RevocationList; signers: readonly Certificate[] } {
  const opened = openDocument("revocations", document);
  const parsed = payloadSchema.safeParse(opened?.payload);
  if (opened === undefined || !parsed.success) {
    throw new PosternError("revocations_malformed", "Cannot use the revocation list: it is no signed list");
  }
  const { data } = parsed;
  const list = {
    trustDomain: data.trust_domain,
    version: data.version,
    bundleVersion: data.bundle_version,
    issuedAtMs: data.issued_at_ms,
    nextUpdateMs: data.next_update_ms,
    entries: data.entries.map(({ at_ms, ...entry }) => ({ ...entry, atMs: at_ms })),
  };
  return { list, signers: opened.signers };
}

/** Lists are asked at every handshake and at every change for every open channel. */
const indexes = new WeakMap<RevocationList, ReadonlyMap<string, RevokedIdentity>>();

/** The entry that takes a node's certificate back; of several, one that cuts. */
export function revocationOf(
  list: RevocationList,
  leaf: Certificate,
  id: SpiffeId,
  authorities: readonly Certificate[] = [],
): RevokedIdentity | undefined {
  let index = indexes.get(list);
  if (index === undefined) {
    index = new Map(list.entries.map((entry) => [`${entry.kind} ${entry.value}`, entry]));
    indexes.set(list, index);
  }
  const found = [
    index.get(`id ${formatSpiffeId(id)}`),
    ...[leaf, ...authorities].flatMap(({ serial, keySha256 }) => [
      index.get(`serial ${serial}`),
      index.get(`key ${keySha256}`),
    ]),
  ].filter((entry) => entry !== undefined);
  return found.find(({ severity }) => severity === "cut") ?? found[0];
}
