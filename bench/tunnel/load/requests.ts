/** HTTP requests over kept connections: wrk where it is installed, else a plain generator here. */
import { findBinary } from "../../../tools/test/packages.ts";
import { Process } from "../../../tests/support/process.ts";
import { Connections, type Target, writeAll } from "./connection.ts";
import { percentile } from "./statistics.ts";

export interface HttpTarget extends Target {
  /** Value of the Host header. */
  readonly host: string;
  /** TLS; `host` is the name that is asked for. The certificate is not judged. */
  readonly secure?: boolean;
}

export interface RequestLoad {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly requests: number;
}

/** What makes the requests on this machine. */
export const requestTool: "wrk" | "built-in" = findBinary("wrk") === undefined ? "built-in" : "wrk";

/** GET / over `connections` connections. @throws Error when a request fails */
export function requests(target: HttpTarget, connections: number, durationMs: number): Promise<RequestLoad> {
  if (requestTool === "wrk") return wrk(target, connections, durationMs);
  if (target.secure) throw new Error("requests over TLS need wrk");
  return builtIn(target, connections, durationMs);
}

/** Makes wrk ask for a name that no resolver here knows, at the address in `WRK_ADDRESS`. */
const SCRIPT = new URL("resolve.lua", import.meta.url).pathname;

async function wrk(target: HttpTarget, connections: number, durationMs: number): Promise<RequestLoad> {
  const { hostname, port, host, secure } = target;
  const address = secure
    ? ["--script", SCRIPT, `https://${host}:${port}/`]
    : ["-H", `Host: ${host}`, `http://${hostname}:${port}/`];
  const { stdout, stderr } = await Process.run(findBinary("wrk")!, {
    args: [
      "-t1",
      `-c${connections}`,
      `-d${Math.max(1, Math.round(durationMs / 1000))}s`,
      "--timeout",
      "10s",
      "--latency",
      ...address,
    ],
    env: { WRK_ADDRESS: hostname },
    timeoutMs: durationMs + 20_000,
  });
  return parseWrk(stdout, stderr);
}

/** Reads what `wrk --latency` prints. @throws Error when it tells of failed requests, or of none at all */
export function parseWrk(output: string, problems = ""): RequestLoad {
  const failed = /^\s*(Socket errors:.*|Non-2xx.*)$/m.exec(output)?.[1];
  if (failed !== undefined) throw new Error(`wrk: ${failed.trim()}`);
  const perSecond = Number(/Requests\/sec:\s*([\d.]+)/.exec(output)?.[1]);
  const requests = Number(/(\d+) requests in/.exec(output)?.[1]);
  const p50Ms = durationMs(/^\s*50%\s+(\S+)/m.exec(output)?.[1]);
  const p99Ms = durationMs(/^\s*99%\s+(\S+)/m.exec(output)?.[1]);
  if (!(requests > 0) || !Number.isFinite(perSecond + p50Ms + p99Ms)) {
    throw new Error(`wrk made no requests: ${(output + problems).trim()}`);
  }
  return { perSecond, p50Ms, p99Ms, requests };
}

const UNITS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000 };

function durationMs(text = ""): number {
  const match = /^([\d.]+)(us|ms|s|m)$/.exec(text);
  return match === null ? NaN : Number(match[1]) * UNITS[match[2]];
}

async function builtIn(target: HttpTarget, count: number, durationMs: number): Promise<RequestLoad> {
  using connections = new Connections(durationMs);
  const request = new TextEncoder().encode(`GET / HTTP/1.1\r\nHost: ${target.host}\r\n\r\n`);
  const conns = await Promise.all(Array.from({ length: count }, () => connections.open(target)));
  const samples: number[] = [];
  const startedAt = performance.now();
  await Promise.all(conns.map(async (conn) => {
    const buffer = new Uint8Array(16_384);
    for (let before = performance.now(); before < startedAt + durationMs;) {
      await writeAll(conn, request);
      await readResponse(conn, buffer);
      const after = performance.now();
      samples.push(after - before);
      before = after;
    }
  }));
  const elapsedMs = performance.now() - startedAt;
  return {
    perSecond: samples.length / elapsedMs * 1000,
    p50Ms: percentile(samples, 0.5),
    p99Ms: percentile(samples, 0.99),
    requests: samples.length,
  };
}

/** Bytes of the response as its first head says; the origin always sends the same one. */
async function readResponse(conn: Deno.Conn, buffer: Uint8Array): Promise<void> {
  const decoder = new TextDecoder();
  let filled = 0;
  let whole = Infinity;
  while (filled < whole) {
    const read = await conn.read(buffer.subarray(filled));
    if (read === null) throw new Error("the connection ended before the response");
    filled += read;
    if (whole !== Infinity) continue;
    const text = decoder.decode(buffer.subarray(0, filled));
    const headEnd = text.indexOf("\r\n\r\n");
    if (headEnd < 0) continue;
    if (!/^HTTP\/1\.1 200 /.test(text)) throw new Error(`the response is ${text.slice(0, 30)}`);
    whole = headEnd + 4 + Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? NaN);
    if (Number.isNaN(whole)) throw new Error("the response has no Content-Length");
  }
}
