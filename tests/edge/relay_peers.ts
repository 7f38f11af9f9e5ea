/** A relay in virtual time, and endpoints that say to it what a test wants. */
import { utf8, utf8Decode } from "../../src/bytes/mod.ts";
import { edgeDefaults } from "../../src/config/mod.ts";
import { type AttachGate, type AttachRefusal, type AttachRequest, RelayGate } from "../../src/edge/mod.ts";
import { codeOf, type ErrorCode, PosternError } from "../../src/errors/mod.ts";
import type { AttachClaims } from "../../src/identity/mod.ts";
import type { ByteStream } from "../../src/ports/mod.ts";
import { ATTACH_PATH, encodeAttach, readPaired } from "../../src/relay/mod.ts";
import { createMetrics } from "../../src/telemetry/mod.ts";
import { upgradeKey, WebSocketFraming } from "../../src/wire/websocket/mod.ts";
import { memoryStreamPair } from "../support/memory_stream.ts";
import { settle as turn, VirtualClock } from "../support/virtual_clock.ts";

const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));
/** Times around the event loop until nothing moves any more. */
const turns = 30;

/** Lets everything happen that does not wait for time. */
export async function settle(): Promise<void> {
  for (let at = 0; at < turns; at++) await turn();
}

/** The virtual clock begins at this wall time. */
const startS = Date.UTC(2026, 0, 1) / 1_000;

export const channelId = "channel-0123456789";

/** Tokens by name, as an issuer would have made them; each is good once. */
export class Tokens implements AttachGate {
  readonly issued = new Map<string, AttachClaims>();
  readonly spent = new Set<string>();
  /** What spending waits for. */
  gate: Promise<void> = Promise.resolve();
  /** What the store throws, when it is away. */
  failure: Error | undefined;
  verified = 0;

  issue(claims: Partial<AttachClaims> & Pick<AttachClaims, "role">): string {
    const jti = `${claims.role}-token-${this.issued.size}-padding`;
    this.issued.set(jti, {
      iss: "control",
      aud: ["edge"],
      iat: startS,
      exp: startS + 60,
      jti,
      channel_id: channelId,
      init_exp: startS + 120,
      idle_timeout: 60,
      tenant: "owner",
      ...claims,
    });
    return jti;
  }

  // deno-lint-ignore require-await -- what throws here is a rejection for who waits
  async verify(token: string): Promise<AttachClaims> {
    this.verified++;
    const claims = this.issued.get(token);
    if (claims === undefined) throw new PosternError("token_bad_signature");
    return claims;
  }

  async check(): Promise<void> {}

  async spend({ jti }: AttachClaims): Promise<void> {
    await this.gate;
    if (this.failure !== undefined) throw this.failure;
    if (this.spent.has(jti)) throw new PosternError("token_replayed");
    this.spent.add(jti);
  }
}

export interface RelaySetup {
  readonly settings?: Record<string, string>;
  readonly bufferBytes?: number;
}

export class RelayFixture {
  readonly clock = new VirtualClock();
  readonly tokens = new Tokens();
  readonly metrics = createMetrics();
  readonly logged: { readonly event: string; readonly fields: Record<string, unknown> }[] = [];
  readonly refused: AttachRefusal[] = [];
  readonly gate: RelayGate;
  readonly #bufferBytes: number;

  constructor({ settings = {}, bufferBytes = 65_536 }: RelaySetup = {}) {
    this.#bufferBytes = bufferBytes;
    this.gate = new RelayGate({
      config: edgeDefaults({ state_directory: "/nonexistent", ...settings }).relay,
      edgeId: "edge-1",
      attaches: this.tokens,
      clock: this.clock,
      log: (_level, event, fields = {}) => void this.logged.push({ event, fields }),
      metrics: this.metrics,
      onRefused: (refusal) => void this.refused.push(refusal),
    });
  }

  /** An endpoint that has sent its upgrade. */
  connect(
    { headers = [], target = ATTACH_PATH, address = "192.0.2.1", leftover = new Uint8Array(0) }: {
      headers?: [string, string][];
      target?: string;
      address?: string;
      leftover?: Uint8Array;
    } = {},
  ): RelayPeer {
    const [near, far] = memoryStreamPair({
      bufferBytes: this.#bufferBytes,
      addresses: [`${address}:1`, `${address}:2`],
    });
    const all: [string, string][] = [
      ["host", "edge.test"],
      ["upgrade", "websocket"],
      ["connection", "Upgrade"],
      ["sec-websocket-version", "13"],
      ["sec-websocket-key", upgradeKey(random)],
      ["sec-websocket-protocol", "postern.v1"],
      ...headers,
    ];
    const of = (name: string) => all.filter(([key]) => key === name).map(([, value]) => value);
    const request: AttachRequest = {
      method: "GET",
      httpVersion: "1.1",
      target,
      ip: address,
      leftover,
      headers: of,
      header: (name) => of(name).length === 0 ? null : of(name).join(", "),
    };
    const peer = new RelayPeer(far);
    this.gate.accept(near, request).then(
      () => peer.over = "served",
      (error) => {
        peer.over = codeOf(error);
        near.close();
      },
    );
    return peer;
  }

  /** An endpoint with a token of this role, in the header or the first record. */
  async attach(
    role: "client" | "server",
    claims: Partial<AttachClaims> = {},
    by: "header" | "record" = "record",
  ): Promise<RelayPeer> {
    const token = this.tokens.issue({ role, ...claims });
    const peer = by === "header"
      ? this.connect({ headers: [["authorization", `Bearer ${token}`]] })
      : this.connect();
    await settle();
    if (by === "record") {
      await peer.send(encodeAttach({ channel_id: claims.channel_id ?? channelId, role, token }));
    }
    await settle();
    return peer;
  }

  async pair(claims: Partial<AttachClaims> = {}): Promise<[client: RelayPeer, server: RelayPeer]> {
    const client = await this.attach("client", claims);
    const server = await this.attach("server", claims, "header");
    await settle();
    return [client, server];
  }

  async pass(ms: number): Promise<void> {
    await this.clock.advanceAsync(ms);
    await settle();
  }

  async metric(name: string): Promise<string> {
    this.gate.observe();
    const page = await this.metrics.registry.metrics();
    return page.split("\n").filter((line) => line.startsWith(name)).join("\n");
  }
}

export class RelayPeer {
  readonly stream: ByteStream;
  readonly framing = WebSocketFraming.client(random);
  /** How serving it ended: `served`, or the code of the refusal before the upgrade. */
  over: ErrorCode | "served" | undefined;
  status = 0;
  readonly received: Uint8Array[] = [];
  /** The edge has ended its side. */
  ended = false;
  /** False: it takes nothing. */
  reads = true;
  #resume = () => {};
  #wire = new Uint8Array(0);

  constructor(stream: ByteStream) {
    this.stream = stream;
    this.#read();
  }

  /** The word of the edge's close frame. */
  get reason(): string | undefined {
    return this.framing.peerReason;
  }
  get isPaired(): boolean {
    return this.received.length > 0 && readPaired(this.received[0]).type === "paired";
  }
  /** What came behind the relay's own record. */
  get records(): Uint8Array[] {
    return this.received.slice(1);
  }
  get texts(): string[] {
    return this.records.map((record) => utf8Decode(record));
  }

  /** Wire bytes of one binary message. */
  frame(payload: Uint8Array): Uint8Array {
    const buffer = new Uint8Array(payload.length + 16);
    buffer.set(payload, 16);
    const end = this.framing.frame(buffer, 16, 16 + payload.length);
    return buffer.slice(16 - this.framing.headerBytes, end);
  }

  async send(payload: Uint8Array | string): Promise<void> {
    await this.raw(this.frame(typeof payload === "string" ? utf8(payload) : payload));
  }

  async raw(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.stream.write(bytes.subarray(at));
  }

  /** Says goodbye as an endpoint does. */
  async close(): Promise<void> {
    await this.raw(this.framing.closing(1000, ""));
    await this.stream.closeWrite();
    await settle();
  }

  resume(): void {
    this.reads = true;
    this.#resume();
  }

  async #read(): Promise<void> {
    const chunk = new Uint8Array(8_192);
    for (;;) {
      if (!this.reads) await new Promise<void>((resolve) => this.#resume = resolve);
      const read = await this.stream.read(chunk);
      if (read === null) break;
      const wire = new Uint8Array(this.#wire.length + read);
      wire.set(this.#wire);
      wire.set(chunk.subarray(0, read), this.#wire.length);
      this.#wire = wire;
      this.#parse();
    }
    this.ended = true;
  }

  #parse(): void {
    if (this.status === 0) {
      const text = new TextDecoder("latin1").decode(this.#wire);
      const end = text.indexOf("\r\n\r\n");
      if (end < 0) return;
      this.status = Number(text.slice(9, 12));
      this.#wire = this.#wire.slice(end + 4);
    }
    let start = 0;
    for (;;) {
      const result = this.framing.next(this.#wire, start, this.#wire.length);
      if (result === "incomplete" || result === "closed") break;
      start = this.framing.nextStart;
      if (result === "message") {
        this.received.push(this.#wire.slice(this.framing.messageStart, this.framing.messageEnd));
      }
    }
    this.#wire = this.#wire.slice(start);
  }
}
