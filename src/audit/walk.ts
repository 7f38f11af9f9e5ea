/** Follows the chain from line to line, and says where it breaks. */
import type { AuditCheckpoint, AuditLine } from "../ports/mod.ts";
import { auditHash, type AuditHasher, genesisHash } from "./hash.ts";

/** Where the chain does not hold, and what does not fit there. */
export interface AuditFault {
  /** Of the first line that does not fit; one past the last line when that is what is missing. */
  readonly id: number;
  readonly what:
    /** The line is not as it was written. */
    | "edited"
    /** Lines before this one are not there, or it stands in another place than it was written at. */
    | "gap"
    /** The line that was noted at another time is not there, or was another one. */
    | "checkpoint"
    /** The log goes on behind the last line that is there. */
    | "cut_off";
}

export interface AuditSummary {
  readonly lines: number;
  /** 0 when there are no lines. */
  readonly firstId: number;
  readonly lastId: number;
  /** Hash of the last line: note it elsewhere to be sure of all lines up to it. */
  readonly head: string;
  /** Whether lines are missing before the first, as when the oldest were let go. The chain vouches from the first on. */
  readonly isShortened: boolean;
}

export class AuditWalk {
  readonly #hasher: AuditHasher;
  readonly #checkpoint: AuditCheckpoint | undefined;
  #first: AuditLine | undefined;
  #last: AuditLine | undefined;
  #lines = 0;
  #wasAtCheckpoint = false;

  constructor(hasher: AuditHasher, checkpoint?: AuditCheckpoint) {
    this.#hasher = hasher;
    this.#checkpoint = checkpoint;
  }

  /** Takes the next line, oldest first; after a fault no more are taken. */
  take(line: AuditLine): AuditFault | undefined {
    const last = this.#last;
    if (last !== undefined && (line.id !== last.id + 1 || line.previous !== last.hash)) {
      return { id: line.id, what: "gap" };
    }
    if (auditHash(this.#hasher, line) !== line.hash) return { id: line.id, what: "edited" };
    if (line.id === this.#checkpoint?.id) {
      if (line.hash !== this.#checkpoint.hash) return { id: line.id, what: "checkpoint" };
      this.#wasAtCheckpoint = true;
    }
    this.#first ??= line;
    this.#last = line;
    this.#lines++;
    return undefined;
  }

  /** @param head the last line as control knows it; undefined where only lines are known */
  end(head?: AuditCheckpoint): AuditFault | AuditSummary {
    const lastId = this.#last?.id ?? 0;
    if (this.#checkpoint !== undefined && !this.#wasAtCheckpoint) {
      return { id: this.#checkpoint.id, what: "checkpoint" };
    }
    if (head !== undefined && (head.id > lastId || (head.id === lastId && head.hash !== this.#last?.hash))) {
      return { id: lastId + 1, what: "cut_off" };
    }
    return {
      lines: this.#lines,
      firstId: this.#first?.id ?? 0,
      lastId,
      head: this.#last?.hash ?? genesisHash,
      isShortened: this.#first !== undefined && this.#first.previous !== genesisHash,
    };
  }
}
