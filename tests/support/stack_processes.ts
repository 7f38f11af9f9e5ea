/** Edge and agent as the processes that a user starts, to be killed, stopped and started again. */
import type { AgentStatus } from "../../agent/status.ts";
import { clientOf, eventually, type Settings } from "./stack.ts";
import { freePort } from "./ports.ts";
import { Process } from "./process.ts";
import { TempDir } from "./temp_dir.ts";

const root = new URL("../../", import.meta.url).pathname;

/** How to start `postern` from its sources. */
export const SOURCE_PROGRAM: readonly string[] = [
  Deno.execPath(),
  "run",
  "-A",
  "--no-prompt",
  "--no-check",
  "--cached-only",
  "--unstable-net",
  `${root}cli/main.ts`,
];

export interface ProcessStackOptions {
  /** Public port of the edge; any free one when absent. */
  readonly port?: number;
  /** Flags of the edge by setting, e.g. `{ grace: "5s" }`. */
  readonly edge?: Settings;
  readonly agent?: Settings;
  /** What the agent publishes, by item key. */
  readonly services: readonly Settings[];
  /** What has to be done when the edge stands and the agent is not there yet. */
  readonly prepare?: (stack: StackProcesses) => Promise<void>;
  /** Program and first arguments of the edge; {@link SOURCE_PROGRAM} when absent. */
  readonly edgeProgram?: readonly string[];
  /** Program and first arguments of the agent; {@link SOURCE_PROGRAM} when absent. */
  readonly agentProgram?: readonly string[];
}

/** Starts `postern WORDS` with an environment of its own. */
export function startPostern(
  words: readonly string[],
  folder: TempDir,
  program: readonly string[] = SOURCE_PROGRAM,
  env: Readonly<Record<string, string>> = {},
): Process {
  const [path, ...args] = program;
  return Process.start(path, {
    args: [...args, ...words],
    cwd: folder.path,
    clearEnv: true,
    env: { ...inherited(), NO_COLOR: "1", XDG_STATE_HOME: folder.file("state"), ...env },
  });
}

/** `--key=value` for settings by key. */
export function flagsOf(settings: Settings): string[] {
  return Object.entries(settings).map(([key, value]) => `--${key.replaceAll(/[._]/g, "-")}=${value}`);
}

/** Ends with its scope: `await using stack = await StackProcesses.start({ services: [...] })`. */
export class StackProcesses implements AsyncDisposable {
  readonly port: number;
  readonly edgeAdminPort: number;
  readonly agentAdminPort: number;
  readonly folder: TempDir;
  readonly client: Deno.HttpClient;
  readonly #options: ProcessStackOptions;
  readonly #started: Process[] = [];
  #edge!: Process;
  #agent!: Process;

  private constructor(options: ProcessStackOptions, folder: TempDir) {
    this.#options = options;
    this.folder = folder;
    this.port = options.port ?? freePort();
    this.edgeAdminPort = freePort();
    this.agentAdminPort = freePort();
    this.client = clientOf(this.port);
  }

  static async start(options: ProcessStackOptions): Promise<StackProcesses> {
    const stack = new StackProcesses(options, await TempDir.make("processes"));
    try {
      await stack.startEdge();
      await options.prepare?.(stack);
      await stack.startAgent();
      await stack.online();
      return stack;
    } catch (error) {
      await stack[Symbol.asyncDispose]();
      throw error;
    }
  }

  get edge(): Process {
    return this.#edge;
  }
  /** The agent that was started last. */
  get agent(): Process {
    return this.#agent;
  }

  /** Starts the edge, on the same port and state each time. */
  async startEdge(): Promise<Process> {
    this.#edge = this.#start([
      "edge",
      ...flagsOf({
        listen: `127.0.0.1:${this.port}`,
        admin_listen: `127.0.0.1:${this.edgeAdminPort}`,
        state_directory: this.folder.file("edge"),
        drain_timeout: "5s",
        grace: "15s",
        ...this.#options.edge,
      }),
    ], this.#options.edgeProgram);
    await this.#edge.waitUntil(async () => (await this.ask(this.edgeAdminPort, "/readyz"))?.status === 200);
    return this.#edge;
  }

  /** Starts an agent with the same identity each time; `settings` over the stack's own. */
  async startAgent(settings: Settings = {}): Promise<Process> {
    const services = this.#options.services.map((service) =>
      `  - ${JSON.stringify(nested(service)).replaceAll('":"', '": "').replaceAll('","', '", "')}`
    );
    const config = await this.folder.write("agent.yaml", `version: 1\nservices:\n${services.join("\n")}\n`);
    this.#agent = this.#start([
      "agent",
      `--config=${config}`,
      ...flagsOf({
        control: `http://127.0.0.1:${this.port}`,
        admin_listen: `127.0.0.1:${this.agentAdminPort}`,
        state_directory: this.folder.file("agent"),
        drain_timeout: "5s",
        "retry.initial": "50ms",
        "retry.max": "500ms",
        ...this.#options.agent,
        ...settings,
      }),
    ], this.#options.agentProgram);
    return this.#agent;
  }

  /** Waits until the agent says that all its services are online. */
  async online(adminPort = this.agentAdminPort): Promise<void> {
    await this.#agent.waitUntil(async () => {
      const status = await this.agentStatus(adminPort);
      return status !== undefined && status.services.length > 0 &&
        status.services.every((service) => service.state === "online");
    });
  }

  async agentStatus(adminPort = this.agentAdminPort): Promise<AgentStatus | undefined> {
    const answer = await this.ask(adminPort, "/status");
    return answer?.status === 200 ? JSON.parse(answer.body) : undefined;
  }

  /** The edge's own account of its sessions. */
  async edgeSessions(): Promise<{ session_id: string; online: boolean; state: string }[]> {
    const answer = await this.ask(this.edgeAdminPort, "/status");
    return answer === undefined ? [] : JSON.parse(answer.body).sessions;
  }

  /** Waits until the edge knows this many sessions. */
  async sessions(count: number): Promise<void> {
    await eventually(`${count} sessions`, async () => (await this.edgeSessions()).length === count);
  }

  fetch(name: string, path = "/", init: RequestInit = {}): Promise<Response> {
    return fetch(`http://${name}.localhost:${this.port}${path}`, { ...init, client: this.client });
  }

  /** An answer of an admin listener; undefined while nobody listens there. */
  async ask(port: number, path: string): Promise<{ status: number; body: string } | undefined> {
    try {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(2_000) });
      return { status: response.status, body: await response.text() };
    } catch {
      return undefined;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.close();
    for (const process of this.#started.reverse()) await process.stop("SIGKILL");
    await this.folder[Symbol.asyncDispose]();
  }

  #start(words: readonly string[], program?: readonly string[]): Process {
    const process = startPostern(words, this.folder, program);
    this.#started.push(process);
    return process;
  }
}

type Tree = { [name: string]: Tree | string };

/** `{ "rules.deny": x }` as a file has it. */
function nested(settings: Settings): Tree {
  const tree: Tree = {};
  for (const [key, value] of Object.entries(settings)) {
    const names = key.split(".");
    let at = tree;
    for (const name of names.slice(0, -1)) at = (at[name] ??= {}) as Tree;
    at[names[names.length - 1]] = value;
  }
  return tree;
}

/** What a process of ours may know of the environment of the tests. */
function inherited(): Record<string, string> {
  const names = ["PATH", "HOME", "DENO_DIR", "XDG_CACHE_HOME", "TMPDIR"];
  return Object.fromEntries(names.flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value]];
  }));
}
