/** Re-authentication as a part of one channel: messages in and out, records behind which keys change. */
import type { SealingCore } from "../ports/mod.ts";
import { FRAME_HEADER_BYTES, FrameType, RECORD_HEADER_BYTES, writeFrameHeader } from "../wire/mod.ts";
import type { ChannelEvents } from "./events.ts";
import { type KeyedMessage, ReauthAnswerer, ReauthAsker } from "./reauth.ts";
import type { RecordLayer } from "./record_layer.ts";

export class Revalidation {
  readonly #machine: ReauthAsker | ReauthAnswerer;
  readonly #records: RecordLayer;
  readonly #events: ChannelEvents;
  readonly #stepMs: number;
  /** Goes out next, in a record of its own. */
  #keyed: KeyedMessage | undefined;
  /** Time for the answer to a question that waits for {@link Revalidation.#keyed} to go out. */
  #askGraceMs: number | undefined;

  /** @param stepMs time for the judgement of an answer */
  constructor(
    options: {
      machine: ReauthAsker | ReauthAnswerer;
      records: RecordLayer;
      events: ChannelEvents;
      stepMs: number;
    },
  ) {
    this.#machine = options.machine;
    this.#records = options.records;
    this.#events = options.events;
    this.#stepMs = options.stepMs;
  }

  get isOpen(): boolean {
    return this.#machine.isOpen;
  }
  /** Monotonic time at which somebody is late. */
  get deadline(): number {
    return this.#machine.deadline;
  }
  get hasOutput(): boolean {
    return this.#keyed !== undefined;
  }

  /**
   * The edge's question, to be sent as it is. "later": the last verdict has to go out before it, and {@link sealed} has the
   * question then. @throws PosternError `reauth_overlap`
   */
  ask(graceMs: number, now: number): Uint8Array | "later" | undefined {
    if (!(this.#machine instanceof ReauthAsker)) return undefined;
    if (this.#keyed === undefined) return this.#machine.ask(graceMs, now);
    this.#askGraceMs = graceMs;
    return "later";
  }

  /** The edge is content. */
  settle(nextMs: number | undefined): void {
    if (this.#machine instanceof ReauthAsker) this.#keyed = this.#machine.settle(nextMs);
  }

  /** The agent's answer. The edge judges for one step; its verdict may be as long under way. */
  answer(token: string, now: number): void {
    if (this.#machine instanceof ReauthAnswerer) {
      this.#keyed = this.#machine.answer(token, 2 * this.#stepMs, now);
    }
  }

  /** Takes a CONTROL message; returns what is to be told of it. @throws PosternError as the machines do */
  receive(payload: Uint8Array, now: number): () => void {
    const machine = this.#machine;
    if (machine instanceof ReauthAsker) {
      const { proof, key } = machine.readProof(payload, this.#stepMs, now);
      this.#records.replaceReceiveKey(key, now);
      return () => this.#events.onReauthProof!(proof);
    }
    const said = machine.read(payload);
    if ("challenge" in said) return () => this.#events.onReauth!(said.challenge);
    this.#records.replaceReceiveKey(said.key, now);
    return () => this.#events.onReauthenticated?.(said.nextMs);
  }

  /** Writes the waiting message as the body of a record of its own, and returns its end; `start` when it does not fit. */
  fill(core: SealingCore, start: number, bodyLimit: number): number {
    const { payload } = this.#keyed!;
    const body = start + RECORD_HEADER_BYTES;
    const bodyEnd = body + FRAME_HEADER_BYTES + payload.length;
    if (bodyEnd > bodyLimit) return body;
    writeFrameHeader(core.memory, body, FrameType.control, 0, payload.length, 0);
    core.memory.set(payload, body + FRAME_HEADER_BYTES);
    return bodyEnd;
  }

  /** The record that {@link fill} has begun is sealed: what follows is under the new key. The question that waited for it. */
  sealed(now: number): Uint8Array | undefined {
    this.#records.replaceSendKey(this.#keyed!.key, now);
    this.#keyed = undefined;
    const graceMs = this.#askGraceMs;
    this.#askGraceMs = undefined;
    return graceMs !== undefined && this.#machine instanceof ReauthAsker
      ? this.#machine.ask(graceMs, now)
      : undefined;
  }

  /** The channel ends: nothing of this is said any more. */
  wipe(): void {
    this.#machine.wipe();
    this.#keyed?.key.fill(0);
    this.#keyed = undefined;
  }
}
