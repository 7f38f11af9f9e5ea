/** Tokens of another issuer, and a verifier whose every request is a real one. */
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from "jose";
import {
  RemoteVerifier,
  type RemoteVerifierOptions,
  type RequestOutcome,
} from "../../src/tokens/remote_verifier.ts";
import { readUnverified, type Stage0Claims, type TokenKind } from "../../src/identity/mod.ts";
import type { Random } from "../../src/ports/mod.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { nowMs, nowSeconds, stage0Draft } from "../identity/support.ts";

export const foreignIssuer = "https://auth.other.example";
export const TYP = "postern-stage0+jwt";

export const foreignClaims = {
  ...stage0Draft,
  iss: foreignIssuer,
  iat: nowSeconds,
  exp: nowSeconds + 60,
  jti: "jti-0123456789",
};

/** Signs what an issuer could say; `claims` over {@link foreignClaims}. */
export function signed(
  alg: string,
  key: CryptoKey | Uint8Array,
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
): Promise<string> {
  return new SignJWT({ ...foreignClaims, ...claims }).setProtectedHeader({ alg, typ: TYP, ...header }).sign(
    key,
  );
}

/** A key pair, and its public half as it is published. */
export async function issuerKey(alg: "EdDSA" | "ES256", kid: string) {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { privateKey, jwk: { ...await exportJWK(publicKey), kid, alg, use: "sig" } };
}

export const secret = new TextEncoder().encode("a secret of at least thirty-two bytes");

/** Jitter in the middle. */
const half: Random = (bytes) => new Uint8Array(bytes).fill(0x80);

/** A remote verifier on a virtual clock, with what it told. */
export class RemoteSetup implements Disposable {
  readonly clock = new VirtualClock(nowMs);
  readonly outcomes: RequestOutcome[] = [];
  readonly states: string[] = [];
  readonly client = Deno.createHttpClient({});
  readonly verifier: RemoteVerifier;

  constructor(url: string, options: Partial<RemoteVerifierOptions> = {}) {
    this.verifier = new RemoteVerifier({
      url,
      bearer: () => "credential",
      client: this.client,
      clock: this.clock,
      random: half,
      timeoutMs: 5_000,
      retries: 0,
      budgetMs: 9_000,
      cacheMs: 10_000,
      events: {
        onRequest: (outcome) => this.outcomes.push(outcome),
        onBreaker: (state) => this.states.push(state),
      },
      ...options,
    });
  }

  verify(token: string, kind: TokenKind = "stage0"): Promise<Stage0Claims | undefined> {
    return this.verifier.verify(kind as "stage0", token, readUnverified(kind, token), {
      issuer: foreignIssuer,
      audience: "postern-edge",
      nowMs: this.clock.wall(),
    });
  }

  [Symbol.dispose](): void {
    this.client.close();
  }
}
