/** Lines of the audit log, as of now. */
import type { AuditEntry } from "../ports/mod.ts";
import type { ControlDeps } from "./config.ts";

/** A line to be; `ok`, without details, unless it says otherwise. */
export type AuditLineToBe =
  & Pick<AuditEntry, "actor" | "action" | "subject">
  & Partial<Pick<AuditEntry, "outcome" | "detail">>;

/** Throws what the store does: what cannot be written down is not to be told as done. */
export async function audit(
  { store, clock }: Pick<ControlDeps, "store" | "clock">,
  { outcome = "ok", detail = {}, ...line }: AuditLineToBe,
): Promise<void> {
  await store.appendAudit({ atMs: clock.wall(), ...line, outcome, detail });
}
