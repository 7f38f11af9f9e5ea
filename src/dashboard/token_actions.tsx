/** What forms make: enrollment tokens by the API, management tokens by the function behind it. */
import type { Hono } from "hono";
import { grantManagementToken } from "../control/mod.ts";
import { PosternError } from "../errors/mod.ts";
import { acting } from "./acting.ts";
import { askApi } from "./api_call.ts";
import type { DashboardEnv } from "./env.ts";
import { adminFrame } from "./frames.ts";
import { type Revealed, RevealPage } from "./pages/tokens.tsx";
import { pageOf } from "./responses.ts";
import type { DashboardDeps } from "./visit.ts";

export function addTokenActions(app: Hono<DashboardEnv>, deps: DashboardDeps): void {
  const { control, requireAdmin } = deps;

  app.post("/dashboard/tokens/enrollment", async (context) => {
    const { form, admin } = await acting(context, requireAdmin, "operator");
    const kind = form.text("kind");
    const minutes = form.count("ttl_minutes");
    const labels = form.words("labels");
    const ek = form.text("ek_sha256").toLowerCase();
    const wrapTo = form.text("wrap_to");
    const request = {
      ...(kind === "machine" ? (labels.length === 0 ? {} : { labels }) : { role: kind, id: form.text("id") }),
      ...(ek === "" ? {} : { ek_sha256: ek }),
      ...(minutes === undefined ? {} : { ttl_seconds: minutes * 60 }),
      ...(wrapTo === "" ? {} : { wrap_to: wrapTo }),
      delivery: form.isChecked("by_link") ? "link" : "answer",
    };
    const told = await askApi(deps, context, "/api/admin/tokens", request, form.text("csrf"));
    const isLink = typeof told.url === "string";
    const revealed: Revealed = {
      title: isLink ? "Link to an enrollment token" : "Enrollment token",
      secret: String(told.url ?? told.token),
      facts: [
        ["For", kind === "machine" ? "a machine, by its TPM" : `${kind} ${form.text("id")}`],
        ...(kind === "machine" && labels.length > 0 ? [["Labels", labels.join(", ")] as const] : []),
        ...(wrapTo === "" ? [] : [["Opened only by the host of", <code>{wrapTo}</code>] as const]),
        ["Public id", <code>{String(told.token_id)}</code>],
      ],
      expiresAtMs: Date.parse(String(told.expires_at)),
      use: isLink
        ? <p>Whoever opens it first sees the token, with a picture to scan. It can be opened once.</p>
        : (
          <p>
            Put it into a file there that only its user reads, and run:{" "}
            <code>postern enroll --token-file FILE --control {control.publicUrl()}</code>
          </p>
        ),
    };
    const frame = await adminFrame(deps, context, admin);
    return context.html(pageOf(<RevealPage frame={frame} revealed={revealed} />));
  });

  app.post("/dashboard/tokens/management", async (context) => {
    const { form, admin } = await acting(context, requireAdmin, "operator");
    const owner = form.text("owner");
    const role = form.text("role");
    if (!/^[\x21-\x7e]{1,128}$/.test(owner)) {
      throw new PosternError(
        "request_invalid",
        "Cannot issue token: owner: must have 1 to 128 visible characters",
      );
    }
    if (role !== "member" && role !== "operator") {
      throw new PosternError("request_invalid", "Cannot issue token: role: must be member or operator");
    }
    const hours = form.count("ttl_hours");
    const ttlMs = hours === undefined ? undefined : hours * 3_600_000;
    const issued = await grantManagementToken(control, admin.actor, { owner, role, ttlMs });
    const revealed: Revealed = {
      title: "Management token",
      secret: issued.token,
      facts: [["Owner", owner], ["Right", role], ["Family", <code>{issued.claims.family}</code>]],
      expiresAtMs: issued.expiresAtMs,
      use: (
        <p>
          Put it into a file that only the agent reads: <code>postern http 8080 --token-file FILE</code>
        </p>
      ),
    };
    const frame = await adminFrame(deps, context, admin);
    return context.html(pageOf(<RevealPage frame={frame} revealed={revealed} />));
  });
}
