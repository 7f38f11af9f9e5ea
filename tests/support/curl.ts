/** curl as a viewer: a second opinion on HTTP, TLS and WebSocket upgrades. */
import { Process } from "./process.ts";
import { TempDir } from "./temp_dir.ts";

export interface CurlOptions {
  /** Further curl arguments, e.g. `["--http2", "--cacert", path]`. */
  readonly args?: readonly string[];
  readonly body?: string | Uint8Array<ArrayBuffer>;
  /** `host:port` pairs that curl is to reach at another loopback port, e.g. `{"a.test:443": 8443}`. */
  readonly connectTo?: Readonly<Record<string, number>>;
  readonly timeoutMs?: number;
}

/** What curl saw. `code` is curl's own exit code: 0 when a response came, whatever its status. */
export interface CurlResult {
  readonly code: number;
  readonly status: number;
  /** Of the last response, names in lower case. */
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly text: string;
  readonly httpVersion: string;
  readonly stderr: string;
}

const defaultTimeoutMs = 60_000;

/** One request. Ignores the user's ~/.curlrc and proxies. */
export async function curl(url: string, options: CurlOptions = {}): Promise<CurlResult> {
  const { args = [], body, connectTo = {}, timeoutMs = defaultTimeoutMs } = options;
  await using folder = await TempDir.make("curl");
  const all = [
    "--disable",
    "--silent",
    "--show-error",
    "--noproxy",
    "*",
    "--max-time",
    `${timeoutMs / 1000}`,
  ];
  all.push("--dump-header", folder.file("head"), "--output", folder.file("body"));
  all.push("--write-out", "%{http_code} %{http_version}");
  for (const [from, port] of Object.entries(connectTo)) all.push("--connect-to", `${from}:127.0.0.1:${port}`);
  if (body !== undefined) all.push("--data-binary", "@-");
  const result = await Process.run("curl", {
    args: [...all, ...args, url],
    stdin: body,
    timeoutMs: timeoutMs + 5_000,
  });
  const [status = "0", httpVersion = "0"] = result.stdout.split(" ");
  const bytes = await Deno.readFile(folder.file("body")).catch(() => new Uint8Array());
  return {
    code: result.code,
    status: Number(status),
    headers: lastHead(await Deno.readTextFile(folder.file("head")).catch(() => "")),
    body: bytes,
    text: new TextDecoder().decode(bytes),
    httpVersion,
    stderr: result.stderr,
  };
}

/** curl writes every head it got, interim ones included; the last one counts. */
function lastHead(dump: string): Headers {
  const head = dump.split(/\r?\n\r?\n/).filter((part) => part.startsWith("HTTP/")).at(-1) ?? "";
  const headers = new Headers();
  for (const line of head.split(/\r?\n/).slice(1)) {
    const colon = line.indexOf(":");
    if (colon > 0) headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return headers;
}
