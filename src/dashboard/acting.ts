import type { Context } from "hono";
import type { Administrator, RequireAdmin } from "../control/mod.ts";
import type { AdminRole } from "../ports/mod.ts";
import type { DashboardEnv } from "./env.ts";
import { type Form, readForm } from "./form.ts";

/** What a form asks for, by somebody who may: the token in the form is judged before anything else of it counts. */
export async function acting(
  context: Context<DashboardEnv>,
  requireAdmin: RequireAdmin,
  role: AdminRole,
): Promise<{ readonly admin: Administrator; readonly form: Form }> {
  const form = await readForm(context);
  return { form, admin: await requireAdmin(context, role, form.text("csrf")) };
}
