/** Edges that share a store, as each announces itself, and what each of them serves. */

/** A process of an edge. Nothing in it is secret. */
export interface EdgeRecord {
  /** Of the process: of one that takes over from another with the same edge id, too. */
  readonly instanceId: string;
  readonly edgeId: string;
  /** Where agents open their carrier. */
  readonly edgeUrl: string;
  readonly transport: string;
  readonly region: string;
  /** Lower is tried first. */
  readonly priority: number;
  /** The edge's Noise static public key, base64url of 32 bytes. */
  readonly publicKey: string;
  /** By the edge's own clock: whoever reads it looks whether it moves. */
  readonly seenAtMs: number;
}

/** A tunnel that an edge serves. */
export interface ServedTunnel {
  readonly tunnelId: string;
  /** 0: it is not served there any more. */
  readonly agents: number;
  readonly tiers: readonly string[];
}

export interface EdgeStore {
  /** Says that the process is there. True when it was not known: then nothing is known of what it serves, either. */
  announceEdge(edge: EdgeRecord): Promise<boolean>;
  /** What has changed of what the process serves. */
  announceServed(instanceId: string, tunnels: readonly ServedTunnel[]): Promise<void>;
  /** The process ends. */
  withdrawEdge(instanceId: string): Promise<void>;
  /** Forgets processes of the edge that ended without a word, and of all edges those that were not seen since. */
  forgetEdges(edgeId: string | undefined, seenBeforeMs: number): Promise<void>;
  /** All that are known, by edge id and process; at most 256. Whether one is still there is for the caller to judge. */
  edges(): Promise<EdgeRecord[]>;
  /** Which processes serve the tunnel, as they said last. */
  servedBy(tunnelId: string): Promise<(ServedTunnel & { readonly instanceId: string })[]>;
}
