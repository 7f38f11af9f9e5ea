/** What processes that share a store tell each other. */
import { z } from "zod";
import type { Announcement, AnnouncementStore } from "../ports/mod.ts";
import type { SqlDatabase } from "./sql.ts";

const topic = "announcements";
/** Ids in one message: PostgreSQL takes 8,000 bytes, an id has 128 at most. */
const maxIds = 50;

const messageSchema = z.object({
  from: z.string(),
  announcement: z.discriminatedUnion("kind", [
    z.object({
      kind: z.literal("tunnels_cut"),
      tunnelIds: z.array(z.string()).max(maxIds),
      code: z.enum(["tunnel_deleted", "token_revoked"]),
    }),
    z.object({ kind: z.literal("tokens_revoked"), owner: z.string().optional() }),
    z.object({ kind: z.literal("rules_changed"), tunnelId: z.string() }),
    z.object({ kind: z.literal("machine_revoked"), agentId: z.string() }),
    z.object({ kind: z.literal("attestation_failed"), tunnelId: z.string(), agentId: z.string() }),
    z.object({ kind: z.literal("attestation_lapsed"), tunnelId: z.string(), agentId: z.string() }),
    z.object({ kind: z.literal("node_trust_changed") }),
    z.object({ kind: z.literal("tier_required"), tunnelId: z.string() }),
    z.object({
      kind: z.literal("asked"),
      questionId: z.string(),
      from: z.string(),
      to: z.string().optional(),
      question: z.unknown(),
    }),
    z.object({
      kind: z.literal("answered"),
      questionId: z.string(),
      to: z.string(),
      from: z.string(),
      part: z.int().min(0),
      parts: z.int().min(1),
      rows: z.array(z.unknown()),
    }),
    z.object({
      kind: z.literal("private_offer"),
      to: z.string(),
      from: z.string(),
      offerId: z.string(),
      sealed: z.string(),
    }),
    z.object({
      kind: z.literal("private_answer"),
      to: z.string(),
      offerId: z.string(),
      agentId: z.string().optional(),
      staticKey: z.string().optional(),
      code: z.string().optional(),
    }),
  ]),
});

export class SqlAnnouncements implements AnnouncementStore {
  readonly #database: SqlDatabase;
  /** Of this process: nobody is told what it said itself. */
  readonly #self = crypto.randomUUID();

  constructor(database: SqlDatabase) {
    this.#database = database;
  }

  async announce(announcement: Announcement): Promise<void> {
    for (const part of partsOf(announcement)) {
      await this.#database.notify(topic, JSON.stringify({ from: this.#self, announcement: part }));
    }
  }

  async listen(
    onAnnounced: (announcement: Announcement) => void,
    onGap: () => void,
  ): Promise<() => Promise<void>> {
    return await this.#database.listen(topic, (text) => {
      const message = messageOf(text);
      // What a newer version announces and this one does not know may still concern it.
      if (message === undefined) onGap();
      else if (message.from !== this.#self) onAnnounced(message.announcement);
    }, onGap);
  }
}

function partsOf(announcement: Announcement): Announcement[] {
  if (announcement.kind !== "tunnels_cut") return [announcement];
  const parts: Announcement[] = [];
  for (let at = 0; at < announcement.tunnelIds.length; at += maxIds) {
    parts.push({ ...announcement, tunnelIds: announcement.tunnelIds.slice(at, at + maxIds) });
  }
  return parts;
}

function messageOf(text: string): z.infer<typeof messageSchema> | undefined {
  try {
    return messageSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
