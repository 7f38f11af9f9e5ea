/** Refused attaches in the audit log: those that showed a token. Bounded, so that nobody pushes others' lines out of it. */
import { AuditBudget } from "./control/mod.ts";
import type { AttachRefusal } from "./edge/mod.ts";
import { codeOf } from "./errors/mod.ts";
import type { Clock, Log, Store } from "./ports/mod.ts";

export function attachAudit(
  { store, clock, log }: {
    readonly store: Pick<Store, "appendAudit">;
    readonly clock: Clock;
    readonly log: Log;
  },
): (refusal: AttachRefusal) => void {
  const budget = new AuditBudget(clock.now.bind(clock));
  return ({ claims, code, reason, remote }) => {
    if (claims === undefined && reason !== "invalid_token" || !budget.take()) return;
    const entry = {
      atMs: clock.wall(),
      actor: claims?.tenant ?? "anonymous",
      action: "channel.attach",
      subject: claims?.channel_id ?? "relay",
      outcome: code,
      detail: {
        reason,
        remote,
        ...(claims === undefined ? {} : { role: claims.role, token_id: claims.jti }),
      },
    };
    store.appendAudit(entry).catch((error) => log("warn", "audit line not written", { code: codeOf(error) }));
  };
}
