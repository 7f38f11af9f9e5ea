/** What an agent tells about itself: on its status page, to the CLI's live view and to `postern status`. */

import type { ServiceProtocol } from "../src/config/mod.ts";
import type { Tier } from "../src/identity/mod.ts";
import type { RecentRequest } from "./recent_requests.ts";

/** Where the agent's channel stands, in the words of the channel's lifecycle. */
export type AgentState =
  | "connecting"
  | "handshaking"
  | "authorizing"
  | "online"
  | "revalidating"
  | "degraded"
  | "reconnecting"
  | "draining"
  | "closed"
  | "failed";

/** One published service as the edge sees it. */
export interface ServiceStatus {
  readonly name: string;
  readonly protocol: ServiceProtocol;
  /** Public address: a URL, `tcp://host:port` or `udp://host:port`. Absent before the edge has said it. */
  readonly url?: string;
  /** `host:port` of the origin. */
  readonly target: string;
  /** `online`: bytes were echoed end to end within the heartbeat window. */
  readonly state: "pending" | "online" | "offline" | "refused";
  /** Requests (http), connections (tcp, tls) or flows (udp) so far. */
  readonly requests: number;
  /** Bytes from viewers to the origin. */
  readonly bytes_in: number;
  /** Bytes from the origin to viewers. */
  readonly bytes_out: number;
  /** What the agent proved last on the channel of the service; absent while there is none. */
  readonly attestation?: {
    /** How well its key is kept, as control said: `tpm`, or `bound-key`, which is weaker. */
    readonly tier: string;
    /** Milliseconds since the Unix epoch, as the one below. */
    readonly attested_at: number;
    /** When the edge asks for the next proof at the earliest; null: it does not. */
    readonly reauth_at: number | null;
  };
}

/** A snapshot; JSON as it stands, in the names that control's API uses. */
export interface AgentStatus {
  readonly role: "agent";
  /** Derived from its key. */
  readonly agent_id: string;
  /** How it proves itself: with a TPM, or (weaker) with a key in a file. */
  readonly tier: Tier;
  readonly version: string;
  readonly state: AgentState;
  /** URL of the control plane that is asked: of several the one that answered last. */
  readonly control: string;
  readonly services: readonly ServiceStatus[];
  /** Last heartbeat round trip in milliseconds, to two decimals; null before the first. */
  readonly rtt_ms: number | null;
  /** Name or address of the edge, null while none is chosen. */
  readonly edge: string | null;
  /** When this state was entered, milliseconds since the Unix epoch. */
  readonly since: number;
  /** The last answers of all http services, newest first. */
  readonly recent: readonly (RecentRequest & { readonly service: string })[];
  /** The failure that the agent met last; `message` may hold text from a peer: show it escaped. */
  readonly last_error?: { readonly code: string; readonly message: string; readonly at: number };
}
