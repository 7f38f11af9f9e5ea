/**
 * What relayed channels are read into. Most of them are quiet and have a few hundred bytes; who moves bulk takes a large
 * buffer out of a bounded number, of which one tenant gets a part, and whoever finds none is not read until there is one.
 */
import { Slabs } from "../driver/mod.ts";

/** Several of the longest records, so that what is left of the last one is seldom moved. */
export const RELAY_BUFFER_BYTES = 262_144;
/** Free buffers that are kept: 4 MiB. */
const MAX_KEPT_BUFFERS = 16;

interface RelayBufferLimits {
  /** Large buffers of all channels, and of one tenant: bytes. */
  readonly maxBytes: number;
  readonly maxTenantBytes: number;
}

interface Waiting {
  readonly tenant: string;
  resolve(buffer: Uint8Array | undefined): void;
}

export class RelayBuffers {
  readonly slabs = new Slabs();
  readonly #limits: RelayBufferLimits;
  readonly #byTenant = new Map<string, number>();
  readonly #free: Uint8Array[] = [];
  readonly #waiting = new Set<Waiting>();
  #held = 0;

  constructor(limits: RelayBufferLimits) {
    this.#limits = limits;
  }

  /** Bytes of large buffers in use. */
  get held(): number {
    return this.#held;
  }

  /** Lets go of what was not needed lately. */
  trim(): void {
    this.slabs.trim();
    this.#free.length = Math.min(this.#free.length, 1);
  }

  /** A large buffer, now or when others give theirs back; undefined when `until` resolves first. */
  async take(tenant: string, until: Promise<unknown>): Promise<Uint8Array | undefined> {
    const now = this.#tryTake(tenant);
    if (now !== undefined) return now;
    const { promise, resolve } = Promise.withResolvers<Uint8Array | undefined>();
    const waiting: Waiting = { tenant, resolve };
    this.#waiting.add(waiting);
    until.then(() => this.#waiting.delete(waiting) && resolve(undefined));
    return await promise;
  }

  /** Takes a large buffer back; the caller must have no view of it in use. */
  give(tenant: string, buffer: Uint8Array): void {
    this.#held -= buffer.length;
    const rest = this.#byTenant.get(tenant)! - buffer.length;
    if (rest === 0) this.#byTenant.delete(tenant);
    else this.#byTenant.set(tenant, rest);
    if (this.#free.length < MAX_KEPT_BUFFERS) this.#free.push(buffer);
    for (const waiting of this.#waiting) {
      const next = this.#tryTake(waiting.tenant);
      if (next === undefined) continue;
      this.#waiting.delete(waiting);
      return waiting.resolve(next);
    }
  }

  #tryTake(tenant: string): Uint8Array | undefined {
    const ofTenant = this.#byTenant.get(tenant) ?? 0;
    const { maxBytes, maxTenantBytes } = this.#limits;
    if (this.#held + RELAY_BUFFER_BYTES > maxBytes || ofTenant + RELAY_BUFFER_BYTES > maxTenantBytes) {
      return undefined;
    }
    this.#held += RELAY_BUFFER_BYTES;
    this.#byTenant.set(tenant, ofTenant + RELAY_BUFFER_BYTES);
    return this.#free.pop() ?? new Uint8Array(RELAY_BUFFER_BYTES);
  }
}
