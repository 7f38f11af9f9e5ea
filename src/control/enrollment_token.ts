/** One-time tokens that let a machine enroll, `enroll.<id>.<secret>`, or a node, `enroll.<id>.<secret>.<pin>`. Control keeps a hash of the secret only. */
import { createHash } from "node:crypto";
import { equalConstantTime, fromHex, toBase64Url, toHex, utf8 } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import { type NodeRole, parseHostKey, wrapToken } from "../pki/mod.ts";
import type { EnrollmentToken, Random } from "../ports/mod.ts";
import { audit } from "./audit.ts";
import type { ControlDeps } from "./config.ts";

/** Bytes of the public id, and of the secret. */
const idBytes = 9;
const secretBytes = 32;

const tokenPattern = /^enroll\.([A-Za-z0-9_-]{12})\.([A-Za-z0-9_-]{43})(?:\.[A-Za-z0-9_-]{43})?$/;

/** Shortest and longest life of a token (seconds). */
export const minEnrollmentTtlSeconds = 60;
export const maxEnrollmentTtlSeconds = 30 * 86_400;

export interface EnrollmentTokenRequest {
  readonly labels?: readonly string[];
  readonly ekSha256?: string;
  /** Lets this node in, by a key of its own, and no machine with a TPM. */
  readonly node?: { readonly role: NodeRole; readonly id: string };
  readonly ttlSeconds?: number;
  /** Public key of the only host that can open it, as `formatHostKey` writes it. */
  readonly wrapTo?: string;
}

export interface IssuedEnrollmentToken extends Omit<EnrollmentToken, "node"> {
  readonly node?: EnrollmentTokenRequest["node"];
  /** Secret: told once. Wrapped where that was asked for. */
  readonly token: string;
}

/** Issues a token on behalf of an operator. Throws `enrollment_tokens_full`, `host_key_malformed`. */
export async function issueEnrollmentToken(
  deps: Pick<ControlDeps, "store" | "clock" | "random" | "config" | "identities">,
  operator: string,
  { labels, ekSha256, node, ttlSeconds, wrapTo }: EnrollmentTokenRequest,
): Promise<IssuedEnrollmentToken> {
  const hostKey = wrapTo === undefined ? undefined : parseHostKey(wrapTo);
  const { tokenId, secretSha256, token } = freshToken(deps.random);
  // The pin of the bootstrap CA: by it the node believes the first trust bundle, whatever the connection rests on.
  const pin = node === undefined ? "" : `.${toBase64Url(fromHex(deps.identities.bootstrapPin))}`;
  const whole = `${token}${pin}`;
  // Before it is kept: a key that cannot be wrapped to leaves nothing behind.
  const told = hostKey === undefined ? whole : wrapToken(whole, hostKey, deps.random);
  const createdAtMs = deps.clock.wall();
  const lifeMs = ttlSeconds === undefined ? deps.config.tokens.enrollmentMs : ttlSeconds * 1_000;
  const record = {
    tokenId,
    secretSha256,
    ...(labels === undefined ? {} : { labels: [...new Set(labels)].sort() }),
    ...(ekSha256 === undefined ? {} : { ekSha256 }),
    ...(node === undefined ? {} : { node }),
    createdBy: operator,
    createdAtMs,
    expiresAtMs: createdAtMs + lifeMs,
  };
  await deps.store.putEnrollmentToken(record);
  await audit(deps, {
    actor: operator,
    action: node === undefined ? "machine.token" : "identity.token",
    subject: tokenId,
    detail: {
      labels: labels?.join(",") ?? "kept",
      ek_sha256: ekSha256 ?? "any",
      ...(node === undefined ? {} : { role: node.role, id: node.id }),
      ...(wrapTo === undefined ? {} : { wrapped_to: wrapTo }),
      expires_at_ms: record.expiresAtMs,
    },
  });
  return { ...record, token: told };
}

function freshToken(random: Random): { tokenId: string; secretSha256: string; token: string } {
  const tokenId = toBase64Url(random(idBytes));
  const secret = toBase64Url(random(secretBytes));
  return { tokenId, secretSha256: sha256(secret), token: `enroll.${tokenId}.${secret}` };
}

/** What is known of a token that somebody shows. */
export type ShownToken =
  | { readonly state: "held"; readonly record: EnrollmentToken }
  | { readonly state: "unknown" | "wrong_secret"; readonly tokenId: string };

/** Looks a token up. Whether it was used, is over or is for another EK, is for the caller to judge. Throws `enrollment_token_malformed`. */
export async function shownToken(deps: Pick<ControlDeps, "store">, text: string): Promise<ShownToken> {
  const match = tokenPattern.exec(text);
  if (match === null) {
    throw new PosternError(
      "enrollment_token_malformed",
      "Cannot enroll machine: the token is no enrollment token",
    );
  }
  const [, tokenId, secret] = match;
  const record = await deps.store.enrollmentToken(tokenId);
  // Compared also when there is none: an unknown id takes as long as a wrong secret.
  const isHeld = equalConstantTime(fromHex(sha256(secret)), fromHex(record?.secretSha256 ?? noSecret));
  if (record === undefined) return { state: "unknown", tokenId };
  return isHeld ? { state: "held", record } : { state: "wrong_secret", tokenId };
}

/** The hash of nothing that is shown. */
const noSecret = "0".repeat(64);

function sha256(text: string): string {
  return toHex(new Uint8Array(createHash("sha256").update(utf8(text)).digest()));
}
