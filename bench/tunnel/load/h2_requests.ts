/** HTTP/2 requests over TLS by h2load, where it is installed and the server speaks it. */
import { findBinary } from "../../../tools/test/packages.ts";
import { Process } from "../../../tests/support/process.ts";
import type { HttpTarget, RequestLoad } from "./requests.ts";
import { percentile } from "./statistics.ts";

export const hasH2load: boolean = findBinary("h2load") !== undefined;

/** Where load starts: `connections` with `streams` requests at a time on each. */
export interface H2Level {
  readonly connections: number;
  readonly streams: number;
}

/** Undefined when ALPN does not give h2. @throws Error when a request fails */
export async function h2Requests(
  { hostname, port, host }: HttpTarget,
  { connections, streams }: H2Level,
  durationMs: number,
): Promise<RequestLoad | undefined> {
  const log = await Deno.makeTempFile({ prefix: "postern-h2load-" });
  try {
    const { stdout, stderr } = await Process.run(findBinary("h2load")!, {
      args: [
        ...["-t1", `-c${connections}`, `-m${streams}`, `-D${Math.max(1, Math.round(durationMs / 1000))}`],
        ...[`--connect-to=${hostname}:${port}`, `--log-file=${log}`, `https://${host}:${port}/`],
      ],
      timeoutMs: durationMs + 20_000,
    });
    return parseH2load(stdout, stderr, await Deno.readTextFile(log));
  } finally {
    await Deno.remove(log);
  }
}

/**
 * Reads what h2load prints, and its log of start, status and microseconds for each request. Undefined when the
 * protocol is another one. @throws Error when requests failed, or none was made
 */
export function parseH2load(output: string, problems: string, log: string): RequestLoad | undefined {
  const protocol = /^(?:Application protocol:|Server offered protocols?:?) *(\S*)/m.exec(output)?.[1];
  if (/no protocol was selected|no supported application protocol/i.test(output + problems)) return undefined;
  if (protocol !== undefined && protocol !== "h2") return undefined;
  const perSecond = Number(/^finished in \S+, ([\d.]+) req\/s/m.exec(output)?.[1]);
  const [, done, failed, errored, timeout] =
    /(\d+) done, \d+ succeeded, (\d+) failed, (\d+) errored, (\d+) timeout/.exec(output)?.map(Number) ?? [];
  if (protocol === undefined || !(done > 0)) {
    throw new Error(`h2load made no requests: ${(output + problems).trim().split("\n").at(-1)}`);
  }
  const unhappy = /(\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx/.exec(output)?.slice(2).map(Number) ?? [];
  if (failed + errored + timeout > 0 || unhappy.some((count) => count > 0)) {
    throw new Error(
      `h2load: ${failed} failed, ${errored} errored, ${timeout} timed out, ${unhappy.join("/")} 3xx/4xx/5xx`,
    );
  }
  const samples = log.split("\n").filter(Boolean).map((line) => Number(line.split("\t")[2]) / 1000);
  return { perSecond, requests: done, p50Ms: percentile(samples, 0.5), p99Ms: percentile(samples, 0.99) };
}
