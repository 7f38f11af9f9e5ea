/** Returns `bytes` cryptographically secure random bytes, fresh at every call. */
export type Random = (bytes: number) => Uint8Array<ArrayBuffer>;
