/** The last few answers of a service, for whoever watches it. Slots are reused: a request allocates nothing here. */

/** Answers that one service remembers. */
const KEPT = 16;
/** Longest path that is shown. */
const MAX_PATH_CHARS = 64;

/** One answered request. Method and path are viewers' text: show them escaped. */
export interface RecentRequest {
  readonly method: string;
  /** Without its query, which may hold secrets, and cut. */
  readonly path: string;
  readonly status: number;
  /** Until the head of the response. */
  readonly ms: number;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
}

export class RecentRequests {
  readonly #slots = Array.from(
    { length: KEPT },
    () => ({ method: "", target: "", status: 0, ms: 0, now: 0 }),
  );
  #next = 0;
  #count = 0;

  /** @param now monotonic milliseconds */
  add(method: string, target: string, status: number, ms: number, now: number): void {
    const slot = this.#slots[this.#next];
    slot.method = method;
    slot.target = target;
    slot.status = status;
    slot.ms = ms;
    slot.now = now;
    this.#next = (this.#next + 1) % KEPT;
    if (this.#count < KEPT) this.#count++;
  }

  /** Newest first. @param wallOffsetMs wall clock minus monotonic clock */
  list(wallOffsetMs: number): RecentRequest[] {
    return Array.from({ length: this.#count }, (_, back) => {
      const { method, target, status, ms, now } = this.#slots[(this.#next - 1 - back + KEPT) % KEPT];
      return {
        method,
        path: pathOf(target),
        status,
        ms: Math.round(ms * 10) / 10,
        at: Math.round(wallOffsetMs + now),
      };
    });
  }
}

function pathOf(target: string): string {
  const query = target.search(/[?#]/);
  const path = query < 0 ? target : target.slice(0, query);
  return path.length <= MAX_PATH_CHARS ? path : `${path.slice(0, MAX_PATH_CHARS - 1)}…`;
}
