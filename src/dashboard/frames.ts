/** Who looks, and in which colours: the frame that a page is put into. */
import type { Context } from "hono";
import { getCookie } from "hono/cookie";
import type { Administrator } from "../control/mod.ts";
import type { DashboardEnv } from "./env.ts";
import { type Frame, type NavEntry, type Theme, themes } from "./layout.tsx";
import type { DashboardDeps } from "./visit.ts";

export const themeCookie = "postern_theme";

/** The frame of pages for whoever is not signed in. */
export function strangerFrame(deps: DashboardDeps, context: Context<DashboardEnv>): Frame {
  const { pathname, search } = new URL(context.req.url);
  return { theme: themeOf(context), path: pathname, query: search, place: deps.control.config.publicDomain };
}

export async function adminFrame(
  deps: DashboardDeps,
  context: Context<DashboardEnv>,
  admin: Administrator,
): Promise<Frame> {
  const { actor, role, signedIn, csrfToken = "" } = admin;
  const viewer = {
    name: signedIn?.account.name ?? actor,
    role,
    csrf: csrfToken,
    nav: await navigationOf(deps, role === "owner"),
    home: "/dashboard",
    signOut: "/dashboard/logout",
  };
  return { ...strangerFrame(deps, context), viewer };
}

/** What there is none of has no page. */
async function navigationOf(
  { control: { store, edges } }: DashboardDeps,
  ownsAccounts: boolean,
): Promise<NavEntry[]> {
  const [connectors, tunnelers] = await Promise.all([
    store.countNodePresences("connector", 0),
    store.countNodePresences("tunneler", 0),
  ]);
  const entry = (name: string, title: string) => ({ path: `/dashboard/${name}`, title });
  return [
    { path: "/dashboard", title: "Overview" },
    entry("services", "Services"),
    ...(edges().length > 1 ? [entry("edges", "Edges")] : []),
    entry("machines", "Machines"),
    ...(connectors.total === 0 ? [] : [entry("connectors", "Connectors")]),
    ...(tunnelers.total === 0 ? [] : [entry("tunnelers", "Tunnelers")]),
    entry("tokens", "Tokens"),
    entry("policies", "Policies"),
    entry("audit", "Audit log"),
    entry("traffic", "Traffic"),
    entry("settings", "Settings"),
    entry("account", "My account"),
    ...(ownsAccounts ? [entry("accounts", "Accounts")] : []),
  ];
}

function themeOf(context: Context<DashboardEnv>): Theme {
  const kept = getCookie(context, themeCookie);
  return themes.find((theme) => theme === kept) ?? "auto";
}
