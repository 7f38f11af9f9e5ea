/** What forms do about machines. */
import type { Hono } from "hono";
import { deleteMachine, restoreMachine, revokeMachine } from "../control/mod.ts";
import { PosternError } from "../errors/mod.ts";
import { acting } from "./acting.ts";
import { withDone } from "./done.tsx";
import type { DashboardEnv } from "./env.ts";
import type { DashboardDeps } from "./visit.ts";

const maxReasonChars = 200;

export function addMachineActions(app: Hono<DashboardEnv>, deps: DashboardDeps): void {
  const { control, requireAdmin } = deps;

  app.post("/dashboard/machines/revoke", async (context) => {
    const { form, admin } = await acting(context, requireAdmin, "operator");
    const reason = form.text("reason");
    if (reason === "" || reason.length > maxReasonChars) {
      throw new PosternError(
        "request_invalid",
        `Cannot revoke machine: reason: must have 1 to ${maxReasonChars} characters`,
      );
    }
    const { agentId } = await revokeMachine(control, admin.actor, { agentId: form.text("agent_id") }, reason);
    return context.redirect(withDone(pathOf(agentId), "machine_revoked"), 303);
  });

  app.post("/dashboard/machines/restore", async (context) => {
    const { form, admin } = await acting(context, requireAdmin, "operator");
    const agentId = await restoreMachine(control, admin.actor, { agentId: form.text("agent_id") });
    return context.redirect(withDone(pathOf(agentId), "machine_restored"), 303);
  });

  app.post("/dashboard/machines/delete", async (context) => {
    const { form, admin } = await acting(context, requireAdmin, "operator");
    await deleteMachine(control, admin.actor, form.text("agent_id"));
    return context.redirect(withDone("/dashboard/machines", "machine_deleted"), 303);
  });
}

function pathOf(agentId: string): string {
  return `/dashboard/machines/${encodeURIComponent(agentId)}`;
}
