/** What every request passes: request id, rate limit, bounded JSON body; and what every failure becomes. */
import type { Context, MiddlewareHandler } from "hono";
import { HTTPException } from "hono/http-exception";
import { concat, utf8Decode } from "../bytes/mod.ts";
import { type ErrorCode, PosternError } from "../errors/mod.ts";
import { acceptedRequestId } from "../http1/mod.ts";
import type { Log, Random } from "../ports/mod.ts";
import { newRequestId } from "../telemetry/mod.ts";
import type { RateGroup } from "./config.ts";
import type { RateLimiter } from "./rate_limit.ts";

/** What the front hands over with each request, and what the middleware adds. */
export interface ControlEnv {
  Bindings: {
    /** The client's IP address, from the socket or a trusted proxy. */
    clientIp?: string;
    /** An open page asks by itself, and nobody else: no session is used by that. */
    isPassive?: boolean;
  };
  Variables: { requestId: string };
}

/** Problem document (RFC 9457). */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ErrorCode;
  readonly detail: string;
  readonly request_id: string;
}

/** Takes the client's X-Request-Id when it is harmless, makes one otherwise; answers carry it back. */
export function requestId(random: Random): MiddlewareHandler<ControlEnv> {
  return async (context, next) => {
    const given = context.req.header("X-Request-Id");
    const id = (given === undefined ? null : acceptedRequestId([given])) ?? newRequestId(random);
    context.set("requestId", id);
    context.header("X-Request-Id", id);
    await next();
  };
}

/** Spends one request of the client's budget for the group. Throws `rate_limited`. */
export function rateLimit(limiter: RateLimiter, group: RateGroup): MiddlewareHandler<ControlEnv> {
  return async (context, next) => {
    limiter.spend(group, context.env?.clientIp ?? "unknown");
    await next();
  };
}

/** Reads the body of a POST within `maxBytes` and demands JSON, before any route sees it. */
export const jsonBody = (maxBytes: number): MiddlewareHandler<ControlEnv> => async (context, next) => {
  if (context.req.method === "POST") {
    const bytes = await readBody(context.req.raw, maxBytes);
    if (bytes.length > 0) {
      const type = context.req.header("Content-Type") ?? "";
      if (!/^application\/json *(;|$)/i.test(type)) {
        throw new PosternError(
          "content_type_unsupported",
          "Cannot read request: its body is not application/json",
        );
      }
      assertJson(bytes);
    }
    // Made of parts: a copy of the request would take its abort signal along, which Deno.serve warns about.
    const { method, url, headers } = context.req.raw;
    context.req.raw = new Request(url, { method, headers, body: bytes });
  }
  await next();
};

async function readBody(request: Request, maxBodyBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const tooLarge = () =>
    new PosternError("body_too_large", `Cannot read request: its body exceeds ${maxBodyBytes} bytes`);
  // A declared length is refused before the body is waited for.
  if (Number(request.headers.get("Content-Length") ?? 0) > maxBodyBytes) throw tooLarge();
  if (request.body === null) return new Uint8Array(0);
  const parts: Uint8Array[] = [];
  let total = 0;
  for await (const part of request.body) {
    total += part.length;
    if (total > maxBodyBytes) throw tooLarge();
    parts.push(part);
  }
  return concat(...parts);
}

function assertJson(bytes: Uint8Array): void {
  try {
    JSON.parse(utf8Decode(bytes));
  } catch (cause) {
    throw new PosternError("body_malformed", "Cannot read request: its body is not JSON", { cause });
  }
}

/** Turns whatever was thrown into a problem document. What is not a `PosternError` is a bug: logged, not shown. */
export function problemOf(log: Log): (error: unknown, context: Context<ControlEnv>) => Response {
  return (error, context) => {
    const known = knownError(error);
    const status = known.facts.status ?? 500;
    // A failure before the first middleware has no id yet.
    const id = context.get("requestId") ?? "";
    if (status >= 500) {
      log("error", "control request failed", {
        request_id: id,
        code: known.code,
        path: context.req.path.slice(0, 200),
        cause: causeOf(known),
      });
    }
    return problemResponse(known, status, id);
  };
}

/** The response of one known error. */
function problemResponse(error: PosternError, status: number, id: string): Response {
  const problem: Problem = {
    type: `urn:postern:error:${error.code}`,
    title: error.facts.title,
    status,
    code: error.code,
    detail: error.message,
    request_id: id,
  };
  const headers = new Headers({
    "Content-Type": "application/problem+json",
    "Cache-Control": "no-store",
    "X-Request-Id": id,
  });
  if (status === 401) headers.set("WWW-Authenticate", "Bearer");
  const { retry_after_seconds: retryAfter, allow } = error.detail;
  if (retryAfter !== undefined) headers.set("Retry-After", String(retryAfter));
  if (allow !== undefined) headers.set("Allow", String(allow));
  return new Response(JSON.stringify(problem), { status, headers });
}

function knownError(error: unknown): PosternError {
  if (error instanceof PosternError) return error;
  // The framework's own refusals of a request, e.g. a body that its validator cannot read.
  if (error instanceof HTTPException && error.status < 500) {
    return new PosternError("request_invalid", "Cannot read request: it is out of form", { cause: error });
  }
  return new PosternError("internal_error", "Cannot serve request: an unexpected state was met", {
    cause: error,
  });
}

function causeOf(error: PosternError): string | undefined {
  return error.cause instanceof Error
    ? `${error.cause.name}: ${error.cause.message}`.slice(0, 500)
    : undefined;
}
