/**
 * What control asks the edges that share its store, since only an edge knows what it has now. A question goes to all of
 * them or to one, and each answers with rows of JSON. What others answer is held against a schema: they may be older.
 */
import { z } from "zod";
import { tierSchema } from "../identity/mod.ts";
import type { LiveChannel } from "./config.ts";

const id = z.string().min(1).max(256);

/** Whose channels are meant. */
const drainTargetSchema = z.union([
  z.object({ agentId: id }),
  z.object({ tunnelId: id }),
  /** All of the edge, to which no agents are sent any more as long as there is another one. */
  z.object({ edgeId: id }),
]);
export type DrainTarget = z.infer<typeof drainTargetSchema>;

const questionSchema = z.discriminatedUnion("kind", [
  /** {@link LiveChannel}s in the order of their session ids. */
  z.object({
    kind: z.literal("channels"),
    limit: z.int().min(1).max(1_001),
    after: z.string().max(256).optional(),
    tunnelId: id.optional(),
    agentId: id.optional(),
    /** Only those whose agent is asked for a proof, or whose proof is put off. */
    unproven: z.boolean().optional(),
  }),
  /** One row of {@link ChannelTotals}. */
  z.object({ kind: z.literal("totals") }),
  /** Ids of agents that are online, from one id to another, both included. */
  z.object({ kind: z.literal("agents"), first: id, last: id }),
  /** One row with the number of channels that end. */
  z.object({ kind: z.literal("drain"), which: drainTargetSchema, deadlineMs: z.int().min(0) }),
  /** An edge that was drained takes agents again. No rows. */
  z.object({ kind: z.literal("resume") }),
]);
export type EdgeQuestion = z.infer<typeof questionSchema>;
export type ChannelQuery = Omit<Extract<EdgeQuestion, { kind: "channels" }>, "kind">;

const channelSchema = z.object({
  sessionId: id,
  edgeId: id,
  tunnelId: id,
  agentId: id,
  tier: tierSchema,
  state: z.string(),
  isOnline: z.boolean(),
  rttMs: z.number(),
  sinceMs: z.number(),
  lastEchoAtMs: z.number().optional(),
  reauthDeadlineMs: z.number().optional(),
  attestation: z.enum(["passed", "asked", "deferred"]).optional(),
  attestedAtMs: z.number().optional(),
  streams: z.int(),
  requests: z.int(),
  bytesIn: z.number(),
  bytesOut: z.number(),
  remote: z.string(),
}) satisfies z.ZodType<LiveChannel>;

const totalsSchema = z.object({
  edgeId: id,
  version: z.string(),
  /** No agents are sent to it. */
  isDrained: z.boolean(),
  channels: z.int(),
  online: z.int(),
  /** Services with a channel that is online. */
  services: z.int(),
  /** Agents that are online, and how many of them prove themselves by a TPM. */
  agents: z.int(),
  tpmAgents: z.int(),
  streams: z.int(),
  requests: z.int(),
  bytesIn: z.number(),
  bytesOut: z.number(),
});
export type ChannelTotals = z.infer<typeof totalsSchema>;

/** What one edge said. */
export interface EdgeAnswer {
  readonly edgeId: string;
  readonly rows: readonly unknown[];
}

export interface EdgeAnswers {
  readonly answers: readonly EdgeAnswer[];
  /** Edges that are there, and did not answer in time. */
  readonly silent: readonly string[];
}

/**
 * Asks every edge, or the one of this id. Throws `edge_unknown`.
 */
export type AskEdges = (question: EdgeQuestion, edgeId?: string) => Promise<EdgeAnswers>;

interface AskDeps {
  readonly askEdges: AskEdges;
}

/** Rows of several edges, and who said nothing. */
export interface Told<T> {
  readonly rows: readonly T[];
  readonly silent: readonly string[];
}

/** A question as another edge has sent it; undefined for one that this version does not know. */
export function questionOf(sent: unknown): EdgeQuestion | undefined {
  return questionSchema.safeParse(sent).data;
}

/** Rows of an edge that only looks. */
export function lookedUp(
  question: Exclude<EdgeQuestion, { kind: "drain" | "resume" }>,
  channels: readonly LiveChannel[],
  self: Pick<ChannelTotals, "edgeId" | "version" | "isDrained">,
): readonly (LiveChannel | ChannelTotals | string)[] {
  switch (question.kind) {
    case "channels": {
      const { after = "", tunnelId, agentId, unproven = false, limit } = question;
      return channels
        .filter((channel) =>
          channel.sessionId > after && (tunnelId ?? channel.tunnelId) === channel.tunnelId &&
          (agentId ?? channel.agentId) === channel.agentId &&
          (!unproven || channel.attestation === "asked" || channel.attestation === "deferred")
        )
        .sort(bySession)
        .slice(0, limit);
    }
    case "totals":
      return [totalsOf(channels, self)];
    case "agents": {
      const online = channels.filter(({ isOnline }) => isOnline).map(({ agentId }) => agentId);
      return [...new Set(online.filter((id) => id >= question.first && id <= question.last))];
    }
  }
}

/** Channels of all edges, in the order of their session ids. */
export async function channelsOfEdges(
  { askEdges }: AskDeps,
  query: ChannelQuery,
): Promise<Told<LiveChannel>> {
  const { rows, silent } = told(await askEdges({ kind: "channels", ...query }), channelSchema);
  return { rows: [...rows].sort(bySession).slice(0, query.limit), silent };
}

/** Of each edge. */
export async function totalsOfEdges({ askEdges }: AskDeps): Promise<Told<ChannelTotals>> {
  return told(await askEdges({ kind: "totals" }), totalsSchema);
}

/** Which agents from one id to another are online at any edge. */
export async function agentsOnline(
  { askEdges }: AskDeps,
  first: string,
  last: string,
): Promise<ReadonlySet<string>> {
  return new Set(told(await askEdges({ kind: "agents", first, last }), z.string()).rows);
}

/** Which edge ends how many channels. Throws `edge_unknown`. */
export async function drainAtEdges({ askEdges }: AskDeps, which: DrainTarget, deadlineMs: number) {
  const question: EdgeQuestion = { kind: "drain", which, deadlineMs };
  const { answers, silent } = await askEdges(question, "edgeId" in which ? which.edgeId : undefined);
  const edges = new Map<string, number>();
  for (const { edgeId, rows } of answers) {
    const ended = z.int().safeParse(rows[0]).data ?? 0;
    edges.set(edgeId, (edges.get(edgeId) ?? 0) + ended);
  }
  return { edges: [...edges].map(([edgeId, channels]) => ({ edgeId, channels })), silent };
}

function told<T>({ answers, silent }: EdgeAnswers, schema: z.ZodType<T>): Told<T> {
  const rows = answers.flatMap(({ rows }) =>
    rows.flatMap((row) => {
      const read = schema.safeParse(row);
      return read.success ? [read.data] : [];
    })
  );
  return { rows, silent };
}

function totalsOf(
  channels: readonly LiveChannel[],
  self: Pick<ChannelTotals, "edgeId" | "version" | "isDrained">,
): ChannelTotals {
  const online = channels.filter(({ isOnline }) => isOnline);
  const tiers = new Map(online.map(({ agentId, tier }) => [agentId, tier]));
  const sum = (of: "streams" | "requests" | "bytesIn" | "bytesOut") =>
    channels.reduce((total, channel) => total + channel[of], 0);
  return {
    ...self,
    channels: channels.length,
    online: online.length,
    services: new Set(online.map(({ tunnelId }) => tunnelId)).size,
    agents: tiers.size,
    tpmAgents: [...tiers.values()].filter((tier) => tier === "tpm").length,
    streams: sum("streams"),
    requests: sum("requests"),
    bytesIn: sum("bytesIn"),
    bytesOut: sum("bytesOut"),
  };
}

function bySession(a: LiveChannel, b: LiveChannel): number {
  return a.sessionId < b.sessionId ? -1 : 1;
}
