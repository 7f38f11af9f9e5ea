/** A relay in memory that joins the two endpoints of each channel by its id, sees what passes, and may break it off. */
import { concat } from "../../src/bytes/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import type { ChannelInitGrant } from "../../src/grants/mod.ts";
import type { ByteStream } from "../../src/ports/mod.ts";
import { MAX_RECORD_BYTES } from "../../src/wire/mod.ts";
import { WebSocketFraming } from "../../src/wire/websocket/mod.ts";
import type { Carrier } from "../../agent/session.ts";
import { memoryStreamPair } from "./memory_stream.ts";
import { systemRandom } from "./private_pair.ts";

const BUFFER_BYTES = 262_144;

interface Half {
  readonly stream: ByteStream;
  readonly framing: WebSocketFraming;
}

export class MemoryRelay {
  /** Every record that passed. */
  readonly passed: Uint8Array[] = [];
  readonly spent = new Set<string>();
  #waiting = new Map<
    string,
    { readonly role: string; readonly join: (other: Half) => void; readonly half: Half }
  >();
  readonly #halves = new Set<Half>();
  /** What becomes of a record. */
  change: (record: Uint8Array) => Uint8Array | undefined = (record) => record;

  /** For `PrivateParts.connect`. Resolves when both endpoints have come. */
  readonly connect = async (grant: ChannelInitGrant, signal: AbortSignal): Promise<Carrier> => {
    if (this.spent.has(grant.token)) throw new PosternError("token_replayed");
    this.spent.add(grant.token);
    const [stream, ours] = memoryStreamPair({ bufferBytes: BUFFER_BYTES });
    const half: Half = {
      stream: ours,
      framing: WebSocketFraming.server({ maxMessageBytes: MAX_RECORD_BYTES }),
    };
    const id = grant.channel_id;
    const other = this.#waiting.get(id);
    if (other !== undefined && other.role !== grant.role) {
      this.#waiting.delete(id);
      other.join(half);
      this.#pass(half, other.half);
    } else {
      await new Promise<void>((resolve, reject) => {
        signal.addEventListener("abort", () => reject(new PosternError("connect_aborted")), { once: true });
        this.#waiting.set(id, {
          role: grant.role,
          half,
          join: (late) => {
            this.#pass(half, late);
            resolve();
          },
        });
      });
    }
    return {
      stream,
      framing: WebSocketFraming.client(systemRandom, { maxMessageBytes: MAX_RECORD_BYTES }),
      leftover: new Uint8Array(0),
    };
  };

  /** All channels break off; with words as a relay has them, in order. */
  async cut(words?: string): Promise<void> {
    const halves = [...this.#halves];
    this.#halves.clear();
    for (const { stream, framing } of halves) {
      if (words !== undefined) await stream.write(framing.closing(1001, words));
      stream.close();
    }
  }

  holds(marker: Uint8Array): boolean {
    return concat(...this.passed).toHex().includes(marker.toHex());
  }

  async #pass(from: Half, to: Half): Promise<void> {
    this.#halves.add(from);
    const buffer = new Uint8Array(BUFFER_BYTES);
    let end = 0;
    try {
      for (;;) {
        let start = 0;
        for (;;) {
          const result = from.framing.next(buffer, start, end);
          if (result === "incomplete") break;
          if (result === "closed") return;
          start = from.framing.nextStart;
          if (result !== "message") continue;
          const record = this.change(buffer.slice(from.framing.messageStart, from.framing.messageEnd));
          if (record === undefined) continue;
          this.passed.push(record);
          const out = new Uint8Array(to.framing.headerBytes + record.length);
          out.set(record, to.framing.headerBytes);
          const outEnd = to.framing.frame(out, to.framing.headerBytes, out.length);
          for (let at = 0; at < outEnd;) at += await to.stream.write(out.subarray(at, outEnd));
        }
        buffer.copyWithin(0, start, end);
        end -= start;
        const read = await from.stream.read(buffer.subarray(end));
        if (read === null) return;
        end += read;
      }
    } catch {
      // One end is gone: so is the channel.
    } finally {
      from.stream.close();
      to.stream.close();
    }
  }
}
