/**
 * What owners of services see of their own, by their management token: whether each is there, and nothing of machines, nodes
 * or other owners. The token itself is the cookie, which only the edge reads; it is judged anew with every request.
 */
import { type Context, Hono } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import {
  checkOrigin,
  csrfTokenOf,
  hostnameOf,
  type Presence,
  type RateLimiter,
  requireManagement,
} from "../control/mod.ts";
import { equalConstantTime, utf8 } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import type { TunnelRecord } from "../ports/mod.ts";
import type { DashboardEnv } from "./env.ts";
import { readForm } from "./form.ts";
import { strangerFrame } from "./frames.ts";
import type { Frame } from "./layout.tsx";
import { LoginPage } from "./pages/session.tsx";
import { type Column, Online, Panel, Table, TierBadge, Time } from "./parts.tsx";
import { pageOf, refusalOf, statusOf } from "./responses.ts";
import { show } from "./show.tsx";
import { type DashboardDeps, live, type View } from "./visit.ts";

const minePath = "/dashboard/mine";

interface OwnService extends TunnelRecord {
  readonly presence: Presence;
}

export function ownerApp(deps: DashboardDeps, limiter: RateLimiter): Hono<DashboardEnv> {
  const app = new Hono<DashboardEnv>();
  const { control, clock } = deps;

  app.post(`${minePath}/login`, async (context) => {
    // A wrong token costs a signature.
    limiter.spend("login", context.env?.clientIp ?? "unknown");
    const form = await readForm(context);
    try {
      checkOrigin(context);
      const token = form.text("token");
      const { exp } = await requireManagement(control, [token]);
      setCookie(context, cookieName(context), token, {
        path: "/",
        httpOnly: true,
        sameSite: "Strict",
        secure: isSecure(context),
        maxAge: Math.max(1, Math.floor(exp - clock.wall() / 1_000)),
      });
    } catch (error) {
      const page = (
        <LoginPage
          frame={strangerFrame(deps, context)}
          hasProvider={control.oidc !== undefined}
          back="/dashboard"
          refusal={refusalOf(error)}
        />
      );
      return context.html(pageOf(page), statusOf(error));
    }
    return context.redirect(minePath, 303);
  });

  app.post(`${minePath}/logout`, async (context) => {
    const form = await readForm(context);
    checkOrigin(context);
    const token = getCookie(context, cookieName(context));
    const sent = utf8(form.text("csrf"));
    if (token !== undefined && !equalConstantTime(sent, utf8(csrfTokenOf(token)))) {
      throw new PosternError("csrf_refused", "Cannot sign out: the token of the page is missing or wrong");
    }
    deleteCookie(context, cookieName(context), { path: "/", secure: isSecure(context) });
    return context.redirect("/dashboard/login", 303);
  });

  app.get(minePath, async (context) => {
    const token = getCookie(context, cookieName(context));
    if (token === undefined) throw new PosternError("authorization_required");
    const { sub: owner } = await requireManagement(control, [token]);
    const services = await Promise.all((await control.store.tunnelsOf(owner)).map(async (tunnel) => ({
      ...tunnel,
      presence: await control.presence(tunnel.tunnelId),
    })));
    return show(context, frameOf(context, owner, token), viewOf(services));
  });
  return app;

  function frameOf(context: Context<DashboardEnv>, owner: string, token: string): Frame {
    const viewer = {
      name: owner,
      role: "owner of services",
      csrf: csrfTokenOf(token),
      nav: [{ path: minePath, title: "My services" }],
      home: minePath,
      signOut: `${minePath}/logout`,
    };
    return { ...strangerFrame(deps, context), viewer };
  }

  function viewOf(services: readonly OwnService[]): View {
    const nowMs = clock.wall();
    const columns: Column<OwnService>[] = [
      {
        title: "Service",
        cell: (service) => (
          <>
            {service.name}
            <span class="sub wrap">{hostnameOf(control, service)}</span>
          </>
        ),
      },
      { title: "State", cell: ({ presence }) => <Online isOnline={presence.status === "online"} /> },
      {
        title: "Protocol",
        cell: ({ protocol, publicPort }) =>
          publicPort === undefined ? protocol : `${protocol}, port ${publicPort}`,
      },
      { title: "Agents", isNumber: true, cell: ({ presence }) => presence.agents },
      {
        title: "Identity",
        cell: ({ presence }) => (
          <span class="badges">
            {presence.tiers.length === 0
              ? <span class="quiet">none</span>
              : presence.tiers.map((tier) => <TierBadge tier={tier} />)}
          </span>
        ),
      },
      { title: "Last echo", cell: ({ presence }) => <Time ms={presence.lastEchoAtMs} nowMs={nowMs} /> },
    ];
    return {
      title: "My services",
      states: Object.fromEntries(services.map(({ name, presence }) => [`service ${name}`, presence.status])),
      parts: [live(
        "services",
        <Panel id="services" title="Services">
          <Table caption="My services" columns={columns} rows={services} empty="No service is published." />
        </Panel>,
      )],
    };
  }
}

function isSecure(context: Context<DashboardEnv>): boolean {
  return new URL(context.req.url).protocol === "https:";
}

/** Over TLS no other host can set or read it (RFC 6265bis 4.1.3.2). */
function cookieName(context: Context<DashboardEnv>): string {
  return isSecure(context) ? "__Host-postern_owner" : "postern_owner";
}
