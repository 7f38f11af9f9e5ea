/**
 * Heartbeat: a PING every interval, and the peer's PONG as the only proof of life. Received data proves nothing about
 * the way back, so it does not count.
 */
export interface HeartbeatLimits {
  readonly intervalMs: number;
  /** Without an echo for this long the channel is dead. */
  readonly offlineMs: number;
}

export const HEARTBEAT_LIMITS: HeartbeatLimits = Object.freeze({ intervalMs: 10_000, offlineMs: 30_000 });

/** Most PINGs whose echo is waited for: a way back that is slower than the interval is slow, not dead. */
const MAX_OUTSTANDING = 64;

export class Heartbeat {
  readonly #limits: HeartbeatLimits;
  #sequence = 0;
  /** When each PING that is not answered was sent, oldest first. */
  readonly #sentAt = new Map<number, number>();
  #nextAt: number;
  #echoAt: number;
  #echoes = 0;
  #rttMs = 0;
  #jitterMs = 0;

  constructor(limits: HeartbeatLimits, now: number) {
    this.#limits = limits;
    this.#nextAt = now;
    this.#echoAt = now;
  }

  /** Smoothed round trip (RFC 6298 2), 0 before the first echo. */
  get rttMs(): number {
    return this.#rttMs;
  }
  get jitterMs(): number {
    return this.#jitterMs;
  }
  /** Echoes so far: 0 means that the way there and back has never been seen to work. */
  get echoes(): number {
    return this.#echoes;
  }
  /** Monotonic time of the last echo, or of the start. */
  get echoAt(): number {
    return this.#echoAt;
  }
  /** As {@link echoAt}, without the start. */
  get provenAt(): number | undefined {
    return this.#echoes > 0 ? this.#echoAt : undefined;
  }
  /** When {@link isDue} or {@link isDead} next changes. */
  get deadline(): number {
    return Math.min(this.#nextAt, this.#echoAt + this.#limits.offlineMs);
  }

  isDue(now: number): boolean {
    return now >= this.#nextAt;
  }

  isDead(now: number): boolean {
    return now - this.#echoAt >= this.#limits.offlineMs;
  }

  /** Payload of the next PING: a sequence number. */
  ping(now: number): Uint8Array {
    this.#sequence = (this.#sequence + 1) >>> 0;
    this.#sentAt.set(this.#sequence, now);
    if (this.#sentAt.size > MAX_OUTSTANDING) this.#sentAt.delete(this.#sentAt.keys().next().value!);
    this.#nextAt = now + this.#limits.intervalMs;
    const payload = new Uint8Array(8);
    new DataView(payload.buffer).setUint32(4, this.#sequence);
    return payload;
  }

  /** Takes a PONG; false when it answers no outstanding PING. Older ones are then out of the count: order is kept. */
  pong(payload: Uint8Array, now: number): boolean {
    const sequence = new DataView(payload.buffer, payload.byteOffset, 8).getUint32(4);
    const sentAt = this.#sentAt.get(sequence);
    if (sentAt === undefined) return false;
    for (const older of this.#sentAt.keys()) {
      this.#sentAt.delete(older);
      if (older === sequence) break;
    }
    const sample = Math.max(0, now - sentAt);
    this.#jitterMs = this.#echoes === 0
      ? sample / 2
      : this.#jitterMs * 0.75 + Math.abs(this.#rttMs - sample) * 0.25;
    this.#rttMs = this.#echoes === 0 ? sample : this.#rttMs * 0.875 + sample * 0.125;
    this.#echoAt = now;
    this.#echoes++;
    return true;
  }
}
