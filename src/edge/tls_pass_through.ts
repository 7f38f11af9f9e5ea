/** TLS that the edge passes on as it is: by the server name of the ClientHello, to the agent whose service ends it. */
import { codeOf, PosternError } from "../errors/mod.ts";
import { type PeekedHello, refuseTls, sendAlert, unknownName } from "../driver/tls/mod.ts";
import type { ByteStream } from "../ports/mod.ts";
import type { ResetReason } from "../wire/mod.ts";
import { TlsAlert } from "../wire/tls/mod.ts";
import type { EdgeContext } from "./context.ts";
import { isControlName } from "./control_host.ts";
import { prefixed } from "./prefixed_stream.ts";
import { relayRaw } from "./raw_relay.ts";
import type { RouteGroup } from "./route_group.ts";
import { isTlsRoute } from "./routes.ts";

/**
 * Who gets the connection: the group to which it is passed on, or `edge`, which ends TLS itself.
 * @param covers whether the edge has a certificate for a name; absent when it has none at all
 * @throws PosternError `tls_unknown_name`, `tunnel_offline`, of which the client is told
 */
export async function tlsDestination(
  context: EdgeContext,
  socket: ByteStream,
  { hello: { serverName } }: PeekedHello,
  covers: ((serverName: string) => boolean) | undefined,
): Promise<RouteGroup | "edge"> {
  const { sessions, config, knownRoute } = context;
  if (serverName !== undefined) {
    const group = sessions.routes.findTls(serverName);
    if (group !== undefined) return group;
    const isOurs = sessions.routes.find(serverName) !== undefined ||
      isControlName(serverName, config);
    const route = isOurs ? undefined : await knownRoute(serverName);
    if (route !== undefined && isTlsRoute(route.name)) {
      const guard = context.guards.put(route.tunnelId, route.rules);
      return sessions.routes.expect(route.name, guard) ?? await refuseOffline(socket);
    }
    if (covers !== undefined && (isOurs || route !== undefined || covers(serverName))) return "edge";
  } else if (covers !== undefined) return "edge";
  return await refuseTls(socket, TlsAlert.unrecognizedName, unknownName(socket));
}

/**
 * Passes the connection on until both directions have ended; tells why when it was cut. Until the service has said
 * something, the client learns of a failure by alert 80 (49 when its address is denied). @throws PosternError as {@link relayRaw}
 */
export async function passThrough(
  context: EdgeContext,
  options: { group: RouteGroup; socket: ByteStream; hello: PeekedHello; requestId: string },
): Promise<ResetReason | undefined> {
  const { group, socket, hello, requestId } = options;
  let answered = false;
  // Left open by the relay, so that an alert can follow: the listener closes the socket in any case.
  const held: ByteStream = { ...prefixed(socket, hello.bytes), close: () => answered && socket.close() };
  let reason: ResetReason | undefined;
  try {
    reason = await relayRaw(context, { group, socket: held, requestId, onAnswer: () => answered = true });
  } catch (error) {
    const denied = codeOf(error) === "address_denied";
    return await refuseTls(socket, denied ? TlsAlert.accessDenied : TlsAlert.internalError, error);
  }
  if (reason !== undefined && !answered) await sendAlert(socket, TlsAlert.internalError);
  return reason;
}

async function refuseOffline(socket: ByteStream): Promise<never> {
  return await refuseTls(socket, TlsAlert.internalError, new PosternError("tunnel_offline"));
}
