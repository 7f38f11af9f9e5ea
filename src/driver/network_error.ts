import { type ErrorCode, PosternError } from "../errors/mod.ts";

/** What an error of a live socket means: the peer or network ended it, or this process had closed it. */
export type SocketFault = "reset" | "lost" | "closed";

/** Sorts an error of read, write or closeWrite; undefined for what is not a network error, hence a bug. */
export function socketFault(error: unknown): SocketFault | undefined {
  const { errors } = Deno;
  if (
    error instanceof errors.ConnectionReset || error instanceof errors.ConnectionAborted ||
    error instanceof errors.BrokenPipe || error instanceof errors.NotConnected ||
    // TLS without close_notify: the stream may have been cut by anybody.
    error instanceof errors.UnexpectedEof || error instanceof errors.InvalidData
  ) return "reset";
  if (
    error instanceof errors.TimedOut || error instanceof errors.NetworkUnreachable ||
    codeIs(error, "EHOSTUNREACH", "ENETUNREACH", "ENETDOWN")
  ) return "lost";
  if (error instanceof errors.BadResource || error instanceof errors.Interrupted) return "closed";
  return undefined;
}

/** The error of a failed connection attempt, in our words. `target` is `host:port`, never with credentials. */
export function connectError(error: unknown, target: string): PosternError {
  const failed = (code: ErrorCode, state: string) =>
    new PosternError(code, `Cannot connect to ${target}: ${state}`, { cause: error, detail: { target } });
  if (error instanceof Deno.errors.ConnectionRefused) return failed("connect_refused", "connection refused");
  if (error instanceof Deno.errors.TimedOut) return failed("connect_timeout", "no answer");
  if (
    error instanceof Error &&
    /failed to lookup address|No address associated|not known|getaddrinfo/i.test(error.message)
  ) {
    return failed("dns_failed", "the host name has no address");
  }
  return failed("connect_failed", error instanceof Error ? error.message : "unknown error");
}

/** The error of a failed TLS handshake as a client. */
export function tlsError(error: unknown, target: string): PosternError {
  const text = error instanceof Error ? error.message : "unknown error";
  // rustls: "invalid peer certificate: UnknownIssuer", "...: certificate not valid for name ..."
  const certificate = /invalid peer certificate: ([^;]*)/.exec(text);
  const code = certificate ? "certificate_invalid" : "tls_handshake_failed";
  const reason = (certificate ? certificate[1] : text).replace(/[^ -~]/g, "?").slice(0, 200);
  return new PosternError(code, `Cannot trust ${target}: ${reason}`, {
    cause: error,
    detail: { target, reason },
  });
}

function codeIs(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && "code" in error && codes.includes(String(error.code));
}
