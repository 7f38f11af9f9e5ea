/** What the rest of the process asks of the edge's data plane, whether it is this thread or several workers. */
import type { ChannelInitGrant } from "../grants/mod.ts";
import type { AttachClaims } from "../identity/mod.ts";
import type { Revised } from "../ports/mod.ts";
import type { TrafficTotals } from "../telemetry/mod.ts";
import type { PrivateOfferTaken } from "./private_offers.ts";
import type { Sessions } from "./sessions.ts";
import type { EdgeStatus } from "./status.ts";

export interface EdgePlane {
  /** Port that is really listened on; 0 before {@link start}. */
  readonly port: number;
  /** Whether viewers and agents are served, by every part that there is. */
  readonly isReady: boolean;
  /** All sessions, as far as control asks about them. */
  readonly sessions: Pick<Sessions, "all" | "ofTunnel">;
  /** Listens when it resolves. @throws Deno.errors.AddrInUse and the like; PosternError `worker_unavailable` */
  start(): Promise<void>;
  status(): EdgeStatus | Promise<EdgeStatus>;
  /** What all services together have had since the start. */
  traffic(): TrafficTotals | Promise<TrafficTotals>;
  /** The page of all metrics, brought up to date. */
  metricsPage(): Promise<string>;
  /** Cuts everything that a tunnel has, because it was deleted or its owner's tokens were revoked. */
  cutTunnel(tunnelId: string, code: "tunnel_deleted" | "token_revoked"): void;
  /** Cuts the sessions of a tunnel whose agents have no TPM, and their private channels, because it demands one now: `tier_too_weak`. */
  cutWeaker(tunnelId: string): void;
  /** Cuts every session of an agent, because its machine was revoked: `machine_revoked`. */
  cutAgent(agentId: string): void;
  /** Cuts the private channels that are for an owner or were asked for by it, or all, because the tokens were revoked. */
  cutTenant(owner: string | undefined): void;
  /** What the tokens said of those that are attached to private channels, or about to. */
  readonly attached: readonly AttachClaims[];
  /** Cuts one private channel. */
  cutChannel(channelId: string): void;
  /** Cuts all channels that an agent has for a tunnel: its machine failed to prove itself again. */
  cutFailed(tunnelId: string, agentId: string): void;
  /** Cuts the private channels of an agent whose machine gave no new proof for this tunnel. */
  cutRelayed(tunnelId: string, agentId: string): void;
  /** Holds these rules for the tunnel from the next request, or connection, on. */
  holdRules(tunnelId: string, rules: Revised<string>): void;
  /**
   * Hands the server's grant of a private channel to an agent that serves the tunnel.
   * @throws PosternError `private_service_offline`, `private_offer_refused`, `private_offer_timeout`, `private_offer_limit`,
   * `worker_unavailable`
   */
  offerPrivate(tunnelId: string, agentId: string, grant: ChannelInitGrant): Promise<PrivateOfferTaken>;
  /** Reads the certificates again, and keeps those that it has when the new ones are not usable. */
  reload(): Promise<void>;
  /** Drains, then ends. Idempotent. */
  stop(): Promise<void>;
}
