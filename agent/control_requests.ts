/** Requests to control: bounded in time and size, never redirected, tokens in headers and bodies only. */
import type { z } from "zod";
import { utf8Decode } from "../src/bytes/mod.ts";
import {
  badAuthorities,
  holdsCertificates,
  type Network,
  openStream,
  type ProxyChooser,
  systemRandom,
} from "../src/driver/mod.ts";
import type { Clock, Random } from "../src/ports/mod.ts";
import { ControlAddresses } from "./control_addresses.ts";
import { ControlConnections, type ControlMethod } from "./control_connection.ts";
import { explained, failure, refusalOf } from "./control_failures.ts";

/** Time for one request, answer included. */
export const CONTROL_TIMEOUT_MS = 10_000;
/** Longest answer. */
export const MAX_ANSWER_BYTES = 262_144;

export interface ControlRequestsOptions {
  /** Base URL, to which paths are appended; or several of edges that share a database, at least one, the first preferred. */
  readonly url: string | readonly string[];
  readonly clock: Clock;
  /** The system's own unless given. */
  readonly random?: Random;
  /** Another of several addresses is asked from now on; not called for the first. */
  readonly onMoved?: (url: string) => void;
  /** PEM, trusted besides the machine's own authorities. */
  readonly caCerts?: readonly string[];
  /** Always straight unless given. */
  readonly proxyFor?: ProxyChooser;
  /** Deno's own unless given. */
  readonly network?: Network;
  /** The management token, if there is one. Asked for each request, so that a renewed file is seen. */
  readonly token?: () => Promise<string | undefined>;
  readonly userAgent?: string;
}

/** One of control's addresses. */
interface Place {
  readonly url: string;
  readonly base: URL;
  readonly connections: ControlConnections;
}

export class ControlRequests {
  readonly #options: ControlRequestsOptions;
  readonly #places: readonly Place[];
  readonly #addresses: ControlAddresses<Place>;

  /** Throws `ca_certificates_invalid`. */
  constructor(options: ControlRequestsOptions) {
    this.#options = options;
    const urls = typeof options.url === "string" ? [options.url] : options.url;
    this.#places = urls.map((url) => {
      const base = new URL(url.endsWith("/") ? url : `${url}/`);
      return { url, base, connections: connectionsOf(base, options) };
    });
    this.#addresses = new ControlAddresses(this.#places, {
      clock: options.clock,
      random: options.random ?? systemRandom,
      onMoved: () => options.onMoved?.(this.url),
    });
  }

  /** The address that is asked now. */
  get url(): string {
    return this.#addresses.current.url;
  }

  /** Whether requests carry a management token. */
  get hasToken(): boolean {
    return this.#options.token !== undefined;
  }

  get<T>(path: string, schema: z.ZodType<T>, signal: AbortSignal, withToken: boolean): Promise<T> {
    return this.#ask("GET", path, undefined, schema, signal, withToken);
  }

  post<T>(
    path: string,
    body: unknown,
    schema: z.ZodType<T>,
    signal: AbortSignal,
    withToken: boolean,
  ): Promise<T> {
    return this.#ask("POST", path, JSON.stringify(body), schema, signal, withToken);
  }

  /** Ends idle connections. Idempotent. */
  close(): void {
    for (const { connections } of this.#places) connections.close();
  }

  /** Throws what control refuses with, and the codes of {@link failure}. */
  async #ask<T>(
    method: ControlMethod,
    path: string,
    body: string | undefined,
    schema: z.ZodType<T>,
    signal: AbortSignal,
    withToken: boolean,
  ): Promise<T> {
    const secret = withToken ? await this.#options.token?.() : undefined;
    return await this.#addresses.ask((place) =>
      this.#askAt(place, method, path, body, schema, signal, secret)
    );
  }

  async #askAt<T>(
    { base, connections }: Place,
    method: ControlMethod,
    path: string,
    body: string | undefined,
    schema: z.ZodType<T>,
    signal: AbortSignal,
    secret: string | undefined,
  ): Promise<T> {
    const { clock, userAgent } = this.#options;
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
      const { pathname, search } = new URL(path, base);
      const response = await connections.ask(
        method,
        pathname + search,
        {
          ...(body === undefined ? {} : { "Content-Type": "application/json" }),
          Accept: "application/json, application/problem+json",
          ...(userAgent === undefined ? {} : { "User-Agent": userAgent }),
          ...(secret === undefined ? {} : { Authorization: `Bearer ${secret}` }),
        },
        body,
        stop.signal,
      );
      const text = textOf(response.body);
      if (response.status >= 200 && response.status <= 299) return parse(schema, text, path);
      throw refusalOf(response, jsonOf(text), path, clock);
    } catch (error) {
      if (signal.aborted) throw failure("connect_aborted", path, "the attempt was given up", error);
      if (isLate) throw failure("control_timeout", path, `no answer within ${CONTROL_TIMEOUT_MS} ms`, error);
      throw explained(base, error);
    } finally {
      cancel();
      signal.removeEventListener("abort", onAbort);
    }
  }
}

function connectionsOf(base: URL, options: ControlRequestsOptions): ControlConnections {
  const { caCerts, clock, network, proxyFor } = options;
  if (caCerts?.some((pem) => !holdsCertificates(pem))) throw badAuthorities();
  const tls = base.protocol === "https:";
  const host = base.hostname.replace(/^\[|\]$/g, "");
  const port = base.port === "" ? (tls ? 443 : 80) : Number(base.port);
  return new ControlConnections({
    authority: base.host,
    clock,
    maxBodyBytes: MAX_ANSWER_BYTES,
    open: (signal) => openStream({ tls, host, port }, { clock, caCerts, network, proxyFor, signal }),
  });
}

function textOf(body: Uint8Array): string {
  try {
    return utf8Decode(body);
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
