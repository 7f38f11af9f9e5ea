/** Where releases come from: https, a file, or http from this machine. Bounded in size and time. */
import { isLoopbackHost } from "../../src/config/mod.ts";
import { badAuthorities, readAuthorities } from "../../src/driver/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";

/** Longest silence of a server. */
const idleTimeoutMs = 30_000;
/** Longest wait for a whole file: 100 MB at 60 kB/s. */
const totalTimeoutMs = 1_800_000;
/** A release page leads to a store of files, that to the nearest copy. */
const maxRedirects = 5;

/** A URL or a path as a URL that releases may come from. Throws `upgrade_source_refused`. */
export function sourceOf(text: string): URL {
  const url = /^[a-z]+:/i.test(text) ? URL.parse(text) : new URL(`file://${absolute(text)}`);
  if (url === null) throw refused("it is no URL");
  return taken(url);
}

/** The file of that name beside the manifest. */
export function besideOf(manifest: URL, file: string): URL {
  const url = new URL(manifest);
  url.pathname = `${url.pathname.slice(0, url.pathname.lastIndexOf("/") + 1)}${file}`;
  return url;
}

/**
 * What asks https servers: with these authorities beside the public ones; undefined where the public ones will do. Throws
 * `ca_certificates_invalid`.
 */
export async function releaseClient(caFile: string | null): Promise<Deno.HttpClient | undefined> {
  if (caFile === null) return undefined;
  const caCerts = [await readAuthorities(caFile)];
  try {
    return Deno.createHttpClient({ caCerts });
  } catch (cause) {
    throw badAuthorities(cause);
  }
}

/** A text of at most `maxBytes`. Throws `upgrade_unreachable`, `upgrade_file_too_large`. */
export async function readSource(
  url: URL,
  maxBytes: number,
  client?: Deno.HttpClient,
): Promise<string> {
  const decoder = new TextDecoder();
  let [text, bytes] = ["", 0];
  for await (const part of openSource(url, client)) {
    bytes += part.length;
    if (bytes > maxBytes) {
      throw new PosternError(
        "upgrade_file_too_large",
        `Cannot read manifest: it has more than ${maxBytes} bytes`,
      );
    }
    text += decoder.decode(part, { stream: true });
  }
  return text + decoder.decode();
}

/** The bytes, as they come. Throws `upgrade_unreachable`, `upgrade_source_refused`. */
export async function* openSource(url: URL, client?: Deno.HttpClient): AsyncGenerator<Uint8Array> {
  const stop = new AbortController();
  const total = setTimeout(() => stop.abort(), totalTimeoutMs);
  let idle = setTimeout(() => stop.abort(), idleTimeoutMs);
  try {
    const stream = url.protocol === "file:"
      ? (await Deno.open(url)).readable
      : await get(url, stop.signal, client);
    const reader = stream.getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        clearTimeout(idle);
        if (done) return;
        yield value;
        idle = setTimeout(() => stop.abort(), idleTimeoutMs);
      }
    } finally {
      await reader.cancel().catch(() => {});
    }
  } catch (cause) {
    if (cause instanceof PosternError) throw cause;
    throw unreachable(url, stop.signal.aborted ? "no whole answer in time" : "it cannot be read", cause);
  } finally {
    clearTimeout(total);
    clearTimeout(idle);
    stop.abort();
  }
}

async function get(
  from: URL,
  signal: AbortSignal,
  client: Deno.HttpClient | undefined,
): Promise<ReadableStream<Uint8Array>> {
  let url = from;
  for (let hops = 0; hops <= maxRedirects; hops++) {
    const response = await fetch(url, {
      redirect: "manual",
      signal,
      ...(client === undefined ? {} : { client }),
    });
    if (response.status === 200 && response.body !== null) return response.body;
    await response.body?.cancel();
    const target = response.headers.get("location");
    if (response.status < 300 || response.status > 399 || target === null) {
      throw unreachable(url, `the server answers ${response.status}`);
    }
    const next = URL.parse(target, url);
    if (next === null || next.protocol === "file:") {
      throw refused("the server leads to what is no web address");
    }
    url = taken(next);
  }
  throw unreachable(url, "the server leads on and on");
}

function taken(url: URL): URL {
  const isTaken = url.protocol === "https:" || (url.protocol === "file:" && url.host === "") ||
    (url.protocol === "http:" && isLoopbackHost(url.hostname.replace(/^\[|\]$/g, "")));
  if (!isTaken) throw refused("it is neither https nor a file");
  return url;
}

function absolute(path: string): string {
  const full = path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;
  return full.split("/").map(encodeURIComponent).join("/");
}

function refused(state: string): PosternError {
  return new PosternError("upgrade_source_refused", `Cannot take releases from there: ${state}`);
}

/** User, password and query may be secret. */
function unreachable(url: URL, state: string, cause?: unknown): PosternError {
  return new PosternError(
    "upgrade_unreachable",
    `Cannot fetch ${url.protocol}//${url.host}${url.pathname}: ${state}`,
    {
      cause,
    },
  );
}
