/** Verifies tokens by keys that the edge has itself: each issuer by one kind of keys, and by nothing else. */
import {
  type ClaimsOf,
  type Expectation,
  type PinnedKey,
  type TokenClaim,
  type TokenKind,
  type VerificationKeys,
  verifyPinned,
} from "../identity/mod.ts";
import type { KeySet } from "./key_sets.ts";

/** What judged a token, in metrics. */
export type LocalSource = "keyset" | "jwks" | "hmac";

export interface LocalKeys {
  /** `iss` of the embedded control, and its keys. */
  readonly issuer: string;
  readonly keyset: VerificationKeys;
  readonly jwks?: { readonly issuers: readonly string[]; readonly keys: KeySet };
  /** Read anew at a reload. */
  readonly hmac?: { readonly issuers: readonly string[]; readonly secrets: () => readonly PinnedKey[] };
}

export class LocalVerifier {
  readonly #keys: LocalKeys;

  constructor(keys: LocalKeys) {
    this.#keys = keys;
  }

  /** What judges tokens of an issuer; undefined: nothing here does. */
  sourceOf(issuer: string | undefined): LocalSource | undefined {
    const { issuer: own, jwks, hmac } = this.#keys;
    if (issuer === undefined) return undefined;
    if (issuer === own) return "keyset";
    if (hmac?.issuers.includes(issuer)) return "hmac";
    return jwks?.issuers.includes(issuer) ? "jwks" : undefined;
  }

  /**
   * The claims of a token that holds; undefined when its issuer is known here, and its key is not. Throws the codes of
   * tokens, and `token_verifier_unavailable` while the issuer's keys are not known.
   */
  async verify<K extends TokenKind>(
    kind: K,
    token: string,
    claim: TokenClaim,
    source: LocalSource,
    expect: Expectation,
  ): Promise<ClaimsOf[K] | undefined> {
    const keys = await this.#keysFor(claim, source);
    return keys === undefined ? undefined : await verifyPinned(kind, token, keys, expect);
  }

  /** The kind of keys follows from the issuer alone: no header can have a public key taken for a secret. */
  async #keysFor(
    { kid }: TokenClaim,
    source: LocalSource,
  ): Promise<readonly PinnedKey[] | undefined> {
    const { keyset, jwks, hmac } = this.#keys;
    if (source === "hmac") return hmac!.secrets();
    if (kid === undefined) return undefined;
    if (source === "jwks") {
      const key = await jwks!.keys.key(kid);
      return key === undefined ? undefined : [key];
    }
    const key = keyset.publicKey(kid);
    return key === undefined ? undefined : [{ alg: "EdDSA", key }];
  }
}
