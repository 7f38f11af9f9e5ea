/** Both grants of one private channel: made together, of one window, with one key and two tokens. */
import { toBase64Url } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import { issueAttach, type Role, type SigningKeys } from "../identity/mod.ts";
import type { Random } from "../ports/mod.ts";
import { channelIdBytes, type ChannelInitGrant, grantRoles } from "./grant.ts";
import { defaultGrantSuite, grantSuites } from "./suite.ts";

export interface PairRequest {
  readonly tunnelUrl: string;
  readonly issuer: string;
  /** `aud` of the tokens: that of the edges. */
  readonly audience: readonly string[];
  /** Owner of the service: whom the channel counts for. */
  readonly tenant: string;
  /** Owner that asked for it, who need not be the tenant. */
  readonly requester?: string;
  /** `member` unless given. */
  readonly requesterRole?: Role;
  /** The service itself, and the edge that both endpoints have to come to. */
  readonly tunnelId?: string;
  readonly edgeId?: string;
  readonly channelId: string;
  /** 32 bytes. Fresh for each channel; the same one when tokens are issued again. */
  readonly psk: Uint8Array;
  /** End of the window: Unix seconds. */
  readonly initExpireAtS: number;
  readonly idleTimeoutSeconds: number;
  /** Longest life of the tokens; they never outlive the window. */
  readonly tokenSeconds: number;
  /** What each endpoint is told of the other one. */
  readonly client?: EndpointFacts;
  readonly server?: EndpointFacts;
}

/** What is known of an endpoint. */
export interface EndpointFacts {
  /** base64url of 32 bytes. */
  readonly staticKey?: string;
  readonly agentId?: string;
  /** By which it asked. */
  readonly attestationId?: string;
}

export interface GrantPair {
  readonly client: ChannelInitGrant;
  readonly server: ChannelInitGrant;
  /** Ids of the two tokens, and when both end: Unix milliseconds. */
  readonly tokens: { readonly client: string; readonly server: string; readonly expireAtMs: number };
}

/** 24 random bytes, base64url. */
export function newChannelId(random: Random): string {
  return toBase64Url(random(channelIdBytes));
}

/** Throws `grant_expired` when the window is over, `token_claims_invalid` on a request out of form. */
export async function composeGrantPair(
  request: PairRequest,
  keys: SigningKeys,
  issue: { readonly nowMs: number; readonly random: Random },
): Promise<GrantPair> {
  const { issuer, audience, tenant, channelId, initExpireAtS, idleTimeoutSeconds } = request;
  const nowS = Math.floor(issue.nowMs / 1_000);
  if (initExpireAtS <= nowS) {
    throw new PosternError("grant_expired", "Cannot issue grants: the time to come to their channel is over");
  }
  const ttlSeconds = Math.min(request.tokenSeconds, initExpireAtS - nowS);
  const [client, server] = await Promise.all(grantRoles.map((role) =>
    issueAttach(
      {
        iss: issuer,
        aud: [...audience],
        channel_id: channelId,
        role,
        init_exp: initExpireAtS,
        idle_timeout: idleTimeoutSeconds,
        tenant,
        ...(request.requester === undefined ? {} : { requester: request.requester }),
        ...(request.requesterRole === undefined ? {} : { requester_role: request.requesterRole }),
        ...(request[role]?.agentId === undefined ? {} : { agent_id: request[role].agentId }),
        ...(request[role]?.attestationId === undefined
          ? {}
          : { attestation_id: request[role].attestationId }),
        ...(request.tunnelId === undefined ? {} : { tunnel_id: request.tunnelId }),
        ...(request.edgeId === undefined ? {} : { edge_id: request.edgeId }),
      },
      keys,
      { ...issue, ttlSeconds },
    )
  ));
  const common = {
    tunnel_url: request.tunnelUrl,
    channel_id: channelId,
    channel_init_expire_at_unix_s: initExpireAtS,
    idle_timeout_seconds: idleTimeoutSeconds,
    e2ee_psk_b64u: toBase64Url(request.psk),
    allowed_suites: [...grantSuites],
    default_suite: defaultGrantSuite,
  };
  return {
    client: { ...common, role: "client", token: client.token, ...peerFields(request.server) },
    server: { ...common, role: "server", token: server.token, ...peerFields(request.client) },
    tokens: { client: client.jti, server: server.jti, expireAtMs: client.expiresAtMs },
  };
}

/** What a grant tells of the other endpoint. */
function peerFields(
  facts: EndpointFacts | undefined,
): Pick<ChannelInitGrant, "peer_static_key" | "peer_agent_id"> {
  return {
    ...(facts?.staticKey === undefined ? {} : { peer_static_key: facts.staticKey }),
    ...(facts?.agentId === undefined ? {} : { peer_agent_id: facts.agentId }),
  };
}
