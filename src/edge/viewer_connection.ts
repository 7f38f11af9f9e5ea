/** One connection on the public listener: HTTP/1.1 requests one after the other, or an agent's carrier. */
import { codeOf, type ErrorCode, errorOf, PosternError } from "../errors/mod.ts";
import { NO_WRITER_EVENTS, SocketReader, SocketWriter } from "../driver/mod.ts";
import { BodyReader, errorResponseOf, parseRequestHead, persistent, type RequestHead } from "../http1/mod.ts";
import { http1Required } from "../http2/mod.ts";
import type { ByteStream } from "../ports/mod.ts";
import { DEFAULT_CARRIER_PATH } from "../wire/websocket/mod.ts";
import type { AgentGate } from "./agent_gate.ts";
import { type TrustedProxies, withoutPort } from "./client_ip.ts";
import { type EdgeRelay, isAttach } from "./relay.ts";
import type { EdgeContext, Viewer } from "./context.ts";
import { controlExchange } from "./control_exchange.ts";
import { Departure } from "./departure.ts";
import { HttpExchange } from "./http_exchange.ts";
import { Http1ResponseWriter } from "./http1_response_writer.ts";
import { linger } from "./linger.ts";
import { ProgressWatch } from "./progress_watch.ts";
import { isControlHost, requestIdOf, viewerBehind } from "./viewer_identity.ts";

export class ViewerConnection {
  readonly #context: EdgeContext;
  readonly #gate: AgentGate;
  readonly #relay: EdgeRelay;
  readonly #proxies: TrustedProxies;
  readonly #socket: ByteStream;
  readonly #reader: SocketReader;
  readonly #writer: SocketWriter;
  readonly #responses: Http1ResponseWriter;
  /** The viewer when no trusted proxy speaks for it. */
  readonly #direct: Viewer;
  readonly #trusted: boolean;
  /** Requests of one connection mostly have one host. */
  #lastHostname: string | undefined;
  #lastIsControl = false;
  #idle = true;
  #requests = 0;
  #stopping = false;
  #lingers = false;
  #finishing = false;
  #upgradedBytes = 0;
  #isCarrier = false;
  readonly #watch: ProgressWatch;
  readonly #departure = new Departure();

  constructor(options: {
    context: EdgeContext;
    gate: AgentGate;
    relay: EdgeRelay;
    proxies: TrustedProxies;
    socket: ByteStream;
    scheme: "http" | "https";
  }) {
    this.#context = options.context;
    this.#gate = options.gate;
    this.#relay = options.relay;
    this.#proxies = options.proxies;
    this.#socket = options.socket;
    this.#reader = new SocketReader(options.socket, options.context.slabs);
    this.#writer = new SocketWriter(options.socket, options.context.slabs, NO_WRITER_EVENTS);
    this.#responses = new Http1ResponseWriter(this.#writer);
    const address = options.socket.remoteAddress;
    const ip = withoutPort(address);
    this.#direct = { ip, address, scheme: options.scheme, proxied: false };
    this.#trusted = options.proxies.trusts(ip);
    const { deadlines, clock, config } = options.context;
    this.#watch = new ProgressWatch({
      deadlines,
      clock,
      limits: config.timeouts,
      progress: () => ({
        bytes: this.#writer.writtenBytes + this.#reader.readBytes + this.#upgradedBytes,
        queuedBytes: this.#writer.queuedBytes,
        busy: !this.#idle,
      }),
      onStuck: (code) => this.#giveUp(code),
    });
  }

  /** Serves until the connection is over. Never throws. */
  async run(): Promise<void> {
    this.#watch.start();
    try {
      while (await this.#next());
      if (this.#lingers) await linger(this.#lingering);
    } catch (error) {
      this.#refuse(error);
      await linger(this.#lingering);
    } finally {
      await this.#writer.flushed();
      this.#watch.stop();
      this.#socket.close();
      this.#reader.release();
    }
  }

  get #lingering() {
    const { config, deadlines } = this.#context;
    return {
      reader: this.#reader,
      writer: this.#writer,
      socket: this.#socket,
      deadlines,
      timeoutMs: config.timeouts.lingerMs,
    };
  }

  /** Nothing moves: what waits is dropped, and the connection with it. */
  #giveUp(code: ErrorCode): void {
    this.#context.metrics.refusals.inc({ code, layer: "http" });
    this.#context.log("info", "connection given up", { code, remote: this.#socket.remoteAddress });
    this.#writer.abort();
    this.#socket.close();
  }

  readonly #onUpgradedBytes = (bytes: number): void => void (this.#upgradedBytes += bytes);

  /** Whether this is an agent's carrier, or a half of a private channel. */
  get isCarrier(): boolean {
    return this.#isCarrier;
  }

  /** From now on answers say that they are the last of their connection. Where one did not, another request may follow. */
  stop(): void {
    this.#stopping = true;
  }

  /** Waits for no further request: ends when the one that is under way is answered, or now. */
  finish(): void {
    this.#finishing = true;
    if (this.#idle) this.#socket.close();
  }

  /** One request; false when it was the last. */
  async #next(): Promise<boolean> {
    const head = await this.#readHead();
    if (head === undefined) return false;
    this.#requests++;
    this.#reader.take(head.bytes);
    const { config } = this.#context;
    const keepAlive = persistent(head) && !this.#stopping &&
      this.#requests < config.limits.requestsPerConnection;
    if (this.#isControl(head)) return await this.#serveControl(head, keepAlive);
    const requestId = requestIdOf(head, this.#context);
    const exchange = new HttpExchange({
      context: this.#context,
      viewer: this.#viewer(head),
      socket: this.#socket,
      reader: this.#reader,
      writer: this.#responses,
      head,
      body: BodyReader.forRequest(head),
      requestId,
      keepAlive,
      departure: this.#departure,
      onBodyRead: this.#watchViewer,
      onUpgradedBytes: this.#onUpgradedBytes,
    });
    const running = exchange.run();
    // With a body still to come, reading it notices a viewer that has gone; without one, a read is left pending. It
    // begins when the request has been written: the agent need not wait for that system call.
    if (head.framing.kind === "none" && head.upgrade === null) {
      queueMicrotask(this.#watchViewer);
    }
    const result = await running;
    this.#lingers = result === "linger";
    return result === "keep" && !this.#finishing;
  }

  readonly #watchViewer = (): void => {
    if (this.#reader.available === 0) this.#reader.watch(this.#departure.tell);
  };

  async #readHead(): Promise<RequestHead | undefined> {
    const { config, deadlines } = this.#context;
    const reader = this.#reader;
    let seen = reader.start;
    this.#idle = reader.available === 0;
    let late = false;
    const expire = () => {
      late = true;
      if (this.#idle) this.#socket.close();
      else this.#timeoutHead();
    };
    const firstMs = this.#requests === 0 ? config.timeouts.peekMs : config.timeouts.idleKeepAliveMs;
    let deadline = deadlines.set(this.#idle ? firstMs : config.timeouts.requestHeadMs, expire);
    try {
      for (;;) {
        if (reader.available > 0) {
          const head = parseRequestHead(reader.buffer, reader.start, reader.end, {
            maxTargetBytes: config.limits.maxTargetBytes,
            maxHeadBytes: Math.min(config.limits.maxHeadBytes, MAX_HEAD_BYTES),
            maxHeaders: config.limits.maxHeaders,
          }, seen);
          if (head !== null) return head;
          if (this.#idle) {
            this.#idle = false;
            deadline.lift();
            deadline = deadlines.set(config.timeouts.requestHeadMs, expire);
          }
        }
        const before = reader.start;
        seen = reader.end;
        if (!await reader.fill()) return undefined;
        seen -= before - reader.start;
        if (late) return undefined;
      }
    } finally {
      deadline.lift();
      this.#idle = false;
    }
  }

  /** A head that comes in drops: answered, then closed. */
  #timeoutHead(): void {
    this.#refuse(new PosternError("head_timeout"));
    this.#writer.flushed().then(() => this.#socket.close());
  }

  /** Whether a request is for Postern itself: the base domain, or the address of the listener. */
  #isControl(head: RequestHead): boolean {
    const { hostname } = head;
    if (hostname === this.#lastHostname) return this.#lastIsControl;
    this.#lastHostname = hostname;
    return this.#lastIsControl = isControlHost(hostname, this.#context.config);
  }

  async #serveControl(head: RequestHead, keepAlive: boolean): Promise<boolean> {
    if (head.upgrade !== null && head.target === DEFAULT_CARRIER_PATH) {
      this.#isCarrier = true;
      this.#watch.stop(); // the channel has a heartbeat of its own
      await this.#gate.accept(this.#socket, this.#reader, head);
      return false;
    }
    if (isAttach(head.target)) {
      await this.#attach(head);
      return false;
    }
    const result = await controlExchange({
      context: this.#context,
      viewer: this.#viewer(head),
      socket: this.#socket,
      reader: this.#reader,
      writer: this.#responses,
      head,
      body: BodyReader.forRequest(head),
      requestId: requestIdOf(head, this.#context),
      keepAlive,
    });
    return result === "keep" && !this.#finishing;
  }

  async #attach(head: RequestHead): Promise<void> {
    const viewer = this.#viewer(head);
    if (viewer.proxied && !this.#context.viewers.admits(viewer.ip)) throw new PosternError("address_denied");
    this.#isCarrier = true;
    this.#watch.stop(); // from here on the relay's own limits count
    const reader = this.#reader;
    const leftover = reader.buffer.slice(reader.start, reader.end);
    reader.take(reader.available);
    await this.#relay.accept(this.#socket, {
      target: head.target,
      method: head.method,
      httpVersion: `1.${head.minor}`,
      header: (name) => head.headers.has(name) ? head.headers.getAll(name).join(", ") : null,
      headers: (name) => head.headers.getAll(name),
      ip: viewer.ip,
      leftover,
    });
  }

  #viewer(head: RequestHead): Viewer {
    return this.#trusted ? viewerBehind(this.#proxies, this.#direct, head) : this.#direct;
  }

  #refuse(error: unknown): void {
    const known = errorOf(error);
    if (known.code === "connection_reset" || known.code === "connection_lost") return;
    this.#context.metrics.refusals.inc({ code: known.code, layer: "http" });
    this.#context.log(codeOf(error) === "internal_error" ? "error" : "info", "connection refused", {
      code: known.code,
      remote: this.#socket.remoteAddress,
      cause: codeOf(error) === "internal_error" && error instanceof Error ? error.stack : undefined,
    });
    this.#writer.events = NO_WRITER_EVENTS;
    // Who begins with HTTP/2 reads nothing else.
    if (known.code === "http_h2_preface") return this.#writer.write(http1Required(), 0);
    this.#writer.write(
      errorResponseOf(known, { requestId: this.#context.newRequestId(), close: true, accept: null }),
      0,
    );
  }
}

/** A head has to fit into one slab. */
const MAX_HEAD_BYTES = 65_000;
