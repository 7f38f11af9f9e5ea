/** One connection of a viewer, byte for byte to an agent and back: tcp services, and TLS that passes through. */
import { PosternError } from "../errors/mod.ts";
import { StreamSplice } from "../driver/mod.ts";
import type { MuxStream, StreamHandler } from "../mux/mod.ts";
import type { ByteStream } from "../ports/mod.ts";
import { type ResetReason, streamClass, type StreamOpening } from "../wire/mod.ts";
import { withoutPort } from "./client_ip.ts";
import type { EdgeContext } from "./context.ts";
import type { RouteGroup } from "./route_group.ts";

const RAW_CLASS = streamClass("storage_fetch");
/** Sessions that are tried for one connection. */
const MAX_ATTEMPTS = 3;

export interface RawRelayOptions {
  readonly group: RouteGroup;
  readonly socket: ByteStream;
  readonly requestId: string;
  /** Told of bytes from the agent, when given. */
  readonly onAnswer?: () => void;
}

/**
 * Joins the socket with a stream to a session of the group, which it waits for within the grace time. Resolves when both
 * directions have ended, with the reason when they were cut. @throws PosternError `address_denied`, `connection_rate_limited`, `tunnel_offline`, `viewer_limit`
 */
export async function relayRaw(
  context: EdgeContext,
  { group, socket, requestId, onAnswer }: RawRelayOptions,
): Promise<ResetReason | undefined> {
  const { sessions, slabs, metrics } = context;
  const refusal = group.guard?.rules?.admitConnection(withoutPort(socket.remoteAddress));
  if (refusal !== undefined) throw new PosternError(refusal.code);
  const series = metrics.service(group.name);
  const opening: StreamOpening = {
    class: RAW_CLASS,
    kind: "tcp",
    service: 0,
    viewer: socket.remoteAddress,
    requestId,
    ...(socket.localAddress === undefined ? {} : { destination: socket.localAddress }),
  };
  for (let attempt = 1;; attempt++) {
    const session = await sessions.routes.session(group, NEVER);
    let stream: MuxStream;
    try {
      stream = session.channel.open(opening, DETACHED);
    } catch (error) {
      if (attempt < MAX_ATTEMPTS && error instanceof PosternError) continue;
      throw error;
    }
    session.requests++;
    const splice = new StreamSplice({
      stream,
      socket,
      slabs,
      retain: () => session.pump.retain(),
      onBytes: (fromViewer, toViewer) => {
        series.bytesIn += fromViewer;
        series.bytesOut += toViewer;
        if (toViewer > 0) onAnswer?.();
      },
    });
    stream.handler = splice;
    return await splice.run();
  }
}

/** Stands in until the splice is made, in the same turn. */
const DETACHED: StreamHandler = { onData() {}, onEnd() {}, onReset() {}, onTaken() {} };

/** A connection that waits for its agent cannot be told apart from one whose user has left. */
const NEVER = new AbortController().signal;
