/**
 * Joins a stream of a channel with a datagram socket, both ways, datagram for datagram. Nothing here ever waits: what does
 * not fit is dropped, the newest first, so that neither the channel nor another flow is held up and no queue becomes a delay.
 */
import type { MuxStream, StreamHandler } from "../mux/mod.ts";
import type { Clock } from "../ports/mod.ts";
import {
  DATAGRAM_HEADER_BYTES,
  DatagramReader,
  frameDatagram,
  MAX_DATAGRAM_BYTES,
  type ResetReason,
} from "../wire/mod.ts";
import type { DatagramRoom } from "./datagram_budget.ts";

/** Why a datagram went no further. */
export type DatagramDrop =
  | "oversize" // longer than 65,507 bytes
  | "flow_queue" // its flow has too much waiting
  | "total_queue" // all flows together have
  | "stale" // waited too long for the channel
  | "offline" // no agent serves the port now
  | "channel" // the channel took no further stream
  | "flow_rate" // too many new flows of the service in a second
  | "flow_limit" // too many flows
  | "address_limit" // too many flows of one viewer address
  | "address_denied" // the lists of the edge or of the service refuse the viewer
  | "service_rate" // the service's own rate of new flows
  | "amplification" // would answer much more than a viewer sent that may not be there
  | "unwanted" // came from somebody else than the target
  | "origin_refused" // nothing listens at the target
  | "send_failed"; // the system did not take it

/** Most that waits in one flow, each way. */
export const MAX_FLOW_DATAGRAMS = 1_024;
export const MAX_FLOW_BYTES = 262_144;
/** A datagram that waits longer for its place on the channel is of no use to most protocols: they have sent another. */
export const MAX_DATAGRAM_AGE_MS = 500;
/** What is handed to the stream at once, so that what waits behind it can still become stale. */
const BATCH_BYTES = 16_384;

/** Whose flow it is. None of its methods may throw. */
export interface DatagramFlowUser {
  /** Whether a datagram from the stream may go to the socket; who says no counts it. */
  admits(bytes: number): boolean;
  /** Gives a datagram to the socket. The bytes stay as they are. */
  send(payload: Uint8Array): Promise<unknown>;
  onSent(bytes: number): void;
  onSendError(error: unknown): void;
  onDrop(reason: DatagramDrop): void;
  /** The far side has ended the flow. */
  onOver(reason: ResetReason | undefined): void;
}

interface Waiting {
  readonly framed: Uint8Array;
  readonly since: number;
}

export class DatagramFlow implements StreamHandler {
  readonly #stream: MuxStream;
  readonly #user: DatagramFlowUser;
  readonly #budget: DatagramRoom;
  readonly #clock: Clock;
  readonly #reader = new DatagramReader();
  /** To the stream: behind what the stream has been offered. */
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #offered = 0;
  #offeredBytes = 0;
  /** To the socket, the first one being sent. */
  #sending: Uint8Array[] = [];
  #sendingBytes = 0;
  #over = false;

  constructor(options: { stream: MuxStream; user: DatagramFlowUser; budget: DatagramRoom; clock: Clock }) {
    this.#stream = options.stream;
    this.#user = options.user;
    this.#budget = options.budget;
    this.#clock = options.clock;
  }

  /** Whether it has ended, on either side. */
  get isOver(): boolean {
    return this.#over;
  }

  /** Copies a datagram of the socket for the stream, or tells the user why not. */
  push(payload: Uint8Array): void {
    if (this.#over) return;
    const bytes = payload.length;
    if (bytes > MAX_DATAGRAM_BYTES) return this.#user.onDrop("oversize");
    if (
      this.#waiting.length + this.#offered >= MAX_FLOW_DATAGRAMS ||
      this.#waitingBytes + this.#offeredBytes + bytes > MAX_FLOW_BYTES
    ) return this.#user.onDrop("flow_queue");
    if (!this.#budget.take(bytes)) return this.#user.onDrop("total_queue");
    const framed = frameDatagram(payload);
    if (this.#offered === 0) {
      this.#offered = 1;
      this.#offeredBytes = bytes;
      return this.#stream.offer(framed);
    }
    this.#waiting.push({ framed, since: this.#clock.now() });
    this.#waitingBytes += bytes;
  }

  /** Ends the flow: the stream is reset, what waits is dropped in silence. Idempotent. */
  end(reason: ResetReason): void {
    if (this.#over) return;
    this.#finish();
    this.#stream.reset(reason);
  }

  onData(buffer: Uint8Array, start: number, end: number): void {
    const heldBefore = this.#reader.held;
    try {
      this.#reader.push(buffer, start, end, this.#toSocket);
    } catch {
      // datagram_bad_length: the length of the next one is not known any more.
      this.end("internal");
      this.#user.onOver("internal");
      return;
    }
    // Credit of an unfinished datagram is kept until it is whole: what is held stays within the windows.
    if (!this.#over) this.#stream.consumed(end - start + heldBefore - this.#reader.held);
  }

  onEnd(): void {
    if (this.#over) return;
    this.end("cancelled");
    this.#user.onOver(undefined);
  }

  onReset(reason: ResetReason): void {
    if (this.#over) return;
    this.#finish();
    this.#user.onOver(reason);
  }

  onTaken(): void {
    if (this.#over) return;
    this.#budget.give(this.#offered, this.#offeredBytes);
    this.#offered = 0;
    this.#offeredBytes = 0;
    if (this.#waiting.length > 0) this.#offerNext();
  }

  #offerNext(): void {
    const oldest = this.#clock.now() - MAX_DATAGRAM_AGE_MS;
    let taken = 0;
    let batch = 0;
    for (const { framed, since } of this.#waiting) {
      if (batch >= BATCH_BYTES) break;
      taken++;
      const bytes = framed.length - DATAGRAM_HEADER_BYTES;
      this.#waitingBytes -= bytes;
      if (since < oldest) {
        this.#budget.give(1, bytes);
        this.#user.onDrop("stale");
        continue;
      }
      batch += framed.length;
      this.#offered++;
      this.#offeredBytes += bytes;
      this.#stream.offer(framed);
    }
    if (taken === this.#waiting.length) this.#waiting = [];
    else this.#waiting.splice(0, taken);
  }

  readonly #toSocket = (payload: Uint8Array): void => {
    if (this.#over) return;
    const bytes = payload.length;
    if (!this.#user.admits(bytes)) return;
    if (this.#sending.length >= MAX_FLOW_DATAGRAMS || this.#sendingBytes + bytes > MAX_FLOW_BYTES) {
      return this.#user.onDrop("flow_queue");
    }
    if (!this.#budget.take(bytes)) return this.#user.onDrop("total_queue");
    this.#sendingBytes += bytes;
    // Copied: the record's memory is used again before the system has taken it.
    if (this.#sending.push(payload.slice()) === 1) this.#sendAll();
  };

  /** One after the other: sends that are under way at the same time may overtake each other. */
  async #sendAll(): Promise<void> {
    for (;;) {
      const payload = this.#sending[0];
      if (payload === undefined) return;
      try {
        await this.#user.send(payload);
        if (!this.#over) this.#user.onSent(payload.length);
      } catch (error) {
        if (!this.#over) this.#user.onSendError(error);
      }
      if (this.#over) return;
      this.#sending.shift();
      this.#sendingBytes -= payload.length;
      this.#budget.give(1, payload.length);
    }
  }

  #finish(): void {
    this.#over = true;
    this.#budget.give(
      this.#waiting.length + this.#offered + this.#sending.length,
      this.#waitingBytes + this.#offeredBytes + this.#sendingBytes,
    );
    this.#waiting = [];
    this.#sending = [];
  }
}
