/**
 * Secrets that are shown once, to whoever opens a link. The link's own secret stands behind its #, which no server and no
 * log gets to see when the page is opened; what control keeps can be read with it only.
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { concat, fromBase64Url, toBase64Url, utf8, utf8Decode } from "../../bytes/mod.ts";
import { PosternError } from "../../errors/mod.ts";
import { audit } from "../audit.ts";
import type { AuditBudget } from "../audit_budget.ts";
import type { ControlDeps } from "../config.ts";
import { derivedSecret, freshSecret, hashOfSecret, secretPattern } from "./secret.ts";

/** Page that shows what stands behind the #. */
export const revealPath = "/reveal";

/** Each key seals one message, so that one nonce will do. */
const nonce = new Uint8Array(12);
const tagBytes = 16;

type Deps = Pick<ControlDeps, "store" | "clock" | "random" | "publicUrl">;

/** What is delivered. */
export interface Delivered {
  readonly tokenId: string;
  readonly token: string;
}

/** Keeps a token for whoever opens the link, until it expires. Throws `deliveries_full`. @returns the link */
export async function deliverByLink(
  { store, random, publicUrl }: Deps,
  { tokenId, token }: Delivered,
  expiresAtMs: number,
): Promise<string> {
  const secret = freshSecret(random);
  await store.putDelivery({
    secretSha256: hashOfSecret(secret),
    subject: tokenId,
    sealed: toBase64Url(seal(secret, tokenId, token)),
    expiresAtMs,
  });
  return `${publicUrl()}${revealPath}#${secret}`;
}

/** Shows what a link holds, and deletes it. Throws `delivery_gone`: never made, opened before and expired are alike. */
export async function openDelivery(
  { store, clock, budget }: Pick<Deps, "store" | "clock"> & { readonly budget: AuditBudget },
  secret: string,
  clientIp: string,
): Promise<Delivered & { readonly expiresAtMs: number }> {
  const atMs = clock.wall();
  const taken = secretPattern.test(secret) ? await store.takeDelivery(hashOfSecret(secret), atMs) : undefined;
  if (taken !== undefined || budget.take()) {
    await audit({ store, clock }, {
      actor: "anonymous",
      action: "token.reveal",
      subject: taken?.subject ?? "unknown",
      outcome: taken === undefined ? "delivery_gone" : "ok",
      detail: { address: clientIp },
    });
  }
  if (taken === undefined) {
    throw new PosternError("delivery_gone", "Cannot show token: this link shows nothing any more");
  }
  const { subject: tokenId, sealed, expiresAtMs } = taken;
  return { tokenId, token: unseal(secret, tokenId, fromBase64Url(sealed)), expiresAtMs };
}

function seal(secret: string, subject: string, text: string): Uint8Array {
  const cipher = createCipheriv("aes-256-gcm", keyOf(secret), nonce);
  cipher.setAAD(utf8(subject));
  return concat(
    new Uint8Array(cipher.update(utf8(text))),
    new Uint8Array(cipher.final()),
    new Uint8Array(cipher.getAuthTag()),
  );
}

function unseal(secret: string, subject: string, sealed: Uint8Array): string {
  const decipher = createDecipheriv("aes-256-gcm", keyOf(secret), nonce);
  decipher.setAAD(utf8(subject));
  decipher.setAuthTag(sealed.subarray(-tagBytes));
  const text = concat(
    new Uint8Array(decipher.update(sealed.subarray(0, -tagBytes))),
    new Uint8Array(decipher.final()),
  );
  return utf8Decode(text);
}

function keyOf(secret: string): Uint8Array {
  return fromBase64Url(derivedSecret(secret, "delivery"));
}
