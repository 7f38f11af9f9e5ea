/** Who was refused, put together: a node that tries again and again is a line in ten minutes, with how often it came. */

/** Time between two lines about the same node and code. */
const tellEveryMs = 600_000;
/** Different nodes and codes that are kept apart; what is over it is told by code alone. */
const maxKept = 256;
/** Refusals that are told at once: the rest is told the next time. */
export const maxToldRefusals = 16;

export interface NodeRefusal {
  /** Why; of the catalogue. */
  readonly code: string;
  /** SPIFFE id as its certificate says; nobody has proved it. */
  readonly node?: string;
  /** IP address that it came from last. */
  readonly address?: string;
  /** How often since it was told last. */
  readonly count: number;
}

interface Kept {
  refusal: Omit<NodeRefusal, "count">;
  count: number;
  toldAtMs: number;
}

export class RefusalBook {
  readonly #kept = new Map<string, Kept>();

  add(refusal: Omit<NodeRefusal, "count">): void {
    const { code, node = "" } = refusal;
    const key = `${code} ${node}`;
    let kept = this.#kept.get(key);
    if (kept === undefined && this.#kept.size >= maxKept) return this.#over(code);
    kept ??= { refusal, count: 0, toldAtMs: -Infinity };
    kept.refusal = refusal;
    kept.count++;
    this.#kept.set(key, kept);
  }

  /** Those that are to be told now. @param nowMs monotonic */
  take(nowMs: number): NodeRefusal[] {
    const due: NodeRefusal[] = [];
    for (const [key, kept] of this.#kept) {
      if (nowMs - kept.toldAtMs < tellEveryMs) continue;
      if (kept.count === 0) {
        this.#kept.delete(key);
      } else if (due.length < maxToldRefusals) {
        due.push({ ...kept.refusal, count: kept.count });
        kept.count = 0;
        kept.toldAtMs = nowMs;
      }
    }
    return due;
  }

  #over(code: string): void {
    const key = `${code} `;
    const kept = this.#kept.get(key) ?? { refusal: { code }, count: 0, toldAtMs: -Infinity };
    kept.count++;
    // One for each code of the catalogue at most.
    this.#kept.set(key, kept);
  }
}
