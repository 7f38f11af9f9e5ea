/** What is remembered of tokens: which are spent, which are revoked, which were given out. */

export interface SingleUseStore {
  /**
   * Spends an id: true for exactly one caller, over all processes. Remembered until `expiresAtMs` plus clock skew;
   * ids of expired tokens must be refused by their expiry before. Throws `replay_cache_full` rather than forget.
   */
  consumeOnce(kind: string, id: string, expiresAtMs: number): Promise<boolean>;
}

/** What is not to be believed any more. */
export interface Revocation {
  /** One management token, all of its family, or everything that its owner was given before `revokedAtMs`. */
  readonly kind: "token" | "family" | "owner";
  /** `jti`, family id, or owner. */
  readonly id: string;
  /** Who it counts against. */
  readonly owner: string;
  readonly revokedAtMs: number;
  /** When nothing that it concerns can be valid any more. */
  readonly forgetAtMs: number;
}

/** What was revoked, of every kind, as administrators see it. */
export interface RevokedThing {
  /** Besides those of tokens: the EK of a machine; a node by its name, one certificate of it, or its key. */
  readonly kind: Revocation["kind"] | "ek" | "node" | "certificate" | "key";
  /** Besides those of tokens: SHA-256 of the EK, or of the key; SPIFFE id; serial number. */
  readonly id: string;
  readonly revokedAtMs: number;
  /** Of tokens. */
  readonly owner?: string;
  /** Absent: until it is taken back. */
  readonly forgetAtMs?: number;
  /** Not of tokens. */
  readonly reason?: string;
  /** Of nodes: whether open streams may end. */
  readonly severity?: "drain" | "cut";
  /** Of nodes. */
  readonly by?: string;
}

/** What is asked of a token. Absent parts are not looked at. */
export interface RevocationQuery {
  readonly jti?: string;
  readonly family?: string;
  readonly owner: string;
  /** When what the token rests on was given out. */
  readonly startedAtMs: number;
}

export interface RevocationStore {
  /**
   * Remembers until `forgetAtMs`; the same again moves both times later. Throws `revocations_full` rather than forget: then
   * nothing was revoked.
   */
  revoke(revocation: Revocation): Promise<void>;
  isRevoked(query: RevocationQuery): Promise<boolean>;
  /** What is remembered of every kind, in the order of kind and id, after `after` when given. */
  revocations(limit: number, after?: Pick<RevokedThing, "kind" | "id">): Promise<RevokedThing[]>;
}

/** A family of management tokens that was given out. */
export interface TokenFamily {
  readonly family: string;
  readonly owner: string;
  /** When no token of it can be valid any more. */
  readonly endsAtMs: number;
}

/** What was given out, to tell a typing error from what has nothing. */
export interface TokenFamilyStore {
  /** Remembers until `endsAtMs`; when there are too many, those that end first are forgotten. */
  noteFamily(family: TokenFamily): Promise<void>;
  /** Whether one of the family, or of the owner, is remembered. */
  knowsFamily(target: { readonly family: string } | { readonly owner: string }): Promise<boolean>;
}
