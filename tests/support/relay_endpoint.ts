/** An endpoint of a private channel over real sockets: attaches, sends and gets records, and does nothing else to them. */
import { connectWebSocket, systemClock, systemRandom, writeAll } from "../../src/driver/mod.ts";
import { openKeyset } from "../../src/control/mod.ts";
import { composeGrantPair, type GrantPair, newChannelId } from "../../src/grants/mod.ts";
import { ATTACH_PATH, encodeAttach, readPaired, toldReason } from "../../src/relay/mod.ts";
import { openSqliteStore } from "../../src/store/mod.ts";
import type { ByteStream } from "../../src/ports/mod.ts";
import type { WebSocketFraming } from "../../src/wire/websocket/mod.ts";
import type { Stack } from "./stack.ts";

/** Grants with the edge's own signature, as its control makes them. */
export async function grantsOf(
  stack: Stack,
  facts: { tenant?: string; idleTimeoutSeconds?: number; channelId?: string; url?: string } = {},
): Promise<GrantPair> {
  const store = openSqliteStore(stack.folder.file("edge/postern.db"), { wall: Date.now, clockSkewMs: 0 });
  try {
    const keyset = await openKeyset({ store, clock: systemClock, random: systemRandom });
    return await composeGrantPair(
      {
        tunnelUrl: facts.url ?? `ws://127.0.0.1:${stack.port}${ATTACH_PATH}`,
        issuer: "https://localhost",
        audience: ["postern-edge"],
        tenant: facts.tenant ?? "owner",
        channelId: facts.channelId ?? newChannelId(systemRandom),
        psk: systemRandom(32),
        initExpireAtS: Math.floor(Date.now() / 1_000) + 120,
        idleTimeoutSeconds: facts.idleTimeoutSeconds ?? 600,
        tokenSeconds: 60,
      },
      keyset,
      { nowMs: Date.now(), random: systemRandom },
    );
  } finally {
    await store.close();
  }
}

export class RelayEndpoint implements Disposable {
  readonly #stream: ByteStream;
  readonly #framing: WebSocketFraming;
  readonly #buffer = new Uint8Array(262_144);
  readonly #scratch = new Uint8Array(65_536 + 16);
  #start = 0;
  #end = 0;

  private constructor(stream: ByteStream, framing: WebSocketFraming) {
    this.#stream = stream;
    this.#framing = framing;
  }

  /** Attaches by this grant. Whether the other half is there, {@link paired} tells. */
  static async attach(
    { tunnel_url, channel_id, role, token }: GrantPair["client"],
    caCerts: readonly string[] = [],
  ): Promise<RelayEndpoint> {
    const { stream, framing } = await connectWebSocket(tunnel_url, {
      clock: systemClock,
      random: systemRandom,
      caCerts,
    });
    const endpoint = new RelayEndpoint(stream, framing);
    await endpoint.send(encodeAttach({ channel_id, role, token }));
    return endpoint;
  }

  static async pair(
    { client, server }: GrantPair,
    caCerts: readonly string[] = [],
  ): Promise<[client: RelayEndpoint, server: RelayEndpoint]> {
    const both = await Promise.all(
      [
        RelayEndpoint.attach(client, caCerts),
        RelayEndpoint.attach(server, caCerts),
      ] as const,
    );
    await Promise.all(both.map((one) => one.paired()));
    return [both[0], both[1]];
  }

  /** Waits for the other half. @throws PosternError the code of the relay's refusal */
  async paired(): Promise<void> {
    readPaired(await this.next());
  }

  async send(record: Uint8Array): Promise<void> {
    const start = this.#framing.headerBytes;
    this.#scratch.set(record, start);
    const end = this.#framing.frame(this.#scratch, start, start + record.length);
    await writeAll(this.#stream, this.#scratch.subarray(0, end));
  }

  /** The next record; good until the one after it is asked for. @throws PosternError why the relay has closed */
  async next(): Promise<Uint8Array> {
    for (;;) {
      const result = this.#framing.next(this.#buffer, this.#start, this.#end);
      this.#start = this.#framing.nextStart;
      if (result === "message") {
        return this.#buffer.subarray(this.#framing.messageStart, this.#framing.messageEnd);
      }
      if (result === "closed") {
        throw toldReason(this.#framing.peerReason ?? "") ?? new Error(`closed: ${this.#framing.peerReason}`);
      }
      if (result === "control") continue;
      if (this.#start > this.#buffer.length / 2 || this.#start === this.#end) {
        this.#buffer.copyWithin(0, this.#start, this.#end);
        this.#end -= this.#start;
        this.#start = 0;
      }
      const read = await this.#stream.read(this.#buffer.subarray(this.#end));
      if (read === null) throw new Error("the relay ended without a word");
      this.#end += read;
    }
  }

  /** The code that the relay closes with; records before that are dropped. */
  async closed(): Promise<string> {
    try {
      for (;;) await this.next();
    } catch (error) {
      return (error as { code?: string }).code ?? String(error);
    } finally {
      this.#stream.close();
    }
  }

  [Symbol.dispose](): void {
    this.#stream.close();
  }
}
