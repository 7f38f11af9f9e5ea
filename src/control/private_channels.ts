/**
 * Private channels, from who asks for one to the grants on both sides.
 *
 * ```
 *   who asks            control                                  agent of the service
 *   init  ------------> may it? room? both grants, kept pending
 *                       grant_server --------- offer ----------> comes, or not
 *         <------------ grant_client
 *   reissue ----------> the tokens of before are spent,
 *                       the same key and window, fresh tokens -> takes them
 *         <------------ grant_client
 * ```
 * Nothing is told to who asks before the agent has said that it comes; where it does not, both tokens are spent.
 */
import { codeOf, PosternError } from "../errors/mod.ts";
import {
  type ChannelInitGrant,
  composeGrantPair,
  consumeAttachToken,
  type GrantPair,
  newChannelId,
} from "../grants/mod.ts";
import type { PendingTokens, TunnelRecord } from "../ports/mod.ts";
import { freshSecret, hashOfSecret } from "./admin/secret.ts";
import { audit } from "./audit.ts";
import type { AuditBudget } from "./audit_budget.ts";
import type { ControlDeps } from "./config.ts";
import type { OfferTaken, ServingEdge } from "./grant_delivery.ts";
import { sealPsk, unsealPsk } from "./grant_secret.ts";
import { mayConnect, privateServiceOf, type Requester } from "./private_services.ts";

/** Bytes of the pre-shared key. */
const pskBytes = 32;
/** Agents of one service that are asked one after the other, when the first says no. */
const maxAskedAgents = 3;
/** Channels to one service that somebody else than its owner asked for, and that are not open yet: its agent waits for each. */
const maxPendingPerGuest = 16;
/** How often the grants of one channel are issued again. */
const maxReissues = 8;

export interface ChannelRequest {
  /** `name`, or `owner/name`. */
  readonly service: string;
  readonly channelId?: string;
  /** The client endpoint's static public key: told to the server, as the server's is told to it. */
  readonly clientKey?: string;
}

export interface OpenedChannel {
  readonly grant: ChannelInitGrant;
  /** Lets its holder have the grants issued again. Secret. */
  readonly reissueToken: string;
}

type Deps = ControlDeps & { readonly budget: AuditBudget };

/**
 * Grants for a new channel; the server's is with its agent when this resolves.
 * Throws `private_service_unknown`, `private_service_offline`, `private_offer_*`, `channel_id_taken`, `grant_limit_reached`,
 * `pending_grants_full`.
 */
export async function initChannel(
  deps: Deps,
  requester: Requester,
  request: ChannelRequest,
): Promise<OpenedChannel> {
  return await told(deps, requester, "channel.init", request.service, async () => {
    const tunnel = await privateServiceOf(deps, requester, request.service);
    return await askingAgents(deps, tunnel, (edge) => initAt(deps, requester, request, tunnel, edge));
  });
}

async function initAt(
  deps: Deps,
  requester: Requester,
  request: ChannelRequest,
  tunnel: TunnelRecord,
  edge: ServingEdge,
): Promise<Granted<OpenedChannel>> {
  const { config, clock, random, store } = deps;
  const reissueToken = freshSecret(random);
  const secretSha256 = hashOfSecret(reissueToken);
  const channelId = request.channelId ?? newChannelId(random);
  const psk = random(pskBytes);
  try {
    const initExpireAtS = Math.floor((clock.wall() + config.grants.initWindowMs) / 1_000);
    const pair = await composed(deps, {
      tunnel,
      edge,
      channelId,
      psk,
      initExpireAtS,
      requester,
      clientKey: request.clientKey,
    });
    const outcome = await store.putPendingPair(
      {
        tenant: tunnel.owner,
        channelId,
        owner: requester.owner,
        tunnelId: tunnel.tunnelId,
        secretSha256,
        sealedKey: sealPsk(reissueToken, channelId, psk),
        ...(request.clientKey === undefined ? {} : { clientKey: request.clientKey }),
        initExpireAtMs: initExpireAtS * 1_000,
        tokens: pair.tokens,
      },
      config.grants.maxPendingPerOwner,
      requester.owner === tunnel.owner ? undefined : maxPendingPerGuest,
    );
    if (outcome !== "kept") throw refusalOf(outcome);
    const grant = await delivered(deps, edge, tunnel, pair, () => store.dropPendingPair(secretSha256));
    return { done: { grant, reissueToken }, tunnel, pair };
  } finally {
    psk.fill(0);
  }
}

/** Asks one agent, and the next one only after a plain no: of one that says nothing it is not known whether it comes. */
async function askingAgents<T>(
  deps: Deps,
  tunnel: TunnelRecord,
  ask: (edge: ServingEdge) => Promise<T>,
): Promise<T> {
  const refused = new Set<string>();
  let edge = await located(deps, tunnel);
  for (;;) {
    try {
      return await ask(edge);
    } catch (error) {
      const code = codeOf(error);
      if (code !== "private_offer_refused" && code !== "private_offer_limit") throw error;
      refused.add(edge.agentId);
      const next = refused.size < maxAskedAgents
        ? await deps.delivery.locate(tunnel.tunnelId, refused)
        : undefined;
      if (next === undefined) throw error;
      edge = next;
    }
  }
}

/**
 * Fresh tokens for a channel whose window is not over: the same id, key and window. The tokens of before are good for
 * nothing from then on, at every edge. Throws `grant_unknown`, `grant_limit_reached`, `grant_reissued`,
 * `private_service_offline`, `private_offer_*`, `replay_cache_full`.
 */
export async function reissueChannel(
  deps: Deps,
  requester: Requester,
  { channelId, reissueToken }: { readonly channelId: string; readonly reissueToken: string },
): Promise<OpenedChannel> {
  return await told(deps, requester, "channel.reissue", channelId, async () => {
    const { store } = deps;
    const pending = await store.pendingPair(hashOfSecret(reissueToken));
    const tunnel = pending === undefined ? undefined : await store.tunnel(pending.tunnelId);
    const isTheirs = pending?.channelId === channelId && pending.owner === requester.owner;
    // Whoever may connect no longer gets no fresh tokens, either.
    if (pending === undefined || tunnel === undefined || !isTheirs || !mayConnect(requester, tunnel)) {
      throw new PosternError(
        "grant_unknown",
        "Cannot issue grants again: no channel of yours waits under this id and token",
      );
    }
    if (pending.reissues >= maxReissues) {
      throw new PosternError(
        "grant_limit_reached",
        `Cannot issue grants again: it was done ${maxReissues} times`,
      );
    }
    const edge = await located(deps, tunnel);
    // Before anybody has new ones: there is no moment at which both count.
    await spend(deps, pending.tokens);
    const psk = unsealPsk(reissueToken, channelId, pending.sealedKey);
    try {
      const initExpireAtS = pending.initExpireAtMs / 1_000;
      const { clientKey } = pending;
      const pair = await composed(deps, {
        tunnel,
        edge,
        channelId,
        psk,
        initExpireAtS,
        requester,
        clientKey,
      });
      if (!await store.replacePendingTokens(pending.secretSha256, pending.reissues, pair.tokens)) {
        throw new PosternError("grant_reissued", "Cannot issue grants again: somebody else just did");
      }
      // The pair stays: the next attempt may reach the agent.
      const grant = await delivered(deps, edge, tunnel, pair, () => Promise.resolve());
      return { done: { grant, reissueToken }, tunnel, pair };
    } finally {
      psk.fill(0);
    }
  });
}

async function located({ delivery }: Deps, { tunnelId }: TunnelRecord): Promise<ServingEdge> {
  const edge = await delivery.locate(tunnelId, new Set());
  if (edge !== undefined) return edge;
  throw new PosternError("private_service_offline", "Cannot open channel: no agent serves it now");
}

function composed(
  { config, clock, random, keyset }: Deps,
  { tunnel, edge, channelId, psk, initExpireAtS, requester, clientKey }: {
    readonly tunnel: TunnelRecord;
    readonly edge: ServingEdge;
    readonly channelId: string;
    readonly psk: Uint8Array;
    readonly initExpireAtS: number;
    readonly requester: Requester;
    readonly clientKey?: string;
  },
): Promise<GrantPair> {
  const { tokenLifeMs, idleTimeoutMs } = config.grants;
  return composeGrantPair(
    {
      tunnelUrl: edge.tunnelUrl,
      issuer: config.issuer,
      audience: config.edgeAudience,
      tenant: tunnel.owner,
      requester: requester.owner,
      requesterRole: requester.role,
      tunnelId: tunnel.tunnelId,
      edgeId: edge.edgeId,
      channelId,
      psk,
      initExpireAtS,
      idleTimeoutSeconds: Math.ceil(idleTimeoutMs / 1_000),
      tokenSeconds: Math.floor(tokenLifeMs / 1_000),
      client: { staticKey: clientKey, agentId: requester.agentId, attestationId: requester.attestationId },
      server: { agentId: edge.agentId },
    },
    keyset,
    { nowMs: clock.wall(), random },
  );
}

/** The client's grant, once the server's agent has taken its own; otherwise nothing of the pair is good for anything. */
async function delivered(
  deps: Deps,
  edge: ServingEdge,
  { tunnelId }: TunnelRecord,
  pair: GrantPair,
  undo: () => Promise<void>,
): Promise<ChannelInitGrant> {
  let taken: OfferTaken;
  try {
    taken = await deps.delivery.offer(edge, tunnelId, pair.server);
  } catch (error) {
    try {
      await spend(deps, pair.tokens);
      await undo();
    } catch (cause) {
      // The client has none of it, and a server alone is no channel: why it is not is what counts.
      deps.log("warn", "grants not taken back", { channel_id: pair.client.channel_id, code: codeOf(cause) });
    }
    throw error;
  }
  return { ...pair.client, peer_static_key: taken.staticKey, peer_agent_id: taken.agentId };
}

/** Makes both tokens good for nothing, unless they were used. Throws `replay_cache_full`. */
async function spend({ store }: Deps, { client, server, expireAtMs }: PendingTokens): Promise<void> {
  for (const jti of [client, server]) {
    try {
      await consumeAttachToken(store, jti, expireAtMs / 1_000);
    } catch (error) {
      if (codeOf(error) !== "token_replayed") throw error;
    }
  }
}

function refusalOf(outcome: "id_taken" | "owner_full" | "full"): PosternError {
  switch (outcome) {
    case "id_taken":
      return new PosternError("channel_id_taken", "Cannot open channel: one of this id is waited for");
    case "owner_full":
      return new PosternError(
        "grant_limit_reached",
        "Cannot open channel: too many of yours are not open yet",
      );
    case "full":
      return new PosternError("pending_grants_full", "Cannot open channel: too many are not open yet");
  }
}

/** What is written down of a request that was granted. */
interface Granted<T> {
  readonly done: T;
  readonly tunnel: TunnelRecord;
  readonly pair: GrantPair;
}

/** Writes down what became of a request, with ids and codes and nothing that opens a channel. */
async function told<T>(
  deps: Deps,
  { owner, agentId }: Requester,
  action: "channel.init" | "channel.reissue",
  asked: string,
  work: () => Promise<Granted<T>>,
): Promise<T> {
  const agent: Record<string, string> = agentId === undefined ? {} : { agent_id: agentId };
  try {
    const { done, tunnel, pair } = await work();
    const { client: clientToken, server: serverToken } = pair.tokens;
    const channelId = pair.client.channel_id;
    const ids = { channel_id: channelId, client_token: clientToken, server_token: serverToken, ...agent };
    await audit(deps, { actor: owner, action, subject: tunnel.tunnelId, detail: ids });
    deps.log("info", "private channel granted", { action, owner, tunnel_id: tunnel.tunnelId, ...ids });
    deps.events.onGrant?.(action, "ok");
    return done;
  } catch (error) {
    const code = codeOf(error);
    deps.events.onGrant?.(action, code);
    deps.log("info", "private channel refused", { action, owner, asked, code, ...agent });
    if (deps.budget.take()) {
      await audit(deps, { actor: owner, action, subject: asked, outcome: code, detail: agent });
    }
    throw error;
  }
}
