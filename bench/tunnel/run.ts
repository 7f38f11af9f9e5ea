/** Runs the cells on every peer, interleaved, and collects what came out. */
import { TempDir } from "../../tests/support/temp_dir.ts";
import { printError } from "../../tools/print.ts";
import { type Cell, CELLS, isChosen, LINK_BITS_PER_SECOND, MANY_IDLE_STREAMS } from "./cells.ts";
import { Links } from "./links.ts";
import type { Options } from "./options.ts";
import { type RunningOrigin, startOrigin } from "./origin.ts";
import type { Peer, Tunnel } from "./peers/mod.ts";
import { Results } from "./results.ts";
import { raiseOpenFiles, type Workspace } from "./workspace.ts";

/** Time in which compilers of both sides get warm before anything counts. */
const WARM_UP_MS = 3_000;
/** Open files of a process beside its streams. */
const SPARE_FILES = 256;

export interface Measured {
  readonly results: Results;
  readonly origin: RunningOrigin;
  /** Peers that stood. */
  readonly peers: readonly string[];
}

export async function run(options: Options, peers: readonly Peer[], workspace: Workspace): Promise<Measured> {
  const openFiles = await raiseOpenFiles();
  const bench = new Run(options, workspace, workspace.use(await startOrigin()), openFiles);
  await bench.memory(peers);
  await bench.rounds(peers);
  await bench.links(peers);
  const { results, origin } = bench;
  return { results, origin, peers: peers.map(({ name }) => name).filter((name) => bench.stood.has(name)) };
}

class Run {
  readonly results = new Results();
  readonly origin: RunningOrigin;
  readonly stood = new Set<string>();
  readonly #options: Options;
  readonly #workspace: Workspace;
  readonly #durationMs: number;

  readonly #openFiles: number;

  constructor(options: Options, workspace: Workspace, origin: RunningOrigin, openFiles: number) {
    this.#openFiles = openFiles;
    this.#options = options;
    this.#workspace = workspace;
    this.origin = origin;
    this.#durationMs = options.seconds * 1000;
  }

  /** Each tunnel by itself, fresh: memory without a past. */
  async memory(peers: readonly Peer[]): Promise<void> {
    const cells = this.#cells("memory");
    if (cells.length === 0) return;
    for (const peer of peers) {
      await using scope = this.#workspace.scope();
      const tunnel = await this.#start(peer, scope, "memory");
      if (tunnel === undefined) continue;
      for (const cell of cells) await this.#measure(peer, tunnel, cell, "memory", this.#durationMs);
    }
  }

  /** All tunnels stand; each cell visits each of them before the next one comes. */
  async rounds(peers: readonly Peer[]): Promise<void> {
    const cells = this.#cells("rounds");
    const last = this.#cells("last");
    if (cells.length + last.length === 0) return;
    await using scope = this.#workspace.scope();
    const tunnels: [Peer, Tunnel][] = [];
    for (const peer of peers) {
      const tunnel = await this.#start(peer, scope, "start");
      if (tunnel !== undefined) tunnels.push([peer, tunnel]);
    }
    const each = async (cells: readonly Cell[], round: string, cellMs: number, keep = true) => {
      for (const cell of cells) {
        for (const [peer, tunnel] of tunnels) await this.#measure(peer, tunnel, cell, round, cellMs, keep);
      }
    };
    await each(cells, "warm-up", Math.min(WARM_UP_MS, this.#durationMs), false);
    for (let round = 1; round <= this.#options.rounds; round++) {
      await each(cells, `round ${round}`, this.#durationMs);
    }
    await each(last, "end", this.#durationMs);
  }

  /** The curve: a fresh tunnel for each round trip, so that its windows grow under it. */
  async links(peers: readonly Peer[]): Promise<void> {
    for (let round = 1; round <= this.#options.rounds; round++) {
      for (const cell of this.#cells("link")) {
        for (const peer of peers) {
          await using scope = this.#workspace.scope();
          const link = scope.use(
            new Links({ delayMs: cell.rttMs! / 2, bitsPerSecond: LINK_BITS_PER_SECOND }),
          );
          const tunnel = await this.#start(peer, scope, cell.name, link);
          if (tunnel !== undefined) {
            await this.#measure(peer, tunnel, cell, `round ${round}`, this.#durationMs);
          }
        }
      }
    }
  }

  #cells(when: Cell["when"]): Cell[] {
    return CELLS.filter((cell) => cell.when === when && isChosen(cell, this.#options.only));
  }

  async #start(
    peer: Peer,
    scope: AsyncDisposableStack,
    what: string,
    link?: Links,
  ): Promise<Tunnel | undefined> {
    try {
      const { path: folder } = scope.use(await TempDir.make("bench-tunnel"));
      const { binary, denoFlags } = this.#options;
      const { origin } = this;
      const tunnel = scope.use(await peer.start({ origin, binary, denoFlags, folder, link }));
      this.stood.add(peer.name);
      return tunnel;
    } catch (error) {
      this.results.failures.push(`bench: ${peer.name} did not start (${what}): ${reason(error)}`);
    }
  }

  async #measure(
    peer: Peer,
    tunnel: Tunnel,
    cell: Cell,
    round: string,
    durationMs: number,
    keep = true,
  ): Promise<void> {
    const { name, cannot = {} } = peer;
    const refused = Object.entries(cannot).find(([prefix]) => cell.name.startsWith(prefix));
    if (refused !== undefined) {
      this.results.omissions.add(`${name} has no ${cell.name}: ${refused[1]}`);
      return;
    }
    const { count, why } = this.#maxStreams(peer);
    const running = cell.run(tunnel, durationMs, count);
    if (running === undefined) return;
    printError(`bench: ${round} ${cell.name} ${name}`);
    try {
      const values = await running;
      if (keep) this.results.add(name, values);
      if (cell.name === "rss.streams" && count < MANY_IDLE_STREAMS) {
        this.results.omissions.add(`${name} with 10,000 streams, but with ${count}: ${why}`);
      }
    } catch (error) {
      this.results.failures.push(`bench: ${name} failed at ${cell.name} (${round}): ${reason(error)}`);
    }
  }

  #maxStreams({ maxStreams, filesPerStream = 1 }: Peer): { count: number; why: string } {
    const count = Math.floor((this.#openFiles - SPARE_FILES) / filesPerStream);
    const files = { count, why: `${this.#openFiles} open files are allowed` };
    return maxStreams !== undefined && maxStreams.count < count ? maxStreams : files;
  }
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
