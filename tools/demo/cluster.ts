/**
 * `deno task demo --cluster [--check]`: two edges with control on one PostgreSQL, an agent, and a connector and a tunneler over
 * mutual TLS. One edge is killed, and what it held comes back at the other; what is revoked at one is cut at the other.
 */
import { ControlClient, type RunningAgent, startAgent } from "../../agent/mod.ts";
import { agentDefaults, edgeDefaults } from "../../src/config/mod.ts";
import { systemClock } from "../../src/driver/mod.ts";
import { type RunningEdge, startEdge } from "../../src/main.ts";
import type { Log } from "../../src/ports/mod.ts";
import { freePort } from "../../tests/support/ports.ts";
import { Postgres } from "../../tests/support/postgres.ts";
import type { Process } from "../../tests/support/process.ts";
import { flagsOf, startPostern } from "../../tests/support/stack_processes.ts";
import { TempDir } from "../../tests/support/temp_dir.ts";
import { print } from "../print.ts";
import { ask, freeOr } from "./loopback.ts";
import { DemoNodes } from "./nodes.ts";
import { startOrigin } from "./origin.ts";
import { type DemoOptions, expect, pass, playDemo, step, STEP_MS } from "./play.ts";

const NAME = "hello";
/** The service of somebody whose tokens are revoked. */
const OTHER_NAME = "alice";
/** Programs that the demo starts. */
const PROGRAMS: readonly string[] = ["postgres", "initdb"];
const POLL_MS = 50;
/** Where control is asked, which counts. */
const SLOW_POLL_MS = 2_000;
/** How long viewers wait for an agent that is away. */
const GRACE = "1s";

/** Exit code. */
export function clusterDemo(options: DemoOptions): Promise<number> {
  return playDemo("cluster", PROGRAMS, async (stack) => {
    const database = stack.use(await Postgres.start());
    const folder = stack.use(await TempDir.make("demo-cluster"));
    const demo = stack.use(await ClusterDemo.start(database, folder, options));
    await demo.untilOnline();
    if (!options.checking) {
      await demo.serve(options.interrupted);
      return false;
    }
    await demo.outlastKill();
    await demo.revokeElsewhere();
    await demo.revokeCertificate();
    await demo.verifyAudit();
    return true;
  });
}

class ClusterDemo implements AsyncDisposable {
  readonly #folder: TempDir;
  readonly #log: Log;
  readonly #origin = startOrigin();
  readonly #databaseUrlFile: string;
  /** Of the edge that is killed, a process of its own. */
  readonly #port: number;
  readonly #other: RunningEdge;
  readonly #agents: RunningAgent[] = [];
  /** Of edge-one, for connectors and tunnelers. */
  readonly #nodePort = freePort();
  #nodes: DemoNodes | undefined;
  #nodeOperator: ControlClient | undefined;
  #killed: Process | undefined;

  private constructor(
    folder: TempDir,
    log: Log,
    port: number,
    other: RunningEdge,
    databaseUrlFile: string,
  ) {
    this.#folder = folder;
    this.#log = log;
    this.#port = port;
    this.#other = other;
    this.#databaseUrlFile = databaseUrlFile;
  }

  static async start(
    database: Postgres,
    folder: TempDir,
    { checking, log }: DemoOptions,
  ): Promise<ClusterDemo> {
    const file = await Postgres.urlFile(folder, database.url);
    const other = await startEdge(
      edgeDefaults({
        listen: `127.0.0.1:${checking ? 0 : freeOr(8081)}`,
        admin_listen: "off",
        state_directory: folder.file("edge-two"),
        edge_id: "edge-two",
        "nodes.listen": "127.0.0.1:0",
        database_url_file: file,
        drain_timeout: "2s",
        grace: GRACE,
      }),
      { log },
    );
    const wanted = checking ? 0 : freeOr(8080);
    const demo = new ClusterDemo(folder, log, wanted === 0 ? freePort() : wanted, other, file);
    try {
      await demo.#startFirst();
      return demo;
    } catch (error) {
      await demo[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Two edges that know each other, an agent with the addresses of both, a request. */
  async untilOnline(): Promise<void> {
    pass(
      "two edges, one PostgreSQL",
      `ports ${this.#port} and ${this.#other.port}, dashboard ${await this.#dashboard()}`,
    );
    const agent = await this.#startAgent("agent", NAME);
    const { control, edge } = agent.status();
    expect(edge === "edge-one", `${edge}`);
    pass("agent online", `at ${edge}, by control at ${control}`);
    expect(await this.#status(this.#port, NAME) === 200, "no answer");
    pass("request through edge-one", "200");
    await this.#startNodes();
  }

  /** Enrolled at edge-two, connected to edge-one first. */
  async #startNodes(): Promise<void> {
    const operator = this.#nodeOperator = this.#operator(this.#other.port);
    const nodes = this.#nodes = await DemoNodes.start({
      folder: this.#folder,
      log: this.#log,
      control: `http://127.0.0.1:${this.#other.port},http://127.0.0.1:${this.#port}`,
      nodePorts: [this.#nodePort, this.#other.nodesPort!],
      operator,
      signal: step,
    });
    await this.#until("echo of connector and tunneler", () => Promise.resolve(nodes.areOnline));
    await this.#until(
      "ONLINE",
      async () => (await this.#nodeStates()).every((state) => state === "ONLINE"),
      500,
    );
    pass("connector and tunneler by mutual TLS", `${nodes.names}: ONLINE, echoes of control came back`);
  }

  /** What control tells of both. */
  async #nodeStates(): Promise<string[]> {
    const token = (await Deno.readTextFile(this.#other.tokenPath)).trim();
    const states: string[] = [];
    for (const role of ["connectors", "tunnelers"]) {
      const response = await fetch(`http://127.0.0.1:${this.#other.port}/api/admin/${role}`, {
        headers: { authorization: `Bearer ${token}` },
        signal: step(),
      });
      const rows: { status: string }[] = (await response.json())[role];
      states.push(rows[0]?.status ?? "not heard");
    }
    return states;
  }

  async outlastKill(): Promise<void> {
    const agent = this.#agents[0];
    const startedAt = performance.now();
    await this.#killed?.stop("SIGKILL");
    await this.#until(
      "service at edge-two",
      async () => agent.status().edge === "edge-two" && await this.#status(this.#other.port, NAME) === 200,
    );
    const tookMs = Math.round(performance.now() - startedAt);
    const { control } = agent.status();
    pass("edge-one killed", `the service is back at edge-two after ${tookMs} ms, by control at ${control}`);
    await this.#until("nodes at edge-two", () => Promise.resolve(this.#nodes?.areOnline ?? false));
    pass(
      "connector and tunneler",
      `ONLINE by edge-two ${Math.round(performance.now() - startedAt)} ms after the kill`,
    );
    await this.#startFirst();
    const operator = this.#operator(this.#other.port);
    try {
      await this.#until("edge-one among the candidates", async () => {
        const { candidates } = await operator.create({
          requested_name: "probe",
          preferred_transports: ["wss"],
          protocol: "http",
          weight: 1,
        }, step());
        return candidates.some(({ edge_id }) => edge_id === "edge-one");
      }, SLOW_POLL_MS);
    } finally {
      operator.close();
    }
    pass("edge-one started again", "edge-two names it to agents as well");
  }

  /** What `postern token` and `postern token revoke` do, at the edge that does not hold the channel. */
  async revokeElsewhere(): Promise<void> {
    const operator = this.#operator(this.#port);
    try {
      const issued = await operator.issueToken({ owner: "alice" }, step());
      const tokenFile = await this.#folder.write("alice.token", `${issued.management_token}\n`);
      await Deno.chmod(tokenFile, 0o600);
      await this.#startAgent("agent-alice", OTHER_NAME, {
        control: `http://127.0.0.1:${this.#other.port}`,
        token_file: tokenFile,
      });
      expect(await this.#status(this.#other.port, OTHER_NAME) === 200, "no answer");
      const startedAt = performance.now();
      await operator.revokeTokens({ owner: "alice" }, step());
      await this.#until(
        "cut at edge-two",
        async () => await this.#status(this.#other.port, OTHER_NAME) !== 200,
      );
      const tookMs = Math.round(performance.now() - startedAt);
      pass("owner revoked at edge-one", `her channel at edge-two was cut, seen after ${tookMs} ms`);
    } finally {
      operator.close();
    }
  }

  /** What `postern ca revoke --serial` does, at the edge that the nodes are not connected to. */
  async revokeCertificate(): Promise<void> {
    const nodes = this.#nodes!;
    const operator = this.#operator(this.#port);
    try {
      const startedAt = performance.now();
      const serial = await nodes.revokeTunneler(operator);
      let state = "online";
      await this.#until("end of the tunneler's channel", async () => {
        state = await nodes.tunnelerState();
        return state !== "online";
      });
      const tookMs = Math.round(performance.now() - startedAt);
      pass(
        "certificate revoked at edge-one",
        `${
          serial.slice(0, 8)
        }… of the tunneler: its channel to the connector was cut, seen after ${tookMs} ms (${state})`,
      );
    } finally {
      operator.close();
    }
  }

  async verifyAudit(): Promise<void> {
    const words = ["audit", "verify", `--control=http://127.0.0.1:${this.#port}`];
    await using verifying = startPostern(
      [...words, `--token-file=${this.#other.tokenPath}`],
      this.#folder,
    );
    const { code, stdout, stderr } = await verifying.finished(STEP_MS);
    expect(code === 0, `${stdout}${stderr}`);
    pass("audit log of both edges", stdout.trim().split("\n")[0]);
  }

  /** Until interrupted, telling where the service is. */
  async serve(interrupted: Promise<void>): Promise<void> {
    const agent = this.#agents[0];
    let where = agent.status().edge;
    const unwatch = agent.onStatus(({ edge, state, control }) => {
      if (state !== "online" || edge === where) return;
      where = edge;
      print(`${new Date().toISOString().slice(11, 19)}  service at ${edge}, by control at ${control}`);
    });
    const { port, tokenPath } = this.#other;
    print(`
  Postern demo, cluster                                    Ctrl-C stops it

  edge-one       http://${NAME}.localhost:${this.#port}/   dashboard http://localhost:${this.#port}/dashboard
  edge-two       http://${NAME}.localhost:${port}/   dashboard http://localhost:${port}/dashboard
  As an operator --control http://127.0.0.1:${port} --token-file ${tokenPath}

  connector and tunneler   ${this.#nodes?.names}

  Kill edge-one, and see the service come back at edge-two (edges do not forward: ask the one that holds it):

    kill -9 ${this.#killed?.pid}
`);
    await Promise.race([interrupted, this.#other.finished]);
    unwatch();
    print("Stopping.");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#nodes?.[Symbol.asyncDispose]();
    this.#nodeOperator?.close();
    for (const agent of this.#agents) await agent.stop();
    await this.#killed?.stop("SIGKILL");
    await this.#other.stop();
    await this.#origin.shutdown();
  }

  async #startFirst(): Promise<void> {
    await this.#shareAuthorities();
    const process = this.#killed = startPostern([
      "edge",
      ...flagsOf({
        listen: `127.0.0.1:${this.#port}`,
        admin_listen: "off",
        state_directory: this.#folder.file("edge-one"),
        edge_id: "edge-one",
        "nodes.listen": `127.0.0.1:${this.#nodePort}`,
        database_url_file: this.#databaseUrlFile,
        drain_timeout: "2s",
        grace: GRACE,
      }),
    ], this.#folder);
    await process.waitUntil(async () => {
      const answer = await fetch(`http://127.0.0.1:${this.#port}/readyz`).catch(() => undefined);
      await answer?.body?.cancel();
      return answer?.status === 200;
    });
  }

  /** Both controls issue certificates of nodes: with one issuing CA, as where `ca` was copied to the second machine. */
  async #shareAuthorities(): Promise<void> {
    const [from, to] = ["edge-two", "edge-one"].map((edge) => this.#folder.file(`${edge}/ca`));
    await Deno.mkdir(to, { recursive: true, mode: 0o700 });
    await Deno.chmod(this.#folder.file("edge-one"), 0o700);
    for await (const { name } of Deno.readDir(from)) {
      if (!name.startsWith("root")) await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
    }
  }

  async #startAgent(
    directory: string,
    name: string,
    settings: Readonly<Record<string, string>> = {},
  ): Promise<RunningAgent> {
    const agent = await startAgent(
      agentDefaults({
        control: `http://127.0.0.1:${this.#port},http://127.0.0.1:${this.#other.port}`,
        admin_listen: "off",
        state_directory: this.#folder.file(directory),
        drain_timeout: "2s",
        ...settings,
      }, [{ name, target: `127.0.0.1:${this.#origin.addr.port}` }]),
      { log: this.#log },
    );
    this.#agents.push(agent);
    await Promise.race([agent.ready, agent.finished]);
    return agent;
  }

  /** Its URL at edge-two. */
  async #dashboard(): Promise<string> {
    const { status } = await ask(this.#other, "localhost", "/dashboard");
    expect(status < 400, `status ${status} of the dashboard`);
    return `http://localhost:${this.#other.port}/dashboard`;
  }

  #operator(port: number): ControlClient {
    return new ControlClient({
      url: `http://127.0.0.1:${port}`,
      clock: systemClock,
      token: async () => (await Deno.readTextFile(this.#other.tokenPath)).trim(),
    });
  }

  async #status(port: number, name: string): Promise<number> {
    return (await ask({ port }, `${name}.localhost`, "/")).status;
  }

  async #until(what: string, holds: () => Promise<boolean>, everyMs = POLL_MS): Promise<void> {
    const endMs = performance.now() + STEP_MS;
    while (!await holds()) {
      if (performance.now() > endMs) throw new Error(`no ${what} within ${STEP_MS / 1_000} s`);
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  }
}
