/** Public keys of another issuer, from a file or from where it publishes them. */
import { utf8Decode } from "../bytes/mod.ts";
import { codeOf, PosternError } from "../errors/mod.ts";
import { type PinnedKey, readJwks } from "../identity/mod.ts";
import type { Clock, Log } from "../ports/mod.ts";
import { boundedFetch, FetchFailure } from "./bounded_fetch.ts";
import { unavailable } from "./remote_verifier.ts";

/** Keys of other issuers by key id. */
export interface KeySet {
  /** Undefined: the issuer has no such key. Throws `token_verifier_unavailable` when it is not known which keys it has. */
  key(kid: string): Promise<PinnedKey | undefined>;
  /** Reads the file again. Throws `jwks_invalid`: then the keys of before stay. */
  reload(): Promise<void>;
  stop(): void;
}

/** Longest key set, 64 keys with certificates beside them. */
const MAX_JWKS_BYTES = 262_144;

/** How long a fetched set counts, by its Cache-Control (RFC 9111 5.2.2.1) within bounds; without one, the middle. */
export const KEY_SET_AGE_MS = { least: 60_000, unsaid: 3_600_000, most: 86_400_000 };
/** After a failure the next attempt waits so long, twice as long each time, up to the last. */
const RETRY_MS = { first: 1_000, last: 60_000 };
/** A key id that is not in the set has it fetched again, at most this often (ms): ids of tokens are anybody's. */
export const UNKNOWN_KEY_EVERY_MS = 10_000;
/** For one request. */
const FETCH_MS = 5_000;

/** @throws PosternError `jwks_invalid` */
export async function openKeySetFile(path: string): Promise<KeySet> {
  let keys = await readKeySetFile(path);
  return {
    key: (kid) => Promise.resolve(keys.get(kid)),
    async reload() {
      keys = await readKeySetFile(path);
    },
    stop() {},
  };
}

async function readKeySetFile(path: string): Promise<ReadonlyMap<string, PinnedKey>> {
  let text: string;
  try {
    const { size, isFile } = await Deno.stat(path);
    if (!isFile || size > MAX_JWKS_BYTES) {
      throw new PosternError(
        "jwks_invalid",
        `Cannot use key set ${path}: it is no file of ${MAX_JWKS_BYTES} bytes at most`,
      );
    }
    text = await Deno.readTextFile(path);
  } catch (cause) {
    if (cause instanceof PosternError) throw cause;
    throw new PosternError("jwks_invalid", `Cannot use key set ${path}: it is not readable`, { cause });
  }
  return await readJwks(jsonOf(text));
}

export interface FetchedKeySetOptions {
  readonly url: string;
  readonly client: Deno.HttpClient;
  readonly clock: Clock;
  readonly log: Log;
  /** For metrics: `ok` or an error code. */
  readonly onFetched: (result: string) => void;
}

/**
 * Keys that are fetched at half their age, in the background. While no fetch succeeds the last ones count until their age
 * is over, and no longer: a key that was withdrawn would count for ever else.
 */
export class FetchedKeySet implements KeySet {
  readonly #options: FetchedKeySetOptions;
  #keys: ReadonlyMap<string, PinnedKey> | undefined;
  /** Monotonic. */
  #keysUntilMs = 0;
  #fetching: Promise<void> | undefined;
  #fetchedAtMs = -Infinity;
  #retryMs = RETRY_MS.first;
  #cancelNext = () => {};
  #isStopped = false;

  constructor(options: FetchedKeySetOptions) {
    this.#options = options;
  }

  /** Begins to fetch; the first keys are waited for by whoever needs one. */
  start(): void {
    void this.#fetch();
  }

  async key(kid: string): Promise<PinnedKey | undefined> {
    const { clock } = this.#options;
    const found = this.#current()?.get(kid);
    if (found !== undefined) return found;
    // A key that was published a moment ago; or the first fetch is on its way.
    if (clock.now() - this.#fetchedAtMs >= UNKNOWN_KEY_EVERY_MS || this.#fetching !== undefined) {
      await this.#fetch();
    }
    const keys = this.#current();
    if (keys === undefined) throw unavailable("its issuer's keys could not be fetched", "key_set");
    return keys.get(kid);
  }

  async reload(): Promise<void> {
    await this.#fetch();
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancelNext();
  }

  #current(): ReadonlyMap<string, PinnedKey> | undefined {
    return this.#options.clock.now() < this.#keysUntilMs ? this.#keys : undefined;
  }

  /** One at a time; never rejects. */
  #fetch(): Promise<void> {
    return this.#fetching ??= this.#fetchNow().finally(() => this.#fetching = undefined);
  }

  async #fetchNow(): Promise<void> {
    const { clock, log, onFetched, url } = this.#options;
    this.#cancelNext();
    this.#fetchedAtMs = clock.now();
    try {
      const { keys, ageMs } = await this.#read();
      this.#keys = keys;
      this.#keysUntilMs = this.#fetchedAtMs + ageMs;
      this.#retryMs = RETRY_MS.first;
      onFetched("ok");
      this.#later(ageMs / 2);
    } catch (error) {
      if (this.#isStopped) return; // what stopped it took its client away
      onFetched(codeOf(error));
      log("warn", "key set not fetched", {
        url,
        code: codeOf(error),
        cause: error instanceof Error ? error.message : undefined,
      });
      this.#later(this.#retryMs);
      this.#retryMs = Math.min(RETRY_MS.last, this.#retryMs * 2);
    }
  }

  async #read(): Promise<{ keys: ReadonlyMap<string, PinnedKey>; ageMs: number }> {
    const { url, client, clock } = this.#options;
    const { status, headers, body } = await boundedFetch(
      url,
      { headers: { accept: "application/jwk-set+json, application/json", "accept-encoding": "identity" } },
      { clock, client, timeoutMs: FETCH_MS, maxBytes: MAX_JWKS_BYTES },
    ).catch((error) => {
      const state = error instanceof FetchFailure ? error.message : "it cannot be asked";
      throw unavailable(state, "key_set", error);
    });
    if (status !== 200) throw unavailable(`its issuer's keys are answered with status ${status}`, "key_set");
    return { keys: await readJwks(jsonOf(utf8Text(body))), ageMs: ageOf(headers.get("cache-control")) };
  }

  #later(afterMs: number): void {
    if (this.#isStopped) return;
    const { clock } = this.#options;
    this.#cancelNext = clock.schedule(clock.now() + afterMs, () => void this.#fetch());
  }
}

function ageOf(cacheControl: string | null): number {
  const seconds = /(?:^|[\s,])max-age="?(\d{1,9})\b/i.exec(cacheControl ?? "")?.[1];
  if (seconds === undefined) return KEY_SET_AGE_MS.unsaid;
  return Math.min(KEY_SET_AGE_MS.most, Math.max(KEY_SET_AGE_MS.least, Number(seconds) * 1_000));
}

function utf8Text(bytes: Uint8Array): string {
  try {
    return utf8Decode(bytes);
  } catch {
    return "";
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
