/** What each tenant has: channels now, and bytes in the window at hand. */
export interface Tenant {
  readonly name: string;
  channels: number;
  /** Bytes since {@link windowAt}. */
  bytes: number;
  windowAt: number;
}

export class TenantLedger {
  readonly #maxBytes: number;
  readonly #windowMs: number;
  readonly #tenants = new Map<string, Tenant>();

  constructor(maxBytes: number, windowMs: number) {
    this.#maxBytes = maxBytes;
    this.#windowMs = windowMs;
  }

  get size(): number {
    return this.#tenants.size;
  }

  /** Channels that the tenant has. */
  channelsOf(name: string): number {
    return this.#tenants.get(name)?.channels ?? 0;
  }

  /** Whether the tenant may pass no further byte in this window. */
  isSpent(name: string, now: number): boolean {
    const tenant = this.#tenants.get(name);
    return tenant !== undefined && now - tenant.windowAt < this.#windowMs && tenant.bytes >= this.#maxBytes;
  }

  /** Counts one more channel. */
  open(name: string, now: number): Tenant {
    let tenant = this.#tenants.get(name);
    if (tenant === undefined) {
      this.#tenants.set(name, tenant = { name, channels: 0, bytes: 0, windowAt: now });
    }
    tenant.channels++;
    return tenant;
  }

  /** Counts one channel less. Its bytes stay until their window is over: a new channel is no new window. */
  close(tenant: Tenant): void {
    tenant.channels--;
    if (tenant.channels === 0 && tenant.bytes === 0) this.#tenants.delete(tenant.name);
  }

  /** Counts bytes; false when they are too many. */
  pass(tenant: Tenant, bytes: number, now: number): boolean {
    if (now - tenant.windowAt >= this.#windowMs) {
      tenant.windowAt = now;
      tenant.bytes = 0;
    }
    tenant.bytes += bytes;
    return tenant.bytes <= this.#maxBytes;
  }

  /** Forgets those without a channel whose window is over. */
  prune(now: number): void {
    for (const tenant of this.#tenants.values()) {
      if (tenant.channels === 0 && now - tenant.windowAt >= this.#windowMs) this.#tenants.delete(tenant.name);
    }
  }
}
