/** One behaviour of HTTP, and how it is watched: the same viewer at an origin, directly and through the tunnel. */
import { type Field, type Head, type Message, Wire } from "./wire.ts";

/** What both ends saw. Compared as it is, after {@link plain}. */
export interface Seen {
  /** Responses as the viewer got them; whatever else it noted. */
  viewer: unknown[];
  /** Requests as the origin got them; whatever else it noted. */
  origin: unknown[];
  /** Whether the viewer's connection served another request afterwards. */
  persists?: boolean;
}

export interface Viewing {
  readonly wire: Wire;
  /** Host that the viewer asks for. */
  readonly host: string;
  /** Notes something. */
  note(what: unknown): void;
  /** Reads one response and notes it. */
  response(method?: string): Promise<Message | undefined>;
  /** Another connection. */
  open(): Promise<Wire>;
  /** Lets the origin's {@link Serving.until} go on. */
  release(name: string): void;
  /** Waits for the origin to {@link Serving.release} it. */
  until(name: string): Promise<void>;
}

export interface Serving {
  readonly wire: Wire;
  /** Notes something. */
  note(what: unknown): void;
  /** Reads the rest of the request and notes it. */
  body(head: Head): Promise<Message>;
  /** Waits for the viewer to {@link Viewing.release} it. */
  until(name: string): Promise<void>;
  /** Lets the viewer's {@link Viewing.until} go on. */
  release(name: string): void;
}

export interface Behaviour {
  readonly name: string;
  /**
   * Answers one request whose head has come. The body is its own to read (`serving.body`). Returns "close" to end the
   * connection.
   */
  readonly origin: (head: Head, serving: Serving) => Promise<"close" | void>;
  readonly viewer: (viewing: Viewing) => Promise<void>;
  /** What the origin notes in all, waited for; 1 unless given. */
  readonly notes?: number;
  /** False: whether the connection serves another request is not asked. */
  readonly probe?: boolean;
  /** Where the tunnel is different. */
  readonly differs?: Difference;
  /** Over HTTP/2 towards the viewer: why the row says nothing there, or what is different. */
  readonly http2?: string | Difference;
}

/** A documented difference, by its key in docs/http.md, and what is seen instead. */
export interface Difference {
  readonly key: string;
  readonly seen: (direct: Seen) => Partial<Seen>;
}

/** Answers a whole request with these octets. */
export function answer(text: string, then?: "close"): Behaviour["origin"] {
  return async (head, serving) => {
    await serving.body(head);
    await serving.wire.send(text);
    return then;
  };
}

/** A response with this body. */
export function ok(body = "ok", lines = ""): string {
  return `HTTP/1.1 200 OK\r\n${lines}Content-Length: ${body.length}\r\n\r\n${body}`;
}

/** Sends this request, with `HOST` replaced, and reads one response. */
export function ask(text: string): Behaviour["viewer"] {
  return async (viewing) => {
    await viewing.wire.send(text.replaceAll("HOST", viewing.host));
    await viewing.response(text.split(" ", 1)[0]);
  };
}

/** A request with these lines. */
export function request(line: string, lines = "", body = ""): string {
  return `${line} HTTP/1.1\r\nHost: HOST\r\n${lines}\r\n${body}`;
}

const PROBE = "/.probe";

/** The origin of all behaviours: serves the one that is on. */
export class BehaviourOrigin implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #open = new Set<Wire>();
  readonly #serving: Promise<void>;
  #current: { behaviour: Behaviour; run: Run } | undefined;
  errors: unknown[] = [];

  constructor() {
    this.#serving = this.#accept();
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  /** Runs the viewer against `port`, which leads here. */
  async watch(
    behaviour: Behaviour,
    port: number,
    host: string,
    connect: (port: number) => Promise<Wire> = Wire.connect,
  ): Promise<Seen> {
    const run = new Run();
    this.#current = { behaviour, run };
    const wires: Wire[] = [];
    const open = async () => {
      const wire = await connect(port);
      wires.push(wire);
      return wire;
    };
    const wire = await open();
    const note = (what: unknown) => void run.seen.viewer.push(what);
    try {
      await behaviour.viewer({
        wire,
        host,

        note,
        open,
        release: (name) => run.gate(name).resolve(),
        until: (name) => run.gate(name).promise,
        async response(method) {
          const response = await wire.response(method);
          note(response === undefined ? "no response" : plain(response));
          return response;
        },
      });
      if (behaviour.probe !== false) run.seen.persists = await probe(wire, host);
      await run.noted(behaviour.notes ?? 1);
    } finally {
      for (const wire of wires) wire[Symbol.dispose]();
    }
    return run.seen;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const wire of this.#open) wire[Symbol.dispose]();
    await this.#serving;
  }

  async #accept(): Promise<void> {
    const running: Promise<void>[] = [];
    try {
      for await (const conn of this.#listener) running.push(this.#serve(new Wire(conn)));
    } catch {
      // Closed.
    }
    await Promise.all(running);
  }

  async #serve(wire: Wire): Promise<void> {
    this.#open.add(wire);
    try {
      for (;;) {
        const head = await wire.head();
        if (head === undefined) return;
        if (head.line.includes(PROBE)) {
          await wire.send("HTTP/1.1 204 No Content\r\n\r\n");
          continue;
        }
        const { behaviour, run } = this.#current!;
        const result = await behaviour.origin(head, {
          wire,
          note: (what) => run.noteOrigin(what),
          until: (name) => run.gate(name).promise,
          release: (name) => run.gate(name).resolve(),
          async body(head) {
            const message = await wire.requestBody(head);
            run.noteOrigin(plain(message));
            return message;
          },
        });
        if (result === "close" || asksToClose(head)) return;
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.ConnectionReset)) {
        if (!(error instanceof Deno.errors.BadResource)) this.errors.push(error);
      }
    } finally {
      this.#open.delete(wire);
      wire[Symbol.dispose]();
    }
  }
}

/** One run of one behaviour. */
class Run {
  readonly seen: Seen = { viewer: [], origin: [] };
  readonly #gates = new Map<string, PromiseWithResolvers<void>>();
  #onNote = () => {};

  noteOrigin(what: unknown): void {
    this.seen.origin.push(what);
    this.#onNote();
  }

  gate(name: string): PromiseWithResolvers<void> {
    const gate = this.#gates.get(name) ?? Promise.withResolvers<void>();
    this.#gates.set(name, gate);
    return gate;
  }

  async noted(count: number): Promise<void> {
    while (this.seen.origin.length < count) await new Promise<void>((resolve) => this.#onNote = resolve);
  }
}

/** As an ordinary server does: HTTP/1.0 without keep-alive, and close. */
function asksToClose(head: Head): boolean {
  const connection = head.fields.filter(([name]) => /^connection$/i.test(name)).map(([, value]) => value)
    .join();
  if (/\bclose\b/i.test(connection)) return true;
  return head.line.endsWith("HTTP/1.0") && !/\bkeep-alive\b/i.test(connection);
}

/** Whether the connection answers one more request. */
async function probe(wire: Wire, host: string): Promise<boolean> {
  try {
    await wire.send(`GET ${PROBE} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  } catch {
    return false;
  }
  return (await wire.response())?.line.split(" ")[1] === "204";
}

/** Fields that belong to one connection (RFC 9110 7.6.1), or that the edge says about the viewer. */
const ASIDE = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "transfer-encoding",
  "x-forwarded-for",
  "x-forwarded-proto",
  "x-forwarded-host",
  "x-postern-client-ip",
  "x-request-id",
]);

/** A message without what may differ from hop to hop: version, reason, hop-by-hop fields, the edge's own. */
export function plain(message: Message): unknown {
  const options = new Set(
    message.fields.filter(([name]) => /^connection$/i.test(name))
      .flatMap(([, value]) => value.toLowerCase().split(",").map((option) => option.trim())),
  );
  const kept = (fields: readonly Field[]) =>
    fields.filter(([name]) => {
      const key = name.toLowerCase();
      return !ASIDE.has(key) && !(options.has(key) && key !== "upgrade");
    });
  const { line, body } = message;
  return {
    line: line.startsWith("HTTP/") ? Number(line.split(" ")[1]) : line.replace(/ HTTP\/1\.[01]$/, ""),
    fields: kept(message.fields),
    body: body.length > 2_000 ? `${body.length} octets, ${checksum(body)}` : body,
    trailers: kept(message.trailers),
    whole: message.whole,
  };
}

/** FNV-1a. */
function checksum(text: string): string {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return (hash >>> 0).toString(16);
}
