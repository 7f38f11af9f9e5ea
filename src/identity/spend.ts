/** Single use of tokens, by a store that all verifiers share. */
import { PosternError } from "../errors/mod.ts";
import type { SingleUseStore } from "../ports/mod.ts";
import type { TokenKind } from "./token.ts";

/**
 * Spends a verified token. Throws `token_replayed` when it was spent before, and `replay_cache_full`: check capacity
 * before, a token is not given back.
 */
export async function spendToken(
  store: SingleUseStore,
  kind: TokenKind,
  claims: { readonly jti: string; readonly exp: number },
): Promise<void> {
  if (await store.consumeOnce(kind, claims.jti, claims.exp * 1_000)) return;
  throw new PosternError("token_replayed", `Cannot accept ${kind} token: it was used before`, {
    detail: { token: kind },
  });
}
