/** base64url (RFC 4648 5) without padding. */
export function toBase64Url(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

/** Strict inverse of {@link toBase64Url}: throws SyntaxError on padding, foreign characters or loose bits. */
export function fromBase64Url(text: string): Uint8Array<ArrayBuffer> {
  if (/[=\s]/.test(text)) throw new SyntaxError("Cannot decode base64url: it holds padding or white space");
  const bytes = Uint8Array.fromBase64(text, { alphabet: "base64url" });
  if (toBase64Url(bytes) !== text) throw new SyntaxError("Cannot decode base64url: it has loose bits");
  return bytes;
}

/** Lower-case hex. */
export function toHex(bytes: Uint8Array): string {
  return bytes.toHex();
}

/** Bytes of hex text; throws SyntaxError on anything else. */
export function fromHex(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromHex(text);
}
