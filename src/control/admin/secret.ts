/** Random secrets of which only a hash is kept. */
import { createHash } from "node:crypto";
import { toBase64Url, toHex, utf8 } from "../../bytes/mod.ts";
import type { Random } from "../../ports/mod.ts";

const secretBytes = 32;
const idBytes = 12;

/** What a {@link freshSecret} looks like: anything else is not looked up. */
export const secretPattern = /^[A-Za-z0-9_-]{43}$/;

/** 256 bits, base64url. */
export function freshSecret(random: Random): string {
  return toBase64Url(random(secretBytes));
}

/** A public id. */
export function freshId(random: Random): string {
  return toBase64Url(random(idBytes));
}

/** SHA-256, 64 lower-case hex digits: enough for secrets of 256 random bits. */
export function hashOfSecret(secret: string): string {
  return toHex(new Uint8Array(createHash("sha256").update(utf8(secret)).digest()));
}

/** Another secret that follows from this one, and from which this one does not follow. */
export function derivedSecret(secret: string, purpose: string): string {
  return toBase64Url(
    new Uint8Array(createHash("sha256").update(utf8(`postern ${purpose}\0${secret}`)).digest()),
  );
}
