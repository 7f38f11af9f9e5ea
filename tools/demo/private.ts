/**
 * `deno task demo --private [--check]`: one agent shares a service without a public entry, another one uses it, and a tap between
 * both and the edge shows what the edge could see.
 */
import { Buffer } from "node:buffer";
import { type RunningConnect, startConnect } from "../../agent/private/mod.ts";
import { type RunningAgent, startAgent } from "../../agent/mod.ts";
import { agentDefaults, edgeDefaults } from "../../src/config/mod.ts";
import { codeOf } from "../../src/errors/mod.ts";
import { type RunningEdge, startEdge } from "../../src/main.ts";
import type { Log } from "../../src/ports/mod.ts";
import { TcpTap } from "../../tests/support/tcp_tap.ts";
import { print, printError } from "../print.ts";
import { ask, freeOr } from "./loopback.ts";

const NAME = "db";
/** What the two endpoints say to each other, and nobody else may see. */
const MARKER = "MARKER: a row of a table that is nobody's business";
const ANSWER_BYTES = 1_000_000;
const STEP_MS = 30_000;

export interface PrivateDemoOptions {
  /** Whether to go through all steps and end, instead of serving. */
  readonly checking: boolean;
  readonly log: Log;
  /** Resolves when whoever started the demo wants it to end. */
  readonly interrupted: Promise<void>;
}

/** Exit code. */
export async function privateDemo(options: PrivateDemoOptions): Promise<number> {
  try {
    await using demo = await PrivateDemo.start(options);
    await demo.connected();
    if (!options.checking) {
      print(`Use the private service at ${demo.address}: what you send comes back. Ctrl-C ends.`);
      await options.interrupted;
      return 0;
    }
    await demo.used();
    demo.sealed();
    await demo.hidden();
    await demo.pinned();
    await demo.replaced();
    print("The private demo works.");
    return 0;
  } catch (error) {
    printError(`The private demo failed: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}

class PrivateDemo implements AsyncDisposable {
  readonly #directory: string;
  readonly #origin: Deno.TcpListener;
  readonly #tap: TcpTap;
  readonly #edge: RunningEdge;
  readonly #agent: RunningAgent;
  readonly #log: Log;
  readonly #port: number;
  #client: RunningConnect | undefined;
  #clients = 0;

  private constructor(
    parts: {
      directory: string;
      origin: Deno.TcpListener;
      tap: TcpTap;
      edge: RunningEdge;
      agent: RunningAgent;
      log: Log;
      port: number;
    },
  ) {
    this.#directory = parts.directory;
    this.#origin = parts.origin;
    this.#tap = parts.tap;
    this.#edge = parts.edge;
    this.#agent = parts.agent;
    this.#log = parts.log;
    this.#port = parts.port;
  }

  static async start({ checking, log }: PrivateDemoOptions): Promise<PrivateDemo> {
    const directory = await Deno.makeTempDir({ prefix: "postern-demo-" });
    const origin = startEcho();
    // Both agents reach the edge through it: it sees what the edge sees, and what the network does.
    const tap = new TcpTap();
    const edge = await startEdge(
      edgeDefaults({
        listen: `127.0.0.1:${checking ? 0 : freeOr(8080)}`,
        admin_listen: checking ? "127.0.0.1:0" : `127.0.0.1:${freeOr(9090)}`,
        state_directory: `${directory}/edge`,
        drain_timeout: "2s",
        public_url_port: String(tap.port),
      }),
      { log },
    );
    tap.target = edge.port;
    const agent = await startAgent(
      agentDefaults({
        control: `http://127.0.0.1:${tap.port}`,
        admin_listen: "off",
        state_directory: `${directory}/agent`,
        token_file: edge.tokenPath,
        token_renewal: "false",
        drain_timeout: "1s",
      }, [{ name: NAME, protocol: "tcp", private: "true", target: `127.0.0.1:${origin.addr.port}` }]),
      { log },
    );
    await agent.ready;
    return new PrivateDemo({
      directory,
      origin,
      tap,
      edge,
      agent,
      log,
      port: checking ? 0 : freeOr(15_432),
    });
  }

  get address(): string {
    return this.#client!.address!;
  }

  async connected(): Promise<void> {
    const fingerprint = this.#agent.fingerprint!;
    pass(
      `postern share ${this.#origin.addr.port} --private --name ${NAME}`,
      `its fingerprint is ${fingerprint}`,
    );
    this.#client = await this.#connect(fingerprint, this.#port);
    const { peer } = this.#client;
    pass(
      `postern connect ${NAME} --listen ${this.address} --pin ${fingerprint.slice(0, 15)}…`,
      `the other end is ${peer.assurance}`,
    );
  }

  async used(): Promise<void> {
    const text = `${MARKER}\n${"x".repeat(ANSWER_BYTES)}\n${MARKER}`;
    const answer = await this.#talk(text);
    if (answer !== text) throw new Error(`${answer.length} bytes came back in place of ${text.length}`);
    pass("a connection to it", `${text.length} bytes went to the service and came back as they were`);
  }

  sealed(): void {
    const passed = Buffer.concat(this.#tap.fromServer);
    if (passed.length < 2 * ANSWER_BYTES) throw new Error(`only ${passed.length} bytes were seen`);
    if (passed.includes(MARKER) || passed.includes("xxxxxxxx")) {
      throw new Error("the edge can read what is said");
    }
    pass(
      "a tap between the agents and the edge",
      `${passed.length} bytes left the edge, and none of what was said is among them`,
    );
  }

  async hidden(): Promise<void> {
    const { status } = await ask({ port: this.#edge.port }, `${NAME}.localhost`, "/");
    if (status !== 404) throw new Error(`the edge answers ${status} for a name that is not public`);
    pass(`GET http://${NAME}.localhost/`, "404: a private service has no public entry");
  }

  async pinned(): Promise<void> {
    try {
      await (await this.#connect(`sha256:${"A".repeat(43)}`, 0)).stop();
    } catch (error) {
      if (codeOf(error) !== "private_pin_mismatch") throw error;
      return pass(
        "postern connect with another pin",
        "private_pin_mismatch: nothing was said to who answered",
      );
    }
    throw new Error("an endpoint that is not the pinned one was believed");
  }

  async replaced(): Promise<void> {
    this.#tap.cut();
    for (const until = Date.now() + STEP_MS; Date.now() < until;) {
      if (await this.#talk(MARKER).catch(() => "") === MARKER) {
        return pass(
          "every connection of the edge broken off",
          "a new grant, a new channel, the same address",
        );
      }
    }
    throw new Error("the service does not come back");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client?.stop();
    await this.#agent.stop();
    await this.#edge.stop();
    await this.#tap[Symbol.asyncDispose]();
    this.#origin.close();
    await Deno.remove(this.#directory, { recursive: true });
  }

  #connect(pin: string, port: number): Promise<RunningConnect> {
    return startConnect(
      agentDefaults({
        control: `http://127.0.0.1:${this.#tap.port}`,
        state_directory: `${this.#directory}/client-${this.#clients++}`,
        token_file: this.#edge.tokenPath,
        token_renewal: "false",
        drain_timeout: "1s",
        "private.pin": pin,
        "retry.initial": "100ms",
      }),
      { service: NAME, use: { listen: { host: "127.0.0.1", port } } },
      { log: this.#log, signal: new AbortController().signal },
    );
  }

  async #talk(text: string): Promise<string> {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port: Number(this.address.split(":")[1]) });
    const answer = new Response(conn.readable).text();
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
    await conn.closeWrite();
    return await answer;
  }
}

function startEcho(): Deno.TcpListener {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  (async () => {
    for await (const conn of listener) conn.readable.pipeTo(conn.writable).catch(() => {});
  })();
  return listener;
}

function pass(what: string, seen: string): void {
  print(`PASS  ${what}: ${seen}`);
}
