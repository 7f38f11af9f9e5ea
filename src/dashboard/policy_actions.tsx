/** What forms do about policies: first a plan, then the same applied. */
import type { Hono } from "hono";
import { parseDocumentFile } from "../config/mod.ts";
import { applyPolicy, maxOverlapSeconds } from "../control/mod.ts";
import { PosternError } from "../errors/mod.ts";
import { acting } from "./acting.ts";
import { withDone } from "./done.tsx";
import type { DashboardEnv } from "./env.ts";
import type { Form } from "./form.ts";
import { adminFrame } from "./frames.ts";
import { PlanPage } from "./pages/policy.tsx";
import { pageOf } from "./responses.ts";
import type { DashboardDeps } from "./visit.ts";

export function addPolicyActions(app: Hono<DashboardEnv>, deps: DashboardDeps): void {
  const { control, requireAdmin } = deps;

  app.post("/dashboard/policies/plan", async (context) => {
    const { form, admin } = await acting(context, requireAdmin, "operator");
    const plan = await applyPolicy(control, { sub: admin.actor }, { ...requestOf(form), dryRun: true });
    const page = (
      <PlanPage
        frame={await adminFrame(deps, context, admin)}
        plan={plan}
        csrf={admin.csrfToken ?? ""}
        document={form.text("document")}
        overlapMinutes={form.text("overlap_minutes")}
      />
    );
    return context.html(pageOf(page));
  });

  app.post("/dashboard/policies/apply", async (context) => {
    const { form, admin } = await acting(context, requireAdmin, "operator");
    await applyPolicy(control, { sub: admin.actor }, { ...requestOf(form), dryRun: false });
    return context.redirect(withDone("/dashboard/policies", "policy_applied"), 303);
  });
}

/** Throws what is wrong with the document or the time. */
function requestOf(form: Form) {
  const overlapSeconds = (form.count("overlap_minutes") ?? 0) * 60;
  if (overlapSeconds > maxOverlapSeconds) {
    throw new PosternError(
      "request_invalid",
      `Cannot apply policy: overlap_minutes: must be ${maxOverlapSeconds / 60} at most`,
    );
  }
  return {
    document: parsed(form.text("document")),
    overlapMs: overlapSeconds * 1_000,
  };
}

/** YAML or JSON that was typed. */
function parsed(text: string): unknown {
  try {
    return parseDocumentFile(text, "policy");
  } catch (cause) {
    throw cause instanceof PosternError
      ? new PosternError("policy_invalid", cause.message, { cause })
      : cause;
  }
}
