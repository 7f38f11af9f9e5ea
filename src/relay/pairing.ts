/**
 * Who is joined with whom. A half goes through:
 *
 * ```
 * enter -> arrived -> reserve -> reserved -> seat -> waiting -> paired
 *             |                     |                   |         |
 *             +---------------------+---------------------+---------+--> over, with one reason
 * ```
 * Everything that may refuse an attach is asked by `reserve`, before its token is spent; what is reserved cannot be taken
 * by others, so that `seat` refuses only what time has ended. Time is an argument: call {@link Pairing.timeout} when
 * {@link Pairing.deadline} has come.
 */
import { networkOf } from "../bytes/mod.ts";
import type { RelayLimits } from "./limits.ts";
import { type RelayReason, relayRefusal, type RelayRole } from "./reason.ts";
import { ReplacementBudget } from "./replacement_budget.ts";
import { type Tenant, TenantLedger } from "./tenant_ledger.ts";

/** What a token says about its half of a channel. */
export interface AttachFacts {
  readonly channelId: string;
  readonly role: RelayRole;
  /** Whose limits count. */
  readonly tenant: string;
  /** End of the init window, as the token has it: Unix seconds. */
  readonly initExp: number;
  /** The same on the clock of the machine. */
  readonly initEndsAt: number;
  readonly idleTimeoutMs: number;
}

/** Whoever holds the connection of a half. Each is told of one end. */
export interface HalfEvents<S> {
  /** The other half is there, and who holds it. */
  onPaired(other: S): void;
  onEnd(reason: RelayReason): void;
}

export interface RelayHalf<S> {
  readonly holder: S;
  readonly state: "arrived" | "reserved" | "waiting" | "paired" | "over";
  readonly role: RelayRole | undefined;
  /** Bytes that came from it and were passed on. */
  readonly bytes: number;
}

/** A channel as operators see it. */
export interface ChannelView {
  readonly channelId: string;
  readonly tenant: string;
  readonly state: "reserved" | "waiting" | "paired";
  readonly client: boolean;
  readonly server: boolean;
  readonly initExp: number;
  readonly idleTimeoutMs: number;
  /** When its first half was reserved, and when a record last passed, or it was paired. */
  readonly since: number;
  readonly activeAt: number;
  readonly bytesFromClient: number;
  readonly bytesFromServer: number;
}

/** Everything that is counted. */
export interface RelayCounts {
  readonly connections: number;
  readonly addresses: number;
  readonly channels: number;
  readonly waiting: number;
  readonly paired: number;
  readonly tenants: number;
  /** Channels whose replacements are remembered. */
  readonly replaced: number;
}

interface Half<S> {
  readonly holder: S;
  readonly network: string;
  readonly attachBy: number;
  state: RelayHalf<S>["state"];
  role: RelayRole | undefined;
  channel: Channel<S> | undefined;
  /** When it took a replacement that it has not made yet. */
  replacementAt: number | undefined;
  bytes: number;
}

interface Channel<S> {
  readonly facts: Omit<AttachFacts, "role">;
  readonly tenant: Tenant;
  readonly since: number;
  client: Half<S> | undefined;
  server: Half<S> | undefined;
  readonly reserved: Record<RelayRole, number>;
  /** How it is counted. */
  counted: "none" | "waiting" | "paired" | "both";
  bytes: number;
  activeAt: number;
}

/** How late an end may be noticed: all ends within so long are found by one look. */
const GRAIN_MS = 250;

export class Pairing<S extends HalfEvents<S>> {
  readonly #limits: RelayLimits;
  readonly #halves = new Set<Half<S>>();
  readonly #channels = new Map<string, Channel<S>>();
  readonly #byNetwork = new Map<string, number>();
  readonly #tenants: TenantLedger;
  readonly #replacements: ReplacementBudget;
  #waiting = 0;
  #paired = 0;
  #draining = false;
  #deadline = Infinity;

  constructor(limits: RelayLimits) {
    this.#limits = limits;
    this.#tenants = new TenantLedger(limits.maxBytesPerTenant, limits.tenantWindowMs);
    this.#replacements = new ReplacementBudget(
      limits.maxReplacements,
      limits.replacementWindowMs,
      limits.maxChannels,
    );
  }

  /** When {@link timeout} is to be called next; not before. Infinity: nothing ends by itself. */
  get deadline(): number {
    return this.#deadline;
  }

  get counts(): RelayCounts {
    return {
      connections: this.#halves.size,
      addresses: this.#byNetwork.size,
      channels: this.#channels.size,
      waiting: this.#waiting,
      paired: this.#paired,
      tenants: this.#tenants.size,
      replaced: this.#replacements.size,
    };
  }

  get channels(): ChannelView[] {
    return [...this.#channels.values()].map((channel) => {
      const { facts, tenant, client, server, since, activeAt } = channel;
      const seated = client !== undefined || server !== undefined;
      return {
        channelId: facts.channelId,
        tenant: tenant.name,
        state: isPaired(channel) ? "paired" : seated ? "waiting" : "reserved",
        client: client !== undefined,
        server: server !== undefined,
        initExp: facts.initExp,
        idleTimeoutMs: facts.idleTimeoutMs,
        since,
        activeAt,
        bytesFromClient: client?.bytes ?? 0,
        bytesFromServer: server?.bytes ?? 0,
      };
    });
  }

  /**
   * Counts one more connection, before a byte of it is read.
   * @param address without port
   * @throws PosternError `relay_full`, `peer_draining`
   */
  enter(holder: S, address: string, now: number): RelayHalf<S> {
    if (this.#draining) throw relayRefusal("draining");
    const network = networkOf(address);
    const ofNetwork = this.#byNetwork.get(network) ?? 0;
    if (this.#halves.size >= this.#limits.maxConnections) throw full("connections");
    if (ofNetwork >= this.#limits.maxConnectionsPerAddress) throw full("address");
    this.#byNetwork.set(network, ofNetwork + 1);
    const half: Half<S> = {
      holder,
      network,
      attachBy: now + this.#limits.attachMs,
      state: "arrived",
      role: undefined,
      channel: undefined,
      replacementAt: undefined,
      bytes: 0,
    };
    this.#halves.add(half);
    this.#dueAt(half.attachBy);
    return half;
  }

  /**
   * Keeps a place for a half whose token holds and is not spent yet. False: its time was over before.
   * @throws PosternError `relay_full`, `relay_init_expired`, `relay_window_mismatch`, `relay_idle_mismatch`,
   * `relay_tenant_mismatch`, `relay_replaced_too_often`, `relay_bytes_spent`; the half is as before, and to be ended by {@link leave}
   */
  reserve(of: RelayHalf<S>, facts: AttachFacts, now: number): boolean {
    const half = of as Half<S>;
    if (half.state !== "arrived") return false;
    if (now >= facts.initEndsAt) throw relayRefusal("init_expired");
    const known = this.#channels.get(facts.channelId);
    if (known !== undefined) checkSame(known, facts);
    if (this.#tenants.isSpent(facts.tenant, now)) throw relayRefusal("byte_limit");
    if (known === undefined) {
      if (this.#channels.size >= this.#limits.maxChannels) throw full("channels");
      if (this.#tenants.channelsOf(facts.tenant) >= this.#limits.maxChannelsPerTenant) throw full("tenant");
    }
    // Who fills the place that is left costs nothing; who begins a channel, or will undo a pair, leaves one waiting.
    const addsWaiting = known === undefined || known.counted === "paired";
    if (addsWaiting && this.#waiting >= this.#limits.maxWaiting) throw full("waiting");
    const replaces = known !== undefined &&
      (known[facts.role] !== undefined || known.reserved[facts.role] > 0);
    if (replaces) {
      if (!this.#replacements.take(facts.channelId, now)) throw relayRefusal("replace_rate_limited");
      half.replacementAt = now;
    }
    const channel = known ?? this.#open(facts, now);
    half.channel = channel;
    half.role = facts.role;
    half.state = "reserved";
    channel.reserved[facts.role]++;
    this.#count(channel);
    return true;
  }

  /**
   * The token is spent: the half takes its place, and both halves of before are over when it was taken. False: its time was
   * over before.
   */
  seat(of: RelayHalf<S>, now: number): boolean {
    const half = of as Half<S>;
    const { channel, role } = half;
    if (half.state !== "reserved" || channel === undefined || role === undefined) return false;
    if (now >= channel.facts.initEndsAt) {
      this.#end(half, "init_expired");
      return false;
    }
    // Nothing may take the channel away while its halves of before are told.
    if (channel[role] !== undefined) {
      half.replacementAt = undefined; // made
      this.#unseat(channel, "replaced", "replaced");
      if (half.state !== "reserved") return false;
    } else this.#keepReplacement(half);
    channel.reserved[role]--;
    channel[role] = half;
    half.state = "waiting";
    const other = channel[otherRole(role)];
    if (other !== undefined) {
      half.state = other.state = "paired";
      channel.activeAt = now;
      this.#dueAt(now + channel.facts.idleTimeoutMs);
    } else this.#dueAt(channel.facts.initEndsAt);
    this.#count(channel);
    if (other !== undefined) {
      other.holder.onPaired(half.holder);
      half.holder.onPaired(other.holder);
    }
    return true;
  }

  /**
   * A record came from the half and is about to be passed on. False: it is not, and the channel is over. Costs nothing but
   * additions.
   */
  pass(of: RelayHalf<S>, bytes: number, now: number): boolean {
    const half = of as Half<S>;
    const { channel } = half;
    if (half.state !== "paired" || channel === undefined) return false;
    channel.activeAt = now;
    channel.bytes += bytes;
    const isIn = this.#tenants.pass(channel.tenant, bytes, now);
    if (!isIn || channel.bytes > this.#limits.maxBytesPerChannel) {
      this.#unseat(channel, "byte_limit", "byte_limit");
      return false;
    }
    half.bytes += bytes;
    return true;
  }

  /** Its connection is over, or was refused. The other half is over with it. Without effect on one that is over. */
  leave(of: RelayHalf<S>, reason: RelayReason): void {
    const half = of as Half<S>;
    if (half.state !== "waiting" && half.state !== "paired") return this.#end(half, reason);
    this.#unseat(half.channel!, reason, "peer_closed", half);
  }

  /** Ends every channel of these tenants, and whoever is about to attach to one. Returns how many halves that were. */
  cut(isMeant: (tenant: string, channelId: string) => boolean, reason: RelayReason): number {
    let ended = 0;
    for (const half of [...this.#halves]) {
      const facts = half.channel?.facts;
      if (facts === undefined || !isMeant(facts.tenant, facts.channelId)) continue;
      if (half.state === "over") continue;
      ended++;
      this.#end(half, reason);
    }
    return ended;
  }

  /** Takes nobody any more, and ends whoever is not paired. Those that are stay. */
  drain(): void {
    this.#draining = true;
    for (const half of [...this.#halves]) if (half.state !== "paired") this.#end(half, "draining");
  }

  /** Ends everybody. */
  close(): void {
    this.#draining = true;
    for (const half of [...this.#halves]) this.#end(half, "draining");
  }

  /** Ends what has had its time. */
  timeout(now: number): void {
    let next = Infinity;
    for (const half of [...this.#halves]) {
      if (half.state === "over") continue;
      const { at, reason } = endOf(half);
      if (at <= now) this.#end(half, reason);
      else if (at < next) next = at;
    }
    this.#tenants.prune(now);
    this.#replacements.prune(now);
    if (this.#tenants.size > 0 || this.#replacements.size > 0) next = Math.min(next, now + UPKEEP_MS);
    this.#deadline = next === Infinity ? next : Math.max(next, now + GRAIN_MS);
  }

  #dueAt(at: number): void {
    if (at < this.#deadline) this.#deadline = at;
  }

  #open(facts: AttachFacts, now: number): Channel<S> {
    const { role: _, ...shared } = facts;
    const channel: Channel<S> = {
      facts: shared,
      tenant: this.#tenants.open(facts.tenant, now),
      since: now,
      client: undefined,
      server: undefined,
      reserved: { client: 0, server: 0 },
      counted: "none",
      bytes: 0,
      activeAt: now,
    };
    this.#channels.set(facts.channelId, channel);
    return channel;
  }

  /** Brings the counts up to date, and forgets a channel that has neither half nor reservation. */
  #count(channel: Channel<S>): void {
    const isReserved = channel.reserved.client + channel.reserved.server > 0;
    const isSeated = channel.client !== undefined || channel.server !== undefined;
    const counted = isPaired(channel)
      ? isReserved ? "both" : "paired"
      : isReserved || isSeated
      ? "waiting"
      : "none";
    const before = channel.counted;
    channel.counted = counted;
    this.#waiting += Number(isWaiting(counted)) - Number(isWaiting(before));
    this.#paired += Number(counted === "paired" || counted === "both") -
      Number(before === "paired" || before === "both");
    if (counted === "none" && this.#channels.get(channel.facts.channelId) === channel) {
      this.#channels.delete(channel.facts.channelId);
      this.#tenants.close(channel.tenant);
    }
  }

  /** Ends both seated halves: `reason` for the one given, or the first, `otherReason` for the other. */
  #unseat(channel: Channel<S>, reason: RelayReason, otherReason: RelayReason, first = channel.client): void {
    const halves = [channel.client, channel.server];
    channel.client = channel.server = undefined;
    channel.bytes = 0;
    for (const half of halves) if (half !== undefined) this.#forget(half);
    this.#count(channel);
    for (const half of halves) half?.holder.onEnd(half === first ? reason : otherReason);
  }

  /** Ends one half, and the other for the same reason where it has one. */
  #end(half: Half<S>, reason: RelayReason): void {
    const { channel, role } = half;
    if (half.state === "over") return;
    if (half.state === "waiting" || half.state === "paired") return this.#unseat(channel!, reason, reason);
    this.#keepReplacement(half);
    const wasReserved = half.state === "reserved";
    this.#forget(half);
    if (wasReserved) {
      channel!.reserved[role!]--;
      this.#count(channel!);
    }
    half.holder.onEnd(reason);
  }

  #forget(half: Half<S>): void {
    half.state = "over";
    this.#halves.delete(half);
    const rest = this.#byNetwork.get(half.network)! - 1;
    if (rest === 0) this.#byNetwork.delete(half.network);
    else this.#byNetwork.set(half.network, rest);
  }

  /** Gives a replacement back that was not made. */
  #keepReplacement(half: Half<S>): void {
    if (half.replacementAt === undefined) return;
    this.#replacements.giveBack(half.channel!.facts.channelId, half.replacementAt);
    half.replacementAt = undefined;
  }
}

/** How often what is remembered of those that are gone is looked through. */
const UPKEEP_MS = 5_000;

function isPaired<S>(channel: Channel<S>): boolean {
  return channel.client !== undefined && channel.server !== undefined;
}

function isWaiting(counted: Channel<never>["counted"]): boolean {
  return counted === "waiting" || counted === "both";
}

function otherRole(role: RelayRole): RelayRole {
  return role === "client" ? "server" : "client";
}

/** When a half ends by itself, and why. */
function endOf<S>(half: Half<S>): { at: number; reason: RelayReason } {
  const { channel } = half;
  if (half.state === "paired") {
    return { at: channel!.activeAt + channel!.facts.idleTimeoutMs, reason: "idle_timeout" };
  }
  if (half.state === "waiting") return { at: channel!.facts.initEndsAt, reason: "init_expired" };
  return { at: half.attachBy, reason: "timeout" };
}

function checkSame<S>({ facts: known }: Channel<S>, facts: AttachFacts): void {
  if (known.tenant !== facts.tenant) throw relayRefusal("tenant_mismatch");
  if (known.initExp !== facts.initExp) throw relayRefusal("init_exp_mismatch");
  if (known.idleTimeoutMs !== facts.idleTimeoutMs) throw relayRefusal("idle_timeout_mismatch");
}

function full(limit: "connections" | "address" | "channels" | "waiting" | "tenant"): Error {
  return relayRefusal("too_many_connections", "Cannot attach: the relay has as many as it may have", {
    limit,
  });
}
