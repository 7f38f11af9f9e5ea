/** What went wrong between this machine and control, as an error that says what to do. */
import { codeOf, type ErrorCode, isErrorCode, PosternError } from "../src/errors/mod.ts";
import type { Clock } from "../src/ports/mod.ts";
import type { ControlResponse } from "./control_connection.ts";
import { problem } from "./control_messages.ts";

/**
 * The error that control named; without a known code the status decides whether to try again.
 * @param body the JSON that came, if it was any
 */
export function refusalOf(
  response: ControlResponse,
  body: unknown,
  path: string,
  clock: Pick<Clock, "wall">,
): PosternError {
  const { status } = response;
  const retryAfterMs = retryAfterOf(response.header("retry-after"), clock.wall());
  const detail = { status, ...(retryAfterMs === undefined ? {} : { retry_after_ms: retryAfterMs }) };
  if (status >= 300 && status < 400) {
    return new PosternError("control_redirected", `Cannot ask control for /${path}: it redirects`, {
      detail,
    });
  }
  const told = problem.safeParse(body);
  const code = told.success ? told.data.code : undefined;
  const says = told.success ? told.data.detail ?? told.data.title : undefined;
  const known: ErrorCode = code !== undefined && isErrorCode(code)
    ? code
    : status >= 500 || status === 429 || status === 408
    ? "control_unavailable"
    : "control_refused";
  return new PosternError(known, says ?? `Cannot ask control for /${path}: status ${status}`, {
    detail: code === undefined || known === code ? detail : { ...detail, code },
  });
}

/** Seconds or a date (RFC 9110 10.2.3); at most an hour is honoured. */
function retryAfterOf(value: string | undefined, wallMs: number): number | undefined {
  if (value === undefined) return undefined;
  const ms = /^[0-9]{1,9}$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - wallMs;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), 3_600_000);
}

/** `control_timeout`, `control_response_invalid`, `connect_aborted`. */
export function failure(code: ErrorCode, path: string, state: string, cause?: unknown): PosternError {
  return new PosternError(code, `Cannot ask control for /${path}: ${state}`, { cause });
}

/** Failures of the own machine, of the proxy and of control's words stay what they are; all others mean: unreachable. */
export function explained(base: URL, error: unknown): PosternError {
  const code = codeOf(error);
  if (code === "http_bad_response" || code === "http_truncated_body") {
    return new PosternError("control_response_invalid", `Cannot use the answer of ${base.origin}`, {
      cause: error,
    });
  }
  const isWay = !(error instanceof PosternError) || WAY_ERRORS.has(code);
  return isWay ? unreachable(base, error) : error;
}

/** What is wrong on the way to control: no connection, or none that is trusted. */
const WAY_ERRORS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "dns_failed",
  "connect_refused",
  "connect_timeout",
  "connect_failed",
  "tls_timeout",
  "tls_handshake_failed",
  "certificate_invalid",
  "connection_reset",
  "connection_lost",
  "connection_closed",
]);

function unreachable(base: URL, cause: unknown): PosternError {
  const reason = reasonOf(cause);
  const hint = reason.includes("UnknownIssuer") ? "; a CA file (--ca-file) may name who issued it" : "";
  return new PosternError("control_unreachable", `Cannot reach control at ${base.origin}: ${reason}${hint}`, {
    cause,
  });
}

/** The state in the message; who was meant stands before it already. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown error";
  const target = error instanceof PosternError ? `${error.detail.target}: ` : "";
  const at = target === "" ? -1 : error.message.indexOf(target);
  const state = at < 0 ? error.message : error.message.slice(at + target.length);
  return (codeOf(error) === "certificate_invalid" ? `invalid certificate: ${state}` : state).slice(0, 300);
}
