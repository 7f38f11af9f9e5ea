/** Edge with control, and an agent, in this process: the real listeners on free loopback ports, state in a folder of its own. */
import type { Edge } from "../../src/edge/mod.ts";
import { type RunningAgent, startAgent } from "../../agent/mod.ts";
import {
  agentDefaults,
  agentSettings,
  edgeDefaults,
  edgeSettings,
  type Group,
  settingsOf,
} from "../../src/config/mod.ts";
import { type RunningEdge, startEdge } from "../../src/main.ts";
import type { Log, LogFields } from "../../src/ports/mod.ts";
import { RawClient } from "./raw_client.ts";
import { TempDir } from "./temp_dir.ts";

/** Settings as text by key, e.g. `{ "timeouts.origin_response": "300ms" }`. */
export type Settings = Readonly<Record<string, string>>;

export interface StackOptions {
  /** Over the stack's own settings of the edge. */
  readonly edge?: Settings;
  /** Over the stack's own settings of every agent. */
  readonly agent?: Settings;
  /** What the first agent publishes, by item key, e.g. `[{ name: "web", target: "127.0.0.1:80" }]`; none: no agent. */
  readonly services?: readonly Settings[];
}

export interface LoggedLine {
  readonly from: "edge" | "agent";
  readonly level: string;
  readonly event: string;
  readonly fields: LogFields;
}

/** What further threads of the edge run. */
const program = new URL("../../cli/main.ts", import.meta.url).href;
/** Longest wait for an agent to be online. */
const readyMs = 60_000;

/** Ends with its scope: `await using stack = await startStack({ services: [...] })`. */
export class Stack implements AsyncDisposable {
  readonly edge: RunningEdge;
  readonly agents: RunningAgent[] = [];
  /** Everything that edge and agents logged, oldest first. */
  readonly lines: LoggedLine[];
  /** For `fetch` and `WebSocket`: every host name leads to the edge. */
  readonly client: Deno.HttpClient;
  readonly folder: TempDir;
  readonly #options: StackOptions;

  private constructor(edge: RunningEdge, folder: TempDir, lines: LoggedLine[], options: StackOptions) {
    this.edge = edge;
    this.folder = folder;
    this.lines = lines;
    this.#options = options;
    this.client = clientOf(edge.port);
  }

  static async start(options: StackOptions): Promise<Stack> {
    const folder = await TempDir.make("stack");
    const lines: LoggedLine[] = [];
    let stack: Stack | undefined;
    try {
      const edge = await startEdge(
        edgeDefaults(known(edgeSettings, {
          listen: "127.0.0.1:0",
          admin_listen: "127.0.0.1:0",
          state_directory: folder.file("edge"),
          drain_timeout: "100ms",
          grace: "3s",
          ...options.edge,
        })),
        { log: logInto(lines, "edge"), workerEntry: program },
      );
      stack = new Stack(edge, folder, lines, options);
      if (options.services !== undefined) await stack.addAgent(options.services);
      return stack;
    } catch (error) {
      await (stack ?? folder)[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Starts one more agent with an identity of its own and waits until its services are online. */
  async addAgent(services: readonly Settings[], settings: Settings = {}): Promise<RunningAgent> {
    const agent = await this.startAgent(services, settings);
    await within(readyMs, "the agent is online", Promise.race([agent.ready, agent.finished]), this.lines);
    return agent;
  }

  /** The same without the wait: for agents that are to be refused. */
  async startAgent(services: readonly Settings[], settings: Settings = {}): Promise<RunningAgent> {
    const agent = await startAgent(
      agentDefaults(
        known(agentSettings, {
          control: `http://127.0.0.1:${this.port}`,
          admin_listen: "off",
          state_directory: this.folder.file(`agent-${this.agents.length}`),
          drain_timeout: "1s",
          "retry.initial": "20ms",
          "retry.max": "200ms",
          ...this.#options.agent,
          ...settings,
        }),
        services,
      ),
      { log: logInto(this.lines, "agent") },
    );
    this.agents.push(agent);
    return agent;
  }

  get port(): number {
    return this.edge.port;
  }
  /** The edge's data plane, which the stack runs on this thread unless it is told to have several workers. */
  get plane(): Edge {
    return this.edge.edge as Edge;
  }

  get agent(): RunningAgent {
    return this.agents[0];
  }

  /** `name.localhost:PORT`, as a Host header says it. */
  host(name: string): string {
    return `${name}.${this.#options.edge?.public_host ?? "localhost"}:${this.port}`;
  }

  url(name: string, path = "/"): string {
    return `http://${this.host(name)}${path}`;
  }

  /** `fetch` through the edge. */
  fetch(name: string, path = "/", init: RequestInit = {}): Promise<Response> {
    return fetch(this.url(name, path), { ...init, client: this.client });
  }

  /** A socket to the edge's public listener. */
  connect(): Promise<RawClient> {
    return RawClient.connect(this.port);
  }

  async metrics(): Promise<string> {
    return await (await fetch(`http://127.0.0.1:${this.edge.adminPort}/metrics`)).text();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.close();
    for (const agent of this.agents) await agent.stop();
    await this.edge.stop();
    await this.folder[Symbol.asyncDispose]();
  }
}

export function startStack(options: StackOptions = {}): Promise<Stack> {
  return Stack.start(options);
}

/** A client whose every connection goes to this loopback port, whatever the URL says: `*.localhost` needs no resolver. */
export function clientOf(port: number, caCerts: string[] = []): Deno.HttpClient {
  return Deno.createHttpClient({ caCerts, proxy: { transport: "tcp", hostname: "127.0.0.1", port } });
}

/** Value of one series, e.g. `metricOf(text, 'postern_refusals_total{code="unknown_host",layer="http"}')`; 0 when absent. */
export function metricOf(text: string, series: string): number {
  const line = text.split("\n").find((line) => line.startsWith(`${series} `));
  return line === undefined ? 0 : Number(line.slice(series.length + 1));
}

/** Rejects, with the last log lines, when the promise takes too long. */
export async function within<T>(
  ms: number,
  what: string,
  promise: Promise<T>,
  lines: readonly LoggedLine[] = [],
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const last = lines.slice(-20).map((line) =>
        `${line.from} ${line.event} ${JSON.stringify(line.fields)}`
      );
      reject(new Error(`not within ${ms} ms: ${what}\n${last.join("\n")}`));
    }, ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks again and again until it holds. */
export async function eventually(
  what: string,
  holds: () => boolean | Promise<boolean>,
  ms = readyMs,
): Promise<void> {
  const endMs = performance.now() + ms;
  while (!await holds()) {
    if (performance.now() > endMs) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

const pollMs = 10;

/** A setting that does not exist would be passed over in silence. */
function known(group: Group, settings: Settings): Settings {
  const keys = new Set(settingsOf(group).map(({ key }) => key));
  for (const key of Object.keys(settings)) if (!keys.has(key)) throw new Error(`there is no setting ${key}`);
  return settings;
}

function logInto(lines: LoggedLine[], from: "edge" | "agent"): Log {
  return (level, event, fields = {}) => lines.push({ from, level, event, fields });
}
