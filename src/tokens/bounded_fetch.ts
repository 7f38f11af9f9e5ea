/** One HTTP request to a service of the operator: bounded in time and size, never redirected. */
import { concat } from "../bytes/mod.ts";
import type { Clock } from "../ports/mod.ts";

/** Why there is no answer. */
export type FetchFailureReason = "timeout" | "unreachable" | "too_large";

/** Its message holds nothing that was sent or received. */
export class FetchFailure extends Error {
  readonly reason: FetchFailureReason;

  constructor(reason: FetchFailureReason, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "FetchFailure";
    this.reason = reason;
  }
}

export interface FetchBounds {
  readonly clock: Clock;
  /** For head and body together. */
  readonly timeoutMs: number;
  readonly maxBytes: number;
  readonly client: Deno.HttpClient;
}

export interface BoundedAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** Any status is an answer, a redirection too: it is not followed. @throws FetchFailure */
export async function boundedFetch(
  url: string,
  init: RequestInit,
  bounds: FetchBounds,
): Promise<BoundedAnswer> {
  const { clock, timeoutMs, maxBytes, client } = bounds;
  const stop = new AbortController();
  let isLate = false;
  const cancel = clock.schedule(clock.now() + timeoutMs, () => {
    isLate = true;
    stop.abort();
  });
  try {
    const response = await fetch(url, { ...init, redirect: "manual", signal: stop.signal, client });
    return {
      status: response.status,
      headers: response.headers,
      body: await readBounded(response.body, maxBytes),
    };
  } catch (cause) {
    if (cause instanceof FetchFailure) throw cause;
    if (isLate) throw new FetchFailure("timeout", `no whole answer within ${timeoutMs} ms`);
    throw new FetchFailure("unreachable", "no connection, or it broke off", cause);
  } finally {
    cancel();
    stop.abort(); // what is left of the body is not wanted
  }
}

async function readBounded(stream: ReadableStream<Uint8Array> | null, maxBytes: number): Promise<Uint8Array> {
  if (stream === null) return new Uint8Array(0);
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of stream) {
    bytes += part.length;
    if (bytes > maxBytes) throw new FetchFailure("too_large", `the answer has more than ${maxBytes} bytes`);
    parts.push(part);
  }
  return concat(...parts);
}
