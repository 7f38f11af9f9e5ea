/**
 * Edges that share a database: each tells the others that it is there and what it serves, so that control at any of them
 * names all of them to agents, and knows of every tunnel whether it is online.
 *
 * Whether another edge is still there is seen by its own time moving on, not by what time it is: clocks of machines differ.
 */
import { drainedPriority, type EdgeDescription, type Presence } from "./control/mod.ts";
import { codeOf, type ErrorCode } from "./errors/mod.ts";
import { tierSchema, transportSchema } from "./identity/mod.ts";
import type { Clock, EdgeRecord, EdgeStore, Log, ServedTunnel } from "./ports/mod.ts";

/** Time between two looks at the others, and at what has changed here. */
const LOOK_MS = 2_000;
/** How often an edge says that it is there. */
export const BEAT_MS = 10_000;
/** An edge that was not heard for longer is gone. */
export const GONE_MS = 30_000;
/** What is left of edges that ended without a word is forgotten after this. */
const FORGET_MS = 600_000;

export interface EdgeDirectoryOptions {
  readonly store: EdgeStore;
  readonly clock: Clock;
  readonly log: Log;
  /** Of this process. */
  readonly instanceId: string;
  /** This edge as agents have to know it. */
  readonly own: () => EdgeDescription;
  /** What this edge serves now. */
  readonly served: () => readonly ServedTunnel[];
  /** Whether a process of the same edge id runs beside this one and will end: what it says stands until then. */
  readonly takesOver: boolean;
}

interface Known {
  readonly record: EdgeRecord;
  /** When its time was seen to move last: monotonic, in ms. */
  readonly movedAt: number;
}

export class EdgeDirectory {
  readonly #options: EdgeDirectoryOptions;
  /** By process; not this one. */
  #others = new Map<string, Known>();
  /** Edge ids of those that are there, for the log. */
  #seen: ReadonlySet<string> = new Set();
  /** What was told of this edge's tunnels, by tunnel. */
  readonly #told = new Map<string, string>();
  #beatAt = -Infinity;
  #isFirst = true;
  #isStopping = false;
  #isDrained = false;
  #turn: Promise<void> = Promise.resolve();
  #cancel: () => void = () => {};
  #failure: ErrorCode | undefined;

  constructor(options: EdgeDirectoryOptions) {
    this.#options = options;
  }

  /** Tells that this edge is there and looks who else is, from now on. Does not throw: the database may be back later. */
  async start(): Promise<void> {
    this.#turn = this.#look();
    await this.#turn;
    this.#lookLater();
  }

  /** Edges in service, this one first, unless it is about to end and there are others. */
  edges(): readonly EdgeDescription[] {
    const own = this.#options.own();
    const now = this.#options.clock.now();
    const byId = new Map<string, EdgeRecord>();
    for (const { record, movedAt } of this.#others.values()) {
      if (now - movedAt > GONE_MS || record.edgeId === own.edgeId) continue;
      const known = byId.get(record.edgeId);
      if (known === undefined || known.seenAtMs < record.seenAtMs) byId.set(record.edgeId, record);
    }
    const others = [...byId.values()].sort((a, b) => a.edgeId < b.edgeId ? -1 : 1).flatMap(descriptionOf);
    // Each edge names another one next, so that agents of one that is lost do not all come to the same.
    const next = others.findIndex(({ edgeId }) => edgeId > own.edgeId);
    const inTurn = next < 0 ? others : [...others.slice(next), ...others.slice(0, next)];
    if (this.#isStopping && inTurn.length > 0) return inTurn;
    return [{ ...own, priority: this.#priority(own) }, ...inTurn];
  }

  /** Processes of other edges that are there. */
  others(): { readonly instanceId: string; readonly edgeId: string }[] {
    const now = this.#options.clock.now();
    return [...this.#others.values()].filter(({ movedAt }) => now - movedAt <= GONE_MS)
      .map(({ record: { instanceId, edgeId } }) => ({ instanceId, edgeId }));
  }

  get isDrained(): boolean {
    return this.#isDrained;
  }

  /** While others are there, control sends no agents to an edge that was drained. The others are told before this returns. */
  async drain(isDrained: boolean): Promise<void> {
    if (this.#isDrained === isDrained || this.#isStopping) return;
    this.#isDrained = isDrained;
    this.#beatAt = -Infinity;
    this.#turn = this.#turn.then(() => this.#look());
    await this.#turn;
  }

  #priority({ priority }: EdgeDescription): number {
    return this.#isDrained ? drainedPriority : priority;
  }

  /** What this edge knows of a tunnel, with what the others said of it. An agent that is at two edges counts twice. */
  async presence(tunnelId: string, own: Presence): Promise<Presence> {
    const now = this.#options.clock.now();
    const isThere = (instanceId: string) => {
      const known = this.#others.get(instanceId);
      return known !== undefined && now - known.movedAt <= GONE_MS;
    };
    if (![...this.#others.keys()].some(isThere)) return own;
    const served = await this.#options.store.servedBy(tunnelId);
    const others = served.filter(({ instanceId }) => isThere(instanceId));
    if (others.length === 0) return own;
    const tiers = new Set([...own.tiers, ...others.flatMap((other) => other.tiers)]);
    return {
      ...own,
      status: "online",
      agents: others.reduce((sum, { agents }) => sum + agents, own.agents),
      tiers: tierSchema.options.filter((tier) => tiers.has(tier)),
    };
  }

  /** Other edges that are there and serve the tunnel, as they said last; the one that was heard last first. */
  async servedElsewhere(tunnelId: string): Promise<readonly EdgeRecord[]> {
    const now = this.#options.clock.now();
    if (this.#others.size === 0) return [];
    const served = await this.#options.store.servedBy(tunnelId);
    return served.flatMap(({ instanceId }) => this.#others.get(instanceId) ?? [])
      .filter(({ movedAt }) => now - movedAt <= GONE_MS)
      .sort((a, b) => b.movedAt - a.movedAt)
      .map(({ record }) => record);
  }

  /** Of this process. */
  get instanceId(): string {
    return this.#options.instanceId;
  }

  /** Before the edge drains: agents are sent elsewhere from now on. Does not throw. Idempotent. */
  async leave(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#cancel();
    await this.#turn;
    const { store, instanceId, log } = this.#options;
    await store.withdrawEdge(instanceId).catch((error) =>
      log("warn", "edge not withdrawn", { code: codeOf(error) })
    );
  }

  #lookLater(): void {
    const { clock } = this.#options;
    if (this.#isStopping) return;
    this.#cancel = clock.schedule(clock.now() + LOOK_MS, () => {
      this.#turn = this.#turn.then(() => this.#look()).then(() => this.#lookLater());
    });
  }

  async #look(): Promise<void> {
    const { clock, log } = this.#options;
    try {
      await this.#tell();
      await this.#learn();
      this.#failure = undefined;
    } catch (error) {
      const code = codeOf(error);
      if (code !== this.#failure) log("warn", "other edges not seen", { code });
      this.#failure = code;
      // As long as the database is away nobody can be heard, which says nothing of who is there.
      const now = clock.now();
      for (const [id, { record, movedAt }] of this.#others) {
        if (now - movedAt <= GONE_MS) this.#others.set(id, { record, movedAt: now });
      }
    }
  }

  async #tell(): Promise<void> {
    const { store, clock, instanceId, own, served, takesOver } = this.#options;
    const now = clock.now();
    if (now - this.#beatAt >= BEAT_MS) {
      const description = own();
      const { edgeId, edgeUrl, transport, region, publicKey } = description;
      const priority = this.#priority(description);
      const seenAtMs = clock.wall();
      // A process of this edge that was killed: what it served, it serves no more.
      const killed = this.#isFirst && !takesOver ? edgeId : undefined;
      await store.forgetEdges(killed, seenAtMs - FORGET_MS);
      const isNew = await store.announceEdge({
        instanceId,
        edgeId,
        edgeUrl,
        transport,
        region,
        priority,
        publicKey,
        seenAtMs,
      });
      if (isNew) this.#told.clear();
      this.#isFirst = false;
      this.#beatAt = now;
    }
    const changed = this.#changes(served());
    if (changed.length === 0) return;
    await store.announceServed(instanceId, changed);
    for (const tunnel of changed) {
      if (tunnel.agents === 0) this.#told.delete(tunnel.tunnelId);
      else this.#told.set(tunnel.tunnelId, textOf(tunnel));
    }
  }

  #changes(served: readonly ServedTunnel[]): readonly ServedTunnel[] {
    const now = new Map(served.map((tunnel) => [tunnel.tunnelId, tunnel]));
    const over = [...this.#told.keys()].filter((tunnelId) => !now.has(tunnelId));
    return [
      ...served.filter((tunnel) => this.#told.get(tunnel.tunnelId) !== textOf(tunnel)),
      ...over.map((tunnelId) => ({ tunnelId, agents: 0, tiers: [] })),
    ];
  }

  async #learn(): Promise<void> {
    const { store, clock, instanceId, log } = this.#options;
    const records = await store.edges();
    const now = clock.now();
    const others = new Map<string, Known>();
    for (const record of records) {
      if (record.instanceId === instanceId) continue;
      const before = this.#others.get(record.instanceId);
      const isMoving = before === undefined
        ? clock.wall() - record.seenAtMs <= GONE_MS
        : before.record.seenAtMs !== record.seenAtMs;
      const movedAt = isMoving ? now : before?.movedAt ?? -Infinity;
      others.set(record.instanceId, { record, movedAt });
    }
    this.#others = others;
    const there = [...others.values()].filter(({ movedAt }) => now - movedAt <= GONE_MS);
    const seen = new Set(there.map(({ record }) => record.edgeId));
    for (const edge_id of seen.difference(this.#seen)) log("info", "other edge seen", { edge_id });
    for (const edge_id of this.#seen.difference(seen)) log("warn", "other edge is gone", { edge_id });
    this.#seen = seen;
  }
}

function textOf({ agents, tiers }: ServedTunnel): string {
  return `${agents} ${tiers.join(" ")}`;
}

/** Nothing for an edge of a newer program with a transport that this one does not know. */
function descriptionOf(record: EdgeRecord): readonly EdgeDescription[] {
  const { edgeId, edgeUrl, region, priority, publicKey } = record;
  const transport = transportSchema.safeParse(record.transport);
  return transport.success
    ? [{ edgeId, edgeUrl, transport: transport.data, region, priority, publicKey }]
    : [];
}
