/** Creating tunnels, and giving fresh tokens for them. */
import type { IssuedToken } from "../identity/mod.ts";
import type { TunnelRecord } from "../ports/mod.ts";
import { clampRules, readRules } from "../rules/mod.ts";
import { audit } from "./audit.ts";
import { type Choice, chooseEdges } from "./candidates.ts";
import type { ControlDeps } from "./config.ts";
import type { Credentials } from "./credentials.ts";
import { claimOrReuse, type CreateRequest, recreated } from "./tunnel_claims.ts";
import { changeRules, changeTier, gone } from "./tunnel_terms.ts";
import { clampTtl, hostnameOf, issueTokens } from "./tunnel_tokens.ts";

/** Unknown members that a note names. */
const maxToldMembers = 8;

export interface CreatedTunnel {
  readonly tunnel: TunnelRecord;
  readonly hostname: string;
  readonly choice: Choice;
  readonly candidatesExpireAtMs: number;
  readonly ephemeral: IssuedToken;
  readonly recreate: IssuedToken;
  readonly note: string | undefined;
  /** Of the rules that the request has set; undefined when it set none. */
  readonly rulesRevision: number | undefined;
}

/** Creates a tunnel, or gives fresh tokens for one that the credentials own. */
export async function createTunnel(
  deps: ControlDeps,
  request: CreateRequest,
  credentials: Credentials,
): Promise<CreatedTunnel> {
  // Refused for its form, or for lack of an edge, before a name is claimed.
  const clamped = request.rules === undefined ? undefined : clampRules(readRules(request.rules));
  const rules = clamped?.rules;
  const choice = chooseEdges(deps.edges(), request.regionHint, request.preferredTransports);
  const ttl = clampTtl(deps, request.recreateTtlSeconds);
  const nowMs = deps.clock.wall();
  const heldUntilMs = nowMs + ttl.seconds * 1_000;
  const { tunnel: found, fresh } = credentials.recreate === undefined
    ? await claimOrReuse(deps, request, credentials, heldUntilMs, rules)
    : { tunnel: await recreated(deps, request, credentials, credentials.recreate), fresh: false };
  if (!fresh && !await deps.store.holdTunnel(found.tunnelId, heldUntilMs)) throw gone();
  const actor = credentials.management?.sub ?? found.owner;
  const tunnel = fresh ? found : await changeTier(deps, found, request.requireTier, credentials);
  const held = fresh ? tunnel.rules : await changeRules(deps, tunnel, rules, actor);
  await audit(deps, {
    actor,
    action: fresh ? "tunnel.create" : "tunnel.recreate",
    subject: tunnel.tunnelId,
    detail: {
      name: tunnel.name,
      protocol: tunnel.protocol,
    },
  });
  const missing = choice.missing.length === 0 ? [] : [`no edge offers ${choice.missing.join(", ")}`];
  const notes = [
    ...ttl.notes,
    ...clamped?.notes ?? [],
    ...missing,
    ...unknownNotes(request.unknownMembers ?? []),
  ];
  return {
    tunnel,
    hostname: hostnameOf(deps, tunnel),
    choice,
    candidatesExpireAtMs: nowMs + deps.config.candidatesMs,
    ...await issueTokens(deps, tunnel, choice, {
      recreateTtlSeconds: ttl.seconds,
      weight: request.weight ?? 1,
      family: credentials.management?.family ?? credentials.recreate?.family,
    }),
    note: notes.length === 0 ? undefined : notes.join("; "),
    rulesRevision: rules === undefined ? undefined : held?.revision ?? 0,
  };
}

/** What was not understood is told: a misspelt member must not look as if it worked. */
function unknownNotes(members: readonly string[]): string[] {
  if (members.length === 0) return [];
  const shown = members.slice(0, maxToldMembers).map((member) => JSON.stringify(member.slice(0, 64)));
  const rest = members.length - shown.length;
  return [`unknown members were passed over: ${shown.join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`];
}
