/** Private channels whose endpoints have not both come yet. */

/** What is kept of a pair of grants until its window is over. Times are wall-clock Unix milliseconds. */
export interface PendingPair {
  /** Owner of the service: ids are unique within it. */
  readonly tenant: string;
  readonly channelId: string;
  /** Who asked for the channel. */
  readonly owner: string;
  readonly tunnelId: string;
  /** SHA-256 of the secret that lets its holder have the grants issued again: 64 lower-case hex digits. */
  readonly secretSha256: string;
  /** The pre-shared key, sealed by that secret, which is not kept: base64url. */
  readonly sealedKey: string;
  /** The client endpoint's static key, where it was told. */
  readonly clientKey?: string;
  readonly initExpireAtMs: number;
  /** Ids of the attach tokens that count now, and when both end. */
  readonly tokens: PendingTokens;
  /** How often the grants were issued again. */
  readonly reissues: number;
}

export interface PendingTokens {
  readonly client: string;
  readonly server: string;
  readonly expireAtMs: number;
}

export interface GrantStore {
  /**
   * Keeps a new pair until its window is over. A pair whose attach tokens were both used counts no more towards
   * `maxPerOwner`, but keeps its id until then.
   * `id_taken`: the tenant has a channel of this id; `owner_full`: `maxPerOwner` of whoever asks wait, or `maxPerTunnel` of
   * those to this tunnel; `full`: too many do.
   */
  putPendingPair(
    pair: Omit<PendingPair, "reissues">,
    maxPerOwner: number,
    maxPerTunnel?: number,
  ): Promise<"kept" | "id_taken" | "owner_full" | "full">;
  /** Undefined once its window is over. */
  pendingPair(secretSha256: string): Promise<PendingPair | undefined>;
  /** Puts other tokens in the place of those that count, when nobody did since `reissues`; false otherwise. */
  replacePendingTokens(secretSha256: string, reissues: number, tokens: PendingTokens): Promise<boolean>;
  /** The channel will not be. */
  dropPendingPair(secretSha256: string): Promise<void>;
}
