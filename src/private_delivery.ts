/**
 * Grants on their way to the agents of private services: over a channel of this edge, or by way of another edge that shares
 * the database. What passes through the database is sealed to that edge's static key (Noise N): whoever reads the database
 * reads no grant. Whoever can write to it can name a key of its own as that edge's; endpoints that pin each other's keys
 * notice, since control's grant alone opens nothing between them.
 */
import { z } from "zod";
import { fromBase64Url, toBase64Url, utf8, utf8Decode } from "./bytes/mod.ts";
import {
  type AskEdges,
  channelsOfEdges,
  type GrantDelivery,
  type OfferTaken,
  type ServingEdge,
} from "./control/mod.ts";
import { HandshakeState, type X25519KeyPair } from "./crypto/mod.ts";
import type { EdgePlane } from "./edge/mod.ts";
import { codeOf, isErrorCode, PosternError } from "./errors/mod.ts";
import type { EdgeDirectory } from "./edge_directory.ts";
import type { PrivateAnnouncement } from "./fellow_edges.ts";
import { type ChannelInitGrant, readGrant } from "./grants/mod.ts";
import type { Announcement, Clock, Log, Random } from "./ports/mod.ts";
import { ATTACH_PATH } from "./relay/mod.ts";

const PROTOCOL = "Noise_N_25519_ChaChaPoly_SHA256";
/** Longer than what the agent there is given, with the way there and back. */
const ANSWER_TIMEOUT_MS = 8_000;
/** Offers that wait for another edge. */
const MAX_WAITING = 1_024;
/** Channels of a service at other edges that are looked at. */
const MAX_CHANNELS = 256;
/** What the database takes in one announcement, less what stands around it. */
const MAX_SEALED_CHARS = 6_500;

const sealedSchema = z.object({ tunnel_id: z.string(), agent_id: z.string(), grant: z.unknown() });

interface Waiting {
  resolve(taken: OfferTaken): void;
  reject(error: PosternError): void;
}

export interface PrivateDeliveryOptions {
  /** Asked for when there is something to deliver: control is made before it. */
  readonly edge: () => EdgePlane;
  readonly directory: Pick<EdgeDirectory, "servedElsewhere" | "instanceId">;
  /** As control's: what another edge has now. */
  readonly askEdges: AskEdges;
  readonly announce: (announcement: Announcement) => void;
  readonly own: () => { readonly edgeId: string; readonly edgeUrl: string; readonly publicKey: string };
  readonly edgeStatic: X25519KeyPair;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export class PrivateDelivery implements GrantDelivery {
  readonly #options: PrivateDeliveryOptions;
  readonly #waiting = new Map<string, Waiting>();

  constructor(options: PrivateDeliveryOptions) {
    this.#options = options;
  }

  async locate(tunnelId: string, except: ReadonlySet<string>): Promise<ServingEdge | undefined> {
    const { edge, own, directory, askEdges } = this.#options;
    const here = leastBusy(edge().sessions.ofTunnel(tunnelId), except);
    if (here !== undefined) return { ...servingOf(own()), agentId: here, instanceId: undefined };
    const others = await directory.servedElsewhere(tunnelId);
    if (others.length === 0) return undefined;
    const { rows } = await channelsOfEdges({ askEdges }, { tunnelId, limit: MAX_CHANNELS });
    for (const other of others) {
      const agentId = leastBusy(rows.filter(({ edgeId }) => edgeId === other.edgeId), except);
      if (agentId !== undefined) return { ...servingOf(other), agentId, instanceId: other.instanceId };
    }
    return undefined;
  }

  async offer(edge: ServingEdge, tunnelId: string, grant: ChannelInitGrant): Promise<OfferTaken> {
    const { instanceId: to, publicKey, agentId } = edge;
    if (to === undefined) return await this.#options.edge().offerPrivate(tunnelId, agentId, grant);
    const { announce, directory, random, clock } = this.#options;
    if (this.#waiting.size >= MAX_WAITING) throw new PosternError("private_offer_limit");
    const offerId = toBase64Url(random(16));
    const sealed = seal(
      publicKey,
      context(to, offerId),
      { tunnel_id: tunnelId, agent_id: agentId, grant },
      random,
    );
    const { promise, resolve, reject } = Promise.withResolvers<OfferTaken>();
    this.#waiting.set(offerId, { resolve, reject });
    const cancel = clock.schedule(clock.now() + ANSWER_TIMEOUT_MS, () => {
      reject(
        new PosternError("private_offer_timeout", "Cannot open channel: the agent's edge does not answer"),
      );
    });
    try {
      announce({ kind: "private_offer", to, from: directory.instanceId, offerId, sealed });
      return await promise;
    } finally {
      cancel();
      this.#waiting.delete(offerId);
    }
  }

  /** What another edge announced. Never throws. */
  heard(announcement: PrivateAnnouncement): void {
    if (announcement.to !== this.#options.directory.instanceId) return;
    if (announcement.kind === "private_offer") void this.#deliver(announcement);
    else this.#settle(announcement);
  }

  async #deliver(offer: Extract<PrivateAnnouncement, { kind: "private_offer" }>): Promise<void> {
    const { edge, edgeStatic, announce, clock, random, log } = this.#options;
    const answer = { kind: "private_answer", to: offer.from, offerId: offer.offerId } as const;
    try {
      const opened = unseal(edgeStatic, context(offer.to, offer.offerId), offer.sealed, random);
      const { tunnel_id, agent_id, grant } = sealedSchema.parse(opened);
      const checked = readGrant(grant, { role: "server", nowMs: clock.wall() });
      announce({ ...answer, ...await edge().offerPrivate(tunnel_id, agent_id, checked) });
    } catch (error) {
      const code = codeOf(error);
      log("warn", "private channel of another edge not offered", { code });
      announce({ ...answer, code });
    }
  }

  #settle(
    { offerId, agentId, staticKey, code }: Extract<PrivateAnnouncement, { kind: "private_answer" }>,
  ): void {
    const waiting = this.#waiting.get(offerId);
    if (agentId !== undefined && staticKey !== undefined) return waiting?.resolve({ agentId, staticKey });
    const known = code !== undefined && isErrorCode(code) ? code : "private_offer_refused";
    waiting?.reject(new PosternError(known, `Cannot open channel: the agent's edge says ${known}`));
  }
}

function servingOf(
  { edgeId, edgeUrl, publicKey }: {
    readonly edgeId: string;
    readonly edgeUrl: string;
    readonly publicKey: string;
  },
): Pick<ServingEdge, "edgeId" | "publicKey" | "tunnelUrl"> {
  return { edgeId, publicKey, tunnelUrl: new URL(ATTACH_PATH, edgeUrl).href };
}

/** Of those that are online, the agent that had the fewest streams and grants; undefined when there is none. */
function leastBusy(
  sessions: readonly { readonly agentId: string; readonly isOnline: boolean; readonly requests: number }[],
  except: ReadonlySet<string>,
): string | undefined {
  return sessions.filter(({ agentId, isOnline }) => isOnline && !except.has(agentId))
    .sort((a, b) => a.requests - b.requests)[0]?.agentId;
}

/** Both names are bound to what is sealed: it is good for one process, under one number. */
function context(to: string, offerId: string): Uint8Array {
  return utf8(`postern private offer v1\0${to}\0${offerId}`);
}

/** Throws `grant_malformed` for what is too long to be announced, and what Noise does on a key that is none. */
function seal(publicKey: string, prologue: Uint8Array, value: unknown, random: Random): string {
  const rs = fromBase64Url(publicKey);
  const state = new HandshakeState({ protocolName: PROTOCOL, initiator: true, prologue, rs, random });
  const sealed = toBase64Url(state.writeMessage(utf8(JSON.stringify(value))));
  state.wipe();
  if (sealed.length <= MAX_SEALED_CHARS) return sealed;
  throw new PosternError("grant_malformed", "Cannot hand grant to another edge: it is too long");
}

function unseal(s: X25519KeyPair, prologue: Uint8Array, sealed: string, random: Random): unknown {
  const state = new HandshakeState({ protocolName: PROTOCOL, initiator: false, prologue, s, random });
  try {
    return JSON.parse(utf8Decode(state.readMessage(fromBase64Url(sealed))));
  } finally {
    state.wipe();
  }
}
