/**
 * The rules of pairing, said once more and slowly: everything is derived from a list of connections. The machine has to do
 * the same at every step; and since nothing here is hidden, {@link PairingReference.key} names a state completely.
 */
import type { AttachFacts, RelayLimits, RelayReason } from "../../src/relay/mod.ts";

interface ReferenceHalf {
  readonly id: number;
  readonly address: string;
  readonly attachBy: number;
  state: "arrived" | "reserved" | "waiting" | "paired";
  facts?: AttachFacts;
  chargedAt?: number;
}

export class PairingReference {
  readonly #limits: RelayLimits;
  /** Those that are not over. */
  halves: ReferenceHalf[] = [];
  /** What every holder was told, in order. */
  told: string[] = [];
  #charges: { readonly channelId: string; readonly at: number }[] = [];
  #passed = new Map<string, { activeAt: number; bytes: number }>();
  #tenants = new Map<string, { bytes: number; windowAt: number }>();
  #draining = false;

  constructor(limits: RelayLimits) {
    this.#limits = limits;
  }

  half(id: number): ReferenceHalf | undefined {
    return this.halves.find((half) => half.id === id);
  }

  /** Everything that decides what may happen next, with times as they are seen from now. */
  key(now: number): string {
    const ids = new Map(this.halves.map(({ id }, at) => [id, at]));
    return JSON.stringify([
      this.#draining,
      this.halves.map((half) => [
        ids.get(half.id),
        half.address,
        half.state,
        half.facts?.channelId,
        half.facts?.role,
        (half.facts?.initEndsAt ?? 0) - now,
        half.state === "arrived" || half.state === "reserved" ? half.attachBy - now : 0,
        half.chargedAt === undefined ? 0 : half.chargedAt - now,
      ]),
      this.#charges.filter(({ at }) => now - at < this.#limits.replacementWindowMs)
        .map(({ channelId, at }) => [channelId, at - now]),
      [...this.#passed].map(([id, { activeAt, bytes }]) => [id, activeAt - now, bytes]),
      [...this.#tenants].map(([name, { bytes, windowAt }]) => [name, bytes, windowAt - now]),
    ]);
  }

  get channels(): string[] {
    return [...new Set(this.halves.flatMap(({ facts }) => facts === undefined ? [] : [facts.channelId]))];
  }
  seated(channelId: string, role?: string): ReferenceHalf[] {
    return this.halves.filter(({ state, facts }) =>
      (state === "waiting" || state === "paired") && facts!.channelId === channelId &&
      (role === undefined || facts!.role === role)
    );
  }
  isPaired(channelId: string): boolean {
    return this.seated(channelId).length === 2;
  }
  isWaiting(channelId: string): boolean {
    return !this.isPaired(channelId) ||
      this.halves.some(({ state, facts }) => state === "reserved" && facts!.channelId === channelId);
  }

  enter(id: number, address: string, now: number): string {
    if (this.#draining) return "peer_draining";
    if (this.halves.length >= this.#limits.maxConnections) return "relay_full";
    if (
      this.halves.filter((half) => half.address === address).length >= this.#limits.maxConnectionsPerAddress
    ) {
      return "relay_full";
    }
    this.halves.push({ id, address, attachBy: now + this.#limits.attachMs, state: "arrived" });
    return "ok";
  }

  reserve(id: number, facts: AttachFacts, now: number): string {
    const half = this.half(id);
    if (half?.state !== "arrived") return "over";
    if (now >= facts.initEndsAt) return "relay_init_expired";
    const { channelId, role, tenant } = facts;
    const others = this.halves.filter((other) => other.facts?.channelId === channelId);
    const known = others[0]?.facts;
    if (known !== undefined && known.tenant !== tenant) return "relay_tenant_mismatch";
    if (known !== undefined && known.initExp !== facts.initExp) return "relay_window_mismatch";
    if (known !== undefined && known.idleTimeoutMs !== facts.idleTimeoutMs) return "relay_idle_mismatch";
    const spent = this.#tenants.get(tenant);
    if (
      spent !== undefined && now - spent.windowAt < this.#limits.tenantWindowMs &&
      spent.bytes >= this.#limits.maxBytesPerTenant
    ) return "relay_bytes_spent";
    if (known === undefined && this.channels.length >= this.#limits.maxChannels) return "relay_full";
    const ofTenant = this.channels.filter((channel) =>
      this.halves.some(({ facts }) => facts?.channelId === channel && facts.tenant === tenant)
    );
    if (known === undefined && ofTenant.length >= this.#limits.maxChannelsPerTenant) return "relay_full";
    const waiting = this.channels.filter((channel) => this.isWaiting(channel)).length;
    const stays = known !== undefined && this.isWaiting(channelId);
    if (!stays && waiting >= this.#limits.maxWaiting) return "relay_full";
    if (others.some((other) => other.facts!.role === role)) {
      const recent = this.#charges.filter((charge) =>
        charge.channelId === channelId && now - charge.at < this.#limits.replacementWindowMs
      );
      if (recent.length >= this.#limits.maxReplacements) return "relay_replaced_too_often";
      this.#charges.push({ channelId, at: now });
      half.chargedAt = now;
    }
    if (ofTenant.length === 0) {
      const before = this.#tenants.get(tenant);
      this.#tenants.set(tenant, before ?? { bytes: 0, windowAt: now });
    }
    half.facts = facts;
    half.state = "reserved";
    return "ok";
  }

  seat(id: number, now: number): string {
    const half = this.half(id);
    if (half?.state !== "reserved") return "over";
    const { channelId, role, initEndsAt } = half.facts!;
    if (now >= initEndsAt) {
      this.#end([half], "init_expired");
      return "over";
    }
    if (this.seated(channelId, role).length > 0) {
      half.chargedAt = undefined;
      this.#end(this.seated(channelId), "replaced");
    } else this.#refund(half);
    half.state = "waiting";
    const both = this.seated(channelId);
    if (both.length < 2) return "ok";
    for (const one of both) one.state = "paired";
    this.#passed.set(channelId, { activeAt: now, bytes: 0 });
    const other = both.find((one) => one !== half)!;
    this.told.push(`${other.id} paired with ${half.id}`, `${half.id} paired with ${other.id}`);
    return "ok";
  }

  pass(id: number, bytes: number, now: number): string {
    const half = this.half(id);
    if (half?.state !== "paired") return "over";
    const { channelId, tenant } = half.facts!;
    const passed = this.#passed.get(channelId)!;
    const ofTenant = this.#tenants.get(tenant)!;
    if (now - ofTenant.windowAt >= this.#limits.tenantWindowMs) {
      ofTenant.bytes = 0;
      ofTenant.windowAt = now;
    }
    passed.activeAt = now;
    passed.bytes += bytes;
    ofTenant.bytes += bytes;
    if (passed.bytes <= this.#limits.maxBytesPerChannel && ofTenant.bytes <= this.#limits.maxBytesPerTenant) {
      return "ok";
    }
    this.#end(this.seated(channelId), "byte_limit");
    return "over";
  }

  leave(id: number, reason: RelayReason): void {
    const half = this.half(id);
    if (half === undefined) return;
    this.#end(this.#joined(half), (one) => one === half ? reason : "peer_closed");
  }

  cut(tenant: string): void {
    for (const half of this.halves.filter(({ facts }) => facts?.tenant === tenant)) {
      if (this.halves.includes(half)) this.#end(this.#joined(half), "revoked");
    }
  }

  drain(): void {
    this.#draining = true;
    for (const half of this.halves.filter(({ state }) => state !== "paired")) this.#end([half], "draining");
  }

  /** Those that end together with it. */
  #joined(half: ReferenceHalf): ReferenceHalf[] {
    return half.state === "paired" ? this.seated(half.facts!.channelId) : [half];
  }

  /** When each half ends by itself. */
  ends(): { half: ReferenceHalf; at: number; reason: RelayReason }[] {
    return this.halves.map((half) => {
      const { facts, state, attachBy } = half;
      if (state === "paired") {
        const at = this.#passed.get(facts!.channelId)!.activeAt + facts!.idleTimeoutMs;
        return { half, at, reason: "idle_timeout" };
      }
      if (state === "waiting") return { half, at: facts!.initEndsAt, reason: "init_expired" };
      return { half, at: attachBy, reason: "timeout" };
    });
  }

  timeout(now: number): void {
    for (const { half, at, reason } of this.ends()) {
      if (at <= now && this.halves.includes(half)) {
        this.#end(this.#joined(half), reason);
      }
    }
    for (const [name, { windowAt }] of this.#tenants) {
      const isUsed = this.halves.some(({ facts }) => facts?.tenant === name);
      if (!isUsed && now - windowAt >= this.#limits.tenantWindowMs) this.#tenants.delete(name);
    }
  }

  #end(halves: ReferenceHalf[], reason: RelayReason | ((half: ReferenceHalf) => RelayReason)): void {
    for (const half of halves) if (half.state === "reserved") this.#refund(half);
    this.halves = this.halves.filter((half) => !halves.includes(half));
    for (const channelId of [...this.#passed.keys()]) {
      if (!this.isPaired(channelId)) this.#passed.delete(channelId);
    }
    for (const [name, { bytes }] of this.#tenants) {
      if (bytes === 0 && !this.halves.some(({ facts }) => facts?.tenant === name)) this.#tenants.delete(name);
    }
    const inOrder = [...halves].sort((a, b) => (a.facts?.role ?? "").localeCompare(b.facts?.role ?? ""));
    for (const half of inOrder) {
      this.told.push(`${half.id} over: ${typeof reason === "string" ? reason : reason(half)}`);
    }
  }

  #refund(half: ReferenceHalf): void {
    if (half.chargedAt === undefined) return;
    const at = this.#charges.findLastIndex((charge) =>
      charge.channelId === half.facts!.channelId && charge.at === half.chargedAt
    );
    if (at >= 0) this.#charges.splice(at, 1);
    half.chargedAt = undefined;
  }
}
