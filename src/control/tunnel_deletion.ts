/** The end of a tunnel. */
import { PosternError } from "../errors/mod.ts";
import type { TunnelRecord } from "../ports/mod.ts";
import { audit } from "./audit.ts";
import type { ControlDeps, DeletionReason } from "./config.ts";
import { authorizationRequired, type Credentials } from "./credentials.ts";

/** Deletes a tunnel of the credentials' owner. Throws `authorization_required`, `tunnel_not_found`. */
export async function deleteTunnel(
  deps: ControlDeps,
  tunnelId: string,
  credentials: Credentials,
): Promise<void> {
  const { management, recreate } = credentials;
  if (management === undefined && recreate === undefined) throw authorizationRequired();
  const tunnel = await deps.store.tunnel(tunnelId);
  const mayDelete = tunnel !== undefined && (
    management?.role === "operator" || management?.sub === tunnel.owner ||
    // Not one of before the tunnel had an account.
    recreate?.sub === tunnelId && recreate.owner === tunnel.owner
  );
  // One answer for "not there" and "not yours": ids of others are not to be probed.
  if (!mayDelete || !await deps.store.deleteTunnel(tunnelId)) {
    throw new PosternError("tunnel_not_found", "Cannot delete tunnel: there is none of yours with this id");
  }
  await announceDeletion(deps, tunnel, management?.sub ?? tunnel.owner, "deleted");
}

/** Deletes an anonymous tunnel that nobody holds or serves any more; false when it is not abandoned. */
export async function deleteAbandoned(deps: ControlDeps, tunnel: TunnelRecord): Promise<boolean> {
  const heldBeforeMs = deps.clock.wall() - deps.config.tokens.clockSkewMs;
  if (!tunnel.anonymous || tunnel.heldUntilMs >= heldBeforeMs) return false;
  if ((await deps.presence(tunnel.tunnelId)).status === "online") return false;
  if (!await deps.store.deleteTunnel(tunnel.tunnelId, heldBeforeMs)) return false;
  await announceDeletion(deps, tunnel, "control", "abandoned");
  return true;
}

async function announceDeletion(
  deps: ControlDeps,
  tunnel: TunnelRecord,
  actor: string,
  reason: DeletionReason,
): Promise<void> {
  // First the cut, then the paperwork: a failing audit must not leave a deleted tunnel served.
  deps.events.onTunnelDeleted(tunnel.tunnelId, reason);
  await audit(deps, {
    actor,
    action: "tunnel.delete",
    subject: tunnel.tunnelId,
    detail: { name: tunnel.name, reason },
  });
}
