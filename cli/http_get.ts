/** Small GET requests of the CLI itself: bounded in time and size, never through a proxy of the environment. */
import * as http from "node:http";
import * as https from "node:https";
import { Buffer } from "node:buffer";
import { lookup } from "./lookup.ts";

export interface GetOptions {
  readonly timeoutMs: number;
  /** Longest body that is accepted. */
  readonly maxBytes: number;
  /** PEM, trusted besides nothing else, for https. */
  readonly ca?: string;
}

export interface Answer {
  readonly status: number;
  /** Lower-case names; repeated ones are left out. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Fetches a URL; redirects are not followed. Rejects with an Error whose message says what happened. */
export function httpGet(url: string, options: GetOptions): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const target = new URL(url);
  const started = target.protocol === "https:"
    ? https.request(target, { ca: options.ca, agent: false, lookup })
    : http.request(target, { agent: false, lookup });
  const timer = setTimeout(
    () => started.destroy(new Error(`no answer within ${options.timeoutMs} ms`)),
    options.timeoutMs,
  );
  const fail = (error: Error) => {
    clearTimeout(timer);
    reject(error);
  };
  started.on("error", fail);
  started.on("response", (response) => {
    const parts: Uint8Array[] = [];
    let bytes = 0;
    response.on("data", (part: Uint8Array) => {
      bytes += part.length;
      parts.push(part);
      if (bytes > options.maxBytes) {
        started.destroy(new Error(`the answer is longer than ${options.maxBytes} bytes`));
      }
    });
    response.on("error", fail);
    response.on("aborted", () => fail(new Error("the answer ended early")));
    response.on("end", () => {
      clearTimeout(timer);
      const headers = Object.entries(response.headers).filter((pair): pair is [string, string] =>
        typeof pair[1] === "string"
      );
      resolve({
        status: response.statusCode ?? 0,
        headers: Object.fromEntries(headers),
        body: Buffer.concat(parts).toString("utf8"),
      });
    });
  });
  started.end();
  return promise;
}
