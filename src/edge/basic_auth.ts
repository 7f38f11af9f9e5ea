/**
 * Asks viewers of a service for a name and password (RFC 7617). A password is hashed once: what was verified is known
 * again by a keyed digest, and on one connection by its text. Each address may fail a few times; those over that limit
 * are told so before anything is hashed.
 */
import { createHmac } from "node:crypto";
import { equalConstantTime, utf8Decode } from "../bytes/mod.ts";
import { derivePassword, MAX_PASSWORD_BYTES, parsePasswordHash, type PasswordHash } from "../crypto/mod.ts";
import type { ErrorCode } from "../errors/mod.ts";
import type { HeaderList } from "../http1/mod.ts";
import type { Clock, Random } from "../ports/mod.ts";
import type { BasicAuthRule } from "../rules/mod.ts";
import type { HashQueue } from "./hash_queue.ts";
import { type Refusal, retryAfter } from "./refusal.ts";
import { seedOf } from "./seed.ts";
import { AddressBuckets } from "./token_bucket.ts";

/** Ten failures at once, then one in ten seconds. */
const FAILURES = { intervalMs: 10_000, burst: 10 };
/** Addresses whose failures are counted at the same time. */
const MAX_FAILING_ADDRESSES = 8_192;
/** Credentials that were verified; each user has one password, so there is one entry a user. */
const MAX_VERIFIED = 64;
/** Name, colon and password. */
const MAX_CREDENTIAL_BYTES = 256 + MAX_PASSWORD_BYTES;
const DEFAULT_REALM = "Restricted";

export interface BasicAuthDeps {
  readonly clock: Pick<Clock, "now">;
  readonly random: Random;
  readonly hashes: HashQueue;
}

export class BasicAuth {
  readonly #deps: BasicAuthDeps;
  readonly #users = new Map<string, PasswordHash>();
  /** Hashed in place of the one of a user who does not exist, so that both take as long. */
  readonly #nobody: PasswordHash;
  readonly #challenge: Refusal["headers"];
  readonly #key: Uint8Array;
  readonly #verified = new Set<string>();
  readonly #verifying = new Map<string, Promise<Refusal | undefined>>();
  /** What a connection has shown last and was admitted with. */
  readonly #admitted = new WeakMap<object, string>();
  readonly #failures: AddressBuckets;

  constructor({ realm, users }: BasicAuthRule, deps: BasicAuthDeps) {
    this.#deps = deps;
    for (const { name, hash } of users) this.#users.set(name, parsePasswordHash(hash)!);
    const [{ logN }] = this.#users.values();
    this.#nobody = { logN, salt: deps.random(16), hash: deps.random(32) };
    this.#challenge = [["WWW-Authenticate", `Basic realm="${realm ?? DEFAULT_REALM}", charset="UTF-8"`]];
    this.#key = deps.random(32);
    this.#failures = new AddressBuckets(FAILURES, MAX_FAILING_ADDRESSES, seedOf(deps.random));
  }

  /**
   * Why the request is not served; undefined when it is.
   * @param connection one viewer's, and nobody else's: undefined where several may share it
   */
  admit(
    ip: string,
    headers: HeaderList,
    connection: object | undefined,
  ): Promise<Refusal | undefined> | Refusal | undefined {
    const shown = headers.get("authorization");
    if (shown === null) return this.#refusal("credentials_required");
    // The text is compared with what this very connection has sent: its timing tells nobody anything.
    if (connection !== undefined && this.#admitted.get(connection) === shown) {
      return headers.getAll("authorization").length === 1 ? undefined : this.#refusal("credentials_refused");
    }
    const credentials = headers.getAll("authorization").length === 1 ? credentialsOf(shown) : undefined;
    if (credentials === undefined) return this.#refusal("credentials_refused");
    const digest = createHmac("sha256", this.#key).update(credentials).digest("base64");
    const remember = () => {
      if (connection !== undefined) this.#admitted.set(connection, shown);
    };
    if (this.#verified.has(digest)) return void remember();
    return this.#verify(ip, credentials, digest).then((refusal) => {
      if (refusal === undefined) remember();
      return refusal;
    });
  }

  /** One hash for all requests that show the same at the same time. */
  #verify(ip: string, credentials: Uint8Array, digest: string): Promise<Refusal | undefined> {
    let verifying = this.#verifying.get(digest);
    if (verifying === undefined) {
      verifying = this.#hash(ip, credentials, digest).finally(() => this.#verifying.delete(digest));
      this.#verifying.set(digest, verifying);
    }
    return verifying;
  }

  async #hash(ip: string, credentials: Uint8Array, digest: string): Promise<Refusal | undefined> {
    const { clock, hashes } = this.#deps;
    const now = clock.now();
    const limited = (waitMs: number): Refusal => ({
      code: "credentials_rate_limited",
      headers: [retryAfter(waitMs)],
    });
    const waitMs = this.#failures.take(ip, now);
    if (waitMs > 0) return limited(waitMs);
    const waitForAllMs = hashes.attempts.take(ip, now);
    if (waitForAllMs > 0) {
      this.#failures.untake(ip);
      return limited(waitForAllMs);
    }
    const colon = credentials.indexOf(COLON);
    const user = this.#users.get(textOf(credentials.subarray(0, colon)));
    const expected = user ?? this.#nobody;
    const hashing = hashes.run(this, () => derivePassword(credentials.subarray(colon + 1), expected));
    if (hashing === undefined) {
      this.#untake(ip);
      return { code: "credentials_busy", headers: [retryAfter(1_000)] };
    }
    const matches = equalConstantTime(await hashing, expected.hash);
    if (!matches || user === undefined) return this.#refusal("credentials_refused");
    this.#untake(ip);
    if (this.#verified.size < MAX_VERIFIED) this.#verified.add(digest);
    return undefined;
  }

  /** It was no failure. */
  #untake(ip: string): void {
    this.#failures.untake(ip);
    this.#deps.hashes.attempts.untake(ip);
  }

  #refusal(code: ErrorCode): Refusal {
    return { code, headers: this.#challenge };
  }
}

const COLON = 0x3a;

/** `name:password` of an Authorization value; undefined when it is none. */
function credentialsOf(value: string): Uint8Array | undefined {
  const match = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(value);
  if (match === null || match[1].length > MAX_CREDENTIAL_BYTES * 4 / 3 + 4) return undefined;
  try {
    const bytes = Uint8Array.from(atob(match[1]), (unit) => unit.charCodeAt(0));
    const colon = bytes.indexOf(COLON);
    return colon >= 0 && bytes.length - colon - 1 <= MAX_PASSWORD_BYTES ? bytes : undefined;
  } catch {
    return undefined;
  }
}

/** A name that is no UTF-8 is nobody's. */
function textOf(bytes: Uint8Array): string {
  try {
    return utf8Decode(bytes);
  } catch {
    return "";
  }
}
