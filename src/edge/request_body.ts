/** The body of a viewer's request, where it is not for an agent. */
import type { SocketReader } from "../driver/mod.ts";
import type { BodyReader } from "../http1/mod.ts";
import type { ByteStream } from "../ports/mod.ts";
import type { EdgeContext } from "./context.ts";

/** Rest of a body that is read and thrown away, so that its connection stays usable, when the origin wants none of it. */
const MAX_DISCARDED_BYTES = 262_144;

/** A request's body as it comes in: {@link BodyReader} for HTTP/1.1. */
export type RequestBody = Pick<
  BodyReader,
  "done" | "trailers" | "dataStart" | "dataEnd" | "nextStart" | "push" | "eof"
>;

/** The origin has answered and wants no more of the body. True: its end was found. */
export async function discardBody(
  request: {
    readonly context: EdgeContext;
    readonly reader: SocketReader;
    readonly socket: ByteStream;
    readonly body: RequestBody;
  },
): Promise<boolean> {
  const { context, reader, socket, body } = request;
  const deadline = context.deadlines.set(context.config.timeouts.lingerMs, () => socket.close());
  try {
    for (let bytes = 0; bytes <= MAX_DISCARDED_BYTES;) {
      const event = body.push(reader.buffer, reader.start, reader.end);
      reader.take(body.nextStart - reader.start);
      if (event === "done") return true;
      if (event === "data") bytes += body.dataEnd - body.dataStart;
      else if (!await reader.fill()) break;
    }
  } catch {
    // Gone, or not the body that its head announced: no request is looked for behind it.
  } finally {
    deadline.lift();
  }
  return false;
}
