/** Control, connectors and tunnelers in this process, over real sockets, each with a clock that the test can move. */
import assert from "node:assert/strict";
import { startConnector, startTunneler } from "../../agent/node/mod.ts";
import type { RunningNode } from "../../agent/node/node_runner.ts";
import { fromBase64Url, toBase64Url } from "../../src/bytes/mod.ts";
import { agentDefaults, edgeDefaults } from "../../src/config/mod.ts";
import { AuthorityDirectory } from "../../src/driver/mod.ts";
import { type RunningEdge, startEdge } from "../../src/main.ts";
import {
  type Authority,
  issueNode,
  makeCsr,
  type NodeRole,
  pemOfChain,
  readNodeCertificate,
} from "../../src/pki/mod.ts";
import type { Log } from "../../src/ports/mod.ts";
import type { Metrics } from "../../src/telemetry/mod.ts";
import { JumpingClock } from "./jumping_clock.ts";
import { makeKeys, pemOfKey } from "./made_cluster.ts";
import { Process } from "./process.ts";
import { eventually } from "./stack.ts";
import { TempDir } from "./temp_dir.ts";

const alpn = ["-alpn", "postern-node/1"];
const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));

/** What somebody logged, oldest first. */
export class Logged {
  readonly lines: string[] = [];
  readonly log: Log = (_level, event, fields) =>
    void this.lines.push(`${event} ${JSON.stringify(fields ?? {})}`);

  /** A line from the `from`th on. */
  async waitFor(pattern: RegExp, from = 0): Promise<string> {
    let found: string | undefined;
    await eventually(`${pattern} is logged`, () => {
      found = this.lines.slice(from).find((line) => pattern.test(line));
      return Promise.resolve(found !== undefined);
    }, 60_000);
    return found!;
  }
}

/** A certificate with its key, as files for openssl. */
export interface OpensslIdentity {
  readonly files: readonly string[];
  readonly serial: string;
  readonly chain: readonly Uint8Array[];
  readonly keys: CryptoKeyPair;
}

export class RunningNodes implements AsyncDisposable {
  readonly clock = new JumpingClock();
  readonly logged = new Logged();
  readonly folder: TempDir;
  readonly #nodes: RunningNode[] = [];
  #edge!: RunningEdge;
  #files = 0;

  private constructor(folder: TempDir) {
    this.folder = folder;
  }

  /** @param prepare what has to be in the folder before, below `edge` for control */
  static async start(
    settings: Readonly<Record<string, string>> = {},
    prepare: (folder: TempDir) => Promise<void> = () => Promise.resolve(),
  ): Promise<RunningNodes> {
    const nodes = new RunningNodes(await TempDir.make("trust"));
    await prepare(nodes.folder);
    nodes.#edge = await startEdge(
      edgeDefaults({
        listen: "127.0.0.1:0",
        admin_listen: "off",
        state_directory: nodes.folder.file("edge"),
        drain_timeout: "100ms",
        "nodes.listen": "127.0.0.1:0",
        ...settings,
      }),
      { clock: nodes.clock, log: nodes.logged.log },
    );
    await nodes.api("POST", "/api/admin/node-rules/allow", { connector: "*", tunneler: "*" });
    return nodes;
  }

  get edge(): RunningEdge {
    return this.#edge;
  }

  /** Mutual-TLS port of control. */
  get port(): number {
    return this.#edge.nodesPort!;
  }

  /** The control API; throws with what it refuses with unless `expected` says so. */
  // deno-lint-ignore no-explicit-any -- tests look into answers of every shape
  async api(method: string, path: string, body?: unknown, expected = 200): Promise<any> {
    const token = (await Deno.readTextFile(this.#edge.tokenPath)).trim();
    const response = await fetch(`http://127.0.0.1:${this.#edge.port}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    assert.equal(response.status, expected, `${path}: ${text}`);
    return JSON.parse(text);
  }

  async token(role: NodeRole, id: string): Promise<string> {
    return (await this.api("POST", "/v1/enroll/tokens", { role, id })).token;
  }

  /** Enrolls a node that only openssl speaks for. */
  async enrolled(role: NodeRole, id: string): Promise<OpensslIdentity> {
    const keys = await makeKeys();
    const token = await this.token(role, id);
    const answer = await this.api("POST", "/v1/identity/enroll", {
      token,
      csr: toBase64Url(await makeCsr(keys)),
    });
    return await this.filesOf(answer.certificate_chain.map(fromBase64Url), keys);
  }

  /** A certificate that the cluster's own issuing CA signs for the test: whoever has stolen that key could make it. */
  async forged(
    role: NodeRole,
    id: string,
    change: { trustDomain?: string; notBeforeMs?: number; notAfterMs?: number } = {},
  ): Promise<OpensslIdentity> {
    const keys = await makeKeys();
    const nowMs = this.clock.wall();
    const { trustDomain = "localhost", notBeforeMs = nowMs - 60_000, notAfterMs = nowMs + 60_000 } = change;
    const issuing = await this.issuing();
    const leaf = await issueNode(
      issuing,
      { trustDomain, role, id },
      keys.spki,
      { notBeforeMs, notAfterMs },
      random,
    );
    return await this.filesOf([leaf.bytes, issuing.certificate.bytes], keys);
  }

  async issuing(): Promise<Authority> {
    const directory = await AuthorityDirectory.open(this.folder.file("edge/ca"));
    const certificate = readNodeCertificate((await directory.certificates("issuing"))[0]);
    return { certificate, privateKey: (await directory.privateKey("issuing", certificate.sha256))! };
  }

  async filesOf(chain: readonly Uint8Array[], keys: CryptoKeyPair): Promise<OpensslIdentity> {
    const stem = `node${++this.#files}`;
    const cert = await this.folder.write(`${stem}.pem`, pemOfChain(chain));
    const key = await this.folder.write(`${stem}.key`, await pemOfKey(keys.privateKey));
    const { serial } = readNodeCertificate(chain[0]);
    return { files: ["-cert", cert, "-cert_chain", cert, "-key", key], serial, chain, keys };
  }

  /** Starts a connector or tunneler with an identity of its own. */
  async node(
    role: "connector" | "tunneler",
    id: string,
    settings: Readonly<Record<string, string>> = {},
    { clock = new JumpingClock(), metrics }: { clock?: JumpingClock; metrics?: Metrics } = {},
  ): Promise<{ readonly node: RunningNode; readonly logged: Logged; readonly clock: JumpingClock }> {
    const logged = new Logged();
    const token = settings["node.enrollment_token_file"] ??
      await this.folder.write(`${id}.token`, await this.token(role, id));
    const config = agentDefaults({
      control: `http://127.0.0.1:${this.#edge.port}`,
      admin_listen: "off",
      state_directory: this.folder.file(id),
      "node.control": `127.0.0.1:${this.port}`,
      "node.enrollment_token_file": token,
      "node.listen": "127.0.0.1:0",
      ...settings,
    }, []);
    const start = role === "connector" ? startConnector : startTunneler;
    const node = await start(config, {
      clock,
      log: logged.log,
      ...(metrics === undefined ? {} : { metrics }),
    });
    this.#nodes.push(node);
    return { node, logged, clock };
  }

  async online(node: RunningNode): Promise<void> {
    await eventually(`${node.spiffeId} is online`, () => Promise.resolve(node.isOnline()), 60_000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.#nodes.reverse()) await node.stop();
    await this.#edge.stop();
    await this.folder[Symbol.asyncDispose]();
  }
}

/** Frames of the channel between nodes: a length of four bytes before each, then JSON. */
export function framesOf(...messages: unknown[]): Uint8Array<ArrayBuffer> {
  const parts = messages.map((message) => new TextEncoder().encode(JSON.stringify(message)));
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + 4 + part.length, 0));
  let at = 0;
  for (const part of parts) {
    new DataView(bytes.buffer).setUint32(at, part.length);
    bytes.set(part, at + 4);
    at += 4 + part.length;
  }
  return bytes;
}

export const hello = { type: "hello", protocol: 1, nonce: "n", version: "1.0.0", bundle_version: 1 };

/** `openssl s_client` that stays until the node ends the connection, and prints what it is sent. */
export function sClient(
  port: number,
  args: readonly string[],
  stdin: string | Uint8Array<ArrayBuffer> = "",
): Process {
  return Process.start("openssl", {
    args: ["s_client", "-connect", `127.0.0.1:${port}`, "-quiet", ...alpn, ...args],
    stdin,
  });
}

/** `openssl s_server` in the place of a node. */
export async function sServer(port: number, args: readonly string[]): Promise<Process> {
  const server = Process.start("openssl", {
    args: ["s_server", "-accept", `127.0.0.1:${port}`, "-Verify", "2", "-quiet", ...alpn, ...args],
    stdin: undefined,
  });
  await server.waitUntil(async () => {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return true;
    } catch {
      return false;
    }
  });
  return server;
}
