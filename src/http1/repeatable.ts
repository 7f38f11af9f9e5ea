/** Methods whose requests mean the same when they come twice (RFC 9110 9.2.2): those that may be sent again unasked. */
const REPEATABLE: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** Whether a request without a body may be sent again when nobody knows what became of it. */
export function isRepeatable(method: string): boolean {
  return REPEATABLE.has(method);
}
