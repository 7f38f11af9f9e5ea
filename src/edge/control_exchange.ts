/** One request to the control plane on the public listener: from HTTP/1.1 to a web Request and back. */
import { PosternError } from "../errors/mod.ts";
import type { SocketReader } from "../driver/mod.ts";
import {
  CONTINUE,
  HeaderList,
  NO_BODY,
  type OutgoingResponse,
  reasonPhrase,
  type RequestHead,
  UNTIL_CLOSE,
} from "../http1/mod.ts";
import { concat } from "../bytes/mod.ts";
import type { ByteStream } from "../ports/mod.ts";
import type { EdgeContext, Viewer } from "./context.ts";
import type { RequestBody } from "./request_body.ts";
import type { ResponseWriter } from "./response_writer.ts";

export interface ControlInput {
  readonly context: EdgeContext;
  readonly viewer: Viewer;
  readonly socket: ByteStream;
  readonly reader: SocketReader;
  readonly writer: ResponseWriter;
  readonly head: RequestHead;
  readonly body: RequestBody;
  readonly requestId: string;
  readonly keepAlive: boolean;
}

/** What goes on for long (HTML, 9.2). */
const EVENT_STREAM = "text/event-stream";
/** Methods that the platform's Request refuses (Fetch 2.2.1). */
const FORBIDDEN = new Set(["TRACK"]);
/** Methods whose body the platform's Request refuses; it means nothing (RFC 9110 9.3.1), so it is read and dropped. */
const BODILESS = new Set(["GET", "HEAD"]);

/** Serves the request; the body is read whole, within its limit. @throws PosternError `http_*`, `body_too_large` */
export async function controlExchange(input: ControlInput): Promise<"keep" | "close"> {
  const { context, viewer, head, writer } = input;
  if (viewer.proxied && !context.viewers.admits(viewer.ip)) throw new PosternError("address_denied");
  if (FORBIDDEN.has(head.method)) {
    throw new PosternError("http_bad_method", `Cannot serve request: ${head.method} is not taken here`);
  }
  const body = await readBody(input);
  const headers = new Headers();
  for (const [name, value] of head.headers) headers.append(name, value);
  headers.set("x-request-id", input.requestId);
  // Control looks at the path only; what the viewer wrote as host need not be one that a URL can have, e.g. 999.9.9.9.
  const path = head.target === "*" ? "/" : head.target;
  const request = new Request(`${viewer.scheme}://${context.config.publicHost}${path}`, {
    method: head.method,
    headers,
    body: body.length === 0 || BODILESS.has(head.method) ? undefined : body,
  });
  const response = await context.control(request, viewer.ip);
  const isStream = response.headers.get("content-type") === EVENT_STREAM && response.body !== null;
  const bytes = isStream ? new Uint8Array(0) : new Uint8Array(await response.arrayBuffer());
  const list = new HeaderList();
  for (const [name, value] of response.headers) {
    if (name !== "content-length" && name !== "transfer-encoding" && name !== "connection") {
      list.append(name, value);
    }
  }
  list.append("Date", new Date(context.clock.wall()).toUTCString());
  if (!response.headers.has("x-request-id")) list.append("X-Request-Id", input.requestId);
  const { status } = response;
  const out: OutgoingResponse = { minor: 1, status, reason: reasonPhrase(status), headers: list };
  if (isStream) {
    list.append("Connection", "close");
    await relayStream(writer, out, response.body!);
    return "close";
  }
  if (status !== 204 && status !== 304) list.append("Content-Length", String(bytes.length));
  if (!input.keepAlive) list.append("Connection", "close");
  writer.respond(out, head.method === "HEAD" ? bytes.subarray(0, 0) : bytes);
  await writer.flushed();
  return input.keepAlive ? "keep" : "close";
}

/** Passes events on as they come, until there are no more or the viewer has gone: the next one is not written then. */
async function relayStream(
  writer: ResponseWriter,
  head: OutgoingResponse,
  events: ReadableStream<Uint8Array>,
): Promise<void> {
  writer.head(head, UNTIL_CLOSE, 0);
  for await (const event of events) {
    writer.body(event, 0, undefined);
    await writer.flushed();
    if (writer.failed) return;
  }
  writer.end(new HeaderList());
  await writer.flushed();
}

async function readBody(
  { context, head, body, reader, writer, socket }: ControlInput,
): Promise<Uint8Array<ArrayBuffer>> {
  const limit = context.config.limits.maxControlBodyBytes;
  if (head.framing.kind === "length" && head.framing.length > limit) throw tooLarge(limit);
  if (head.expectContinue) writer.head(CONTINUE, NO_BODY, 0);
  const parts: Uint8Array[] = [];
  let total = 0;
  const deadline = context.deadlines.set(context.config.timeouts.requestHeadMs, () => socket.close());
  try {
    for (;;) {
      const event = body.push(reader.buffer, reader.start, reader.end);
      if (event === "data") {
        total += body.dataEnd - body.dataStart;
        if (total > limit) throw tooLarge(limit);
        parts.push(reader.buffer.slice(body.dataStart, body.dataEnd));
      }
      reader.take(body.nextStart - reader.start);
      if (event === "done") return concat(...parts);
      if (event === "data") continue;
      if (!await reader.fill()) body.eof();
    }
  } finally {
    deadline.lift();
  }
}

function tooLarge(limit: number): PosternError {
  return new PosternError("body_too_large", `Cannot read request: its body is over ${limit} bytes`);
}
