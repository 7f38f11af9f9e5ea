/**
 * One bound on what all channels of a process hold for users who have not taken it yet.
 *
 * ```
 *   0 -------------------------- pressed (3/4) ------------------- max
 *     credit as always                no new streams, windows       the stream that holds most,
 *                                     do not grow, who holds much   whichever its channel, is cut
 *                                     gets no credit
 * ```
 */

/** A channel, as the budget sees it. */
export interface UnreadMember {
  /** Bytes that it holds. */
  readonly unread: number;
  /** Cuts the stream that holds most. */
  relieve(): void;
  /** The pressure is over: credit that was withheld may go out. */
  unpressed(): void;
}

/** Share of the bound from which on nothing may grow. */
const PRESSED_SHARE = 3 / 4;

export class UnreadBudget {
  readonly #maxBytes: number;
  readonly #pressedBytes: number;
  readonly #members = new Set<UnreadMember>();
  readonly #waiting = new Set<UnreadMember>();
  #held = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#pressedBytes = maxBytes * PRESSED_SHARE;
  }

  /** Bytes that all members hold. */
  get held(): number {
    return this.#held;
  }
  get isPressed(): boolean {
    return this.#held >= this.#pressedBytes;
  }
  get isFull(): boolean {
    return this.#held > this.#maxBytes;
  }

  join(member: UnreadMember): void {
    this.#members.add(member);
  }

  /** The member is over; `bytes` are what it still held. */
  leave(member: UnreadMember, bytes: number): void {
    this.#members.delete(member);
    this.#waiting.delete(member);
    this.give(bytes);
  }

  take(bytes: number): void {
    this.#held += bytes;
  }

  give(bytes: number): void {
    this.#held -= bytes;
    if (this.#waiting.size === 0 || this.isPressed) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const member of waiting) member.unpressed();
  }

  /** Tells the member once when the pressure is over. */
  wait(member: UnreadMember): void {
    this.#waiting.add(member);
  }

  /** Cuts streams until the bound holds. */
  relieve(): void {
    while (this.isFull) {
      const before = this.#held;
      let worst: UnreadMember | undefined;
      for (const member of this.#members) {
        if (worst === undefined || member.unread > worst.unread) worst = member;
      }
      worst?.relieve();
      if (this.#held >= before) return;
    }
  }
}
