/**
 * The rotating set of signing keys.
 *
 * ```
 *            publish                 activate                    retire + retain
 *   (none) ----------> next -------------------> current -------> previous ------> dropped
 *            published, not yet signing   signs           still verifies
 * ```
 * A key is published for a whole publish period before it signs, so verifiers that cache the set know it in time;
 * it verifies until the longest token that it signed has ended.
 */
import { z } from "zod";
import { PosternError } from "../errors/mod.ts";
import type { Random } from "../ports/mod.ts";
import {
  type Jwks,
  type KeyPair,
  keyPairOfJwk,
  keyPairOfSeed,
  publicJwk,
  type SigningKeys,
  type VerificationKeys,
} from "./keys.ts";

/** Durations of the rotation. */
export interface RotationPolicy {
  /** How long a key signs. */
  readonly rotateEveryMs: number;
  /** How long a key is published before it signs. */
  readonly publishBeforeMs: number;
  /** How long a retired key verifies: the longest token lifetime plus clock skew. */
  readonly retainMs: number;
}

export const defaultRotation: RotationPolicy = Object.freeze({
  rotateEveryMs: 86_400_000,
  publishBeforeMs: 3_600_000,
  retainMs: 604_830_000,
});

const keySchema = z.object({ d: z.string(), x: z.string(), published_at_ms: z.number() });
const keysetSchema = z.object({
  version: z.literal(1),
  current: keySchema.extend({ activated_at_ms: z.number() }),
  next: keySchema.optional(),
  previous: z.array(keySchema.extend({ retired_at_ms: z.number() })).max(1_024),
});

/** Stored form of a key set. Secret: it holds private keys. */
export type KeysetRecord = z.infer<typeof keysetSchema>;

interface State {
  readonly current: { readonly key: KeyPair; readonly publishedAtMs: number; readonly activatedAtMs: number };
  readonly next: { readonly key: KeyPair; readonly publishedAtMs: number } | undefined;
  readonly previous: readonly {
    readonly key: KeyPair;
    readonly publishedAtMs: number;
    readonly retiredAtMs: number;
  }[];
}

/** Signs with the current key, verifies with all. All times are wall-clock Unix milliseconds. */
export class Keyset implements SigningKeys, VerificationKeys {
  #state: State;
  readonly #policy: RotationPolicy;

  private constructor(state: State, policy: RotationPolicy) {
    this.#state = state;
    this.#policy = policy;
  }

  /** A new set with one key, which signs at once: nobody can have cached an earlier set. */
  static async create(nowMs: number, random: Random, policy = defaultRotation): Promise<Keyset> {
    const key = await keyPairOfSeed(random(32));
    const current = { key, publishedAtMs: nowMs, activatedAtMs: nowMs };
    return new Keyset({ current, next: undefined, previous: [] }, policy);
  }

  /** Reads the stored form. Throws `keyset_malformed`. */
  static async load(record: unknown, policy = defaultRotation): Promise<Keyset> {
    return new Keyset(await stateOf(record), policy);
  }

  /** Takes over a stored set, e.g. one that another control has rotated. Throws `keyset_malformed`. */
  async reload(record: unknown): Promise<void> {
    this.#state = await stateOf(record);
  }

  /** Takes the steps that are due; true when the set has changed and must be stored before it is used further. */
  async rotate(nowMs: number, random: Random): Promise<boolean> {
    const { rotateEveryMs, publishBeforeMs, retainMs } = this.#policy;
    let { current, next, previous } = this.#state;
    if (next !== undefined && nowMs >= this.#activationMs()) {
      const { key, publishedAtMs } = current;
      previous = [{ key, publishedAtMs, retiredAtMs: nowMs }, ...previous];
      current = { ...next, activatedAtMs: nowMs };
      next = undefined;
    }
    if (next === undefined && nowMs >= current.activatedAtMs + rotateEveryMs - publishBeforeMs) {
      next = { key: await keyPairOfSeed(random(32)), publishedAtMs: nowMs };
    }
    const kept = previous.filter((entry) => nowMs < entry.retiredAtMs + retainMs);
    const changed = current !== this.#state.current || next !== this.#state.next ||
      kept.length !== this.#state.previous.length;
    this.#state = { current, next, previous: kept };
    return changed;
  }

  /** When {@link rotate} has something to do next. */
  get nextRotationAtMs(): number {
    const { current, next, previous } = this.#state;
    const step = next === undefined
      ? current.activatedAtMs + this.#policy.rotateEveryMs - this.#policy.publishBeforeMs
      : this.#activationMs();
    return Math.min(step, ...previous.map((entry) => entry.retiredAtMs + this.#policy.retainMs));
  }

  signingKey(): { readonly kid: string; readonly privateKey: CryptoKey } {
    return this.#state.current.key;
  }

  publicKey(kid: string): CryptoKey | undefined {
    return this.#keys().find((key) => key.kid === kid)?.publicKey;
  }

  /** The published set: current, next, then previous keys, newest first. */
  jwks(): Jwks {
    return { keys: this.#keys().map(publicJwk) };
  }

  /** Stored form. Secret. */
  record(): KeysetRecord {
    const { current, next, previous } = this.#state;
    return {
      version: 1,
      current: { ...stored(current), activated_at_ms: current.activatedAtMs },
      ...(next === undefined ? {} : { next: stored(next) }),
      previous: previous.map((entry) => ({ ...stored(entry), retired_at_ms: entry.retiredAtMs })),
    };
  }

  #activationMs(): number {
    const { current, next } = this.#state;
    const due = current.activatedAtMs + this.#policy.rotateEveryMs;
    return next === undefined ? due : Math.max(due, next.publishedAtMs + this.#policy.publishBeforeMs);
  }

  #keys(): KeyPair[] {
    const { current, next, previous } = this.#state;
    return [current, ...(next === undefined ? [] : [next]), ...previous].map((entry) => entry.key);
  }
}

function stored(entry: { readonly key: KeyPair; readonly publishedAtMs: number }) {
  return { d: entry.key.d, x: entry.key.x, published_at_ms: entry.publishedAtMs };
}

async function stateOf(record: unknown): Promise<State> {
  const parsed = keysetSchema.safeParse(record);
  if (!parsed.success) {
    throw new PosternError("keyset_malformed", "Cannot load key set: its stored form is not known");
  }
  const { current, next, previous } = parsed.data;
  try {
    return {
      current: { ...await entryOf(current), activatedAtMs: current.activated_at_ms },
      next: next === undefined ? undefined : await entryOf(next),
      previous: await Promise.all(
        previous.map(async (entry) => ({ ...await entryOf(entry), retiredAtMs: entry.retired_at_ms })),
      ),
    };
  } catch (cause) {
    throw new PosternError("keyset_malformed", "Cannot load key set: a stored key is not an Ed25519 key", {
      cause,
    });
  }
}

async function entryOf(entry: z.infer<typeof keySchema>) {
  return { key: await keyPairOfJwk(entry.d, entry.x), publishedAtMs: entry.published_at_ms };
}
