/**
 * What control says of an agent's token to an edge that shares no database with it, in the form that edges ask in:
 *
 * ```
 *   POST {"token": "..."}   {"valid": true, "claims": {...}}   or   {"valid": false, "error": "token_expired"}
 * ```
 * More than a signature is judged: the edge cannot know what was deleted or taken back. A verdict is what stands now; that the
 * edge keeps it for some seconds is its own setting.
 */
import { CATALOGUE, codeOf, type ErrorCode, PosternError } from "../errors/mod.ts";
import {
  claimedKind,
  readUnverified,
  satisfiesTier,
  type Stage0Claims,
  type Stage1Claims,
  verifyStage0,
  verifyStage1,
} from "../identity/mod.ts";
import type { SingleUseStore } from "../ports/mod.ts";
import type { ControlDeps } from "./config.ts";

export type TokenVerdict =
  | { readonly valid: true; readonly claims: Stage0Claims | Stage1Claims }
  /** A code, or `unknown_issuer` or `unknown_key`: then control has no opinion. */
  | { readonly valid: false; readonly error: string };

/** Stage 0 tokens that an edge may ask about again; about 150 bytes each. */
const maxAsked = 4_096;

type JudgeDeps = Pick<ControlDeps, "store" | "keyset" | "clock" | "config"> & {
  readonly spent: SpentAtEdges;
};

/** @param edge name of the edge that asks. Throws what is no fault of the token: `replay_cache_full`, `store_*`. */
export async function judgeToken(deps: JudgeDeps, edge: string, token: string): Promise<TokenVerdict> {
  try {
    return { valid: true, claims: await judged(deps, edge, token) };
  } catch (error) {
    const code = codeOf(error);
    // What the token is not to blame for is no verdict: the edge asks again.
    if (!isVerdict(code)) throw error;
    return { valid: false, error: wordOf(code) };
  }
}

async function judged(deps: JudgeDeps, edge: string, token: string): Promise<Stage0Claims | Stage1Claims> {
  const kind = claimedKind(token);
  if (kind !== "stage0" && kind !== "stage1") {
    throw new PosternError(
      "token_wrong_type",
      "Cannot judge token: edges take stage 0 and stage 1 tokens only",
    );
  }
  const { config, clock, keyset } = deps;
  // Whose it is comes first: an edge with several verifiers asks the next one only about what is none of ours.
  if (readUnverified(kind, token).issuer !== config.issuer) {
    throw new PosternError("token_wrong_issuer", "Cannot judge token: it is from another issuer");
  }
  const expect = {
    audience: config.edgeAudience,
    issuer: config.issuer,
    nowMs: clock.wall(),
    clockSkewMs: config.tokens.clockSkewMs,
  };
  if (kind === "stage0") {
    const claims = await verifyStage0(token, keyset, expect);
    await checkTunnel(deps, claims);
    await deps.spent.spend(edge, claims);
    return claims;
  }
  const claims = await verifyStage1(token, keyset, expect);
  await checkTunnel(deps, claims, claims);
  return claims;
}

async function checkTunnel(
  { store, config }: JudgeDeps,
  { sub, iat }: Pick<Stage0Claims, "sub" | "iat">,
  proven?: Pick<Stage1Claims, "tier" | "agent_id">,
): Promise<void> {
  const tunnel = await store.tunnel(sub);
  if (tunnel === undefined) throw new PosternError("tunnel_deleted");
  if (await store.isRevoked({ owner: tunnel.owner, startedAtMs: iat * 1_000 })) {
    throw new PosternError("token_revoked");
  }
  if (proven === undefined) return;
  const { tier, agent_id } = proven;
  if (!config.attestation.tiers.includes(tier) || !satisfiesTier(tier, tunnel.requireTier)) {
    throw new PosternError("tier_too_weak");
  }
  const machine = await store.machine(agent_id);
  if (machine?.state === "revoked" || (machine === undefined && tier === "tpm")) {
    throw new PosternError("machine_revoked");
  }
}

/**
 * A stage 0 token is good at one edge, be it one of this control's or another one. That edge spends it by itself, and may ask
 * again when an answer was lost: here, within the token's time. Where another control answers, the agent takes a fresh token.
 */
export class SpentAtEdges {
  readonly #store: SingleUseStore;
  /** Oldest first: whether the edge was the first to ask. */
  readonly #asked = new Map<string, Promise<boolean>>();

  constructor(store: SingleUseStore) {
    this.#store = store;
  }

  /** Throws `token_replayed`, `replay_cache_full`, `store_*`. */
  async spend(edge: string, { jti, exp }: Stage0Claims): Promise<void> {
    const key = `${edge} ${jti}`;
    const before = this.#asked.get(key);
    const asking = before ?? this.#store.consumeOnce("stage0", jti, exp * 1_000);
    if (before === undefined) this.#keep(key, asking);
    if (await asking) return;
    throw new PosternError("token_replayed", "Cannot accept stage0 token: it was used at another edge");
  }

  #keep(key: string, asking: Promise<boolean>): void {
    this.#asked.set(key, asking);
    asking.catch(() => this.#asked.delete(key));
    if (this.#asked.size <= maxAsked) return;
    for (const [oldest] of this.#asked) {
      this.#asked.delete(oldest);
      return;
    }
  }
}

/** Refusals that are of the token, or of what it stands for. */
function isVerdict(code: ErrorCode): boolean {
  if (code === "tunnel_deleted" || code === "tier_too_weak" || code === "machine_revoked") return true;
  const { status, blame } = CATALOGUE[code];
  return code.startsWith("token_") && status === 401 && blame === "peer";
}

function wordOf(code: ErrorCode): string {
  switch (code) {
    case "token_wrong_issuer":
      return "unknown_issuer";
    case "token_unknown_key":
      return "unknown_key";
    default:
      return code;
  }
}
