/**
 * One bound on what all channels of a process hold for users who have not taken it yet.
 *
 * ```
 *   0 -------------------------- pressed (3/4) ------------------- max
 *     credit as always                heavy channels get no new     the stream that holds most,
 *                                     streams, windows do not       whichever its channel, is cut
 *                                     grow, who holds much gets
 *                                     no credit
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

/** Share of what the heaviest member holds up to which one is light. */
const LIGHT_SHARE = 1 / 8;

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

  /**
   * Whether a member is to begin nothing new: under pressure one that holds a good part of what the heaviest one does. Others
   * are not the reason, and whoever is must not be able to keep them from being served. Looks at every member.
   */
  refuses(member: UnreadMember): boolean {
    if (!this.isPressed) return false;
    let most = 0;
    for (const { unread } of this.#members) if (unread > most) most = unread;
    return member.unread > most * LIGHT_SHARE;
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
