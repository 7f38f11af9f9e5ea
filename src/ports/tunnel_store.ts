/** What is remembered of tunnels, and of the agents that serve them. */
import type { Revised } from "./revised.ts";

/** A published name with its owner. */
export interface TunnelRecord {
  readonly tunnelId: string;
  /**
   * First label of the public hostname, or `*.` and a label; unique. Of a private service its name, unique among those of
   * its owner.
   */
  readonly name: string;
  readonly owner: string;
  /** Nobody's account: its owner is whoever holds the recreate token. */
  readonly anonymous: boolean;
  readonly protocol: "http" | "tcp" | "tls" | "udp" | "private";
  /** Public port of a tcp or udp tunnel; unique among those of the same protocol. */
  readonly publicPort?: number;
  readonly createdAtMs: number;
  /** An anonymous name is kept for its holder until then. */
  readonly heldUntilMs: number;
  /** JSON of the rules that edges hold for the service; absent while nobody has set any. Holds password hashes. */
  readonly rules?: Revised<string>;
  /** Only agents of this tier may serve it; absent: any agent. */
  readonly requireTier?: "tpm";
}

/** A tunnel to be made, with the limits that are checked in the same step. */
export interface TunnelClaim extends Omit<TunnelRecord, "publicPort" | "rules"> {
  /** JSON of the first rules; they get revision 1. */
  readonly rules?: string;
  /** Another name that nobody but this owner may hold, looked at in the same step. */
  readonly pairedName?: string;
  /** Where an anonymous request came from: opaque, counted only. */
  readonly from?: { readonly address: string; readonly maxTunnels: number };
  /** Most tunnels of this owner; of all anonymous owners together when the tunnel is anonymous. */
  readonly maxTunnels: number;
  /** Where to take the public port from; absent for protocols without one. Both ends included. */
  readonly ports?: { readonly first: number; readonly last: number };
}

export type TunnelClaimed =
  | { readonly outcome: "created"; readonly tunnel: TunnelRecord }
  /** The holder of the name, or of its pair; for a name of another issuer's subject, a tunnel that stands for it. */
  | { readonly outcome: "name_taken"; readonly holder: TunnelRecord }
  | { readonly outcome: "too_many" }
  | { readonly outcome: "no_port" };

export interface TunnelStore {
  /** Makes the tunnel when its name is free, the owner is within its limit, and a port is left. */
  claimTunnel(claim: TunnelClaim): Promise<TunnelClaimed>;
  tunnel(tunnelId: string): Promise<TunnelRecord | undefined>;
  /** Not one of a private service. */
  tunnelByName(name: string): Promise<TunnelRecord | undefined>;
  /** The private service that an owner calls so. */
  privateTunnel(owner: string, name: string): Promise<TunnelRecord | undefined>;
  /** All tunnels of an owner, oldest first. */
  tunnelsOf(owner: string): Promise<TunnelRecord[]>;
  /** Everybody's, in the order of their ids, after `afterTunnelId` when given. */
  tunnels(limit: number, afterTunnelId?: string): Promise<TunnelRecord[]>;
  countTunnels(): Promise<number>;
  /**
   * Gives an anonymous tunnel to an account that has less than `maxTunnels`; it counts for its address no more.
   * `not_anonymous`: there is none, or it has an account already.
   */
  adoptTunnel(
    tunnelId: string,
    owner: string,
    maxTunnels: number,
  ): Promise<"adopted" | "too_many" | "not_anonymous">;
  /** Moves `heldUntilMs` later, never earlier. False when there is no such tunnel. */
  holdTunnel(tunnelId: string, heldUntilMs: number): Promise<boolean>;
  /**
   * Sets the rules and makes their revision one higher, unless they are the same as before. Returns what is held then;
   * undefined when there is no such tunnel.
   */
  setTunnelRules(tunnelId: string, value: string): Promise<Revised<string> | undefined>;
  /** Null: any agent may serve it. False when there is no such tunnel. */
  setTunnelTier(tunnelId: string, requireTier: "tpm" | null): Promise<boolean>;
  /**
   * Frees name, port and agent bindings. With `heldBeforeMs` only when the tunnel is anonymous and its hold ended
   * before then. False when nothing was deleted.
   */
  deleteTunnel(tunnelId: string, heldBeforeMs?: number): Promise<boolean>;
  /** Anonymous tunnels whose hold ended before then, oldest hold first. */
  abandonedTunnels(heldBeforeMs: number, limit: number): Promise<TunnelRecord[]>;
}

/** One agent that has proved itself for a tunnel. */
export interface AgentBinding {
  readonly agentId: string;
  readonly firstSeenMs: number;
  readonly lastSeenMs: number;
}

export interface AgentStore {
  /** Records that the agent proved itself. `too_many`: it is new and the tunnel has `maxAgents` already. */
  bindAgent(
    tunnelId: string,
    agentId: string,
    nowMs: number,
    maxAgents: number,
  ): Promise<"first" | "new" | "known" | "too_many">;
  /** Oldest first. */
  agentsOf(tunnelId: string): Promise<AgentBinding[]>;
}
