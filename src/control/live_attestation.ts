/**
 * Attestations that stand: what control remembers of an agent that it let open a channel, so that the agent may prove itself
 * again there. The stage 0 token is spent by then, and a fresh one would tell nothing about the channel, so there is a token of
 * its own kind: a reauth token names one attestation, is given to the agent together with each stage 1 token, never seen by an
 * edge, and lives until the attestation has to be renewed at the latest. It is a name with a signature and no more: what counts
 * is the record in the store, looked at when the challenge is opened and again when it is answered. An attestation that has
 * failed, or that nobody renewed in time, is over for good.
 */
import { z } from "zod";
import { toBase64Url } from "../bytes/mod.ts";
import { codeOf, PosternError } from "../errors/mod.ts";
import {
  type IssuedToken,
  issueReauth,
  reauthLifeMs,
  type Tier,
  tierSchema,
  verifyReauth,
} from "../identity/mod.ts";
import { tellsOfMachine } from "../policy/mod.ts";
import type { AttestationRecord } from "../ports/mod.ts";
import { controlAudience, type ControlDeps } from "./config.ts";
import { expectationOf } from "./credentials.ts";
import { gone } from "./tunnel_terms.ts";

/** What a channel may publish, as stage 0 said it. */
export const channelRoutesSchema = z.object({
  aud: z.array(z.string()),
  hostnames: z.array(z.string()),
  tls_hostnames: z.array(z.string()).default([]),
  tcp_ports: z.array(z.number()),
  udp_ports: z.array(z.number()).default([]),
  weight: z.number(),
});
export type ChannelRoutes = z.infer<typeof channelRoutesSchema>;

/** Written and read here only, but read back from a file: checked. */
const bodySchema = z.object({
  routes: channelRoutesSchema,
  agent_static: z.string(),
  tier: tierSchema,
  reset_count: z.number().optional(),
});

export interface LiveAttestation {
  readonly attestationId: string;
  readonly tunnelId: string;
  readonly agentId: string;
  readonly agentStatic: string;
  readonly tier: Tier;
  /** Of the TPM, when the channel was opened. */
  readonly resetCount?: number;
  readonly routes: ChannelRoutes;
}

/** Remembers that evidence for a new channel held; undefined where agents are never asked again. */
export async function beginAttestation(
  deps: ControlDeps,
  facts: Omit<LiveAttestation, "attestationId">,
): Promise<LiveAttestation | undefined> {
  const { config, clock, random, store } = deps;
  if (config.reauth.intervalMs === 0) return undefined;
  const attestation = { attestationId: toBase64Url(random(16)), ...facts };
  const { attestationId, tunnelId, agentId, routes, agentStatic, tier, resetCount } = attestation;
  const nowMs = clock.wall();
  await store.openAttestation({
    attestationId,
    tunnelId,
    agentId,
    attestedAtMs: nowMs,
    liveUntilMs: nowMs + reauthLifeMs(config.reauth),
    body: JSON.stringify({ routes, agent_static: agentStatic, tier, reset_count: resetCount }),
  });
  return attestation;
}

/**
 * The attestation that a reauth token names. Throws the codes of tokens, `attestation_unknown`, `attestation_over`,
 * `attestation_failed`, `tunnel_gone`, `token_revoked`.
 */
export async function attestationOf(deps: ControlDeps, reauthToken: string): Promise<LiveAttestation> {
  const claims = await verifyReauth(reauthToken, deps.keyset, expectationOf(deps));
  const attestation = await liveAttestation(deps, claims.attestation_id);
  if (attestation.agentId !== claims.agent_id || attestation.tunnelId !== claims.sub) throw unknown();
  return attestation;
}

/** As {@link attestationOf}, by its id. */
export async function liveAttestation(deps: ControlDeps, attestationId: string): Promise<LiveAttestation> {
  const { store, clock } = deps;
  const record = await store.attestation(attestationId);
  if (record === undefined) throw unknown();
  assertLive(record, clock.wall());
  const tunnel = await store.tunnel(record.tunnelId);
  if (tunnel === undefined) throw gone();
  if (await store.isRevoked({ owner: tunnel.owner, startedAtMs: record.openedAtMs })) {
    throw new PosternError("token_revoked", "Cannot go on: the tokens of the tunnel's owner were revoked");
  }
  const { tunnelId, agentId } = record;
  const body = bodySchema.parse(JSON.parse(record.body));
  const { routes, agent_static: agentStatic, tier, reset_count: resetCount } = body;
  return { attestationId, tunnelId, agentId, agentStatic, tier, resetCount, routes };
}

/** The new proof holds. Throws `attestation_over`, when it came to an end while it was judged. */
export async function renewAttestation(deps: ControlDeps, { attestationId }: LiveAttestation): Promise<void> {
  const { config, clock, store } = deps;
  const nowMs = clock.wall();
  const liveUntilMs = nowMs + reauthLifeMs(config.reauth);
  const step = { state: "passed", attestedAtMs: nowMs, liveUntilMs } as const;
  if (!await store.stepAttestation(attestationId, step)) throw over();
}

/**
 * The new proof was judged and refused: nothing makes it good any more. What says nothing about the machine, such as a busy
 * store or a policy that changed in between, leaves the attestation as it is: not renewed.
 */
export async function failAttestation(
  deps: ControlDeps,
  { attestationId, tunnelId, agentId }: Pick<LiveAttestation, "attestationId" | "tunnelId" | "agentId">,
  error: unknown,
): Promise<void> {
  const code = codeOf(error);
  const isOfMachine = code === "attestation_failed_before" || tellsOfMachine(code);
  if (!(error instanceof PosternError) || error.retryable && !isOfMachine) return;
  if (!await deps.store.stepAttestation(attestationId, { state: "failed", code })) return;
  deps.log("warn", "attestation failed", { tunnel_id: tunnelId, agent_id: agentId, code });
  deps.events.onAttestationFailed?.(tunnelId, agentId);
}

/** The agent's right to the next challenge. */
export function issueReauthToken(
  deps: ControlDeps,
  { attestationId, tunnelId, agentId }: LiveAttestation,
): Promise<IssuedToken> {
  const { config, clock, random, keyset } = deps;
  const claims = {
    iss: config.issuer,
    aud: controlAudience,
    sub: tunnelId,
    agent_id: agentId,
    attestation_id: attestationId,
  };
  const ttlSeconds = Math.ceil(reauthLifeMs(config.reauth) / 1_000);
  return issueReauth(claims, keyset, { nowMs: clock.wall(), random, ttlSeconds });
}

/** How well the agent's key was kept when it proved itself; undefined where another control judged that. */
export function attestedTier({ body }: Pick<AttestationRecord, "body">): Tier | undefined {
  return bodySchema.pick({ tier: true }).partial().parse(JSON.parse(body)).tier;
}

function assertLive({ state, code, liveUntilMs }: AttestationRecord, nowMs: number): void {
  switch (state) {
    case "passed":
    case "asked":
      if (nowMs < liveUntilMs) return;
      throw over();
    case "failed":
      throw new PosternError(
        "attestation_failed",
        `Cannot renew attestation: the machine failed it (${code})`,
        { detail: { failed_with: code ?? "internal_error" } },
      );
    case "lapsed":
    case "ended":
      throw over();
    default:
      state satisfies never;
  }
}

function over(): PosternError {
  return new PosternError("attestation_over", "Cannot renew attestation: it is over");
}

function unknown(): PosternError {
  return new PosternError("attestation_unknown", "Cannot renew attestation: there is none of this name");
}
