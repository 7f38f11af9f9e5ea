/** One request for a page: who looks, at what, and what the page may read. */
import type { Administrator, ControlDeps, RequireAdmin } from "../control/mod.ts";
import type { Clock } from "../ports/mod.ts";
import type { AuditCheck } from "./audit_check.ts";
import type { TrafficTotals } from "../telemetry/mod.ts";
import type { History } from "./history.ts";
import type { Frame } from "./layout.tsx";
import type { Markup } from "./parts.tsx";

/** What pages are made from: the same as the admin API has. */
export interface DashboardDeps {
  readonly control: ControlDeps;
  /** The API itself: what signs in and out is done there, with its checks. */
  readonly api: (request: Request, clientIp: string) => Promise<Response>;
  readonly clock: Clock;
  /** What all services together have had since the start. */
  readonly traffic: () => Promise<TrafficTotals>;
  /** Channels of this edge, for the plots. */
  readonly load: () => Promise<readonly { readonly isOnline: boolean; readonly streams: number }[]>;
  readonly requireAdmin: RequireAdmin;
}

export interface Visit {
  readonly deps: DashboardDeps;
  readonly admin: Administrator;
  readonly frame: Frame;
  readonly query: URLSearchParams;
  /** Parts of the path that have a name. */
  readonly params: Readonly<Record<string, string>>;
  /** Wall clock. */
  readonly nowMs: number;
  /** Goes into every form. */
  readonly csrf: string;
  /** Whether the account may change anything. */
  readonly mayOperate: boolean;
  readonly auditCheck: AuditCheck;
  readonly history: History;
}

/** A part of a page. */
export interface ViewPart {
  readonly id: string;
  readonly content: Markup;
  /** It comes anew while the page is open: nothing that is filled in is in it. */
  readonly isLive: boolean;
}

export interface View {
  readonly title: string;
  readonly hint?: Markup;
  readonly parts: readonly ViewPart[];
  /** State of what has a name here: a change is said aloud. */
  readonly states?: Readonly<Record<string, string>>;
}

export type Loader = (visit: Visit) => Promise<View>;

export function live(id: string, content: Markup): ViewPart {
  return { id, content, isLive: true };
}

export function still(id: string, content: Markup): ViewPart {
  return { id, content, isLive: false };
}
