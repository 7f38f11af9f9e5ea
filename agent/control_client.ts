/** Requests to control: bounded in time and size, never redirected, tokens in headers and bodies only. */
import type { z } from "zod";
import { concat, utf8Decode } from "../src/bytes/mod.ts";
import { type ErrorCode, isErrorCode, PosternError } from "../src/errors/mod.ts";
import type { Clock } from "../src/ports/mod.ts";
import {
  type ChallengeAnswer,
  challengeAnswer,
  type ChallengeRequest,
  type CreateAnswer,
  createAnswer,
  type CreateRequest,
  deleteAnswer,
  type DeleteRequest,
  type EvidenceAnswer,
  evidenceAnswer,
  type EvidenceRequest,
  problem,
} from "./control_messages.ts";

/** Time for one request, answer included. */
export const CONTROL_TIMEOUT_MS = 10_000;
/** Longest answer. */
export const MAX_ANSWER_BYTES = 262_144;

export interface ControlClientOptions {
  /** Base URL; paths are appended. */
  readonly url: string;
  readonly clock: Clock;
  /** PEM, trusted besides the machine's own authorities. */
  readonly caCerts?: readonly string[];
  /** `http://[user:password@]host[:port]`. */
  readonly proxy?: string;
  /** The management token, if there is one. Asked for each request, so that a renewed file is seen. */
  readonly token?: () => Promise<string | undefined>;
  readonly userAgent?: string;
}

export class ControlClient {
  readonly #options: ControlClientOptions;
  readonly #base: URL;
  readonly #client: Deno.HttpClient;
  #closed = false;

  /** Throws `ca_certificates_invalid`. */
  constructor(options: ControlClientOptions) {
    this.#options = options;
    this.#base = new URL(options.url.endsWith("/") ? options.url : `${options.url}/`);
    this.#client = httpClient(this.#base, options);
  }

  /** Whether requests carry a management token. */
  get hasToken(): boolean {
    return this.#options.token !== undefined;
  }

  /**
   * Creates the tunnel, or takes it up again; `alone` without the management token, by the recreate token of the request.
   * Throws what every method throws: the codes of control and of {@link failure}.
   */
  create(request: CreateRequest, signal: AbortSignal, alone = false): Promise<CreateAnswer> {
    return this.#post("tunnels/create", request, createAnswer, signal, !alone);
  }

  async delete(request: DeleteRequest, signal: AbortSignal): Promise<void> {
    await this.#post("tunnels/delete", request, deleteAnswer, signal, true);
  }

  challenge(request: ChallengeRequest, signal: AbortSignal): Promise<ChallengeAnswer> {
    return this.#post("attest/challenge", request, challengeAnswer, signal, false);
  }

  evidence(request: EvidenceRequest, signal: AbortSignal): Promise<EvidenceAnswer> {
    return this.#post("attest/evidence", request, evidenceAnswer, signal, false);
  }

  /** Ends idle connections. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#client.close();
  }

  async #post<T>(
    path: string,
    body: unknown,
    schema: z.ZodType<T>,
    signal: AbortSignal,
    withToken: boolean,
  ): Promise<T> {
    const { clock, token, userAgent } = this.#options;
    const secret = withToken ? await token?.() : undefined;
    const stop = new AbortController();
    let isLate = false;
    const cancel = clock.schedule(clock.now() + CONTROL_TIMEOUT_MS, () => {
      isLate = true;
      stop.abort();
    });
    const onAbort = () => stop.abort();
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) stop.abort();
    try {
      const response = await fetch(new URL(path, this.#base), {
        method: "POST",
        redirect: "manual",
        client: this.#client,
        signal: stop.signal,
        headers: {
          "Content-Type": "application/json",
          Accept: "application/json, application/problem+json",
          ...(userAgent === undefined ? {} : { "User-Agent": userAgent }),
          ...(secret === undefined ? {} : { Authorization: `Bearer ${secret}` }),
        },
        body: JSON.stringify(body),
      });
      const text = await readBounded(response);
      if (response.ok) return parse(schema, text, path);
      throw refusalOf(response, text, path, clock);
    } catch (error) {
      if (error instanceof PosternError) throw error;
      if (signal.aborted) throw failure("connect_aborted", path, "the attempt was given up");
      if (isLate) throw failure("control_timeout", path, `no answer within ${CONTROL_TIMEOUT_MS} ms`);
      throw unreachable(this.#base, error);
    } finally {
      cancel();
      signal.removeEventListener("abort", onAbort);
    }
  }
}

function httpClient(base: URL, options: ControlClientOptions): Deno.HttpClient {
  const { caCerts, proxy } = options;
  if (caCerts?.some((pem) => !pem.includes("-----BEGIN CERTIFICATE-----"))) throw badAuthorities();
  try {
    return Deno.createHttpClient({
      caCerts: caCerts === undefined ? undefined : [...caCerts],
      proxy: proxy !== undefined ? proxyOf(proxy) : loopbackOf(base),
    });
  } catch (error) {
    throw badAuthorities(error);
  }
}

function proxyOf(text: string): Deno.Proxy {
  const url = new URL(text);
  if (url.username === "" && url.password === "") return { url: url.href };
  const basicAuth = {
    username: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
  };
  url.username = url.password = "";
  return { url: url.href, basicAuth };
}

/**
 * `localhost` and names below it mean this machine (RFC 6761 6.3), whatever DNS says. For https the system resolves them:
 * the runtime speaks no TLS over an address of ours.
 */
function loopbackOf(base: URL): Deno.Proxy | undefined {
  if (base.protocol !== "http:" || !/(^|\.)localhost$/.test(base.hostname)) return undefined;
  return { transport: "tcp", hostname: "127.0.0.1", port: base.port === "" ? 80 : Number(base.port) };
}

async function readBounded(response: Response): Promise<string> {
  if (response.body === null) return "";
  const parts: Uint8Array[] = [];
  let total = 0;
  for await (const part of response.body) {
    total += part.length;
    if (total > MAX_ANSWER_BYTES) {
      throw new PosternError(
        "control_response_invalid",
        `Cannot use control's answer: it is longer than ${MAX_ANSWER_BYTES} bytes`,
      );
    }
    parts.push(part);
  }
  try {
    return utf8Decode(concat(...parts));
  } catch {
    return "";
  }
}

function parse<T>(schema: z.ZodType<T>, text: string, path: string): T {
  const result = schema.safeParse(jsonOf(text));
  if (result.success) return result.data;
  const where = result.error.issues[0]?.path.join(".") || "its body";
  throw failure(
    "control_response_invalid",
    path,
    `${where.slice(0, 80)} does not fit; is this URL control's?`,
  );
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The error that control named; without a known code the status decides whether to try again. */
function refusalOf(response: Response, text: string, path: string, clock: Clock): PosternError {
  const { status } = response;
  const retryAfterMs = retryAfterOf(response.headers.get("Retry-After"), clock.wall());
  const detail = { status, ...(retryAfterMs === undefined ? {} : { retry_after_ms: retryAfterMs }) };
  if (status >= 300 && status < 400) {
    return new PosternError("control_redirected", `Cannot ask control for /${path}: it redirects`, {
      detail,
    });
  }
  const told = problem.safeParse(jsonOf(text));
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
function retryAfterOf(value: string | null, wallMs: number): number | undefined {
  if (value === null) return undefined;
  const ms = /^[0-9]{1,9}$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - wallMs;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), 3_600_000);
}

/** `control_timeout`, `control_response_invalid`, `connect_aborted`. */
function failure(code: ErrorCode, path: string, state: string, cause?: unknown): PosternError {
  return new PosternError(code, `Cannot ask control for /${path}: ${state}`, { cause });
}

function unreachable(base: URL, cause: unknown): PosternError {
  const reason = reasonOf(cause);
  const hint = reason.includes("UnknownIssuer") ? "; a CA file (--ca-file) may name who issued it" : "";
  return new PosternError("control_unreachable", `Cannot reach control at ${base.origin}: ${reason}${hint}`, {
    cause,
  });
}

/** The innermost reason: the runtime puts the URL and each of its layers in front of it. */
function reasonOf(error: unknown): string {
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(inner instanceof Error)) return "unknown error";
  return inner.message
    .replace(/^error sending request for url \(\S*\): /, "")
    .replace(/^client error \(\w+\): /, "")
    .replace(/^tcp connect error: /, "")
    .replace(/ \(os error \d+\)$/, "")
    .slice(0, 300);
}

function badAuthorities(cause?: unknown): PosternError {
  return new PosternError(
    "ca_certificates_invalid",
    "Cannot use the CA certificates: they are not valid PEM",
    { cause },
  );
}
