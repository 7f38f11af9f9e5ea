/**
 * Which verifier decides about a token, by the policy that the operator declared.
 *
 * ```
 *                       first            the second is asked when the first, without fail, has no opinion:
 *   local               own keys         -
 *   remote              the verifier     -
 *   local-then-remote   own keys         no keys for the issuer here, or none with the token's key id
 *   remote-then-local   the verifier     it is not for the issuer, or says "unknown_issuer" or "unknown_key"
 * ```
 * A verdict is final, a refusal above all. An outage is no opinion but a refusal of its own: what can be cut off from the
 * edge could be cut off by whoever prefers the other verifier.
 */
import { codeOf, type ErrorCode, PosternError } from "../errors/mod.ts";
import { type ClaimsOf, type Expectation, readUnverified, type TokenKind } from "../identity/mod.ts";
import type { LocalSource, LocalVerifier } from "./local_verifier.ts";
import type { RemoteVerifier } from "./remote_verifier.ts";

export type VerificationPolicy = "local" | "remote" | "local-then-remote" | "remote-then-local";

/** Who decided about a token, or that nobody was asked. */
export type VerificationSource = LocalSource | "remote" | "none";

export interface TokenVerifierOptions {
  readonly policy: VerificationPolicy;
  readonly local: LocalVerifier;
  /** There unless the policy is `local`. Its tokens are of these issuers; those of others it is not shown. */
  readonly remote?: { readonly verifier: RemoteVerifier; readonly issuers: readonly string[] };
  /** For metrics: `ok` or a code. Must not throw. */
  readonly onVerified: (source: VerificationSource, result: "ok" | ErrorCode) => void;
}

const ORDERS: Readonly<Record<VerificationPolicy, readonly ("local" | "remote")[]>> = {
  local: ["local"],
  remote: ["remote"],
  "local-then-remote": ["local", "remote"],
  "remote-then-local": ["remote", "local"],
};

export class TokenVerifier {
  readonly #options: TokenVerifierOptions;

  constructor(options: TokenVerifierOptions) {
    this.#options = options;
  }

  /**
   * The claims of a token. Throws the codes of tokens, `token_verifier_unavailable`, `token_verifier_answer_invalid`,
   * `token_verifier_refused`.
   */
  async verify<K extends TokenKind>(
    kind: K,
    token: string,
    expect: Omit<Expectation, "issuer">,
  ): Promise<ClaimsOf[K]> {
    let source: VerificationSource = "none";
    try {
      const claims = await this.#verify(kind, token, expect, (asked) => source = asked);
      this.#options.onVerified(source, "ok");
      return claims;
    } catch (error) {
      this.#options.onVerified(source, codeOf(error));
      throw error;
    }
  }

  async #verify<K extends TokenKind>(
    kind: K,
    token: string,
    expect: Omit<Expectation, "issuer">,
    asks: (source: VerificationSource) => void,
  ): Promise<ClaimsOf[K]> {
    const { policy, local, remote } = this.#options;
    const claim = readUnverified(kind, token);
    const { alg, issuer } = claim;
    // RFC 8725 3.2: not even for a verifier to judge that would believe it.
    if (alg === undefined || alg.toLowerCase() === "none") {
      throw refused("token_wrong_algorithm", kind, "it has no algorithm");
    }
    let isKnown = false;
    for (const place of ORDERS[policy]) {
      let claims: ClaimsOf[K] | undefined;
      if (place === "local") {
        const source = local.sourceOf(issuer);
        if (issuer === undefined || source === undefined) continue;
        asks(source);
        claims = await local.verify(kind, token, claim, source, { ...expect, issuer });
      } else {
        if (issuer === undefined || remote === undefined || !remote.issuers.includes(issuer)) continue;
        asks("remote");
        claims = await remote.verifier.verify(kind, token, claim, { ...expect, issuer });
      }
      if (claims !== undefined) return claims;
      isKnown = true;
    }
    throw isKnown
      ? refused("token_unknown_key", kind, "no known key has its key id")
      : refused("token_wrong_issuer", kind, "it is from another issuer");
  }
}

function refused(
  code: "token_unknown_key" | "token_wrong_issuer" | "token_wrong_algorithm",
  kind: TokenKind,
  state: string,
) {
  return new PosternError(code, `Cannot accept ${kind} token: ${state}`, { detail: { token: kind } });
}
