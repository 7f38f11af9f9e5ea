/** Refusals of nodes in the audit: those of control's own port, and those that connectors tell of. */
import { codeOf } from "../errors/mod.ts";
import { type NodeRefusal, RefusalBook } from "../nodes/mod.ts";
import type { VerifiedPeer } from "../pki/mod.ts";
import { AuditBudget } from "./audit_budget.ts";
import type { ControlDeps } from "./config.ts";

type Deps = Pick<ControlDeps, "store" | "clock" | "log">;

export class RefusalAudit {
  readonly #deps: Deps;
  readonly #book = new RefusalBook();
  readonly #budget: AuditBudget;

  constructor(deps: Deps) {
    this.#deps = deps;
    this.#budget = new AuditBudget(deps.clock.now.bind(deps.clock));
  }

  /** Of the port of this control. It is written by {@link flush}. */
  refused(code: string, address: string, node: string | undefined): void {
    this.#book.add({ code, address, ...(node === undefined ? {} : { node }) });
  }

  /** As a connector says. Codes that this program does not know are written as they are: they are letters and digits. */
  told({ role, id }: VerifiedPeer, refusals: readonly NodeRefusal[]): void {
    for (const refusal of refusals) this.#write(refusal, `${role}/${id}`);
  }

  flush(): void {
    for (const refusal of this.#book.take(this.#deps.clock.now())) this.#write(refusal, "control");
  }

  #write({ code, node, address, count }: NodeRefusal, by: string): void {
    const { store, clock, log } = this.#deps;
    // Refusals are made by strangers: they do not push out of the audit what others did.
    if (!this.#budget.take()) return;
    store.appendAudit({
      atMs: clock.wall(),
      actor: "unproven",
      action: "node.refuse",
      subject: node ?? "unknown",
      outcome: code,
      detail: { by, count, ...(address === undefined ? {} : { address }) },
    }).catch((error) => log("warn", "refusal of a node not kept", { code: codeOf(error) }));
  }
}
