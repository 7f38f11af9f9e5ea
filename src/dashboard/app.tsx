/** The dashboard as one function Request -> Response: pages for administrators, written by the server. */
import { type Context, Hono } from "hono";
import { adminAuthority, type Administrator, rateLimit, RateLimiter } from "../control/mod.ts";
import { codeOf, PosternError } from "../errors/mod.ts";
import type { AdminRole } from "../ports/mod.ts";
import { addAccountActions } from "./account_actions.tsx";
import { acting } from "./acting.ts";
import { askApi } from "./api_call.ts";
import { assets, assetsPath } from "./assets.ts";
import { AuditCheck } from "./audit_check.ts";
import { withDone } from "./done.tsx";
import type { DashboardEnv } from "./env.ts";
import { readForm } from "./form.ts";
import { adminFrame, strangerFrame } from "./frames.ts";
import { type LiveParts, LiveStreams } from "./live.ts";
import { History } from "./history.ts";
import { addMachineActions } from "./machine_actions.ts";
import { ownerApp } from "./owner_app.tsx";
import { accounts } from "./pages/accounts.tsx";
import { audit } from "./pages/audit.tsx";
import { edges } from "./pages/edges.tsx";
import { machine } from "./pages/machine.tsx";
import { machines } from "./pages/machines.tsx";
import { nodes } from "./pages/nodes.tsx";
import { overview } from "./pages/overview.tsx";
import { service } from "./pages/service.tsx";
import { services } from "./pages/services.tsx";
import { ErrorPage } from "./pages/session.tsx";
import { policies } from "./pages/policies.tsx";
import { policy } from "./pages/policy.tsx";
import { account, settings } from "./pages/settings.tsx";
import { tokens } from "./pages/tokens.tsx";
import { traffic } from "./pages/traffic.tsx";
import { addPolicyActions } from "./policy_actions.tsx";
import { addTokenActions } from "./token_actions.tsx";
import { show } from "./show.tsx";
import { ownPath, pageOf, secureAnswers, statusOf } from "./responses.ts";
import { addSessionPages } from "./session_app.tsx";
import type { DashboardDeps, Loader, Visit } from "./visit.ts";

export interface Dashboard {
  /** What it answers; `ALL`: what requests pass before. */
  readonly routes: readonly { readonly method: string; readonly path: string }[];
  fetch(request: Request, env: DashboardEnv["Bindings"]): Response | Promise<Response>;
  /** Ends what goes on for long, because the edge stops. */
  close(): void;
}

/** What each page is made by. */
const loaders: Readonly<Record<string, Loader>> = {
  "/dashboard": overview,
  "/dashboard/services": services,
  "/dashboard/services/:tunnel_id": service,
  "/dashboard/edges": edges,
  "/dashboard/machines": machines,
  "/dashboard/machines/:agent_id": machine,
  "/dashboard/connectors": nodes("connector"),
  "/dashboard/tunnelers": nodes("tunneler"),
  "/dashboard/tokens": tokens,
  "/dashboard/policies": policies,
  "/dashboard/policies/:name": policy,
  "/dashboard/audit": audit,
  "/dashboard/traffic": traffic,
  "/dashboard/settings": settings,
  "/dashboard/account": account,
  "/dashboard/accounts": accounts,
};

/** All others are for whoever has an account. */
const leastRoles: Readonly<Record<string, AdminRole>> = { "/dashboard/accounts": "owner" };

export function dashboard(given: Omit<DashboardDeps, "requireAdmin">): Dashboard {
  const app = new Hono<DashboardEnv>();
  const requireAdmin = adminAuthority(given.control);
  const deps: DashboardDeps = { ...given, requireAdmin };
  const { clock, control } = deps;
  const limiter = new RateLimiter(control.config.rates, () => clock.now());
  const auditCheck = new AuditCheck(control.store, clock);
  const streams = new LiveStreams(clock);
  const source = { traffic: given.traffic, channels: given.load };
  const history = new History({ source, clock, log: control.log });

  app.use(secureAnswers);
  app.use(async (context, next) => {
    // Rounds of a page that is open were let in with it.
    if (context.env?.onlyLive) await next();
    else await rateLimit(limiter, "admin")(context, next);
  });
  app.get(`${assetsPath}:name`, (context) => {
    const file = assets.get(context.req.path);
    if (file === undefined) throw notFound();
    return context.body(file.bytes, 200, {
      "Content-Type": file.type,
      "Cache-Control": "public, max-age=31536000, immutable",
    });
  });
  addSessionPages(app, deps);
  addMachineActions(app, deps);
  addTokenActions(app, deps);
  addPolicyActions(app, deps);
  addAccountActions(app, deps);
  app.route("/", ownerApp(deps, limiter));

  for (const [path, load] of Object.entries(loaders)) {
    app.get(path, async (context) => {
      const visit = await visitOf(context, await requireAdmin(context, leastRoles[path] ?? "viewer"));
      return show(context, visit.frame, await load(visit));
    });
  }

  app.post("/dashboard/audit/verify", async (context) => {
    await acting(context, requireAdmin, "viewer");
    await auditCheck.run();
    return context.redirect("/dashboard/audit", 303);
  });

  app.post("/dashboard/services/drain", async (context) => {
    const form = await readForm(context);
    const tunnelId = form.text("tunnel_id");
    await askApi(deps, context, "/api/admin/drain", { tunnel_id: tunnelId }, form.text("csrf"));
    return context.redirect(withDone(`/dashboard/services/${encodeURIComponent(tunnelId)}`, "drained"), 303);
  });

  for (const [path, done] of [["drain", "edge_drained"], ["resume", "edge_resumed"]] as const) {
    app.post(`/dashboard/edges/${path}`, async (context) => {
      const form = await readForm(context);
      const request = { edge_id: form.text("edge_id") };
      const told = await askApi(deps, context, `/api/admin/${path}`, request, form.text("csrf"));
      const isSilent = (told.silent_edges as readonly string[]).length > 0;
      return context.redirect(withDone("/dashboard/edges", isSilent ? "edge_silent" : done), 303);
    });
  }

  app.get("/dashboard/live", async (context) => {
    const page = ownPath(context.req.query("page"));
    const request = new Request(new URL(page, context.req.url), {
      headers: { Cookie: context.req.header("Cookie") ?? "" },
    });
    const source = async () => {
      const answer = await app.fetch(request, { ...context.env, onlyLive: true, isPassive: true });
      return answer.ok ? await answer.json() as LiveParts : undefined;
    };
    if (await source() === undefined) throw new PosternError("authorization_required");
    context.header("Content-Type", "text/event-stream");
    if (!context.env?.canStream) {
      return context.body(await streams.once(source, context.req.header("Last-Event-ID")));
    }
    if (streams.isFull) {
      throw new PosternError("rate_limited", "Cannot keep page live: too many are open", {
        detail: { retry_after_seconds: 60 },
      });
    }
    return context.body(streams.stream(source));
  });

  app.notFound(() => {
    throw notFound();
  });
  app.onError((error, context) => {
    const code = codeOf(error);
    if (context.env?.onlyLive) return context.json({}, 401);
    const isOwnersPage = context.req.method === "GET" && context.req.path === "/dashboard/mine";
    if (
      code === "authorization_required" || code === "admin_session_ended" ||
      (isOwnersPage && statusOf(error) === 401)
    ) {
      const { pathname, search } = new URL(context.req.url);
      const back = context.req.method === "GET" ? pathname + search : "/dashboard";
      const query = new URLSearchParams({ back, ...(code === "authorization_required" ? {} : { over: "" }) });
      return context.redirect(`/dashboard/login?${query}`, 303);
    }
    const known = error instanceof PosternError
      ? error
      : new PosternError("internal_error", undefined, { cause: error });
    const status = statusOf(known);
    if (status >= 500) {
      const cause = known.cause instanceof Error ? `${known.cause.name}: ${known.cause.message}` : undefined;
      control.log("error", "dashboard request failed", { code, path: context.req.path.slice(0, 200), cause });
    }
    const { retry_after_seconds: wait } = known.detail;
    if (wait !== undefined) context.header("Retry-After", String(wait));
    const { title, remedy } = known.facts;
    return context.html(
      pageOf(
        <ErrorPage
          frame={strangerFrame(deps, context)}
          status={status}
          code={known.code}
          title={title}
          text={known.message}
          remedy={remedy}
          requestId={context.req.header("X-Request-Id") ?? ""}
        />,
      ),
      status,
    );
  });
  return {
    routes: app.routes,
    fetch: (request, env) => app.fetch(request, env),
    close() {
      streams.close();
      history.close();
    },
  };

  async function visitOf(context: Context<DashboardEnv>, admin: Administrator): Promise<Visit> {
    return {
      deps,
      admin,
      frame: await adminFrame(deps, context, admin),
      query: new URL(context.req.url).searchParams,
      params: context.req.param(),
      nowMs: clock.wall(),
      csrf: admin.csrfToken ?? "",
      mayOperate: admin.role !== "viewer",
      auditCheck,
      history,
    };
  }
}

function notFound(): PosternError {
  return new PosternError("endpoint_not_found", "Cannot show page: there is none at this address");
}
