import { type ErrorCode, PosternError } from "../../errors/mod.ts";
import type { FramingResult, MessageFraming, Random } from "../../ports/mod.ts";
import { CloseCode, closePayload, type CloseStatus, readClose } from "./close.ts";
import { createMask, type Mask, MaskKeys } from "./mask.ts";
import {
  CONTROL_BIT,
  DEFAULT_MAX_MESSAGE_BYTES,
  FIN_BIT,
  lengthHeaderBytes,
  MASK_BIT,
  MASK_KEY_BYTES,
  MAX_CONTROL_BYTES,
  Opcode,
  readMaskKey,
  RECEIVE_OVERHEAD_BYTES,
  RESERVED_BITS,
  writeHeader,
  writeMaskKey,
} from "./opcode.ts";

/** What both roles may be given. */
export interface FramingOptions {
  /** Longest message that is sent or accepted, in bytes; {@link DEFAULT_MAX_MESSAGE_BYTES} unless given. */
  readonly maxMessageBytes?: number;
  /** Masks in place; {@link createMask} unless given. */
  readonly mask?: Mask;
}

const empty = new Uint8Array(0);

/**
 * RFC 6455 framing of binary messages, in place in the caller's buffer; no IO, no time.
 *
 * Fragments are put together where they lie: after each batch of them the part of the message that is already there
 * is moved up against the bytes that are not parsed yet, `next` returns `control`, and parsing goes on at `nextStart`
 * with that part in front. So a buffer of {@link WebSocketFraming.receiveBufferBytes} is always enough.
 *
 * Take the reply after every result and after a throw: it may hold a pong, the echo of a close, or the close frame
 * that tells the peer what it did wrong. Only the latest pong is kept (RFC 6455 5.5.3 allows it), so pings cannot pile up.
 */
export class WebSocketFraming implements MessageFraming {
  readonly headerBytes: number;
  readonly maxMessageBytes: number;
  readonly #mask: Mask;
  /** Present in a client, which masks what it sends; a server unmasks what it receives. */
  readonly #keys: MaskKeys | null;

  #messageStart = 0;
  #messageEnd = 0;
  #nextStart = 0;

  // The header that was read last.
  #final = false;
  #opcode = 0;
  #payloadBytes = 0;
  #key = 0;

  /** Between the first and the last fragment of a message. */
  #fragmented = false;
  /** Bytes of the fragmented message that lie in front of what is to be parsed. */
  #assembledBytes = 0;

  #reply: Uint8Array | null = null;
  #closeSent = false;
  #closeReceived: CloseStatus | null = null;
  #violation: PosternError | null = null;

  private constructor(keys: MaskKeys | null, options: FramingOptions) {
    const maxMessageBytes = options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES;
    if (!Number.isSafeInteger(maxMessageBytes) || maxMessageBytes < 1 || maxMessageBytes > 0x7fff_ffff) {
      throw new RangeError(`Cannot frame messages of up to ${maxMessageBytes} bytes: not in 1 to 2^31-1`);
    }
    this.maxMessageBytes = maxMessageBytes;
    this.headerBytes = lengthHeaderBytes(maxMessageBytes) + (keys ? MASK_KEY_BYTES : 0);
    this.#keys = keys;
    this.#mask = options.mask ?? createMask();
  }

  /** The end that asked for the upgrade: masks with keys from `random`, refuses masked frames. */
  static client(random: Random, options: FramingOptions = {}): WebSocketFraming {
    return new WebSocketFraming(new MaskKeys(random), options);
  }

  /** The end that granted the upgrade: sends unmasked, refuses unmasked frames. */
  static server(options: FramingOptions = {}): WebSocketFraming {
    return new WebSocketFraming(null, options);
  }

  /** Bytes of a receive buffer in which `next` can always get on. */
  get receiveBufferBytes(): number {
    return this.maxMessageBytes + RECEIVE_OVERHEAD_BYTES;
  }

  get messageStart(): number {
    return this.#messageStart;
  }

  get messageEnd(): number {
    return this.#messageEnd;
  }

  get nextStart(): number {
    return this.#nextStart;
  }

  get peerReason(): string | undefined {
    return this.#closeReceived?.reason;
  }

  /** What the peer's close frame said, or null while none has come; the reason is peer text. */
  get peerClose(): CloseStatus | null {
    return this.#closeReceived;
  }

  /**
   * See the port. Throws RangeError for a message over the limit or without headroom (a fault of the caller), and
   * `websocket_closed` when a close frame was sent already (RFC 6455 5.5.1).
   */
  frame(buffer: Uint8Array, start: number, end: number): number {
    const bytes = end - start;
    const at = start - this.headerBytes;
    if (bytes < 0 || bytes > this.maxMessageBytes || at < 0 || end > buffer.length) {
      throw new RangeError(`Cannot frame a message at [${start}, ${end}): too long or outside the buffer`);
    }
    if (this.#closeSent) {
      throw new PosternError("websocket_closed", "Cannot send a message: the WebSocket is closing");
    }
    const keys = this.#keys;
    let body = writeHeader(buffer, at, FIN_BIT | Opcode.binary, keys ? MASK_BIT : 0, bytes);
    if (keys === null) {
      if (body !== start) buffer.copyWithin(body, start, end);
      return body + bytes;
    }
    const key = keys.next();
    body = writeMaskKey(buffer, body, key);
    if (body !== start) buffer.copyWithin(body, start, end);
    this.#mask(buffer, body, body + bytes, key);
    return body + bytes;
  }

  /**
   * See the port; `[start, end)` must begin where the last result said (`nextStart`, or the same `start` after
   * `incomplete`), though the bytes may have been moved within or between buffers in the meantime.
   * `nextStart` is set by every result. After a throw every further call throws the same error.
   */
  next(buffer: Uint8Array, start: number, end: number): FramingResult {
    if (this.#violation) throw this.#violation;
    if (this.#closeReceived) {
      this.#nextStart = end;
      return "closed";
    }
    const first = start + this.#assembledBytes;
    let assembledEnd = first;
    let at = first;
    let tookControl = false;
    for (;;) {
      const headerBytes = this.#readHeader(buffer, at, end, assembledEnd - start);
      if (headerBytes === 0) break;
      const payloadStart = at + headerBytes;
      const payloadEnd = payloadStart + this.#payloadBytes;
      if (payloadEnd > end) break;
      const control = (this.#opcode & CONTROL_BIT) !== 0;
      // The reply to a control frame goes out before the message that was finished after it.
      if (tookControl && !control && this.#final) break;
      if (this.#keys === null) this.#mask(buffer, payloadStart, payloadEnd, this.#key);
      if (control) {
        this.#takeControl(buffer, payloadStart, payloadEnd);
        if (this.#closeReceived) {
          this.#nextStart = payloadEnd;
          return "closed";
        }
        tookControl = true;
        at = payloadEnd;
        if (!this.#fragmented) break;
        continue;
      }
      if (this.#final && !this.#fragmented) {
        this.#messageStart = payloadStart;
        this.#messageEnd = this.#nextStart = payloadEnd;
        return "message";
      }
      buffer.copyWithin(assembledEnd, payloadStart, payloadEnd);
      assembledEnd += this.#payloadBytes;
      at = payloadEnd;
      this.#fragmented = !this.#final;
      if (this.#final) {
        this.#assembledBytes = 0;
        this.#messageStart = start;
        this.#messageEnd = assembledEnd;
        this.#nextStart = payloadEnd;
        return "message";
      }
    }
    if (at === first) {
      this.#nextStart = start;
      return "incomplete";
    }
    this.#assembledBytes = assembledEnd - start;
    this.#nextStart = at - this.#assembledBytes;
    if (this.#assembledBytes > 0) buffer.copyWithin(this.#nextStart, start, assembledEnd);
    return "control";
  }

  takeReply(): Uint8Array | null {
    const reply = this.#reply;
    this.#reply = null;
    return reply;
  }

  /**
   * Wire bytes of a close frame, empty when one was taken before; a close that is still owed (an echo, or the answer
   * to a violation) is returned instead. The reason is cut at 123 bytes. RangeError for a code not allowed on the wire.
   */
  closing(code: number, reason: string): Uint8Array {
    if (!this.#closeSent) this.#sendClose(closePayload(code, reason));
    return this.takeReply() ?? empty;
  }

  /** Reads and checks one header; returns its bytes, or 0 when more are needed. Refuses as early as a byte shows it. */
  #readHeader(buffer: Uint8Array, at: number, end: number, assembledBytes: number): number {
    if (at >= end) return 0;
    const firstByte = buffer[at];
    if ((firstByte & RESERVED_BITS) !== 0) {
      this.#refuse("websocket_reserved_bits", CloseCode.protocolError, "a reserved bit is set");
    }
    const opcode = firstByte & 0x0f;
    this.#opcode = opcode;
    this.#final = (firstByte & FIN_BIT) !== 0;
    const control = (opcode & CONTROL_BIT) !== 0;
    if (control) this.#checkControl(opcode);
    else this.#checkData(opcode);

    if (at + 2 > end) return 0;
    const secondByte = buffer[at + 1];
    const masked = (secondByte & MASK_BIT) !== 0;
    const fromClient = this.#keys === null;
    if (masked !== fromClient) this.#refuseMask(masked);
    let bytes = secondByte & 0x7f;
    let body = at + 2;
    if (bytes >= 126) {
      if (control) {
        this.#refuse(
          "websocket_control_invalid",
          CloseCode.protocolError,
          "a control frame is over 125 bytes",
        );
      }
      const wide = bytes === 127;
      body += wide ? 8 : 2;
      if (body > end) return 0;
      bytes = wide ? readUint64(buffer, at + 2) : buffer[at + 2] << 8 | buffer[at + 3];
      if (bytes < (wide ? 65_536 : 126) || (wide && buffer[at + 2] >= 0x80)) {
        this.#refuse(
          "websocket_length_invalid",
          CloseCode.protocolError,
          "a length is not in its shortest form",
        );
      }
    }
    if (!control && assembledBytes + bytes > this.maxMessageBytes) {
      this.#refuse("websocket_message_too_large", CloseCode.tooLarge, "a message is longer than accepted");
    }
    this.#payloadBytes = bytes;
    if (masked) {
      if (body + MASK_KEY_BYTES > end) return 0;
      this.#key = readMaskKey(buffer, body);
      body += MASK_KEY_BYTES;
    }
    return body - at;
  }

  #checkControl(opcode: number): void {
    if (opcode > Opcode.pong) this.#refuseOpcode();
    if (!this.#final) {
      this.#refuse("websocket_control_invalid", CloseCode.protocolError, "a control frame is fragmented");
    }
  }

  #checkData(opcode: number): void {
    if (opcode > Opcode.binary) this.#refuseOpcode();
    if ((opcode === Opcode.continuation) !== this.#fragmented) {
      this.#refuse(
        "websocket_fragment_unexpected",
        CloseCode.protocolError,
        this.#fragmented
          ? "a message begins before the last one has ended"
          : "a fragment continues no message",
      );
    }
    if (opcode === Opcode.text) {
      this.#refuse("websocket_text_refused", CloseCode.unsupportedData, "it sent text");
    }
  }

  #takeControl(buffer: Uint8Array, start: number, end: number): void {
    if (this.#opcode === Opcode.pong) return;
    if (this.#opcode === Opcode.ping) {
      // No frame may follow our close frame, which may itself still be waiting in #reply.
      if (!this.#closeSent) this.#reply = this.#controlFrame(Opcode.pong, buffer.subarray(start, end));
      return;
    }
    const status = readClose(buffer.subarray(start, end));
    if (status === "reason") {
      this.#refuse("websocket_close_invalid", CloseCode.invalidPayload, "a close reason is not UTF-8");
    }
    if (status === "length" || status === "code") {
      this.#refuse(
        "websocket_close_invalid",
        CloseCode.protocolError,
        `a close frame has an invalid ${status}`,
      );
    }
    this.#closeReceived = status;
    if (!this.#closeSent) {
      this.#sendClose(status.code === CloseCode.none ? empty : closePayload(status.code, ""));
    }
  }

  #sendClose(payload: Uint8Array): void {
    this.#reply = this.#controlFrame(Opcode.close, payload);
    this.#closeSent = true;
  }

  #controlFrame(opcode: number, payload: Uint8Array): Uint8Array {
    const frame = new Uint8Array(
      2 + (this.#keys ? MASK_KEY_BYTES : 0) + Math.min(payload.length, MAX_CONTROL_BYTES),
    );
    let body = writeHeader(frame, 0, FIN_BIT | opcode, this.#keys ? MASK_BIT : 0, payload.length);
    if (this.#keys === null) {
      frame.set(payload, body);
      return frame;
    }
    const key = this.#keys.next();
    body = writeMaskKey(frame, body, key);
    frame.set(payload, body);
    controlMask(frame, body, frame.length, key);
    return frame;
  }

  #refuseMask(masked: boolean): never {
    if (masked) {
      this.#refuse("websocket_mask_unexpected", CloseCode.protocolError, "a server's frame is masked");
    }
    this.#refuse("websocket_mask_missing", CloseCode.protocolError, "a client's frame is not masked");
  }

  #refuseOpcode(): never {
    this.#refuse(
      "websocket_opcode_unknown",
      CloseCode.protocolError,
      "a frame has an opcode that is reserved",
    );
  }

  #refuse(code: ErrorCode, closeCode: number, state: string): never {
    this.#violation = new PosternError(code, `Cannot read from the WebSocket peer: ${state}`, {
      detail: { close_code: closeCode },
    });
    if (!this.#closeSent) this.#sendClose(closePayload(closeCode, code));
    throw this.#violation;
  }
}

/** Replies are small and lie outside the caller's buffer: the injected mask may only know that one. */
const controlMask = createMask();

/** A 64-bit big-endian length; exact below 2^53, which is far over any limit. */
function readUint64(buffer: Uint8Array, at: number): number {
  let value = 0;
  for (let i = 0; i < 8; i++) value = value * 256 + buffer[at + i];
  return value;
}
