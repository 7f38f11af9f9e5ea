/** One connection of a viewer to a tcp service: what comes before the origin is reached waits, then bytes cross. */
import { parseHostPort } from "../src/bytes/mod.ts";
import { type ChannelPump, StreamSplice, writeAll } from "../src/driver/mod.ts";
import type { MuxStream, StreamHandler } from "../src/mux/mod.ts";
import type { ByteStream } from "../src/ports/mod.ts";
import type { ResetReason } from "../src/wire/mod.ts";
import { proxyHeader } from "../src/wire/proxy_protocol/mod.ts";
import { EarlyBytes } from "./early_bytes.ts";
import type { Service } from "./service.ts";

export class TcpConnection implements StreamHandler {
  readonly #service: Service;
  readonly #stream: MuxStream;
  readonly #pump: Pick<ChannelPump, "retain">;
  readonly #early = new EarlyBytes();
  readonly #abort = new AbortController();

  constructor(service: Service, stream: MuxStream, pump: Pick<ChannelPump, "retain">) {
    this.#service = service;
    this.#stream = stream;
    this.#pump = pump;
    this.#run();
  }

  onData(buffer: Uint8Array, start: number, end: number): void {
    this.#early.add(buffer, start, end);
  }

  onEnd(): void {
    this.#early.ended = true;
  }

  onReset(): void {
    this.#abort.abort();
  }

  onTaken(): void {}

  async #run(): Promise<void> {
    const { pool, slabs } = this.#service;
    const connection = await pool.acquire(this.#abort.signal, true, this.#stream.opening.requestId);
    if (typeof connection === "string") return this.#refuse(connection);
    if (this.#abort.signal.aborted || !await this.#introduce(connection.socket)) return pool.drop(connection);
    const splice = new StreamSplice({
      stream: this.#stream,
      socket: connection.socket,
      slabs,
      retain: () => this.#pump.retain(),
      onBytes: (fromOrigin, toOrigin) => this.#service.countBytes(toOrigin, fromOrigin),
    });
    this.#stream.handler = splice;
    const over = splice.run();
    this.#early.handTo(splice);
    await over;
    pool.drop(connection);
  }

  /** Tells the origin who the viewer is, where it is to know. */
  async #introduce(socket: ByteStream): Promise<boolean> {
    if (this.#service.config.proxyProtocol === "off") return true;
    const { viewer, destination = "" } = this.#stream.opening;
    try {
      await writeAll(socket, proxyHeader(parseHostPort(viewer), parseHostPort(destination)));
      return !this.#abort.signal.aborted;
    } catch {
      this.#refuse("origin_reset");
      return false;
    }
  }

  #refuse(reason: ResetReason): void {
    if (this.#abort.signal.aborted) return;
    this.#service.countRefusal(reason);
    this.#stream.reset(reason);
  }
}
