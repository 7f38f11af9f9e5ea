/** What the agent remembers of its tunnels between runs: how to get the same name again. */
import { z } from "zod";
import { readPrivate, replacePrivate, whileLocked } from "../src/driver/mod.ts";
import { maxTokenChars } from "../src/identity/mod.ts";
import type { Clock, Log } from "../src/ports/mod.ts";

const MAX_FILE_BYTES = 1_048_576;

const tunnel = z.object({
  tunnel_id: z.string().max(128),
  name: z.string().max(65),
  /** Secret. */
  recreate_token: z.string().max(maxTokenChars),
});
const file = z.object({ version: z.literal(1), tunnels: z.record(z.string().max(1_024), tunnel) });

export type StoredTunnel = z.infer<typeof tunnel>;

export class TunnelStore {
  readonly #path: string;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #tunnels: Map<string, StoredTunnel>;
  /** Keys that this process has set or forgotten. The others may be another process's, with this state directory too. */
  readonly #own = new Set<string>();
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, log: Log, clock: Clock, tunnels: Map<string, StoredTunnel>) {
    this.#path = path;
    this.#log = log;
    this.#clock = clock;
    this.#tunnels = tunnels;
  }

  /** Reads the file; one that makes no sense is begun anew. Throws `secret_file_permissions`, `secret_file_unreadable`. */
  static async open(path: string, log: Log, clock: Clock): Promise<TunnelStore> {
    return new TunnelStore(path, log, clock, await TunnelStore.#read(path, log));
  }

  static async #read(path: string, log: Log): Promise<Map<string, StoredTunnel>> {
    const text = await readPrivate(path, MAX_FILE_BYTES);
    if (text === undefined) return new Map();
    try {
      return new Map(Object.entries(file.parse(JSON.parse(text)).tunnels));
    } catch {
      log("warn", "stored tunnels are unreadable and begun anew", { path });
      return new Map();
    }
  }

  get(key: string): StoredTunnel | undefined {
    return this.#tunnels.get(key);
  }

  /** Remembers or forgets; a file that cannot be written costs the name at the next start, so it is only logged. */
  set(key: string, tunnel: StoredTunnel | undefined): Promise<void> {
    if (tunnel === undefined) this.#tunnels.delete(key);
    else this.#tunnels.set(key, tunnel);
    this.#own.add(key);
    return this.#writing = this.#writing.then(() => this.#write());
  }

  async #write(): Promise<void> {
    try {
      // Read, changed and written as one: another process must not write in between what it has read before.
      await whileLocked(this.#clock, this.#path, async () => {
        const tunnels = await TunnelStore.#read(this.#path, this.#log);
        for (const key of this.#own) {
          const tunnel = this.#tunnels.get(key);
          if (tunnel === undefined) tunnels.delete(key);
          else tunnels.set(key, tunnel);
        }
        const text = JSON.stringify({ version: 1, tunnels: Object.fromEntries(tunnels) });
        await replacePrivate(this.#path, `${text}\n`);
      });
    } catch (error) {
      this.#log("warn", "stored tunnels could not be written", {
        detail: error instanceof Error ? error.message : undefined,
      });
    }
  }
}
