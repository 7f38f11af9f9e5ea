/** What forms do about accounts: all of it by the API. */
import type { Hono } from "hono";
import { codeOf } from "../errors/mod.ts";
import { acting } from "./acting.ts";
import { askApi } from "./api_call.ts";
import { withDone } from "./done.tsx";
import type { DashboardEnv } from "./env.ts";
import { readForm } from "./form.ts";
import { adminFrame } from "./frames.ts";
import { FactorPage } from "./pages/session.tsx";
import { RevealPage } from "./pages/tokens.tsx";
import { pageOf, refusalOf, statusOf } from "./responses.ts";
import type { DashboardDeps } from "./visit.ts";

/** Unless said. */
const inviteHours = 1;

export function addAccountActions(app: Hono<DashboardEnv>, deps: DashboardDeps): void {
  app.post("/dashboard/accounts/invite", async (context) => {
    const { form, admin } = await acting(context, deps.requireAdmin, "owner");
    const role = form.text("role");
    const ttl = (form.count("ttl_hours") ?? inviteHours) * 3_600;
    const request = { role, ttl_seconds: ttl };
    const told = await askApi(deps, context, "/api/admin/accounts/invite", request, form.text("csrf"));
    const page = (
      <RevealPage
        frame={await adminFrame(deps, context, admin)}
        revealed={{
          title: "Invitation",
          secret: String(told.url),
          facts: [["Role", role]],
          expiresAtMs: Date.parse(String(told.expires_at)),
          use: <p>Whoever opens it first chooses a name and a password, and has the account.</p>,
        }}
      />
    );
    return context.html(pageOf(page));
  });

  app.post("/dashboard/accounts/role", async (context) => {
    const form = await readForm(context);
    const request = { account_id: form.text("account_id"), role: form.text("role") };
    await askApi(deps, context, "/api/admin/accounts/role", request, form.text("csrf"));
    return context.redirect(withDone("/dashboard/accounts", "account_changed"), 303);
  });

  app.post("/dashboard/accounts/delete", async (context) => {
    const form = await readForm(context);
    const request = { account_id: form.text("account_id") };
    await askApi(deps, context, "/api/admin/accounts/delete", request, form.text("csrf"));
    return context.redirect(withDone("/dashboard/accounts", "account_deleted"), 303);
  });

  app.post("/dashboard/account/password", async (context) => {
    const form = await readForm(context);
    const request = { current_password: form.secret("current"), new_password: form.secret("next") };
    await askApi(deps, context, "/api/admin/password", request, form.text("csrf"));
    return context.redirect(withDone("/dashboard/account", "password_changed"), 303);
  });

  app.post("/dashboard/account/factor/begin", async (context) => {
    const { form, admin } = await acting(context, deps.requireAdmin, "viewer");
    const request = { current_password: form.secret("factor_current") };
    const told = await askApi(deps, context, "/api/admin/factor/begin", request, form.text("csrf"));
    const setup = { secret: String(told.secret), url: String(told.url) };
    const frame = await adminFrame(deps, context, admin);
    return context.html(pageOf(<FactorPage frame={frame} csrf={form.text("csrf")} setup={setup} />));
  });

  app.post("/dashboard/account/factor/confirm", async (context) => {
    const { form, admin } = await acting(context, deps.requireAdmin, "viewer");
    const csrf = form.text("csrf");
    try {
      await askApi(deps, context, "/api/admin/factor/confirm", { code: form.text("code") }, csrf);
    } catch (error) {
      if (codeOf(error) !== "admin_code_refused" && codeOf(error) !== "admin_code_required") throw error;
      const frame = await adminFrame(deps, context, admin);
      const page = <FactorPage frame={frame} csrf={csrf} refusal={refusalOf(error)} />;
      return context.html(pageOf(page), statusOf(error));
    }
    return context.redirect(withDone("/dashboard/account", "factor_added"), 303);
  });

  app.post("/dashboard/account/factor/remove", async (context) => {
    const form = await readForm(context);
    const request = { current_password: form.secret("factor_current"), code: form.text("code") };
    await askApi(deps, context, "/api/admin/factor/remove", request, form.text("csrf"));
    return context.redirect(withDone("/dashboard/account", "factor_removed"), 303);
  });

  app.post("/dashboard/accounts/factor/remove", async (context) => {
    const form = await readForm(context);
    const request = { account_id: form.text("account_id") };
    await askApi(deps, context, "/api/admin/accounts/factor/remove", request, form.text("csrf"));
    return context.redirect(withDone("/dashboard/accounts", "factor_removed"), 303);
  });

  app.post("/dashboard/account/everywhere", async (context) => {
    const form = await readForm(context);
    await askApi(deps, context, "/api/admin/logout", { everywhere: true }, form.text("csrf"));
    return context.redirect("/dashboard/login", 303);
  });
}
