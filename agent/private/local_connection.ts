/** One connection of this machine to a private service: a stream of the channel that stands. */
import { type Slabs, StreamSplice } from "../../src/driver/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import type { StreamHandler } from "../../src/mux/mod.ts";
import type { ByteStream } from "../../src/ports/mod.ts";
import { type ResetReason, streamClass } from "../../src/wire/mod.ts";
import type { PrivateConnector } from "./private_connector.ts";
import type { PrivateSession } from "./private_session.ts";

const TCP_CLASS = streamClass("storage_fetch");
/** For the moment between the opening of a stream and its handler: nothing comes in between. */
const NOBODY: StreamHandler = { onData() {}, onEnd() {}, onReset() {}, onTaken() {} };

/**
 * Carries the socket's bytes until both ways have ended; the reason if the stream was cut. The socket is closed in any case.
 * @throws PosternError `private_unreachable`, `private_kind_mismatch`, `connect_aborted`, and what ended the connector for good
 */
export async function carryConnection(
  socket: ByteStream,
  options: {
    readonly connector: Pick<PrivateConnector, "acquire">;
    readonly slabs: Slabs;
    readonly requestId: string;
    readonly signal: AbortSignal;
    readonly onBytes?: (fromSocket: number, toSocket: number) => void;
  },
): Promise<ResetReason | undefined> {
  const { connector, slabs, requestId, signal, onBytes } = options;
  let session: PrivateSession;
  try {
    session = await connector.acquire(signal);
    if (session.kind === "udp") {
      throw new PosternError(
        "private_kind_mismatch",
        "Cannot carry connection: the private service is a udp one",
      );
    }
    const viewer = socket.remoteAddress;
    const stream = session.open({ class: TCP_CLASS, viewer, requestId }, NOBODY);
    const splice = new StreamSplice({ stream, socket, slabs, retain: session.retain, onBytes });
    stream.handler = splice;
    const cut = () => splice.cut("cancelled");
    signal.addEventListener("abort", cut, { once: true });
    try {
      return await splice.run();
    } finally {
      signal.removeEventListener("abort", cut);
    }
  } catch (error) {
    socket.close();
    throw error;
  }
}
