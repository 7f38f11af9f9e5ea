/**
 * The pre-shared key of a channel between its grants and their reissue. What the store keeps of it opens only with a secret
 * that is handed to who asked for the channel, and kept as a hash: a copy of the database opens no channel.
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { concat, fromBase64Url, toBase64Url, utf8 } from "../bytes/mod.ts";
import { derivedSecret } from "./admin/secret.ts";

/** Each key seals one message, so that one nonce will do. */
const nonce = new Uint8Array(12);
const tagBytes = 16;

/** @param channelId bound to what is sealed */
export function sealPsk(secret: string, channelId: string, psk: Uint8Array): string {
  const cipher = createCipheriv("aes-256-gcm", keyOf(secret), nonce);
  cipher.setAAD(utf8(channelId));
  return toBase64Url(concat(
    new Uint8Array(cipher.update(psk)),
    new Uint8Array(cipher.final()),
    new Uint8Array(cipher.getAuthTag()),
  ));
}

/** Throws when the text was not sealed for this channel by this secret. */
export function unsealPsk(secret: string, channelId: string, text: string): Uint8Array {
  const sealed = fromBase64Url(text);
  const decipher = createDecipheriv("aes-256-gcm", keyOf(secret), nonce);
  decipher.setAAD(utf8(channelId));
  decipher.setAuthTag(sealed.subarray(-tagBytes));
  return concat(
    new Uint8Array(decipher.update(sealed.subarray(0, -tagBytes))),
    new Uint8Array(decipher.final()),
  );
}

function keyOf(secret: string): Uint8Array {
  return fromBase64Url(derivedSecret(secret, "grant"));
}
