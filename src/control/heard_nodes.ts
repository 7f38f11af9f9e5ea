/** Heartbeats on their way into the store: those of a second are one write, for a thousand nodes are a hundred of them. */
import { codeOf } from "../errors/mod.ts";
import type { Clock, Log, NodePresence, NodePresenceStore, Store } from "../ports/mod.ts";

/** From one write to the next. A node that comes alone is written at once. */
const writeEveryMs = 1_000;
/** Nodes whose identity is not looked up again; about 60 bytes each. */
const maxKnown = 20_000;

export type HeardNode = Omit<NodePresence, "firstSeenMs" | "lastSeenMs">;

export interface HeardNodesDeps {
  readonly store: NodePresenceStore & Pick<Store, "nodeIdentity">;
  readonly clock: Clock;
  readonly log: Log;
}

export class HeardNodes {
  readonly #deps: HeardNodesDeps;
  /** The newest of each node. */
  readonly #heard = new Map<string, Omit<NodePresence, "firstSeenMs">>();
  /** Nodes that were enrolled: identities are never taken out of the store. */
  readonly #known = new Set<string>();
  #writtenAtMs = -Infinity;
  #cancel: (() => void) | undefined;
  #writing: Promise<void> | undefined;

  constructor(deps: HeardNodesDeps) {
    this.#deps = deps;
  }

  /** An echo of it came back now. */
  hear(node: HeardNode): void {
    this.#heard.set(keyOf(node), { ...node, lastSeenMs: this.#deps.clock.wall() });
    this.#arm();
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    this.#cancel?.();
    await this.#writing;
    await this.#write();
  }

  #arm(): void {
    if (this.#cancel !== undefined || this.#writing !== undefined) return;
    const { clock } = this.#deps;
    const atMs = this.#writtenAtMs + writeEveryMs;
    if (atMs <= clock.now()) return this.#begin();
    this.#cancel = clock.schedule(atMs, () => {
      this.#cancel = undefined;
      this.#begin();
    });
  }

  #begin(): void {
    this.#writtenAtMs = this.#deps.clock.now();
    this.#writing = this.#write().finally(() => {
      this.#writing = undefined;
      if (this.#heard.size > 0) this.#arm();
    });
  }

  /** Never rejects: the next heartbeat says the same again. */
  async #write(): Promise<void> {
    const { store, log } = this.#deps;
    const heard = [...this.#heard.values()];
    this.#heard.clear();
    try {
      const enrolled = [];
      for (const node of heard) if (await this.#isEnrolled(node)) enrolled.push(node);
      if (enrolled.length > 0) await store.seeNodes(enrolled);
    } catch (error) {
      log("warn", "heartbeats not kept", { nodes: heard.length, code: codeOf(error) });
    }
  }

  /** What a connector says of a tunneler that was never enrolled makes it no node. */
  async #isEnrolled(node: HeardNode): Promise<boolean> {
    const key = keyOf(node);
    if (this.#known.has(key)) return true;
    if (await this.#deps.store.nodeIdentity(node.role, node.id) === undefined) return false;
    if (this.#known.size >= maxKnown) this.#known.clear();
    this.#known.add(key);
    return true;
  }
}

function keyOf({ role, id }: HeardNode): string {
  return `${role}/${id}`;
}
