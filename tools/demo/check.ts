/** Makes requests through the running demo and says what came back. */
import { ask, webSocketEcho } from "./loopback.ts";

export interface CheckTarget {
  /** e.g. `hello.localhost`. */
  readonly host: string;
  readonly port: number;
  /** PEM of the development authority. */
  readonly caCert: string;
}

/** Longest time for one check. */
const CHECK_MS = 10_000;

/** Runs all checks, printing a line for each; true when all passed. */
export async function runChecks(target: CheckTarget, print: (line: string) => void): Promise<boolean> {
  let good = true;
  for (const [name, check] of Object.entries(CHECKS)) {
    try {
      const late = AbortSignal.timeout(CHECK_MS);
      const seen = await Promise.race([
        check(target),
        new Promise<never>((_, reject) =>
          late.addEventListener("abort", () => reject(new Error("timed out")))
        ),
      ]);
      print(`PASS  ${name}: ${seen}`);
    } catch (error) {
      good = false;
      print(`FAIL  ${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return good;
}

const CHECKS: Readonly<Record<string, (target: CheckTarget) => Promise<string>>> = {
  async "page over HTTP"(target) {
    const { status, body, headers } = await get(target, target.host, "/");
    expect(status === 200 && body.includes("Hello through Postern"), `status ${status}`);
    return `200, ${body.length} bytes, request id ${headers.get("x-request-id") ?? "in the page"}`;
  },
  async "control over HTTPS"(target) {
    using client = Deno.createHttpClient({ caCerts: [target.caCert] });
    const response = await fetch(`https://localhost:${target.port}/readyz`, { client });
    const body = await response.text();
    expect(response.status === 200 && body.includes("ready"), `status ${response.status}`);
    return `200 ${body}, certificate checked against the demo's own authority`;
  },
  async "echo of 1 MiB"(target) {
    const sent = new Uint8Array(1_048_576).map((_, at) => at * 31);
    const { body } = await ask(target, target.host, "/echo", { method: "POST", body: sent });
    expect(
      body.length === sent.length && body.every((byte, at) => byte === sent[at]),
      `${body.length} other bytes`,
    );
    return "all bytes came back in order";
  },
  async "server-sent events"(target) {
    const { body } = await get(target, target.host, "/events");
    const events = [...body.matchAll(/data: (\d+)/g)].map((match) => match[1]).join(",");
    expect(events === "1,2,3,4,5", events);
    return "five, in order";
  },
  async "WebSocket echo"(target) {
    const answer = await webSocketEcho(target, "through the tunnel");
    expect(answer === "through the tunnel", answer);
    return JSON.stringify(answer);
  },
  async "unknown host"(target) {
    const { status, body } = await get(target, "nobody.localhost", "/");
    expect(status === 404 && body.includes("unknown_host"), `status ${status}`);
    return "404 unknown_host";
  },
};

/** A GET whose answer is text. */
async function get(target: CheckTarget, host: string, path: string) {
  const { status, headers, body } = await ask(target, host, path);
  return { status, headers, body: new TextDecoder().decode(body) };
}

function expect(holds: boolean, saw: string): void {
  if (!holds) throw new Error(`saw ${saw}`);
}
