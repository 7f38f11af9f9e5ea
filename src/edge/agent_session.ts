/** One established channel to an agent, as the edge routes to it. */
import type { Stage1Claims } from "../identity/mod.ts";
import type { CarrierPlace, Channel } from "../channel/mod.ts";
import type { ChannelPump } from "../driver/mod.ts";
import type { Reauthentication } from "./reauthentication.ts";
import type { ServiceGuard } from "./service_guard.ts";
import type { SessionOffers } from "./session_offers.ts";

/** Origin failures in a row after which a session is passed over while another one is there. */
const UNHEALTHY_AFTER = 3;
/** How long it is passed over. */
const UNHEALTHY_MS = 5_000;

/** What the edge does with a session's channel, wherever it ends: here, or in another worker of this edge. */
export type SessionChannel = Pick<Channel, "state" | "openStreams" | "rttMs" | "open" | "drain" | "close">;
export type SessionPump = Pick<ChannelPump, "retain" | "bytesIn" | "bytesOut">;

export class AgentSession {
  readonly id: string;
  readonly channel: SessionChannel;
  readonly pump: SessionPump;
  /** Wall-clock milliseconds. */
  readonly since: number;
  readonly remoteAddress: string;
  /** Its place among the channels that the agent has side by side; undefined for an only one. */
  readonly carrier: CarrierPlace | undefined;
  /** Whether its channel ends in another worker, so that every stream takes a way round. */
  readonly isLinked: boolean;
  /** Wall-clock milliseconds of the last echo, 0 before the first. */
  lastEchoAt = 0;
  requests = 0;
  /** Holds the rules of what the session publishes; there before it is online. */
  guard: ServiceGuard | undefined;
  /** Keeps the channel attested; undefined where another worker does. */
  reauthentication: Pick<Reauthentication, "status"> | undefined;
  /** Hands the agent grants of private channels; undefined where another worker does. */
  offers: Pick<SessionOffers, "offer"> | undefined;
  #claims: Stage1Claims;
  #failures = 0;
  #unhealthyUntil = 0;

  constructor(options: {
    id: string;
    claims: Stage1Claims;
    channel: SessionChannel;
    pump: SessionPump;
    since: number;
    remoteAddress: string;
    carrier?: CarrierPlace;
    isLinked?: boolean;
  }) {
    this.id = options.id;
    this.#claims = options.claims;
    this.channel = options.channel;
    this.pump = options.pump;
    this.since = options.since;
    this.remoteAddress = options.remoteAddress;
    this.carrier = options.carrier;
    this.isLinked = options.isLinked === true;
  }

  /** What was proved last. */
  get claims(): Stage1Claims {
    return this.#claims;
  }
  get tunnelId(): string {
    return this.claims.sub;
  }
  get agentId(): string {
    return this.claims.agent_id;
  }
  get weight(): number {
    return this.claims.weight;
  }
  /** Whether the two are channels of one run of an agent, side by side: neither stands for the other. */
  isBeside(other: AgentSession): boolean {
    return this.carrier !== undefined && this.carrier.group === other.carrier?.group &&
      this.carrier.index !== other.carrier.index;
  }
  /** Whether new streams may go here: the channel stands and an echo came back on it. */
  get isOnline(): boolean {
    return this.lastEchoAt > 0 &&
      (this.channel.state === "established" || this.channel.state === "revalidating");
  }

  /** The agent has proved itself anew; agent, tunnel and routes are the same. */
  renew(claims: Stage1Claims): void {
    this.#claims = claims;
  }

  /** Books how the origin behind this session did; `now` is monotonic. */
  originAnswered(well: boolean, now: number): void {
    this.#failures = well ? 0 : this.#failures + 1;
    if (this.#failures >= UNHEALTHY_AFTER) this.#unhealthyUntil = now + UNHEALTHY_MS;
    else if (well) this.#unhealthyUntil = 0;
  }

  isHealthy(now: number): boolean {
    return now >= this.#unhealthyUntil;
  }
}
