/**
 * The frame of RFC 6455, section 5.2. This block is what both ends of the carrier speak.
 *
 * ```
 *  0               1               2               3
 *  0 1 2 3 4 5 6 7 0 1 2 3 4 5 6 7 0 1 2 3 4 5 6 7 0 1 2 3 4 5 6 7
 * +-+-+-+-+-------+-+-------------+-------------------------------+
 * |F|R|R|R| opcode|M| length < 126|  126: 16-bit length           |
 * |I|S|S|S|  (4)  |A|     (7)     |  127: 64-bit length           |
 * |N|V|V|V|       |S|             |  (both big-endian, minimal)   |
 * +-+-+-+-+-------+-+-------------+-------------------------------+
 * | mask key, 4 bytes, only from client to server                 |
 * +---------------------------------------------------------------+
 * ```
 */
export const Opcode = {
  /** Goes on with a fragmented message. */
  continuation: 0x0,
  /** UTF-8 text: refused by this carrier with close code 1003. */
  text: 0x1,
  /** One record, or the first fragment of it. */
  binary: 0x2,
  /** Payload: nothing, or a 16-bit close code and a UTF-8 reason. */
  close: 0x8,
  /** Payload is to be echoed in a pong. */
  ping: 0x9,
  /** Answer to a ping; unsolicited ones are ignored. */
  pong: 0xa,
} as const;

/** First byte: last fragment of a message. */
export const FIN_BIT = 0x80;
/** First byte: bits that only an extension gives a meaning; none is negotiated here. */
export const RESERVED_BITS = 0x70;
/** First byte: the opcodes from 8 on are control frames. */
export const CONTROL_BIT = 0x08;
/** Second byte: a mask key follows the length. */
export const MASK_BIT = 0x80;
/** Bytes of a mask key. */
export const MASK_KEY_BYTES = 4;
/** Longest payload of a control frame (RFC 6455 5.5). */
export const MAX_CONTROL_BYTES = 125;
/** Longest reason of a close frame: a control payload less its code. */
export const MAX_CLOSE_REASON_BYTES = MAX_CONTROL_BYTES - 2;

/** Longest message unless configured otherwise: the longest whose length takes two bytes. */
export const DEFAULT_MAX_MESSAGE_BYTES = 65_535;

/**
 * What a receive buffer must hold beyond the longest message so that parsing always gets on: an assembled message
 * with a masked control frame (2 + 4 + 125 bytes) between its fragments.
 */
export const RECEIVE_OVERHEAD_BYTES = 2 + MASK_KEY_BYTES + MAX_CONTROL_BYTES;

/** Bytes of the minimal length header in front of a payload, without mask key. */
export function lengthHeaderBytes(payloadBytes: number): 2 | 4 | 10 {
  return payloadBytes < 126 ? 2 : payloadBytes < 65_536 ? 4 : 10;
}

/** Writes first byte, mask bit and minimal length at `at`; returns the offset behind them. */
export function writeHeader(
  buffer: Uint8Array,
  at: number,
  firstByte: number,
  maskBit: number,
  payloadBytes: number,
): number {
  buffer[at] = firstByte;
  if (payloadBytes < 126) {
    buffer[at + 1] = maskBit | payloadBytes;
    return at + 2;
  }
  if (payloadBytes < 65_536) {
    buffer[at + 1] = maskBit | 126;
    buffer[at + 2] = payloadBytes >>> 8;
    buffer[at + 3] = payloadBytes;
    return at + 4;
  }
  buffer[at + 1] = maskBit | 127;
  const high = Math.floor(payloadBytes / 0x1_0000_0000);
  for (let i = 0; i < 4; i++) {
    buffer[at + 2 + i] = high >>> (24 - 8 * i);
    buffer[at + 6 + i] = payloadBytes >>> (24 - 8 * i);
  }
  return at + 10;
}

/** The mask key of the four bytes at `at`: its lowest bits mask the first byte. */
export function readMaskKey(buffer: Uint8Array, at: number): number {
  return (buffer[at] | buffer[at + 1] << 8 | buffer[at + 2] << 16 | buffer[at + 3] << 24) >>> 0;
}

/** Inverse of {@link readMaskKey}; returns the offset behind the key. */
export function writeMaskKey(buffer: Uint8Array, at: number, key: number): number {
  buffer[at] = key;
  buffer[at + 1] = key >>> 8;
  buffer[at + 2] = key >>> 16;
  buffer[at + 3] = key >>> 24;
  return at + MASK_KEY_BYTES;
}
