/** How the end of a body is found (RFC 9112 6.3). */
export type Framing =
  | { readonly kind: "none" }
  | { readonly kind: "length"; readonly length: number }
  | { readonly kind: "chunked" }
  /** Up to the end of the stream: responses only. */
  | { readonly kind: "until_close" }
  /** After 101: no HTTP any more, bytes up to the end of the stream. */
  | { readonly kind: "upgrade" };

export const NO_BODY: Framing = Object.freeze({ kind: "none" });
export const CHUNKED: Framing = Object.freeze({ kind: "chunked" });
export const UNTIL_CLOSE: Framing = Object.freeze({ kind: "until_close" });
export const UPGRADE: Framing = Object.freeze({ kind: "upgrade" });
