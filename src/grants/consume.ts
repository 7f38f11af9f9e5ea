/** Single use of attach tokens, by a store that all edges share. */
import { spendToken } from "../identity/mod.ts";
import type { SingleUseStore } from "../ports/mod.ts";

/**
 * Spends a verified attach token: exactly one caller over all edges gets past this. Check capacity before: a token is not
 * given back. Fails closed: throws `token_replayed` for one that was used, or that was issued again since;
 * `replay_cache_full`; and what the store throws.
 * @param exp claim of the token: Unix seconds
 */
export function consumeAttachToken(store: SingleUseStore, jti: string, exp: number): Promise<void> {
  return spendToken(store, "attach", { jti, exp });
}
