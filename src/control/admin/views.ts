/** What administrators see: everything that is known of nodes, services and channels, page by page. */
import type { NodePresence, PresentRole, TunnelRecord } from "../../ports/mod.ts";
import { type PolicyChange, policyChanges } from "../../policy/mod.ts";
import type { ControlDeps, LiveChannel, Presence } from "../config.ts";
import {
  type ChannelQuery,
  channelsOfEdges,
  type ChannelTotals,
  type Told,
  totalsOfEdges,
} from "../edge_question.ts";
import { policyNotFound, policyVersions } from "../policies.ts";

/** A node that was not heard for so long is offline: three heartbeats. */
const nodeOfflineAfterMs = 30_000;

/** Most rows in one answer, and how many unless said. */
export const maxAdminPage = 500;
export const defaultAdminPage = 100;

/** Some rows, and where to go on; no `next` at the end. */
export interface Page<T> {
  readonly rows: readonly T[];
  readonly next?: string;
}

/** What a page of the dashboard shows above all others. */
export interface Overview {
  readonly connectors: { readonly total: number; readonly online: number };
  readonly tunnelers: { readonly total: number; readonly online: number };
  readonly channels: { readonly total: number; readonly online: number };
  readonly edges: Told<ChannelTotals>;
}

/** A node, and whether it is there now. */
export interface NodeView extends NodePresence {
  readonly isOnline: boolean;
}

export interface ServiceView extends TunnelRecord {
  readonly presence: Presence;
}

type ViewDeps = Pick<ControlDeps, "store" | "clock" | "presence" | "askEdges">;

export async function overviewOf(deps: ViewDeps): Promise<Overview> {
  const sinceMs = deps.clock.wall() - nodeOfflineAfterMs + 1;
  const [connectors, tunnelers, edges] = await Promise.all([
    deps.store.countNodePresences("connector", sinceMs),
    deps.store.countNodePresences("tunneler", sinceMs),
    totalsOfEdges(deps),
  ]);
  const sum = (of: "channels" | "online") => edges.rows.reduce((total, edge) => total + edge[of], 0);
  return {
    connectors: { total: connectors.total, online: connectors.heard },
    tunnelers: { total: tunnelers.total, online: tunnelers.heard },
    channels: { total: sum("channels"), online: sum("online") },
    edges,
  };
}

export async function nodePage(
  { store, clock }: Pick<ViewDeps, "store" | "clock">,
  role: PresentRole,
  limit: number = defaultAdminPage,
  after?: string,
): Promise<Page<NodeView>> {
  const { rows, next } = pageOf(await store.nodePresences(role, limit + 1, after), limit, ({ id }) => id);
  const nowMs = clock.wall();
  const viewed = rows.map((node) => ({ ...node, isOnline: nowMs - node.lastSeenMs < nodeOfflineAfterMs }));
  return { rows: viewed, next };
}

/** How many nodes of a role run a version. */
export interface NodeVersion {
  readonly role: PresentRole;
  readonly version: string;
  readonly nodes: number;
  readonly online: number;
}

/** By role and version. */
export async function nodeVersions(deps: Pick<ViewDeps, "store" | "clock">): Promise<NodeVersion[]> {
  return [...await versionsOf(deps, "connector"), ...await versionsOf(deps, "tunneler")];
}

async function versionsOf(
  deps: Pick<ViewDeps, "store" | "clock">,
  role: PresentRole,
): Promise<NodeVersion[]> {
  const counts = new Map<string, { nodes: number; online: number }>();
  let after: string | undefined;
  do {
    const { rows, next } = await nodePage(deps, role, maxAdminPage, after);
    for (const { version, isOnline } of rows) {
      const { nodes, online } = counts.get(version) ?? { nodes: 0, online: 0 };
      counts.set(version, { nodes: nodes + 1, online: online + Number(isOnline) });
    }
    after = next;
  } while (after !== undefined);
  return [...counts].sort(([a], [b]) => a < b ? -1 : 1).map(([version, count]) => ({
    role,
    version,
    ...count,
  }));
}

/** Everybody's services. */
export async function servicePage(
  { store, presence }: Pick<ViewDeps, "store" | "presence">,
  limit: number = defaultAdminPage,
  after?: string,
): Promise<Page<ServiceView>> {
  const { rows, next } = pageOf(await store.tunnels(limit + 1, after), limit, ({ tunnelId }) => tunnelId);
  const viewed = await Promise.all(
    rows.map(async (tunnel) => ({ ...tunnel, presence: await presence(tunnel.tunnelId) })),
  );
  return { rows: viewed, next };
}

/** Channels that the edges have now, by session id; and which edges did not answer. */
export async function channelPage(
  deps: Pick<ViewDeps, "askEdges">,
  limit: number = defaultAdminPage,
  after?: string,
  which: Pick<ChannelQuery, "tunnelId" | "agentId"> = {},
): Promise<Page<LiveChannel> & { readonly silent: readonly string[] }> {
  const { rows, silent } = await channelsOfEdges(deps, { limit: limit + 1, after, ...which });
  return { ...pageOf(rows, limit, ({ sessionId }) => sessionId), silent };
}

/**
 * What one version of a policy changed against another, as far as both are kept: the newest against the one before it
 * unless told. Throws `policy_not_found`.
 */
export async function policyDiff(
  deps: Pick<ControlDeps, "store">,
  name: string,
  from?: number,
  to?: number,
): Promise<{ readonly from?: number; readonly to: number; readonly changes: readonly PolicyChange[] }> {
  const versions = await policyVersions(deps, name);
  const versionOf = (wanted: number) => {
    const found = versions.find(({ policy }) => policy.version === wanted);
    if (found !== undefined) return found.policy;
    throw policyNotFound();
  };
  const newer = to === undefined ? versions[0].policy : versionOf(to);
  const older = from !== undefined
    ? versionOf(from)
    : versions.find(({ policy }) => policy.version < newer.version)?.policy;
  return { from: older?.version, to: newer.version, changes: policyChanges(older, newer) };
}

/** @param found one more than the limit when there is more */
export function pageOf<T>(found: readonly T[], limit: number, keyOf: (row: T) => string): Page<T> {
  const rows = found.slice(0, limit);
  return found.length > limit ? { rows, next: keyOf(rows[limit - 1]) } : { rows };
}
