/** What somebody should look at: failed proofs, refusals, deadlines. Told by what is known, newest first. */
import type { LiveChannel } from "../control/mod.ts";
import type { AttestationRecord, AuditEntry } from "../ports/mod.ts";

export interface Alarm {
  readonly tone: "bad" | "warn";
  readonly title: string;
  readonly text: string;
  readonly atMs: number;
  /** Page that tells more. */
  readonly href: string;
}

/** What is older is history. */
const recentMs = 86_400_000;
/** A proof that is still out so shortly before its deadline is worth a look. */
const nearMs = 10_000;
/** Most that are shown. */
const maxAlarms = 12;

export interface AlarmFacts {
  readonly nowMs: number;
  readonly channels: readonly LiveChannel[];
  readonly attestations: readonly AttestationRecord[];
  /** Newest first. */
  readonly audit: readonly AuditEntry[];
}

export function alarmsOf(facts: AlarmFacts): Alarm[] {
  const all = [...ofAttestations(facts), ...ofChannels(facts), ...ofAudit(facts)];
  return all.sort((a, b) => b.atMs - a.atMs).slice(0, maxAlarms);
}

function ofAttestations({ attestations, nowMs }: AlarmFacts): Alarm[] {
  return attestations
    .filter(({ state, changedAtMs }) => state === "failed" && nowMs - changedAtMs < recentMs)
    .map(({ agentId, code, changedAtMs }) => ({
      tone: "bad" as const,
      title: "Attestation failed",
      text: `${agentId}: ${code ?? "no reason is known"}`,
      atMs: changedAtMs,
      href: `/dashboard/audit?subject=${encodeURIComponent(agentId)}`,
    }));
}

function ofChannels({ channels, nowMs }: AlarmFacts): Alarm[] {
  return channels.flatMap(({ attestation, reauthDeadlineMs, agentId, tunnelId }): Alarm[] => {
    const href = `/dashboard/services/${encodeURIComponent(tunnelId)}`;
    if (attestation === "deferred") {
      const text = `${agentId}: the authorizer is not well, so it is asked later`;
      return [{ tone: "warn", title: "Re-attestation put off", text, atMs: nowMs, href }];
    }
    if (attestation !== "asked" || reauthDeadlineMs === undefined || reauthDeadlineMs - nowMs > nearMs) {
      return [];
    }
    const text = `${agentId} has not proved itself yet`;
    return [{ tone: "warn", title: "Re-attestation is due", text, atMs: nowMs, href }];
  });
}

/** Many refusals of one kind are one alarm. */
function ofAudit({ audit, nowMs }: AlarmFacts): Alarm[] {
  const kinds = new Map<string, { count: number; newest: AuditEntry }>();
  for (const line of audit) {
    if (line.outcome === "ok" && line.action !== "machine.revoke") continue;
    if (nowMs - line.atMs >= recentMs) continue;
    const kind = `${line.action} ${line.outcome}`;
    const known = kinds.get(kind);
    if (known === undefined) kinds.set(kind, { count: 1, newest: line });
    else known.count++;
  }
  return [...kinds.values()].map(({ count, newest }) => {
    const { action, outcome, subject, atMs } = newest;
    const times = count === 1 ? "" : ` (${count} times, this one last)`;
    const query = new URLSearchParams({ action, outcome });
    return {
      tone: outcome === "ok" ? "warn" as const : "bad" as const,
      title: outcome === "ok" ? "Machine revoked" : `Refused: ${action}`,
      text: `${subject}${outcome === "ok" ? "" : `: ${outcome}`}${times}`,
      atMs,
      href: `/dashboard/audit?${query}`,
    };
  });
}
